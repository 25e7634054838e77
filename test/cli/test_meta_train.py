# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""`smallbot meta-train` in real processes: its own, torchrun's, and after one of them dies."""

import json
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

from smallbot.cli.main import main
from smallbot.experiment.checkpoint import CHECKPOINT
from smallbot.one_shot.model import load_model
from smallbot.share import share_directory

SMALL = """
model: {neurons: 24, generator_neurons: 16, steps: 60}
batch: 4
window_range: [20, 40]
iterations: 6
validate_every: 20
validation_tasks: 3
products: float32
"""
LONGER = SMALL.replace('iterations: 6', 'iterations: 60')
TORCHRUN = (sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node=2',
            '--rdzv-backend=c10d', '--rdzv-endpoint=127.0.0.1:0', '--local-addr=127.0.0.1')
HERE = {**os.environ, 'OMP_NUM_THREADS': '1', 'GLOO_SOCKET_IFNAME': 'lo',
        'PYTHONPATH': str(Path(__file__).parents[2])}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'small.yaml'
    path.write_text(SMALL)
    return path


def call(*arguments):
    return main(['meta-train', *(str(a) for a in arguments)])


def same_weights(one, other, tolerance):
    first, second = (load_model(x / 'ed_scorbot.safetensors').weights for x in (one, other))
    return all(torch.allclose(first[key], second[key], atol=tolerance) for key in first)


def test_the_command_makes_the_same_model_with_one_process_and_with_two(tmp_path, config):
    for n in (1, 2):
        assert call('--config', config, '--processes', n, '--out', tmp_path / f'{n}',
                    '--json', tmp_path / f'{n}.json') == 0
    assert same_weights(tmp_path / '1', tmp_path / '2', 1e-5)
    one, two = (json.loads((tmp_path / f'{n}.json').read_text()) for n in (1, 2))
    assert (one['processes'], two['processes']) == (1, 2)
    assert [seen['iteration'] for seen in two['validations']] == [6]
    assert one['validations'][0]['tip_cm'] == pytest.approx(two['validations'][0]['tip_cm'],
                                                            rel=1e-3)
    assert two['seconds_to_2.5_cm_in_software'] is None


def test_more_processes_than_tasks_are_refused(tmp_path, config, capsys):
    assert call('--config', config, '--processes', 5, '--out', tmp_path / 'out') == 2
    err = capsys.readouterr().err.strip()
    assert 'batch 4' in err and len(err.splitlines()) == 1
    assert not (tmp_path / 'out').exists()


