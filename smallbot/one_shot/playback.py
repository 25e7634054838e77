# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Playing a movement on an arm: approach, play, stop, each tick one velocity command.

Pure: it is told the time and the arm's position, and returns what to send. What it plays comes
from a function that advances the trainee by one step.
"""

from collections.abc import Callable, Sequence
from enum import Enum
import math

import numpy as np

from smallbot.arm.joint_limits import JointLimits
from smallbot.arm.safety import ease_velocity, limit_velocity, LONGEST_GAP

ARRIVED = 1e-3
"""Distance from the start pose at which playing may begin, rad."""
NEAR, PATIENCE = 6e-3, 1.0
"""Distance, rad, that is enough for an arm that gets no nearer for some time, s: whole references
of the real ED-Scorbot are 5.8 mrad apart at the base."""
TRUST, TRUST_AT_REST = 0.3, 2.0
"""How fast the way to the start follows the measured position instead of what has been sent, 1/s,
on the way and at its end: a real arm is behind what it is told by half a second."""
SLOW = 0.05
"""Speed below which the way to the start is at its end, rad/s."""
CATCH_UP = 0.1
"""Time constant with which the commands make up for limits and late ticks, s."""
SETTLE = 0.5
"""Longest time after the movement's end for making up, s."""
SLOPE_OVER = 4
"""Steps of the network before and after a time over which its slope there is taken."""
SLOPE_SECONDS = 0.1
"""Shortest time before and after over which that slope is taken, s: an arm that lags passes over
what is shorter, and to invert it would ask for speeds that the limits cut off."""
REPEAT_ZEROS = 0.3
"""How long zeros are sent after the arm has been stopped, s."""
TOO_LATE = 'a tick came'
"""How the reason of a halt begins that was the machine's fault alone."""
LOST = 0.5
"""Time since the command before, s, beyond which a movement is halted: nobody knows whether the
arm has gone on at that velocity or has been stopped by a dead-man of its own."""
STANDS = 0.05
"""Measured speed below which an arm that nobody here commands counts as standing, rad/s."""


class Phase(Enum):
    """What a playback is doing."""

    IDLE = 'idle'
    EASING = 'easing'
    PLAYING = 'playing'
    DONE = 'done'
    HALTED = 'halted'


