# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import math

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from smallbot.arm.kinematics import default_arm
from smallbot.arm.safety import (
    EASE_IN,
    ease_velocity,
    Gate,
    limit_velocity,
    LONGEST_GAP,
    Watchdog,
    way_is_within,
)

LIMITS = default_arm().limits
anything = st.one_of(st.floats(-100, 100), st.sampled_from([math.nan, math.inf, -math.inf]))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(anything, anything, st.floats(1e-4, LONGEST_GAP)),
                min_size=1, max_size=120),
       st.floats(-1, 1), st.floats(-1, 1))
def test_no_sequence_of_commands_leaves_the_limits(commands, base, shoulder):
    middle = 0.5 * (LIMITS.lower + LIMITS.upper)
    position = middle + np.array([base, shoulder]) * (LIMITS.upper - middle)
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


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[st.floats(0, 1)] * 4))
def test_easing_arrives_together_on_a_line_at_no_more_than_its_speed(ends):
    start, target = LIMITS.lower + (LIMITS.upper - LIMITS.lower) * np.reshape(ends, (2, 2))
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


PERIOD = 0.01


class GatedArm:
    """A gate and an arm that does at once what the gate sends, on a clock that may jump."""

    def __init__(self, **options):
        self.gate = Gate(LIMITS, PERIOD, 0.2, 0.3, **options)
        self.position = np.zeros(2)
        self.time = 100.0
        self.offset = 0.0
        self.gate.send(self.now)

    @property
    def now(self):
        return self.time + self.offset

    def tick(self, wanted=None, seconds=PERIOD, seen=True):
        self.time += seconds
        self.position = self.position + self.gate.sent * seconds
        if seen:
            self.gate.state(self.position, self.now)
        if wanted is not None:
            try:
                self.gate.command(wanted, self.now)
            except ValueError:
                pass
        return self.gate.send(self.now)

    def run(self, seconds, wanted=None, **options):
        return [self.tick(wanted, **options) for _ in range(round(seconds / PERIOD))]


ticks = st.tuples(
    st.one_of(st.none(), st.lists(anything, min_size=1, max_size=3)),
    st.floats(1e-4, LONGEST_GAP),
    st.booleans(),
    st.one_of(st.just(0.0), st.just(0.0), st.just(0.0), st.floats(1, 1e6), st.floats(-1e6, -1)),
    st.sampled_from(['', '', '', '', 'stop', 'reset', 'blind']),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ticks, min_size=1, max_size=150))
def test_whatever_comes_nothing_beyond_limits_passes_the_gate(sequence):
    arm = GatedArm(ease_in=0.0)
    for wanted, seconds, seen, jump, act in sequence:
        arm.offset += jump
        before, was_stopped = arm.gate.sent, bool(arm.gate.stopped)
        if act == 'stop':
            arm.gate.stop('the test')
        if act == 'reset':
            try:
                arm.gate.reset()
            except ValueError:
                assert before.any()
        if act == 'blind':
            arm.gate.state(np.array([math.nan, 0.0]), arm.now)
        # where the clock jumps the gate has only its period to go by
        seconds = PERIOD if jump else seconds
        sent = arm.tick(wanted, seconds, seen)
        assert np.array_equal(sent, arm.gate.sent)
        assert np.isfinite(sent).all()
        assert (np.abs(sent) <= LIMITS.velocity + 1e-12).all()
        # a clock that shows a million seconds is good to 1e-10 s
        assert (np.abs(sent - before) <= LIMITS.acceleration * seconds + 1e-7).all()
        if was_stopped and arm.gate.stopped:
            assert (np.abs(sent) <= np.abs(before)).all()
        assert (arm.position <= LIMITS.upper + 1e-7).all()
        assert (arm.position >= LIMITS.lower - 1e-7).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(anything, st.just(math.nan)), min_size=3, max_size=30))
def test_a_clock_that_is_no_clock_moves_nothing(times):
    gate = Gate(LIMITS, PERIOD, 0.2, 0.3)
    gate.state(np.zeros(2), 0.0)
    gate.command([1.0, 1.0], 0.0)
    before = gate.send(0.0)
    for now in times:
        sent = gate.send(now)
        assert np.isfinite(sent).all()
        assert (np.abs(sent - before) <= LIMITS.acceleration * LONGEST_GAP + 1e-9).all()
        before = sent


