"""Demonstrations: joint positions over time, read, checked, brought to a trial and back.

Files are rosbag2 directories with `sensor_msgs/JointState` on any topic, CSV of joints or CSV of
the tool tip. Every refusal is one line that says where and how to mend it.
"""

from collections.abc import Sequence
import csv
from dataclasses import dataclass
import hashlib
import math
from pathlib import Path
import tempfile

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.spatial import cKDTree
import torch

from smallbot.arm.joint_limits import JointLimits
from smallbot.arm.kinematics import Arm
from smallbot.errors import InputError
from smallbot.files import write_atomically

SHORTEST, LONGEST = 0.5, 600.0
"""Durations that are accepted, s."""
STILL = math.radians(1)
"""Movement up to which a joint that is not driven counts as resting, rad."""
REACH = 0.005
"""Distance by which the driven joints may miss a demonstrated tool tip, m."""
DETAIL = 0.01
"""Distance by which the trial's resampling may miss the demonstrated tool tip, m."""
LIMIT_TOLERANCE = 1e-3
"""How far measured positions may exceed a joint limit, rad: encoder noise at the stop."""


class DemonstrationError(InputError):
    """A demonstration that cannot be used; the message is one line."""


@dataclass(frozen=True)
class Demonstration:
    """A movement of the driven joints, as it was shown."""

    joints: tuple[str, ...]
    time: np.ndarray
    """[S], s, from 0, increasing."""
    position: np.ndarray
    """[S, J], rad."""
    source: str
    """File or topic it came from, for messages."""

    @property
    def duration(self) -> float:
        """Return the time from the first to the last sample, s."""
        return float(self.time[-1])

    @property
    def digest(self) -> str:
        """Return 16 hexadecimal digits that tell this movement from any other."""
        content = hashlib.sha256(','.join(self.joints).encode())
        for array in (self.time, self.position):
            content.update(np.ascontiguousarray(array, dtype='<f8').tobytes())
        return content.hexdigest()[:16]


def read_demonstration(path: str | Path, arm: Arm) -> Demonstration:
    """Read a demonstration of `arm` from a bag directory or a CSV file.

    Tool-tip files are turned into joint positions by inverse kinematics. The result holds the
    driven joints in their order and has passed `check_samples`. Raises DemonstrationError.
    """
    path = Path(path)
    if not path.exists():
        raise DemonstrationError(f'{path}: no such file or directory')
    if path.is_dir():
        return _from_bag(path, arm)
    if path.suffix.lower() != '.csv':
        raise DemonstrationError(f'{path}: expected a .csv file or a rosbag2 directory')
    names, rows = _read_csv(path)
    time, values = rows[:, 0], rows[:, 1:]
    if names == ['x', 'y', 'z']:
        _check_time(time, str(path))
        return from_tip_path(time, values, arm, str(path))
    return from_joint_states(time, names, values, arm, str(path))


def from_joint_states(time: np.ndarray, names: Sequence[str], position: np.ndarray, arm: Arm,
                      source: str) -> Demonstration:
    """Make a demonstration from samples of joints in any order.

    Parameters: `time` [S], s; `position` [S, len(names)], rad. Joints that are not driven must
    rest. Raises DemonstrationError.
    """
    time, position = np.asarray(time, dtype=float), np.asarray(position, dtype=float)
    known = set(arm.movable) | set(arm.joints)
    for name in names:
        if name not in known:
            raise DemonstrationError(f'{source}: joint {name!r} is unknown; {arm.name} has '
                                     f'{", ".join(arm.movable)}')
    for name in arm.driven:
        if list(names).count(name) != 1:
            raise DemonstrationError(f'{source}: joint {name!r} occurs {list(names).count(name)} '
                                     f'times, expected once among {", ".join(names)}')
    _check_time(time, source)
    check_finite(time, names, position, source)
    for column, name in enumerate(names):
        travel = np.ptp(position[:, column])
        if name not in arm.driven and name in arm.joints and travel > STILL:
            raise DemonstrationError(
                f'{source}: joint {name!r} moves by {math.degrees(travel):.1f} degrees, but the '
                f'model drives only {", ".join(arm.driven)}: keep it within 1 degree')
    columns = [list(names).index(name) for name in arm.driven]
    made = Demonstration(arm.driven, time - time[0], position[:, columns].copy(), source)
    check_samples(made, arm)
    return made


