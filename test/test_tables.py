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
            digest = digests[tables.model_of(block['name'])]
            assert f'`{digest}`' in block[0], f'{page.name}: table {block["name"]}'
            found += 1
    assert found >= 6


def test_other_weights_are_noticed(tables):
    changed = {name: {**own, 'digest': 'feedfeedfeed'}
               for name, own in tables.figures().items()}
    page = tables.PAGES[0].read_text()
    assert tables.written(page, changed) != page


def test_a_table_of_errors_outside_the_script_says_whose_it_is(tables):
    """Whoever writes a table of centimetres by hand names the weights it was taken with."""
    for page in tables.PAGES:
        text = tables.BLOCK.sub('', page.read_text())
        for section in re.split(r'^## ', text, flags=re.MULTILINE):
            has_errors = any('|' in line and re.search(r'\d\.\d\d', line)
                             for line in section.splitlines())
            assert not has_errors or re.search('`[0-9a-f]{12}`', section), (
                f'{page.name}: section {section.splitlines()[0]!r} names no weights')
