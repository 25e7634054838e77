# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The simulated arm as a process: what it obeys, what it drops, when it stops."""

import numpy as np
import pytest
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from smallbot.nodes.common.messages import RELIABLE, to_trajectory

COMMANDS = 'velocity_controller/commands'


def send(probe, *values):
    probe.publish(Float64MultiArray, COMMANDS, Float64MultiArray(data=list(values)), RELIABLE)


def test_it_follows_commands_and_stops_by_itself_when_they_cease(bench):
    bench.start('arm_simulator', command_timeout=0.3)
    probe = bench.probe()
    probe.wait(lambda: probe.heard['joint_states'], 'joint_states')
    send(probe, 0.4, -0.2)
    probe.wait(lambda: probe.speed() > 0.39, 'the arm to move')
    probe.wait(lambda: probe.speed() == 0.0, 'the arm to stop')
    # 0.3 s at 0.4 rad/s and the way there and back to rest
    assert 0.1 < probe.position()[0] < 0.2
    np.testing.assert_allclose(probe.position()[1], -0.5 * probe.position()[0], atol=5e-3)


def test_joint_states_name_every_movable_joint_at_the_rate_asked_for(bench):
    bench.start('arm_simulator', rate=100.0)
    probe = bench.probe()
    probe.wait(lambda: len(probe.heard['joint_states']) > 150, '1.5 s of joint_states')
    messages = probe.heard['joint_states']
    assert set(messages[0].name) == {
        'base', 'shoulder', 'elbow', 'pitch', 'roll', 'gripper_finger_left_joint',
        'gripper_finger_right_joint'}
    stamps = np.array([m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec for m in messages])
    assert (np.diff(stamps) > 0).all()
    assert abs(np.diff(stamps).mean() - 0.01) < 1e-3


def test_a_command_of_the_wrong_size_or_with_nan_is_dropped_and_said(bench):
    process = bench.start('arm_simulator')
    probe = bench.probe()
    probe.wait(lambda: probe.heard['joint_states'], 'joint_states')
    send(probe, float('nan'), 1.0)
    probe.wait(lambda: 'dropped: velocity command' in process.said, 'a warning of NaN')
    send(probe, 1.0, 1.0, 1.0)
    send(probe, float('inf'), 0.0)
    count = len(probe.heard['joint_states'])
    probe.wait(lambda: len(probe.heard['joint_states']) > count + 40, 'joint_states to go on')
    assert all(max(map(abs, m.velocity)) == 0 for m in probe.heard['joint_states'])
    send(probe, 0.2, 0.0)
    probe.wait(lambda: probe.speed() > 0.19, 'a good command to be obeyed')


def test_a_hand_guides_it_and_commands_are_ignored_meanwhile(bench):
    process = bench.start('arm_simulator')
    probe = bench.probe()
    probe.wait(lambda: probe.heard['joint_states'], 'joint_states')
    at = np.array([0.0, 0.5, 1.0])
    path = np.array([[0.0, 0.0], [0.2, 0.1], [0.4, 0.0]])
    # joints in the other order: they are matched by name
    probe.publish(JointTrajectory, 'guide',
                  to_trajectory(('shoulder', 'base'), at, path[:, ::-1]))
    probe.wait(lambda: probe.position()[0] > 0.1, 'the arm to follow the hand')
    send(probe, -1.0, 0.0)
    probe.wait(lambda: probe.position()[0] > 0.3999, 'the end of the way')
    positions = np.array([list(m.position)[:2] for m in probe.heard['joint_states']])
    assert positions[:, 1].max() > 0.09
    probe.publish(JointTrajectory, 'guide', to_trajectory(('base',), at, path[:, :1]))
    probe.wait(lambda: 'not guided' in process.said, 'a refusal of a guide without shoulder')


