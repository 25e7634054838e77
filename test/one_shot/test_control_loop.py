# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The loop without ROS: driven tick by tick on a clock of the test's own, or in its thread."""

import threading
import time

import numpy as np
import pytest

from smallbot.arm.kinematics import default_arm
from smallbot.cadence import Cadence
from smallbot.one_shot.control_loop import ControlLoop
from smallbot.one_shot.playback import Phase, Playback

LIMITS = default_arm().limits
STEPS, PERIOD = 50, 0.01
JOINTS = ('base', 'shoulder')


class Trainee:
    """Plays a wave; every step two neurons spike."""

    def __init__(self, fail_at=None, size=0.4):
        self.t, self.fail_at, self.size = 0, fail_at, size

    def step(self):
        if self.t == self.fail_at:
            raise RuntimeError('read failed')
        self.t += 1
        return self.size * np.sin(np.pi * self.t / STEPS) * np.ones(2), np.array([3, 7])


class Arm:
    """An ideal arm as the commands of a loop; it can refuse to move."""

    topic = 'velocity_controller/commands'

    def __init__(self):
        self.position = np.zeros(2)
        self.sent, self.ended, self.rests = [], 0, 0
        self.stuck, self.astray, self.listened = False, '', True

    def driven(self, pose):
        return pose

    def heard(self):
        return self.listened

    def ready(self, pose, now):
        return True

    def trouble(self, pose, now):
        return self.astray

    def told(self, now):
        return None

    def send(self, velocity, now):
        self.sent.append(np.array(velocity))
        if not self.stuck:
            self.position = self.position + PERIOD * np.array(velocity)

    hold = send

    def rest(self):
        self.rests += 1

    def end(self, now):
        self.ended += 1


class Bench:
    """A loop, its arm, what was said, and a clock that ticks move on."""

    def __init__(self, clock=None, state_timeout=0.5, course=None):
        self.now = 50.0
        self.arm = Arm()
        self.said = {'progressed': [], 'spiked': [], 'halted': [], 'delayed': [], 'finished': []}
        playback = Playback(LIMITS, STEPS, 0.01, PERIOD)
        self.loop = ControlLoop(playback, self.arm, PERIOD, state_timeout, self,
                                clock or (lambda: self.now), course=course, joints=JOINTS)

    def progressed(self):
        self.said['progressed'].append(self.loop.playback.phase)

    def spiked(self, events):
        self.said['spiked'] += events.tolist()

    def halted(self, text):
        self.said['halted'].append(text)

    def delayed(self, text):
        self.said['delayed'].append(text)

    def finished(self, text):
        self.said['finished'].append(text)

    def tick(self, seconds, states=True):
        for _ in range(round(seconds / PERIOD)):
            if states:
                self.loop.state(self.arm.position)
            self.loop.tick(0.0)
            self.now += PERIOD

    def play(self, duration=0.5, start=(0.0, 0.0), trainee=None):
        self.loop.state(self.arm.position)
        self.loop.play(np.array(start), duration, trainee or Trainee())


@pytest.fixture
def bench():
    return Bench()


def test_nothing_is_sent_before_a_movement_and_none_after_it(bench):
    bench.tick(0.5)
    assert not bench.arm.sent and bench.arm.rests
    bench.play()
    bench.tick(3.0)
    assert bench.loop.playback.phase is Phase.DONE
    count = len(bench.arm.sent)
    bench.tick(1.0)
    assert len(bench.arm.sent) == count and not bench.arm.sent[-1].any()
    wanted = 0.01 * sum(Trainee.step(t)[0] for t in [Trainee()] for _ in range(STEPS))
    assert bench.arm.position == pytest.approx(wanted, abs=5e-3)


def test_every_spike_is_told_once_with_its_step(bench):
    bench.play()
    bench.tick(3.0)
    assert bench.said['spiked'] == [[t, n] for t in range(STEPS) for n in (3, 7)]


