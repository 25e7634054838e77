# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Figures of the chip: what `smallbot chip characterise` measured, and maps of cores."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
import numpy as np

from smallbot.chip.mapping import Map
from smallbot.chip.state import CORE_SIDE
from smallbot.plots.common.saving import Destination, save_figure
from smallbot.plots.common.style import (
    BAND,
    BLUE,
    in_order,
    INK,
    put_title,
    SERIES,
    styled,
    VERMILION,
)

MEASURED, LAW, OTHER, REST = VERMILION, INK, BLUE, '#8d949b'
_AGES = {1: '1 s', 60: '1 min', 3600: '1 h', 86400: '1 day', 2.63e6: '1 month', 3.16e7: '1 year'}


@styled
def draw_characteristics(result: dict[str, Any], path: Destination) -> None:
    """Draw the measurements of `smallbot.chip.characterisation.characterise` into a file."""
    figure = Figure(figsize=(13, 7.6), layout='constrained')
    axes = figure.subplots(2, 3).flat
    for draw, axis in zip((_programming, _drift, _spectrum, _product, _convergence, _faults),
                          axes, strict=True):
        draw(axis, result)
    put_title(figure, 'Simulated phase-change-memory core',
              f'law {result["law"]}, seed {result["seed"]}')
    save_figure(figure, path)


@styled
def draw_speeds(result: dict[str, Any], path: Destination) -> None:
    """Draw what `smallbot.chip.speed.benchmark` timed into a file."""
    figure = Figure(figsize=(7.4, 4.4), layout='constrained')
    axis = figure.subplots()
    rows = [(f'{name}, batch {batch}', result[key][f'batch_{batch}'], batch)
            for key, name in (('matvec_us', 'product, four phases'),
                              ('spikes_us', 'the same of 2 % spikes'),
                              ('one_phase_us', 'product, one phase')) for batch in (1, 90)]
    rows += [('drift worked out and first read', 1e6 * result['drift_and_read_seconds'], 1),
             ('programming all cells', 1e6 * result['program_seconds'], 1)]
    for number, (_, value, batch) in enumerate(rows):
        axis.barh(number, value, color=MEASURED if batch == 1 else OTHER, height=0.65)
        axis.annotate(_duration(value), (value, number), xytext=(4, 0),
                      textcoords='offset points', va='center_baseline')
    axis.set_yticks(range(len(rows)), [name for name, *_ in rows])
    axis.invert_yaxis()
    axis.grid(False, axis='y')
    axis.set(xscale='log', xlabel='median time, microseconds')
    axis.set_xlim(right=4 * max(value for _, value, _ in rows))
    put_title(figure, 'Speed of the simulated chip on this machine',
              f'law {result["law"]}, a core of 256 x 256, one thread')
    save_figure(figure, path)


def _duration(microseconds: float) -> str:
    for unit, size in (('s', 1e6), ('ms', 1e3)):
        if microseconds >= size:
            return f'{microseconds / size:.3g} {unit}'
    return f'{microseconds:.0f} µs'


@styled
def draw_map(found: Map, path: Path) -> None:
    """Draw where matrices lie on their cores into a file."""
    figure = Figure(figsize=(1 + 4.2 * found.cores, 5.2), layout='constrained')
    names = list(dict.fromkeys(region.matrix for region in found.regions))
    axes = np.atleast_1d(figure.subplots(1, found.cores))
    for core, axis in enumerate(axes):
        for region in (r for r in found.regions if r.core == core):
            height, width = region.shape
            axis.add_patch(Rectangle(
                (region.at[1], region.at[0]), width, height, edgecolor='white', lw=1.5,
                facecolor=SERIES[names.index(region.matrix) % len(SERIES)], alpha=0.6))
            axis.annotate(f'{region.matrix}\n{height} x {width}',
                          (region.at[1] + width / 2, region.at[0] + height / 2), ha='center',
                          va='center', fontsize=8 if height > 20 else 6,
                          rotation=90 if width < 40 else 0)
        axis.set(xlim=(0, CORE_SIDE), ylim=(CORE_SIDE, 0), aspect='equal', title=f'core {core}',
                 xlabel='column (output)', ylabel='row (input)', facecolor=BAND)
        axis.grid(False)
    put_title(figure, f'{found.cells:,} cells, {found.devices:,} devices')
    save_figure(figure, path)


