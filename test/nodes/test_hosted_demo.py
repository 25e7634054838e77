# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""`smallbot demo` as its user runs it: a process, real DDS, files left behind."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from random_arms import random_urdf
from terminal import BAR, LEFT, on_a_terminal

from smallbot.arm.kinematics import default_arm
from smallbot.demonstration.reading import read_demonstration
from smallbot.share import share_directory

pytest.importorskip('rclpy')


def start(*arguments):
    environment = {**os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
                   'ROS_DOMAIN_ID': str(os.getpid() % 100 + 1), 'OMP_NUM_THREADS': '1'}
    return subprocess.Popen([sys.executable, '-m', 'smallbot', 'demo', *map(str, arguments)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=environment)


def test_a_movement_is_shown_learned_and_played(tmp_path):
    arm = default_arm()
    drawn = read_demonstration(
        share_directory() / 'config' / 'demonstrations' / 'greek_60_drawer_18_tip.csv', arm)
    shown = tmp_path / 'with_bent_elbow.csv'
    shown.write_text('time,base,shoulder,elbow\n' + ''.join(
        f'{at},{base},{shoulder},0.4\n'
        for at, (base, shoulder) in zip(drawn.time, drawn.position)))
    process = start('--demonstration', shown, '--out', tmp_path, '--seed', 3,
                    '--json', tmp_path / 'same.json')
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert [line[:3] for line in out.splitlines() if line[1:3] == '/5'] == [
        '1/5', '2/5', '3/5', '4/5', '5/5']
    report = json.loads((tmp_path / 'report.json').read_text())
    assert json.loads((tmp_path / 'same.json').read_text()) == report
    error = report['tip_rmse_cm']
    assert error['after']['mean'] < error['before']['mean']
    # on a busy machine commands come late and the arm's own watchdog brakes it now and then
    assert report['arm_tip_rmse_cm'] < error['before']['mean']
    assert report['updates'] == 1 and report['seed'] == 3
    assert 0 < report['cells_written']['fraction'] < 1
    assert (tmp_path / 'report.png').stat().st_size > 10_000
    recorded = read_demonstration(report['bag'], arm)
    given = read_demonstration(shown, arm)
    assert recorded.held['elbow'] == given.held['elbow'] == 0.4
    assert 'elsewhere' not in out
    assert abs(recorded.duration - given.duration) < 3
    assert abs(recorded.position - given.position[0]).max() == pytest.approx(
        abs(given.position - given.position[0]).max(), abs=0.01)


@pytest.mark.parametrize('number', [8])
def test_an_arm_that_nobody_has_is_made_a_model_for_and_plays(tmp_path, number):
    text, driven, tip = random_urdf(number)
    (tmp_path / 'arm.urdf').write_text(text)
    process = start('--urdf', tmp_path / 'arm.urdf', '--joints', ','.join(driven), '--tip', tip,
                    '--out', tmp_path / 'out')
    _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    report = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert report['demonstration']['joints'] == list(driven) and report['updates'] == 1
    assert report['tip_rmse_cm']['after']['mean'] < report['tip_rmse_cm']['before']['mean'] / 5


def test_a_bar_is_shown_on_a_terminal_and_the_arm_is_filmed(tmp_path):
    code, said, out = on_a_terminal(
        [sys.executable, '-m', 'smallbot', 'demo', '--out', 'out', '--picture', 'arm.gif',
         '--figure', 'report.svg'], tmp_path, ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST',
        ROS_DOMAIN_ID=str(os.getpid() % 100 + 1))
    assert code == 0, said
    assert BAR.search(said) and LEFT.search(said) and 'execute' in said and 'picture' in said
    assert ' %|' not in out and '5/5' in out
    assert (tmp_path / 'arm.gif').stat().st_size < 2_000_000
    assert '<svg' in (tmp_path / 'report.svg').read_text()


def test_an_interruption_ends_it_with_one_line(tmp_path):
    process = start('--out', tmp_path)
    for line in process.stdout:
        if line.startswith('2/5'):
            break
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert process.returncode == 1
    assert 'interrupted; the arm has been stopped' in err and 'Traceback' not in err


@pytest.fixture
def short_movement(tmp_path):
    time = np.linspace(0, 1.5, 76)
    base, shoulder = 0.15 * np.sin(np.pi * time / 1.5) ** 2, 0.1 * np.sin(np.pi * time / 3) ** 2
    path = tmp_path / 'short.csv'
    np.savetxt(path, np.stack([time, base, shoulder], 1), fmt='%.6f', delimiter=',',
               header='time,base,shoulder', comments='')
    return path


def test_it_runs_on_the_arm_as_it_was_measured(tmp_path):
    process = start('--out', tmp_path, '--synapses', 'software', '--arm', 'measured')
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['arm'] == 'measured'
    scale = report['duration'] / report['demonstration']['seconds']
    assert 2 < scale < 8
    assert f'{scale:.1f} times as long as shown, which the arm can follow' in out
    assert report['arm_tip_rmse_cm'] < report['tip_rmse_cm']['after']['mean'] + 1


def test_an_emulated_arm_is_led_from_home_to_being_given_back(tmp_path, broker, short_movement):
    process = start('--arm', 'ed_scorbot', '--emulate', '--port', broker.port, '--time-scale', 2,
                    '--demonstration', short_movement, '--out', tmp_path)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    told = [line.strip() for line in out.splitlines()]
    assert [line[:3] for line in told if line[1:3] == '/5'] == ['1/5', '2/5', '3/5', '4/5', '5/5']
    order = [told.index(line) for line in (
        'connecting', 'searching home', 'checking reference pose and signs', 'ready',
        'to zero, and giving the arm back', 'disconnecting')]
    assert order == sorted(order)
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['arm'] == 'ed_scorbot' and report['emulated'] is True
    assert report['updates'] == 1
    recorded = read_demonstration(report['bag'], default_arm())
    assert 3.0 <= recorded.duration < 7.0  # twice as slow as in the file, and what the arm lags
    assert abs(recorded.position).max() == pytest.approx(0.15, abs=0.05)


def test_an_interruption_stops_an_emulated_arm_and_gives_it_back(
        tmp_path, broker, short_movement):
    process = start('--arm', 'ed_scorbot', '--emulate', '--port', broker.port, '--time-scale', 4,
                    '--demonstration', short_movement, '--out', tmp_path)
    for line in process.stdout:
        if line.startswith('2/5'):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.strip().splitlines()[-1] == 'smallbot demo: interrupted; the arm has been stopped'
    assert 'giving the arm back' in out
    assert not (tmp_path / 'report.json').exists()


def test_an_arm_that_may_not_move_is_left_alone(tmp_path, emulator, broker):
    arm = emulator()
    process = start('--arm', 'ed_scorbot', '--port', broker.port, '--out', tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2 and 'takes --yes' in err
    assert 'This moves a machine' in out
    assert all(row[2:6] == arm.rows()[0][2:6] for row in arm.rows())
