"""Between messages and what the pure rooms work with; QoS in one place."""

from collections.abc import Sequence

from builtin_interfaces.msg import Duration
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
import numpy as np
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray, Int32MultiArray, MultiArrayDimension
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.samples import Demonstration, from_joint_states
from smallbot.errors import InputError

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


def demonstration_message(shown: Demonstration) -> JointTrajectory:
    """Return a demonstration as a message: its joints, then those that rest, where they rest."""
    resting = np.tile(list(shown.held.values()), (len(shown.time), 1))
    return to_trajectory((*shown.joints, *shown.held), shown.time,
                         np.hstack([shown.position, resting]))


def from_trajectory(message: JointTrajectory) -> tuple[np.ndarray, np.ndarray]:
    """Return times [S], s, and positions [S, J]; InputError where points do not fit."""
    joints = len(message.joint_names)
    for number, point in enumerate(message.points, 1):
        if len(point.positions) != joints:
            raise InputError(f'trajectory point {number} has {len(point.positions)} positions, '
                             f'expected {joints}, for {", ".join(message.joint_names)}')
    time = np.array([nanoseconds(point.time_from_start) * 1e-9 for point in message.points])
    position = np.array([point.positions for point in message.points]).reshape(-1, joints)
    return time, position


def to_demonstration(message: JointTrajectory, arm: Arm) -> Demonstration:
    """Return the demonstration in a message; raises DemonstrationError where it is bad."""
    time, position = from_trajectory(message)
    return from_joint_states(time, message.joint_names, position, arm, 'topic demonstration')


def demonstration_or_none(message: JointTrajectory, arm: Arm, logger) -> Demonstration | None:
    """Return the demonstration in a message, or None with the reason in the log."""
    try:
        return to_demonstration(message, arm)
    except InputError as error:
        logger.error(f'demonstration refused: {error}')
        return None


def joint_positions(message: JointState, joints: Sequence[str]) -> np.ndarray | None:
    """Return the positions of `joints`, by name; None where one is missing or not finite."""
    named = dict(zip(message.name, message.position))
    try:
        found = np.array([named[name] for name in joints])
    except KeyError:
        return None
    return found if np.isfinite(found).all() else None


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
    shape = tuple(dimension.size for dimension in message.layout.dim)
    kind = np.int32 if isinstance(message, Int32MultiArray) else np.float32
    content = np.asarray(message.data, dtype=kind)
    if content.size != shape[0] * shape[1]:
        raise InputError(f'array of {content.size} numbers, expected {shape[0]} x {shape[1]}')
    parts = message.layout.dim[0].label.split(';')[1:]
    return content.reshape(shape), dict(part.split('=', 1) for part in parts if '=' in part)


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
