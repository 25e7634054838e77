# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What takes more than about two seconds shows how far it is on a terminal, and nothing elsewhere.

Every verb is run as people run it, with a terminal for its standard error.
"""

import subprocess
import sys

import pytest
from terminal import BAR, environment, LEFT, on_a_terminal, ROOT

from .test_few_shot import characters, SMALL

LITTLE_COMPARED = (
    'from smallbot.study import baselines; baselines.BASELINES = {'
    '"none": baselines.BASELINES["none"], "e-prop 1": baselines.BASELINES["none"]}\n')
"""What comes before the command where all baselines would take minutes."""
VERBS = {
    'arm describe': ['arm', 'describe', 'ur5e', '--figure', 'arm.png'],
    'chip benchmark': ['chip', 'benchmark', '--law', 'ideal', '--figure', 'speed.svg'],
    'chip characterise': ['chip', 'characterise', '--law', 'ideal'],
    'doctor': ['doctor', '--listen', '0'],
    'evaluate': ['evaluate', '--tasks', '3', '--processes', '1', '--synapses', 'software'],
    'evaluate files': ['evaluate', '--demonstrations', str(ROOT / 'config' / 'demonstrations'),
                       '--processes', '1', '--synapses', 'software', '--tasks', '2'],
    'evaluate sweep': ['evaluate', '--tasks', '2', '--processes', '1', '--sweep', 'cells=0,0.1'],
    'evaluate baselines': ['evaluate', '--tasks', '2', '--processes', '1', '--synapses',
                           'software', '--baselines', '--figure', 'all.pdf'],
    'few-shot classify': ['few-shot', 'classify', '--figure', 'told.svg'],
    'few-shot evaluate': ['few-shot', 'evaluate', '--tasks', '8', '--processes', '1',
                          '--baselines'],
    'few-shot train': ['few-shot', 'train', '--data', 'images.npz', '--config', 'small.yaml',
                       '--iterations', '3', '--processes', '1', '--figure', 'train.png'],
    'meta-train closed form': ['meta-train', '--iterations', '0'],
    'meta-train': ['meta-train', '--iterations', '3', '--processes', '1', '--figure',
                   'train.png'],
}


@pytest.fixture
def here(tmp_path):
    """Return a folder with images to train with, and how."""
    characters(tmp_path / 'images.npz', 90, 10)
    (tmp_path / 'small.yaml').write_text(SMALL)
    return tmp_path


def command(name, more=()):
    before = LITTLE_COMPARED if name == 'evaluate baselines' else ''
    return [sys.executable, '-c', f'{before}import sys; sys.argv = ["smallbot", *sys.argv[1:]]\n'
            'from smallbot.cli.main import main; sys.exit(main())', *VERBS[name], *more]


@pytest.mark.parametrize('name', VERBS)
def test_a_bar_with_the_time_left_is_shown_on_a_terminal(name, here):
    code, said, out = on_a_terminal(command(name), here)
    assert code == 0, said
    assert BAR.search(said) and LEFT.search(said), said
    assert '\r' not in out and ' %|' not in out, 'bars are no output'
    last = said.replace('\r\n', '\n').rpartition('\r')[2]
    assert ' %|' not in last, 'it goes when the work is done'


@pytest.mark.parametrize('name', ['arm describe', 'evaluate', 'few-shot train'])
def test_nothing_is_shown_on_a_pipe(name, here):
    done = subprocess.run(command(name), cwd=here, capture_output=True, text=True,
                          env=environment())
    assert done.returncode == 0 and ' %|' not in done.stderr and '\r' not in done.stderr


def test_ctrl_c_takes_the_bar_away_before_it_says_so(here):
    struck = command('chip characterise')
    struck[2] = ('import os, signal\n'
                 'from smallbot.chip import characterisation\n'
                 'def strike(law, seed): os.kill(os.getpid(), signal.SIGINT)\n'
                 'strike.__name__ = "noise_spectrum"\n'
                 'characterisation.noise_spectrum = strike\n') + struck[2]
    code, said, _ = on_a_terminal(struck, here)
    assert code == 1 and ' %|' in said
    assert said.replace('\r\n', '\n').endswith('\r\x1b[Ksmallbot chip: interrupted\n')