def test_a_halt_for_old_states_says_what_the_last_ones_lacked(bench):
    bench.play(start=(0.4, 0.0))
    bench.tick(0.3)
    bench.loop.lacking = 'the last one lacks base'
    bench.tick(1.0, states=False)
    assert 's: the last one lacks base' in bench.loop.playback.reason
    assert 'lacks base' in bench.said['halted'][0]


def test_a_second_movement_counts_its_steps_anew(bench):
    for _ in range(2):
        bench.play()
        bench.tick(3.0)
    assert bench.said['spiked'][-1] == [STEPS - 1, 7] and len(bench.said['spiked']) == 4 * STEPS
    assert int(bench.loop.cadence.values()['ticks']) <= 60


def test_old_states_halt_it_and_it_brakes_within_the_limits(bench):
    bench.play(start=(0.4, 0.0))
    bench.tick(0.6)
    assert bench.loop.playback.phase is Phase.EASING and bench.arm.sent[-1].any()
    bench.tick(1.0, states=False)
    assert bench.loop.playback.phase is Phase.HALTED
    assert 'stale' in bench.said['halted'][0] and 'reset' in bench.said['halted'][0]
    assert ': ' not in bench.loop.playback.reason
    assert not bench.arm.sent[-1].any()
    speed = np.abs(np.diff(np.array([np.zeros(2), *bench.arm.sent]), axis=0))
    assert speed.max() <= 20.0 * PERIOD + 1e-9
    with pytest.raises(ValueError, match='halted'):
        bench.play()


def test_an_arm_that_does_not_arrive_or_does_not_follow_is_halted(bench):
    bench.arm.stuck = True
    bench.play(start=(0.2, 0.0))
    bench.tick(2.0)
    assert bench.said['halted'] == ['halted: base is 0.14 rad from where it was told to be; does '
                                    'it follow velocity_controller/commands?']
    other = Bench()
    other.play(start=(0.2, 0.0))
    other.tick(0.2)
    other.arm.astray = 'base is 0.40 rad from where it was told to be'
    other.tick(0.5)
    assert other.loop.playback.phase is Phase.HALTED and '0.40 rad' in other.said['halted'][0]
    assert not other.arm.sent[-1].any()


def test_whatever_fails_in_a_tick_does_not_leave_the_arm_moving(bench):
    bench.play(trainee=Trainee(fail_at=20))
    bench.tick(0.4)
    assert bench.loop.playback.phase is Phase.HALTED
    assert 'read failed' in bench.said['halted'][0]
    bench.tick(0.5)
    assert bench.loop.at_rest and not bench.arm.sent[-1].any()


def test_what_could_not_be_sent_is_not_believed(bench):
    """The arm goes on as it was told last, is not taken to rest, and is braked from there."""
    bench.play(duration=0.5)
    bench.tick(0.35)
    last, send = bench.arm.sent[-1], bench.arm.send
    assert np.abs(last).max() > 0.3
    failing = iter([True] * 12)

    def unsure(velocity, now):
        if next(failing, False):
            raise RuntimeError('publisher: context is invalid')
        send(velocity, now)
    bench.arm.send = unsure
    bench.tick(6 * PERIOD)
    assert bench.loop.playback.phase is Phase.HALTED and not bench.loop.at_rest
    assert bench.arm.sent[-1] is last
    bench.tick(0.2)
    assert bench.loop.at_rest and not bench.arm.sent[-1].any()


def test_before_the_first_state_it_waits(bench):
    assert bench.loop.state_age()[1]
    bench.tick(0.3, states=False)
    assert not bench.arm.sent
    bench.loop.state(np.array([0.1, 0.2]))
    assert bench.loop.position().tolist() == [0.1, 0.2] and bench.loop.state_age() == (0.0, False)


