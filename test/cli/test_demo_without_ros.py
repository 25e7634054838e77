# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""`smallbot demo --without-ros`: the whole demonstration, in one process and without rclpy."""

import json
import subprocess
import sys

import numpy as np
import pytest
from random_arms import random_urdf

from smallbot.arm.kinematics import default_arm
from smallbot.demonstration.reading import read_demonstration
from smallbot.share import default_demonstration

from .commands import call

NO_ROS = """
import sys
class NoRos:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0].endswith(('rclpy', '_msgs', '_srvs', '_interfaces')):
            raise ModuleNotFoundError(f'No module named {name!r}')
sys.meta_path.insert(0, NoRos())
from smallbot.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def without_rclpy(*arguments):
    """Run the command where no part of ROS can be imported."""
    return subprocess.run([sys.executable, '-c', NO_ROS, *map(str, arguments)],
                          capture_output=True, text=True, timeout=200)


def demo(capsys, folder, *arguments):
    """Run it in this process; returns the report."""
    code, out, err = call(capsys, 'demo', '--without-ros', '--out', folder, *arguments)
    assert code == 0, err
    return json.loads((folder / 'report.json').read_text())


def test_a_movement_is_shown_learned_and_played_where_there_is_no_ros(tmp_path):
    given = read_demonstration(default_demonstration(), default_arm())
    shown = tmp_path / 'with_bent_elbow.csv'
    shown.write_text('time,base,shoulder,elbow\n' + ''.join(
        f'{at},{base},{shoulder},0.4\n'
        for at, (base, shoulder) in zip(given.time, given.position)))
    done = without_rclpy('demo', '--without-ros', '--demonstration', shown, '--out', tmp_path,
                         '--seed', 3, '--json', tmp_path / 'same.json')
    assert done.returncode == 0 and not done.stderr, done.stderr
    lines = done.stdout.splitlines()
    assert [line[:3] for line in lines if line[1:3] == '/5'] == [
        '1/5', '2/5', '3/5', '4/5', '5/5']
    called, _, what = lines[-1].partition(': ')
    assert called.endswith('smallbot page') and 'of your own' in what
    report = json.loads((tmp_path / 'report.json').read_text())
    assert json.loads((tmp_path / 'same.json').read_text()) == report
    error = report['tip_rmse_cm']
    assert error['after']['mean'] < 0.2 * error['before']['mean']
    # Ideal and ticked in time: the arm does what the network says.
    assert report['arm_tip_rmse_cm'] == pytest.approx(error['after']['mean'], abs=0.3)
    assert report['expected_tip_rmse_cm']['mean'] == pytest.approx(
        report['arm_tip_rmse_cm'], abs=1.0)
    assert report['updates'] == 1 and report['seed'] == 3 and report['arm'] == 'kinematic'
    assert 0 < report['cells_written']['fraction'] < 1 and report['energy_uj'] > 0
    assert (tmp_path / 'report.png').stat().st_size > 10_000
    recorded = read_demonstration(report['bag'], default_arm())
    assert report['bag'] in lines
    assert recorded.digest == report['demonstration']['digest']
    assert recorded.held['elbow'] == 0.4
    assert np.ptp(recorded.position, axis=0) == pytest.approx(np.ptp(given.position, axis=0),
                                                              abs=5e-3)


def test_without_ros_and_without_the_option_one_line_names_it(tmp_path):
    done = without_rclpy('demo', '--out', tmp_path / 'out')
    assert done.returncode == 2 and not (tmp_path / 'out').exists()
    (line,) = done.stderr.splitlines()
    assert 'ROS 2 is not to be found' in line and '--without-ros' in line


def test_the_same_seed_gives_the_same_figures_and_another_gives_others(capsys, tmp_path):
    first, again, other = (
        demo(capsys, tmp_path / name, '--seed', seed) for name, seed in (
            ('first', 1), ('again', 1), ('other', 2)))
    for report in (first, again, other):
        for differs in ('bag', 'learn_seconds', 'made_with', 'sha256'):
            report.pop(differs)
    assert first == again
    assert first['tip_rmse_cm'] != other['tip_rmse_cm']


def test_in_software_nothing_is_written_to_devices(capsys, tmp_path):
    report = demo(capsys, tmp_path, '--synapses', 'software')
    assert report['synapses'] == 'software' and report['devices_written'] == 0
    assert report['arm_tip_rmse_cm'] < 3


def test_the_arm_as_it_was_measured_is_given_the_time_it_needs(capsys, tmp_path):
    report = demo(capsys, tmp_path, '--arm', 'measured')
    assert report['arm'] == 'measured'
    assert 2 < report['duration'] / report['demonstration']['seconds'] < 8
    assert report['arm_tip_rmse_cm'] < report['tip_rmse_cm']['after']['mean'] + 1


def test_an_arm_with_masses_follows_what_is_slow_enough(capsys, tmp_path):
    pytest.importorskip('mujoco')
    fast = demo(capsys, tmp_path / 'fast', '--arm', 'mujoco')
    slow = demo(capsys, tmp_path / 'slow', '--arm', 'mujoco', '--duration', 10)
    assert fast['arm'] == slow['arm'] == 'mujoco' and slow['duration'] == 10
    astray = [report['arm_tip_rmse_cm'] - report['tip_rmse_cm']['after']['mean']
              for report in (fast, slow)]
    assert astray[0] > 2 and abs(astray[1]) < 1


def test_a_model_and_a_picture_of_it_are_had_for_an_arm_that_nobody_has(capsys, tmp_path):
    text, driven, tip = random_urdf(8)
    (tmp_path / 'arm.urdf').write_text(text)
    report = demo(capsys, tmp_path / 'own', '--urdf', tmp_path / 'arm.urdf', '--joints',
                  ','.join(driven), '--tip', tip, '--picture', tmp_path / 'arm.png')
    assert report['demonstration']['joints'] == list(driven)
    assert report['tip_rmse_cm']['after']['mean'] < report['tip_rmse_cm']['before']['mean'] / 5
    assert (tmp_path / 'arm.png').stat().st_size > 10_000
    (made,) = (tmp_path / 'own').glob('*.safetensors')
    again = demo(capsys, tmp_path / 'again', '--model', made)
    assert again['weights'] == report['weights']


def test_what_is_expected_to_be_poor_is_played_where_that_is_wanted(capsys, tmp_path):
    time = np.arange(0, 12, 0.02)
    path = tmp_path / 'busy.csv'
    np.savetxt(path, np.stack([time, 0.4 * np.sin(8 * time), 0.4 * np.sin(9 * time)], 1),
               delimiter=',', header='time,base,shoulder', comments='')
    code, _, err = call(capsys, 'demo', '--without-ros', '--out', tmp_path / 'no',
                        '--demonstration', path)
    assert code == 2 and '--allow-poor' in err and not (tmp_path / 'no').exists()
    report = demo(capsys, tmp_path / 'yes', '--demonstration', path, '--allow-poor')
    assert report['arm_tip_rmse_cm'] > 5


def test_a_real_arm_takes_its_node(capsys, tmp_path):
    code, _, err = call(capsys, 'demo', '--without-ros', '--arm', 'ed_scorbot', '--yes',
                        '--out', tmp_path / 'out')
    assert code == 2 and len(err.splitlines()) == 1
    assert '--without-ros is for a simulated arm' in err and '--arm kinematic' in err
    assert not (tmp_path / 'out').exists()
