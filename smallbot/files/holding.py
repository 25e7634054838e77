# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""One process at a time on a file or a folder that is read, changed and written again.

The lock is the kernel's (flock) on a small file beside it, so that none outlives its process,
however that ended; its text says who has it. In a folder that cannot be written there is none,
and reading goes on.
"""

from datetime import datetime
import errno
import fcntl
import os
from pathlib import Path
import socket
import weakref

from smallbot.errors import InputError

_HERE: 'weakref.WeakValueDictionary[str, Hold]' = weakref.WeakValueDictionary()
"""What this process holds, by the path of the lock."""


class HeldError(InputError):
    """Another process is at work on it; the message names it, in one line."""


class Hold:
    """A file or folder that belongs to this process as long as this object lives."""

    def __init__(self, lock: Path, handle: int | None):
        self.lock = lock
        self._end = weakref.finalize(self, _let_go, lock, handle, os.getpid())

    def release(self) -> None:
        """Let others have it."""
        self._end()


def hold(path: Path) -> Hold:
    """Return the hold of this process on a file, or on a folder that exists.

    Other holds of the same process are the same one. Raises HeldError where another has it.
    """
    real = Path(os.path.realpath(path))
    lock = real / '.smallbot.lock' if real.is_dir() else real.with_name(f'.{real.name}.lock')
    held = _HERE.get(str(lock))
    if held is None or not held._end.alive:
        held = _HERE[str(lock)] = Hold(lock, _locked(lock, path))
    return held


def _locked(lock: Path, path: Path) -> int | None:
    """Return the descriptor that holds the lock; None where there can be none."""
    while True:
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                lock = lock.with_name('.smallbot.lock')
                continue
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            said = os.read(handle, 400).decode(errors='replace').strip()
            os.close(handle)
            raise HeldError(f'{path}: in use by {said or "another process"}: wait until it has '
                            f'ended, end it, or choose another') from None
        except OSError:  # a file system without locks
            os.close(handle)
            return None
        if _names(lock, handle):
            break
        os.close(handle)  # whoever had it has just taken it away
    os.ftruncate(handle, 0)
    since = datetime.now().astimezone().isoformat(' ', 'seconds')
    said = f'process {os.getpid()} on {socket.gethostname()} since {since}\n'
    try:
        os.write(handle, said.encode())
    except OSError:  # a full disk: the lock holds without its text
        pass
    return handle


def _names(lock: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(lock), os.fstat(handle))
    except FileNotFoundError:
        return False


def _let_go(lock: Path, handle: int | None, owner: int) -> None:
    """Take the lock away, which a process that was forked from its owner must not do."""
    if handle is None:
        return
    if os.getpid() == owner and _names(lock, handle):
        try:
            os.unlink(lock)
        except OSError:
            pass
    os.close(handle)