def check_finite(time: np.ndarray, names: Sequence[str], position: np.ndarray, source: str
                 ) -> None:
    """Refuse positions that are not finite numbers, saying which."""
    bad = np.argwhere(~np.isfinite(position))
    if len(bad):
        row, column = bad[0]
        raise DemonstrationError(
            f'{source}: {names[column]} is {position[row, column]} in sample {row + 1} (time '
            f'{time[row]:g} s), expected a finite number')


def trimmed(demonstration: Demonstration, rest: float = 0.1) -> Demonstration:
    """Return the demonstration without the stillness before and after it, but for `rest` s.

    Still is whatever stays within 2 mrad of the first or the last pose. A demonstration that is
    still throughout, or would become too short, is returned as it is.
    """
    time, position = demonstration.time, demonstration.position
    away = np.abs(position - position[0]).max(1) > 2e-3
    before_end = np.abs(position - position[-1]).max(1) > 2e-3
    if not away.any():
        return demonstration
    first = np.searchsorted(time, time[int(away.argmax())] - rest)
    last = len(time) - 1 - int(before_end[::-1].argmax())
    last = min(len(time) - 1, int(np.searchsorted(time, time[last] + rest)))
    if time[last] - time[first] < SHORTEST:
        return demonstration
    return Demonstration(demonstration.joints, time[first:last + 1] - time[first],
                         position[first:last + 1], demonstration.source)


def check_samples(demonstration: Demonstration, arm: Arm) -> None:
    """Refuse a duration that is out of range and positions beyond the arm's limits."""
    source, duration = demonstration.source, demonstration.duration
    if not SHORTEST <= duration <= LONGEST:
        raise DemonstrationError(f'{source}: lasts {duration:.3g} s, expected {SHORTEST} s to '
                                 f'{LONGEST:.0f} s')
    position = demonstration.position
    if np.abs(position).max() > 2 * math.pi and np.isfinite(arm.limits.upper).all():
        raise DemonstrationError(f'{source}: a joint is at {np.abs(position).max():.1f}, expected '
                                 f'radians; these look like degrees')
    beyond = np.argwhere((position < arm.limits.lower - LIMIT_TOLERANCE)
                         | (position > arm.limits.upper + LIMIT_TOLERANCE))
    if len(beyond):
        row, joint = beyond[0]
        raise DemonstrationError(
            f'{source}: joint {arm.driven[joint]!r} is at {position[row, joint]:.4f} rad at '
            f'{demonstration.time[row]:.3f} s, outside its limits {arm.limits.lower[joint]:.4f} '
            f'to {arm.limits.upper[joint]:.4f}')


def from_tip_path(time: np.ndarray, tip: np.ndarray, arm: Arm, source: str) -> Demonstration:
    """Make a demonstration from a tool-tip path [S, 3], m, by inverse kinematics.

    Damped Gauss-Newton within the joint limits, for 32 samples at a time from the pose before
    them, so that the joints move continuously; a sample that is missed from there is tried again
    from the nearest of 4096 poses all over the workspace. Raises DemonstrationError where the
    driven joints miss the path by more than 5 mm.
    """
    check_finite(time, ('x', 'y', 'z'), tip, source)
    lower = np.maximum(arm.limits.lower, -math.pi)
    upper = np.minimum(arm.limits.upper, math.pi)
    starts = np.random.default_rng(0).uniform(lower, upper, size=(4096, len(lower)))
    starts[0] = np.clip(0, lower, upper)
    around = cKDTree(_tips(arm, starts))
    pose = starts[around.query(tip[0])[1]]
    solved, miss = np.empty((len(tip), len(lower))), np.empty(len(tip))
    for row in range(0, len(tip), 32):
        part = slice(row, min(row + 32, len(tip)))
        solved[part], miss[part] = _nearest_poses(arm, pose, tip[part], lower, upper)
        lost = row + np.flatnonzero(miss[part] > REACH)
        if len(lost):
            again, left = _nearest_poses(arm, starts[around.query(tip[lost])[1]], tip[lost],
                                         lower, upper)
            better = left < miss[lost]
            solved[lost[better]], miss[lost[better]] = again[better], left[better]
        pose = solved[part.stop - 1]
    if miss.max() > REACH:
        row = int((miss > REACH).argmax())
        x, y, z = tip[row]
        raise DemonstrationError(
            f'{source}: tool tip ({x:.3f}, {y:.3f}, {z:.3f}) m at {time[row]:g} s is out of reach '
            f'by {1000 * miss[row]:.0f} mm for {", ".join(arm.driven)}; expected at most '
            f'{1000 * REACH:.0f} mm')
    made = Demonstration(arm.driven, time - time[0], solved, source)
    check_samples(made, arm)
    return made


