# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The driver as a process, over DDS and a real broker, against the emulated controller."""

import random
import re
import signal
import time

from diagnostic_msgs.msg import DiagnosticArray
from ed_scorbot.foreign import message
import numpy as np
import pytest
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from smallbot.ed_scorbot.convention import CONVENTIONS, PUBLISHED_SPEED
from smallbot.ed_scorbot.network.broker import Broker
from smallbot.ed_scorbot.network.mqtt_link import MqttLink
from smallbot.ed_scorbot.set_points import CATCH_UP, FOLLOWING, STATE_TIMEOUT
from smallbot.ed_scorbot.settings import Settings
from smallbot.ed_scorbot.wire import request, Signal
from smallbot.nodes.common.messages import RELIABLE, STREAM, to_trajectory, values_of

from .conftest import JOINTS as DRIVEN, LATCHED, wave
from .test_snn_controller import execute

COMMANDS = 'velocity_controller/commands'
REFERENCES, COUNTERS = slice(2, 6), slice(6, 10)
FASTEST = float(PUBLISHED_SPEED[:2].max())
"""Of the driven joints, rad/s."""
SET_POINT = 2 * CATCH_UP * (Settings.hold + 2 * Settings.period) * FASTEST
"""How far the references may go when nobody sends set-points any more, rad: those on their way
lie that near to each other, however busy the machine is."""
HELD_UP = STATE_TIMEOUT + Settings.hold
"""How long what is to be sent may run ahead of an arm that does not answer, s."""
IN_FLIGHT = 0.5
"""Seconds of motion in commands that were sent and not yet taken: ten, each with a late tick."""


def driver(bench, broker, **parameters):
    """Start a driver that bears with a busy machine, unless a test is about its patience."""
    parameters = {'command_timeout': 1.0, **parameters}
    process = bench.start('ed_scorbot_driver', port=broker.port, homing_timeout=10.0, **parameters)
    probe = bench.probe()
    probe.listen(DiagnosticArray, '/diagnostics', STREAM)
    return process, probe


def ready(bench, broker, **parameters):
    """Start a driver and have it search home and check; it is then on its way to zero."""
    process, probe = driver(bench, broker, **parameters)
    probe.wait(lambda: 'call ed_scorbot_driver/home' in process.said, 'the arm to be found', 30.0)
    answer = probe.call('ed_scorbot_driver/home')
    assert answer.success, answer.message
    probe.wait(lambda: ': ready' in process.said, 'home to be found', 40.0)
    return process, probe


def homed(bench, broker, **parameters):
    """Start a driver and bring the arm to zero."""
    process, probe = ready(bench, broker, **parameters)
    try:
        probe.wait(lambda: probe.heard['joint_states'] and np.abs(probe.position()).max() < 0.05
                   and probe.speed() < 0.02, 'the arm at zero', 40.0)
    except AssertionError as error:
        raise AssertionError(f'{error}\n{process.said}\n'
                             f'{probe.heard["joint_states"][-1:]}') from None
    return process, probe


class Stream:
    """Sends the same velocities at 100 Hz, from a timer of the probe's, until it is closed."""

    def __init__(self, probe, *values):
        self.values = list(values)
        self._node = probe.node
        publisher = self._node.create_publisher(Float64MultiArray, COMMANDS, RELIABLE)
        self._timer = self._node.create_timer(
            0.01, lambda: publisher.publish(Float64MultiArray(data=self.values)))
        self._publisher = publisher

    def close(self):
        """Fall silent and be gone: who could still command keeps others from it."""
        self._timer.cancel()
        self._node.destroy_publisher(self._publisher)


def diagnosis(probe):
    found = [s for m in probe.heard['/diagnostics'] for s in m.status
             if s.name == 'ed_scorbot_driver: arm']
    return found[-1] if found else None


def references(rows):
    """Return references [N, 4] of a trace in rad."""
    return np.radians(np.array(rows)[:, REFERENCES]
                      / np.abs(CONVENTIONS['2023'].reference_per_degree))


def joints(rows):
    """Return counters [N, 4] of a trace in rad."""
    return np.radians(np.array(rows)[:, COUNTERS]
                      * np.abs(CONVENTIONS['2023'].degree_per_count))


def stands(rows, seconds=1.5):
    """Return whether references and joints have stood still for the last `seconds` of a trace."""
    recent = [row for row in rows if row[0] > rows[-1][0] - seconds]
    return rows[-1][0] - rows[0][0] > seconds and (
        np.ptp(references(recent), 0).max() == 0 and np.ptp(joints(recent), 0).max() < 0.01)


