# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Velocities straight to a simulated arm, as the control loop gives them."""

import threading

import numpy as np

from smallbot.arm.plain_commands import PlainCommands
from smallbot.simulation.simulated import SimulatedArm


class SimulatedCommands(PlainCommands):
    """What a control loop asks of an arm (`one_shot.control_loop.ArmCommands`).

    `lock` is held while the arm is commanded; whoever else uses it meanwhile holds it as well.
    """

    topic = 'the simulated arm'

    def __init__(self, simulated: SimulatedArm):
        self.lock = threading.Lock()
        self._simulated = simulated

    def heard(self) -> bool:
        """Return that the arm listens."""
        return True

    def send(self, velocity: np.ndarray, now: float) -> None:
        """Command velocities [J], rad/s."""
        with self.lock:
            self._simulated.command(velocity, now)

    hold = send

    def end(self, now: float) -> None:
        """Command zero."""
        self.send(np.zeros(len(self._simulated.arm.driven)), now)
