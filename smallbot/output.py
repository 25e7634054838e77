# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Standard output that may be closed, full or read by nobody any more.

What cannot be printed is lost, but nothing else is: work goes on, files are written, and the
command ends with one line and code 1. An arm in motion is not left for a broken pipe.
"""

from collections.abc import Callable
from functools import wraps
import os
import sys
from typing import Any

FAILED = 1
"""Exit code of a command whose output could not be written."""


class Stream:
    """A text stream that never raises; `lost` is the error after which nothing was written."""

    def __init__(self, stream: Any):
        self._stream = stream
        self.lost: OSError | ValueError | None = None

    def __getattr__(self, name: str) -> Any:
        """Be the stream in all else."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or drop what cannot be written."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, if it can be."""
        self._try(self._stream.flush)

    def _try(self, act: Callable[[], Any]) -> None:
        if self.lost is not None:
            return
        try:
            act()
        except (OSError, ValueError) as error:
            self.lost = error
            try:
                # What is left in buffers must not fail once more when the process ends.
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._stream.fileno())
                os.close(null)
            except (OSError, ValueError):
                pass


def told(command: Callable[..., int]) -> Callable[..., int]:
    """Return a command that says in a line, with code 1, that its output could not be written."""
    @wraps(command)
    def run(*arguments: Any, **options: Any) -> int:
        before = sys.stdout, sys.stderr
        _occupy()
        out, err = (Stream(stream or open(number, 'w', closefd=False))
                    for number, stream in enumerate(before, 1))
        for stream in (out, err):
            if hasattr(stream, 'reconfigure'):  # in any locale, whatever is to be said
                stream.reconfigure(errors='backslashreplace')
        sys.stdout, sys.stderr = out, err
        ended = None
        try:
            try:
                code = command(*arguments, **options)
            except SystemExit as error:
                ended, code = error, error.code
            out.flush()
            if out.lost is not None:
                why = ('nobody reads it any more' if isinstance(out.lost, BrokenPipeError) else
                       getattr(out.lost, 'strerror', None) or out.lost)
                err.write(f'smallbot: standard output cannot be written: {why}\n')
                code = code or FAILED
            err.flush()
        finally:
            sys.stdout, sys.stderr = before
        if ended is not None:
            raise SystemExit(code) from None
        return code
    return run


def _occupy() -> None:
    """Open what is closed of the three standard descriptors, or a file would get its number.

    To write to standard output then fails, as it should.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)