def travelled(probe, arm, at, what):
    """Wait until the arm stands, and return how far its references went after `at`, rad.

    Its joints come to rest where the references are. Times are printed only: how long it takes
    is the machine's affair.
    """
    rows = probe.wait(lambda: (found := arm.rows())[-1][0] > at and stands(found) and found,
                      'the arm to stand', 30.0)
    start = next(number for number, row in enumerate(rows) if row[0] >= at)
    way, turned = (values(rows[max(start - 1, 0):]) for values in (references, joints))
    for name, values in (('references', way), ('joints', turned)):
        moving = np.flatnonzero(np.abs(values - values[-1]).max(1) > 0.01)
        after = rows[start + moving[-1]][0] - at if len(moving) else 0.0
        print(f'{what}: {name} went {np.abs(values[-1] - values[0]).max():.3f} rad and stood '
              f'after {after:.2f} s')
    far = np.abs(way - way[0]).max()
    assert np.abs(turned - turned[0]).max() < far + FOLLOWING
    return far


def bound(silence_):
    """Return how far the references may go once commands cease, s of silence until the stop."""
    acceleration = Settings.acceleration
    return (FASTEST * (silence_ + IN_FLIGHT + HELD_UP) + FASTEST ** 2 / (2 * acceleration)
            + SET_POINT)


def silence(process):
    """Return for how long, in the driver's own words, there had been no command, s."""
    return float(re.findall(r'no velocity command for (\S+) s', process.said)[-1])


def test_it_homes_follows_velocities_and_marks_what_is_only_known_from_before(
        bench, broker, emulator):
    emulator()
    process, probe = homed(bench, broker)
    assert set(probe.heard['joint_states'][-1].name) == {
        'base', 'shoulder', 'elbow', 'pitch', 'roll', 'gripper_finger_left_joint',
        'gripper_finger_right_joint'}
    before = probe.position()
    probe.wait(lambda: probe.heard['joint_states'][-1].header.frame_id == 'last_known',
               'the arm to stand')
    stream = Stream(probe, 0.2, -0.1)
    count = len(probe.heard['joint_states'])
    probe.wait(lambda: probe.position()[0] > before[0] + 0.2, 'the arm to move')
    moving = probe.heard['joint_states'][count + 5:]
    assert {m.header.frame_id for m in moving} == {''}
    stamps = np.array([m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec for m in moving])
    assert (np.diff(stamps) > 0).all()
    print(f'a state each {1e3 * np.diff(stamps).mean():.0f} ms')
    stream.values = [0.0, 0.0]
    probe.wait(lambda: probe.heard['joint_states'][-1].header.frame_id == 'last_known',
               'the arm to stand')
    stream.close()
    assert probe.position()[1] < before[1] - 0.08
    seen = probe.wait(lambda: diagnosis(probe) if values_of(diagnosis(probe))['state'] ==
                      'last known' else None, 'diagnostics')
    assert seen.message == 'ready' and float(values_of(seen)['answer_mean_ms']) > 0
    process.send(signal.SIGINT)
    assert process.exit_code() == 0 and 'Traceback' not in process.said


def test_the_controller_eases_there_and_plays_on_it(bench, broker, emulator, small_model):
    arm = emulator()
    driver_process, probe = ready(bench, broker, time_scale=4.0)
    process = bench.start('snn_controller', model=small_model, synapses='software',
                          allow_unlearned=True, time_scale=4.0, state_timeout=2.0)
    probe.wait(lambda: probe.heard['eligibility'] and probe.phase() == 'idle', 'controller', 30.0)
    probe.show()
    assert execute(probe).success
    phases = [probe.wait_phase('playing', 'halted', timeout=30.0),
              probe.wait_phase('done', 'halted', timeout=20.0)]
    assert phases == ['playing', 'done'], process.said + driver_process.said
    assert 'dropped' not in driver_process.said and 'stopped' not in driver_process.said
    assert len({tuple(row[REFERENCES]) for row in arm.rows()}) > 30