def test_an_arm_eases_in_and_then_gets_what_was_asked_for():
    arm = GatedArm()
    speeds = [sent[0] for sent in arm.run(1.0, [1.0, 0.0])]
    rising = np.flatnonzero(np.array(speeds) < 1.0)
    assert 0.5 * EASE_IN / LIMITS.velocity[0] < rising[-1] * PERIOD < EASE_IN
    assert max(np.diff(speeds)) <= LIMITS.velocity[0] * PERIOD / EASE_IN + 1e-9
    assert speeds[-1] == 1.0


def test_a_stale_command_stops_an_arm_for_good_and_says_so():
    arm = GatedArm()
    arm.run(0.5, [0.5, 0.0])
    arm.run(0.5)
    assert arm.gate.at_rest and 'no velocity command for 0.2' in arm.gate.stopped
    assert not np.any(arm.run(0.2, [0.5, 0.0]))


def test_a_commander_that_ends_at_rest_may_be_silent():
    arm = GatedArm()
    arm.run(0.5, [0.5, 0.0])
    arm.run(0.2, [0.0, 0.0])
    arm.run(1.0)
    assert arm.gate.at_rest and not arm.gate.stopped
    assert arm.run(0.5, [0.5, 0.0])[-1][0] > 0.4


def test_a_stale_state_stops_an_arm_that_moves():
    arm = GatedArm()
    arm.run(0.5, [0.5, 0.0])
    arm.run(0.6, [0.5, 0.0], seen=False)
    assert arm.gate.at_rest and 'state of the arm is 0.3' in arm.gate.stopped


def test_no_motion_begins_without_a_state():
    gate = Gate(LIMITS, PERIOD, 0.2, 0.3)
    with pytest.raises(ValueError, match='no motion begins'):
        gate.command([0.5, 0.0], 0.0)
    assert not gate.send(0.0).any() and not gate.stopped
    gate.state(np.array([math.nan, 0.0]), 0.0)
    with pytest.raises(ValueError, match='no motion begins'):
        gate.command([0.5, 0.0], 0.01)


def test_a_stop_brakes_latches_and_needs_a_command_at_rest_after_its_reset():
    arm = GatedArm()
    arm.run(0.5, [0.5, 0.0])
    arm.gate.stop('SIGTERM')
    arm.gate.stop('something later')
    with pytest.raises(ValueError, match='still braking'):
        arm.gate.reset()
    arm.run(0.3, [0.5, 0.0])
    assert arm.gate.at_rest and arm.gate.stopped == 'SIGTERM'
    with pytest.raises(ValueError, match='stopped .SIGTERM.: reset first'):
        arm.gate.command([0.5, 0.0], arm.now)
    arm.gate.reset()
    with pytest.raises(ValueError, match='must be zero'):
        arm.gate.command([0.5, 0.0], arm.now)
    assert not np.any(arm.run(0.3, [0.5, 0.0]))
    arm.run(0.1, [0.0, 0.0])
    assert arm.run(0.5, [0.5, 0.0])[-1][0] > 0.4


def test_a_gate_whose_ticks_come_too_late_brakes_until_it_is_told_where_the_arm_is():
    arm = GatedArm()
    arm.run(0.5, [0.5, 0.0])
    late = arm.tick([0.5, 0.0], seconds=0.08, seen=False)
    assert late[0] == pytest.approx(0.5 - LIMITS.acceleration[0] * PERIOD)
    assert arm.run(0.3, [0.5, 0.0])[-1][0] > 0.4 and not arm.gate.stopped


@pytest.mark.parametrize('bad', [[0.1], [0.1] * 3, [math.nan, 0.0], [0.0, math.inf]])
def test_a_bad_command_is_refused_and_the_one_before_stands(bad):
    arm = GatedArm()
    arm.run(1.0, [0.3, 0.0])
    with pytest.raises(ValueError, match='expected 2 finite numbers'):
        arm.gate.command(bad, arm.now)
    assert arm.tick()[0] == pytest.approx(0.3)


@pytest.mark.parametrize('period', [0.0, -1.0, math.nan, 1.0])
def test_a_gate_needs_a_period_shorter_than_the_gap_it_allows_for(period):
    with pytest.raises(ValueError, match='period'):
        Gate(LIMITS, period, 0.2, 0.3)
