# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Generated recordings: each is read right, or refused with the right reason."""

from collections import Counter
from pathlib import Path

import pytest

from .variants import judged, variants

ALL = list(variants())
PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'recordings.md'


@pytest.mark.parametrize('group', sorted({variant.group for variant in ALL}))
def test_every_variant_is_read_right_or_refused_with_the_right_reason(tmp_path, group):
    wrong = []
    for number, variant in enumerate(v for v in ALL if v.group == group):
        folder = tmp_path / str(number)
        folder.mkdir()
        trouble = judged(variant, variant.write(folder))
        if trouble:
            wrong.append(f'{variant.name}: {trouble}')
    assert not wrong, f'{len(wrong)}:\n' + '\n'.join(wrong)


def test_the_table_in_docs_counts_these_variants():
    text = PAGE.read_text()
    for group, count in Counter(v.group for v in ALL).items():
        refused = sum(bool(v.refused) for v in ALL if v.group == group)
        assert f'| {group} | {count} | {count - refused} | {refused} | 0 |' in text, (
            'run benchmarks/recordings.py --write')
