# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Writing to a core: which device is to hold what, the pulses until it does, what they cost.

A cell is planned device by device, around those found faulty, and programmed by pulses and
verifying reads. A law (`device.laws`) describes what a whole polarity has
become at t0: the error left by program-and-verify is completed by the relaxation that makes their
sum follow the law. Devices of a polarity share relaxation in proportion to their conductance and
have one drift exponent if programmed together.

What is asked for is checked before, in `core`. One device and its pulses are `device.programming`.
Not modelled: failure by wear; pulses are counted.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from smallbot.chip import energy
from smallbot.chip.device import flicker
from smallbot.chip.device.programming import FULL, program_and_verify
from smallbot.chip.device.state import Fault
from smallbot.chip.state import CORE_SIDE, CoreState

_ATTEMPTS = 3
"""Times a cell is planned anew when some of its devices turn out to be faulty."""


class CoreWriteReport(NamedTuple):
    """What a write has done."""

    cells: int
    """Cells with a device that received a pulse."""
    devices: int
    """Devices that received a pulse."""
    pulses: int
    unconverged: int
    """Cells with a device further from its goal than the margin at the last read."""
    residual: float
    """Root mean square, over the cells written, of the last reads' error, in weights."""
    faulty: int
    """Devices newly found to be faulty."""
    compensated: int
    """Cells of the request with faulty devices whose weight the others hold."""
    out_of_reach: int
    """Cells of the request that hold the nearest weight they can."""
    seconds: float
    """Cells of a diagonal in parallel, one device of a cell at a time."""
    energy: float
    """Upper bound, J (`energy`)."""


def write(state: CoreState, weights: Tensor, mask: Tensor) -> CoreWriteReport:
    """Write the weights of the cells in `mask` (bool), both [rows, columns]; see `Core.program`.

    Changes the devices, found faults, intended weights and account of `state`, whose slow noise
    is up to the clock. Nothing is refused here.
    """
    wanted = torch.where(mask, weights, 0.0) * (
        state.law.g_max / (state.full_weight * state.scale))
    shape = state.found.shape
    touched = torch.zeros(shape, dtype=torch.bool)
    missed = torch.zeros(shape, dtype=torch.bool)
    spent = torch.zeros(3, *shape, dtype=torch.int32)
    newly_faulty = 0
    todo = mask
    for _ in range(_ATTEMPTS):
        level, short = _plan(state, wanted)
        pulsed, missed_now, faulty, seen = _pulse(state, level, todo, spent)
        touched |= pulsed
        missed = torch.where(pulsed, missed_now, missed) & (state.found == 0)
        newly_faulty += int(faulty.sum())
        todo = todo & faulty.any(0)
        if not todo.any():
            break
    state.intended = torch.where(mask, weights, state.intended)
    return _report(state, mask, touched, missed, short, newly_faulty, spent, seen - wanted)


