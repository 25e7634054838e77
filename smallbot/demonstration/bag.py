# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Joint states written as rosbag2, as they come; `formats.messages` reads them.

A bag is a folder with an MCAP file and `metadata.yaml`. Both are whole at every moment, as
`storage.growing_mcap` says: whenever the process that writes them ends, `ros2 bag` opens them as
they lie there. What `metadata.yaml` counts is at most one `flush` behind.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
import os
from pathlib import Path
import time
from typing import NamedTuple

import numpy as np
import yaml

from smallbot.demonstration.storage.growing_mcap import GrowingMcap, is_being_written
from smallbot.demonstration.storage.mcap_file import read_mcap
from smallbot.demonstration.storage.refusal import DemonstrationError

STATE = 'sensor_msgs/msg/JointState'
_MARK = 'smallbot_recording: '
_OPEN, _TOLD, _DONE = 'open', 'left', 'done'
"""What `metadata.yaml` says of a recording, words of one length: it is being written, or was left
so; that was told; it was ended. A word is exchanged in place."""


class Offered(NamedTuple):
    """Quality of service of a publisher, as rmw numbers it."""

    history: int
    depth: int
    reliability: int
    durability: int
    liveliness: int


MOST_OFFERED = 2
"""Qualities of service that a bag names: its metadata and its ending must stay within a page."""
_FOREVER = {'sec': 9223372036, 'nsec': 854775807}


class BagWriter:
    """Writes joint states into a new bag; what was flushed survives this process.

    Raises DemonstrationError, naming path and reason, where the bag exists already or cannot be
    written. A `flush` that fails loses nothing: a later one tries again.
    """

    def __init__(self, path: Path, topic: str = 'joint_states', offered: Sequence[Offered] = ()):
        """`offered` is how the topic is published, for whoever plays the bag."""
        self.path, self._topic = path, f'/{topic.lstrip("/")}'
        self._profiles = _profiles(offered[:MOST_OFFERED])
        definition, self._digest = _definition()
        with self._refusing():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                path.mkdir()
            except FileExistsError:
                raise DemonstrationError(f'{path}: exists already; bags are never overwritten'
                                         ) from None
            try:
                self._file = GrowingMcap(path / f'{path.name}.mcap', self._topic, STATE,
                                         definition, self._digest, self._profiles)
                self._metadata = path / 'metadata.yaml'
                self._metadata.write_text(self._told(_OPEN))
            except OSError:
                self.remove()
                raise

    @property
    def written(self) -> int:
        """Return how many messages the bag holds for good; none where it has been taken away."""
        return self._file.written if self._file.path.exists() else 0

    def add(self, received: int, stamp: int, names: Sequence[str], positions: Sequence[float],
            velocities: Sequence[float] = (), efforts: Sequence[float] = (), frame: str = ''
            ) -> None:
        """Take up a JointState, received and stamped at times in ns, for the next `flush`."""
        store = _types()
        seconds, rest = divmod(stamp, 10 ** 9)
        header = store.types['std_msgs/msg/Header'](store.types['builtin_interfaces/msg/Time'](
            min(max(seconds, -2 ** 31), 2 ** 31 - 1), rest), frame)
        message = store.types[STATE](header, list(names), *(
            np.asarray(values, dtype=float) for values in (positions, velocities, efforts)))
        self._file.add(max(received, 0), bytes(store.serialize_cdr(message, STATE)))

    def flush(self) -> None:
        """Hand what was added to the operating system. Raises DemonstrationError."""
        with self._refusing():
            before = self._file.written
            self._file.flush()
            if self._file.written > before:
                self._tell(_OPEN)

    def close(self) -> None:
        """Flush and end the bag; raises DemonstrationError where something is not in it."""
        with self._refusing():
            try:
                self._file.close()
            finally:
                self._tell(_DONE)

    def remove(self) -> None:
        """Let go of the bag and delete it, as far as it can be deleted."""
        if hasattr(self, '_file'):
            self._file.release()
        for name in ('metadata.yaml', f'{self.path.name}.mcap'):
            with suppress(OSError):
                (self.path / name).unlink()
        with suppress(OSError):
            self.path.rmdir()

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DemonstrationError(f'{self.path}: cannot be written: {error.strerror}'
                                     ) from None

    def _tell(self, state: str) -> None:
        """Write metadata over those that are there, in one write within a page."""
        with self._metadata.open('r+b', buffering=0) as stream:
            told = self._told(state).encode()
            stream.write(told.ljust(os.fstat(stream.fileno()).st_size, b'\n'))

    def _told(self, state: str) -> str:
        written, (begun, ended) = self._file.written, self._file.span
        file = {'path': f'{self.path.name}.mcap',
                'starting_time': {'nanoseconds_since_epoch': begun},
                'duration': {'nanoseconds': ended - begun}, 'message_count': written}
        told = {
            'version': 8, 'storage_identifier': 'mcap', 'relative_file_paths': [file['path']],
            'duration': file['duration'], 'starting_time': file['starting_time'],
            'message_count': written,
            'topics_with_message_count': [{
                'topic_metadata': {
                    'name': self._topic, 'type': STATE, 'serialization_format': 'cdr',
                    'offered_qos_profiles': self._profiles,
                    'type_description_hash': self._digest},
                'message_count': written}],
            'compression_format': '', 'compression_mode': '', 'files': [file],
            'custom_data': {_MARK.rstrip(': '): state}, 'ros_distro': 'smallbot'}
        return _yaml({'rosbag2_bagfile_information': told})