class Playback:
    """The controller's state machine: idle, easing, playing, done; halted until reset.

    `command` is called at every tick and returns velocities [J], rad/s, or None when there is
    nothing to send. Commands never exceed the limits, also where ticks come late, and change from
    the one before at the acceleration limit whatever happens; the first goes on from what the arm
    is measured to do.
    """

    def __init__(self, limits: JointLimits, steps: int, step_seconds: float, period: float,
                 correction: float = 0.0, lag: Sequence[float] = ()):
        """Plan for ticks every `period` s and a trial of `steps` steps of `step_seconds` s.

        `lag` [J], s: time constant with which each joint follows what it is told, a first-order
        lag; the inverse of that is told instead. Empty: none.

        `correction`, 1/s: velocity added for each rad by which the arm is measured to be away
        from where the trainee wants it; 0 plays blindly. An arm that lags by `tau` swings above
        1 / (2 tau).
        """
        self.limits = limits
        self.correction = correction
        self.lag = np.array(lag if len(lag) else np.zeros(len(limits.lower)), dtype=float)
        self.steps = steps
        self.trial_seconds = steps * step_seconds
        self.period = period
        self.phase = Phase.IDLE
        self.reason = ''
        """Why it halted."""
        self.late = 0.0
        """By how much the movement has been put off in all, s, where ticks came late."""
        self.duration = 0.0
        self.began: float | None = None
        """Time at which the movement begins, s; with a lag the first command comes before it."""
        self._sent = np.zeros(len(limits.lower))
        self._sent_at: float | None = None
        self._before = self._sent, self._sent_at
        """The same before the last command."""
        self._stopped_at = -math.inf
        self._told_first: np.ndarray | None = None
        self._over = False
        """Whether the movement has been played and the arm only comes to rest."""

    @property
    def moving(self) -> bool:
        """Return whether a movement is under way."""
        return self.phase in (Phase.EASING, Phase.PLAYING)

    @property
    def at_rest(self) -> bool:
        """Return whether the last command was zero, and no halt waits to be obeyed."""
        return not self._sent.any() and self._stopped_at != math.inf

    @property
    def silent(self) -> bool:
        """Return whether nothing is being sent: the arm may be moved by others."""
        return self._sent_at is None

    @property
    def braking_seconds(self) -> float:
        """Return the longest time, s, that braking can take."""
        return float((self.limits.velocity / self.limits.acceleration).max())

    def start(self, pose: np.ndarray, duration: float,
              advance: Callable[[], np.ndarray]) -> None:
        """Begin: drive to `pose` [J], rad, then play for `duration` s.

        `advance` runs the trainee for one step and returns its velocities [J], rad/s of nominal
        time. Raises ValueError while halted or moving.
        """
        if self.phase is Phase.HALTED or self.moving:
            raise ValueError(f'{self.phase.value}: cannot start')
        self._pose, self.duration, self._advance = pose, duration, advance
        self.late = 0.0
        self._displacement = [np.zeros_like(pose)]
        self._velocity: list[np.ndarray] = []
        self._travelled, self._corrected = np.zeros_like(pose), np.zeros_like(pose)
        self._slope_over = self.slope_over(duration)
        self._sent_to: np.ndarray | None = None
        self._near_since = math.inf
        self.began = None
        self._followed_from = math.inf
        self._over = False
        self.phase, self._stopped_at = Phase.EASING, -math.inf

    def slope_over(self, duration: float) -> float:
        """Return the time before and after a moment, s, over which the slope of the way is taken.

        With a lag a playback of `duration` s also begins so much earlier; without one it is 0.
        """
        if not self.lag.any():
            return 0.0
        return max(SLOPE_OVER * duration / self.steps, SLOPE_SECONDS)

    def halt(self, reason: str) -> None:
        """Stop at the acceleration limit and stay stopped until `reset`."""
        if self.phase is not Phase.HALTED:
            self.phase, self.reason = Phase.HALTED, reason
            self._stopped_at = math.inf
        elif self.silent:
            self._stopped_at = math.inf

    def reset(self) -> None:
        """Allow movements again after a halt; raises ValueError while the arm still brakes."""
        if self.phase is Phase.HALTED and not self.at_rest:
            raise ValueError('the arm is still braking: try again in a moment')
        if not self.moving:
            self.phase, self.reason = Phase.IDLE, ''

    def fraction(self, now: float) -> float:
        """Return how much of the movement has been played, 0 to 1."""
        if self.phase is Phase.DONE:
            return 1.0
        if self.phase is not Phase.PLAYING or self.began is None:
            return 0.0
        return min(1.0, max(0.0, (now - self.began) / self.duration))

    def command(self, now: float, position: np.ndarray, velocity: np.ndarray | None = None,
                reckoned: np.ndarray | None = None, told: np.ndarray | None = None
                ) -> np.ndarray | None:
        """Return what to send at `now` (s, monotonic) for an arm at `position` [J], rad.

        `velocity` [J], rad/s, is what the arm is measured to do; it counts where nothing has been
        sent before. None: it stands. `reckoned` [J], rad, is where the arm should be by now if
        `position` is not of this moment: by that limits are kept. `told` [J], rad, is where the
        arm has been told to be, where that is not what velocities add up to.
        """
        self._before = self._sent, self._sent_at
        elapsed = self.period if self._sent_at is None else max(0.0, now - self._sent_at)
        if self.silent and (self.moving or self._stopped_at == math.inf):
            self._sent = self._found(velocity)
        if self.moving and elapsed > LOST:
            self.halt(f'{TOO_LATE} {elapsed - self.period:.2f} s late, the machine was busy or '
                      f'suspended')
        if self.phase is Phase.EASING:
            wanted = self._approach(now, position, elapsed)
            self._told_first = told
        if self.phase is Phase.PLAYING:
            if self._sent_at is not None and now > self._followed_from:
                self._travelled = self._travelled + self._sent * elapsed
                if elapsed > LONGEST_GAP:
                    if told is not None:
                        self._travelled = told - self._told_first
                    self._find_again(now, elapsed)
            wanted = self._follow(now, position, elapsed)
        if self.phase in (Phase.IDLE, Phase.DONE, Phase.HALTED):
            wanted = np.zeros_like(self._sent)
            if not self._sent.any():
                if self._stopped_at == math.inf:
                    self._stopped_at = now
                if now > self._stopped_at + REPEAT_ZEROS:
                    self._sent_at = None
                    return None
        self._sent = limit_velocity(wanted, self._sent,
                                    position if reckoned is None else reckoned, elapsed,
                                    self.limits)
        self._sent_at = now
        if self._over and self.phase is Phase.PLAYING and not self._sent.any():
            self.phase, self._stopped_at = Phase.DONE, now
        return self._sent

    def hold(self, now: float, elapsed: float, position: np.ndarray) -> np.ndarray | None:
        """Return what to send while a movement waits at the time `now`, s: it brakes, and stays.

        `elapsed`, s of real time since the command before; `position` [J], rad. None: nothing
        has been sent yet. The time that passes by `now` meanwhile is no time of the movement.
        """
        if self._sent_at is None:
            return None
        self._before = self._sent, self._sent_at
        passed = max(0.0, now - self._sent_at)
        if self.began is not None:
            self._travelled = self._travelled + self._sent * passed
            self.began += passed
            self.late += passed
        self._sent = limit_velocity(np.zeros_like(self._sent), self._sent, position, elapsed,
                                    self.limits)
        self._sent_at = now
        return self._sent

    def unsent(self) -> None:
        """Take the last command back: it could not be sent, and the arm goes on as it was told."""
        self._sent, self._sent_at = self._before

    def _found(self, velocity: np.ndarray | None) -> np.ndarray:
        """Return the velocity [J], rad/s, to go on from where nothing has been sent before."""
        if velocity is None:
            return np.zeros_like(self._sent)
        known = np.isfinite(velocity) & (np.abs(np.nan_to_num(velocity)) > STANDS)
        return np.clip(np.where(known, velocity, 0.0), -self.limits.velocity,
                       self.limits.velocity)

    def _find_again(self, now: float, elapsed: float) -> None:
        """Put the movement off to the moment that the arm has come to, after a late tick.

        It has gone on as it was told last; of the moments that have passed meanwhile, the one
        whose place is nearest counts. So nothing is made up for in haste.
        """
        arm = self._travelled - self._corrected
        after = now - self.began
        first, last, at = after - elapsed, after, after
        for apart in (self.period, self.period / 10):
            moments = np.linspace(first, last, 1 + math.ceil((last - first) / apart))
            away = [np.abs(self._told(moment) - arm).max() for moment in moments]
            at = float(moments[int(np.argmin(away))])
            first, last = max(first, at - apart), min(last, at + apart)
        self.late += now - self.began - at
        self.began = now - at

    def _approach(self, now: float, position: np.ndarray, elapsed: float) -> np.ndarray:
        """Return the velocity to the start pose; go over to playing once the arm is there.

        The way is planned from where the arm has been sent to, drawn slowly to where it is:
        steering by a position that lags would swing about the pose.
        """
        if self._sent_to is None or not np.isfinite(self._sent_to).all():
            self._sent_to = position
        speed = np.abs(self._sent).max()
        trust = TRUST if speed > SLOW else TRUST_AT_REST
        ahead = self._sent_to + self._sent * elapsed
        self._sent_to = ahead + (position - ahead) * min(1.0, trust * elapsed)
        away = np.abs(position - self._pose).max()
        self._near_since = min(self._near_since, now) if away < NEAR else math.inf
        if away < ARRIVED or now > self._near_since + PATIENCE:
            if speed < 0.02:
                self.phase, self._origin, self._followed_from = Phase.PLAYING, position, now
                self.began = now + self._slope_over
            return np.zeros_like(self._sent)
        return ease_velocity(self._sent_to, self._pose, self.period)

    def _follow(self, now: float, position: np.ndarray, elapsed: float) -> np.ndarray:
        """Return the velocity over the coming period, plus what makes up for the past."""
        at = now - self.began
        here, there = self._told(at), self._told(at + self.period)
        if self.correction:
            self._corrected = self._corrected + self.correction * elapsed * (
                self._origin + self._path(at) - position)
        behind = here + self._corrected - self._travelled
        arrived = not self.correction and np.abs(behind).max() < 1e-4
        end = self.duration + self._slope_over
        if at >= end and (arrived or at >= end + SETTLE):
            self._over = True
        if self._over:
            return np.zeros_like(behind)
        return (there - here) / self.period + behind / CATCH_UP

    def _told(self, at: float) -> np.ndarray:
        """Return where the joints [J], rad, are to be told to be so that they are there in time.

        A joint that obeys lag dy/dt = told - y is at y when it is told y + lag dy/dt. The slope
        is that over some steps of the network, whose velocity is made of single spikes.
        """
        apart = self._slope_over
        if not apart:
            return self._path(at)
        here, after = self._path(at), self._path(at + apart)
        return here + self.lag * (after - self._path(at - apart)) / (2 * apart)

    def _path(self, at: float) -> np.ndarray:
        """Return the displacement [J], rad, that the trainee wants at `at` s after the start.

        Its velocities stand for the middles of its steps, with straight lines between them; the
        integral of that is exact, so the arm's way is the trainee's whatever the tick rate.
        """
        scale = self.duration / self.trial_seconds
        step = self.duration / self.steps
        at = min(max(at, 0.0), self.duration)
        middle = at / step - 0.5
        before = math.floor(middle)
        known = min(before + 1, self.steps - 1)
        while len(self._velocity) <= known:
            velocity = self._advance() / scale
            last = self._velocity[-1] if self._velocity else 0.0
            self._displacement.append(self._displacement[-1] + 0.5 * step * (last + velocity))
            self._velocity.append(velocity)
        if before < 0:
            return self._velocity[0] * at
        if before >= self.steps - 1:
            last = self.steps - 1
            return (self._displacement[last + 1]
                    + self._velocity[last] * (at - (last + 0.5) * step))
        share = middle - before
        first, second = self._velocity[before], self._velocity[before + 1]
        return (self._displacement[before + 1]
                + step * share * (first + 0.5 * share * (second - first)))
