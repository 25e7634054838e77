# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The tables of README and docs are of the shipped model, and as the script writes them."""

import importlib.util
from pathlib import Path
import re

import pytest

from smallbot.few_shot.model import load_image_model
from smallbot.one_shot.model import load_model

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='module')
def tables():
    spec = importlib.util.spec_from_file_location('tables', ROOT / 'benchmarks' / 'tables.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_figures_are_of_the_weights_that_are_shipped(tables):
    for model in (load_model(), load_image_model()):
        assert tables.figures()[model.name]['digest'] == model.digest


def test_every_table_is_what_the_script_writes_and_names_the_shipped_weights(tables):
    digests = {model.name: model.digest for model in (load_model(), load_image_model())}
    found = 0
    for page in tables.PAGES:
        text = page.read_text()
        assert tables.written(text, tables.figures()) == text, (
            f'{page.name}: run benchmarks/tables.py')
        for block in tables.BLOCK.finditer(text):
            for model in tables.models_of(block['name']):
                assert f'`{digests[model]}`' in block[0], f'{page.name}: table {block["name"]}'
            found += 1
    assert found >= 7


def test_other_weights_are_noticed(tables):
    changed = {name: {**own, 'digest': 'feedfeedfeed'}
               for name, own in tables.figures().items()}
    page = tables.PAGES[0].read_text()
    assert tables.written(page, changed) != page


def test_the_short_table_takes_its_rows_from_both_models(tables):
    error = {'tip_rmse_cm': {'after': {'mean': 0.5, 'sd': 0.25}}}
    right = {'accuracy': [{'mean': 20.0, 'ci95': [20, 20]}, {'mean': 98.0, 'ci95': [97.5, 98.5]}]}
    found = {tables.MOVEMENTS: {'digest': 'aaaaaaaaaaaa', 'chip': error},
             tables.CHARACTERS: {'digest': 'bbbbbbbbbbbb', **{
                 f'{kind}-shot, {synapses}': right for kind in ('5-way 5', '5-way 1', '20-way 1')
                 for synapses in ('software', 'chip')}}}
    text = tables.written('<!-- table figures -->\n<!-- end -->', found)
    assert '| 100 movements as in the paper, tool tip, cm |  | 0.50 ± 0.25 |' in text
    assert '20-way 1-shot, % right | 98.00 ± 0.50 | 98.00 ± 0.50 |' in text
    assert '`aaaaaaaaaaaa`' in text and '`bbbbbbbbbbbb`' in text


def test_a_table_of_errors_outside_the_script_says_whose_it_is(tables):
    """Whoever writes a table of centimetres by hand names the weights it was taken with."""
    for page in tables.PAGES:
        text = tables.BLOCK.sub('', page.read_text())
        for section in re.split(r'^## ', text, flags=re.MULTILINE):
            # A row that begins with code is of an option or a field.
            has_errors = any('|' in line and re.search(r'\d\.\d\d', line)
                             and not line.startswith('| `') for line in section.splitlines())
            assert not has_errors or re.search('`[0-9a-f]{12}`', section), (
                f'{page.name}: section {section.splitlines()[0]!r} names no weights')
