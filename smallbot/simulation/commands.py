# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Velocities straight to a simulated arm, as the control loop gives them."""

import threading

import numpy as np

from smallbot.simulation.simulated import SimulatedArm


class SimulatedCommands:
    """What a control loop asks of an arm (`one_shot.control_loop.ArmCommands`).

    `lock` is held while the arm is commanded; whoever else uses it meanwhile holds it as well.
    """

    topic = 'the simulated arm'

    def __init__(self, simulated: SimulatedArm):
        self.lock = threading.Lock()
        self._simulated = simulated

    def driven(self, pose: np.ndarray) -> np.ndarray:
        """Return the positions [J] of the driven joints: all that is watched."""
        return pose

    def heard(self) -> bool:
        """Return that the arm listens."""
        return True

    def ready(self, pose: np.ndarray, now: float) -> bool:
        """Return that a movement may begin: it always listens."""
        return True

    def trouble(self, pose: np.ndarray, now: float) -> str:
        """Return nothing: the movement may go on."""
        return ''

    def told(self, now: float) -> None:
        """Return None: the arm goes where the velocities add up to."""

    def send(self, velocity: np.ndarray, now: float) -> None:
        """Command velocities [J], rad/s."""
        with self.lock:
            self._simulated.command(velocity, now)

    hold = send

    def rest(self) -> None:
        """Do nothing: the arm brakes by itself."""

    def end(self, now: float) -> None:
        """Command zero."""
        self.send(np.zeros(len(self._simulated.arm.driven)), now)
