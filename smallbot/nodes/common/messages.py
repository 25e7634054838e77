# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Between messages and what the pure rooms work with; QoS in one place.

Every message that comes in is turned into a value of ours here, or refused by an InputError that
says what was wrong. Which of them are then obeyed is each node's.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from builtin_interfaces.msg import Duration, Time
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
import numpy as np
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import (
    Float32MultiArray,
    Float64MultiArray,
    Int32MultiArray,
    MultiArrayDimension,
    MultiArrayLayout,
)
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.faults import check_moves
from smallbot.demonstration.samples import Demonstration, from_joint_states
from smallbot.errors import in_one_line, InputError
from smallbot.one_shot.model import OneShotModel
from smallbot.one_shot.playback import Phase

RELIABLE = QoSProfile(depth=1, history=HistoryPolicy.KEEP_LAST,
                      reliability=ReliabilityPolicy.RELIABLE,
                      durability=DurabilityPolicy.VOLATILE)
"""Commands: the last one counts."""
LATCHED = QoSProfile(depth=1, history=HistoryPolicy.KEEP_LAST,
                     reliability=ReliabilityPolicy.RELIABLE,
                     durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""States that whoever comes later must still learn of."""
STREAM = QoSProfile(depth=50, history=HistoryPolicy.KEEP_LAST,
                    reliability=ReliabilityPolicy.RELIABLE,
                    durability=DurabilityPolicy.VOLATILE)
"""Streams of which nothing should be lost."""
STATE = QoSProfile(depth=50, history=HistoryPolicy.KEEP_LAST,
                   reliability=ReliabilityPolicy.BEST_EFFORT,
                   durability=DurabilityPolicy.VOLATILE)
"""Subscriptions to joint states: accepts reliable and best-effort publishers."""
LARGEST = {JointTrajectory: 2 ** 24, Float32MultiArray: 2 ** 26, Int32MultiArray: 2 ** 24}
"""Size of a message, bytes, beyond which it is not even unpacked, which would keep a node and a
control loop beside it busy for long: ten minutes at 200 samples a second fit, and the traces of a
model of thousands of neurons."""
LARGE = 2 ** 18
"""The same of every other type."""
LONGEST_TEXT = 300
"""Letters of a text that came from elsewhere, as it is logged or answered."""


def received(content: bytes | Any, kind: type) -> Any:
    """Return the message of type `kind` in what was received; InputError where there is none.

    What has been unpacked already is returned as it is.
    """
    if not isinstance(content, bytes | bytearray | memoryview):
        return content
    largest = LARGEST.get(kind, LARGE)
    if len(content) > largest:
        raise InputError(f'{kind.__name__} of {len(content)} bytes, expected at most {largest}')
    try:
        message = deserialize_message(bytes(content), kind)
    except Exception as error:  # the middleware's own, which has no common base
        raise InputError(f'it cannot be read as {kind.__name__}: {error}') from None
    if kind is Clock:  # goes to rclpy itself, which takes it for good
        _check_stamp(message.clock)
    return message


def one_line(text: str) -> str:
    """Return a text, parts of which came from elsewhere, as a line that can be logged and sent."""
    line = in_one_line(text[:4 * LONGEST_TEXT])
    return line if len(line) <= LONGEST_TEXT else f'{line[:LONGEST_TEXT]}...'


def nanoseconds(stamp) -> int:
    """Return a Time or Duration message as ns."""
    return stamp.sec * 10 ** 9 + stamp.nanosec


def to_trajectory(joints: Sequence[str], time: np.ndarray, position: np.ndarray,
                  velocity: np.ndarray | None = None) -> JointTrajectory:
    """Return positions [S, J], rad, at `time` [S], s, as a message; velocities if there are."""
    message = JointTrajectory(joint_names=list(joints))
    for number, (moment, row) in enumerate(zip(time, position)):
        since = round(float(moment) * 1e9)
        message.points.append(JointTrajectoryPoint(
            positions=[float(value) for value in row],
            velocities=[] if velocity is None else [float(value) for value in velocity[number]],
            time_from_start=Duration(sec=since // 10 ** 9, nanosec=since % 10 ** 9)))
    return message


def demonstration_message(shown: Demonstration, origin: str = '', stamp: Time | None = None
                          ) -> JointTrajectory:
    """Return a demonstration as a message: its joints, then those that rest, where they rest.

    Its frame_id is the name of what it came from, or `origin`; its `stamp` is when it was shown.
    """
    resting = np.tile(list(shown.held.values()), (len(shown.time), 1))
    made = to_trajectory((*shown.joints, *shown.held), shown.time,
                         np.hstack([shown.position, resting]))
    made.header.frame_id = one_line(origin or Path(shown.source).name)
    if stamp is not None:
        made.header.stamp = stamp
    return made


def withdrawal(joints: Sequence[str], stamp: Time) -> JointTrajectory:
    """Return the message by which what was demonstrated no longer counts: joints, no points."""
    message = JointTrajectory(joint_names=list(joints))
    message.header.stamp = stamp
    return message


def is_withdrawal(message: JointTrajectory, arm: Arm) -> bool:
    """Return whether a message on topic demonstration says that nothing is demonstrated now."""
    return not message.points and set(arm.driven) <= set(message.joint_names)


def from_trajectory(message: JointTrajectory) -> tuple[np.ndarray, np.ndarray]:
    """Return times [S], s, and positions [S, J]; InputError where names or points do not fit."""
    _check_names(message.joint_names)
    joints = len(message.joint_names)
    for number, point in enumerate(message.points, 1):
        if len(point.positions) != joints:
            raise InputError(f'trajectory point {number} has {len(point.positions)} positions, '
                             f'expected {joints}, for {", ".join(message.joint_names)}')
        if len(point.velocities) not in (0, joints):
            raise InputError(f'trajectory point {number} has {len(point.velocities)} velocities, '
                             f'expected none or {joints}')
    time = np.array([nanoseconds(point.time_from_start) * 1e-9 for point in message.points])
    position = np.array([point.positions for point in message.points]).reshape(-1, joints)
    return time, position


def _check_names(names: Sequence[str]) -> None:
    if not names:
        raise InputError('it names no joints')
    if len(set(names)) != len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise InputError(f'joint {twice!r} occurs {list(names).count(twice)} times, expected once')


def to_demonstration(message: JointTrajectory, arm: Arm) -> Demonstration:
    """Return the demonstration in a message; raises InputError where it is bad or still."""
    time, position = from_trajectory(message)
    shown = from_joint_states(time, message.joint_names, position, arm, 'topic demonstration')
    check_moves(shown.position, arm, shown.source)
    return shown


def check_state(message: JointState) -> None:
    """Refuse a joint state whose parts do not belong together; raises InputError."""
    _check_names(message.name)
    _check_stamp(message.header.stamp)
    for part in ('position', 'velocity', 'effort'):
        if len(getattr(message, part)) not in (0, len(message.name)):
            raise InputError(f'joint state of {len(message.name)} names and '
                             f'{len(getattr(message, part))} values of {part}')


def _check_stamp(stamp: Time) -> None:
    if stamp.sec < 0 or stamp.nanosec >= 10 ** 9:
        raise InputError(f'time of {stamp.sec} s and {stamp.nanosec} ns, expected neither below 0 '
                         f'nor a second of nanoseconds')


def joint_positions(message: JointState, joints: Sequence[str]) -> np.ndarray | None:
    """Return the positions of `joints`, by name; None where it tells nothing of one of them.

    Raises InputError for a state that contradicts itself or is not finite.
    """
    check_state(message)
    named = dict(zip(message.name, message.position))
    if any(name not in named for name in joints):
        return None
    found = np.array([named[name] for name in joints])
    if not np.isfinite(found).all():
        bad = int((~np.isfinite(found)).argmax())
        raise InputError(f'joint state with {joints[bad]} at {found[bad]}, expected a finite '
                         f'number')
    return found


def joint_values(message: Float64MultiArray, joints: Sequence[str], what: str) -> np.ndarray:
    """Return a value for each of `joints`, [J]; `what` they are is for the message.

    Raises InputError for another number of values, one that is not finite, or a layout that says
    that they are arranged otherwise.
    """
    values = np.asarray(message.data, dtype=float)
    if len(values) != len(joints) or not np.isfinite(values).all():
        shown = values.tolist() if len(values) <= 8 else f'of {len(values)} values'
        raise InputError(f'{what} {shown}: expected {len(joints)} finite numbers, for '
                         f'{", ".join(joints)}')
    if message.layout.dim or message.layout.data_offset:
        _check_layout(message.layout, len(values))
    return values


def to_matrix(matrix: np.ndarray, rows: str, columns: str, **labels: str) -> Float32MultiArray:
    """Return a matrix [R, C] whose first dimension's label carries `labels`."""
    made = Float32MultiArray()
    made.layout.dim = _dimensions(matrix, rows, columns, labels)
    made.data = np.ascontiguousarray(matrix, dtype=np.float32).ravel().tolist()
    return made


def to_events(events: np.ndarray, **labels: str) -> Int32MultiArray:
    """Return spikes [E, 2], pairs of step and neuron, as a message."""
    made = Int32MultiArray()
    made.layout.dim = _dimensions(events, 'event', 'step,neuron', labels)
    made.data = np.asarray(events, dtype=np.int32).ravel().tolist()
    return made


def _dimensions(matrix: np.ndarray, rows: str, columns: str, labels: dict[str, str]
                ) -> list[MultiArrayDimension]:
    first = ';'.join([rows, *(f'{key}={value}' for key, value in labels.items())])
    return [MultiArrayDimension(label=first, size=matrix.shape[0], stride=matrix.size),
            MultiArrayDimension(label=columns, size=matrix.shape[1], stride=matrix.shape[1])]


def from_matrix(message: Float32MultiArray | Int32MultiArray) -> tuple[np.ndarray, dict[str, str]]:
    """Return the matrix and the labels of a message; InputError where they do not fit."""
    if len(message.layout.dim) != 2:
        raise InputError(f'array with {len(message.layout.dim)} dimensions, expected 2')
    kind = np.int32 if isinstance(message, Int32MultiArray) else np.float32
    content = np.asarray(message.data, dtype=kind)
    _check_layout(message.layout, content.size)
    first = message.layout.dim[0].label
    if len(first) > LONGEST_TEXT:
        raise InputError(f'label of {len(first)} letters, expected at most {LONGEST_TEXT}')
    labels: dict[str, str] = {}
    for part in first.split(';')[1:]:
        key, equal, value = part.partition('=')
        if not equal or key in labels:
            raise InputError(f'label {first!r}: expected key=value, each key once, after the '
                             f'first semicolon')
        labels[key] = value
    return content.reshape([dimension.size for dimension in message.layout.dim]), labels


def _check_layout(layout: MultiArrayLayout, count: int) -> None:
    """Refuse a layout that `count` numbers do not fill, or in which they do not lie row by row."""
    sizes = [dimension.size for dimension in layout.dim]
    if int(np.prod(sizes, dtype=object)) != count:
        raise InputError(f'array of {count} numbers, expected {" x ".join(map(str, sizes))}')
    if layout.data_offset:
        raise InputError(f'array that begins at {layout.data_offset}, expected 0')
    for place, dimension in enumerate(layout.dim):
        expected = int(np.prod(sizes[place:], dtype=object))
        if dimension.stride not in (0, expected):
            raise InputError(f'array with stride {dimension.stride} of dimension {place + 1}, '
                             f'expected {expected}')


def to_traces(message: Float32MultiArray, model: OneShotModel) -> tuple[np.ndarray, str]:
    """Return the traces [T, N + N_in + N] of a trial of `model`, and the weights' version.

    Raises InputError where they are another model's.
    """
    matrix, labels = from_matrix(message)
    wide = model.n + model.n_in + model.n
    if matrix.shape != (model.steps, wide):
        raise InputError(f'array of {matrix.shape[0]} x {matrix.shape[1]}, expected {model.steps} '
                         f'x {wide} for model {model.name}: do learner and controller use the '
                         f'same model?')
    if labels.get('model', model.digest) != model.digest:
        raise InputError(f'array of a model with weights {labels["model"]}, here they are '
                         f'{model.digest}: give learner and controller the same model')
    if not labels.get('version'):
        raise InputError('label without the version of the weights')
    if not np.isfinite(matrix).all():
        raise InputError('array holds NaN or infinity, expected finite numbers')
    return matrix, labels['version']


def from_events(message: Int32MultiArray, model: OneShotModel
                ) -> tuple[np.ndarray, dict[str, str]]:
    """Return spikes [E, 2], step and neuron of `model`, and the labels; InputError where not."""
    events, labels = from_matrix(message)
    if events.shape[1] != 2:
        raise InputError(f'spikes of {events.shape[1]} columns, expected 2, step and neuron')
    if len(events) and ((events < 0).any() or (events >= (model.steps, model.n)).any()):
        raise InputError(f'spikes up to step {events[:, 0].max()} and neuron '
                         f'{events[:, 1].max()}, expected below {model.steps} and {model.n}')
    return events, labels


class Progress(NamedTuple):
    """How far a playback is."""

    phase: Phase
    began: int | None
    """Stamp of the beginning of the playback, ns; None: it has not begun."""
    duration: float
    """Of the playback, s; 0: there was none yet."""
    reason: str
    """Why it was halted; empty: it was not."""
    demonstration: str
    """Digest of what the chip has learned; empty: nothing."""


def to_progress(message: DiagnosticStatus) -> Progress:
    """Return what the controller says of a playback; InputError where it makes no sense."""
    values = values_of(message)
    try:
        phase = Phase(message.message)
    except ValueError:
        raise InputError(f'phase {message.message!r}, expected one of '
                         f'{", ".join(phase.value for phase in Phase)}') from None
    duration = number_of(values, 'duration')
    began = values.get('began', '')
    if began and not (began.lstrip('-').isascii() and began.lstrip('-').isdigit()
                      and len(began) < 20):
        raise InputError(f'began: {began!r}, expected nanoseconds')
    if duration < 0 or phase in (Phase.PLAYING, Phase.DONE) and (not began or duration == 0):
        raise InputError(f'{phase.value} since {began!r} for {duration:g} s, expected when it '
                         f'began and a duration above 0')
    return Progress(phase, int(began) if began else None, duration, values.get('reason', ''),
                    values.get('demonstration', ''))


def number_of(values: dict[str, str], name: str) -> float:
    """Return a finite number among the values of a status; raises InputError."""
    try:
        number = float(values.get(name, ''))
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise InputError(f'{name}: {values.get(name)!r}, expected a number')
    return number


def status(name: str, ok: bool, message: str, **values) -> DiagnosticStatus:
    """Return a status with key-value pairs."""
    return DiagnosticStatus(
        level=DiagnosticStatus.OK if ok else DiagnosticStatus.ERROR, name=name, message=message,
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])


def values_of(message: DiagnosticStatus) -> dict[str, str]:
    """Return the key-value pairs of a status."""
    return {pair.key: pair.value for pair in message.values}


def is_ok(message: DiagnosticStatus) -> bool:
    """Return whether a status says all is well."""
    return message.level == DiagnosticStatus.OK
