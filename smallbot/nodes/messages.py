"""Between smallbot's own types and standard messages; the quality of service of every topic.

Numbers cross as they are. Versions of the weights and hashes of demonstrations cross in the
labels of an array's layout, as in `post;version=3f2a91c0.1`.
"""

import math

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
import numpy as np
from rclpy.qos import DurabilityPolicy, qos_profile_sensor_data, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from smallbot.arm.demonstration import Demonstration, from_joint_states
from smallbot.arm.kinematics import Arm
from smallbot.errors import InputError
from smallbot.snn.eligibility import Eligibility
from std_msgs.msg import Float32MultiArray, Int32MultiArray, MultiArrayDimension
import torch
from torch import Tensor
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

STATE = qos_profile_sensor_data
"""Of subscribers to joint_states: takes best effort and reliable publishers."""
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                     durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""For what holds until it is replaced: a late subscriber gets it."""
COMMAND = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                     durability=DurabilityPolicy.VOLATILE)
"""For velocities: only the newest counts."""
EVENTS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE,
                    durability=DurabilityPolicy.VOLATILE)
SPIKES = QoSProfile(depth=1024, reliability=ReliabilityPolicy.RELIABLE,
                    durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""For spikes: a late subscriber gets the trial and the playback so far."""


class MessageError(InputError):
    """A message whose content does not fit; the text is one line."""


def seconds(moment) -> float:
    """Return a builtin_interfaces Time or Duration in s."""
    return moment.sec + 1e-9 * moment.nanosec


def nanoseconds(stamp) -> int:
    """Return a builtin_interfaces Time in ns."""
    return stamp.sec * 10 ** 9 + stamp.nanosec


def positions_by_name(message: JointState, joints: tuple[str, ...]) -> np.ndarray | None:
    """Return the positions [J] of `joints`, rad; None where one is missing or not finite."""
    index = {name: k for k, name in enumerate(message.name)}
    if any(joint not in index for joint in joints) or len(message.position) != len(message.name):
        return None
    position = np.array([message.position[index[joint]] for joint in joints])
    return position if np.isfinite(position).all() else None


def velocities_by_name(message: JointState, joints: tuple[str, ...]) -> np.ndarray:
    """Return the velocities [J] of `joints`, rad/s; NaN where the message has none."""
    index = {name: k for k, name in enumerate(message.name)}
    if len(message.velocity) != len(message.name):
        return np.full(len(joints), math.nan)
    return np.array([message.velocity[index[joint]] for joint in joints])


def trajectory(joints: tuple[str, ...], time: np.ndarray, position: np.ndarray
               ) -> JointTrajectory:
    """Return positions [S, J], rad, at `time` [S], s, as a message."""
    message = JointTrajectory(joint_names=list(joints))
    for at, row in zip(time, position):
        point = JointTrajectoryPoint(positions=[float(value) for value in row])
        whole = round(float(at) * 1e9)
        point.time_from_start.sec, point.time_from_start.nanosec = divmod(whole, 10 ** 9)
        message.points.append(point)
    return message


def trajectory_arrays(message: JointTrajectory, source: str) -> tuple[np.ndarray, np.ndarray]:
    """Return time [S], s, and positions [S, len(joint_names)] of a trajectory.

    Raises MessageError where a point has not one position for each joint.
    """
    for number, point in enumerate(message.points, 1):
        if len(point.positions) != len(message.joint_names):
            raise MessageError(f'{source}: point {number} has {len(point.positions)} positions '
                               f'for {len(message.joint_names)} joints')
    time = np.array([seconds(point.time_from_start) for point in message.points])
    position = np.array([list(point.positions) for point in message.points], dtype=float)
    return time, position.reshape(len(time), len(message.joint_names))


def demonstration_from(message: JointTrajectory, arm: Arm, source: str) -> Demonstration:
    """Return the demonstration in a message.

    Its digest is the same in every node that has read the message. Raises DemonstrationError
    and MessageError.
    """
    time, position = trajectory_arrays(message, source)
    return from_joint_states(time, message.joint_names, position, arm, source)


def label(what: str, **fields: str) -> str:
    """Return a layout label that carries fields."""
    return ';'.join([what, *(f'{key}={value}' for key, value in fields.items())])


