# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""An MCAP file of one topic that is whole at every moment, not only once it is closed.

Readers begin at the footer, at the end of a file, and many refuse one that was cut off before it.
So each `flush` puts a chunk where the data ended, and behind it a new end of data, summary and
footer, over which the next one writes. A process can be killed in the middle of that, but only
between two pages: the kernel copies each whole. Hence

- the ending lies within one page; where it would not, a record that readers skip fills the page;
- pages are written from the last to the first. After the last the file ends with the new footer,
  while its data still lead to the old ending and stop there; with the first, which replaces that
  ending, the chunk belongs to them.

The index of the chunks, by which `ros2 bag play` goes and which needs more than a page, follows
when the file is closed; before, readers go through the chunks as they lie. The record that ends
the data carries their checksum, and each chunk its own. Format: https://mcap.dev/spec.
"""

from contextlib import suppress
import errno
import fcntl
import mmap
import os
from pathlib import Path
import struct
from typing import NamedTuple
import zlib

from smallbot.demonstration.storage.mcap_file import (
    CHANNEL,
    CHUNK,
    DATA_END,
    FOOTER,
    MAGIC,
    MESSAGE,
    SCHEMA,
)

_HEADER, _MESSAGE_INDEX, _CHUNK_INDEX, _STATISTICS, _METADATA, _METADATA_INDEX = (
    1, 7, 8, 11, 12, 13)
_FILLING, _LEAST = 0x80, 9
"""Code of records that mean nothing to anybody, and the bytes of an empty one."""
_ONE = 1
"""Number of the one schema and of the one channel."""


class _Data(NamedTuple):
    """What the data of a file hold, as its index tells."""

    end: int
    """Byte."""
    checksum: int
    count: int
    """Of messages."""
    begun: int
    """First and"""
    ended: int
    """last time of receipt, ns."""
    chunks: int
    index: bytes
    """Records of all chunks."""


class GrowingMcap:
    """Messages of one topic, of one type.

    While it is open the file is locked, so that another process can tell it from one that was
    left behind. Raises OSError where it exists already or cannot be written.
    """

    def __init__(self, path: Path, topic: str, kind: str, definition: str, digest: str,
                 profiles: str = ''):
        """`profiles` are qualities of service as of version 8 of rosbag2's metadata."""
        self.path = path
        told = (_text('offered_qos_profiles') + _text(profiles) + _text('topic_type_hash')
                + _text(digest))
        self._about = _record(SCHEMA, struct.pack('<H', _ONE) + _text(kind) + _text('ros2msg')
                              + _text(definition)) + _record(CHANNEL, struct.pack(
                                  '<HH', _ONE, _ONE) + _text(topic) + _text('cdr') + _sized(told))
        begin = MAGIC + _record(_HEADER, _text('ros2') + _text('smallbot')) + self._about
        # Without it rosbag2 takes the profiles for those of a later version.
        version = _record(_METADATA, _text('rosbag2') + _sized(
            _text('serialized_metadata') + _text('')))
        self._indexed = _record(_METADATA_INDEX, struct.pack('<QQ', len(begin), len(version))
                                + _text('rosbag2'))
        begin += version
        self._data = _Data(len(begin), zlib.crc32(begin), 0, 0, 0, 0, b'')
        self._tail = self._ending(self._data)
        self._pending: list[tuple[int, bytes]] = []
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._put(begin + self._tail, 0)
        except OSError:
            self.release()
            path.unlink(missing_ok=True)
            raise

    @property
    def written(self) -> int:
        """Return how many messages are in the file."""
        return self._data.count

    @property
    def span(self) -> tuple[int, int]:
        """Return the first and the last time of receipt in the file, ns."""
        return self._data.begun, self._data.ended

    def add(self, received: int, content: bytes) -> None:
        """Take up a message, CDR, received at a time in ns, for the next `flush`."""
        self._pending.append((received, content))

    def flush(self) -> None:
        """Hand everything to the operating system, where it survives this process.

        Raises OSError; the file is then as it was, and a later `flush` tries again.
        """
        self._check_there()
        if not self._pending:
            return
        block, data = self._with_chunk(self._pending)
        self._end(block, data, self._ending(data))
        self._pending = []

    def close(self) -> None:
        """Flush, also to the disk, and let go of the file, also where that fails (OSError)."""
        try:
            self.flush()
            self._end(b'', self._data, self._ending(self._data, self._data.index))
            os.fsync(self._file)
        finally:
            self.release()

    def release(self) -> None:
        """Let go of the file as it is."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _end(self, block: bytes, data: _Data, tail: bytes) -> None:
        """Put a block at the end of the data and a new tail behind it, or leave all as it is."""
        try:
            self._put(block + tail, self._data.end)
        except OSError:
            with suppress(OSError):
                self._put(self._tail, self._data.end)
                os.ftruncate(self._file, self._data.end + len(self._tail))
            raise
        self._data, self._tail = data, tail

    def _check_there(self) -> None:
        """Raise OSError where the file has left its place: what is written to it would be lost."""
        own, there = os.fstat(self._file), os.stat(self.path)
        if (own.st_ino, own.st_dev) != (there.st_ino, there.st_dev):
            raise OSError(errno.ESTALE, 'another file is in its place')

    def _with_chunk(self, messages: list[tuple[int, bytes]]) -> tuple[bytes, _Data]:
        """Return a chunk with the index of its messages, and what the data hold with it."""
        data = self._data
        records, places, at = [], [], 0
        for number, (received, content) in enumerate(messages, data.count):
            records.append(_record(MESSAGE, struct.pack(
                '<HIQQ', _ONE, number, received, received) + content))
            places.append(struct.pack('<QQ', received, at))
            at += len(records[-1])
        inside = b''.join(records)
        times = [received for received, _ in messages]
        begun, ended = min(times), max(times)
        chunk = _record(CHUNK, struct.pack('<QQQI', begun, ended, at, zlib.crc32(inside))
                        + _text('') + struct.pack('<Q', at) + inside)
        index = _record(_MESSAGE_INDEX, struct.pack('<H', _ONE) + _sized(b''.join(places)))
        block = chunk + index
        entry = _record(_CHUNK_INDEX, struct.pack('<QQQQ', begun, ended, data.end, len(chunk))
                        + _sized(struct.pack('<HQ', _ONE, data.end + len(chunk)))
                        + struct.pack('<Q', len(index)) + _text('')
                        + struct.pack('<QQ', at, at))
        if data.chunks:
            begun, ended = min(begun, data.begun), max(ended, data.ended)
        made = _Data(data.end + len(block), zlib.crc32(block, data.checksum),
                     data.count + len(messages), begun, ended, data.chunks + 1,
                     data.index + entry)
        room = mmap.PAGESIZE - made.end % mmap.PAGESIZE
        if len(self._ending(made)) > room:
            filling = _record(_FILLING, bytes(max(room - _LEAST, 0)))
            block += filling
            made = made._replace(end=made.end + len(filling),
                                 checksum=zlib.crc32(filling, made.checksum))
        return block, made

    def _ending(self, data: _Data, index: bytes = b'') -> bytes:
        """Return what follows the data: their checksum, the summary and the footer."""
        data_end = _record(DATA_END, struct.pack('<I', data.checksum))
        statistics = _record(_STATISTICS, struct.pack(
            '<QHIIIIQQ', data.count, 1, 1, 0, 1, data.chunks, data.begun, data.ended)
            + _sized(struct.pack('<HQ', _ONE, data.count)))
        summary = self._about + index + self._indexed + statistics
        footer = struct.pack('<BQQQ', FOOTER, 20, data.end + len(data_end), 0)
        return (data_end + summary + footer
                + struct.pack('<I', zlib.crc32(summary + footer)) + MAGIC)

    def _put(self, content: bytes, at: int) -> None:
        """Write over the end of the file, page by page from the last to the first."""
        page, last = mmap.PAGESIZE, at + len(content)
        begins = [at, *range((at // page + 1) * page, last, page)]
        for begin, end in reversed(list(zip(begins, [*begins[1:], last]))):
            while begin < end:
                begin += os.pwrite(self._file, content[begin - at:end - at], begin)


def is_being_written(path: Path) -> bool:
    """Return whether a living process has the file open as a GrowingMcap."""
    try:
        with path.open('rb') as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _record(code: int, content: bytes) -> bytes:
    return struct.pack('<BQ', code, len(content)) + content


def _sized(content: bytes) -> bytes:
    return struct.pack('<I', len(content)) + content


def _text(text: str) -> bytes:
    return _sized(text.encode())
