# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Count what becomes of generated recordings: `python benchmarks/recordings.py [--write]`.

Every variant of `test/demonstration/variants.py` is read with its options and judged as the tests
judge it; the table stands in docs/recordings.md, where `--write` puts it.
"""

import argparse
from collections import Counter
from pathlib import Path
import re
import sys
import tempfile

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'test'))

from demonstration.variants import judged, variants  # noqa: E402

from smallbot.files.writing import write_atomically  # noqa: E402


def counts() -> list[tuple[str, Counter]]:
    found: dict[str, Counter] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for number, variant in enumerate(variants()):
            folder = Path(scratch, str(number))
            folder.mkdir()
            trouble = judged(variant, variant.write(folder))
            if trouble:
                print(f'{variant.name}: {trouble}', file=sys.stderr)
            what = 'wrong' if trouble else 'refused' if variant.refused else 'learned'
            found.setdefault(variant.group, Counter())[what] += 1
    return list(found.items())


def table(rows: list[tuple[str, Counter]]) -> str:
    lines = ['| variants | files | read right | refused with the right reason | wrong |',
             '|---|---|---|---|---|']
    rows = [*rows, ('all', sum((count for _, count in rows), Counter()))]
    for name, count in rows:
        lines.append(f'| {name} | {count.total()} | {count["learned"]} | {count["refused"]} | '
                     f'{count["wrong"]} |')
    return '\n'.join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--write', action='store_true', help='put the table into docs')
    args = parser.parse_args()
    rows = counts()
    print(table(rows))
    if args.write:
        page = ROOT / 'docs' / 'recordings.md'
        write_atomically(page, re.sub(r'(<!-- table recordings -->\n).*?(<!-- end -->)',
                                      lambda block: f'{block[1]}{table(rows)}\n{block[2]}',
                                      page.read_text(), flags=re.DOTALL).encode())
    return int(any(count['wrong'] for _, count in rows))


if __name__ == '__main__':
    raise SystemExit(main())
