# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What may be sent to an arm: limits that look ahead, dead-men, an easing approach, a gate.

Pure: no clock is read here. Not here: stopping a process in an orderly way (`nodes.spin`), a
real arm's own limits (its driver).
"""

from collections.abc import Sequence
import math

import numpy as np

from smallbot.arm.joint_limits import JointLimits

LONGEST_GAP = 0.05
"""Longest time between two commands that braking distances allow for, s."""
EASE_SPEED = 0.2
"""Fastest joint on the way to a start pose, rad/s."""
EASE_ACCELERATION = 0.5
"""Acceleration on that way, rad/s^2."""
EASE_IN = 0.5
"""Time over which the speed that is allowed grows from zero when an arm begins to move, s."""
REST = 0.02
"""Speed up to which a command counts as standing still, rad/s."""


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


class Gate:
    """All rules of this file between velocity commands and an arm: `send` says what passes.

    Commands and states come in whenever they come, `send` is called at every tick. Stopped by
    whatever it was, the gate lets the arm brake and then only zeros through until `reset`; after
    that the first command must be one at rest, so that a stream that went on meanwhile does not
    make the arm jump.

    Three dead-men stop it: no command for `command_timeout` s while the last one asks for
    motion, no state for `state_timeout` s while the arm moves, and whoever calls `stop`, as a
    process does that was told to end. Between states the position is the last one plus what has
    been sent since.
    """

    def __init__(self, limits: JointLimits, period: float, command_timeout: float,
                 state_timeout: float, ease_in: float = EASE_IN):
        """Plan for a tick every `period` s, at most `LONGEST_GAP`."""
        if not 0 < period <= LONGEST_GAP:
            raise ValueError(f'period {period} s: expected above 0 and at most {LONGEST_GAP}')
        self.limits = limits
        self.period = period
        self.ease_in = ease_in
        self.stopped = ''
        """Why it is stopped; empty: it is not."""
        self.sent = np.zeros(len(limits.lower))
        """What `send` returned last [J], rad/s."""
        self._command_age = Watchdog(command_timeout)
        self._state_age = Watchdog(state_timeout)
        self._wanted = np.zeros_like(self.sent)
        self._position = np.full_like(self.sent, np.nan)
        self._position_at = -math.inf
        self._sent_at: float | None = None
        self._easing = 0.0
        self._must_rest = False

    @property
    def at_rest(self) -> bool:
        """Return whether what was sent last is zero."""
        return not self.sent.any()

    def command(self, velocity: Sequence[float], now: float) -> None:
        """Take joint velocities [J], rad/s.

        Raises ValueError, and keeps the command before, for a wrong number of values or one that
        is not finite, while stopped, for motion right after a reset, and for motion from rest
        without a fresh state.
        """
        wanted = np.asarray(velocity, dtype=float)
        if wanted.shape != self.sent.shape or not np.isfinite(wanted).all():
            raise ValueError(f'velocity command {list(velocity)}: expected {len(self.sent)} '
                             f'finite numbers')
        if self.stopped:
            raise ValueError(f'stopped ({self.stopped}): reset first')
        motion = np.abs(wanted).max() > REST
        if motion and self._must_rest:
            raise ValueError('the first command after a reset must be zero: stop what sends '
                             'commands, then start it again')
        if motion and self.at_rest and self._state_age.expired(now):
            raise ValueError(f'the state of the arm is {self._state_age.age(now):.1f} s old: no '
                             f'motion begins without a fresh one')
        self._must_rest = False
        self._wanted = wanted
        self._command_age.feed(now)

    def state(self, position: np.ndarray, now: float) -> None:
        """Take the arm's position [J], rad; one that is not finite is no news."""
        if np.isfinite(position).all():
            self._position, self._position_at = np.array(position, dtype=float), now
            self._state_age.feed(now)

    def stop(self, reason: str) -> None:
        """Brake and stay stopped until `reset`; the first reason stands."""
        self.stopped = self.stopped or reason
        self._wanted = np.zeros_like(self.sent)

    def reset(self) -> None:
        """Let commands through again; raises ValueError while the arm still brakes."""
        if not self.at_rest:
            raise ValueError('the arm is still braking: try again in a moment')
        self._must_rest = self._must_rest or bool(self.stopped)
        self.stopped = ''
        self._command_age.reset()

    def send(self, now: float) -> np.ndarray:
        """Return the velocities [J], rad/s, to send at `now` (s, monotonic), for a tick.

        A tick that comes later than `LONGEST_GAP`, or at a time that cannot be, counts as one in
        time; as nobody knows then where the arm is, it brakes until the next state.
        """
        since = math.nan if self._sent_at is None else now - self._sent_at
        if not 0 <= since <= LONGEST_GAP:
            if self._sent_at is not None:
                self._position = np.full_like(self.sent, np.nan)
            since = self.period
        self._position = self._position + self.sent * min(since, max(0, now - self._position_at))
        self._sent_at = self._position_at = now
        if self._state_age.expired(now) and not self.at_rest:
            self.stop(f'the state of the arm is {self._state_age.age(now):.2f} s old')
        if self._command_age.expired(now) and self._wanted.any():
            self.stop(f'no velocity command for {self._command_age.age(now):.2f} s')
        limits = self.limits
        if self.at_rest:
            self._easing = 0.0
        self._easing = min(self._easing + since, self.ease_in)
        fastest = limits.velocity * (self._easing / self.ease_in if self.ease_in > 0 else 1.0)
        self.sent = limit_velocity(np.clip(self._wanted, -fastest, fastest), self.sent,
                                   self._position, since, limits)
        return self.sent.copy()
