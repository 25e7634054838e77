# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Everything that writes a file writes it to the place that was named, whole or not at all."""

import ast
from contextlib import contextmanager
import os
from pathlib import Path
import resource
import signal
import stat
import subprocess
import sys
import threading
import time

from matplotlib.figure import Figure
import numpy as np
import pytest
import torch

from smallbot.arm.kinematics import default_arm
from smallbot.demonstration.csv_file import write_csv
from smallbot.demonstration.samples import Demonstration
from smallbot.errors import InputError
from smallbot.files.writing import (
    file_name,
    LONGEST_NAME,
    open_for_lines,
    read_bytes,
    write_atomically,
    write_json,
    WriteError,
)
from smallbot.models.weights_file import save_model
from smallbot.one_shot.model import initial_weights, ModelConfig, OneShotModel
from smallbot.one_shot.trainee import prepare_synapses
from smallbot.outer_loop.configuration import MetaConfig
from smallbot.outer_loop.run import MetaTraining
from smallbot.plots.arm import draw_arm
from smallbot.plots.common.saving import save_figure

PACKAGE = Path(write_json.__code__.co_filename).parents[1]
CONFIG = ModelConfig(neurons=12, generator_neurons=8, steps=60)
TIME = np.linspace(0, 1, 20)
SHOWN = Demonstration(('base', 'shoulder'), TIME, np.stack([TIME, -TIME], 1) / 4, 'a test')


@pytest.fixture(scope='module')
def writers():
    """Return what writes a file: a name to be given, and a function of the path."""
    weights = initial_weights(CONFIG, torch.Generator().manual_seed(0))
    weights['trainee'].clamp_(-0.4, 0.4)
    model = OneShotModel(CONFIG, weights, 'small')
    synapses, run = prepare_synapses(model, 'chip', 0), MetaTraining(
        MetaConfig(model=CONFIG, batch=2, iterations=2, window_range=(20, 40)))

    def lines(path):
        with open_for_lines(path) as stream:
            stream.write('a line\n' * 2000)

    def named(path):
        save_model(OneShotModel(CONFIG, weights, path.stem), path.parent)

    class Shown:
        report = {'arm_tip_rmse_cm': 1.0, 'arm': 'kinematic', 'demonstration': {'shown': 'x'}}
        tip = {key: np.zeros((20, 3)) for key in ('demonstrated', 'arm')}
        position = {key: np.zeros((20, 2)) for key in tip}

    arm = default_arm()
    return {
        'bytes': ('x', lambda path: write_atomically(path, b'x' * 9000)),
        'json': ('x.json', lambda path: write_json(path, {'x': [1.5] * 900})),
        'csv': ('x.csv', lambda path: write_csv(SHOWN, path)),
        'lines': ('x.csv', lines),
        'chip': ('chip', synapses.save),
        'model': ('small.safetensors', named),
        'card': ('small.json', named),
        'checkpoint': ('checkpoint.pt', lambda path: run.save(path.parent)),
        'figure': ('x.png', lambda path: save_figure(Figure((2, 2)), path)),
        'film': ('x.gif', lambda path: draw_arm(Shown(), arm, path, frames=2)),
    }


WRITERS = ('bytes', 'json', 'csv', 'lines', 'chip', 'model', 'card', 'checkpoint', 'figure',
           'film')
IN_PLACE = ('lines',)
"""Written as things happen, not at once."""


@pytest.fixture(params=WRITERS)
def writer(request, writers):
    assert set(writers) == set(WRITERS)
    return request.param, *writers[request.param]


def test_what_is_written_goes_through_links_with_the_permissions_that_were_there(
        writer, tmp_path):
    who, name, write = writer
    if who == 'film':
        pytest.skip('takes time, and goes the way of the others')
    kept, other = tmp_path / 'kept', tmp_path / 'other'
    kept.mkdir()
    other.mkdir()
    target, link = kept / 'the one', other / name
    target.write_bytes(b'before')
    target.chmod(0o640)
    link.symlink_to('../kept/the one')
    write(link)
    assert link.is_symlink() and os.readlink(link) == '../kept/the one'
    assert len(target.read_bytes()) > 100 and stat.S_IMODE(target.stat().st_mode) == 0o640
    assert {path.name for path in kept.iterdir()} == {'the one'}
    target.unlink()
    before = os.umask(0o027)
    try:
        write(link)
    finally:
        os.umask(before)
    assert link.is_symlink() and stat.S_IMODE(target.stat().st_mode) == 0o640
    assert {path.name for path in kept.iterdir()} == {'the one'}
    assert not [path for path in other.iterdir() if path.name.startswith('.')]


