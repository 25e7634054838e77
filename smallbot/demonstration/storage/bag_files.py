# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The files of a rosbag2: MCAP or sqlite3, plain, compressed, split, cut off, without metadata."""

from collections.abc import Callable
import mmap
from pathlib import Path, PurePath
import re
import shutil
import sqlite3
import tempfile
from urllib.parse import quote

import yaml

from smallbot.demonstration.storage.mcap_file import (
    MAGIC,
    read_mcap,
    Stored,
    StoredMessage,
    unpacked_as_far_as_possible,
    zstd,
)
from smallbot.demonstration.storage.refusal import DemonstrationError

ENDINGS = ('.mcap', '.db3', '.mcap.zstd', '.db3.zstd')
_ZSTD = b'\x28\xb5\x2f\xfd'
_SQLITE = b'SQLite format 3\0'


def is_bag(path: Path) -> bool:
    """Return whether a path looks like a bag: a folder that holds one, or a file of one."""
    if path.is_dir():
        return (path / 'metadata.yaml').is_file() or bool(_bag_files(path))
    return path.name.lower().endswith(ENDINGS)


def read_bag_files(path: Path, wanted: Callable[[str, str], bool]
                   ) -> tuple[list[StoredMessage], dict[str, str], list[str], str]:
    """Return the messages of `wanted` types in order of receipt, from a folder or one file.

    Also the types of all topics, remarks in words (what was cut off or is missing), and the
    storage. Raises DemonstrationError where nothing can be read.
    """
    files, remarks = _files(path)
    messages, topics, storages, read = [], {}, [], []
    for file in files:
        try:
            stored, storage = _stored(file, wanted)
        except (OSError, ValueError, sqlite3.Error) as error:
            remarks.append(f'{file.name} cannot be read ({_reason(error)})')
            continue
        read.append(file)
        storages += [] if storage in storages else [storage]
        messages += stored.messages
        topics.update(stored.topics)
        if stored.cut:
            remarks.append(f'{file.name} is cut off or damaged: read up to there')
    if not read:
        raise DemonstrationError(f'{path}: cannot be read as a rosbag2: '
                                 f'{"; ".join(remarks)}')
    messages.sort(key=lambda message: message.received)
    storage = ', '.join(storages) + (f', {len(read)} files' if len(read) > 1 else '')
    return messages, topics, remarks, storage


def _reason(error: Exception) -> str:
    text = getattr(error, 'strerror', None) or str(error)
    return (text.strip() or type(error).__name__).splitlines()[0]


