# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The controller driving what follows trajectories, in processes: it plays, stops, is killed."""

import signal

import numpy as np
import pytest
from trajectory_msgs.msg import JointTrajectory

from smallbot.arm.kinematics import default_arm
from smallbot.arm.rolling_trajectory import LEAD, SETTLE
from smallbot.errors import InputError
from smallbot.nodes.common.arm_commands import controller_joints
from smallbot.nodes.common.messages import from_trajectory, values_of
from smallbot.one_shot.model import load_model
from smallbot.one_shot.trainee import prepare_synapses, Trainee

from .conftest import EVERYTHING
from .test_snn_controller import controller, execute

TOPIC = 'joint_trajectory_controller/joint_trajectory'
LIMITS = default_arm().limits
ROLL = 0.7
"""Where the joint that is not driven stands."""


def follower(bench, model, **parameters):
    """Start a controller of three joints, and what drives two of them."""
    arm = bench.start('trajectory_follower.py', joints="['shoulder','roll','base']",
                      at=f'[0.0,{ROLL},0.0]')
    arm, process, probe = controller(bench, model, arm, command_type='trajectory',
                                     command_joints='roll,base,shoulder', **parameters)
    probe.listen(JointTrajectory, TOPIC, EVERYTHING)
    probe.show()
    return arm, process, probe


def begin(probe):
    """Execute, and wait for fast motion of the arm itself."""
    assert execute(probe).success
    probe.wait_phase('playing')
    probe.wait(lambda: probe.speed() > 0.1, 'the arm to move')


def travelled(probe):
    """Return stamps [S], positions and velocities [S, 3] of the arm, roll, base, shoulder."""
    states = list(probe.heard['joint_states'])
    rows = [[list(m.name).index(joint) for joint in ('roll', 'base', 'shoulder')] for m in states]
    return (np.array([m.header.stamp.sec + m.header.stamp.nanosec * 1e-9 for m in states]),
            np.array([np.array(m.position)[row] for m, row in zip(states, rows)]),
            np.array([np.array(m.velocity)[row] for m, row in zip(states, rows)]))


def last_point(probe):
    message = probe.heard[TOPIC][-1]
    assert not any(message.points[-1].velocities)
    return np.array(message.points[-1].positions)


def wait_at_rest(probe):
    """Wait until the arm stands where the last trajectory ends."""
    def there():
        _, position, velocity = (part[-1] for part in travelled(probe))
        return not velocity.any() and np.abs(position - last_point(probe)).max() < 1e-9
    probe.wait(there, 'the arm to rest at the last point')


def check_motion(probe):
    """Assert that the arm never left what it is allowed, and the third joint never moved."""
    _, position, velocity = travelled(probe)
    np.testing.assert_allclose(position[:, 0], ROLL, atol=1e-12)
    assert (np.abs(velocity[:, 1:]) <= LIMITS.velocity + 1e-6).all()
    # A leap would show as a step that no velocity explains.
    explained = 0.05 * np.maximum(np.abs(velocity[1:]), np.abs(velocity[:-1])) + 0.01
    assert (np.abs(np.diff(position, axis=0)) <= explained).all()


def test_it_settles_eases_plays_and_falls_silent(bench, small_model):
    _, process, probe = follower(bench, small_model, duration=1.5)
    assert execute(probe).success
    probe.wait_phase('done')
    wait_at_rest(probe)
    check_motion(probe)
    first, *others = probe.heard[TOPIC]
    assert list(first.joint_names) == ['roll', 'base', 'shoulder']
    time, position = from_trajectory(first)
    assert time == [SETTLE] and np.allclose(position, [[ROLL, 0.0, 0.0]], atol=1e-9)
    assert len(others) > 100
    for message in others:
        assert message.header.stamp.sec == message.header.stamp.nanosec == 0, 'start at once'
        assert not any(message.points[-1].velocities), 'each ends at rest'
        assert from_trajectory(message)[0][0] == pytest.approx(LEAD)
    model = load_model(small_model)
    expected = Trainee(model, prepare_synapses(model, 'software')).trial()
    wanted = model.step_seconds * expected.velocity.sum(0).numpy()
    np.testing.assert_allclose(last_point(probe)[1:] - [0.05, -0.05], wanted, atol=0.03)
    count, states = len(probe.heard[TOPIC]), len(probe.heard['joint_states'])
    probe.wait(lambda: len(probe.heard['joint_states']) > states + 150, 'most of a second')
    settled = len(probe.heard[TOPIC])
    probe.wait(lambda: len(probe.heard['joint_states']) > states + 250, 'half a second more')
    assert len(probe.heard[TOPIC]) == settled < count + 60, 'it must fall silent'
    process.send(signal.SIGINT)
    assert process.exit_code() == 0
    assert len(probe.heard[TOPIC]) == settled, "an arm that stands is nobody's to move"


