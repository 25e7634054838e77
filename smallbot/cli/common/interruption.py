# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, from the first import on: one line, the code of what has failed, nothing lost.

A command that has nothing to keep yet ends on the spot, whatever it is importing: an exception
there would come out as a traceback, or be lost. Work that keeps what is done stands in a block of
`kept`: there KeyboardInterrupt is raised, once. Nothing but the standard library is imported.
"""

import atexit
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
import os
import signal
import sys
import time
from typing import Any

CODE = 1
"""Exit code of a command that was interrupted: it ran, and did not do what was asked for."""
PATIENCE = 5.0
"""How long what is done may take to be kept, s; then a further Ctrl-C ends it on the spot."""


class _State:
    command = 'smallbot'
    watching = False
    keeping = False
    kept = False
    """Whether there is something to be written before the end."""
    raised = False
    bar = False
    """Whether a bar of progress stands in the terminal's last line."""
    asked_at: float | None = None


def watch(command: str | None = None) -> None:
    """Let Ctrl-C end this process in one line that begins with `command`, if none is kept."""
    if command is not None:
        _State.command = command
    _State.watching = True
    signal.signal(signal.SIGINT, _interrupted)
    sys.unraisablehook = _unraisable


def again() -> None:
    """Watch again where others have minded Ctrl-C meanwhile, if this process is watched."""
    if _State.watching:
        watch()


def named(command: str) -> None:
    """Name the command in the line that says that it was interrupted."""
    _State.command = command


def asked() -> bool:
    """Return whether KeyboardInterrupt was raised; it may have come out as another exception."""
    return _State.raised


@contextmanager
def kept() -> Iterator[None]:
    """Raise KeyboardInterrupt on Ctrl-C within the block, once; whoever leaves it keeps the rest.

    After the block, and after the first one, they are passed over, for `PATIENCE`.
    """
    before, _State.keeping, _State.kept = _State.keeping, True, True
    try:
        yield
    finally:
        _State.keeping = before


def shown(bar: bool) -> None:
    """Say whether a bar of progress is shown, which the line of an interruption replaces."""
    _State.bar = bar


def over(code: int) -> None:
    """Say that nothing is left to be interrupted: what there is to be kept is kept.

    Unless all is done the process ends here, with `code`: to take the interpreter apart, with
    torch in it, takes most of a second.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if code == 0:
        return
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # closed, full, or read by nobody
            stream.flush()
    os._exit(code)


def _interrupted(*_: Any) -> None:
    now = time.monotonic()
    first = _State.asked_at is None
    if first:
        _State.asked_at = now
        if _State.keeping:
            _State.raised = True
            raise KeyboardInterrupt
    if _State.kept and now - _State.asked_at < PATIENCE:
        return
    _leave()


def _leave() -> None:
    """End on the spot, with what was printed so far."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(Exception):  # closed, full, or interrupted in the middle of a write
        sys.stdout.flush()
    with suppress(OSError):
        if _State.bar:
            os.write(2, b'\r\x1b[K')
        os.write(2, f'{_State.command}: interrupted\n'.encode(errors='backslashreplace'))
    os._exit(CODE)


_said_unraisable: Callable[[Any], Any] = sys.__unraisablehook__


def _unraisable(unraisable: Any) -> None:
    """Interrupt again where the interruption hit a place that cannot raise, such as `__del__`."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        _State.asked_at = None
        # A little later: here it could not be raised either.
        signal.signal(signal.SIGALRM, _interrupted)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        _said_unraisable(unraisable)
