# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Record, learn once, execute: every node a process of its own, with the shipped model."""

import json
from pathlib import Path
import signal

from nav_msgs.msg import Path as PathMessage
import numpy as np
import pytest
from std_msgs.msg import Float32MultiArray
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import Marker, MarkerArray

from smallbot.arm.kinematics import default_arm
from smallbot.demonstration.reading import read_demonstration
from smallbot.demonstration.trial_grid import trial_of
from smallbot.nodes.common.messages import STREAM, to_demonstration, to_matrix
from smallbot.one_shot.model import load_model

from .conftest import LATCHED

SHOWN = Path(__file__).resolve().parents[2] / 'config' / 'demonstrations' / (
    'early_aramaic_35_drawer_15.csv')
LATE = {'demonstration': JointTrajectory, 'demonstrated_path': PathMessage,
        'reproduced_path': PathMessage, 'trajectory_markers': MarkerArray}


def test_a_movement_shown_once_is_learned_with_one_update_and_played(bench):
    started = [bench.start('snn_controller', seed=3), bench.start('one_shot_learner'),
               bench.start('demo_recorder', bag_directory=str(bench.folder / 'bags')),
               bench.start('trajectory_display'), bench.start('arm_simulator')]
    probe = bench.probe()
    probe.listen(Float32MultiArray, 'weight_update', STREAM)
    report_file = bench.folder / 'report.json'
    director = bench.start('demo_director', demonstration_file=str(SHOWN),
                           report=str(report_file))
    assert director.exit_code(90.0) == 0, director.said
    for step in ('guide', 'record', 'learn', 'execute', 'tool tip'):
        assert step in director.said
    report = json.loads(report_file.read_text())
    assert report['updates'] == 1 == len(probe.heard['weight_update'])
    assert report['tip_rmse_cm']['after']['mean'] < 0.8 * report['tip_rmse_cm']['before']['mean']
    # the arm does what the network says: what is left is the network's own error
    assert abs(report['arm_tip_rmse_cm'] - report['tip_rmse_cm']['after']['mean']) < 1.5
    assert 0 < report['cells_written']['mean'] < 58905 and report['energy_uj'] > 0
    assert report['learn_seconds'] < 5.0

    # the bag holds the movement, and what was recorded is what was shown
    arm = default_arm()
    asked, kept = read_demonstration(SHOWN, arm), read_demonstration(report['bag'], arm)
    np.testing.assert_allclose(kept.position[0], asked.position[0], atol=5e-3)
    np.testing.assert_allclose(kept.position[-1], asked.position[-1], atol=5e-3)
    steps = load_model().steps
    recorded = to_demonstration(probe_one(bench, 'demonstration'), arm)
    missed = trial_of(recorded, arm, steps) - trial_of(asked, arm, steps)
    assert np.abs(missed).max() < 0.15, 'of rad; both ends rest for a moment'

    display_shows(bench)
    refused_twice(bench, probe)
    for process in started:
        process.send(signal.SIGINT)
    for process in started:
        assert process.exit_code() == 0, process.said
        assert 'Traceback' not in process.said


def probe_one(bench, topic):
    """Return the latched message of `topic` as a late subscriber gets it."""
    late = bench.probe()
    late.listen(LATE[topic], topic, LATCHED)
    message = late.wait(lambda: late.heard[topic], f'the latched {topic}')[-1]
    late.close()
    return message


def display_shows(bench):
    for topic in ('demonstrated_path', 'reproduced_path'):
        path = probe_one(bench, topic)
        assert path.header.frame_id == 'base_link'
        assert len(path.poses) > 100
        tip = path.poses[0].pose.position
        assert 0.5 < np.linalg.norm([tip.x, tip.y, tip.z]) < 1.2
    markers = {(m.ns, m.id): m for m in probe_one(bench, 'trajectory_markers').markers}
    line = markers['error', 0]
    assert line.type == Marker.LINE_STRIP and line.action == Marker.ADD
    assert len(line.points) == len(line.colors) >= 2


def refused_twice(bench, probe):
    """A second learn before a forget is refused; after it there is another."""
    answer = probe.call('one_shot_learner/learn')
    assert not answer.success and 'forget' in answer.message
    assert len(probe.heard['weight_update']) == 1
    traces = len(probe.heard['eligibility'])
    assert probe.call('snn_controller/forget').success
    probe.wait(lambda: len(probe.heard['eligibility']) > traces, 'new traces')
    answer = probe.wait(lambda: learned(probe), 'the learner to have heard of it')
    assert 'cells' in answer.message
    assert len(probe.heard['weight_update']) == 2


def learned(probe):
    answer = probe.call('one_shot_learner/learn')
    return answer if answer.success else None


def test_learning_says_what_is_missing(bench, small_model):
    learner = bench.start('one_shot_learner', model=small_model, acknowledge_timeout=0.5)
    probe = bench.probe()
    answer = probe.call('one_shot_learner/learn', timeout=30.0)
    assert not answer.success and 'demo_recorder/start' in answer.message
    probe.show()
    probe.wait(lambda: 'eligibility' in probe.call('one_shot_learner/learn').message,
               'the demonstration to arrive')
    model = load_model(small_model)
    traces = np.random.default_rng(0).random((model.steps, 2 * model.n + model.n_in))
    probe.publish(Float32MultiArray, 'eligibility', to_matrix(
        traces, 'step', 'traces', version='v0', model='000000000000'))
    probe.wait(lambda: 'give learner and controller the same model' in learner.said, 'a refusal')
    probe.publish(Float32MultiArray, 'eligibility', to_matrix(
        traces, 'step', 'traces', version='v1', model=model.digest))
    probe.listen(Float32MultiArray, 'weight_update', STREAM)
    answer = probe.wait(lambda: waited(probe), 'the traces to arrive')
    assert not answer.success
    assert 'topic programmed within 0.5 s' in answer.message
    (update,) = probe.heard['weight_update']
    assert [d.size for d in update.layout.dim] == [model.n, model.n_in + model.n]
    assert 'version=v1' in update.layout.dim[0].label
    assert 'demonstration=' in update.layout.dim[0].label


def waited(probe):
    answer = probe.call('one_shot_learner/learn')
    return answer if 'programmed' in answer.message else None


@pytest.mark.parametrize(('name', 'content', 'said'), [
    ('none.csv', None, 'no such file'),
    ('nan.csv', 'time,base,shoulder\n0,0,0\n1,nan,0\n', 'nan'),
])
def test_a_bad_demonstration_ends_the_director_with_code_2(bench, name, content, said):
    file = bench.folder / name
    if content is not None:
        file.write_text(content)
    director = bench.start('demo_director', demonstration_file=str(file))
    assert director.exit_code() == 2
    (line,) = director.said.strip().splitlines()
    assert said in line and str(file) in line