class Simulated(Bench):
    """The same where states and motion go by a clock of `speed`, in steps of `step` s."""

    def __init__(self, speed, step=0.0):
        self.shown, self.speed, self.step, self.travelled = 20.0, speed, step, 0.0
        super().__init__(course=lambda: self.stamped())
        self.arm.send = self.arm.hold = lambda velocity, now: self.arm.sent.append(velocity)
        self.silent = False

    def stamped(self):
        return self.shown // self.step * self.step if self.step else self.shown

    def tick(self, seconds, states=True):
        for _ in range(round(seconds / PERIOD)):
            if states and not (self.silent and self.speed == 0):
                self.loop.state(self.arm.position)
            self.loop.tick(0.0)
            self.now += PERIOD
            self.shown += self.speed * PERIOD
            if self.arm.sent:
                self.arm.position = self.arm.position + (
                    self.speed * PERIOD * self.arm.sent[-1])


def way():
    """Return where the trainee takes each joint."""
    trainee = Trainee()
    return 0.01 * sum(trainee.step()[0] for _ in range(STEPS))


@pytest.mark.parametrize(('speed', 'step'), [
    (0.1, 0.0), (0.1, 0.01), *((speed, step) for speed in (0.5, 1.0, 2.0, 4.0)
                               for step in (0.0, 0.01, 0.05))])
def test_by_a_simulated_clock_of_any_speed_the_arm_goes_the_whole_way(speed, step):
    bench = Simulated(speed, step)
    bench.tick(0.1)
    bench.play(duration=1.0)
    bench.tick(4.0 / speed)
    assert bench.loop.playback.phase is Phase.DONE, bench.said['halted']
    assert bench.arm.position == pytest.approx(way(), abs=0.01)


@pytest.mark.parametrize('silent', [False, True])
def test_while_the_clock_stands_it_waits_at_rest_and_then_goes_on(silent):
    """A simulator that is paused says nothing, one that is not simulated goes on saying."""
    bench = Simulated(1.0)
    bench.tick(0.1)
    bench.play(duration=1.0)
    bench.tick(0.6)
    assert bench.loop.playback.phase is Phase.PLAYING and np.abs(bench.arm.sent[-1]).max() > 0.1
    before, bench.silent = bench.loop.playback.fraction(bench.loop.time()), silent
    bench.speed = 0.0
    bench.tick(5.0)
    assert not bench.arm.sent[-1].any() and bench.loop.playback.phase is Phase.PLAYING
    steps = np.abs(np.diff(np.array(bench.arm.sent), axis=0)).max()
    assert steps <= LIMITS.acceleration.max() * PERIOD + 1e-9
    assert bench.loop.playback.fraction(bench.loop.time()) == pytest.approx(before, abs=0.05)
    assert 'stands still' in bench.said['delayed'][0]
    bench.speed = 1.0
    bench.tick(3.0)
    assert bench.loop.playback.phase is Phase.DONE, bench.said['halted']
    assert bench.arm.position == pytest.approx(way(), abs=0.01)


def test_states_that_do_not_come_back_with_the_clock_halt_it():
    bench = Simulated(1.0)
    bench.tick(0.1)
    bench.play(duration=1.0)
    bench.tick(0.6)
    bench.silent, bench.speed = True, 0.0
    bench.tick(2.0)
    bench.speed = 1.0
    bench.tick(0.3, states=False)
    assert bench.loop.playback.phase is Phase.PLAYING and not bench.arm.sent[-1].any()
    bench.tick(0.5, states=False)
    assert bench.loop.playback.phase is Phase.HALTED and 'stale' in bench.said['halted'][0]


@pytest.mark.parametrize(('to', 'said'), [(1.0, 'went back by 19'), (99.0, 'leapt ahead by 7')])
def test_a_clock_that_is_set_halts_and_a_halt_brakes_also_where_it_stands(to, said):
    bench = Simulated(1.0)
    bench.tick(0.1)
    bench.play(duration=1.0)
    bench.tick(0.6)
    bench.shown, bench.speed = to, 0.0
    bench.tick(0.3)
    assert bench.loop.playback.phase is Phase.HALTED and said in bench.said['halted'][0]
    assert bench.loop.at_rest and not bench.arm.sent[-1].any()
    bench.loop.playback.reset()
    bench.speed = 1.0
    bench.tick(0.3)
    bench.play(duration=1.0)
    bench.tick(3.0)
    assert bench.loop.playback.phase is Phase.DONE


