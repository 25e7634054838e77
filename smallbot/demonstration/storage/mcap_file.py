# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""MCAP, record by record, as far as a file goes: indexed or not, whole or cut off anywhere.

Readers that begin with the index at the end find nothing in a recording that was interrupted;
here chunks are unpacked up to the byte where the file ends. Format: https://mcap.dev/spec.
"""

from collections.abc import Callable, Iterator
import struct
import sys
from typing import NamedTuple
import zlib

from lz4.frame import LZ4FrameDecompressor

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = b'\x89MCAP0\r\n'
LARGEST = 1 << 26
"""Bytes to which a chunk or a message may unpack; recorders make chunks of a few megabytes."""
FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, DATA_END = 2, 3, 4, 5, 6, 15
"""Codes of records."""


class StoredMessage(NamedTuple):
    """A message as a bag holds it."""

    topic: str
    kind: str
    """Its type, as in `sensor_msgs/msg/JointState`."""
    definition: str
    """Text of its definition; empty: the bag has none."""
    publisher: int
    """Counts the channels of the topic."""
    received: int
    """ns."""
    content: bytes


class Stored(NamedTuple):
    """What a file held."""

    messages: list[StoredMessage]
    topics: dict[str, str]
    """Types of all topics, by name."""
    cut: bool
    """Whether it ends before its end, or is damaged from somewhere on."""


class _Channel(NamedTuple):
    topic: str
    kind: str
    definition: str
    publisher: int


def read_mcap(content: bytes | memoryview, wanted: Callable[[str, str], bool]) -> Stored:
    """Return the messages of the `wanted` types (name, definition), as far as the file goes.

    Raises ValueError where it is no MCAP file, or is damaged otherwise than by being cut off:
    where a checksum does not fit, or it has its end and no way leads there.
    """
    if bytes(content[:len(MAGIC)]) != MAGIC:
        raise ValueError('no MCAP file')
    schemas: dict[int, tuple[str, str]] = {}
    channels: dict[int, _Channel] = {}
    messages: list[StoredMessage] = []
    view = memoryview(content)
    whole = False
    for at, code, record in _records(view, len(MAGIC)):
        inside = [(at, code, record)]
        if code == CHUNK:
            inside = _records(memoryview(_unpacked(view, at, record)))
        for _, inner, part in inside:
            try:
                _take(inner, part, schemas, channels, messages, wanted)
            except (struct.error, IndexError, UnicodeDecodeError):
                break
        if code == DATA_END and len(record) == 4:
            (checksum,) = struct.unpack('<I', record)
            if checksum and checksum != zlib.crc32(view[:at]):
                raise ValueError('damaged: its checksum does not fit')
        if code in (DATA_END, FOOTER):
            whole = True
            break
    if not whole and bytes(content[-len(MAGIC):]) == MAGIC:
        raise ValueError('damaged: its records do not lead to its end')
    topics = {channel.topic: channel.kind for channel in channels.values()}
    return Stored(messages, topics, not whole)


def _records(content: memoryview, at: int = 0) -> Iterator[tuple[int, int, memoryview]]:
    """Yield place, code and content of every whole record, and of a chunk that was cut off."""
    while at + 9 <= len(content):
        code, size = struct.unpack_from('<BQ', content, at)
        end = at + 9 + size
        if end > len(content) and code != CHUNK:
            return
        yield at, code, content[at + 9:end]
        at = end


def _unpacked(file: memoryview, at: int, record: memoryview) -> bytes:
    """Return the records of the chunk at a byte of a file, as far as the file goes.

    Raises ValueError where it is all there, and damaged.
    """
    (long,) = struct.unpack_from('<Q', file, at + 1)
    cut = len(record) < long
    damaged = f'damaged: the chunk at byte {at} does not fit its checksum'
    try:
        size, crc = struct.unpack_from('<QI', record, 16)
        name, begin = _text(record, 28)
        (packed,) = struct.unpack_from('<Q', record, begin)
    except (struct.error, UnicodeDecodeError):
        if cut:
            return b''
        raise ValueError(damaged) from None
    unpack = {'': lambda part, _: part, 'zstd': zstd.ZstdDecompressor().decompress,
              'lz4': LZ4FrameDecompressor().decompress}.get(name)
    if unpack is None:
        raise ValueError(f'damaged: the chunk at byte {at} is compressed with {name!r}')
    content = bytes(record[begin + 8:begin + 8 + packed])
    made = b''.join(unpacked_as_far_as_possible(unpack, content))
    if not cut and (len(made) != size or crc and zlib.crc32(made) != crc):
        raise ValueError(damaged)
    return made


def unpacked_as_far_as_possible(unpack: Callable[[bytes, int], bytes], content: bytes,
                                most: int = LARGEST) -> Iterator[bytes]:
    """Yield what comes out of a decompressor until its input ends or is damaged.

    Or comes to more than `most` bytes: a few kilobytes can hold terabytes.
    """
    for at in range(0, len(content), 4096):
        try:
            part = unpack(content[at:at + 4096], most + 1)
        except (EOFError, RuntimeError, zstd.ZstdError):
            return
        most -= len(part)
        if most < 0:
            return
        yield part


def _text(record: memoryview, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from('<I', record, at)
    return bytes(record[at + 4:at + 4 + size]).decode(), at + 4 + size


def _take(code: int, record: memoryview, schemas: dict, channels: dict, messages: list,
          wanted: Callable[[str, str], bool]) -> None:
    """Take up one record."""
    if code == SCHEMA:
        name, at = _text(record, 2)
        encoding, at = _text(record, at)
        text, _ = _text(record, at)
        schemas[record[0] + 256 * record[1]] = (name, text if encoding == 'ros2msg' else '')
    elif code == CHANNEL:
        number, schema = struct.unpack_from('<HH', record)
        topic, _ = _text(record, 4)
        if number not in channels:
            kind, definition = schemas.get(schema, ('', ''))
            same = sum(channel.topic == topic for channel in channels.values())
            channels[number] = _Channel(topic, kind, definition, same)
    elif code == MESSAGE:
        number, _, received, _ = struct.unpack_from('<HIQQ', record)
        channel = channels.get(number)
        if channel is not None and wanted(channel.kind, channel.definition):
            messages.append(StoredMessage(*channel, received, bytes(record[22:])))
