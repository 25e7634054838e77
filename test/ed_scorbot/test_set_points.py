# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The stream of set-points, alone: answered as the test likes, on a clock of the test."""

from hypothesis import example, given, settings, strategies as st
import numpy as np
import pytest

from smallbot.ed_scorbot.convention import CONVENTIONS, JOINTS, published_limits
from smallbot.ed_scorbot.set_points import CATCH_UP, SetPoints

CONVENTION = CONVENTIONS['2023']
LIMITS = published_limits(CONVENTION, JOINTS, 6.0)
HOLD, PERIOD = 0.05, 0.01
SLOW = np.array([0.2, 0.0, 0.0, 0.0])


class Stream:
    """Set-points and an arm that is at once where it is sent, and says so after `hold`."""

    def __init__(self):
        self.now = 10.0
        self.set_points = SetPoints(CONVENTION, LIMITS, HOLD, PERIOD, command_timeout=0.2)
        self.sent = []
        """Time and position [4], rad, of every set-point."""
        self.answers = True
        self._due = []

    def tick(self, velocity=None, sending=True, patient=False, elapsed=PERIOD):
        self.now += elapsed
        stream = self.set_points
        for at, position in [due for due in self._due if due[0] <= self.now]:
            self._due.remove((at, position))
            stream.acknowledge(self.now)
            stream.measured(np.array(position))
        if velocity is not None:
            stream.command(velocity, self.now)
        degrees = stream.step(self.now, sending, patient)
        if degrees is not None:
            position = CONVENTION.position(degrees)
            self.sent.append((self.now, position))
            if self.answers:
                self._due.append((self.now + HOLD + 0.004, tuple(position)))

    def run(self, seconds, velocity=None, **how):
        for _ in range(round(seconds / PERIOD)):
            self.tick(velocity, **how)

    def stand(self):
        """Begin at home and learn where the arm is."""
        self.set_points.start_from(CONVENTION.position(np.zeros(4)))
        self.run(0.2)
        self.sent.clear()
        return self


def test_nothing_is_known_until_the_arm_has_been_asked():
    stream = Stream()
    assert not stream.set_points.known
    stream.set_points.start_from(CONVENTION.position(np.zeros(4)))
    stream.tick()
    assert len(stream.sent) == 1 and not stream.set_points.answered
    stream.run(0.1)
    assert stream.set_points.known and len(stream.sent) == 1, 'asked once, then left alone'
    np.testing.assert_allclose(stream.sent[0][1], CONVENTION.position(np.zeros(4)), atol=1e-9)


def test_one_set_point_is_on_its_way_and_the_next_follows_its_answer():
    stream = Stream().stand()
    start = stream.set_points.position
    stream.run(1.0, SLOW)
    stream.run(0.5, 0 * SLOW)
    times = np.array([at for at, _ in stream.sent])
    assert (np.diff(times) >= HOLD + 0.004 - 1e-9).all() and len(times) > 15
    # eased in over half a second: half of what was asked is lost there
    assert stream.set_points.position[0] - start[0] == pytest.approx(0.2, abs=0.02)
    whole = np.radians(0.5 / np.abs(CONVENTION.reference_per_degree)) + 1e-3
    assert (np.abs(stream.sent[-1][1] - stream.set_points.position) <= whole).all()
    assert stream.set_points.resent == 0 and len(stream.set_points.round_trips) >= len(times)


def test_a_set_point_that_is_not_answered_is_sent_again_then_the_arm_is_stopped():
    stream = Stream().stand()
    stream.answers = False
    stream.run(0.3, SLOW)
    assert stream.set_points.resent == 1 and not stream.set_points.sure
    stream.run(0.5, SLOW)
    assert not stream.set_points.stopped
    with pytest.raises(ValueError, match='has not said where it is for 0.9'):
        stream.run(0.3, SLOW)
    stream.run(0.2)
    count = len(stream.sent)
    stream.run(1.0)
    assert len(stream.sent) == count and stream.set_points.at_rest


def test_whoever_is_patient_is_not_stopped_by_silence():
    stream = Stream().stand()
    stream.answers = False
    stream.set_points.start_from(stream.set_points.reached)
    stream.run(3.0, patient=True)
    assert not stream.set_points.stopped and stream.set_points.resent > 10
    stream.tick()
    assert 'has not said where it is' in stream.set_points.stopped


def test_a_set_point_stays_near_the_last_that_was_acknowledged():
    stream = Stream().stand()
    stream.run(1.0, 4 * SLOW)
    stream.answers = False
    stream.run(0.4, 4 * SLOW)
    way = CATCH_UP * (HOLD + 2 * PERIOD) * LIMITS.velocity
    whole = np.radians(1 / np.abs(CONVENTION.reference_per_degree))
    set_points, (_, last) = stream.set_points, stream.sent[-1]
    assert set_points.position[0] - set_points.reached[0] > 2 * way[0], 'held up'
    assert (np.abs(last - set_points.reached) <= way + whole).all()


def test_what_is_not_in_use_is_sent_nothing():
    stream = Stream().stand()
    stream.set_points.ask()
    stream.run(1.0, sending=False)
    assert not stream.sent
    stream.tick()
    assert len(stream.sent) == 1


