# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import math

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from smallbot.arm.kinematics import default_arm
from smallbot.errors import InputError
from smallbot.simulation.simulated import LONGEST_STEP, SimulatedArm


def run(arm, seconds, now=0.0, step=0.005, each=lambda now: None):
    for _ in range(round(seconds / step)):
        now += step
        each(now)
        arm.step(step, now)
    return now


def test_it_follows_velocity_commands():
    arm = SimulatedArm(default_arm())
    run(arm, 1.0, each=lambda now: arm.command([0.3, -0.2], now))
    assert arm.position == pytest.approx([0.3, -0.2], abs=0.01)


def test_it_stops_by_itself_when_commands_cease():
    arm = SimulatedArm(default_arm(), command_timeout=0.5)
    now = run(arm, 0.3, each=lambda now: arm.command([0.5, 0.0], now))
    now = run(arm, 0.45, now)
    assert arm.velocity[0] == pytest.approx(0.5)
    now = run(arm, 0.2, now)
    assert arm.velocity.tolist() == [0.0, 0.0]
    stopped = arm.position.copy()
    run(arm, 1.0, now)
    assert np.array_equal(arm.position, stopped)


def test_it_never_passes_a_limit():
    arm = SimulatedArm(default_arm())
    run(arm, 3.0, each=lambda now: arm.command([3.0, -3.0], now))
    assert arm.position[0] <= arm.arm.limits.upper[0] + 1e-9
    assert arm.position[1] >= arm.arm.limits.lower[1] - 1e-9
    assert arm.position[0] > arm.arm.limits.upper[0] - 0.02


@pytest.mark.parametrize('gap', [0.05, 1.0, 60.0])
@pytest.mark.parametrize('doing', ['guided', 'commanded', 'pushed', 'going home'])
def test_after_a_pause_it_goes_on_from_where_it_was(gap, doing):
    """A hand, a command, a push and the way home do not make up for what was missed."""
    if doing == 'pushed':
        pytest.importorskip('mujoco', reason='needs mujoco: pip install mujoco')
    arm = SimulatedArm(default_arm(), 'mujoco' if doing == 'pushed' else 'kinematic')
    now = 0.0
    if doing == 'guided':
        arm.guide([0.0, 100.0], [[0.0, 0.0], [1.0, -1.0]], now)
    elif doing == 'pushed':
        arm.push([60.0, 0.0], now)
    elif doing == 'going home':
        arm.joints.place(np.array([1.0, 1.0]), np.zeros(2))
        arm.home()
    else:
        arm.command([0.2, 0.1], now)
    now = run(arm, 0.1, now)
    before, speed = arm.position.copy(), np.abs(arm.velocity).max()
    now += gap
    arm.step(gap, now)
    passed = min(gap, LONGEST_STEP)
    assert np.abs(arm.position - before).max() <= (speed + 0.4) * passed + 1e-9
    assert arm.stood_still == pytest.approx(gap - passed)
    if doing != 'pushed':
        assert np.abs(arm.velocity).max() <= speed + 1e-9
    now = run(arm, 0.02, now)
    assert arm.guided == (doing == 'guided') and arm.homing == (doing == 'going home')


def test_a_hand_and_a_push_do_not_come_while_it_is_commanded_nor_beyond_what_may_be():
    arm = SimulatedArm(default_arm())
    arm.command([0.1, 0.0], 1.0)
    for what in (lambda: arm.guide([0.0, 1.0], [[0.0, 0.0], [0.1, 0.1]], 1.1),
                 lambda: arm.push([1.0, 0.0], 1.1)):
        with pytest.raises(ValueError, match='being commanded'):
            what()
    with pytest.raises(ValueError, match=r'push \[61.0, 0.0\]: expected at most \[60.0, 60.0\]'):
        arm.push([61.0, 0.0], 5.0)
    with pytest.raises(ValueError, match='guide moves shoulder at 100.0 rad/s'):
        arm.guide([0.0, 0.01], [[0.0, 0.0], [0.0, 1.0]], 5.0)
    assert not arm.guided and not arm.velocity.any()
    arm.command([0.0, 0.0], 6.0)  # as a controller that has come to rest says for a while
    arm.guide([0.0, 1.0], [[0.0, 0.0], [0.1, 0.1]], 6.1)
    assert arm.guided


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10), st.floats(1e-4, 0.3)),
                min_size=1, max_size=60))
