# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What is checked once an ED-Scorbot has found home and before it is used: its pose, its signs.

Pure: measurements and the time come in, the next pose and a verdict go out. Home must lie where
the convention has it, and every joint that is told to move a little must follow in the right
sense and about as far.
Not here: how the arm is brought to the poses (`set_points`), what follows from a verdict
(`session`), the limits in the arm's metainfo, which tell a wrong convention before anything
moves (`convention.convention_of`).
"""

from enum import Enum

import numpy as np

from smallbot.ed_scorbot.convention import Convention, JOINTS

HOME_TOLERANCE = 3.0
"""Degrees by which the joints may miss the reference pose once home has been found."""
NUDGE = 4.0
"""Degrees by which each joint is moved to see that it follows in the right sense."""
LOOK, FOLLOW = 0.3, 2.0
"""How long joints are given before they are compared, s: at home, and after a nudge."""
NUMBERS = 1.0
"""How much longer to wait for a `moved` that brings numbers, s."""


class Verdict(Enum):
    """What a look at the arm has come to."""

    ARRIVED = 'at the pose: ask where the joints are'
    SETTLING = 'joints settle: go on asking'
    RIGHT = 'right here: go to the next pose'
    PASSED = 'right everywhere'
    FAILED = 'wrong'


class HomingCheck:
    """Bring the arm to `pose`, then `look` at every tick, until it has passed or failed."""

    def __init__(self, convention: Convention):
        self.trouble = ''
        """What is wrong, with its cure, once the check has failed."""
        self._convention = convention
        self._poses = [(convention.position(np.zeros(4)), LOOK),
                       (convention.position(np.full(4, NUDGE)), FOLLOW)]
        self._origin: np.ndarray | None = None
        """Degrees [4] at which the joints were found at home."""
        self._arrived_at: float | None = None
        self._measured: tuple[float, np.ndarray] | None = None

    @property
    def pose(self) -> np.ndarray:
        """Return where the arm has to be for the next look, [4], rad; at first this is home."""
        return self._poses[0][0]

    def measured(self, position: np.ndarray, now: float) -> None:
        """Note where the arm says it is, [4], rad."""
        self._measured = now, position

    def look(self, now: float) -> Verdict:
        """Judge an arm that was told to be at `pose`, when its joints have had time to settle."""
        if self._arrived_at is None:
            self._arrived_at = now
            return Verdict.ARRIVED
        fresh = self._measured is not None and self._measured[0] > self._arrived_at
        if now < self._arrived_at + self._poses[0][1] + (0.0 if fresh else NUMBERS):
            # measured again and again: a number that is missing may come the next time
            return Verdict.SETTLING
        if not fresh:
            self.trouble = 'moved brings no numbers: look at the controller of the arm'
            return Verdict.FAILED
        self.trouble = self._wrong(self._convention.degrees(self._measured[1]))
        if self.trouble:
            return Verdict.FAILED
        self._arrived_at = None
        if len(self._poses) == 1:
            return Verdict.PASSED
        self._poses = self._poses[1:]
        return Verdict.RIGHT

    def _wrong(self, degrees: np.ndarray) -> str:
        """Return what is wrong with joints at `degrees` [4], in a line, or nothing."""
        if self._origin is None:
            self._origin = degrees
            wrong = np.abs(degrees) > HOME_TOLERANCE
            told = 'home has been found, yet {} is at {:.1f} degrees: search home again'
        else:
            degrees = degrees - self._origin
            wrong = (degrees < 0.5 * NUDGE) | (degrees > 1.5 * NUDGE)
            told = (f'told to move by {NUDGE:g} degrees, {{}} moved by {{:.1f}}: is the '
                    f'convention right?')
        if not wrong.any():
            return ''
        joint = int(wrong.argmax())
        return told.format(JOINTS[joint], degrees[joint])
