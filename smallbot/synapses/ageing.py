# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the mean drift makes of rows of different age, and what reads are corrected by for it.

An update rewrites some rows of a core, the fresh ones; the others stay as they were, an hour old
or more. Both have drifted since, by different factors, and one scale a column cannot make up for
two. What can is a scale a column for the older rows, and input pulses of another length for the
fresh ones: one number more, for all columns, that costs no extra product. What is left is that
small weights drift more than large ones, so that the mean of a column's fresh weights becomes too
small: the resting current of neurons, which its offset makes up for.
All of it follows from what a chip knows without a read: the level and age of each device, the
faults found, the correction measured last. The law of drift is that of `smallbot.chip.device`.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from smallbot.chip.converters import CODE_MAX
from smallbot.chip.core import Core
from smallbot.chip.mapping import Matrix
from smallbot.chip.state import CoreState, Correction

READINGS = 8
"""Times each fresh row is read by itself in a calibration."""
_NEAR = 1e-3
"""Relative error of a quotient of pulse lengths that is small enough."""
_ALIKE = 1e-3
"""Share of the power of a column's weights that differs within it, for a fit to go by."""
_SHORTEST = 0.4
"""Least length of the older rows' pulses, as share of what their weights are written for."""


class FreshFit(NamedTuple):
    """What makes the fresh rows read right behind the correction of the others."""

    ratio: float
    """Their scale over that of the others, one number for all columns."""
    aside: Tensor
    """What is added to each column, as small weights have drifted more than large ones: the mean
    of what the ratio leaves, for as many fresh inputs as are driven at once, [columns]."""


class Measured(NamedTuple):
    """What reads have shown of a core last; the law goes on from there."""

    correction: Correction
    """Of the older rows."""
    fit: FreshFit | None = None
    """Of the fresh rows at that time; None: not measured, by the law."""


def parts(array: Core | Matrix, fresh_rows: int) -> list[tuple[Core, int]]:
    """Return the cores of an array, each with the number of its rows that are fresh."""
    if isinstance(array, Core):
        return [(array, fresh_rows)]
    return [(core, max(0, min(region.rows[1], fresh_rows) - region.rows[0]))
            for region, core in zip(array.regions, array.cores, strict=True)]


def expected_weights(core: CoreState, at: float) -> Tensor:
    """Return the mean weights by the law at clock `at`, s, without correction, [rows, columns].

    At t0 a polarity is normal around its level, but never below 0: one in RESET conducts a little
    in the mean, which takes from the weights of all cells. From there the mean of (t / t0)^-nu
    with nu of mean m and s.d. s is exp(-m l + (s l)^2 / 2), l = ln(t / t0).
    Devices that were written after `at` count as they are at t0.
    """
    d, law, pair = core.devices, core.law, core.polarities
    level = pair(d.level).sum(1)
    x, sigma = level / law.g_max, law.programming(level / law.g_max)
    z = level / sigma.clamp(min=1e-30)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    more = sigma * density - level * torch.special.ndtr(-z)
    share = pair(d.level) / level.clamp(min=1e-30)[:, None]
    share[:, 0].masked_fill_(level == 0, 1.0)
    begun = (d.level + (more[:, None] * share).flatten(0, 1)) * (d.writes > 0)
    mean, sd = (curve(x).repeat_interleave(law.devices_per_polarity, dim=0)
                for curve in (law.drift_mean, law.drift_sd))
    log_age = ((at - d.programmed_at).clamp_(min=law.t0) / law.t0).log_().to(mean.dtype)
    left = (sd * log_age).square_().mul_(0.5).sub_(mean * log_age).exp_()
    held = pair(begun * left).sum(1) * core.adc_gain[:, None]
    return (held[0] - held[1]) * (core.full_weight / law.g_max)


