"""What writing costs: a bound from published pulses.

The pulse energies of the HERMES cells are not published. We take currents and durations of the
earlier 90-nm array (Joshi et al., Nature Communications 2020) at a typical 2 V; the voltage is an
assumption. How many pulses a cell takes to converge is not published either; we count the most
that program-and-verify may send. The result is an upper bound on the array's part, without
read-out, converters or the host.
"""

RESET_PULSE = 450e-6 * 2.0 * 50e-9
"""J; 450 uA for 50 ns at 2 V (voltage assumed)."""
SET_PULSE = 160e-6 * 2.0 * 400e-9
"""J; at most 160 uA for 400 ns at 2 V (voltage assumed)."""
MOST_PULSES = 30
"""Iterations allowed to program-and-verify (Le Gallo et al., Nature Electronics 2023)."""


def write_energy(reset: int, filled: int, partial: int) -> float:
    """Return the upper bound, J, for devices left in RESET, set fully, or set in between.

    Every device is RESET first; one set fully takes a single SET pulse more, one at an
    intermediate conductance at most MOST_PULSES.
    """
    return ((reset + filled + partial) * RESET_PULSE
            + (filled + MOST_PULSES * partial) * SET_PULSE)