def trial_positions(demonstration: Demonstration, steps: int) -> np.ndarray:
    """Return the movement on the grid of a trial: joint positions [steps + 1, J], rad.

    Time is normalised to the trial. Between samples the path is a monotone cubic (PCHIP), which
    neither overshoots nor jerks where samples are sparse; each grid point is the mean of that
    curve over one step, which removes noise where samples are dense. First and last are exact.
    """
    curve = PchipInterpolator(demonstration.time, demonstration.position, axis=0)
    integral = curve.antiderivative()
    grid = np.linspace(0, demonstration.duration, steps + 1)
    half = np.full(steps + 1, grid[1] / 2)
    half[[0, -1]] = 0
    with np.errstate(invalid='ignore', divide='ignore'):
        mean = (integral(grid + half) - integral(grid - half)) / (2 * half[:, None])
    mean[0], mean[-1] = demonstration.position[0], demonstration.position[-1]
    return mean


def check_detail(demonstration: Demonstration, arm: Arm, steps: int) -> np.ndarray:
    """Return the trial positions; refuse a movement with more detail than `steps` can hold.

    Raises DemonstrationError where the resampled tool tip misses the demonstrated one by more
    than 1 cm, with the number of steps that would do.
    """
    positions = trial_positions(demonstration, steps)
    miss = _resampling_miss(demonstration, arm, positions)
    if miss.max() > DETAIL:
        enough = steps
        while enough < 64 * steps and _resampling_miss(
                demonstration, arm, trial_positions(demonstration, enough)).max() > DETAIL:
            enough *= 2
        raise DemonstrationError(
            f'{demonstration.source}: too much detail for a trial of {steps} steps: at '
            f'{demonstration.time[miss.argmax()]:.2f} s its resampling misses the tool tip by '
            f'{100 * miss.max():.1f} cm, expected at most {100 * DETAIL:.0f} cm; show a simpler '
            f'movement, or use a model of {enough} steps')
    return positions


def shortest_duration(positions: np.ndarray, limits: JointLimits) -> float:
    """Return the shortest duration, s, of trial positions [T + 1, J] within `limits`.

    Velocities must stay below the velocity limit and accelerations below the acceleration limit,
    both as means over a fiftieth of the trial: a jitter of the time stamps by a millisecond would
    otherwise pass for an acceleration that nobody showed. Both ends, and what happens in between
    the means, are left to the controller's own limits.
    """
    steps = len(positions) - 1
    stride = max(1, steps // 50)
    moves = positions[stride:] - positions[:-stride]
    rate = steps / stride
    velocity = np.abs(moves).max(0) * rate
    change = np.abs(moves[stride:] - moves[:-stride]).max(0, initial=0.0) * rate ** 2
    return float(max((velocity / limits.velocity).max(),
                     math.sqrt((change / limits.acceleration).max())))


def playing_duration(demonstration: Demonstration, positions: np.ndarray, limits: JointLimits,
                     requested: float | None = None) -> tuple[float, bool]:
    """Return how long the movement is played, s, and whether that is longer than shown.

    Without `requested` it is the demonstration's own duration, stretched where `limits` want it.
    Raises DemonstrationError for a `requested` duration that is too short for the arm.
    """
    least = shortest_duration(positions, limits)
    if requested is None:
        return max(demonstration.duration, least), least > demonstration.duration
    if not math.isfinite(requested) or requested <= 0 or requested > LONGEST:
        raise DemonstrationError(f'duration {requested}: expected above 0 s and at most '
                                 f'{LONGEST:.0f} s')
    if requested < least:
        raise DemonstrationError(
            f'duration {requested:g} s is too short for {demonstration.source}: the arm needs '
            f'{math.ceil(100 * least) / 100:.2f} s')
    return requested, False


def write_csv(demonstration: Demonstration, path: Path) -> None:
    """Write `time` and joints as CSV, s and rad to six decimals, whole or not at all.

    Raises DemonstrationError where the file cannot be written.
    """
    lines = [','.join(['time', *demonstration.joints])]
    lines += [','.join(f'{value:.6f}' for value in row)
              for row in np.column_stack([demonstration.time, demonstration.position])]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, ('\n'.join(lines) + '\n').encode())
    except OSError as error:
        raise DemonstrationError(f'{path}: cannot be written: {error.strerror}') from None


