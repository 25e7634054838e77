# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import math

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from smallbot.arm.kinematics import default_arm
from smallbot.arm.rolling_trajectory import HOLD, LEAD, RollingTrajectory, SETTLE

LIMITS = default_arm().limits
NEAR = 1e-6
delays = st.sampled_from([0.0, 0.0, 0.0, 0.003, 0.03, 0.08, 0.4])
commands = st.one_of(st.floats(-20, 20), st.sampled_from([0.0, math.nan, math.inf, -math.inf]))


def check(points, position=None, velocity=None, limits=LIMITS):
    """Assert that points are what a controller accepts and an arm can do."""
    assert (np.diff(np.round(points.time * 1e9)) > 0).all(), 'times must increase, in whole ns'
    assert all(np.isfinite(part).all() for part in points)
    assert (points.velocity[-1] == 0).all(), 'it must end at rest'
    assert (np.abs(points.velocity) <= limits.velocity + NEAR).all()
    assert (points.position <= limits.upper + NEAR).all()
    assert (points.position >= limits.lower - NEAR).all()
    span = np.diff(points.time)[:, None]
    assert (np.abs(np.diff(points.velocity, axis=0)) <= limits.acceleration * span + 1e-3).all()
    mean = (points.velocity[1:] + points.velocity[:-1]) / 2
    np.testing.assert_allclose(np.diff(points.position, axis=0), mean * span, atol=NEAR)
    if position is not None:
        np.testing.assert_allclose(points.position[0], position, atol=1e-9)
        np.testing.assert_allclose(points.velocity[0], velocity, atol=1e-9)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(commands, commands, delays), min_size=1, max_size=60),
       st.tuples(st.floats(0, 1), st.floats(0, 1)), st.sampled_from([0.001, 0.01, 0.05]))
def test_whatever_is_commanded_and_whenever_each_trajectory_goes_on_from_the_one_before(
        stream, share, period):
    made = RollingTrajectory(LIMITS, period)
    start = LIMITS.lower + np.array(share) * (LIMITS.upper - LIMITS.lower)
    now = 5.0
    last = made.begin(start, now)
    told = now
    check(last)
    now += SETTLE
    for *wanted, delay in stream:
        expected = last.at(now + LEAD - told)
        last, told = made.advance(np.array(wanted), now), now
        assert last.time[0] == LEAD
        check(last, *expected)
        now += period + delay


def run(made, velocity, seconds, now, late=lambda tick: 0.0):
    """Command `velocity` for some time; returns the time after it and the last points."""
    points = None
    for tick in range(round(seconds / 0.01)):
        points = made.advance(np.asarray(velocity), now + 0.01 * tick + late(tick))
    return now + seconds, points


def settled(position=(0.0, 0.0)):
    made = RollingTrajectory(LIMITS, 0.01)
    made.begin(np.array(position), 0.0)
    return made


def test_the_reference_goes_the_integral_of_the_commands_a_little_later():
    made = settled()
    now = SETTLE
    displacement = np.zeros(2)
    for tick in range(200):
        wanted = np.array([0.6 * np.sin(0.03 * tick), 0.4 * np.sin(0.05 * tick) ** 2])
        made.advance(wanted, now)
        now += 0.01
        displacement += 0.01 * wanted
    for _ in range(10):
        made.advance(np.zeros(2), now)
        now += 0.01
    np.testing.assert_allclose(made.at(now), displacement, atol=1e-3)


def test_late_ticks_up_to_the_hold_do_not_slow_it_down():
    even, odd = settled(), settled()
    run(even, [0.5, -0.3], 1.0, SETTLE)
    run(odd, [0.5, -0.3], 1.0, SETTLE, late=lambda tick: 0.9 * HOLD * (tick % 7 == 3))
    np.testing.assert_allclose(odd.at(SETTLE + 1.0), even.at(SETTLE + 1.0), atol=1e-9)


def test_when_nothing_comes_any_more_it_comes_to_rest_by_itself():
    made = settled()
    now, points = run(made, [0.9, -0.2], 1.0, SETTLE)
    assert np.abs(points.velocity[0]).max() > 0.8
    longest = LEAD + 0.01 + HOLD + 0.9 / LIMITS.acceleration[0]
    assert points.time[-1] == pytest.approx(longest)
    assert made.at(now + 10).tolist() == points.position[-1].tolist()
    # Slower joints do not wait for the fastest.
    moving = points.velocity[:, 1] != 0
    assert points.time[moving.nonzero()[0][-1] + 1] < longest


def test_it_brakes_before_a_limit_and_comes_away_from_it():
    made = settled(LIMITS.upper - 0.5)
    now, _ = run(made, [3.0, 3.0], 2.0, SETTLE)
    room = LIMITS.upper - made.at(now)
    assert (room >= -NEAR).all() and (room < 0.01).all(), 'it goes all the way, and no further'
    now, _ = run(made, [-1.0, -1.0], 0.5, now)
    assert (made.at(now) < LIMITS.upper - 0.3).all()


def test_beyond_a_limit_it_moves_back_only():
    made = settled(LIMITS.upper + 0.01)
    now, points = run(made, [0.5, 0.5], 0.3, SETTLE)
    assert (points.position == LIMITS.upper + 0.01).all() and not points.velocity.any()
    now, points = run(made, [-0.5, -0.5], 0.3, now)
    assert (points.position[-1] < LIMITS.upper).all()


def test_a_follower_gets_time_to_where_the_arm_is_before_anything_moves():
    made = RollingTrajectory(LIMITS, 0.01)
    assert made.settling(0.0), 'nobody has said where the arm is'
    points = made.begin(np.array([0.3, -0.2]), 7.0)
    assert points.time.tolist() == [SETTLE] and points.position.tolist() == [[0.3, -0.2]]
    assert made.settling(7.0 + SETTLE - LEAD - 0.01)
    assert not made.settling(7.0 + SETTLE - LEAD + 0.001)
    first = made.advance(np.array([0.02, 0.02]), 7.0 + SETTLE - LEAD + 0.001)
    check(first, [0.3, -0.2], [0.0, 0.0])
