# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Velocity commands as short trajectories that end at rest, for a controller of positions.

Each command replaces the trajectory before: on from where that one leads, to the velocity that is
wanted now, and then down to rest. Who follows it and hears no more comes to rest by itself at the
last point: that is its dead-man. Pure: it is told the time. Not here: messages.
"""

from typing import NamedTuple

import numpy as np

from smallbot.arm.joint_limits import JointLimits

LEAD = 0.05
"""Time of the first point, s, and so how much later a command takes effect than in velocity: in it
the follower makes up for messages that do not come at even times."""
HOLD = 0.04
"""How long the velocity that was wanted is kept before braking begins, s: how late the next
command may be without slowing the arm down."""
SETTLE = 0.5
"""Time that a follower is given to where the arm is measured to be before a movement, s."""
CLOSEST = 1e-7
"""Points nearer in time than this are one, s; what that costs is below 1e-6 rad."""


class Points(NamedTuple):
    """A trajectory of K points with constant acceleration between them.

    So cubic interpolation of positions and velocities, as joint_trajectory_controller's, is the
    trajectory itself.
    """

    time: np.ndarray
    """[K], s, strictly increasing."""
    position: np.ndarray
    """[K, J], rad."""
    velocity: np.ndarray
    """[K, J], rad/s; the last is zero."""

    def at(self, moment: float) -> tuple[np.ndarray, np.ndarray]:
        """Return position and velocity [J]; at rest before the first point and after the last."""
        before = int(np.searchsorted(self.time, moment, side='right')) - 1
        if before < 0:
            return self.position[0], np.zeros_like(self.velocity[0])
        if before == len(self.time) - 1:
            return self.position[-1], self.velocity[-1]
        since, span = moment - self.time[before], self.time[before + 1] - self.time[before]
        change = (self.velocity[before + 1] - self.velocity[before]) * since / span
        velocity = self.velocity[before]
        return self.position[before] + (velocity + change / 2) * since, velocity + change


class RollingTrajectory:
    """A reference that velocity commands push along, always with its way to rest.

    Whatever is commanded and however late, the reference is continuous in position and velocity,
    keeps to the limits of position, velocity and acceleration, and ends at rest within them.
    """

    def __init__(self, limits: JointLimits, period: float):
        """Plan for a command every `period` s."""
        self._limits = limits
        self._period = period
        self._plan: Points | None = None
        self._settled = 0.0

    def begin(self, position: np.ndarray, now: float) -> Points:
        """Start at rest at `position` [J], rad; returns what to send, times from `now` (s).

        A follower may hold another position than it is measured at, and must not jump: it gets
        `SETTLE` s for the way.
        """
        self._settled = now + SETTLE
        rest = np.zeros((1, len(position)))
        self._plan = Points(np.array([self._settled]), np.array(position, dtype=float)[None], rest)
        return self._plan._replace(time=self._plan.time - now)

    def settling(self, now: float) -> bool:
        """Return whether it is too early for `advance`."""
        return self._plan is None or now + LEAD < self._settled

    def at(self, now: float) -> np.ndarray:
        """Return where the follower has been told to be [J], rad, at `now`."""
        return self._plan.at(now)[0]

    def advance(self, wanted: np.ndarray, now: float) -> Points:
        """Take a velocity command [J], rad/s; returns what to send, times from `now`.

        A command that is not finite asks for zero.
        """
        start = now + LEAD
        onward = self._onward(np.where(np.isfinite(wanted), wanted, 0.0), *self._plan.at(start))
        # On the way to the start the plan stays; of what is past, the last point still counts.
        kept = slice(max(0, np.searchsorted(self._plan.time, now, side='right') - 1),
                     np.searchsorted(self._plan.time, start - CLOSEST))
        self._plan = Points(*(np.concatenate([old[kept], new]) for old, new in zip(
            self._plan, onward._replace(time=start + onward.time))))
        return onward._replace(time=LEAD + onward.time)

    def _onward(self, wanted: np.ndarray, position: np.ndarray, velocity: np.ndarray) -> Points:
        """Return the way from a state [J] to `wanted` in one period, held, and then to rest.

        A joint that would come too close to a limit in that period, or be too fast after it to
        be held, brakes at once; the trajectory before ended within the limits, so this one does.
        """
        limits, period = self._limits, self._period
        change = limits.acceleration * period
        above, below = limits.upper - position, position - limits.lower
        up = self._fastest(above, velocity)
        down = self._fastest(below, -velocity)
        then = np.clip(np.clip(wanted, -down, up), velocity - change, velocity + change)
        room = np.where(velocity > 0, above, below)
        late = (then > up) | (then < -down) | (
            (velocity != 0) & (np.abs(velocity) * period / 2 > room))
        fall = np.where(late, 0.0, period + HOLD)
        peak = np.where(late, velocity, then)
        way = np.abs(peak) / limits.acceleration
        time = np.unique(np.concatenate([
            [0.0, period], fall, fall + np.where(way > CLOSEST, way, 0.0)]))
        after = time[:, None]
        speed = np.abs(peak) - limits.acceleration * np.maximum(after - fall, 0)
        rates = np.where((after < period) & ~late,
                         velocity + (then - velocity) * after / period,
                         np.sign(peak) * np.maximum(speed, 0))
        rates[-1] = 0.0
        ways = np.diff(time)[:, None] * (rates[1:] + rates[:-1]) / 2
        positions = position + np.concatenate([np.zeros_like(ways[:1]), ways.cumsum(axis=0)])
        apart = np.append(np.diff(time) > CLOSEST, True)
        return Points(time[apart], positions[apart], rates[apart])

    def _fastest(self, room: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Return the speed [J] that may be reached in a period, from `velocity` towards a limit.

        Reaching it, holding it and braking take no more than `room`: the root of
        s^2 / 2a + s (HOLD + period / 2) + velocity period / 2 = room.
        """
        acceleration = self._limits.acceleration
        delay = HOLD + self._period / 2
        left = np.maximum(room - velocity * self._period / 2, 0)
        speed = acceleration * (np.sqrt(delay ** 2 + 2 * left / acceleration) - delay)
        return np.minimum(speed, self._limits.velocity)
