"""Demonstrations as rosbag2 directories: joint states on one topic, read and written without ROS.

Any storage is read, by the stamps of the messages; MCAP is written.
"""

from collections.abc import Sequence
from pathlib import Path
import tempfile

import numpy as np

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.samples import Demonstration, DemonstrationError, from_joint_states


def read_bag(path: Path, arm: Arm) -> Demonstration:
    """Return the movement in the only topic of `arm`'s joint states in a bag.

    Raises DemonstrationError where there is none or more than one, or it cannot be read.
    """
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