def test_killed_in_mid_motion_the_arm_rests_at_the_last_point_by_itself(bench, small_model):
    _, process, probe = follower(bench, small_model)
    begin(probe)
    process.send(signal.SIGKILL)
    process.exit_code()
    assert any(probe.heard[TOPIC][-1].points[0].velocities), 'nobody said stop'
    wait_at_rest(probe)
    check_motion(probe)


def test_a_signal_in_mid_motion_brings_it_to_rest(bench, small_model):
    _, process, probe = follower(bench, small_model)
    begin(probe)
    process.send(signal.SIGINT)
    assert process.exit_code() == 0
    assert 'Traceback' not in process.said
    wait_at_rest(probe)
    check_motion(probe)
    sent = np.array([list(m.points[0].velocities) for m in probe.heard[TOPIC][1:]])
    assert np.abs(sent[-1]).max() <= 0.2, 'it was braked before it was left alone'
    assert np.abs(np.diff(sent, axis=0)).max() <= LIMITS.acceleration.max() * 0.05 + 1e-9


def test_stale_joint_states_halt_it_until_reset(bench, small_model):
    arm, _, probe = follower(bench, small_model, state_timeout=0.3, duration=4.0)
    assert execute(probe).success
    probe.wait_phase('playing')
    arm.send(signal.SIGSTOP)
    probe.wait_phase('halted')
    assert 'stale' in values_of(probe.heard['progress'][-1])['reason']
    arm.send(signal.SIGCONT)
    count = len(probe.heard['joint_states'])
    probe.wait(lambda: len(probe.heard['joint_states']) > count + 20, 'joint_states again')
    wait_at_rest(probe)
    answer = probe.call('snn_controller/execute')
    assert not answer.success and 'reset' in answer.message, 'it must not resume by itself'
    assert probe.call('snn_controller/reset').success
    assert execute(probe).success


def test_an_arm_that_does_not_follow_halts_it_before_the_way_grows_long(bench, small_model):
    _, process, probe = follower(bench, small_model)
    probe.call('trajectory_follower/block')
    probe.show(start=(0.5, -0.5))
    probe.wait(lambda: execute(probe).success, 'execute')
    probe.wait_phase('halted')
    assert 'rad from where it was told to be' in values_of(
        probe.heard['progress'][-1])['reason']
    assert np.abs(last_point(probe)[1:]).max() < 0.35
    assert f'/{TOPIC}' in process.said


def test_velocities_are_zero_for_joints_that_are_not_driven(bench, small_model):
    _, _, probe = controller(bench, small_model, command_joints='shoulder, roll, base')
    probe.show(start=(0.3, 0.0))
    assert execute(probe).success
    probe.wait(lambda: any(c[2] > 0.1 for c in probe.commands()), 'commands to the base')
    assert all(len(c) == 3 and c[1] == 0.0 for c in probe.commands())


def test_joints_of_a_controller_are_named_once_and_hold_the_driven_ones():
    assert controller_joints('', ('a', 'b')) == ('a', 'b')
    assert controller_joints(' c, b ,a', ('a', 'b')) == ('c', 'b', 'a')
    for wrong in ('a', 'a,b,a', 'a,,b', 'c'):
        with pytest.raises(InputError, match='command_joints.*among them a, b'):
            controller_joints(wrong, ('a', 'b'))
