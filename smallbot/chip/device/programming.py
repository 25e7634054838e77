# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Iterative program-and-verify: pulses, a read after each, until a device is near its goal.

A device is first RESET. One that is to conduct then receives SET pulses (goal: the whole of its
range) or partial SET pulses, whose amplitude follows the error just read, until the read is within
a margin of the goal or the iterations are spent.

Modelled: the sigmoid programming curve of a device, its shift from device to device, the noise of
each pulse (every pulse melts the device again, so that only the last one counts), reads through
the column's converter in whole counts with its gain, and the fast noise of the device.

Published of this chip: at most 30 iterations, a margin of 5 counts, about 420 counts of range, and
more than 99 % of the cells converging. Not published: the shape of its pulses, their noise, and
how many it takes; the constants of `PulseModel` are ours, chosen so that nearly all devices
converge, in about five iterations.
"""

from dataclasses import dataclass
import math
from typing import Annotated, NamedTuple

from annotated_types import Ge, Le
import torch
from torch import Tensor

from smallbot.chip.device import flicker
from smallbot.chip.device.faults import disobeys, PAIRS
from smallbot.chip.device.laws import DeviceLaw
from smallbot.files.bounds import NotNegative, Positive, Size

FULL = 1 - 1e-6
"""Share of a device's range from which a goal means SET."""


@dataclass(frozen=True)
class PulseModel:
    """Program-and-verify, its rules and the response of a device to a pulse."""

    iterations: Annotated[int, Ge(1), Le(10_000)] = 30
    """Pulses after the RESET at most (Le Gallo et al., Nature Electronics 2023)."""
    margin: NotNegative = 5.0
    """Largest error accepted, counts of the converter (ibid.)."""
    levels: Size = 420
    """Counts that the largest conductance of a polarity gives while verifying: the whole range
    of the converter (more than 420 levels: Khaddam-Aljameh et al., JSSC 2022; that the range is
    set so is assumed)."""
    device_spread: NotNegative = 0.3
    """s.d. from device to device of the programming curve's place, in units of its width
    (assumed)."""
    pulse_noise: NotNegative = 0.12
    """s.d. from pulse to pulse of the same (assumed)."""
    set_noise: NotNegative = 0.02
    """s.d. of a SET pulse's conductance relative to it (assumed)."""
    top: Positive = 1.1
    """Largest conductance a partial SET reaches, over what was characterised (assumed)."""
    correction: Positive = 0.8
    """Share of the error just read that the next amplitude corrects (assumed)."""

    def goal_sd(self, goal: Tensor, single: float) -> Tensor:
        """Return the s.d., S, of a first pulse's conductance over devices, aimed at `goal`."""
        share = (goal / (self.top * single)).clamp(0.0, 1.0)
        spread = math.hypot(self.pulse_noise, self.device_spread)
        partial = spread * self.top * single * share * (1 - share)
        return torch.where(goal >= FULL * single, self.set_noise * single, partial)

    def residual_variance(self, goal: Tensor, single: float, read_sd: Tensor, count: Tensor
                          ) -> Tensor:
        """Return the variance, S^2, of conductance minus goal among devices that converged.

        Parameters: `goal`, S; `read_sd`, S, of a verifying read; `count`, S. A pulse and a read
        are normal; their sum is cut off at the margin.
        """
        pulse = self.goal_sd(goal, single).square()
        read = read_sd.square() + count.square() / 12
        total = (pulse + read).clamp(min=1e-30)
        cut = (self.margin + 0.5) * count / total.sqrt()
        density = (-0.5 * cut.square()).exp() * (2 * cut / math.sqrt(2 * math.pi))
        kept = 1 - density / torch.erf(cut / math.sqrt(2)).clamp(min=1e-12)
        return pulse.square() / total * kept + pulse * read / total


PROGRAM_AND_VERIFY = PulseModel()