def corrected(core: CoreState, fresh: int, density: float, measured: Measured) -> Correction:
    """Return what reads are to be corrected by now, by the law, from what was `measured`.

    Of the older rows each column's scale grows as the law has its weights shrink since. The offset
    stays: most of it makes up for errors of weights, which the scale keeps as large. `fresh` rows,
    the first ones, get pulses of a length that gives their weights the same scale; `density` is
    the share of them that is driven at once. Cells with devices known to be faulty are left out.
    """
    before = measured.correction
    now = expected_weights(core, core.now)
    then = expected_weights(core, before.at)
    sound = (core.found == 0).all(0)
    wanted = core.intended * sound
    old = slice(fresh, None)
    scale = before.scale * _sensible((wanted[old] * then[old]).sum(0)
                                     / (wanted[old] * now[old]).sum(0))
    if fresh == 0:
        return Correction(scale, before.offset, before.at)
    wanted, sound, own = wanted[:fresh], sound[:fresh], slice(None, fresh)
    ratio, aside = fit_fresh(wanted, now[own] * scale, density * fresh, sound)
    if measured.fit is not None:
        begun = fit_fresh(wanted, then[own] * before.scale, density * fresh, sound)
        ratio *= measured.fit.ratio / begun.ratio
        aside = aside + measured.fit.aside - begun.aside
    codes, shortened = _read_codes(core.row_codes, fresh, ratio)
    return Correction(scale / shortened, before.offset + aside, before.at, codes)


def measure_fresh(core: Core, older: Tensor, fresh: int, density: float) -> FreshFit:
    """Read the `fresh` rows of a core one at a time, behind the correction that it has now.

    `older` [V, rows], inputs of the other rows such as columns were calibrated with, to be driven
    beside them: a column's offset is right for these, not for a fresh row by itself.
    """
    vectors = older.clone()
    vectors[:, :fresh] = torch.eye(fresh).repeat(-(-len(older) // fresh), 1)[:len(older)]
    missing = vectors @ core.intended - core.measure(vectors) * core.scale - core.offset
    wanted = vectors[:, :fresh] @ core.intended[:fresh]
    return fit_fresh(wanted, wanted - missing, density * fresh,
                     torch.ones_like(wanted, dtype=torch.bool))


def fit_fresh(wanted: Tensor, held: Tensor, driven: float, sound: Tensor) -> FreshFit:
    """Fit weights `wanted` to those `held`, both [cells, columns], by least squares.

    The other way round, as in `Core.calibrate`, noise would make the ratio too small. `driven`,
    how many rows are at once in the mean; `sound`, which cells count.
    """
    count = sound.sum(0).clamp(min=1)
    mean, level = ((values * sound).sum(0) / count for values in (wanted, held))
    apart = (wanted - mean) * sound
    if apart.square().sum() < _ALIKE * (wanted * sound).square().sum():
        apart = wanted * sound  # nothing but their mean to go by
    ratio = float(_sensible((apart * wanted).sum() / (apart * held).sum()))
    return FreshFit(ratio, driven * (mean - ratio * level))


def _sensible(ratio: Tensor) -> Tensor:
    """Return ratios, 1 where there is no signal to tell them."""
    return torch.where((ratio > 0.25) & (ratio < 4.0), ratio, 1.0)


def _read_codes(codes: Tensor, fresh: int, ratio: float) -> tuple[Tensor, float]:
    """Return input codes [rows] by which fresh rows count `ratio` times as much as the others.

    Pulses have whole lengths, and the fresh rows' may be the longest there are already. So the
    older rows' may become shorter, by the factor that is returned too: the longest of them is
    taken whose quotient is near enough, or else the nearest.
    """
    longest, longest_fresh = int(codes[fresh:].max()), int(codes[:fresh].max())
    best = None
    for length in range(longest, int(_SHORTEST * longest), -1):
        wanted = ratio * longest_fresh * length / longest
        own = min(max(round(wanted), 1), CODE_MAX)
        error = abs(own / wanted - 1)
        if best is None or error < best[0]:
            best = error, length, own
        if error < _NEAR:
            break
    _, length, own = best
    read = torch.cat([codes[:fresh] * (own / longest_fresh), codes[fresh:] * (length / longest)])
    return read.round_().clamp_(1, CODE_MAX), length / longest
