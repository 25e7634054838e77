"""A simulated arm without dynamics: joints follow velocity commands at once, within limits.

It stops by itself when commands cease, it can be guided along a path as a person's hand would,
and it can be sent home.
"""

from collections.abc import Sequence
import math

import numpy as np

from smallbot.arm.kinematics import Arm
from smallbot.arm.safety import (
    EASE_SPEED,
    ease_velocity,
    limit_velocity,
    LONGEST_GAP,
    Watchdog,
)

COMMAND_TIMEOUT = 0.5
"""Age of a command beyond which the arm stops, s."""
LONGEST_PART = LONGEST_GAP / 2
"""Longest time moved on at once, s: half the gap that braking allows for, as a joint's speed here
changes at the beginning of the time it is held for and not at the end."""
HOME_TOLERANCE = 1e-4
"""Distance from home that counts as home, rad."""


class KinematicArm:
    """Positions and velocities of an arm's driven joints, moved on by `step`.

    What decides the movement, first that applies: a guiding hand, the way home, the last
    velocity command if it is fresh; otherwise the arm brakes.
    """

    def __init__(self, arm: Arm, command_timeout: float = COMMAND_TIMEOUT):
        self.arm = arm
        self.rest = np.clip(np.zeros(len(arm.driven)), arm.limits.lower, arm.limits.upper)
        """Home [J], rad: zero, or the limit nearest to it."""
        self.position = self.rest.copy()
        self.velocity = np.zeros(len(arm.driven))
        self.command_age = Watchdog(command_timeout)
        self._command = np.zeros(len(arm.driven))
        self._guide: tuple[np.ndarray, np.ndarray] | None = None
        self._guide_began = 0.0
        self._homing = False

    @property
    def guided(self) -> bool:
        """Return whether a hand is moving the arm."""
        return self._guide is not None

    @property
    def homing(self) -> bool:
        """Return whether the arm is on its way home."""
        return self._homing

    def command(self, velocity: Sequence[float], now: float) -> None:
        """Take joint velocities [J], rad/s, in the order of the driven joints.

        Raises ValueError, and keeps the command before, for a wrong number of values or one
        that is not finite. A command ends the way home, but not a guiding hand.
        """
        values = np.asarray(velocity, dtype=float)
        if values.shape != self._command.shape or not np.isfinite(values).all():
            raise ValueError(f'velocity command {list(velocity)}: expected '
                             f'{len(self._command)} finite numbers, '
                             f'for {", ".join(self.arm.driven)}')
        self._command = values
        self.command_age.feed(now)
        self._homing = False

    def guide(self, time: np.ndarray, position: np.ndarray, now: float) -> None:
        """Move along positions [S, J], rad, at `time` [S], s from now, as a hand would.

        The hand first takes the arm to the first position at no more than 0.2 rad/s. Raises
        ValueError for positions beyond the limits, times that do not increase, or wrong shapes.
        """
        time, position = np.asarray(time, dtype=float), np.asarray(position, dtype=float)
        if position.shape != (len(time), len(self._command)) or len(time) < 2:
            raise ValueError(f'guide of shape {position.shape} for {len(time)} times: expected '
                             f'[S, {len(self._command)}] and at least 2')
        if not np.isfinite(position).all() or not (np.diff(time) > 0).all() or time[0] < 0:
            raise ValueError('guide: expected finite positions at increasing times')
        limits = self.arm.limits
        if (position < limits.lower - 1e-3).any() or (position > limits.upper + 1e-3).any():
            raise ValueError(f'guide leaves the joint limits of {", ".join(self.arm.driven)}')
        approach = np.abs(position[0] - self.position).max() / EASE_SPEED
        if approach > 1e-3:
            lead = approach + 0.1
            time = np.concatenate([[0.0], time - time[0] + lead])
            position = np.vstack([self.position, position])
        self._guide, self._guide_began, self._homing = (time, position), now, False

    def release(self) -> None:
        """Take the guiding hand away."""
        self._guide = None

    def home(self) -> None:
        """Go to `rest`, at no more than 0.2 rad/s."""
        self._homing = True
        self.release()
        self.command_age.reset()

    def reset(self) -> None:
        """Stand still, forget commands, guide and the way home; positions stay."""
        self.release()
        self._homing = False
        self._command = np.zeros_like(self._command)
        self.command_age.reset()

    def step(self, elapsed: float, now: float) -> None:
        """Move on by `elapsed` seconds to the time `now`.

        A step longer than the command timeout, as after a pause of the process, counts as that
        long: a command reaches no further.
        """
        if not elapsed > 0:
            return
        if self._guide is not None:
            self._follow_hand(elapsed, now)
            return
        elapsed = min(elapsed, self.command_age.timeout)
        parts = math.ceil(elapsed / LONGEST_PART)
        for _ in range(parts):
            wanted = self._wanted(elapsed / parts, now)
            self.velocity = limit_velocity(wanted, self.velocity, self.position, elapsed / parts,
                                           self.arm.limits)
            self._move(self.position + self.velocity * (elapsed / parts))

    def _wanted(self, elapsed: float, now: float) -> np.ndarray:
        if self._homing:
            way = np.abs(self.position - self.rest).max()
            if way < HOME_TOLERANCE and np.abs(self.velocity).max() < HOME_TOLERANCE:
                self._homing = False
            return ease_velocity(self.position, self.rest, elapsed)
        if self.command_age.expired(now):
            return np.zeros_like(self._command)
        return self._command

    def _follow_hand(self, elapsed: float, now: float) -> None:
        time, path = self._guide
        at = now - self._guide_began
        there = np.array([np.interp(at, time, path[:, j]) for j in range(path.shape[1])])
        self.velocity = (there - self.position) / elapsed
        self._move(there)
        if at >= time[-1]:
            self.release()
            self.velocity = np.zeros_like(self.velocity)

    def _move(self, there: np.ndarray) -> None:
        limits = self.arm.limits
        bounded = np.clip(there, limits.lower, limits.upper)
        self.velocity = np.where(bounded == there, self.velocity, 0.0)
        self.position = bounded

    def joint_state(self) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        """Return names, positions and velocities of every movable joint of the robot."""
        position = np.zeros(len(self.arm.movable))
        velocity = np.zeros(len(self.arm.movable))
        for j, name in enumerate(self.arm.driven):
            position[self.arm.movable.index(name)] = self.position[j]
            velocity[self.arm.movable.index(name)] = self.velocity[j]
        return self.arm.movable, position, velocity