def test_it_keeps_its_limits_however_unevenly_it_is_stepped(commands):
    arm, now = SimulatedArm(default_arm()), 0.0
    limits = arm.arm.limits
    for base, shoulder, elapsed in commands:
        earlier, now = arm.velocity, now + elapsed
        arm.command([base, shoulder], now)
        arm.step(elapsed, now)
        assert (np.abs(arm.velocity) <= limits.velocity + 1e-9).all()
        assert (np.abs(arm.velocity - earlier) <= limits.acceleration * elapsed + 1e-9).all()
        assert (arm.position <= limits.upper).all() and (arm.position >= limits.lower).all()


def test_a_command_reaches_no_further_than_its_timeout_over_a_pause():
    arm = SimulatedArm(default_arm(), command_timeout=0.5)
    now = run(arm, 0.3, each=lambda now: arm.command([0.2, 0.0], now))
    before = arm.position[0]
    arm.command([0.2, 0.0], now + 5.0)
    arm.step(5.0, now + 5.0)
    assert arm.position[0] == pytest.approx(before + 0.2 * LONGEST_STEP)


@pytest.mark.parametrize('bad', [[0.1], [0.1, 0.2, 0.3], [math.nan, 0.0], [0.0, math.inf]])
def test_bad_commands_are_refused_and_the_one_before_stands(bad):
    arm = SimulatedArm(default_arm())
    arm.command([0.1, 0.1], 0.0)
    with pytest.raises(ValueError, match='expected 2 finite numbers'):
        arm.command(bad, 0.1)
    run(arm, 0.2)
    assert arm.velocity == pytest.approx([0.1, 0.1])


def test_a_hand_leads_it_along_a_path_whatever_is_commanded():
    arm = SimulatedArm(default_arm())
    arm.guide(np.array([0.0, 1.0]), np.array([[0.2, 0.0], [0.2, 0.4]]), 0.0)
    now = run(arm, 1.6, each=lambda now: arm.command([-1.0, -1.0], now))
    assert arm.guided
    run(arm, 0.6, now)
    assert not arm.guided
    assert arm.position == pytest.approx([0.2, 0.4], abs=1e-6)


@pytest.mark.parametrize(('time', 'path', 'said'), [
    ([0.0, 1.0], [[0, 0], [9, 0]], 'joint limits'),
    ([0.0, 0.0], [[0, 0], [1, 0]], 'increasing'),
    ([0.0, 1.0], [[0, 0], [math.nan, 0]], 'finite'),
    ([0.0], [[0, 0]], 'at least 2'),
])
def test_a_hand_cannot_lead_it_astray(time, path, said):
    arm = SimulatedArm(default_arm())
    with pytest.raises(ValueError, match=said):
        arm.guide(np.array(time), np.array(path, dtype=float), 0.0)
    assert not arm.guided


def test_home_is_reached_gently_and_a_command_ends_the_way():
    arm = SimulatedArm(default_arm())
    arm.joints.place(np.array([0.5, -0.3]), np.zeros(2))
    arm.home()
    fastest = []
    run(arm, 5.0, each=lambda now: fastest.append(np.abs(arm.velocity).max()))
    assert max(fastest) <= 0.2 + 1e-9
    assert np.abs(arm.position).max() < 1e-3 and not arm.homing
    arm.joints.place(np.array([0.5, 0.0]), np.zeros(2))
    arm.home()
    arm.command([0.0, 0.0], 10.0)
    assert not arm.homing


def test_joint_states_cover_the_whole_robot():
    arm = SimulatedArm(default_arm())
    names, position, velocity = arm.joint_state()
    assert set(names) >= {'base', 'shoulder', 'elbow', 'pitch', 'roll',
                          'gripper_finger_left_joint'}
    assert len(names) == len(position) == len(velocity)


@pytest.fixture(params=['mujoco', 'measured'])
def heavy(request):
    """Return an arm with dynamics."""
    if request.param == 'mujoco':
        pytest.importorskip('mujoco', reason='needs mujoco: pip install mujoco')
    return SimulatedArm(default_arm(), request.param)


def test_dynamics_lag_and_then_go_as_far_as_asked(heavy):
    start = heavy.position
    now = run(heavy, 0.1, each=lambda now: heavy.command([0.3, 0.2], now))
    assert (heavy.position - start < 0.98 * np.array([0.03, 0.02])).all()
    now = run(heavy, 0.9, now, each=lambda now: heavy.command([0.3, 0.2], now))
    run(heavy, 4.0, now, each=lambda now: heavy.command([0.0, 0.0], now))
    # the measured arm's settled gain is up to 4.7 %, its references 5.8 mrad apart
    assert heavy.position - start == pytest.approx([0.3, 0.2], rel=0.06, abs=0.006)
    assert heavy.velocity == pytest.approx([0, 0], abs=1e-3)