def test_the_dead_man_of_the_states_is_in_real_time():
    bench = Simulated(0.1)
    bench.tick(0.1)
    bench.play(duration=1.0)
    bench.tick(5.0)
    bench.tick(0.6, states=False)
    assert bench.loop.playback.phase is Phase.HALTED and 'stale for 0.5' in bench.said['halted'][0]


def test_without_listeners_a_movement_ends(bench):
    bench.play()
    bench.tick(0.2)
    bench.arm.listened = False
    bench.tick(0.3)
    assert bench.said['halted'] == ['halted: nobody subscribes to velocity_controller/commands '
                                    "any more; is the arm's controller running?"]
    assert not bench.arm.sent[-1].any()


def test_a_joint_that_stops_in_mid_movement_is_named(bench):
    bench.play(duration=4.0, trainee=Trainee(size=3.2))
    bench.tick(1.0)
    follow = bench.arm.send

    def half(velocity, now):
        follow(np.array(velocity) * [1.0, 0.0], now)
        bench.arm.sent[-1] = np.array(velocity)
    bench.arm.send = half
    bench.tick(2.0)
    assert bench.loop.playback.phase is Phase.HALTED
    assert bench.said['halted'][0].startswith('halted: shoulder is 0.')
    assert 'from where it was told to be' in bench.said['halted'][0]


def fed(bench, ending):
    """Publish states as a simulator does."""
    while not ending.is_set():
        bench.loop.state(bench.arm.position)
        time.sleep(0.005)


def test_in_its_thread_it_plays_brakes_when_stopped_and_can_be_started_again():
    bench = Bench(clock=time.monotonic)
    ending = threading.Event()
    feeder = threading.Thread(target=fed, args=(bench, ending))
    feeder.start()
    try:
        bench.loop.start()
        bench.loop.state(bench.arm.position)
        bench.loop.play(np.zeros(2), 0.5, Trainee())
        deadline = time.monotonic() + 20.0
        while not bench.said['finished']:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert 'ticks of 10 ms' in bench.said['finished'][0]
        assert [Phase.PLAYING, Phase.DONE] == [
            phase for n, phase in enumerate(bench.said['progressed'])
            if phase is not Phase.EASING and phase not in bench.said['progressed'][:n]]
        bench.loop.play(np.zeros(2), 5.0, Trainee())
        while not np.abs(bench.arm.sent[-1]).max() > 0.05:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        bench.loop.stop('deactivated')
        assert bench.loop.at_rest and bench.arm.ended == 1
        assert bench.loop.playback.reason == 'deactivated'
        sent = len(bench.arm.sent)
        time.sleep(5 * PERIOD)
        assert len(bench.arm.sent) == sent, 'a loop that has been stopped sends nothing'
        bench.loop.playback.reset()
        bench.loop.start()
        bench.loop.play(np.zeros(2), 0.5, Trainee())
        while len(bench.arm.sent) == sent:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        bench.loop.stop('over')
    finally:
        ending.set()
        feeder.join()


def test_the_cadence_says_what_was_measured():
    cadence = Cadence()
    assert cadence.values() == {} and cadence.summary(0.01) == 'nothing played'
    for number in range(5):
        cadence.ticked(0.01 * number + (0.004 if number == 4 else 0.0), 0.001 * number)
        cadence.stepped(2e-4)
    values = cadence.values()
    assert values['ticks'] == '5' and values['period_max_ms'] == '14.00'
    assert values['latest_tick_ms'] == '4.00' and values['network_step_p99_ms'] == '0.200'
    assert '5 ticks of 10 ms' in cadence.summary(0.01)
