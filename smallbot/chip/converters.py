# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Converters: pulse widths for inputs, counting oscillators for outputs.

Every column has two output converters, one for each polarity, with a gain and an offset of their
own. Nonlinearity, noise of the converters and wire resistance are not modelled.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from smallbot.files.bounds import NotNegative, Real, Size

CODE_MAX = 127
"""Largest magnitude of a signed 8-bit code, of inputs and of outputs."""


@dataclass(frozen=True)
class ConverterSpread:
    """How converters differ from one another."""

    levels: Size = 420
    """Counts of a conversion at its full range (more than 420 levels: Khaddam-Aljameh et al., JSSC
    2022)."""
    gain_sd: NotNegative = 0.0709
    """s.d. of the gain that is left after the factory's trimming (ibid.: +-21 % before)."""
    offset_mean: Real = 4.0
    """Mean count that an undriven column shows; above 0, or small currents would be lost
    (assumed)."""
    offset_sd: NotNegative = 1.0
    """s.d. of the same (assumed)."""

    def draw(self, columns: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw gains and offsets (counts) of the converters, each [2, columns]."""
        gain = torch.randn(2, columns, generator=generator).mul_(self.gain_sd).add_(1)
        offset = torch.randn(2, columns, generator=generator).mul_(self.offset_sd)
        offset.add_(self.offset_mean).clamp_(min=0.0)
        return gain.clamp_(0.5, 1.5), offset


MEASURED_SPREAD = ConverterSpread()
EQUAL = ConverterSpread(gain_sd=0.0, offset_mean=0.0, offset_sd=0.0)
"""Converters without spread; they still count and saturate."""