def test_without_tensorboard_one_line_says_so_and_training_goes_on(tmp_path, config, capsys,
                                                                   monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch.utils.tensorboard', None)
    assert call('--config', config, '--processes', 1, '--out', tmp_path / 'out') == 0
    said = [line for line in capsys.readouterr().err.splitlines() if 'tensorboard' in line]
    assert len(said) == 1 and 'pip install tensorboard' in said[0]
    assert (tmp_path / 'out' / 'ed_scorbot.safetensors').exists()
    assert not list((tmp_path / 'out').glob('events.*'))


def test_another_arm_is_trained_from_the_command_line(tmp_path, config):
    assert call('--config', config, '--processes', 1, '--out', tmp_path / 'out', '--name', 'ur5e',
                '--urdf', share_directory() / 'urdf' / 'ur5e.urdf', '--tip', 'tool0',
                '--joints', 'shoulder_pan_joint,shoulder_lift_joint,elbow_joint',
                '--limits=-1:1,-1:1,-0.5:0.5', '--iterations', 2) == 0
    model = load_model(tmp_path / 'out' / 'ur5e.safetensors')
    assert model.joints == ('shoulder_pan_joint', 'shoulder_lift_joint', 'elbow_joint')
    assert model.config.arm.upper == (1, 1, 0.5) and '<robot' in model.config.arm.urdf


def test_the_same_command_runs_under_torchrun(tmp_path, config):
    done = subprocess.run(
        [*TORCHRUN, '-m', 'smallbot', 'meta-train', '--config', config, '--out', tmp_path / 'two'],
        capture_output=True, text=True, env=HERE, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('measure it with') == 1
    assert call('--config', config, '--processes', 1, '--out', tmp_path / 'one') == 0
    assert same_weights(tmp_path / 'one', tmp_path / 'two', 1e-5)


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory):
    """Return the folder of a run of two processes that nothing has interrupted."""
    folder = tmp_path_factory.mktemp('unbroken')
    (folder / 'longer.yaml').write_text(LONGER)
    assert call('--config', folder / 'longer.yaml', '--processes', 2, '--out', folder / 'out') == 0
    return folder / 'out'


def test_torchrun_goes_on_from_the_checkpoint_after_a_process_has_died(tmp_path, config, unbroken):
    """A killed process costs nothing: the others stop where they are and leave a checkpoint."""
    config.write_text(LONGER)
    out, result = tmp_path / 'out', tmp_path / 'result.json'
    torchrun = subprocess.Popen(
        [*TORCHRUN, '--max-restarts=2', '-m', 'smallbot', 'meta-train', '--config', config,
         '--out', out, '--json', result],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=HERE)
    try:
        victim = second_worker(torchrun.pid, out)
        os.kill(victim, signal.SIGKILL)
        said = torchrun.communicate(timeout=250)[1]
    finally:
        torchrun.kill()
    assert torchrun.returncode == 0, said
    assert 'another process is gone' in said
    assert json.loads(result.read_text())['iterations'] == 60
    assert same_weights(out, unbroken, 0)


def second_worker(torchrun, out):
    """Return the process of rank 1 once training is under way."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if list(out.glob('events.*')):
            children = Path(f'/proc/{torchrun}/task/{torchrun}/children').read_text().split()
            for child in children:
                environment = Path(f'/proc/{child}/environ').read_bytes().split(b'\0')
                if b'RANK=1' in environment:
                    return int(child)
        time.sleep(0.05)
    raise AssertionError('no worker of rank 1 began to train')


def test_ctrl_c_leaves_a_checkpoint_from_which_the_unbroken_result_comes(tmp_path, config,
                                                                         unbroken):
    config.write_text(LONGER)
    out = tmp_path / 'out'
    running = subprocess.Popen(
        [sys.executable, '-m', 'smallbot', 'meta-train', '--config', config, '--out', out,
         '--processes', '2'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=HERE, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not list(out.glob('events.*')) and time.monotonic() < deadline:
            time.sleep(0.05)
        for _ in range(2):
            os.killpg(running.pid, signal.SIGINT)
        out_said, said = running.communicate(timeout=120)
    finally:
        running.kill()
    said = [line for line in re.split(r'[\r\n]', said) if line.strip() and 'it' not in line[-60:]
            or 'smallbot' in line]
    assert running.returncode == 1 and out_said == '' and (out / CHECKPOINT).exists()
    assert len(said) == 1 and f'go on with smallbot meta-train --resume {out}' in said[0]
    assert call('--resume', out, '--processes', 2) == 0
    assert same_weights(out, unbroken, 0)


def test_a_run_leaves_what_it_has_come_to_for_a_report(config, tmp_path):
    out = tmp_path / 'run'
    assert main(['meta-train', '--config', str(config), '--out', str(out), '--processes', '1',
                 '--figure', str(tmp_path / 'x.svg')]) == 0
    found = json.loads((out / 'training.json').read_text())
    assert found['course']['iterations'] == list(range(1, 7))
    assert len(found['course']['values']) == 6 and found['weights'] == load_model(
        found['model']).digest
    assert found['made_with']['command'].startswith('smallbot meta-train --config ')
    assert 'on what it trains with' in (tmp_path / 'x.svg').read_text()
    assert main(['report', str(out)]) == 0
    assert '6 of 6 iterations' in (out / 'report.html').read_text()


@pytest.mark.parametrize(('more', 'said'), [
    (['--name', 'training'], '--name training: training.json is the result of the run'),
    (['--figure', 'x.png'], '--iterations 0 trains nothing')])
def test_a_name_and_a_figure_that_make_no_sense_are_refused(more, said, capsys, tmp_path,
                                                            monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(['meta-train', '--iterations', '0', *more]) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.splitlines()) == 1 and not list(tmp_path.iterdir())