def label_fields(text: str) -> dict[str, str]:
    """Return the fields of a layout label."""
    return dict(part.split('=', 1) for part in text.split(';')[1:] if '=' in part)


def matrix_message(kind, values, rows: str, columns: str):
    """Return a matrix as a message of `kind`, its dimensions labelled."""
    values = np.ascontiguousarray(values)
    message = kind()
    for size, text in zip(values.shape, (rows, columns)):
        stride = values.size if not message.layout.dim else values.shape[1]
        message.layout.dim.append(MultiArrayDimension(label=text, size=size, stride=stride))
    # An array.array is taken as it is; a list would be checked number by number.
    message.data.frombytes(values.astype(message.data.typecode).tobytes())
    return message


def matrix_of(message, source: str) -> np.ndarray:
    """Return the matrix in a message; raises MessageError where layout and data disagree."""
    sizes = [dim.size for dim in message.layout.dim]
    if len(sizes) != 2 or sizes[0] * sizes[1] != len(message.data):
        raise MessageError(f'{source}: layout {sizes} for {len(message.data)} numbers, expected '
                           f'a matrix')
    return np.array(message.data, dtype=message.data.typecode).reshape(sizes)


def eligibility_message(eligibility: Eligibility, version: str) -> Float32MultiArray:
    """Return traces as [T, N + N_in + N] for weights of `version`."""
    return matrix_message(Float32MultiArray, torch.cat(list(eligibility), dim=1).numpy(),
                          label('step', version=version), 'psi,input_trace,recurrent_trace')


def eligibility_from(message: Float32MultiArray, steps: int, n: int, n_in: int
                     ) -> tuple[Eligibility, str]:
    """Return traces and the version of the weights they belong to.

    Raises MessageError where they do not fit a model of `steps`, `n` neurons, `n_in` inputs.
    """
    values = matrix_of(message, 'eligibility')
    if values.shape != (steps, 2 * n + n_in):
        raise MessageError(f'eligibility of shape {values.shape}, expected '
                           f'{(steps, 2 * n + n_in)}: do learner and controller have the same '
                           f'parameter model?')
    if not np.isfinite(values).all():
        raise MessageError('eligibility: expected finite numbers')
    parts = torch.from_numpy(values).split([n, n_in, n], dim=1)
    return Eligibility(*parts), label_fields(message.layout.dim[0].label).get('version', '')


def update_message(delta: Tensor, version: str, demonstration: str) -> Float32MultiArray:
    """Return an update [N, N_in + N] for weights of `version` after a `demonstration`'s hash."""
    return matrix_message(Float32MultiArray, delta.numpy(), label('post', version=version),
                          label('pre', demonstration=demonstration))


def update_labels(message: Float32MultiArray) -> tuple[str, str]:
    """Return the weights' version and the demonstration's hash an update is for, '' if unsaid."""
    fields = {}
    for dim in message.layout.dim:
        fields.update(label_fields(dim.label))
    return fields.get('version', ''), fields.get('demonstration', '')


def update_from(message: Float32MultiArray, shape: tuple[int, int]) -> Tensor:
    """Return the update in a message; raises MessageError unless finite and of `shape`."""
    values = matrix_of(message, 'weight_update')
    if values.shape != shape:
        raise MessageError(f'weight_update of shape {values.shape}, expected {shape}: do learner '
                           f'and controller have the same parameter model?')
    if not np.isfinite(values).all():
        raise MessageError('weight_update: expected finite numbers')
    return torch.from_numpy(values)


def spikes_message(pairs: np.ndarray, run: str, version: str) -> Int32MultiArray:
    """Return (step, neuron) pairs [K, 2] of a `run`: trial or playback."""
    return matrix_message(Int32MultiArray, np.asarray(pairs).reshape(-1, 2),
                          label(run, version=version), 'step,neuron')


def status_message(name: str, level: bytes, text: str, **values: object) -> DiagnosticStatus:
    """Return a DiagnosticStatus with key-value pairs."""
    return DiagnosticStatus(
        name=name, level=level, message=text,
        values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()])


def status_values(message: DiagnosticStatus) -> dict[str, str]:
    """Return the key-value pairs of a DiagnosticStatus."""
    return {pair.key: pair.value for pair in message.values}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return ''
    return f'{value:.6g}' if isinstance(value, float) else str(value)