def _ages(axis) -> None:
    axis.set_xscale('log')
    axis.set_xticks(list(_AGES), list(_AGES.values()))
    axis.minorticks_off()
    axis.set_xlabel('age')


def _programming(axis, result: dict[str, Any]) -> None:
    found = result['programming_error']
    x = np.array(found['target'])
    mean, sd = np.array(found['mean_us']), np.array(found['sd_us'])
    axis.fill_between(x, mean - sd, mean + sd, color=MEASURED, alpha=0.2, lw=0,
                      label='mean and s.d. of a core')
    axis.plot(x, mean, color=MEASURED)
    law = np.array(found['law_sd_us'])
    axis.plot(x, law, '--', color=LAW, lw=1, label='published s.d.')
    axis.plot(x, -law, '--', color=LAW, lw=1)
    axis.set(title='programming error', xlabel='target, share of the largest conductance',
             ylabel='error at t0, µS')
    axis.set_ylim(-1.5 * max(law.max(), 1e-3), 1.5 * max(law.max(), 1e-3))
    axis.legend(loc='lower right')


def _drift(axis, result: dict[str, Any]) -> None:
    found = result['drift']
    colours = in_order(len(found['states']))
    for k, (x, kept, sd, law, colour) in enumerate(zip(
            found['states'], found['kept'], found['sd'], found['law_kept'], colours,
            strict=True)):
        kept, sd = np.array(kept), np.array(sd)
        if k in (1, 3, 5):
            axis.fill_between(found['age_s'], kept - sd, kept + sd, color=colour, alpha=0.12, lw=0)
        axis.plot(found['age_s'], kept, color=colour, label=f'{x:g}')
        axis.plot(found['age_s'], law, '--', color=LAW, lw=0.8)
    axis.set(title='drift by state', ylabel='conductance over programmed', ylim=(0.05, 1.25))
    axis.legend(ncol=3, loc='lower left', title='target; bands: device to device, dashed: law',
                title_fontsize=9)
    _ages(axis)


def _spectrum(axis, result: dict[str, Any]) -> None:
    found = result['noise_spectrum']
    density = np.array(found['density'])
    shown = density > 1e-20
    axis.loglog(np.array(found['frequency_hz'])[shown], density[shown], '.', ms=3, color=MEASURED,
                label=f'sampled core, slope {found["exponent"]:.2f}')
    if shown.any():
        axis.loglog(found['frequency_hz'], found['law_density'], '--', color=LAW, lw=1,
                    label='published: Q²/f')
    axis.set(title=f'read noise of state {found["state"]:g}', xlabel='frequency, Hz',
             ylabel='relative power density, 1/Hz')
    axis.legend()


def _product(axis, result: dict[str, Any]) -> None:
    found = result['product_error']
    for key, colour, label in (('once_4', MEASURED, 'corrected once, at 1 s'),
                               ('each_4', OTHER, 'corrected again at each age')):
        axis.plot(found['age_s'], 100 * np.array(found[key]), color=colour, label=label)
    axis.set(title='matrix-vector product, 256 x 256, four phases', ylabel='relative error, %')
    axis.set_ylim(bottom=0)
    axis.legend()
    _ages(axis)


def _convergence(axis, result: dict[str, Any]) -> None:
    found = result['convergence']
    left = 100 * (1 - np.array(found['converged']))
    axis.semilogy(found['iterations'], np.where(left > 0, left, np.nan), color=MEASURED,
                  marker='.')
    axis.set(title=f'program-and-verify, {found["mean_iterations"]:.1f} iterations on average',
             xlabel='iterations', ylabel='devices not yet within the margin, %')


def _faults(axis, result: dict[str, Any]) -> None:
    found = result['fault_tolerance']
    share = 100 * np.array(found['stuck'])
    axis.plot(share, 100 * np.array(found['error']), color=MEASURED, marker='.',
              label='relative error of a product')
    cells = 100 / CORE_SIDE ** 2
    axis.plot(share, cells * np.array(found['compensated_cells']), color=OTHER, marker='.',
              label='cells compensated')
    axis.plot(share, cells * np.array(found['out_of_reach_cells']), color=REST, marker='.',
              label='cells out of reach')
    axis.set(title='stuck devices', xlabel='stuck devices, %', ylabel='share, %')
    axis.set_ylim(bottom=0)
    axis.legend()
