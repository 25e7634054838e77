import math

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from smallbot.arm.kinematics import default_arm
from smallbot.arm.safety import ease_velocity, limit_velocity, LONGEST_GAP, Watchdog, way_is_within

LIMITS = default_arm().limits
anything = st.one_of(st.floats(-100, 100), st.sampled_from([math.nan, math.inf, -math.inf]))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(anything, anything, st.floats(1e-4, LONGEST_GAP)),
                min_size=1, max_size=120),
       st.floats(-1, 1), st.floats(-1, 1))
def test_no_sequence_of_commands_leaves_the_limits(commands, base, shoulder):
    position = np.array([base, shoulder]) * LIMITS.upper
    sent = np.zeros(2)
    elapsed = 0.01
    for first, second, following in commands:
        earlier = sent
        sent = limit_velocity(np.array([first, second]), sent, position, elapsed, LIMITS)
        assert np.isfinite(sent).all()
        assert (np.abs(sent) <= LIMITS.velocity + 1e-12).all()
        assert (np.abs(sent - earlier) <= LIMITS.acceleration * elapsed + 1e-9).all()
        position = position + sent * following
        elapsed = following
        assert (position <= LIMITS.upper + 1e-6).all()
        assert (position >= LIMITS.lower - 1e-6).all()


@given(st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.just(-1.0)))
def test_a_clock_that_jumps_gives_no_jump_of_velocity(elapsed):
    sent = limit_velocity(np.full(2, 3.0), np.zeros(2), np.zeros(2), elapsed, LIMITS)
    assert (np.abs(sent) <= LIMITS.acceleration * LONGEST_GAP).all()


def test_an_arm_beyond_a_limit_may_only_come_back():
    beyond = LIMITS.upper + 0.1
    assert (limit_velocity(np.full(2, 1.0), np.zeros(2), beyond, 0.01, LIMITS) <= 0).all()
    assert (limit_velocity(np.full(2, -0.1), np.zeros(2), beyond, 0.01, LIMITS) < 0).all()


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.floats(-1, 1)] * 4))
def test_easing_arrives_together_on_a_line_at_no_more_than_its_speed(ends):
    start = np.array(ends[:2]) * LIMITS.upper
    target = np.array(ends[2:]) * LIMITS.upper
    position, sent = start, np.zeros(2)
    for _ in range(4000):
        wanted = ease_velocity(position, target, 0.01)
        assert np.abs(wanted).max() <= 0.2 + 1e-9
        sent = limit_velocity(wanted, sent, position, 0.01, LIMITS)
        position = position + 0.01 * sent
    assert np.abs(position - target).max() < 1e-3


def test_the_way_must_begin_and_end_inside():
    inside, outside = np.zeros(2), LIMITS.upper + 0.1
    assert way_is_within(inside, LIMITS.upper, LIMITS)
    assert not way_is_within(outside, inside, LIMITS)
    assert not way_is_within(inside, np.array([math.nan, 0]), LIMITS)


def test_a_watchdog_is_expired_until_fed_and_again_after_its_time():
    dog = Watchdog(0.5)
    assert dog.expired(0.0)
    dog.feed(10.0)
    assert not dog.expired(10.5) and dog.expired(10.51)
    dog.feed(11.0)
    assert not dog.expired(11.2)
    dog.reset()
    assert dog.expired(11.2)


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(allow_nan=True))
def test_a_watchdog_never_trusts_a_clock_that_jumped(fed, asked):
    dog = Watchdog(0.5)
    dog.feed(fed)
    alive = not dog.expired(asked)
    assert not alive or 0 <= asked - fed <= 0.5


@pytest.mark.parametrize('timeout', [0.0, -1.0, math.nan, math.inf])
def test_a_watchdog_needs_a_time(timeout):
    with pytest.raises(ValueError, match='above 0'):
        Watchdog(timeout)


@settings(max_examples=150, deadline=None)
@given(st.floats(0.01, 1.0), st.lists(st.floats(1e-4, LONGEST_GAP), min_size=80, max_size=80))
def test_the_highest_speed_near_a_limit_can_still_be_braked(room, gaps):
    position, sent, elapsed = LIMITS.upper - room, np.zeros(2), LONGEST_GAP
    for gap in gaps:
        sent = limit_velocity(LIMITS.velocity, sent, position, elapsed, LIMITS)
        position, elapsed = position + sent * gap, gap
        assert (position <= LIMITS.upper + 1e-12).all()


@pytest.mark.parametrize('room', np.linspace(0.0005, 0.6, 40))
def test_ticks_that_all_come_as_late_as_allowed_stop_at_the_limit(room):
    position, sent = LIMITS.upper - room, np.zeros(2)
    for _ in range(100):
        sent = limit_velocity(LIMITS.velocity, sent, position, LONGEST_GAP, LIMITS)
        position = position + sent * LONGEST_GAP
        assert (position <= LIMITS.upper + 1e-12).all()
    assert position == pytest.approx(LIMITS.upper, abs=1e-9)


def test_an_arm_that_is_nowhere_brakes():
    nowhere = np.array([math.nan, 0.0])
    sent = limit_velocity(np.full(2, 1.0), np.array([0.3, 0.3]), nowhere, 0.01, LIMITS)
    assert sent == pytest.approx([0.1, 0.5])
