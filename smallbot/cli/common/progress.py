# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The bar of whatever takes more than about two seconds: how far it is, and the time left.

One way for all verbs: on stderr, where that is a terminal, and gone when the work is done. Work in
equal items has a `bar`, work in unlike steps `stages`. What is printed meanwhile goes through
`say`, so that it stands above the bar.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
import sys
import threading
import time
from typing import Any

from smallbot.cli.common import interruption

ITEMS = ('{desc}{percentage:3.0f} %|{bar:20}| {n_fmt}/{total_fmt} {unit}, {elapsed}, '
         '{remaining} left{postfix}')
STAGES = '{desc}{percentage:3.0f} %|{bar:20}| {elapsed}, {remaining} left'
TICK = 0.2
"""Between two looks at the clock, s."""
ALMOST = 0.95
"""Share of a stage beyond which a bar does not go before the stage is done."""


def bar(total: int, label: str = '', unit: str = '', done: int = 0):
    """Return the bar of `total` items, `done` of which are there already, as tqdm's."""
    return _bar(total=total, desc=label and f'{label}: ', unit=unit, initial=done,
                bar_format=ITEMS)


@contextmanager
def stages(expected: Mapping[str, float]) -> Iterator[Callable[[str], None]]:
    """Show the bar of stages, and yield what is called with the name of each as it begins.

    Parameters: `expected`, how long each takes, s, in their order. They need only be right in
    proportion: the time left follows from the time that was taken so far. Within a stage the bar
    goes by the clock; a stage that is left out, or is not among them, does no harm.
    """
    begins, at = {}, 0.0
    for name, seconds in expected.items():
        begins[name], at = at, at + seconds
    ended, lock = threading.Event(), threading.Lock()
    with _bar(total=at, bar_format=STAGES, smoothing=0) as shown:
        started = time.monotonic()
        stage = [next(iter(expected)), started]

        def show() -> None:
            with lock:
                name, began = stage
                # A machine that took longer for what is done will for what is under way.
                pace = max(1.0, (began - started) / begins[name]) if begins[name] else 1.0
                within = (time.monotonic() - began) / pace
                if within > TICK / 2:
                    shown.n = max(shown.n, begins[name] + min(within, ALMOST * expected[name]))
                shown.refresh()

        def begin(name: str) -> None:
            if name not in expected:
                return
            with lock:
                stage[:] = name, time.monotonic()
                shown.n = max(shown.n, begins[name])
                shown.set_description(name, refresh=False)
            show()

        def tick() -> None:
            while not ended.wait(TICK):
                if not _Quiet.asked:
                    show()

        begin(stage[0])
        clock = threading.Thread(target=tick, daemon=True)
        if not shown.disable:
            clock.start()
        try:
            with redirect_stderr(_Above(sys.stderr)):
                yield begin
        finally:
            ended.set()
            if clock.is_alive():
                clock.join()


def say(line: object) -> None:
    """Print a line on standard output, above a bar where there is one."""
    from tqdm import tqdm

    with tqdm.external_write_mode(sys.stdout):
        print(line, flush=True)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep bars of stages away, so that somebody can be asked something on the terminal."""
    from tqdm import tqdm

    _Quiet.asked = True
    try:
        with tqdm.external_write_mode(sys.stderr):
            yield
    finally:
        _Quiet.asked = False


class _Above:
    """Standard error while a bar is shown: lines that are written to it stand above the bar."""

    def __init__(self, stream: Any):
        self._stream, self._line = stream, ''

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        from tqdm import tqdm

        lines, ended, self._line = (self._line + text).rpartition('\n')
        if ended:
            with tqdm.external_write_mode(self._stream):
                self._stream.write(lines + ended)
        return len(text)


class _Quiet:
    asked = False


def _bar(**options: Any):
    from tqdm import tqdm

    class Bar(tqdm):
        """Lets Ctrl-C know whether there is a line to be cleared."""

        def close(self) -> None:
            super().close()
            interruption.shown(False)

    interruption.shown(sys.stderr.isatty())
    return Bar(file=sys.stderr, disable=None, leave=False, dynamic_ncols=True, **options)
