# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the arm's side of the page needs of whatever moves the arm: nodes, or the library.

Not here: what is done with it (`arm_side`).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from smallbot.demonstration.samples import Demonstration
from smallbot.one_shot.playback import Phase


@dataclass(frozen=True)
class Motion:
    """What is known of a playback."""

    phase: Phase = Phase.IDLE
    fraction: float = 0.0
    """How much of it has been played."""
    duration: float = 0.0
    """s."""
    reason: str = ''
    """Why it was halted."""
    learned: str = ''
    """Digest of what the chip has learned; empty: nothing."""
    began: int = 0
    """When it began, ns, by the clock of `Watcher.moved`."""

    @property
    def moving(self) -> bool:
        """Return whether the arm is under way."""
        return self.phase in (Phase.EASING, Phase.PLAYING)


class Watcher(Protocol):
    """Who is told what a robot does; called from any thread."""

    def demonstrated(self, shown: Demonstration | None) -> None:
        """Take the demonstration that is current now; None: there is none."""

    def traced(self, spikes: np.ndarray) -> None:
        """Take the spikes [E, 2], step and neuron, of the trial before an update."""

    def updated(self, delta: np.ndarray) -> None:
        """Take the update [N, N_in + N] that is being written."""

    def programmed(self, values: dict[str, str]) -> None:
        """Take what an update has written, as topic `programmed` says it."""

    def spiked(self, events: np.ndarray) -> None:
        """Take spikes [E, 2] of a playback."""

    def progressed(self, motion: Motion) -> None:
        """Take how far a playback is."""

    def moved(self, stamp: int, position: np.ndarray) -> None:
        """Take where the driven joints [J], rad, were at `stamp`, ns."""

    def troubled(self, text: str) -> None:
        """Take what is wrong with the robot, in a line; empty: nothing any more."""

    def said(self, text: str) -> None:
        """Take what is to be told to whoever looks."""


class Robot(Protocol):
    """An arm, a chip that learns, and what moves it; refusals are InputErrors."""

    simulated: bool | None
    """None: not known yet."""

    def pose(self) -> np.ndarray | None:
        """Return where every joint of `Arm.movable` is [M], rad; None: not heard."""

    def as_told(self, shown: Demonstration) -> Demonstration:
        """Return a movement as it will be known when it has been offered."""

    def offer(self, shown: Demonstration) -> None:
        """Make a movement the demonstration that is current."""

    def learn(self) -> str:
        """Forget, if something was learned, then learn the demonstration with one update."""

    def execute(self, allow_poor: bool) -> str:
        """Play what was learned."""

    def halt(self, reason: str) -> str:
        """Brake, and stay halted until `reset`; may be called while anything else is done."""

    def reset(self) -> str:
        """Allow movements again."""

    def record(self, action: str) -> str:
        """Start, stop or discard a recording."""

    def close(self) -> None:
        """Bring to rest what this page has set moving, and let go."""
