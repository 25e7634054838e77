# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The notebooks run as they are printed, and what they print is what is committed."""

import importlib.util
from pathlib import Path
import re

import pytest

nbformat = pytest.importorskip('nbformat')
for needed in ('nbclient', 'ipykernel'):
    pytest.importorskip(needed)
FOLDER = Path(__file__).resolve().parents[1] / 'docs' / 'notebooks'
NOTEBOOKS = sorted(FOLDER.glob('*.ipynb'))
NUMBER = re.compile(r'-?\d+(?:\.\d+)?')
NEAR, LITTLE = 0.25, 0.3
"""Share of a number, and a number, by which another machine's arithmetic may differ: networks of
spiking neurons turn the last digit of a sum into another spike."""
LARGEST = 150_000
"""Bytes of a notebook."""


@pytest.fixture(scope='module')
def run():
    spec = importlib.util.spec_from_file_location('run', FOLDER / 'run.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def printed(notebook):
    """Return what each cell of code has printed."""
    return [''.join(output['text'] for output in cell.outputs if output.output_type == 'stream')
            for cell in notebook.cells if cell.cell_type == 'code']


def pictures(notebook):
    return [sum('image/png' in output.get('data', {}) for output in cell.outputs)
            for cell in notebook.cells if cell.cell_type == 'code']


def apart(one, other):
    """Return a line for each number that is too far from what it was, and for other words."""
    if NUMBER.sub('#', one).split() != NUMBER.sub('#', other).split():
        return [f'{one!r} where there was {other!r}']
    return [f'{a} where there was {b}, in {one!r}'
            for a, b in zip(map(float, NUMBER.findall(one)), map(float, NUMBER.findall(other)))
            if abs(a - b) > LITTLE + NEAR * max(abs(a), abs(b))]


def test_a_number_that_is_off_is_told():
    assert not apart('0.53 cm off, 9170 cells', '0.61 cm off, 9050 cells')
    assert apart('1.53 cm off', '0.53 cm off') == [
        "1.53 where there was 0.53, in '1.53 cm off'"]
    assert apart('1.53 m off', '1.53 cm off')


def test_four_tutorials_are_notebooks():
    assert {path.stem for path in NOTEBOOKS} == {
        'first_movement', 'ageing_chip', 'own_arm', 'pictures'}


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_of_no_machine(path):
    text = path.read_text()
    assert len(text) < LARGEST
    assert not re.search(r'/(?:tmp|home|root|usr|work)/', text)
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        outputs = cell.get('outputs', [])
        assert all(output.get('name') != 'stderr' and output.output_type != 'error'
                   for output in outputs)
        if cell.cell_type == 'code':
            assert cell.execution_count, 'not run: make notebooks'


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_comes_out_as_committed(path, run):
    """`make notebooks` writes them anew where a figure has changed for good."""
    kept, fresh = nbformat.read(path, as_version=4), run.executed(path)
    wrong = [line for one, other in zip(printed(fresh), printed(kept), strict=True)
             for line in apart(one, other)]
    assert not wrong, '\n'.join(wrong)
    assert pictures(fresh) == pictures(kept)
