# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What a page was started with, as it goes to its processes; nothing heavy is imported."""

from dataclasses import dataclass

MOST_UPLOAD = 2 ** 24
"""Bytes of a file that is brought in."""


@dataclass(frozen=True)
class Chosen:
    """Plain values."""

    model: str
    """Name of a shipped model, or path."""
    synapses: str = 'chip'
    """'chip' or 'software'."""
    seed: int = 0
    """Of the chip's devices."""
    arm: str = 'kinematic'
    """Kind of simulated arm, without ROS."""
    started_with: tuple[str, ...] = ()
    """Models that may be chosen on the page."""
    namespace: str = ''
    """Of the nodes, with ROS; empty: none."""
