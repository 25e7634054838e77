# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""No message and no exception ends a node, or leaves it half done.

Most of it in this process, as a hundred messages then take a tenth of a second: what comes out of
a callback here would have ended a process.
"""

import ast
from pathlib import Path
import random
import signal
from types import SimpleNamespace

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from lifecycle_msgs.msg import State  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Float32MultiArray, Float64MultiArray, MultiArrayDimension  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from smallbot.arm.kinematics import default_arm  # noqa: E402
from smallbot.errors import InputError  # noqa: E402
from smallbot.nodes.common.guarded import Guarded  # noqa: E402
from smallbot.nodes.common.messages import (  # noqa: E402
    from_matrix,
    joint_positions,
    joint_values,
    LARGE,
    LARGEST,
    one_line,
    received,
    STREAM,
    to_demonstration,
    to_matrix,
    to_trajectory,
)
from smallbot.nodes.common.spin import MOST_FAILURES, spin  # noqa: E402
from smallbot.one_shot.chip_care import ChipCare  # noqa: E402
from smallbot.one_shot.model import load_model  # noqa: E402

from .conftest import JOINTS, wave  # noqa: E402
from .hostile import Bench, good_messages, hostile, NODES, spoilt  # noqa: E402

STATEFUL = ('weight_update', 'push', 'guide')
"""Topics of which a good message may be refused for what went before, or for the arm."""
LAUNCH = Path(__file__).resolve().parents[2] / 'launch' / 'one_shot_demo.launch.py'


def still_works(bench: Bench, model) -> None:
    """Good messages do what they did, and every service answers."""
    node = bench.node
    heard = {each.topic_name.rsplit('/', 1)[-1]: each for each in node.subscriptions}

    def refused() -> dict[str, int]:
        return {topic: tally.count for topic, tally in node.refusals.items()
                if topic.rsplit('/', 1)[-1] not in STATEFUL}
    before = refused()
    for topic, subscription in heard.items():
        for message in good_messages(subscription.msg_type, topic, model):
            if topic not in STATEFUL and not isinstance(message, DiagnosticStatus):
                bench.give(subscription, message)
    assert refused() == before
    if bench.name == 'arm_simulator':
        bench.call('reset')
        bench.give(heard['commands'], Float64MultiArray(data=[0.2, 0.0]))
        for _ in range(20):
            bench.tick()
        assert node.arm.velocity[0] > 0
    if bench.name == 'demo_recorder':
        bench.call('discard')
        assert bench.call('start').success
        assert not bench.call('start').success and bench.call('discard').success
    if bench.name == 'one_shot_learner':
        assert 'snn_controller is not running' in bench.call('learn').message
    for name in bench.triggers():
        assert bench.call(name).message


@pytest.mark.parametrize('name', NODES)
def test_hostile_messages_are_refused_and_the_node_works_as_before(
        domain, name, small_model, tmp_path):
    model = load_model(str(small_model))
    bench = Bench(name, small_model, tmp_path, use_sim_time=True)
    try:
        bench.fuzz(240, model, 1, tuple(each for each in bench.triggers() if each != 'release'))
        assert not bench.ended and not bench.node.failures
        assert sum(tally.count for tally in bench.node.refusals.values()) > 20
        still_works(bench, model)
        assert not bench.ended and not bench.node.failures
    finally:
        bench.close()


def test_a_hostile_crowd_over_dds_is_counted_said_seldom_and_does_no_harm(bench, small_model):
    """Messages of every kind at once, then more than the node can take; it ends when asked."""
    process = bench.start('arm_simulator', use_sim_time=True)
    probe = bench.probe()
    probe.listen(DiagnosticArray, '/diagnostics', STREAM)
    probe.wait(lambda: probe.heard['joint_states'], 'joint_states')
    deaf = probe.node.create_publisher(
        Float64MultiArray, 'velocity_controller/commands',
        QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    chance, model = random.Random(2), load_model(str(small_model))
    kinds = {'velocity_controller/commands': Float64MultiArray, 'guide': JointTrajectory,
             'push': Float64MultiArray}
    for _ in range(60):
        for topic, kind in kinds.items():
            good = good_messages(kind, topic, model)
            message = (spoilt(chance.choice(good), chance) if chance.random() < 0.5
                       else hostile(kind, chance))
            try:
                serialize_message(message)
            except UnicodeEncodeError:
                continue
            probe.publish(kind, topic, message)

    def own():
        return [{pair.key: pair.value for pair in status.values}
                for message in probe.heard['/diagnostics'] for status in message.status
                if status.name == 'arm_simulator: messages']

    def refused(topic):
        return [int(value) for values in own()[-1:] for key, value in values.items()
                if key.startswith('refused ') and key.endswith(topic)]
    probe.wait(lambda: sum(refused('commands') + refused('guide')) > 20, 'messages to be counted')
    assert own()[-1]['failures'] == '0'
    probe.wait(lambda: 'use_sim_time is true' in process.said and '/clock' in process.said,
               'a word of the clock that is missing')
    probe.wait(lambda: 'probe publishes it with another quality of service' in process.said,
               'a word of who cannot be heard')
    assert 'make it reliable and volatile' in process.said
    probe.node.destroy_publisher(deaf)
    commands = probe.node.create_publisher(Float64MultiArray, 'push', 10)
    for _ in range(10_000):
        commands.publish(Float64MultiArray(data=[float('nan')] * 3))
    assert probe.call('arm_simulator/reset').success
    lines = process.said.count('push dropped')
    assert 0 < lines < 60, 'once a second, however many there are'
    process.send(signal.SIGINT)
    process.send(signal.SIGTERM)
    assert process.exit_code() == 0, process.said
    assert 'Traceback' not in process.said


class Faulty(Guarded, Node):
    """A node whose every callback raises."""

    def __init__(self, **options):
        super().__init__('faulty', **options)
        self.rested: list[str] = []
        self.create_subscription(Float64MultiArray, 'numbers', self._raise_with_info, 10)
        self.create_service(Trigger, '~/at_once', self._raise)
        self.create_service(Trigger, '~/in_a_while', self._raise_later)
        self.create_timer(1.0, self._raise)

    def stop(self) -> None:
        """Nothing."""

    def on_failure(self, reason: str) -> None:
        self.rested.append(reason)
        raise RuntimeError('and cannot rest')

    def _raise(self, *_):
        return {}['what nobody\nexpected']

    def _raise_with_info(self, message, info):
        assert message.data[0] == 1.0 and info == 'info'
        self._raise()

    async def _raise_later(self, *_):
        self._raise()


@pytest.fixture
def own_context(domain):
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    yield context
    rclpy.try_shutdown(context=context)


def test_an_exception_of_a_callback_is_told_with_its_place_and_brings_the_node_to_rest(
        own_context):
    node = Faulty(context=own_context)
    subscription = next(each for each in node.subscriptions if 'numbers' in each.topic_name)
    subscription.callback(serialize_message(Float64MultiArray(data=[1.0])), 'info')
    subscription.callback(b'no message at all', 'info')
    for timer in node.timers:
        timer.callback()
    answers = []
    for service in node.services:
        if service.srv_type is not Trigger:
            continue
        answer = service.callback(Trigger.Request(), Trigger.Response())
        if not isinstance(answer, Trigger.Response):
            with pytest.raises(StopIteration) as ended:
                answer.send(None)
            answer = ended.value.value
        answers.append(answer)
    assert len(answers) == 2 and not any(answer.success for answer in answers)
    assert all("KeyError('what nobody\\nexpected')" in answer.message
               and 'test_hostile_messages.py:' in answer.message for answer in answers)
    assert [tally.count for tally in node.failures.values()] == [4] == [len(node.rested)]
    assert [tally.count for tally in node.refusals.values()] == [1]
    node.destroy_node()


def test_what_fails_outside_callbacks_is_borne_but_not_for_ever(own_context):
    node = Faulty(context=own_context)
    times = iter(range(1000))

    def spin_once(timeout_sec):
        if next(times) % (2 * MOST_FAILURES) not in (3, 4):
            return
        raise RuntimeError('the client has gone')
    spin(node, SimpleNamespace(spin_once=spin_once), lambda: next(times) > 300)
    assert sum(tally.count for tally in node.failures.values()) > 5

    def always(timeout_sec):
        raise RuntimeError('nothing works')
    with pytest.raises(RuntimeError, match='nothing works'):
        spin(node, SimpleNamespace(spin_once=always), lambda: False)
    node.destroy_node()


def test_a_transition_that_raises_leaves_a_controller_that_can_be_configured_again(
        domain, small_model, tmp_path, monkeypatch):
    bench = Bench('snn_controller', small_model, tmp_path, autostart=False)
    node = bench.node
    assert node.trigger_configure() is TransitionCallbackReturn.SUCCESS
    with monkeypatch.context() as patched:
        patched.setattr(ChipCare, 'first_trial', lambda _: 1 / 0)
        assert node.trigger_activate() is TransitionCallbackReturn.ERROR
    assert any('ZeroDivisionError' in key for key in node.failures)
    assert node._state_machine.current_state[0] == State.PRIMARY_STATE_UNCONFIGURED
    assert node.trigger_configure() is TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() is TransitionCallbackReturn.SUCCESS
    assert bench.call('reset').success
    bench.close()


def trajectory(names=JOINTS, time=None, spoil=None) -> JointTrajectory:
    at, position = wave(1.0)
    message = to_trajectory(names, at if time is None else time(at), position)
    if spoil:
        spoil(message)
    return message


def matrix(spoil) -> Float32MultiArray:
    message = to_matrix(np.zeros((2, 3)), 'row', 'column', version='7')
    spoil(message.layout)
    return message


def put(name, value):
    return lambda thing: setattr(thing, name, value)


WRONG = {
    'no names': (lambda: to_demonstration(JointTrajectory(), default_arm()), 'names no joints'),
    'no points': (lambda: to_demonstration(JointTrajectory(joint_names=JOINTS), default_arm()),
                  'topic demonstration'),
    'a name twice': (lambda: to_demonstration(trajectory(('base', 'base')), default_arm()),
                     'occurs 2 times'),
    'an unknown name': (lambda: to_demonstration(trajectory(('base', 'Ä\n')), default_arm()),
                        'unknown'),
    'times that go back': (lambda: to_demonstration(
        trajectory(time=lambda at: at[::-1]), default_arm()), 'time'),
    'too few positions': (lambda: to_demonstration(
        trajectory(spoil=lambda m: m.points[3].positions.pop()), default_arm()), 'point 4'),
    'too many velocities': (lambda: to_demonstration(
        trajectory(spoil=lambda m: put('velocities', [0.0] * 3)(m.points[1])), default_arm()),
        'point 2'),
    'nothing that moves': (lambda: to_demonstration(to_trajectory(
        JOINTS, np.linspace(0, 1, 20), np.zeros((20, 2))), default_arm()), 'nothing moves'),
    'a state of other sizes': (lambda: joint_positions(
        JointState(name=['base', 'shoulder'], position=[0.0]), JOINTS), '1 values of position'),
    'a state with a joint twice': (lambda: joint_positions(
        JointState(name=['base', 'base'], position=[0.0, 1.0]), JOINTS), 'occurs 2 times'),
    'a state that is nowhere': (lambda: joint_positions(
        JointState(name=['base', 'shoulder'], position=[0.0, float('nan')]), JOINTS),
        'shoulder at nan'),
    'numbers without end': (lambda: joint_values(
        Float64MultiArray(data=[float('inf'), 0.0]), JOINTS, 'command'), 'finite'),
    'a million numbers': (lambda: joint_values(
        Float64MultiArray(data=[0.0] * 10 ** 5), JOINTS, 'command'), 'of 100000 values'),
    'an offset': (lambda: from_matrix(matrix(put('data_offset', 3))), 'begins at 3'),
    'no dimension': (lambda: from_matrix(matrix(put('dim', []))), '0 dimensions'),
    'columns first': (lambda: from_matrix(matrix(
        lambda layout: put('stride', 2)(layout.dim[1]))), 'stride 2'),
    'dimensions that overflow': (lambda: from_matrix(matrix(put('dim', [
        MultiArrayDimension(size=2 ** 31), MultiArrayDimension(size=2 ** 31)]))), '2147483648 x'),
    'a label that says it twice': (lambda: from_matrix(matrix(
        lambda layout: put('label', 'row;version=7;version=8')(layout.dim[0]))), 'each key once'),
    'a label without end': (lambda: from_matrix(matrix(
        lambda layout: put('label', 'x' * 10 ** 5)(layout.dim[0]))), 'label of 100000'),
    'bytes that are none': (lambda: received(b'\0\1\2', JointState), 'cannot be read'),
    'too much to unpack': (lambda: received(bytes(LARGE + 1), JointState), 'expected at most'),
    'a trajectory too large to unpack': (lambda: received(
        bytes(LARGEST[JointTrajectory] + 1), JointTrajectory), 'expected at most'),
}


@pytest.mark.parametrize('wrong', WRONG)
def test_what_is_wrong_is_named_in_a_line(wrong):
    make, said = WRONG[wrong]
    with pytest.raises(InputError) as refused:
        make()
    assert said in str(refused.value)
    line = one_line(str(refused.value))
    assert line.isprintable() and len(line) < 400


def test_every_node_that_is_gone_ends_the_launch_and_only_the_director_may_end():
    """Runs what the launch file does then, without ROS: `launch` is not on every machine."""
    tree = ast.parse(LAUNCH.read_text())
    (handler,) = [node for node in tree.body if getattr(node, 'name', '') == 'gone']
    known = {'ProcessExited': object, 'LaunchContext': object,
             'EmitEvent': lambda event: event, 'Shutdown': lambda reason: reason}
    exec(compile(ast.Module([handler], []), str(LAUNCH), 'exec'), known)

    def ends(code: int, may_end: bool, shutting_down: bool, when_done: bool = False) -> bool:
        try:
            asked = known['gone'](SimpleNamespace(returncode=code, process_name='a_node-3'),
                                  SimpleNamespace(is_shutdown=shutting_down), may_end, when_done)
        except RuntimeError as error:
            assert 'a_node-3' in str(error)
            return True
        assert bool(asked) == (when_done and may_end and not shutting_down)
        return False
    assert ends(-9, False, False) and ends(0, False, False) and ends(1, True, False)
    assert ends(1, True, False, when_done=True), 'a director that failed is no end with 0'
    assert not ends(0, True, False) and not ends(-2, False, True) and not ends(1, True, True)
    assert not ends(0, True, False, when_done=True)
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ListComp)
                and 'partial(gone' in ast.unparse(node)]
    assert [ast.unparse(each.generators[0].iter) for each in handlers] == ['nodes.items()']


def test_a_signal_while_a_node_is_still_being_imported_ends_it_without_a_word(bench):
    for number, name in ((signal.SIGINT, 'snn_controller'), (signal.SIGTERM, 'demo_director')):
        process = bench.start(name, from_nothing=True)
        maps = Path(f'/proc/{process.popen.pid}/maps')
        while process.popen.poll() is None and 'numpy' not in maps.read_text():
            pass
        process.send(number)
        assert process.exit_code() == -number
        assert not process.said
