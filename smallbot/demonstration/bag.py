"""Joint states written as rosbag2; `formats.messages` reads them."""

from collections.abc import Sequence
from pathlib import Path
import tempfile

import numpy as np

from smallbot.demonstration.storage.refusal import DemonstrationError

STATE = 'sensor_msgs/msg/JointState'


def write_bag(path: Path, stamps: Sequence[int], names: Sequence[str], positions: np.ndarray,
              velocities: np.ndarray | None = None, topic: str = 'joint_states') -> None:
    """Write joint states of one publisher as a rosbag2 directory in MCAP, whole or not at all.

    Parameters: `stamps` [S], ns; `positions` and `velocities` [S, J]. Raises DemonstrationError
    where `path` exists already or its folder cannot be written.
    """
    none = np.zeros(0)
    write_states(path, [(int(stamp), names, positions[row],
                         none if velocities is None else velocities[row])
                        for row, stamp in enumerate(stamps)], topic)


def write_states(path: Path, states: Sequence[tuple[int, Sequence[str], Sequence[float],
                                                    Sequence[float]]],
                 topic: str = 'joint_states') -> None:
    """Write joint states, each with its stamp (ns), names, positions and velocities, as a bag.

    A rosbag2 directory in MCAP, whole or not at all. Raises DemonstrationError as `write_bag`.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import get_typestore, Stores

    if path.exists():
        raise DemonstrationError(f'{path}: exists already; bags are never overwritten')
    store = get_typestore(Stores.ROS2_HUMBLE)
    state = store.types[STATE]
    header, moment = store.types['std_msgs/msg/Header'], store.types['builtin_interfaces/msg/Time']
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f'.{path.name}.', dir=path.parent,
                                         ignore_cleanup_errors=True) as scratch:
            draft = Path(scratch, path.name)
            with Writer(draft, version=8, storage_plugin=StoragePlugin.MCAP) as bag:
                connection = bag.add_connection(f'/{topic.lstrip("/")}', STATE, typestore=store)
                for stamp, names, positions, velocities in states:
                    message = state(header(moment(stamp // 10 ** 9, stamp % 10 ** 9), ''),
                                    list(names), np.asarray(positions, dtype=float),
                                    np.asarray(velocities, dtype=float), np.zeros(0))
                    bag.write(connection, stamp, store.serialize_cdr(message, STATE))
            draft.rename(path)
    except OSError as error:
        raise DemonstrationError(f'{path}: cannot be written: {error.strerror}') from None