def _profiles(offered: Sequence[Offered]) -> str:
    """Return qualities of service as metadata of version 8 hold them: YAML in a text."""
    each = [{**one._asdict(), 'deadline': _FOREVER, 'lifespan': _FOREVER,
             'liveliness_lease_duration': _FOREVER, 'avoid_ros_namespace_conventions': False}
            for one in offered]
    return _yaml(each).rstrip() if each else ''


def new_bag(folder: Path, topic: str = 'joint_states', offered: Sequence[Offered] = ()
            ) -> BagWriter:
    """Return a bag in `folder` with a name of its own, of this moment; DemonstrationError."""
    name = time.strftime('demonstration_%Y%m%d_%H%M%S')
    for number in count(1):
        path = folder / (name if number == 1 else f'{name}-{number}')
        try:
            return BagWriter(path, topic, offered)
        except DemonstrationError:
            if path.exists():  # perhaps of another recorder, this very moment
                continue
            raise


def _yaml(content: dict | list) -> str:
    class Plain(yaml.SafeDumper):
        """Writes what occurs twice twice: not every reader follows references."""

        def ignore_aliases(self, data):
            return True
    return yaml.dump(content, Dumper=Plain, sort_keys=False, allow_unicode=True)


@cache
def _definition() -> tuple[str, str]:
    """Return text and hash of the definition of a JointState."""
    store = _types()
    return store.generate_msgdef(STATE, ros_version=2)[0], store.hash_rihs01(STATE)


@cache
def _types():
    from rosbags.typesys import get_typestore, Stores

    return get_typestore(Stores.ROS2_HUMBLE)


def unfinished(folder: Path) -> dict[Path, int]:
    """Return the bags in a folder that were left while they were written, with their messages.

    Those whose writer still lives are not among them, nor those that `mark_told` was called for.
    """
    found = {}
    places: list[Path] = []
    with suppress(OSError):
        places = sorted(folder.glob('*/metadata.yaml'))
    for metadata in places:
        with suppress(OSError, ValueError):
            bag = metadata.parent
            file = bag / f'{bag.name}.mcap'
            if (metadata.is_file() and _MARK + _OPEN in metadata.read_text()
                    and not is_being_written(file)):
                found[bag] = len(read_mcap(file.read_bytes(), lambda *_: True).messages)
    return found


def mark_told(bag: Path) -> None:
    """Note in a bag that it was said to be unfinished; where it cannot be, it will be again."""
    with suppress(OSError), (bag / 'metadata.yaml').open('r+b', buffering=0) as stream:
        at = stream.read().find((_MARK + _OPEN).encode())
        if at >= 0:
            stream.seek(at)
            stream.write((_MARK + _TOLD).encode())


def write_bag(path: Path, stamps: Sequence[int], names: Sequence[str], positions: np.ndarray,
              velocities: np.ndarray | None = None, topic: str = 'joint_states') -> None:
    """Write joint states of one publisher as a rosbag2 directory in MCAP.

    Parameters: `stamps` [S], ns; `positions` and `velocities` [S, J]. Raises DemonstrationError
    where `path` exists already or its folder cannot be written, and leaves nothing there.
    """
    bag = BagWriter(path, topic)
    try:
        for row, stamp in enumerate(stamps):
            bag.add(int(stamp), int(stamp), names, positions[row],
                    () if velocities is None else velocities[row])
        bag.close()
    except BaseException:
        bag.remove()
        raise