class Outcome(NamedTuple):
    """What program-and-verify has made of n devices."""

    conductance: Tensor
    """S, [n]."""
    resets: Tensor
    """RESET pulses received, int32 [n]."""
    sets: Tensor
    """SET and partial SET pulses received, int32 [n]."""
    reads: Tensor
    """Verifying reads, int32 [n]."""
    converged: Tensor
    """Within the margin at the last read, bool [n]."""
    faulty: Tensor
    """Found not to follow what was asked, bool [n]."""
    seen: Tensor
    """Last read, S (of a converter with its gain corrected), [n]."""


def program_and_verify(goal: Tensor, before: Tensor, shift: Tensor, stuck: Tensor, gain: Tensor,
                       single: float, law: DeviceLaw, rules: PulseModel,
                       generator: torch.Generator) -> Outcome:
    """Program n devices, each by itself.

    Parameters, all [n]: `goal`, S, 0 for RESET; `before`, what each conducts now, S; `shift` of
    its programming curve; `stuck`, bool; `gain` of the converter it is read with. `single`, the
    range of a device, S.
    """
    n = len(goal)
    counts = gain * (rules.levels / law.g_max)
    wanted = goal * counts
    significant = (4 * rules.margin) ** 2
    fast = math.sqrt(float(flicker.fast_variance(torch.tensor(1e-6, dtype=torch.float64),
                                                 law.t_read)))

    def verified(g: Tensor, counts: Tensor) -> Tensor:
        noise = torch.randn(len(g), generator=generator).mul_(fast).mul_(law.read(g / law.g_max))
        return noise.add_(1).mul_(g).mul_(counts).round_()

    found = verified(before, counts)
    g = torch.where(stuck, before, 0.0)
    now = verified(g, counts)
    moved = now - found
    asked_obtained, asked_squared = -found * moved, found.square()
    resets = torch.ones(n, dtype=torch.int32)
    sets = torch.zeros(n, dtype=torch.int32)
    reads = torch.full((n,), 2, dtype=torch.int32)

    # One that is to stay in RESET but does not is tried as often as the slope test needs.
    full = goal >= FULL * single
    aim = (goal / (rules.top * single)).clamp(1e-3, 1 - 1e-3)
    # The curve skews what lands near its foot; half way to the likeliest outcome, the mean of
    # those accepted is the goal.
    skew = rules.pulse_noise ** 2 + rules.device_spread ** 2
    amplitude = aim.logit() + 0.5 * skew * (1 - 2 * aim)
    steepness = (aim * (1 - aim)).clamp_(min=0.03).mul_(rules.top * single).mul_(counts)
    active = ((goal > 0) | (now > rules.margin)).nonzero()[:, 0]
    for pulse in range(rules.iterations):
        if not len(active):
            break
        a = active
        k, to_full, to_reset = counts[a], full[a], goal[a] == 0
        drawn = torch.randn(len(a), generator=generator)
        partial = (amplitude[a] + shift[a]).addcmul_(
            drawn, torch.tensor(rules.pulse_noise)).sigmoid_().mul_(rules.top * single)
        whole = drawn.mul_(rules.set_noise).add_(1).mul_(single)
        new = torch.where(to_full, whole, partial).masked_fill_(to_reset, 0.0)
        new = torch.where(stuck[a], g[a], new)
        seen = verified(new, k)
        error, old = wanted[a] - seen, now[a]
        asked = wanted[a] - old
        asked_obtained[a] += asked * (seen - old)
        asked_squared[a] += asked.square()
        amplitude[a] += (rules.correction * error / steepness[a]).clamp_(-2.0, 2.0)
        g[a], now[a] = new, seen
        resets[a] += to_reset.int()
        sets[a] += (~to_reset).int()
        reads[a] += 1
        going_on = error.abs() > rules.margin
        if pulse + 1 >= PAIRS:
            going_on &= ~disobeys(asked_obtained[a], asked_squared[a], significant)
        active = a[going_on]
    faulty = disobeys(asked_obtained, asked_squared, significant)
    return Outcome(g, resets, sets, reads, (wanted - now).abs() <= rules.margin, faulty,
                   now / counts)