@pytest.mark.timeout(60)
def test_pipes_and_devices_are_written_into(writer, tmp_path):
    _, name, write = writer
    write(tmp_path / name)
    plain = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    heard = []
    reader = threading.Thread(target=lambda: heard.append((tmp_path / name).read_bytes()))
    reader.start()
    write(tmp_path / name)
    reader.join()
    assert abs(len(heard[0]) - len(plain)) < 50 and heard[0][:4] == plain[:4]
    assert stat.S_ISFIFO((tmp_path / name).stat().st_mode)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to('/dev/null')
    write(tmp_path / name)
    assert stat.S_ISCHR(os.stat('/dev/null').st_mode) and (tmp_path / name).is_symlink()


@contextmanager
def small_files(most=64):
    """Let the file system take no larger files, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(('place', 'code'), [
    ('full', 1), ('device', 1), ('no folder', 2), ('folder', 2), ('file on the way', 2)])
def test_what_cannot_be_written_is_one_line_and_nothing_is_lost(writer, place, code, tmp_path):
    who, name, write = writer
    if who == 'film':
        pytest.skip('takes time, and goes the way of the others')
    path = tmp_path / name
    if place == 'full':
        path.write_bytes(b'before')
    elif place == 'device':
        path.symlink_to('/dev/full')
    elif place == 'folder':
        path.mkdir()
    elif place == 'file on the way':
        (tmp_path / 'file').write_bytes(b'before')
        path = tmp_path / 'file' / name
    elif who in ('csv', 'model', 'card', 'checkpoint'):
        pytest.skip('it makes the folder')
    else:
        path = tmp_path / 'none' / name
    with pytest.raises(InputError) as caught, small_files(64 if place == 'full' else -1):
        write(path)
    assert '\n' not in str(caught.value) and str(path.parent) in str(caught.value)
    if isinstance(caught.value, WriteError):
        assert caught.value.code == code
    if place == 'full' and who not in IN_PLACE:
        assert path.read_bytes() == b'before'
    own = {'small.safetensors', 'small.json', 'file', name}
    assert {path.name for path in tmp_path.iterdir()} <= own


def test_a_read_only_folder_is_said(writer, tmp_path, monkeypatch):
    """To root every folder can be written: what the system says of others is made up."""
    who, name, write = writer
    if who == 'film':
        pytest.skip('takes time, and goes the way of the others')
    real = os.open

    def opened(path, flags, *rest, **more):
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(30, 'Read-only file system', str(path))
        return real(path, flags, *rest, **more)
    monkeypatch.setattr('smallbot.files.writing.os.open', opened)
    with pytest.raises(InputError, match='Read-only file system') as caught:
        write(tmp_path / name)
    assert '\n' not in str(caught.value) and not list(tmp_path.iterdir())


def test_an_open_descriptor_is_written_into_where_it_stands(tmp_path):
    code = ('import sys; from pathlib import Path; from smallbot.files.writing import write_json\n'
            'print("before"); write_json(Path("/dev/stdout"), [1]); print("after")\n'
            'write_json(Path("/proc/self/fd/1"), [2]); write_json(Path("/dev/fd/1"), [3])')
    with (tmp_path / 'out').open('w') as out:
        subprocess.run([sys.executable, '-c', code], stdout=out, check=True,
                       env={**os.environ, 'PYTHONPATH': str(PACKAGE.parent)})
    found = (tmp_path / 'out').read_text()
    assert found.split() == 'before [ 1 ] after [ 2 ] [ 3 ]'.split()


def test_a_pipe_that_nobody_reads_is_not_waited_for_without_end(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / 'pipe')
    monkeypatch.setattr('smallbot.files.writing.PATIENCE', 0.1)
    with pytest.raises(WriteError, match='nobody reads it'):
        write_atomically(tmp_path / 'pipe', b'x')
    with pytest.raises(OSError, match='plain file'):
        read_bytes(tmp_path / 'pipe')


@pytest.mark.parametrize('nameless', [True, False])
def test_a_draft_that_a_killed_process_left_goes_with_the_next_write(
        tmp_path, monkeypatch, nameless):
    if not nameless:
        monkeypatch.setattr('smallbot.files.writing._replace_nameless', lambda *_: False)
    write_atomically(tmp_path / 'x', b'before')
    (tmp_path / '.x.smallbot').write_bytes(b'ha')
    write_atomically(tmp_path / 'x', b'after')
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {'x': b'after'}


@pytest.mark.timeout(100)
def test_nothing_is_half_or_left_when_writers_are_killed(tmp_path):
    code = ('import sys; from pathlib import Path\n'
            'from smallbot.files.writing import write_atomically\n'
            'print(flush=True)\n'
            'while True:\n'
            '    for k in range(256): write_atomically(Path("x"), bytes([k]) * 100_000)')
    chance = np.random.default_rng(0)
    for _ in range(4):
        both = [subprocess.Popen([sys.executable, '-c', code], cwd=tmp_path,
                                 stdout=subprocess.PIPE, env={
                                     **os.environ, 'PYTHONPATH': str(PACKAGE.parent)})
                for _ in range(2)]
        for process in both:
            process.stdout.readline()
        time.sleep(chance.uniform(0, 0.05))
        for process in both:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        found = (tmp_path / 'x').read_bytes() if (tmp_path / 'x').exists() else b''
        assert not found or len(found) == 100_000 and len(set(found)) == 1
    write_atomically(tmp_path / 'x', b'last')
    assert {path.name for path in tmp_path.iterdir()} == {'x'}


@pytest.mark.parametrize('name', ['../x', '/x', 'a/b', '.', '..', '.x', '', ' ', 'a\0b', 'a\nb',
                                  'x' * (LONGEST_NAME + 1), 'ä' * LONGEST_NAME])
def test_a_name_leads_nowhere_else(name, tmp_path):
    with pytest.raises(InputError, match='expected the name of a file|at most') as caught:
        file_name(name, 'model')
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400
    weights = initial_weights(CONFIG, torch.Generator().manual_seed(0))
    with pytest.raises(InputError):
        save_model(OneShotModel(CONFIG, weights, name), tmp_path)
    assert not list(tmp_path.iterdir())


def test_long_names_that_a_file_system_takes_are_replaced_too(tmp_path):
    for _ in range(2):
        write_atomically(tmp_path / ('x' * 255), b'x')
    with pytest.raises(WriteError, match='too long'):
        write_atomically(tmp_path / ('x' * 256), b'x')


def test_numbers_that_are_none_become_null(tmp_path):
    write_json(tmp_path / 'x', [float('nan'), float('-inf'), {'a': (np.float64('inf'), 1)}])
    assert (tmp_path / 'x').read_text().split() == (
        '[ null, null, { "a": [ null, 1 ] } ]'.split())


# What opens, makes or moves files by itself, and why: the first write into a place that is named
# by someone, the others into what they have made, or a recording in the making.
ELSEWHERE = {
    'files/writing.py', 'files/holding.py', 'output.py', 'plots/common/saving.py', 'plots/arm.py',
    'ed_scorbot/emulated/emulated_arm.py', 'demonstration/bag.py',
    'demonstration/storage/bag_files.py', 'demonstration/storage/growing_mcap.py'}


def test_files_are_written_in_one_place():
    """Anything else that writes goes through `smallbot.files.writing`."""
    found = []
    for path in sorted(PACKAGE.rglob('*.py')):
        if path.relative_to(PACKAGE).as_posix() in ELSEWHERE:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            last = called.rpartition('.')[2]
            mode = [one.value for one in (*node.args, *(k.value for k in node.keywords))
                    if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if (last in ('write_text', 'write_bytes', 'savefig', 'save_file', 'mkstemp', 'savez',
                         'NamedTemporaryFile', 'TemporaryDirectory', 'copyfile')
                    or called in ('np.save', 'os.rename', 'os.replace', 'shutil.move')
                    or last in ('open', 'ZipFile') and any(
                        set(text) & set('wax+') and len(text) < 4 for text in mode)):
                found.append(f'{path.relative_to(PACKAGE)}:{node.lineno}: {called}')
    assert not found, '\n'.join(found)
