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

    def __init__(self, fail_at=None):
        self.t, self.fail_at = 0, fail_at

    def step(self):
        if self.t == self.fail_at:
            raise RuntimeError('read failed')
        self.t += 1
        return 0.4 * np.sin(np.pi * self.t / STEPS) * np.ones(2), np.array([3, 7])


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
