"""What may be sent to an arm: limits that look ahead, dead-men, an easing approach.

Pure functions and one small state; no clock is read here. Not here: stopping a process in an
orderly way (`nodes.spin`), a real arm's own limits (its driver).
"""

import math

import numpy as np

from smallbot.arm.kinematics import JointLimits

LONGEST_GAP = 0.05
"""Longest time between two commands that braking distances allow for, s."""
EASE_SPEED = 0.2
"""Fastest joint on the way to a start pose, rad/s."""
EASE_ACCELERATION = 0.5
"""Acceleration on that way, rad/s^2."""


def limit_velocity(wanted: np.ndarray, last: np.ndarray, position: np.ndarray, elapsed: float,
                   limits: JointLimits, longest_gap: float = LONGEST_GAP) -> np.ndarray:
    """Return the joint velocities [J], rad/s, that may be sent now.

    Parameters: `wanted` [J]; `last` [J], what was sent before; `position` [J], rad, now;
    `elapsed`, s since `last` was sent; `longest_gap`, s, the longest time this command can be
    held before the next. A `wanted` or a `position` that is not finite asks for zero: the joint
    brakes; a `last` that is not finite counts as zero.

    The result changes by no more than acceleration x elapsed, stays within the velocity limit,
    and is slow enough that braking at the acceleration limit ends before a position limit,
    whatever the gaps between commands up to `longest_gap`. An arm beyond a limit may only move
    back.
    """
    known = np.isfinite(position)
    wanted = np.where(np.isfinite(wanted) & known, wanted, 0.0)
    last = np.where(np.isfinite(last), last, 0.0)
    position = np.where(known, position, 0.0)
    elapsed = min(max(elapsed, 0.0), longest_gap) if math.isfinite(elapsed) else 0.0
    change = limits.acceleration * elapsed
    up = np.minimum(limits.velocity,
                    _braking_speed(limits.upper - position, limits, longest_gap))
    down = np.minimum(limits.velocity,
                      _braking_speed(position - limits.lower, limits, longest_gap))
    allowed = np.clip(wanted, -down, up)
    return np.clip(np.clip(allowed, last - change, last + change),
                   -limits.velocity, limits.velocity)


def _braking_speed(room: np.ndarray, limits: JointLimits, gap: float) -> np.ndarray:
    """Return the speed [J] from which the arm just stops in `room` [J]; 0 where there is none.

    The worst that can happen is that every command is held for the whole of `gap`: a staircase
    down to zero whose treads lose q = acceleration x gap. From (n + r) q, 0 <= r < 1, it is
    (n (n + 1) / 2 + r (n + 1)) x acceleration x gap^2 long; this is the inverse.
    """
    tread = limits.acceleration * gap
    treads = np.clip(room / (tread * gap), 0, 1e9)
    whole = np.floor((np.sqrt(1 + 8 * treads) - 1) / 2)
    return tread * (whole + (treads - whole * (whole + 1) / 2) / (whole + 1))


def ease_velocity(position: np.ndarray, target: np.ndarray, elapsed: float,
                  speed: float = EASE_SPEED, acceleration: float = EASE_ACCELERATION
                  ) -> np.ndarray:
    """Return velocities [J], rad/s, that bring an arm from `position` to `target` on a line.

    All joints arrive together, the one with the longest way at no more than `speed`, slowing
    down at `acceleration`. `limit_velocity` shapes the start.
    """
    way = target - position
    longest = np.abs(way).max()
    if longest == 0 or not np.isfinite(longest):
        return np.zeros_like(way)
    fastest = min(speed, math.sqrt(2 * acceleration * longest), longest / max(elapsed, 1e-3))
    return way * (fastest / longest)


def way_is_within(position: np.ndarray, target: np.ndarray, limits: JointLimits,
                  tolerance: float = 1e-3) -> bool:
    """Return whether the straight line between two poses [J] stays within the joint limits.

    Limits are a box, so its ends decide.
    """
    ends = np.stack([position, target])
    return bool(np.isfinite(ends).all() and (ends >= limits.lower - tolerance).all()
                and (ends <= limits.upper + tolerance).all())


class Watchdog:
    """A dead-man: expired until it is fed, and again `timeout` seconds after the last time.

    Times come from a monotonic clock of the caller's, s. A clock that jumps back, or is not a
    number, can only make it expire sooner.
    """

    def __init__(self, timeout: float):
        if not (math.isfinite(timeout) and timeout > 0):
            raise ValueError(f'timeout {timeout} s: expected a finite number above 0')
        self.timeout = timeout
        self._fed: float | None = None

    def feed(self, now: float) -> None:
        """Note that what is watched for has come at `now`."""
        self._fed = now if math.isfinite(now) else None

    def reset(self) -> None:
        """Forget every feeding: expired until the next."""
        self._fed = None

    def age(self, now: float) -> float:
        """Return the seconds since the last feeding; infinite where there is no telling."""
        if self._fed is None or not math.isfinite(now) or now < self._fed:
            return math.inf
        return now - self._fed

    def expired(self, now: float) -> bool:
        """Return whether the last feeding is more than `timeout` ago."""
        return self.age(now) > self.timeout