def write_bag(path: Path, stamps: Sequence[int], names: Sequence[str], positions: np.ndarray,
              velocities: np.ndarray | None = None, topic: str = 'joint_states') -> None:
    """Write joint states as a rosbag2 directory in MCAP, whole or not at all.

    Parameters: `stamps` [S], ns; `positions` and `velocities` [S, J]. Raises DemonstrationError
    where `path` exists already or its folder cannot be written.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import get_typestore, Stores

    if path.exists():
        raise DemonstrationError(f'{path}: exists already; bags are never overwritten')
    store = get_typestore(Stores.ROS2_HUMBLE)
    state = store.types['sensor_msgs/msg/JointState']
    header, moment = store.types['std_msgs/msg/Header'], store.types['builtin_interfaces/msg/Time']
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f'.{path.name}.', dir=path.parent,
                                         ignore_cleanup_errors=True) as scratch:
            draft = Path(scratch, path.name)
            with Writer(draft, version=8, storage_plugin=StoragePlugin.MCAP) as bag:
                connection = bag.add_connection(f'/{topic.lstrip("/")}', state.__msgtype__,
                                                typestore=store)
                none = np.zeros(0)
                for row, stamp in enumerate(stamps):
                    stamp = int(stamp)
                    message = state(
                        header(moment(stamp // 10 ** 9, stamp % 10 ** 9), ''), list(names),
                        np.asarray(positions[row], dtype=float),
                        none if velocities is None else np.asarray(velocities[row], dtype=float),
                        none)
                    bag.write(connection, stamp, store.serialize_cdr(message, state.__msgtype__))
            draft.rename(path)
    except OSError as error:
        raise DemonstrationError(f'{path}: cannot be written: {error.strerror}') from None


def _from_bag(path: Path, arm: Arm) -> Demonstration:
    topics = _joint_states(path)
    if not topics:
        raise DemonstrationError(f'{path}: no sensor_msgs/JointState message in this bag')
    fitting = {topic: samples for topic, samples in topics.items()
               if set(arm.driven) <= set(samples[0][1])}
    chosen = fitting or topics
    if len(chosen) > 1:
        raise DemonstrationError(f'{path}: joint states on {len(chosen)} topics '
                                 f'({", ".join(sorted(chosen))}), expected one; record only that')
    (topic, samples), = chosen.items()
    source = f'{path} ({topic})'
    names = samples[0][1]
    rows = []
    for number, (_, here, position) in enumerate(samples, 1):
        if sorted(here) != sorted(names) or len(position) != len(names):
            raise DemonstrationError(
                f'{source}: message {number} has joints {", ".join(here)} and {len(position)} '
                f'positions, expected {", ".join(names)} as in the first')
        rows.append(position if here == names else [position[here.index(n)] for n in names])
    stamps = np.array([stamp for stamp, _, _ in samples], dtype=np.int64)
    time = (stamps - stamps[0]) * 1e-9
    return from_joint_states(time, names, np.array(rows), arm, source)


def _joint_states(path: Path) -> dict[str, list[tuple[int, list[str], list[float]]]]:
    """Read stamp (ns), names and positions of every joint state in a bag, by topic."""
    from rosbags.highlevel import AnyReader
    from rosbags.typesys import get_typestore, Stores

    if not (path / 'metadata.yaml').is_file():
        raise DemonstrationError(f'{path}: no metadata.yaml, not a rosbag2 directory')
    topics = {}
    try:
        with AnyReader([path], default_typestore=get_typestore(Stores.LATEST)) as bag:
            wanted = [c for c in bag.connections if c.msgtype == 'sensor_msgs/msg/JointState']
            for connection, received, raw in bag.messages(connections=wanted) if wanted else ():
                message = bag.deserialize(raw, connection.msgtype)
                stamp = message.header.stamp.sec * 10 ** 9 + message.header.stamp.nanosec
                topics.setdefault(connection.topic, []).append(
                    (stamp or received, list(message.name), message.position.tolist()))
    except Exception as error:  # a damaged bag fails in many ways inside the reader
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DemonstrationError(f'{path}: cannot be read as a rosbag2 directory: {reason}'
                                 ) from None
    return topics


def _read_csv(path: Path) -> tuple[list[str], np.ndarray]:
    try:
        with path.open(newline='', encoding='utf-8-sig') as stream:
            table = csv.reader(stream)
            lines = [(table.line_num, line) for line in table if any(x.strip() for x in line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DemonstrationError(f'{path}: cannot be read as CSV: {error}') from None
    if not lines:
        raise DemonstrationError(f'{path}: empty; expected a header time,<joints> or time,x,y,z')
    header = [cell.strip() for cell in lines[0][1]]
    if header[0] != 'time' or len(header) < 2:
        raise DemonstrationError(f'{path}: header {",".join(header)!r}, expected time,<joints> or '
                                 f'time,x,y,z')
    rows = np.empty((len(lines) - 1, len(header)))
    for row, (number, line) in enumerate(lines[1:]):
        if len(line) != len(header):
            raise DemonstrationError(f'{path}: line {number} has {len(line)} fields, expected '
                                     f'{len(header)}')
        for column, cell in enumerate(line):
            try:
                rows[row, column] = float(cell)
            except ValueError:
                raise DemonstrationError(f'{path}: line {number}, {header[column]}: {cell!r} is '
                                         f'not a number') from None
    return header[1:], rows


def _check_time(time: np.ndarray, source: str) -> None:
    if len(time) < 2:
        raise DemonstrationError(f'{source}: {len(time)} sample(s), expected at least 2')
    if not np.isfinite(time).all():
        row = int((~np.isfinite(time)).argmax())
        raise DemonstrationError(f'{source}: time is {time[row]} in sample {row + 1}, expected a '
                                 f'finite number')
    backward = np.flatnonzero(np.diff(time) <= 0)
    if len(backward):
        row = int(backward[0]) + 1
        raise DemonstrationError(f'{source}: time does not increase: {time[row]:.12g} s in '
                                 f'sample {row + 1} after {time[row - 1]:.12g} s')


def _tips(arm: Arm, positions: np.ndarray) -> np.ndarray:
    return arm.tip(torch.as_tensor(positions, dtype=torch.float64)).numpy()


def _nearest_poses(arm: Arm, start: np.ndarray, targets: np.ndarray, lower: np.ndarray,
                   upper: np.ndarray, rounds: int = 40, nudge: float = 1e-6
                   ) -> tuple[np.ndarray, np.ndarray]:
    """Return poses [S, J] within limits whose tips are nearest to `targets` [S, 3], and the miss.

    The search begins at `start`, [J] for all or [S, J]; the miss [S] is in m.
    """
    joints = len(lower)
    probes = np.vstack([np.zeros(joints), nudge * np.eye(joints)])
    damping = 1e-9 * np.eye(joints)
    poses = np.broadcast_to(start, (len(targets), joints))
    for _ in range(rounds):
        tips = _tips(arm, poses[:, None] + probes)
        miss = targets - tips[:, 0]
        transposed = (tips[:, 1:] - tips[:, :1]) / nudge
        normal = transposed @ transposed.swapaxes(1, 2) + damping
        step = np.linalg.solve(normal, transposed @ miss[..., None])[..., 0]
        moved = np.clip(poses + np.clip(step, -0.3, 0.3), lower, upper)
        settled = np.abs(moved - poses).max() < 1e-9
        poses = moved
        if settled:
            break
    return poses, np.linalg.norm(_tips(arm, poses) - targets, axis=1)


def _resampling_miss(demonstration: Demonstration, arm: Arm, positions: np.ndarray) -> np.ndarray:
    grid = np.linspace(0, demonstration.duration, len(positions))
    replayed = np.stack([np.interp(demonstration.time, grid, positions[:, joint])
                         for joint in range(positions.shape[1])], axis=1)
    return np.linalg.norm(_tips(arm, replayed) - _tips(arm, demonstration.position), axis=1)
