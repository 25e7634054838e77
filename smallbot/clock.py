# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The clocks that motion goes by: one that only runs, and one that may be simulated.

The dead-men look at the first alone. Not here: where a simulated time comes from (the nodes).
"""

from collections.abc import Callable
import math
import time

STANDS = 0.25
"""How long a clock may show the same time before it counts as standing still, s: a simulator that
is ten times too slow still moves its clock ten times a second."""
LEAP, FASTEST = 0.5, 20.0
"""A clock leaps that goes on by more than so many seconds beyond so many times the real time."""


def steady() -> float:
    """Return the time, s, by a clock that no one sets and that a suspended machine does not stop.

    Where there is none, one that stands still while the machine is suspended.
    """
    boot = getattr(time, 'CLOCK_BOOTTIME', None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class MotionClock:
    """The time of what moves, from a clock that may run at any speed, stand still or be set.

    `now`, s, only ever grows, at the speed of the `source`; steps of the source back and leaps
    ahead are no time, and noted in `jumped`. Where nothing is to be moved on, as in an arm that
    brakes, it grows at least as fast as real time, so that a source that stands keeps no arm from
    coming to rest.
    """

    def __init__(self, real: Callable[[], float] = steady,
                 source: Callable[[], float] | None = None, stands: float = STANDS):
        """Go by `source`, s, and where there is none by the `real` time, s.

        `stands`, s, is how long it may show the same time.
        """
        self.jumped = ''
        """How the source has jumped since this was emptied; empty: it has not."""
        self.standing = source is not None
        """Whether the source stands still, or has not been seen to go on yet."""
        self._real, self._source, self._stands = real, source, stands
        self._seen = self.now = real()
        self._ran = -math.inf
        self._shown = source() if source is not None else self.now

    def look(self, moving: bool = True) -> float:
        """Look at the source; returns `now`.

        `moving`: time is what the source shows and no more, as for a movement that is played.
        """
        real = self._real()
        if self._source is None:
            self.now = real
            return self.now
        shown = self._source()
        passed, change = max(0.0, real - self._seen), shown - self._shown
        self._seen, self._shown = real, shown
        if change:
            self._ran = real
        self.standing = real - self._ran > self._stands
        if change < 0 or change > LEAP + FASTEST * passed:
            self.jumped = f'{"went back" if change < 0 else "leapt ahead"} by {abs(change):.2f} s'
            change = 0.0
        self.now += change if moving else max(change, passed)
        return self.now
