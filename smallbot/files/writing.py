# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Files that are either whole or not there, at the place that was named.

A plain file is replaced in one step, also through symbolic links, and keeps its permissions; into
a pipe, a device or an open descriptor (`/dev/stdout`) is written as it is. What a killed process
may leave is one draft, `.NAME.smallbot`, whole and unused, and only where a file is replaced or
the file system knows no files without a name; the next write to NAME takes it away.
"""

from collections.abc import Iterator, Mapping
import contextlib
import errno
import fcntl
import hashlib
import io
import json
import os
from pathlib import Path
import re
import stat
import sys
import tempfile
import time
from typing import Any, IO

from smallbot.errors import InputError
from smallbot.files.plain import plain
from smallbot.files.sealed import sealed

RESULT = 'smallbot-result-1'
"""Format of results, as `write_json` marks them."""
PATIENCE = 5.0
"""How long a pipe is waited for that nobody reads, s."""
LONGEST_NAME = 200
"""Bytes of a name that a file is to have; suffixes and drafts need the rest of 255."""
FAILED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE, errno.ENXIO,
                    errno.ESTALE})
"""Reasons that are no mistake in what was asked for."""
_DESCRIPTORS = re.compile(r'/proc/(\d+)(?:/task/\d+)?/fd')


class WriteError(OSError, InputError):
    """A file cannot be written; the message is one line. `errno`, `strerror` as of OSError."""

    def __str__(self) -> str:
        """Return the line."""
        return f'{self.filename}: cannot be written: {self.strerror}'

    @property
    def code(self) -> int:
        """Return 2 where another name would have done, 1 where storage or reader is at fault."""
        return 1 if self.errno in FAILED else 2


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader or a crash never meets half a file.

    Raises WriteError, a plain file being as it was.
    """
    with _said(path):
        number = _descriptor(path)
        if number is not None:
            if sys.stdout is not None:
                sys.stdout.flush()
            _pour(number, content)
            return
        there = _there(path)
        if there is None or stat.S_ISREG(there.st_mode):
            _replace(Path(os.path.realpath(path)), content, there)
            return
        handle = _opened(path, there)
        try:
            _pour(handle, content)
        finally:
            os.close(handle)


def write_json(path: Path, content: Any, form: str = RESULT) -> None:
    """Write plain values to `path` as indented JSON, whole or not at all.

    What is no finite number becomes null. A mapping also gets its format, `form`, and a checksum
    of all it holds.
    """
    content = sealed(content, form) if isinstance(content, Mapping) else plain(content)
    write_atomically(path, (json.dumps(content, indent=2) + '\n').encode())


def open_for_lines(path: Path) -> IO[str]:
    """Open `path` to be written line by line, as things happen; a plain file is emptied.

    Raises WriteError, and so does what is returned, where it cannot be written.
    """
    with _said(path):
        number, there = _descriptor(path), _there(path)
        if number is not None:
            handle = os.dup(number)
        elif there is None or stat.S_ISREG(there.st_mode):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        else:
            handle = _opened(path, there)
        return _Lines(handle, path)


def read_bytes(path: Path, most: int = 2 ** 31) -> bytes:
    """Return what a plain file holds.

    Raises OSError, with `strerror`, where it cannot be read, is no plain file or is larger than
    `most` bytes. A pipe is not waited for.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    with os.fdopen(handle, 'rb') as stream:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, 'expected a plain file', str(path))
        if found.st_size > most:
            raise OSError(errno.EFBIG, f'{found.st_size} bytes, expected at most {most}',
                          str(path))
        return stream.read()


@contextlib.contextmanager
def folder_for_a_moment() -> Iterator[Path]:
    """Yield a folder that is gone, with all that is in it, after the block."""
    with tempfile.TemporaryDirectory(prefix='smallbot_') as folder:
        yield Path(folder)


@contextlib.contextmanager
def for_a_moment(name: str, content: bytes) -> Iterator[Path]:
    """Yield a file of that name with `content`, in a folder of its own; both are gone after it."""
    with folder_for_a_moment() as folder:
        path = folder / name
        path.write_bytes(content)
        yield path


def made_folder(path: Path) -> Path:
    """Return a folder, made if need be. Raises WriteError."""
    with _said(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, 'expected a folder') from None
    return path


def file_name(name: str, what: str) -> str:
    """Return `name`, which a file in a folder chosen by somebody else is to have.

    Raises InputError, naming it as `what`, where it is none, would be hidden, leads elsewhere or
    is longer than `LONGEST_NAME`.
    """
    wrong = ''
    if not isinstance(name, str) or not name.isprintable() or not name.strip():
        wrong = 'expected the name of a file'
    elif '/' in name or name.startswith('.'):
        wrong = 'expected the name of a file, without "/" and without "." at the beginning'
    elif len(os.fsencode(name)) > LONGEST_NAME:
        wrong = f'expected a name of at most {LONGEST_NAME} bytes'
    if wrong:
        shown = repr(name)
        raise InputError(f'{what} {shown if len(shown) <= 80 else shown[:77] + "..."}: {wrong}')
    return name


class _Lines(io.TextIOWrapper):
    """A text file whose lines are written as they come."""

    def __init__(self, handle: int, path: Path):
        super().__init__(os.fdopen(handle, 'wb'), 'utf-8', newline='', line_buffering=True)
        self._path = path

    def write(self, text: str) -> int:
        with _said(self._path):
            return super().write(text)

    def close(self) -> None:
        with _said(self._path):
            super().close()


@contextlib.contextmanager
def _said(path: Path):
    """Turn what goes wrong with a file into a WriteError that names it as it was named."""
    try:
        yield
    except UnicodeEncodeError:
        raise WriteError(errno.EILSEQ, 'this locale cannot write its name', ascii(str(path))
                         ) from None
    except ValueError as error:
        raise WriteError(errno.EINVAL, str(error), repr(str(path))) from None
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno == errno.ENOENT:
            folder = os.path.dirname(os.path.realpath(path))
            why = (f'{folder} takes no files' if os.path.isdir(folder) else
                   f'there is no folder {folder}')
        raise WriteError(error.errno or errno.EIO, why, str(path)) from None


def _there(path: Path) -> os.stat_result | None:
    """Return what is at `path`, None: nothing; raises OSError where it is not to be written."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(there.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return there


