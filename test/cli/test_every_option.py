# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Every option of every verb, found from the parsers: what it takes, and that it refuses the rest.

Nothing runs: the verbs are replaced by one that notes that it would have. What is refused ends
with 2 and one line that names option and value, and nothing is made, changed or waited for.
"""

import argparse
import functools
import os
from pathlib import Path
import socket
import subprocess
import sys

import pytest

from smallbot.cli import main as entry
from smallbot.kinds import (
    FileName,
    Host,
    InputPath,
    Kind,
    Listed,
    Name,
    NamedInput,
    OutputFile,
    OutputFolder,
    Parsed,
    Real,
    Whole,
)

from .commands import call

LONG, DEEP, BYTES = 'x' * 300, '/'.join(['x' * 100] * 50), '\udcff\udcfe'
HUGE, LARGE = str(10 ** 18), '9' * 5000
ODD_TEXTS = ('x' * 5000, BYTES, 'a\nb', '\x1b[31m', ' ')
TAKEN = {('--seed', HUGE), ('--model', 'nobody'), ('--start', 'nobody'),
         ('--namespace', 'nan'), ('--namespace', 'x'),
         *((option, path) for option in ('--json', '--trace') for path in ('/dev/null', 'fifo')),
         *(('--columns', f'{column}={joint}') for column, joint in (
             ('x', 'nan'), ('x', '1e300'), ('noise', 'nan'), ('noise', '1e300'),
             ('tasks', HUGE)))}
"""Extreme values that are taken: 64 bits of seed are had, a column may be named so, whether a
model is there is asked when it is loaded, and a pipe or a device may be written to."""


def leaves(parser, words=()):
    """Yield every command, as its words, with its parser."""
    below = [action for action in parser._actions
             if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield words, parser
    for action in below:
        for word, inner in action.choices.items():
            yield from leaves(inner, (*words, word))


def options():
    """Yield every command with each of its actions, but --help."""
    for words, parser in leaves(entry.parser()):
        for action in parser._actions:
            if not isinstance(action, argparse._HelpAction):
                yield words, parser, action


def named(action):
    return action.option_strings[-1] if action.option_strings else (
        action.metavar or action.dest)


def filled(parser, but=None):
    """Return arguments for what must be given."""
    return [action.choices[0] if action.choices else
            'folder' if isinstance(action.type, InputPath) else 'ur5e'
            for action in parser._actions if not action.option_strings and action is not but]


OPTIONS = list(options())
IDS = [' '.join((*words, named(action))) for words, _, action in OPTIONS]


@functools.singledispatch
def probes(kind):
    """Return texts that a kind takes, and texts that it refuses."""
    raise AssertionError(f'{kind}: say in this test what such a kind takes')


@probes.register
def _(kind: Whole):
    return [str(kind.low), str(kind.high)], [
        str(kind.low - 1), str(kind.high + 1), '-1', '-' + HUGE, HUGE, LARGE, '1.5', '1e3', 'nan',
        'inf', 'many', '0x10', BYTES]


@probes.register
def _(kind: Real):
    beyond = kind.high * 1.001 + 1e-9
    return [repr(kind.high), *[repr(kind.low)] * (not kind.above)], [
        repr(beyond), repr(kind.low - 1e-9), *[repr(kind.low)] * kind.above, 'nan', '-nan', 'inf',
        '-inf', '1e300', '-1e300', HUGE, LARGE, '1,5', 'much', BYTES]


@probes.register
def _(kind: Name):
    return ['a', 'a' * kind.longest], [*ODD_TEXTS, 'a' * (kind.longest + 1),
                                       *(f'a{letter}b' for letter in kind.without)]


@probes.register
def _(kind: FileName):
    return ['a', 'a.b'], [*ODD_TEXTS, '..', '.', '.hidden', 'a/b', '/a', LONG, 'é' * 150]


@probes.register
def _(kind: Host):
    return ['localhost', '127.0.0.1', '::1', 'arm.local'], [
        *ODD_TEXTS, LONG, 'x' * 64, 'a..b', 'a b', 'a/b', '#', '.']


@probes.register
def _(kind: Listed):
    good, bad = probes(kind.of)
    return [good[0]], [*bad, ',', f'{good[0]},', f'{good[0]},,{good[-1]}',
                       *[f'{good[0]},{good[0]}'] * kind.once,
                       ','.join(f'{good[0]}{k}' for k in range(kind.most + 1))]


@probes.register
def _(kind: Parsed):
    return [], [*ODD_TEXTS, 'x', ',', '=', ':', 'nan', 'nan:nan', '0:nan', 'nan:1', '1:-1',
                '0:inf', '-1e300:1e300', '1e300:1e301', 'x=', '=1', 'x=nan', 'x=1e300', 'x=1,x=1',
                'x=1,', 'noise=nan', 'noise=1e300', 'noise=1,', 'tasks=' + HUGE, LARGE]


NO_PATHS = ['nowhere/x', 'file/below', LONG, DEEP, BYTES, 'loop', 'a\nb']


@probes.register
def _(kind: InputPath):
    odd = [*NO_PATHS, 'nowhere', 'fifo', 'socket', '/dev/null', '/dev/zero', 'zero', 'with_pipe']
    there = {False: ['file'], True: ['folder'], None: ['file', 'folder']}[kind.folder]
    return there, odd + [path for path in ('file', 'folder') if path not in there]


@probes.register
def _(kind: NamedInput):
    ending = kind.endings[0]
    named = [name for name in ('ur5e', 'system') if kind.shipped is None or kind.shipped(name)]
    return [*named[:1], f'file{ending}'], [
        'nobody', 'é' * 150, '\n' * 300, *NO_PATHS, 'folder/', '/dev/zero',
        *(f'{path}{ending}' for path in ('nowhere', 'fifo', LONG)),
        *(f'{prefix}{name}' for prefix in kind.prefixes for name in ('a b', BYTES, 'a-b', LONG))]


@probes.register
def _(kind: OutputFile):
    ending = kind.endings[0] if kind.endings else ''
    odd = [f'{path}{ending}' for path in ('nowhere/x', 'file/below', LONG, DEEP, 'loop', '/proc/x')
           ] + ['folder', '.', 'socket', '/dev/null', 'fifo']
    good = [f'new{ending}', f'file{ending}', *(f'new{other}' for other in kind.endings)]
    return good, odd + ['new', 'new.exe', f'new{ending}.exe', ending] * bool(ending)


@probes.register
def _(kind: OutputFolder):
    return ['new', 'new/deeper', 'folder', '.'], [
        'file', 'file/below', 'fifo', 'socket', '/dev/null', LONG, DEEP, 'loop', '/proc',
        '/proc/x']


@pytest.fixture(scope='module')
def command():
    """Return the parser of the command, whose verbs only note that they would have run."""
    parser = entry.parser()
    for verb in next(action for action in parser._actions
                     if isinstance(action, argparse._SubParsersAction)).choices.values():
        verb.set_defaults(run=lambda chosen: 0)
    return parser


@pytest.fixture
def here(tmp_path, monkeypatch, command):
    """Return a folder with what the probes name."""
    monkeypatch.setattr(entry, 'parser', lambda: command)
    monkeypatch.chdir(tmp_path)
    for folder in ('folder', 'with_pipe'):
        Path(folder).mkdir()
    for name in ('file', 'file.png', 'file.safetensors', 'file.urdf', 'file.pem'):
        Path(name).write_text('x')
    for name in ('fifo', 'fifo.safetensors', 'fifo.urdf', 'fifo.pem', 'with_pipe/fifo'):
        os.mkfifo(name)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind('socket')
    for name in ('loop', 'loop.png', 'loop.html'):
        Path(name).symlink_to(name)
    Path('zero').symlink_to('/dev/zero')
    return tmp_path


def there(folder):
    return {path: path.lstat().st_mtime_ns for path in folder.rglob('*')}


def refusal(capsys, arguments, name):
    """Return what a command line was refused with; None where it was taken."""
    code, out, err = call(capsys, *arguments)
    if code == 0:
        return None
    lines = err.splitlines()
    assert code == 2 and out == '' and len(lines) == 1, (arguments, code, out, err)
    assert lines[0].isprintable() and len(lines[0]) < 600, err
    assert name in lines[0] and lines[0].startswith(f'smallbot {arguments[0]}'), err
    return lines[0]


def test_there_are_many():
    assert len(OPTIONS) >= 100
    assert sum(len(probes(action.type)[1]) for *_, action in OPTIONS if action.type) >= 1000


@pytest.mark.parametrize(('words', 'parser', 'action'), OPTIONS, ids=IDS)
def test_an_option_takes_what_it_should_and_refuses_the_rest(capsys, here, words, parser, action):
    name, before = named(action), there(here)
    rest = [*words, *filled(parser, action)]
    if action.nargs == 0:
        assert refusal(capsys, [*rest, name], name) is None
        assert refusal(capsys, [*rest, f'{name}=yes'], name)
        return
    assert isinstance(action.type, Kind) or action.choices, (
        f'{IDS[0]}: an option has choices or a kind of smallbot.kinds, that bounds it')

    def given(text):
        return [*rest, f'{name}={text}' if action.option_strings else text]

    assert refusal(capsys, rest + [name] * bool(action.option_strings), name), 'no value'
    assert refusal(capsys, given(''), name), 'empty'
    if action.choices:
        good, bad = list(action.choices), ['nonsense', 'NAN', HUGE, BYTES, LONG]
    else:
        good, bad = probes(action.type)
    for text in good:
        assert refusal(capsys, given(text), name) is None, text
    taken = {(name, text) for text in bad if not refusal(capsys, given(text), name)}
    assert taken <= TAKEN
    assert there(here) == before


@pytest.mark.parametrize(('words', 'parser'), list(leaves(entry.parser())),
                         ids=lambda x: ' '.join(x) if isinstance(x, tuple) else '')
def test_what_is_no_option_is_refused(capsys, here, words, parser):
    good = [*words, *filled(parser)]
    for odd in (['--nonsense'], ['extra'], ['--', 'extra', BYTES], ['-x'], [LARGE]):
        code, _, err = call(capsys, *good, *odd)
        assert code == 2 and len(err.splitlines()) == 1 and err.strip().isprintable(), err


@pytest.mark.parametrize('arguments', [
    ['evaluate', '--tasks', HUGE], ['demo', '--demonstration', 'fifo.csv'],
    ['evaluate', '--json', b'\xff/\xfe'], ['chip', 'characterise', '--out', '/proc'],
    ['arm', 'describe', 'x' * 300]])
def test_the_same_of_the_command_itself(tmp_path, arguments):
    os.mkfifo(tmp_path / 'fifo.csv')
    done = subprocess.run([sys.executable, '-m', 'smallbot', *arguments], cwd=tmp_path,
                          capture_output=True, text=True, timeout=60,
                          env={**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])})
    assert done.returncode == 2 and done.stdout == '' and len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ['fifo.csv']


@pytest.mark.parametrize('arguments', [
    ['chip', 'characterise', '--out', 'out'], ['demo', '--out', 'out'],
    ['meta-train', '--out', 'out', '--name', 'm'],
    ['meta-train', '--iterations', '0', '--out', 'out', '--name', 'm']])
def test_a_file_in_out_that_cannot_be_replaced_is_refused_before_the_work(capsys, tmp_path,
                                                                          monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    for name in ('report.json', 'characterise.json', 'm.json'):
        (tmp_path / 'out' / name).mkdir(parents=True)
    code, out, err = call(capsys, *arguments)
    assert code == 2 and len(err.splitlines()) == 1 and '--out out: ' in err and out == ''


@pytest.mark.parametrize(('error', 'said'), [
    (OSError(28, 'No space left on device', 'out.png'), 'out.png: No space left on device'),
    (MemoryError(), 'out of memory'), (RuntimeError('a\nb'), 'RuntimeError: a b'),
    (KeyboardInterrupt(), 'interrupted')])
def test_whatever_ends_a_verb_is_one_line_and_1(capsys, monkeypatch, error, said):
    from smallbot.cli import doctor

    def run(chosen):
        raise error

    monkeypatch.setattr(doctor, 'run', run)
    code, _, err = call(capsys, 'doctor')
    assert code == 1 and len(err.splitlines()) == 1 and said in err
    assert err.startswith('smallbot doctor: ')


def test_a_time_scale_that_makes_the_playback_too_long_is_refused_with_one_that_would_do(
        capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capsys, 'demo', '--time-scale', 1000)
    assert code == 2 and 'expected at most 600 s, a time scale of at most 2' in err
    assert list(tmp_path.iterdir()) == []
