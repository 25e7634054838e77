# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Devices that do not obey: drawing them, and finding them out while programming."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from smallbot.chip.device.state import ChipError, Fault

PAIRS = 10
"""Pulses after which a device is judged (Kraisnikovic et al., UCNC 2023: a window of ten)."""
SLOPE = 0.1
"""A device whose changes are less than this share of those requested is faulty (ibid.)."""


@dataclass(frozen=True)
class FaultRates:
    """Shares of what is stuck, each drawn independently of the others.

    How failures divide into SET and RESET is not published for this chip: `set_share` is yours.
    """

    devices: float = 0.0
    """Share of single devices."""
    cells: float = 0.0
    """Share of unit cells, stuck with all their devices."""
    rows: float = 0.0
    """Share of rows, stuck with all their cells."""
    columns: float = 0.0
    """Share of columns, stuck with all their cells."""
    set_share: float = 0.5
    """Share of the faults that are stuck in SET; the others are stuck in RESET."""

    def __post_init__(self):
        for field in fields(self):
            if not 0 <= getattr(self, field.name) <= 1:
                raise ChipError(f'fault rate {field.name} {getattr(self, field.name)}: expected '
                                f'0 to 1')


NO_FAULTS = FaultRates()


def draw_faults(rates: FaultRates, shape: tuple[int, int, int], generator: torch.Generator
                ) -> Tensor:
    """Draw the `Fault` of every device, int8 [D, rows, columns].

    A larger fault covers a smaller one: of a stuck row all devices are in the same state.
    """
    d, rows, columns = shape
    fault = torch.zeros(shape, dtype=torch.int8)
    for rate, extent in ((rates.devices, (d, rows, columns)), (rates.cells, (1, rows, columns)),
                         (rates.rows, (1, rows, 1)), (rates.columns, (1, 1, columns))):
        stuck = torch.rand(extent, generator=generator) < rate
        in_set = torch.rand(extent, generator=generator) < rates.set_share
        kind = torch.where(in_set, int(Fault.STUCK_SET), int(Fault.STUCK_RESET)).to(torch.int8)
        fault = torch.where(stuck, kind, fault)
    return fault


def disobeys(requested_obtained: Tensor, requested_squared: Tensor, significant: Tensor | float
             ) -> Tensor:
    """Say which devices did not follow what was asked of them, bool of any shape.

    Parameters: the sums over a device's pulses of requested times obtained change and of the
    requested change squared; `significant`, the least such square to judge by.
    Source: the slope test of Fault-Pruning (Kraisnikovic et al., UCNC 2023), a regression line
    through the origin.
    """
    return ((requested_squared >= significant)
            & (requested_obtained < SLOPE * requested_squared))