def test_it_goes_to_a_target_on_a_line_and_stays_there():
    stream = Stream().stand()
    target = stream.set_points.position + np.array([0.1, -0.05, 0.0, 0.02])
    stream.set_points.go(target, stream.now)
    assert stream.set_points.going and not stream.set_points.is_at(target)
    stream.run(3.0)
    assert stream.set_points.is_at(target) and not stream.set_points.going
    stream.set_points.go(stream.set_points.position + 0.1, stream.now)
    stream.run(0.3)
    stream.set_points.command(np.zeros(4), stream.now)
    assert not stream.set_points.going, 'a command ends the way'


def test_an_arm_far_from_where_it_was_told_to_be_is_stopped():
    stream = Stream().stand()
    stream.set_points.measured(stream.set_points.position + np.radians([0, 44, 0, 0]))
    assert not stream.set_points.stopped
    stream.set_points.measured(stream.set_points.position - np.radians([0, 46, 0, 0]))
    assert 'shoulder is 46 degrees from where' in stream.set_points.stopped


def test_an_answer_counts_for_what_can_have_been_held_by_then():
    set_points = SetPoints(CONVENTION, LIMITS, HOLD, PERIOD, command_timeout=0.2)
    home = CONVENTION.position(np.zeros(4))
    set_points.start_from(home)
    assert set_points.step(10.0, sending=True) is not None
    set_points.acknowledge(10.02)
    assert not set_points.answered, 'it cannot have been held yet'
    set_points.acknowledge(10.06)
    assert set_points.answered and set_points.round_trips == pytest.approx([0.01])
    np.testing.assert_array_equal(set_points.reached, home)


FULL = np.array([0.8, -0.6, 0.0, 0.0])
WAY = CATCH_UP * (HOLD + 2 * PERIOD) * LIMITS.velocity + 2 * np.radians(
    1 / np.abs(CONVENTION.reference_per_degree))
"""Longest way from one set-point to the next, in whole references, rad."""


@pytest.mark.parametrize('late', [0.3, 1.0, 60.0, 3600.0])
def test_a_step_that_comes_too_late_leaves_the_arm_where_it_was_sent_and_says_so(late):
    stream = Stream().stand()
    stream.run(1.0, FULL)
    last = stream.sent[-1][1]
    stream.tick(FULL, elapsed=late)
    assert f'held up for {late:.1f} s' in stream.set_points.stopped
    stream.run(2.0)
    after = np.array([position for at, position in stream.sent if at >= stream.now - 2])
    assert len(after) > 5, 'asked where it has come to'
    assert np.abs(after - last).max() < 1e-9
    stream.set_points.reset()
    stream.run(0.1, 0 * FULL)
    stream.run(0.5, FULL)
    ways = np.abs(np.diff([last, *(position for _, position in stream.sent[-5:])], axis=0))
    assert ways.max() > 0.01 and (ways < WAY).all(), 'it goes on from there'


def test_a_step_that_comes_a_little_late_goes_on_from_where_the_set_points_are():
    stream = Stream().stand()
    stream.run(1.0, FULL)
    before = stream.set_points.position
    stream.tick(FULL, elapsed=0.15)
    assert not stream.set_points.stopped and stream.set_points.late_steps == 1
    assert stream.set_points.latest == pytest.approx(0.15)
    went = np.abs(stream.set_points.position - before)
    assert (went <= 0.05 * np.abs(FULL) + 1e-9).all(), 'what has passed is not made up for'


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.01] * 6 + [0.02, 0.049, 0.06, 0.15, 0.3, 1.0, 60.0,
                                                        0.0, -0.02, -1.0, -60.0, 1e6]),
                          st.integers(1, 40), st.sampled_from([FULL, -FULL, 0 * FULL, None])),
                min_size=2, max_size=12))
@example([(0.01, 40, FULL), (60.0, 1, FULL), (0.01, 40, FULL)])
@example([(0.01, 40, FULL), (-60.0, 1, FULL), (0.01, 40, FULL)])
@example([(0.01, 9, FULL), (-1.0, 5, FULL), (1e6, 1, FULL)])
def test_whatever_the_clock_does_set_points_stay_inside_and_never_jump(course):
    """Nor does the velocity, unless they have stood for longer than braking takes."""
    stream = Stream().stand()
    stream.run(0.6, FULL)
    speed = None
    for elapsed, count, velocity in course:
        for _ in range(count):
            stopped, sent = stream.set_points.stopped, len(stream.sent)
            before, late = stream.set_points.position, stream.set_points.late_steps
            try:
                stream.tick(velocity, elapsed=elapsed)
            except ValueError as refused:
                assert stream.set_points.stopped or 'state' in str(refused)
                stream.tick(elapsed=0.0)
            went = stream.set_points.position - before
            assert late != stream.set_points.late_steps or (
                np.abs(went) <= 0.05 * LIMITS.velocity + 1e-9).all(), 'nothing is made up for'
            now = went / PERIOD if elapsed == PERIOD else None
            if not (speed is None or now is None) and late == stream.set_points.late_steps and (
                    'held up' not in stream.set_points.stopped):
                assert (np.abs(now - speed) <= LIMITS.acceleration * PERIOD + 1e-4).all()
            speed = now
            if stopped and 'held up' in stopped:
                assert (went == 0).all() and len(stream.sent) <= sent + 1
            elapsed = max(elapsed, PERIOD) if count > 3 else elapsed
    positions = np.array([position for _, position in stream.sent])
    whole = np.radians(1 / np.abs(CONVENTION.reference_per_degree))
    assert (positions <= LIMITS.upper + whole).all() and (positions >= LIMITS.lower - whole).all()
    assert (np.abs(np.diff(positions, axis=0)) <= WAY).all()
