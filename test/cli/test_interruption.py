# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C: one line and code 1 wherever it hits, and what was done is kept."""

import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

from smallbot.study import evaluation

from .commands import call

AT = """
import os, signal, sys

class Struck:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            for _ in range({times}):
                os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Struck())
sys.argv = ['smallbot', *{arguments!r}]
from smallbot.cli.main import main
sys.exit(main())
"""
"""The command, struck by SIGINT when it comes to import a module."""


@pytest.mark.parametrize(('module', 'arguments', 'times'), [
    ('argparse', ['doctor'], 1), ('smallbot.cli.evaluate', ['doctor'], 2),
    ('torch', ['evaluate'], 1), ('torch._C', ['meta-train'], 2),
    ('smallbot.study.evaluation', ['evaluate'], 1)])
def test_it_ends_an_import_in_one_line(tmp_path, module, arguments, times):
    done = subprocess.run(
        [sys.executable, '-c', AT.format(module=module, arguments=arguments, times=times)],
        capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])})
    assert done.returncode == 1 and done.stdout == ''
    assert done.stderr in (f'smallbot {arguments[0]}: interrupted\n', 'smallbot: interrupted\n')
    assert list(tmp_path.iterdir()) == []


def struck(monkeypatch, at):
    """Let the movement that is learned `at`-th be interrupted."""
    learned, fresh = [], evaluation._fresh

    def one(*arguments):
        learned.append(1)
        if len(learned) == at:
            raise KeyboardInterrupt
        return fresh(*arguments)

    monkeypatch.setattr(evaluation, '_fresh', one)


def test_an_evaluation_keeps_the_movements_that_are_done_and_says_so(capsys, tmp_path,
                                                                     monkeypatch):
    struck(monkeypatch, 3)
    result, figure = tmp_path / 'r.json', tmp_path / 'r.png'
    code, _, err = call(capsys, 'evaluate', '--synapses', 'software', '--tasks', 9, '--json',
                        result, '--figure', figure, '--processes', 1)
    assert code == 1 and err == (f'smallbot evaluate: interrupted after 2 of 9 tasks, kept in '
                                 f'{result} and {figure}\n')
    found = json.loads(result.read_text())
    assert found['tasks'] == 2 and found['interrupted'] and figure.exists()


def test_a_sweep_keeps_the_points_that_are_done(capsys, tmp_path, monkeypatch):
    struck(monkeypatch, 5)
    result = tmp_path / 'r.json'
    code, _, err = call(capsys, 'evaluate', '--synapses', 'software', '--tasks', 2, '--json',
                        result, '--sweep', 'cells=0,0.1,0.2,1', '--processes', 1)
    assert code == 1 and len(err.splitlines()) == 1 and '2 of 4 points' in err
    points = json.loads(result.read_text())['points']
    assert [(point['value'], point['tasks']) for point in points] == [(0, 2), (0.1, 2)]
    assert points[-1]['interrupted']


def test_before_anything_is_done_nothing_is_written(capsys, tmp_path, monkeypatch):
    struck(monkeypatch, 1)
    code, _, err = call(capsys, 'evaluate', '--synapses', 'software', '--tasks', 2, '--json',
                        tmp_path / 'r.json', '--processes', 1)
    assert code == 1 and err == 'smallbot evaluate: interrupted\n'
    assert list(tmp_path.iterdir()) == []


def test_the_baselines_may_be_interrupted_when_the_evaluation_is_done(capsys, tmp_path,
                                                                      monkeypatch):
    from smallbot.experiment import workers

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, 'results', interrupted)
    result = tmp_path / 'r.json'
    code, _, err = call(capsys, 'evaluate', '--synapses', 'software', '--tasks', 1, '--json',
                        result, '--baselines')
    assert code == 1 and 'interrupted in the baselines after 1 of 1 tasks' in err
    assert json.loads(result.read_text())['tasks'] == 1


KEPT = """
import os, signal, sys
from smallbot.cli.common import interruption

class Deaf:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass

interruption.watch('smallbot test')
try:
    with interruption.kept():
        Deaf()
        while True:
            pass
except KeyboardInterrupt:
    os.kill(os.getpid(), signal.SIGINT)
    print('kept')
"""


def test_it_is_not_lost_where_nothing_can_be_raised_and_a_second_one_does_not_disturb():
    done = subprocess.run([sys.executable, '-c', KEPT], capture_output=True, text=True,
                          timeout=60,
                          env={**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])})
    assert (done.returncode, done.stdout, done.stderr) == (0, 'kept\n', '')