def test_a_commanded_movement_is_recorded_learned_once_and_played(bench, broker, emulator):
    emulator()
    driver_process, probe = homed(bench, broker, time_scale=4.0)
    bench.start('demo_recorder', bag_directory=bench.folder)
    learner = bench.start('one_shot_learner')
    controller = bench.start('snn_controller', synapses='software', time_scale=4.0, correction=1.0,
                             state_timeout=2.0)
    probe.listen(JointTrajectory, 'demonstration', LATCHED)
    probe.wait(lambda: probe.heard['eligibility'] and probe.phase() == 'idle', 'controller', 40.0)
    stream = Stream(probe, 0.0, 0.0)
    assert probe.call('demo_recorder/start').success
    for values, there in (([0.25, 0.2], lambda: probe.position()[0] > 0.3),
                          ([-0.1, 0.25], lambda: probe.position()[1] > 0.5),
                          ([0.0, 0.0], lambda: probe.speed() < 0.01)):
        stream.values = values
        probe.wait(there, f'the end of {values}')
    stream.close()
    answer = probe.call('demo_recorder/stop')
    assert answer.success, answer.message
    probe.wait(lambda: probe.heard['demonstration'], 'the demonstration')
    probe.wait(lambda: probe.call('one_shot_learner/learn').success, f'learning: {learner.said}')
    assert execute(probe).success
    end = probe.wait_phase('done', 'halted', timeout=90.0)
    assert end == 'done', controller.said + driver_process.said
    shown = probe.heard['demonstration'][-1].points
    # learned once by a network that is some centimetres off; here only that it went that way
    assert np.abs(probe.position() - shown[-1].positions[:2]).max() < 0.25
    silent_since = [0, time.monotonic()]

    def silent():
        if len(probe.commands()) != silent_since[0]:
            silent_since[:] = len(probe.commands()), time.monotonic()
        return time.monotonic() > silent_since[1] + 0.5
    probe.wait(silent, "the controller's last zeros: a command ends the way home")
    assert probe.call('ed_scorbot_driver/home').success
    probe.wait(lambda: np.abs(probe.position()).max() < 0.05 and probe.speed() < 0.02, 'home')
    assert probe.call('ed_scorbot_driver/release').success
    probe.wait(lambda: 'given back' in driver_process.said, 'the farewell')


def test_sigkill_of_the_controller_in_mid_motion_leaves_the_references_in_time(
        bench, broker, emulator, small_model):
    arm = emulator()
    driver_process, probe = ready(bench, broker, command_timeout=0.5)
    victim = bench.start('snn_controller', model=small_model, synapses='software',
                         allow_unlearned=True)
    probe.wait(lambda: probe.heard['eligibility'] and probe.phase() == 'idle', 'controller', 30.0)
    probe.show(3.0)
    assert execute(probe).success
    probe.wait_moving()
    victim.send(signal.SIGKILL)
    at = time.monotonic()
    victim.exit_code()
    far = travelled(probe, arm, at, 'controller killed')
    assert far < bound(silence(driver_process))


def test_a_stream_that_ceases_and_a_driver_held_up_or_killed_leave_the_references(
        bench, broker, emulator):
    arm = emulator()
    process, probe = homed(bench, broker, command_timeout=0.5)
    stream = Stream(probe, -0.86, 0.0)  # the longer way to a limit
    probe.wait(lambda: probe.speed() > 0.6, 'the arm to be fast')
    stream.close()
    far = travelled(probe, arm, time.monotonic(), 'stream ceased')
    assert far < bound(silence(process))
    assert probe.call('ed_scorbot_driver/reset').success
    stream = Stream(probe, 0.0, 0.0)
    probe.wait(lambda: probe.commands()[-1] == [0.0, 0.0], 'zeros')
    stream.values = [0.5, 0.2]
    probe.wait(lambda: probe.speed() > 0.3, 'the arm to move again')
    process.send(signal.SIGSTOP)
    at = time.monotonic()
    probe.wait(lambda: arm.rows()[-1][0] > at + 1.0, 'a second')
    process.send(signal.SIGCONT)
    probe.wait(lambda: 'stopped: the driver was held up for' in process.said, 'the reason')
    assert travelled(probe, arm, at, 'driver held up') < SET_POINT
    stream.values = [0.0, 0.0]
    probe.wait(lambda: probe.call('ed_scorbot_driver/reset').success, 'a reset')
    probe.wait(lambda: probe.commands()[-1] == [0.0, 0.0], 'zeros')
    stream.values = [0.86, 0.4]
    probe.wait(lambda: probe.speed() > 0.6, 'the arm to be fast again')
    process.send(signal.SIGKILL)
    at = time.monotonic()
    process.exit_code()
    stream.close()
    assert travelled(probe, arm, at, 'driver killed') < SET_POINT