def _bag_files(folder: Path) -> list[Path]:
    def natural(path: Path) -> list:
        return [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', path.name)]
    return sorted((p for p in folder.iterdir() if p.name.lower().endswith(ENDINGS)
                   and p.is_file() and not p.name.startswith('.')), key=natural)


def _files(path: Path) -> tuple[list[Path], list[str]]:
    """Return the files of a bag in their order, and remarks on its metadata."""
    if path.is_file():
        return [path], []
    there = _bag_files(path)
    metadata = path / 'metadata.yaml'
    if not metadata.is_file():
        stems = {re.sub(r'(_\d+)?(\.[a-z0-9]+)+$', '', file.name.lower()) for file in there}
        if len(stems) > 1:
            raise DemonstrationError(
                f'{path}: no metadata.yaml, and files of several recordings in it '
                f'({", ".join(file.name for file in there)}); name one of them')
        if not there:
            raise DemonstrationError(f'{path}: no metadata.yaml and no .mcap or .db3 file in it, '
                                     f'not a rosbag2 directory')
        return there, ['no metadata.yaml']
    listed = _listed(metadata)
    if listed is None:
        remarks = ['metadata.yaml cannot be read']
        if not there:
            raise DemonstrationError(f'{path}: cannot be read as a rosbag2 directory: '
                                     f'{remarks[0]}, and no .mcap or .db3 file is in it')
        return there, remarks
    files = [path / name for name in listed]
    missing = [file.name for file in files if not file.is_file()]
    found = [file for file in files if file.is_file()]
    if not found and not there:
        raise DemonstrationError(f'{path}: cannot be read as a rosbag2 directory: '
                                 f'{", ".join(missing) or "its file"} is missing')
    return found or there, [f'{name} is missing' for name in missing] if found else []


def _listed(metadata: Path) -> list[str] | None:
    try:
        told = yaml.safe_load(metadata.read_text())['rosbag2_bagfile_information']
        return [PurePath(name).name for name in told['relative_file_paths']]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return None


def _stored(file: Path, wanted: Callable[[str, str], bool]) -> tuple[Stored, str]:
    """Read one file, by what it begins with and not by its name."""
    with file.open('rb') as stream:
        begin = stream.read(16)
        if not begin:
            raise ValueError('empty')
        if begin.startswith(_ZSTD):
            with tempfile.TemporaryDirectory(prefix='smallbot_') as scratch:
                plain = Path(scratch, file.stem)
                stream.seek(0)
                cut = _unpack(stream, plain)
                stored, storage = _stored(plain, wanted)
                return stored._replace(cut=stored.cut or cut), f'{storage} compressed'
        if begin.startswith(MAGIC):
            content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            stored, storage = read_mcap(content, wanted), 'MCAP'
        elif begin.startswith(_SQLITE[:len(begin)]):
            stored, storage = _read_sqlite(file, wanted), 'sqlite3'
        else:
            raise ValueError('neither MCAP nor sqlite3')
    return stored._replace(messages=[_plain(message) for message in stored.messages]), storage


def _unpack(stream, plain: Path) -> bool:
    """Decompress a whole file; returns whether it was cut off."""
    unpack = zstd.ZstdDecompressor()
    with plain.open('wb') as out:
        for part in iter(lambda: stream.read(2 ** 20), b''):
            for made in unpacked_as_far_as_possible(unpack.decompress, part, 1 << 60):
                out.write(made)
    return not unpack.eof


def _plain(message: StoredMessage) -> StoredMessage:
    """Return a message decompressed where messages were compressed one by one."""
    if not message.content.startswith(_ZSTD):
        return message
    unpack = zstd.ZstdDecompressor().decompress
    return message._replace(
        content=b''.join(unpacked_as_far_as_possible(unpack, message.content)))


def _read_sqlite(file: Path, wanted: Callable[[str, str], bool]) -> Stored:
    """Return the messages of a sqlite3 storage as far as its pages are whole.

    The file is never written to: what needs mending, or lies beside it in a journal, is a copy.
    """
    with file.open('rb') as stream:
        begin = stream.read(100)
    page = int.from_bytes(begin[16:18], 'big')
    page = 65536 if page == 1 else max(page, 1)
    size, there = page * int.from_bytes(begin[28:32], 'big'), file.stat().st_size
    cut = there < size
    beside = [file.with_name(file.name + ending) for ending in ('-wal', '-shm')]
    with tempfile.TemporaryDirectory(prefix='smallbot_') as scratch:
        if cut or beside[0].is_file():
            for each in (file, *beside):
                if each.is_file():
                    shutil.copy(each, scratch)
            copy = Path(scratch, file.name)
            if cut:  # a file shorter than it says is refused whole; empty pages only where met
                copy.chmod(0o600)
                with copy.open('r+b') as stream:
                    stream.truncate(there // page * page)
                    stream.truncate(size)
            address = f'file:{quote(str(copy))}'
        else:
            address = f'file:{quote(str(file.absolute()))}?mode=ro&immutable=1'
        connection = sqlite3.connect(address, uri=True)
        try:
            stored = _rows(connection, wanted)
        finally:
            connection.close()
    return stored._replace(cut=stored.cut or cut)


def _rows(connection: sqlite3.Connection, wanted: Callable[[str, str], bool]) -> Stored:
    topics = {number: (name, kind) for number, name, kind in
              connection.execute('SELECT id, name, type FROM topics')}
    try:
        definitions = dict(connection.execute(
            'SELECT topic_type, encoded_message_definition FROM message_definitions '
            'WHERE encoding = ?', ('ros2msg',)))
    except sqlite3.Error:
        definitions = {}
    named = [name for name, _ in topics.values()]
    chosen = {}
    for number, (name, kind) in topics.items():
        definition = definitions.get(kind, '')
        if wanted(kind, definition):
            earlier = sum(1 for other, (same, _) in topics.items()
                          if same == name and other < number)
            chosen[number] = (name, kind, definition, earlier if named.count(name) > 1 else 0)
    messages, cut = [], False
    try:
        for number, received, content in connection.execute(
                'SELECT topic_id, timestamp, data FROM messages ORDER BY id'):
            if number in chosen:
                messages.append(StoredMessage(*chosen[number], received, content))
    except sqlite3.Error:
        cut = True
    return Stored(messages, dict(topics.values()), cut)