def test_a_hand_is_refused_while_it_is_commanded_and_two_that_command_in_turn_stop_it(bench):
    process = bench.start('arm_simulator', command_timeout=5.0)
    probe, other = bench.probe(), bench.probe()
    probe.wait(lambda: probe.heard['joint_states'], 'joint_states')
    send(probe, 0.3, 0.0)
    probe.wait(lambda: probe.speed() > 0.29, 'the arm to move')
    probe.publish(JointTrajectory, 'guide', to_trajectory(
        ('base', 'shoulder'), np.array([0.0, 1.0]), np.zeros((2, 2))))
    probe.wait(lambda: 'not guided: guide: the arm is being commanded' in process.said,
               'a refusal')

    def stopped():
        send(other, -0.1, 0.0)
        send(probe, 0.3, 0.0)
        return 'command in turn: braking until one is gone' in process.said
    probe.wait(stopped, 'both to be named')
    probe.wait(lambda: probe.speed() == 0.0, 'the arm to stand')


def test_home_is_slow_and_reset_stands_still(bench):
    bench.start('arm_simulator')
    probe = bench.probe()
    probe.wait(lambda: probe.heard['joint_states'], 'joint_states')
    send(probe, 0.8, 0.0)
    probe.wait(lambda: probe.position()[0] > 0.2, 'the arm to move')
    assert probe.call('arm_simulator/home').success
    probe.wait(lambda: probe.speed() <= 0.2, 'the way home')
    count = len(probe.heard['joint_states'])
    probe.wait(lambda: probe.position()[0] < 0.1, 'the way home')
    assert max(max(map(abs, m.velocity)) for m in probe.heard['joint_states'][count:]) <= 0.2001
    assert probe.call('arm_simulator/reset').success
    probe.wait(lambda: probe.speed() == 0.0, 'standing still')
    assert 0.05 < probe.position()[0] < 0.1


def test_a_bad_parameter_ends_it_with_one_line_and_code_2(bench):
    process = bench.start('arm_simulator', rate=5000.0)
    assert process.exit_code() == 2
    assert process.said == ('arm_simulator: parameter rate: 5000.0, expected a decimal number as '
                            'in 1.0, from 100 to 1000\n')


@pytest.mark.parametrize('model', ['mujoco', 'measured'])
def test_with_dynamics_it_publishes_as_often_and_follows(bench, model):
    if model == 'mujoco':
        pytest.importorskip('mujoco', reason='needs mujoco: pip install mujoco')
    bench.start('arm_simulator', model=model)
    probe = bench.probe()
    probe.wait(lambda: probe.heard['joint_states'], 'joint_states')
    send(probe, 0.4, 0.2)
    probe.wait(lambda: probe.speed() > 0.2, 'the arm to move')
    probe.wait(lambda: probe.speed() < 0.02, 'the arm to stop by itself')
    assert probe.position()[0] > 0.1
    probe.wait(lambda: len(probe.heard['joint_states']) > 400, 'joint_states')
    stamps = np.array([m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec
                       for m in probe.heard['joint_states'][200:]])
    assert np.diff(stamps).mean() < 0.01


def test_a_push_moves_a_body_and_nothing_else(bench):
    pytest.importorskip('mujoco', reason='needs mujoco: pip install mujoco')
    bench.start('arm_simulator', model='mujoco')
    probe = bench.probe()
    probe.wait(lambda: probe.heard['joint_states'], 'joint_states')
    probe.publish(Float64MultiArray, 'push', Float64MultiArray(data=[60.0, 0.0]), RELIABLE)
    probe.wait(lambda: probe.position()[0] > 0.03, 'the arm to give way')
    probe.wait(lambda: abs(probe.position()[0]) < 0.005, 'the arm to come back')
    stiff = bench.start('arm_simulator', '-r', '__ns:=/elsewhere', '-r', 'push:=/push')
    other = probe.node.create_publisher(Float64MultiArray, '/push', RELIABLE)
    probe.wait(other.get_subscription_count, 'a stiff arm', 30.0)
    other.publish(Float64MultiArray(data=[60.0, 0.0]))
    probe.wait(lambda: 'not pushed: a kinematic arm' in stiff.said, 'a refusal')
