# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Who follows and who does not: arms that lag, go too far, begin late; joints that are stuck."""

from hypothesis import given, settings, strategies as st
import numpy as np

from smallbot.arm.following import Following
from smallbot.arm.kinematics import default_arm

LIMITS = default_arm().limits
JOINTS = ('base', 'shoulder')
PERIOD = 0.01


def movement(seed, seconds, extent):
    """Return velocities [T, 2], rad/s, of a smooth movement of about that extent."""
    rng = np.random.default_rng(seed)
    time = np.arange(0, seconds, PERIOD) / seconds
    path = sum(rng.normal(size=2) / k * (1 - np.cos(2 * np.pi * k * time))[:, None]
               for k in (0.5, 1, 1.5, 2))
    path = extent * path / np.ptp(path, axis=0).max()
    return np.diff(path, axis=0, prepend=path[:1]) / PERIOD


def first_astray(velocities, arm, lag=(), state_every=1):
    """Return what is said first of an arm told `velocities`, then zero for a second."""
    following = Following(LIMITS, JOINTS, lag)
    told, position = np.zeros(2), np.zeros(2)
    following.begin(position)
    for tick, velocity in enumerate([*velocities, *np.zeros((100, 2))]):
        told = told + velocity * PERIOD
        following.advance(velocity * PERIOD, PERIOD)
        position = arm(told, position, tick)
        if tick % state_every == 0:
            if said := following.astray(position, PERIOD * state_every):
                return said
    return ''


def lagging(lag, gain=1.0):
    return lambda told, position, tick: position - (gain * told - position) * np.expm1(
        -PERIOD / np.array(lag))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 999), st.floats(2.0, 20.0), st.floats(0.1, 1.5), st.floats(0.005, 0.25),
       st.floats(0.96, 1.05), st.sampled_from([1, 5, 10]))
def test_an_arm_that_lags_a_little_and_goes_a_little_far_follows(seed, seconds, extent, lag, gain,
                                                                 every):
    arm = lagging((lag, lag), gain)
    assert not first_astray(movement(seed, seconds, extent), arm, state_every=every)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 999), st.floats(4.0, 40.0), st.floats(0.1, 1.5), st.floats(1.0, 1.05))
def test_one_that_lags_as_the_ed_scorbot_was_measured_follows_where_that_is_known(
        seed, seconds, extent, gain):
    lag = (0.40, 0.48)
    assert not first_astray(movement(seed, seconds, extent), lagging(lag, gain), lag, 7)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 999), st.floats(2.0, 10.0), st.floats(0.4, 1.5), st.integers(0, 1))
def test_a_joint_that_is_stuck_is_found_and_named(seed, seconds, extent, joint):
    velocities = movement(seed, seconds, extent)
    velocities[:, joint] *= max(1.0, 0.4 / np.ptp(PERIOD * velocities[:, joint].cumsum()))

    def arm(told, position, tick):
        return np.where(np.arange(2) == joint, 0.0, told)
    said = first_astray(velocities, arm)
    assert said.startswith(f'{JOINTS[joint]} is 0.') or said.startswith(f'{JOINTS[joint]} is ')
    assert said.endswith('rad from where it was told to be')


def test_one_that_goes_half_as_far_or_the_other_way_is_found():
    for factor in (0.5, -1.0, 1.5):
        for seed in range(10):
            velocities = movement(seed, 3.0, 0.8)
            assert first_astray(velocities, lambda told, *_, factor=factor: factor * told)


def test_one_that_begins_half_a_second_late_on_its_way_to_the_start_follows():
    """Easing goes at 0.2 rad/s; what it has missed is made up for by the approach."""
    velocities = np.tile([0.2, -0.1], (200, 1))

    def arm(told, position, tick):
        return told - min(PERIOD * tick, 0.5) * np.array([0.2, -0.1])
    assert not first_astray(velocities, arm)


def test_what_is_not_known_is_not_judged():
    following = Following(LIMITS)
    assert not following.known and following.astray(np.ones(2), 0.1) == ''
    following.begin(np.zeros(2))
    assert 'joint 1 is 1.00 rad' in following.astray(np.ones(2), 0.1)
    following.lose()
    assert following.astray(np.ones(2), 0.1) == ''
