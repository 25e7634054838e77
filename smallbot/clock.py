"""The clock that motion goes by."""

import time


def steady() -> float:
    """Return the time, s, by a clock that no one sets and that a suspended machine does not stop.

    Where there is none, one that stands still while the machine is suspended.
    """
    boot = getattr(time, 'CLOCK_BOOTTIME', None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)
