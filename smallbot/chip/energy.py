# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What reading and writing cost, from published figures; reads and writes apart.

Published of this chip: energy and duration of a product, four-phase and one-phase (Le Gallo et
al., Nature Electronics 2023, table of the 64-core chip, over 64). Not published: its programming
pulses. We take currents and durations of the earlier 90-nm array (Joshi et al., Nature
Communications 2020) at 2 V; the voltage is an assumption. Both pulse energies are upper bounds:
the current of a pulse is largest at its beginning. A product is charged in full however few of
its inputs are active, because no figure for sparse inputs is published.

Not counted: the host, the links to it, standby.
"""

from dataclasses import dataclass
from typing import Literal

from smallbot.files.bounds import Count, NotNegative

READ_ENERGY = {4: 52.8e-9, 1: 13.4e-9}
"""J, a product of one vector with a whole core, by number of phases: array, converters, input."""
READ_SECONDS = {4: 521e-9, 1: 133e-9}
"""s, the same."""
RESET_PULSE = 450e-6 * 2.0 * 50e-9
"""J; 450 uA for 50 ns at 2 V (voltage assumed)."""
SET_PULSE = 160e-6 * 2.0 * 400e-9
"""J; at most 160 uA for 400 ns at 2 V (voltage assumed); partial SET pulses count as much."""
VERIFICATION = READ_ENERGY[1] / 256
"""J; one column's share of a one-phase product (assumed: no figure for a single read)."""
PULSE_SECONDS = 1e-6
"""s; pulse with its rise, fall and cooling (assumed; the 90-nm array: 400-ns pulses)."""
VERIFICATION_SECONDS = 0.5e-6
"""s; a verifying read (assumed; the 90-nm array: 1 us)."""


@dataclass
class Account:
    """What an array has done so far."""

    phases: Literal[1, 4] = 4
    """Of a product."""
    products: Count = 0
    """Vectors multiplied."""
    pulses: Count = 0
    """Programming pulses."""
    verifications: Count = 0
    """Reads of single devices while programming."""
    write_seconds: NotNegative = 0.0
    """Time the array was programmed, cells of a diagonal in parallel."""
    write_energy: NotNegative = 0.0
    """J, upper bound."""

    @property
    def read_energy(self) -> float:
        """Return what the products have taken, J."""
        return self.products * READ_ENERGY[self.phases]

    @property
    def read_seconds(self) -> float:
        """Return how long the array was read."""
        return self.products * READ_SECONDS[self.phases]


def write_energy(resets: int, sets: int, verifications: int) -> float:
    """Return the energy of RESET pulses, SET and partial SET pulses, and reads, J."""
    return resets * RESET_PULSE + sets * SET_PULSE + verifications * VERIFICATION
