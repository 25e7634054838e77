# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Which cells an update writes, and how finely."""

from dataclasses import dataclass

import torch
from torch import Tensor

from smallbot.chip.device.state import ChipError

ROUNDINGS = ('exact', 'nearest', 'stochastic')


@dataclass(frozen=True)
class Granularity:
    """Which cells an update writes, and how finely; measured in docs/chip.md."""

    rounding: str = 'stochastic'
    """'exact': the change itself; 'nearest' multiple of `step`; 'stochastic': the multiple above
    or below, with the probabilities that keep the mean."""
    step: float = 1 / 16
    """Of 'nearest' and 'stochastic', as share of the largest weight of an input (Ortner et al.
    2025, published code). About the size of the programming error: a finer one costs more
    writes and gains nothing."""
    dead_band: float = 0.0
    """Change below which 'exact' leaves a cell alone, as share of the same; 0: every change is
    written."""

    def __post_init__(self):
        if self.rounding not in ROUNDINGS:
            raise ChipError(f'rounding {self.rounding!r}: expected {", ".join(ROUNDINGS)}')
        if not 0 <= self.dead_band < float('inf'):
            raise ChipError(f'dead band {self.dead_band}: expected a finite number, 0 or more')
        if not 0 < self.step < float('inf'):
            raise ChipError(f'step {self.step}: expected a finite number above 0')

    def apply(self, delta: Tensor, limits: Tensor, generator: torch.Generator) -> Tensor:
        """Return the change that is written, of the shape of `delta`; 0 is left alone.

        Parameters: `delta` [outputs, inputs]; `limits` [inputs], the largest magnitude a weight
        of each input may have; `generator`, used by 'stochastic' alone.
        """
        if self.rounding == 'exact':
            return torch.where(delta.abs() >= self.dead_band * limits, delta, 0.0)
        step = self.step * limits
        steps = delta / step
        if self.rounding == 'nearest':
            return steps.round_() * step
        chance = torch.rand(delta.shape, generator=generator)
        return steps.add_(chance).floor_() * step


DEFAULT_GRANULARITY = Granularity()
