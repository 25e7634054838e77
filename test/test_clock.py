# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The time of what moves, from clocks that run, stand, leap and are set back."""

from hypothesis import given, strategies as st
import pytest

from smallbot.clock import MotionClock


class Clocks:

    def __init__(self, speed=1.0):
        self.real, self.shown, self.speed = 100.0, 7.0, speed

    def motion(self):
        return MotionClock(lambda: self.real, lambda: self.shown)

    def run(self, seconds, speed=None):
        self.real += seconds
        self.shown += seconds * (self.speed if speed is None else speed)


@pytest.mark.parametrize('speed', [0.1, 0.5, 1.0, 2.0, 10.0])
def test_it_grows_as_the_source_does(speed):
    clocks = Clocks(speed)
    motion = clocks.motion()
    began = motion.now
    for _ in range(100):
        clocks.run(0.01)
        motion.look()
    assert motion.now - began == pytest.approx(speed) and not motion.standing
    assert not motion.jumped


def test_it_stands_with_the_source_but_not_for_what_brakes():
    clocks = Clocks()
    motion = clocks.motion()
    assert motion.standing, 'until it has been seen to go on'
    clocks.run(0.01)
    motion.look()
    assert not motion.standing
    before = motion.now
    for _ in range(40):
        clocks.run(0.01, 0.0)
        motion.look()
    assert motion.standing and motion.now == before
    clocks.run(0.2, 0.0)
    assert motion.look(moving=False) == pytest.approx(before + 0.2)
    clocks.run(0.01)
    motion.look()
    assert not motion.standing


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-100, 100), st.booleans()), max_size=30))
def test_whatever_the_source_shows_it_never_goes_back_and_leaps_are_no_time(steps):
    clocks = Clocks()
    motion = clocks.motion()
    for seconds, change, moving in steps:
        before, motion.jumped = motion.now, ''
        clocks.real, clocks.shown = clocks.real + seconds, clocks.shown + change
        now = motion.look(moving)
        assert before <= now <= before + 20.0 * seconds + 0.5 + 1e-9
        assert bool(motion.jumped) == (change < 0 or change > 20.0 * seconds + 0.5) or (
            abs(change) < 1e-9)


def test_without_a_source_it_is_the_real_time():
    clocks = Clocks()
    motion = MotionClock(lambda: clocks.real)
    clocks.run(3.0)
    assert motion.look() == clocks.real and not motion.standing
