# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""One process at a time on a chip or an output folder; the second is told of the first."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

import smallbot
from smallbot.errors import InputError
from smallbot.files.holding import hold
from smallbot.one_shot.chip_care import ChipCare
from smallbot.one_shot.model import arm_of, load_model

ROOT = Path(smallbot.__file__).resolve().parents[1]
CODE = """import sys
from pathlib import Path
from smallbot.files.holding import hold
held = hold(Path(sys.argv[1]))
print('held', flush=True)
input()
"""


@pytest.fixture
def other():
    """Return a function that lets another process hold a path, and returns it."""
    started = []

    def start(path):
        started.append(subprocess.Popen(
            [sys.executable, '-c', CODE, str(path)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env={**os.environ, 'PYTHONPATH': str(ROOT)}))
        assert started[-1].stdout.readline() == 'held\n'
        return started[-1]
    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize('kind', ['folder', 'file', 'new file', 'link'])
def test_the_second_is_refused_and_told_of_the_first(kind, other, tmp_path):
    path = tmp_path / 'it'
    if kind == 'folder':
        path.mkdir()
    elif kind != 'new file':
        path.write_bytes(b'content')
    named = path
    if kind == 'link':
        named = tmp_path / 'link'
        named.symlink_to('it')
    process = other(path)
    with pytest.raises(InputError) as caught:
        hold(named)
    said = str(caught.value)
    assert f'process {process.pid} on {os.uname().nodename} since 20' in said
    assert str(named) in said and '\n' not in said
    process.kill()
    process.wait()
    first = hold(named)
    assert hold(path) is first, 'the same process may, once more'
    lock = first.lock
    first.release()
    assert not lock.exists(), 'nothing is left'
    process = other(path)
    process.communicate('\n')
    assert not lock.exists()


def test_a_chip_is_one_controllers(other, tmp_path):
    model = load_model(ROOT / 'test' / 'written_before' / 'small.safetensors')
    arm = arm_of(model.config)
    ChipCare(model, arm, file=tmp_path / 'chip').save()
    process = other(tmp_path / 'chip')
    with pytest.raises(InputError, match=f'in use by process {process.pid} '):
        ChipCare(model, arm, file=tmp_path / 'chip')
    process.kill()
    process.wait()
    ChipCare(model, arm, file=tmp_path / 'chip')
    assert {path.name for path in tmp_path.iterdir()} == {'chip'}


def test_where_no_lock_can_be_made_reading_goes_on(tmp_path, monkeypatch):
    """To root every folder can be written: what the system says of others is made up."""
    real = os.open

    def opened(path, flags, *rest, **more):
        if str(path).endswith('.lock'):
            raise OSError(30, 'Read-only file system', str(path))
        return real(path, flags, *rest, **more)
    monkeypatch.setattr('smallbot.files.holding.os.open', opened)
    held = hold(tmp_path)
    assert not list(tmp_path.iterdir())
    held.release()


def test_a_run_of_meta_training_is_refused_beside_another(other, tmp_path, capsys):
    from smallbot.cli.main import main

    process = other(tmp_path)
    assert main(['meta-train', '--iterations', '1', '--processes', '1', '--out',
                 str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f'in use by process {process.pid} ' in said and said.count('\n') == 1
