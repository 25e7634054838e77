# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""How the process of a node ends: on signals, from its first import on, and soon.

Nothing but the standard library, as it is imported before everything else. Not here: what a node
does before its process ends (`spin`).
"""

import atexit
from contextlib import suppress
import os
from pathlib import Path
import signal
import sys
import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Signals by which a process is asked to end."""
SWITCH = 0.0005
"""Python's thread switch interval, s: a control thread must not wait 5 ms for its turn."""
MIDDLEWARE = 3.0
"""How long a process may live on once all of ours in it has been stopped, s: a launch sends
SIGTERM after 5."""
KERNEL = 1.0
"""How much longer where nothing in it, not even another thread, gets its turn, s."""
_codes: list[int] = []


def prepare(folder: Path) -> None:
    """Make ready for the end where this interpreter was started to run a node of `folder`.

    While modules are imported, which takes seconds, a signal ends it at once, without a
    traceback; and when a node has stopped, the interpreter does not take itself apart.
    """
    program, words = sys.argv[0] if sys.argv else '', sys.orig_argv
    if program == '-m':  # as long as the module is being looked for
        program = words[words.index('-m') + 1] if '-m' in words[:-1] else ''
        program = program.rpartition('.')[2]
    if folder.joinpath(f'{Path(program).stem}.py').is_file():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        atexit.register(_leave)  # as the first, so that it is the last to be called


def end_at_once() -> None:
    """Let SIGINT and SIGTERM end this process with 0 at once: nothing is there to stop yet."""
    for number in SIGNALS:
        signal.signal(number, lambda *_: os._exit(0))


def stop_event() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set from now on, instead of what they did."""
    asked = threading.Event()
    for number in SIGNALS:
        signal.signal(number, lambda *_: asked.set())
    sys.setswitchinterval(SWITCH)
    return asked


def ended(code: int) -> int:
    """Take note that all is stopped, and of the exit code, which is returned."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _codes.append(code)
    return code


def leave_within(seconds: float, code: int) -> None:
    """End this process with `code` after `seconds`, if it has not ended by then.

    For when all of ours has been stopped: once in a hundred ends the middleware does not come
    back from shutting down. Where it holds the interpreter, the system ends the process (SIGALRM).
    """
    def leave() -> None:
        with suppress(OSError, ValueError):
            print(f'all is stopped, but the middleware has not ended within {seconds:g} s: left '
                  f'without it', file=sys.stderr, flush=True)
        os._exit(code)
    watch = threading.Timer(seconds, leave)
    watch.daemon = True
    watch.start()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds + KERNEL)


def _leave() -> None:
    """End a process that has stopped: to free torch and the middleware takes half a second."""
    if _codes:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_codes[-1])
