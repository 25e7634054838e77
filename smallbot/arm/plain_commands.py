# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the control loop asks of commands that are velocities and nothing else."""

import numpy as np


class PlainCommands:
    """The part of `one_shot.control_loop.ArmCommands` that is the same wherever velocities go."""

    def driven(self, pose: np.ndarray) -> np.ndarray:
        """Return the positions [J] of the driven joints: all that is watched."""
        return pose

    def ready(self, pose: np.ndarray, now: float) -> bool:
        """Return that a movement may begin: there is nothing to prepare."""
        return True

    def trouble(self, pose: np.ndarray, now: float) -> str:
        """Return nothing: the movement may go on."""
        return ''

    def told(self, now: float) -> None:
        """Return None: the arm goes where the velocities add up to."""

    def rest(self) -> None:
        """Do nothing: where no velocities come, nothing is left to end."""