def test_dynamics_stand_still_when_nothing_is_asked(heavy):
    run(heavy, 5.0)
    assert heavy.position == pytest.approx([0, 0], abs=4e-3)


def test_dynamics_stop_by_themselves_within_three_seconds(heavy):
    now = run(heavy, 1.0, each=lambda now: heavy.command([0.8, -0.5], now))
    assert np.abs(heavy.velocity).max() > 0.5
    run(heavy, 0.5 + 2.5, now)
    assert np.abs(heavy.velocity).max() < 0.02


def test_dynamics_keep_to_limits(heavy):
    limits = heavy.arm.limits
    now = run(heavy, 6.0, each=lambda now: heavy.command([3.0, 3.0], now))
    run(heavy, 2.0, now, each=lambda now: heavy.command([3.0, 3.0], now))
    # the gain of the measured arm takes it beyond what its references say
    assert (heavy.position <= limits.upper * 1.06 + 0.02).all()
    assert (heavy.position >= limits.upper - 0.03).all()


def test_a_hand_turns_the_other_joints_as_slowly_and_they_stay():
    arm = SimulatedArm(default_arm())
    elbow = arm.arm.movable.index('elbow')
    arm.guide(np.array([0.0, 1.0]), np.array([[0.0, 0.0], [0.1, 0.1]]), 0.0, {'elbow': 0.4})
    seen = []
    for tick in range(1, 401):
        arm.step(0.01, 0.01 * tick)
        seen.append(arm.joint_state()[1][elbow])
    assert np.diff([0.0, *seen]).max() < 0.2 * 0.01 + 1e-9
    assert seen[-1] == pytest.approx(0.4) and np.allclose(arm.position, 0.1)
    arm.guide(np.array([0.0, 1.0]), np.array([[0.1, 0.1], [0.0, 0.0]]), 4.0)
    arm.step(2.0, 6.0)
    assert arm.joint_state()[1][elbow] == pytest.approx(0.4), 'nobody said where'


def test_dynamics_can_be_guided_and_then_stay(heavy):
    heavy.guide(np.array([0.0, 1.0]), np.array([[0.0, 0.0], [0.3, 0.4]]), 0.0)
    now = run(heavy, 0.5)
    assert heavy.position == pytest.approx([0.15, 0.2], abs=3e-3)
    assert heavy.velocity == pytest.approx([0.3, 0.4], abs=0.02)
    run(heavy, 3.0, now)
    assert heavy.position == pytest.approx([0.3, 0.4], abs=6e-3)


def test_dynamics_go_home(heavy):
    heavy.joints.place(np.array([0.4, -0.3]), np.zeros(2))
    heavy.home()
    run(heavy, 8.0)
    assert heavy.position == pytest.approx([0, 0], abs=0.025) and not heavy.homing


def test_a_push_moves_a_body_which_comes_back():
    pytest.importorskip('mujoco', reason='needs mujoco: pip install mujoco')
    arm = SimulatedArm(default_arm(), 'mujoco')
    now = run(arm, 0.5)
    arm.push([60.0, 0.0], now)
    furthest = []
    now = run(arm, 0.5, now, each=lambda now: furthest.append(arm.position[0]))
    assert max(furthest) > 0.03
    run(arm, 3.0, now)
    assert arm.position == pytest.approx([0, 0], abs=2e-3)


def test_gravity_is_there_and_effort_is_limited():
    pytest.importorskip('mujoco', reason='needs mujoco: pip install mujoco')
    weak = SimulatedArm(default_arm(), 'mujoco')
    weak.joints._effort[:] = 15.0  # 25 N m are needed to hold the arm straight out
    run(weak, 1.0)
    assert weak.position[1] < -0.3


@pytest.mark.parametrize('model', ['kinematic', 'measured'])
def test_what_does_not_give_way_says_so(model):
    with pytest.raises(ValueError, match='cannot be pushed: use model:=mujoco'):
        SimulatedArm(default_arm(), model).push([1.0, 0.0], 0.0)


@pytest.mark.parametrize('bad', [[1.0], [math.nan, 0.0]])
def test_a_bad_push_is_refused(bad):
    with pytest.raises(ValueError, match='expected 2 finite numbers, N m'):
        SimulatedArm(default_arm()).push(bad, 0.0)


def test_only_joints_that_were_measured_can_be_measured_ones():
    with pytest.raises(InputError, match="joint 'roll' has not been measured"):
        SimulatedArm(default_arm(('base', 'roll')), 'measured')
