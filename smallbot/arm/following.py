# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Whether an arm follows what it is told: a joint that is stuck, too slow or driven by others.

Where the joints are told to be is what the velocities sent add up to. An arm that follows is
there, or where a first-order lag of up to an allowed time would have it by now; whatever is
farther away than that and a tolerance is astray. Pure: it is told how much time has passed.
"""

from collections.abc import Sequence
import math

import numpy as np

from smallbot.arm.joint_limits import JointLimits

UNTOLD_LAG = 0.25
"""Lag that is allowed beside what is known of an arm, s: messages under way, whole ticks."""
KNOWN_LAG = 1.25
"""How many times the lag that is known of a joint is allowed."""
LAGS = 6
"""How many lags between none and the longest are looked at."""
TOLERANCE = 0.08
"""Distance that is no matter, rad: an arm that starts half a second late on the way to a start
pose is 0.1 rad behind, of which its allowed lag explains a part."""
SHARE_OF_RANGE = 0.05
"""The same as share of a joint's range, where that is less."""
GAIN = 0.08
"""Distance that is no matter, as share of the way from where it began: the ED-Scorbot goes 1.02 to
1.08 times as far as it is told."""
FORGET = 0.1
"""How fast distances are forgotten, 1/s, which would add up in a movement of minutes."""


class Following:
    """Compares joints [J] with where they are told to be, one movement after another."""

    def __init__(self, limits: JointLimits, joints: Sequence[str] = (),
                 lag: Sequence[float] = ()):
        """`lag` [J], s, is what is known of the arm; empty: it follows at once."""
        count = len(limits.lower)
        self._joints = tuple(joints) or tuple(f'joint {number + 1}' for number in range(count))
        longest = UNTOLD_LAG + KNOWN_LAG * np.array(lag if len(lag) else np.zeros(count))
        self._lags = np.linspace(0, 1, LAGS)[1:, None] * longest
        self._tolerance = np.minimum(TOLERANCE, SHARE_OF_RANGE * (limits.upper - limits.lower))
        self._told: np.ndarray | None = None
        """[J], rad; None: not known, until the next `begin`."""

    @property
    def known(self) -> bool:
        """Return whether it is known where the arm should be."""
        return self._told is not None

    def begin(self, position: np.ndarray) -> None:
        """Count from `position` [J], rad, where the arm stands."""
        self._told = np.array(position, dtype=float)
        self._from = self._told.copy()
        self._behind = np.repeat(self._told[None], LAGS - 1, axis=0)
        self._farthest = np.zeros_like(self._told)

    def lose(self) -> None:
        """Forget where the arm should be: nobody knows what it has done meanwhile."""
        self._told = None

    def advance(self, told: np.ndarray, elapsed: float) -> None:
        """Take that the joints were told to move on by `told` [J], rad, in `elapsed` s."""
        if self._told is None:
            return
        self._told = self._told + told
        if elapsed > 0:
            share = -np.expm1(-elapsed / self._lags)
            self._behind = self._behind + share * (self._told - self._behind)
        self._farthest = np.maximum(self._farthest, np.abs(self._told - self._from))

    def advance_to(self, told: np.ndarray, elapsed: float) -> None:
        """Take that the joints were told to be at `told` [J], rad, after `elapsed` s more."""
        if self._told is not None:
            self.advance(told - self._told, elapsed)

    def astray(self, position: np.ndarray, elapsed: float) -> str:
        """Return which joint is how far away from where it should be; empty: none.

        Parameters: `position` [J], rad, measured `elapsed` s after the one before.
        """
        if self._told is None:
            return ''
        low = np.minimum(self._told, self._behind.min(axis=0))
        high = np.maximum(self._told, self._behind.max(axis=0))
        beyond = (np.maximum(low - position, position - high)
                  - self._tolerance - GAIN * self._farthest)
        away = np.abs(position - self._told)
        forgotten = (position - self._told) * -math.expm1(-FORGET * max(elapsed, 0.0))
        self._told, self._behind = self._told + forgotten, self._behind + forgotten
        if not beyond.max() > 0:
            return ''
        worst = int(beyond.argmax())
        return f'{self._joints[worst]} is {away[worst]:.2f} rad from where it was told to be'