def test_a_signal_in_mid_motion_ends_it_at_rest(bench, broker, emulator):
    arm = emulator()
    process, probe = homed(bench, broker)
    Stream(probe, 0.5, 0.0)
    probe.wait(lambda: probe.speed() > 0.3, 'the arm to move')
    process.send(signal.SIGTERM)
    assert process.exit_code() == 0 and 'Traceback' not in process.said
    assert travelled(probe, arm, time.monotonic(), 'driver ended') < SET_POINT


def test_a_broker_that_drops_or_hangs_stops_it_and_it_goes_on_only_when_told(
        bench, broker, emulator):
    arm = emulator()
    process, probe = homed(bench, broker)
    stream = Stream(probe, 0.3, 0.0)
    probe.wait(lambda: probe.speed() > 0.2, 'the arm to move')
    broker.kill()
    at = time.monotonic()
    probe.wait(lambda: f'connection to broker 127.0.0.1:{broker.port} lost: when it is back, call '
                       f'ed_scorbot_driver/reset' in process.said, 'the reason in the log')
    count = len(probe.heard['joint_states'])
    assert not probe.call('ed_scorbot_driver/reset').success
    assert not probe.call('ed_scorbot_driver/home').success
    broker.start()
    assert travelled(probe, arm, at, 'broker killed') < SET_POINT
    probe.wait(lambda: probe.call('ed_scorbot_driver/reset').success, 'the broker again')
    probe.wait(lambda: len(probe.heard['joint_states']) > count, 'the arm to say where it is')
    probe.wait(lambda: 'must be zero' in process.said, 'the stream to be refused')
    stream.values = [0.0, 0.0]
    probe.wait(lambda: probe.commands()[-1] == [0.0, 0.0], 'zeros')
    stream.values = [-0.3, 0.0]
    probe.wait(lambda: probe.speed() > 0.2, 'the arm to move again')
    broker.send(signal.SIGSTOP)
    probe.wait(lambda: 'stopped: the arm has not said where it is' in process.said, 'a stop')
    broker.send(signal.SIGCONT)
    stream.close()
    probe.wait(lambda: probe.call('ed_scorbot_driver/reset').success, 'a reset')
    probe.wait(lambda: probe.heard['joint_states'][-1].header.frame_id == 'last_known',
               'the arm to be known again')


def test_a_controller_of_the_arm_that_is_killed_is_named(bench, broker, emulator):
    arm = emulator()
    process, probe = homed(bench, broker)
    stream = Stream(probe, 0.3, 0.0)
    probe.wait(lambda: probe.speed() > 0.2, 'the arm to move')
    arm.end(signal.SIGKILL)
    probe.wait(lambda: 'is its controller running?' in process.said, 'the reason')
    stream.close()
    probe.wait(lambda: probe.call('ed_scorbot_driver/reset').success, 'a reset')
    probe.wait(lambda: 'its controller is gone or was started again' in process.said, 'what next')
    emulator()
    assert probe.call('ed_scorbot_driver/home').success
    probe.wait(lambda: 'ready' in process.said.split('searching home')[-1], 'home', 30.0)


def test_somebody_elses_arm_and_an_arm_left_behind(bench, broker, emulator):
    emulator()
    first, _ = ready(bench, broker)
    first.send(signal.SIGINT)  # which leaves the arm owned, as SIGKILL does
    assert first.exit_code() == 0
    second, probe = driver(bench, broker)
    probe.wait(lambda: 'call ed_scorbot_driver/home' in second.said, 'the arm', 30.0)
    probe.call('ed_scorbot_driver/home')
    probe.wait(lambda: 'start with take_over:=true' in second.said, 'the way out')
    second.send(signal.SIGINT)
    second.exit_code()
    homed(bench, broker, take_over=True)


@pytest.mark.parametrize(('how', 'said'), [
    ('silent', "no arm 'EDScorbot' answers on topic metainfo"),
    ('wrong-sign', 'told to move by 4 degrees, base moved by -4.1'),
])
def test_an_arm_that_misbehaves_is_not_moved_and_the_message_says_why(
        bench, broker, emulator, how, said):
    emulator('--misbehave', how)
    process, probe = driver(bench, broker)
    if how != 'silent':
        probe.wait(lambda: 'call ed_scorbot_driver/home' in process.said, 'the arm', 30.0)
        assert probe.call('ed_scorbot_driver/home').success
    probe.wait(lambda: said in process.said, said, 30.0)
    stream = Stream(probe, 0.3, 0.0)
    probe.wait(lambda: 'dropped' in process.said, 'the commands to be dropped')
    stream.close()