def _plan(state: CoreState, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Return the level of every device and what each cell falls short of `wanted`, in S.

    Parameters: `wanted` [rows, columns], difference of the polarities as read. Levels
    [D, rows, columns] are true conductances; those of faulty devices are what they have.
    """
    gain = state.adc_gain[:, None]
    found = state.polarities(state.found)
    fixed = (found == Fault.STUCK_SET).sum(1) * (state.single * gain)
    needed = wanted - fixed[0] + fixed[1]
    needed = torch.stack([needed.clamp(min=0), (-needed).clamp_(min=0)]) / gain
    healthy = found == Fault.NONE
    level = (found == Fault.STUCK_SET) * state.single
    for k in range(state.law.devices_per_polarity):
        taken = needed.clamp(max=state.single) * healthy[:, k]
        level[:, k] += taken
        needed = needed - taken
    short = (needed * gain).sum(0)
    return level.flatten(0, 1), short


def _pulse(state: CoreState, level: Tensor, mask: Tensor, spent: Tensor
           ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Bring the cells in `mask` to `level` [D, rows, columns], device after device.

    Adds to `spent` [3, D, rows, columns] RESET pulses, SET pulses and reads. Returns the
    devices that received a pulse, those that did not converge, those newly found faulty,
    all [D, rows, columns], and the difference of the polarities as read last, S.
    """
    d, law, per = state.devices, state.law, state.law.devices_per_polarity
    full = FULL * state.single
    between = (level > 0) & (level < full)
    changed = (d.writes == 0) | between | ((level >= full) != (d.level >= full)) | (
        (level > 0) != (d.level > 0))
    pulsed = mask & changed & (state.found == Fault.NONE)
    present = d.conductance * law.drift_factor(d.drift_exponent, state.now - d.programmed_at)
    level_of, between_of = state.polarities(level), state.polarities(between)
    total_goal = level_of.sum(1)
    missed = torch.zeros_like(pulsed)
    faulty = torch.zeros_like(pulsed)
    outcome = present.clone()
    gains = state.adc_gain[:, None].expand(-1, state.rows, -1)
    # Those at an end of their range first: the one between makes up for what they miss.
    for is_between in (False, True):
        for k in range(per):
            chosen = state.polarities(pulsed)[:, k] & (between_of[:, k] == is_between)
            at = chosen.nonzero(as_tuple=True)
            if not len(at[0]):
                continue
            own = state.polarities(outcome)[:, k]
            goal = level_of[:, k][at]
            if is_between:
                others = state.polarities(outcome).sum(1) - own
                goal = (total_goal - others)[at].clamp_(1e-3 * state.single,
                                                        state.rules.top * state.single)
            device = at[0] * per + k, at[1], at[2]
            done = program_and_verify(
                goal, own[at], d.curve_shift[device], d.fault[device] != Fault.NONE,
                gains[at], state.single, law, state.rules, state.generator)
            outcome[device] = done.conductance
            missed[device] = ~done.converged
            faulty[device] = done.faulty
            for kind, count in enumerate((done.resets, done.sets, done.reads)):
                spent[kind][device] += count
            stuck = torch.where(done.seen > 0.5 * state.single, int(Fault.STUCK_SET),
                                int(Fault.STUCK_RESET)).to(torch.int8)
            state.found[device] = torch.where(done.faulty, stuck, 0)
    _settle(state, level, between, pulsed, outcome)
    count = law.g_max / state.rules.levels
    seen = (state.polarities(outcome).sum(1) * (gains / count)).round_() * count
    return pulsed, missed, faulty, seen[0] - seen[1]


def _settle(state: CoreState, level: Tensor, between: Tensor, pulsed: Tensor, outcome: Tensor
            ) -> None:
    """Let the devices programmed relax, so that what they are at t0 follows the law."""
    d, law, per = state.devices, state.law, state.law.devices_per_polarity
    pair = state.polarities
    total = pair(level).sum(1)
    x = total / law.g_max
    sigma = law.programming(x)
    count = law.g_max / (state.rules.levels * state.adc_gain[:, None])
    fast = math.sqrt(float(flicker.fast_variance(
        torch.tensor(1e-6, dtype=torch.float64), law.t_read)))
    read_sd = fast * law.read(pair(level) / law.g_max) * pair(level)
    left = state.rules.residual_variance(pair(level), state.single, read_sd, count[:, None])
    left = left * pair(pulsed & (level > 0))
    # A device between the ends has made up for the others' errors.
    makes_up = pair(between & pulsed)
    left = torch.where(makes_up.any(1), (left * makes_up).sum(1), left.sum(1))
    shrink = (sigma / left.sqrt().clamp(min=1e-30)).clamp_(max=1.0)
    relaxation = (sigma.square() - left).clamp_(min=0.0).sqrt_()
    relaxation *= torch.randn(x.shape, generator=state.generator)
    share = pair(level) / total.clamp(min=1e-30)[:, None]
    share[:, 0].masked_fill_(total == 0, 1.0)
    settled = pair(outcome) + relaxation[:, None] * share
    if (shrink < 1).any():
        residual = pair(outcome).sum(1) - total
        moved = pair(level) * pair(pulsed)
        moved /= moved.sum(1, keepdim=True).clamp(min=1e-30)
        settled += ((shrink - 1) * residual)[:, None] * moved
    settled = settled.clamp_(min=0.0).flatten(0, 1)
    changed = pulsed & (d.fault == Fault.NONE)
    nu = law.drift_exponent(x, state.generator).repeat_interleave(per, dim=0)
    d.conductance = torch.where(changed, settled, d.conductance)
    d.drift_exponent = torch.where(changed, nu, d.drift_exponent)
    d.programmed_at = d.programmed_at.masked_fill(changed, state.now)
    d.slow[:, changed] = torch.randn(flicker.BANDS, int(changed.sum()),
                                     generator=state.generator)
    d.level = torch.where(pulsed, level, d.level)
    d.writes = d.writes + pulsed


def _report(state: CoreState, mask: Tensor, touched: Tensor, missed: Tensor, short: Tensor,
            newly_faulty: int, spent: Tensor, wrong: Tensor) -> CoreWriteReport:
    """Count what a write has done, and enter it into the account."""
    per_device = spent[0] + spent[1]
    state.devices.pulses += per_device
    touched_cells = touched.any(0)
    cells = int(touched_cells.sum())
    resets, sets, reads = (int(kind.sum()) for kind in spent)
    joules = energy.write_energy(resets, sets, reads)
    seconds = _diagonal_seconds(per_device, spent[2])
    in_weights = wrong * (state.full_weight * state.scale / state.law.g_max)
    residual = math.sqrt(float(in_weights[touched_cells].square().mean())) if cells else 0.0
    margin = state.rules.margin / state.rules.levels * state.law.g_max
    unreachable = mask & (short > margin)
    with_faults = mask & (state.found != 0).any(0)
    account = state.account
    account.pulses += resets + sets
    account.verifications += reads
    account.write_seconds += seconds
    account.write_energy += joules
    return CoreWriteReport(
        cells=cells, devices=int(touched.sum()), pulses=resets + sets,
        unconverged=int(missed.any(0).sum()), residual=residual, faulty=newly_faulty,
        compensated=int((with_faults & ~unreachable).sum()),
        out_of_reach=int(unreachable.sum()), seconds=seconds, energy=joules)


def _diagonal_seconds(pulses: Tensor, reads: Tensor) -> float:
    """Return how long it takes: the slowest cell of every diagonal, device by device."""
    duration = pulses * energy.PULSE_SECONDS + reads * energy.VERIFICATION_SECONDS
    _, rows, columns = pulses.shape
    row, column = torch.arange(rows), torch.arange(columns)
    diagonal = (column[None] - row[:, None]) % CORE_SIDE
    slowest = torch.zeros(len(duration), CORE_SIDE).scatter_reduce_(
        1, diagonal.flatten().expand(len(duration), -1), duration.flatten(1), 'amax')
    return float(slowest.sum())
