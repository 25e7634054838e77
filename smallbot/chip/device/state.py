# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What a chip remembers of every one of its devices."""

from dataclasses import dataclass, fields
from enum import IntEnum

import torch
from torch import Tensor

from smallbot.chip.device import flicker
from smallbot.errors import InputError


class ChipError(InputError):
    """Something that a chip cannot hold or do; the message is one line."""


class Fault(IntEnum):
    """What can be wrong with a device."""

    NONE = 0
    STUCK_SET = 1
    """Conducts as in SET, whatever pulse it gets."""
    STUCK_RESET = 2
    """Does not conduct, whatever pulse it gets."""


@dataclass
class DeviceState:
    """All devices of an array; D devices a cell, those of the positive polarity first."""

    level: Tensor
    """Conductance each was last programmed for, S, [D, rows, columns]; 0 is RESET."""
    conductance: Tensor
    """As programmed, at the law's t0, S, [D, rows, columns]."""
    drift_exponent: Tensor
    """nu, [D, rows, columns]."""
    programmed_at: Tensor
    """Clock of the chip at the last programming, s, float64 [D, rows, columns]."""
    slow: Tensor
    """Slow 1/f processes, variance 1 each, [BANDS, D, rows, columns]."""
    writes: Tensor
    """Times programmed, int32 [D, rows, columns]; 0 is a device that was never used."""
    pulses: Tensor
    """Pulses received in its life, int32 [D, rows, columns]: what wears it out."""
    curve_shift: Tensor
    """How far its programming curve lies from the nominal one, [D, rows, columns]
    (`programming.PulseModel.device_spread`)."""
    fault: Tensor
    """`Fault` it has, int8 [D, rows, columns]."""

    @classmethod
    def unused(cls, shape: tuple[int, int, int]) -> 'DeviceState':
        """Return healthy devices [D, rows, columns] without conductance, never programmed."""
        return cls(
            level=torch.zeros(shape), conductance=torch.zeros(shape),
            drift_exponent=torch.zeros(shape),
            programmed_at=torch.zeros(shape, dtype=torch.float64),
            slow=torch.zeros(flicker.BANDS, *shape),
            writes=torch.zeros(shape, dtype=torch.int32),
            pulses=torch.zeros(shape, dtype=torch.int32), curve_shift=torch.zeros(shape),
            fault=torch.zeros(shape, dtype=torch.int8))

    def copy(self) -> 'DeviceState':
        """Return devices in the same state that share nothing with these."""
        return DeviceState(**{f.name: getattr(self, f.name).clone() for f in fields(self)})