def _descriptor(path: Path) -> int | None:
    """Return the open descriptor of this process that `path` is a name of, such as /dev/stdout."""
    at = os.path.abspath(path)
    for _ in range(40):
        folder, name = os.path.split(at)
        owner = _DESCRIPTORS.fullmatch(os.path.realpath(folder))
        if owner and name.isdigit():
            if int(owner[1]) == os.getpid():
                return int(name)
            raise OSError(errno.EINVAL, 'it belongs to another process')
        if not os.path.islink(at):
            return None
        at = os.path.normpath(os.path.join(os.path.realpath(folder), os.readlink(at)))
    return None


def _opened(path: Path, there: os.stat_result) -> int:
    """Return a descriptor of a pipe or device; one that nobody reads is waited for."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            break
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(there.st_mode):
                raise
            if time.monotonic() > until:
                raise OSError(errno.ENXIO, f'nobody reads it, for {PATIENCE:g} s') from None
            time.sleep(0.02)
    os.set_blocking(handle, True)
    return handle


def _pour(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest):]


def _replace(path: Path, content: bytes, there: os.stat_result | None) -> None:
    """Put a plain file of `content` at `path`, which is no link, in one step."""
    kept = path.name if len(os.fsencode(path.name)) <= 240 else hashlib.sha256(
        os.fsencode(path.name)).hexdigest()
    draft = path.parent / f'.{kept}.smallbot'
    try:
        if not _replace_nameless(path, draft, content, there):
            _replace_named(path, draft, content, there)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        # A file that is mounted by itself, as into a container, can only be written into.
        handle = os.open(path, os.O_WRONLY | os.O_TRUNC)
        try:
            _fill(handle, content, None)
        finally:
            os.close(handle)
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _replace_nameless(path: Path, draft: Path, content: bytes, there: os.stat_result | None
                      ) -> bool:
    """Do it through a file that has no name until it is whole; False: cannot be done here."""
    try:
        handle = os.open(path.parent, os.O_WRONLY | os.O_TMPFILE, 0o666)
    except (AttributeError, OSError) as error:
        if getattr(error, 'errno', None) in (errno.ENOENT, errno.ENOTDIR, errno.EACCES,
                                             errno.EROFS, errno.ENOSPC, errno.EDQUOT):
            raise
        return False
    try:
        _fill(handle, content, there)
        _lock(handle)
        while True:
            at = path if there is None else draft
            try:
                # With a descriptor of a folder it is linkat, which follows the link in /proc.
                os.link(f'/proc/self/fd/{handle}', at, src_dir_fd=handle, follow_symlinks=True)
            except FileExistsError:
                if there is None:  # somebody else has made it meanwhile
                    there = os.stat(path)
                else:
                    _clear(draft)
                continue
            except OSError:  # no /proc, or not allowed
                return False
            if at is draft:
                _move(draft, path)
            return True
    finally:
        os.close(handle)


def _replace_named(path: Path, draft: Path, content: bytes, there: os.stat_result | None) -> None:
    """Do it through a draft beside it, which belongs to who has it locked."""
    while True:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            _lock(handle)
            if not _is_at(handle, draft):  # whoever had it has put it in place
                continue
            try:
                os.ftruncate(handle, 0)
                _fill(handle, content, there)
            except BaseException:
                os.unlink(draft)
                raise
            _move(draft, path)
            return
        finally:
            os.close(handle)


def _lock(handle: int) -> None:
    """Wait until a draft is this process's; its own, until it is closed, from then on."""
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(handle, fcntl.LOCK_EX)


def _clear(draft: Path) -> None:
    """Wait until nobody works with a draft, and take away one that was left."""
    try:
        handle = os.open(draft, os.O_WRONLY)
    except FileNotFoundError:
        return
    try:
        _lock(handle)
        if _is_at(handle, draft):
            os.unlink(draft)
    finally:
        os.close(handle)


def _move(draft: Path, path: Path) -> None:
    try:
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def _is_at(handle: int, path: Path) -> bool:
    """Return whether `path` still names the file that is open."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _fill(handle: int, content: bytes, there: os.stat_result | None) -> None:
    """Write all of a file; permissions and owner are those of the one that was there."""
    if there is not None:
        with contextlib.suppress(OSError):
            os.fchown(handle, there.st_uid, there.st_gid)
        os.fchmod(handle, stat.S_IMODE(there.st_mode))
    _pour(handle, content)
    os.fsync(handle)