def test_moved_without_numbers_and_a_stranger(bench, broker, emulator):
    emulator('--misbehave', 'nan', '--misbehave', 'skips')
    process, probe = homed(bench, broker)
    stream = Stream(probe, 0.2, 0.0)
    probe.wait(lambda: probe.position()[0] > 0.3, 'the arm to move all the same')
    assert all(np.isfinite(m.position).all() for m in probe.heard['joint_states'])
    link = MqttLink(Broker(port=broker.port), ('anything',))
    source = random.Random(4)
    try:
        link.reach(10.0, 'no broker')
        for payload in (b'x' * (3 << 20), b'[' * 100_000,
                        b'{"content":{"coordinates":"\\ud800\\n"},"client":{"id":"smallbot"}}',
                        *(message(source)[1] for _ in range(500))):
            if b'browser' not in payload:
                link.publish('EDScorbot/moved', payload)
        probe.wait(lambda: 'EDScorbot/moved: ' in process.said, 'a line about it')
        probe.wait(lambda: 'too long or too many' in process.said, 'a line about the long one')
        probe.wait(lambda: probe.call('ed_scorbot_driver/reset').success, 'a reset')
        probe.wait(lambda: link.publish('EDScorbot/commands', request(
            Signal.DISCONNECT, 'browser')), 'a stranger')
        probe.wait(lambda: "client 'browser' has disconnected" in process.said, 'the reason')
    finally:
        link.close()
        stream.close()


def test_a_movement_beyond_the_published_limits_is_refused_before_any_motion(
        bench, broker, emulator):
    arm = emulator()
    process, probe = homed(bench, broker)
    time_, position = wave(20.0, (0.0, 0.0), 0.7)
    probe.publish(JointTrajectory, 'demonstration', to_trajectory(DRIVEN, time_, position),
                  LATCHED)
    probe.wait(lambda: "movement refused: topic demonstration: joint 'shoulder' is at -0.5"
               in process.said, 'the refusal')
    probe.wait(lambda: stands(arm.rows()), 'the arm to stand')
    at = time.monotonic()
    stream = Stream(probe, 0.3, 0.0)
    probe.wait(lambda: 'dropped: topic demonstration' in process.said, 'commands to be dropped')
    assert travelled(probe, arm, at, 'movement refused') == 0
    probe.publish(JointTrajectory, 'demonstration', to_trajectory(DRIVEN, time_, -position),
                  LATCHED)
    probe.wait(lambda: probe.speed() > 0.2, 'a better movement to be taken')
    stream.close()


@pytest.mark.parametrize(('parameters', 'said'), [
    ({'joints': '[base, roll]'}, "joint 'roll' is not driven by the ED-Scorbot"),
    ({'convention': "'1995'"}, "parameter convention: '1995', expected one of 2023, 2026"),
    ({'hold': 0.5}, 'parameter hold: 0.5, expected a decimal number as in 1.0, from 0.02 to 0.1'),
    ({'broker': "''"}, 'broker :1883: Invalid host.'),
])
def test_a_bad_parameter_ends_it_with_one_line_and_code_2(bench, parameters, said):
    pytest.importorskip('paho.mqtt.client')
    process = bench.start('ed_scorbot_driver', **parameters)
    assert process.exit_code() == 2
    assert said in process.said and process.said.count('\n') == 1


def test_without_a_broker_it_says_so_and_waits(bench):
    pytest.importorskip('paho.mqtt.client')
    process = bench.start('ed_scorbot_driver', port=1)
    probe = bench.probe()
    probe.wait(lambda: 'no connection to broker 127.0.0.1:1: is it running?' in process.said,
               'the reason', 20.0)
    answer = probe.call('ed_scorbot_driver/home')
    assert not answer.success and 'is it running' in answer.message
    process.send(signal.SIGTERM)
    assert process.exit_code() == 0


def test_without_paho_it_says_what_to_install(bench, monkeypatch):
    (bench.folder / 'paho').mkdir()
    (bench.folder / 'paho' / '__init__.py').write_text('raise ImportError')
    monkeypatch.setenv('PYTHONPATH', str(bench.folder), prepend=':')
    process = bench.start('ed_scorbot_driver', from_nothing=True)
    assert process.exit_code() == 2
    assert process.said == ('paho-mqtt is not installed: `pip install paho-mqtt`, or '
                            '`apt install python3-paho-mqtt`\n')
