# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Every node on the clock of a simulator, in processes: faster, slower, paused, reset, silent."""

import json

import numpy as np
import pytest
from trajectory_msgs.msg import JointTrajectory

from smallbot.nodes.common.messages import (
    from_trajectory,
    nanoseconds,
    RELIABLE,
    to_trajectory,
    values_of,
)
from smallbot.one_shot.model import load_model
from smallbot.one_shot.trainee import prepare_synapses, Trainee

from .conftest import JOINTS, LATCHED, wave
from .test_snn_controller import controller, execute


def simulated(bench, model, speed, rate=100.0, **parameters):
    """Start a clock, an arm and a controller that go by it."""
    clock = bench.start('clock_server.py', speed=speed, rate=rate)
    arm = bench.start('arm_simulator', use_sim_time=True)
    arm, process, probe = controller(bench, model, arm, use_sim_time=True, **parameters)
    probe.show()
    probe.wait(lambda: probe.heard['joint_states'][-1].header.stamp.sec >= 50, 'simulated time')
    return process, probe, clock


def wanted(model):
    model = load_model(model)
    expected = Trainee(model, prepare_synapses(model, 'software')).trial()
    return np.array([0.05, -0.05]) + model.step_seconds * expected.velocity.sum(0).numpy()


@pytest.mark.parametrize(('speed', 'rate'), [(0.5, 100.0), (2.0, 100.0), (1.0, 20.0)])
def test_the_arm_goes_the_whole_way_at_any_speed_of_the_clock(bench, small_model, speed, rate):
    _, probe, _ = simulated(bench, small_model, speed, rate, duration=2.0)
    answer = execute(probe)
    assert answer.success, answer.message
    probe.wait_phase('done', 'halted', timeout=60.0)
    assert probe.phase() == 'done', values_of(probe.heard['progress'][-1])['reason']
    probe.wait(lambda: probe.speed() == 0.0, 'the arm to stand')
    began = int(values_of(probe.heard['progress'][-1])['began'])
    moving = [nanoseconds(one.header.stamp) for one in probe.heard['joint_states']
              if max(map(abs, one.velocity)) > 1e-3]
    assert 1.5 < 1e-9 * (max(moving) - began) < 2.8, 'seconds of the clock, not real ones'
    np.testing.assert_allclose(probe.position(), wanted(small_model), atol=0.03)


def test_while_the_clock_stands_nothing_moves_and_a_reset_halts(bench, small_model):
    process, probe, _ = simulated(bench, small_model, 1.0, duration=6.0)
    assert execute(probe).success
    probe.wait_moving()
    assert probe.call('clock_server/pause').success
    probe.wait(lambda: probe.commands()[-1] == [0.0, 0.0], 'zero while the clock stands')
    assert probe.phase() == 'playing' and 'stands still' in process.said
    answer = probe.call('snn_controller/execute')
    assert not answer.success and 'under way' in answer.message
    assert probe.call('clock_server/pause').success
    probe.wait(lambda: any(abs(v) > 0.02 for v in probe.commands()[-1]), 'the movement to go on')
    assert probe.phase() == 'playing'
    assert probe.call('clock_server/reset').success
    probe.wait_phase('halted')
    assert 'went back by' in values_of(probe.heard['progress'][-1])['reason']
    assert 'reset' in process.said
    probe.wait(lambda: probe.commands()[-1] == [0.0, 0.0], 'a last command of zero')


def test_without_a_clock_execute_says_so(bench, small_model):
    _, process, probe = controller(bench, small_model, use_sim_time=True)
    probe.show()
    answer = execute(probe)
    assert not answer.success and '/clock' in answer.message and 'use_sim_time' in answer.message
    probe.wait(lambda: 'use_sim_time is true' in process.said, 'the clock to be missed', 5.0)


def test_states_with_the_stamps_of_a_coarse_clock_are_recorded_in_its_time(bench):
    """At 200 Hz and a clock that goes on 20 times a second, stamps come ten times over."""
    bench.start('clock_server.py', speed=0.5, rate=20.0)
    bench.start('arm_simulator', use_sim_time=True)
    bench.start('demo_recorder', use_sim_time=True, bag_directory=str(bench.folder / 'bags'))
    probe = bench.probe()
    probe.wait(lambda: probe.heard['joint_states']
               and probe.heard['joint_states'][-1].header.stamp.sec >= 50, 'simulated time')
    assert probe.call('demo_recorder/start').success
    time_, position = wave(1.0, (0.0, 0.0))
    probe.publish(JointTrajectory, 'guide', to_trajectory(JOINTS, time_, position), RELIABLE)
    probe.wait(lambda: np.abs(probe.position() - position[-1]).max() < 1e-3, 'the end')
    probe.listen(JointTrajectory, 'demonstration', LATCHED)
    answer = probe.call('demo_recorder/stop')
    assert answer.success, answer.message
    shown = probe.wait(lambda: [one for one in probe.heard['demonstration'] if one.points],
                       'the demonstration')[-1]
    stamps, _ = from_trajectory(shown)
    assert (np.diff(stamps) > 0).all() and 0.8 < stamps[-1] < 1.5


def test_the_whole_demonstration_by_a_clock_at_half_speed(bench):
    bench.start('clock_server.py', speed=0.5)
    report = bench.folder / 'report.json'
    for name, parameters in (
            ('arm_simulator', {}), ('one_shot_learner', {}), ('trajectory_display', {}),
            ('demo_recorder', {'bag_directory': str(bench.folder / 'bags')}),
            ('snn_controller', {'synapses': 'software'})):
        bench.start(name, use_sim_time=True, **parameters)
    director = bench.start('demo_director', use_sim_time=True, report=str(report))
    assert director.exit_code(120.0) == 0, director.said
    assert json.loads(report.read_text())['arm_tip_rmse_cm'] < 5.0
