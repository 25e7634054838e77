# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Messages that nobody should send, made from their types, and nodes in this process to take them.

Every subscription of a node is found from the node, and every field of a message from its type:
what is new is covered. Half of the messages are good ones with a few fields spoilt, as those come
furthest.
"""

from collections import Counter
from copy import deepcopy
from importlib import import_module
import inspect
import math
import random

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock
from rosidl_parser import definition
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray, Float64MultiArray, Int32MultiArray, MultiArrayDimension
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from smallbot.nodes.common.messages import to_events, to_matrix, to_trajectory

JOINTS = ('base', 'shoulder')
NODES = {'arm_simulator': 'ArmSimulator', 'snn_controller': 'SnnController',
         'one_shot_learner': 'OneShotLearner', 'demo_recorder': 'DemoRecorder',
         'trajectory_display': 'TrajectoryDisplay', 'ed_scorbot_driver': 'EdScorbotDriver',
         'demo_director': 'Director'}
FLOATS = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e308, -1e308, 1e-320, 0.3, -0.2, 7.0, 1e9)
TEXTS = ('', 'base', 'shoulder', 'elbow', 'Gelenk-ä', '关节', '\U0001f9be', 'a' * 100_000, 'a\nb',
         '\x1b[31mred', 'a\0b', '%s%n{0}', ' ', 'playing', 'done', 'halted', 'nan', '1e999', '-1',
         'step;version=1;version=2', 'neuron;=', ';;;', 'version=', '9' * 400, '\u202ereversed')
LENGTHS = (0, 0, 1, 1, 2, 2, 2, 3, 7, 50)
INTEGERS = {f'{sign}int{bits}': (0, 2 ** bits - 1) if sign else (-2 ** (bits - 1),
                                                                 2 ** (bits - 1) - 1)
            for sign in ('', 'u') for bits in (8, 16, 32, 64)}


def hostile_value(kind, chance: random.Random, depth: int = 0):
    """Return some value of a type of `SLOT_TYPES`."""
    if isinstance(kind, definition.BasicType):
        name = kind.typename
        if name in ('double', 'float', 'long double'):
            value = chance.choice(FLOATS)
            return value if name != 'float' or not abs(value) < math.inf else float(
                np.float32(np.clip(value, -3e38, 3e38)))
        if name == 'boolean':
            return chance.random() < 0.5
        if name in ('octet', 'byte'):
            return bytes([chance.randrange(256)])
        low, high = INTEGERS[name]
        return chance.choice((low, high, 0, min(1, high), 2, max(low, -1), 10 ** 2))
    if isinstance(kind, definition.AbstractGenericString):
        return chance.choice(TEXTS)
    if isinstance(kind, definition.NamespacedType):
        return hostile(message_type(kind), chance, depth + 1)
    assert isinstance(kind, definition.AbstractNestedType), kind
    size = (kind.size if isinstance(kind, definition.Array) else
            chance.choice(LENGTHS[:7] if depth else LENGTHS))
    return [hostile_value(kind.value_type, chance, depth + 1) for _ in range(size)]


def message_type(kind: definition.NamespacedType):
    return getattr(import_module('.'.join(kind.namespaces)), kind.name)


def hostile(kind: type, chance: random.Random, depth: int = 0):
    """Return a message of `kind` whose every field is drawn anew."""
    return kind(**{name: hostile_value(field, chance, depth) for name, field in zip(
        kind.get_fields_and_field_types(), kind.SLOT_TYPES)})


def spoilt(message, chance: random.Random):
    """Return a copy of a message with one to three of its fields, at any depth, drawn anew."""
    message = deepcopy(message)
    for _ in range(chance.randint(1, 3)):
        at = message
        while True:
            fields = list(zip(at.get_fields_and_field_types(), at.SLOT_TYPES))
            name, kind = chance.choice(fields)
            inner = getattr(at, name)
            if isinstance(kind, definition.NamespacedType) and chance.random() < 0.9:
                at = inner
                continue
            if (isinstance(kind, definition.AbstractNestedType) and len(inner)
                    and chance.random() < 0.8):
                place = chance.randrange(len(inner))
                if isinstance(kind.value_type, definition.NamespacedType):
                    if chance.random() < 0.2:
                        inner.append(deepcopy(inner[place]))
                        break
                    at = inner[place]
                    continue
                if chance.random() < 0.3:
                    del inner[place]
                else:
                    inner[place] = hostile_value(kind.value_type, chance)
                break
            setattr(at, name, hostile_value(kind, chance))
            break
    return message


def good_messages(kind: type, topic: str, model) -> list:
    """Return messages that a node may well be sent, from which spoilt ones are made."""
    wide = model.n + model.n_in + model.n
    time = np.arange(0, 1.001, 0.05)
    turn = 0.1 * (1 - np.cos(np.pi * time))
    wave = np.stack([0.05 + turn, -0.05 - turn], axis=1)
    if kind is JointTrajectory:
        return [to_trajectory(JOINTS, time, wave),
                to_trajectory((*JOINTS, 'elbow'), time, np.hstack([wave, 0 * wave[:, :1]]))]
    if kind is JointState:
        return [JointState(name=list(JOINTS), position=[0.1, -0.1], velocity=[0.0, 0.0]),
                JointState(name=[*JOINTS, 'elbow', 'pitch'], position=[0.0] * 4)]
    if kind is Float64MultiArray:
        layout = Float64MultiArray(data=[0.1, 0.0])
        layout.layout.dim = [MultiArrayDimension(label='joint', size=2, stride=2)]
        return [Float64MultiArray(data=[0.1, -0.1]), layout]
    if kind is Float32MultiArray:
        shape = (model.n, model.n_in + model.n) if 'update' in topic else (model.steps, wide)
        return [to_matrix(np.zeros(shape), 'row', 'column', version='1', model=model.digest,
                          demonstration='0' * 16)]
    if kind is Int32MultiArray:
        return [to_events(np.array([[0, 1], [2, 3]]), playback='1')]
    if kind is DiagnosticStatus:
        values = {'began': '123456789', 'duration': '1.0', 'fraction': '0.5', 'version': '1',
                  'cells_written': '10', 'cells_total': '100', 'reason': ''}
        pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
        return [DiagnosticStatus(level=b'\0', name='x', message=phase, values=pairs)
                for phase in ('idle', 'easing', 'playing', 'done', 'halted', 'homing', 'ready')]
    if kind is Clock:
        return [Clock()]
    return []


def huge_messages(kind: type) -> list:
    """Return messages of a million elements."""
    if kind is JointTrajectory:
        few = to_trajectory(JOINTS, np.zeros(1), np.zeros((1, 2)))
        return [JointTrajectory(joint_names=list(JOINTS), points=few.points * 10 ** 6)]
    if kind is JointState:
        return [JointState(name=['base'] * 10 ** 5, position=[0.0] * 10 ** 6)]
    if hasattr(kind, 'data') and hasattr(kind, 'layout'):
        return [kind(data=[0] * 10 ** 6 if kind is Int32MultiArray else [0.0] * 10 ** 6)]
    return []


class Bench:
    """One node in this process, in a ROS context of its own, that is not spun."""

    def __init__(self, name: str, model_path, folder, **parameters):
        self.context = Context()
        space = f'/hostile_{random.SystemRandom().getrandbits(32)}'
        rclpy.init(args=['--ros-args', '-r', f'__ns:={space}', '--log-level', 'fatal'],
                   context=self.context, signal_handler_options=SignalHandlerOptions.NO)
        kind = getattr(import_module(f'smallbot.nodes.{name}'), NODES[name])
        given = {'snn_controller': {'model': str(model_path), 'synapses': 'software'},
                 'one_shot_learner': {'model': str(model_path), 'acknowledge_timeout': 0.1},
                 'demo_recorder': {'bag_directory': str(folder)},
                 'ed_scorbot_driver': {'port': 9},
                 'demo_director': {'model': str(model_path)}}.get(name, {})
        self.name = name
        self.node = kind(context=self.context, parameter_overrides=[
            Parameter(key, value=value) for key, value in {**given, **parameters}.items()])
        self.ended = Counter()
        """Exceptions that came out of a callback, which in a process would have ended it."""

    def give(self, subscription, message) -> None:
        """Give a message as it comes over the wire; encodings that have none are left out."""
        try:
            content = serialize_message(message)
        except UnicodeEncodeError:
            return
        if not getattr(subscription, 'raw', False):
            content = deserialize_message(content, subscription.msg_type)
        self._call(subscription.topic_name.rsplit('/', 1)[-1], subscription.callback, content,
                   *_info(subscription))

    def give_bytes(self, subscription, content: bytes) -> None:
        """Give bytes that may be no message at all."""
        if getattr(subscription, 'raw', False):
            self._call('bytes', subscription.callback, content, *_info(subscription))

    def tick(self) -> None:
        """Let every timer be due."""
        for timer in list(self.node.timers):
            self._call('timer', timer.callback)

    def call(self, name: str) -> Trigger.Response | None:
        """Call a service of this node; None where it raised."""
        (service,) = [each for each in self.node.services
                      if each.srv_name.endswith(f'/{name}') and each.srv_type is Trigger]
        return self._call(name, service.callback, Trigger.Request(), Trigger.Response())

    def triggers(self) -> list[str]:
        return [each.srv_name.rsplit('/', 1)[-1] for each in self.node.services
                if each.srv_type is Trigger]

    def _call(self, what: str, callback, *given):
        try:
            result = callback(*given)
            if inspect.iscoroutine(result):
                while True:
                    try:
                        result.send(None)
                    except StopIteration as end:
                        return end.value
                    self.node.stop()
            return result
        except Exception as error:
            self.ended[f'{self.name} {what}: {type(error).__name__}: {str(error)[:80]}'] += 1
            return None

    def fuzz(self, count: int, model, seed: int = 0, services: tuple[str, ...] = ()) -> int:
        """Give `count` messages to the subscriptions in turn, ticking and calling in between."""
        chance = random.Random(seed)
        given = 0
        while given < count:
            for subscription in list(self.node.subscriptions):
                kind, topic = subscription.msg_type, subscription.topic_name
                good = good_messages(kind, topic, model)
                message = (spoilt(chance.choice(good), chance)
                           if good and chance.random() < 0.7 else hostile(kind, chance))
                self.give(subscription, message)
                if chance.random() < 0.1:
                    content = bytearray(serialize_message(message))
                    self.give_bytes(subscription, bytes(content[:chance.randrange(len(content))]))
                given += 1
            if given % 7 == 0:
                self.tick()
            if services and given % 23 == 0:
                self.call(chance.choice(services))
        return given

    def close(self) -> None:
        self.node.stop()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


def _info(subscription) -> list[dict]:
    """Return what the middleware says of a message, where the callback wants to know."""
    wants = len(inspect.signature(subscription.callback).parameters) == 2
    return [{'publication_sequence_number': None, 'source_timestamp': 0}] if wants else []
