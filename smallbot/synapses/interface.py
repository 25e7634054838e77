# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What any synapses can do, and what a write has done.

Weights are [outputs, inputs] in the network's unit, from postsynaptic to presynaptic.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from smallbot.chip.device.state import ChipError


class WriteReport(NamedTuple):
    """What a write has done."""

    cells: int
    """Cells written."""
    cells_total: int
    """Synapses there are."""
    devices: int
    """Devices that received a pulse; 0 in software."""
    pulses: int | None
    """None in software."""
    energy_uj: float | None
    """Upper bound, microjoules (`smallbot.chip.energy`); None in software."""
    saturated: int = 0
    """Weights that would have left their limits and were stopped there."""
    unconverged: int = 0
    """Cells that program-and-verify gave up on."""
    faulty: int = 0
    """Devices newly found to be faulty."""
    compensated: int = 0
    """Cells to be written whose faulty devices are made up for by the others."""
    out_of_reach: int = 0
    """Cells to be written that hold the nearest weight they can."""
    seconds: float = 0.0
    """Time of programming on the chip."""


class ReadReport(NamedTuple):
    """What reads, such as those of a calibration, have cost (`smallbot.chip.energy`)."""

    products: int
    """Vectors read, on all cores together."""
    seconds: float
    """Of the reads, cores in parallel."""
    energy_uj: float
    """Of the reads, microjoules."""


class Synapses(Protocol):
    """Weights of a network, in software or on a chip."""

    outputs: int
    inputs: int

    def matvec(self, x: Tensor) -> Tensor:
        """Return x [B, inputs] times the weights, [B, outputs]."""

    def program(self, weights: Tensor) -> WriteReport:
        """Write all synapses; entries [outputs, inputs] where there is none are ignored."""

    def update(self, delta: Tensor) -> WriteReport:
        """Add `delta` [outputs, inputs] to the weights, writing only what changes."""

    def restore(self, weights: Tensor) -> WriteReport:
        """Write the synapses whose intended weight is not that of `weights`, and no other."""

    def calibrate(self) -> ReadReport | None:
        """Correct the reads of what the weights have become since they were written."""

    def calibration_due(self) -> bool:
        """Return whether so much time has passed that a calibration is worth its noise."""

    def calibrate_reading(self) -> ReadReport | None:
        """Correct the reads until the next write, which goes by the correction before."""

    def reading_aged(self) -> bool:
        """Return whether what was written last has changed much since a calibration."""

    def weights(self) -> Tensor:
        """Return the weights intended, [outputs, inputs]."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""


def checked(values: Tensor, shape: tuple[int, int], what: str) -> Tensor:
    """Return finite `values` of `shape` as float32; raises ChipError naming `what` if not."""
    if tuple(values.shape) != shape:
        raise ChipError(f'{what} of shape {tuple(values.shape)}: expected {shape}')
    if not torch.isfinite(values).all():
        raise ChipError(f'{what}: expected finite numbers')
    return values.detach().to(torch.float32)


def checked_mask(mask: Tensor | None, shape: tuple[int, int]) -> Tensor:
    """Return a bool mask of `shape`, all True without one; raises ChipError where it is none."""
    if mask is None:
        return torch.ones(shape, dtype=torch.bool)
    if tuple(mask.shape) != shape or mask.dtype != torch.bool:
        raise ChipError(f'mask of {mask.dtype} {tuple(mask.shape)}: expected bool {shape}')
    return mask
