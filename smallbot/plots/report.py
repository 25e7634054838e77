# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The picture of one demonstration: the two paths and the error, then velocities and spikes."""

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
import numpy as np

from smallbot.plots.common.saving import save_figure
from smallbot.plots.common.sheet import add_sheet, put_name, put_words
from smallbot.plots.common.style import COLOURS, DASHES, INK, LABELS, MUTED, styled
from smallbot.plots.common.view import View, widest_view
from smallbot.study.reproduction import Reproduction

WIDTHS = {'before': 1.2, 'arm': 4.5, 'after': 1.8, 'demonstrated': 1.8}
"""Of lines, in the order in which they are drawn: the arm's under what it follows."""
MARGIN = 0.1
"""Around paths, share of their extent."""
FAR = 1.5
"""How many times the others' extent a course before the update may make a picture."""
ACROSS = 4
"""Small pictures side by side."""


@styled
def draw_report(result: Reproduction, path: Path) -> None:
    """Draw a reproduction into a file: paths and error large, velocities and spikes below."""
    small = len(result.joints) + 2
    rows = math.ceil(small / ACROSS)
    columns = math.ceil(small / rows)
    large, little = 4.9, 1.75
    width, height = 10.6, large + 0.35 + little * rows
    figure = Figure(figsize=(width, height))
    words = add_sheet(figure, 6.75, 0, width - 6.75, large)
    _put_words(words, result)
    upper, lower = figure.subfigures(2, 1, height_ratios=[large, height - large])
    for part in (upper, lower):
        part.set_facecolor('none')
    view = widest_view(result.tip['demonstrated'])
    axis = upper.add_axes((0.72 / width, 0.62 / large, 5.7 / width, 1 - 1.05 / large))
    draw_paths(axis, result, view)
    axis.set(xlabel=view.across_label, ylabel=view.up_label)
    axis.set_title(f'tool tip, {view.said}')
    grid = lower.add_gridspec(
        rows, columns, left=0.72 / width, right=1 - 0.12 / width, wspace=0.3, hspace=0.55,
        top=1 - 0.3 / (height - large), bottom=0.5 / (height - large))
    axes = [lower.add_subplot(grid[divmod(number, columns)]) for number in range(small)]
    for number, (axis, joint) in enumerate(zip(axes, result.joints)):
        _draw_velocity(axis, result, number, joint)
    for axis, key in zip(axes[-2:], ('before', 'after')):
        _draw_spikes(axis, result, key)
    for axis in axes:
        axis.set_xlim(0, result.time[-1])
        axis.tick_params(labelsize=7.5)
        axis.title.set_fontsize(9)
    for axis in axes[-columns:] if small % columns == 0 else (
            *axes[-(small % columns):], *axes[small - columns:-(small % columns)]):
        axis.set_xlabel('time of the playback, s', fontsize=8)
    save_figure(figure, path)


def draw_paths(axis: Axes, result: Reproduction, view: View,
               keys: tuple[str, ...] = tuple(WIDTHS)) -> None:
    """Draw tool-tip paths at one scale in both directions, cm from the start."""
    seen = {key: view.of(result.tip[key]) for key in result.tip}
    close = np.concatenate([seen[key] for key in ('demonstrated', 'after', 'arm')])
    low, high = close.min(0), close.max(0)
    extent = (high - low).max()
    wide = np.concatenate([close, seen['before']])
    if np.ptp(wide, axis=0).max() < FAR * extent:
        low, high = wide.min(0), wide.max(0)
    margin = MARGIN * max(extent, 1e-3)
    for key in keys:
        axis.plot(*seen[key].T, color=COLOURS[key], lw=WIDTHS[key], ls=DASHES.get(key, '-'),
                  alpha=0.45 if key == 'arm' else 1)
    start = seen['demonstrated'][0]
    axis.plot(*start, 'o', color=INK, ms=6, zorder=4)
    axis.annotate('start', start, xytext=18 * _free_side(start, close, 0.07 * extent),
                  textcoords='offset points', ha='center', va='center', fontsize=9)
    axis.set(xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin))
    axis.set_aspect('equal', adjustable='datalim')


def _free_side(at: np.ndarray, points: np.ndarray, away: float) -> np.ndarray:
    """Return the direction [2] in which there is most room for a word beside a place."""
    angles = np.arange(8) * np.pi / 4
    sides = np.stack([np.cos(angles), np.sin(angles)], 1)
    room = np.linalg.norm(at + away * sides[:, None] - points, axis=2).min(1)
    return sides[room.argmax()]


def _put_words(sheet: Axes, result: Reproduction) -> None:
    """Put the one number, what it stands beside, and the key of all pictures."""
    report = result.report
    error, cells = report['tip_rmse_cm'], report['cells_written']
    width = sheet.get_xlim()[1] - 0.15
    put_name(sheet, 0, 0.28, str(report['demonstration']['shown']), width, 12, 'bold')
    put_words(sheet, 0, 1.0, f'{error["after"]["mean"]:.1f} cm', 46, weight='bold',
              colour=COLOURS['after'])
    put_words(sheet, 0, 1.58, 'off, after one update', 15)
    put_words(sheet, 0, 1.88, f'before: {error["before"]["mean"]:.1f} cm', 11, colour=MUTED)
    expected = report.get('expected_tip_rmse_cm')
    emulated = 'emulated ' if report.get('emulated') else ''
    lines = [f'{emulated}{report["arm"]} arm: {report["arm_tip_rmse_cm"]:.1f} cm off',
             *([f'expected by the rehearsal: {expected["mean"]:.1f} cm'] if expected else []),
             f'{cells["mean"]:,.0f} cells written, {100 * cells["fraction"]:.0f} % '
             f'({report["synapses"]})',
             f'learned in {report["learn_seconds"]:.2f} s'
             + (f', {report["energy_uj"]:.1f} µJ at most' if report.get('energy_uj') else ''),
             f'model {report["model"]} ({report["weights"]}), seed {report["seed"]}']
    for number, line in enumerate(lines):
        put_words(sheet, 0, 2.3 + 0.215 * number, line, 9, colour=MUTED)
    for number, key in enumerate(('demonstrated', 'after', 'arm', 'before')):
        at = 3.62 + 0.25 * number
        sheet.plot([0, 0.42], [at - 0.005] * 2, color=COLOURS[key], lw=WIDTHS[key] + 0.3,
                   ls=DASHES.get(key, '-'), alpha=0.45 if key == 'arm' else 1)
        put_words(sheet, 0.54, at, LABELS[key], 10)


def _draw_velocity(axis: Axes, result: Reproduction, number: int, joint: str) -> None:
    for key in WIDTHS:
        axis.plot(result.time, result.velocity[key][:, number], color=COLOURS[key],
                  lw={'arm': 2.2, 'before': 0.7}.get(key, 1), ls=DASHES.get(key, '-'),
                  alpha=0.45 if key == 'arm' else 1)
    shown = np.concatenate([result.velocity[key][:, number]
                            for key in ('demonstrated', 'after', 'arm')])
    low, high = shown.min(), shown.max()
    margin = 0.08 * max(high - low, 1e-3)
    axis.set_ylim(low - margin, high + margin)
    axis.set_title(f'{joint}, rad/s' if len(joint) < 20 else f'{joint[:18]}…, rad/s',
                   parse_math=False)


def _draw_spikes(axis: Axes, result: Reproduction, key: str) -> None:
    spikes = result.spikes[key]
    colour = COLOURS[key] if key == 'after' else MUTED
    axis.scatter((spikes[:, 0] + 1) * result.time[0], spikes[:, 1], s=0.7, color=colour,
                 linewidths=0, rasterized=True)
    axis.set_ylim(-2, max(1, int(spikes[:, 1].max(initial=1))) + 2)
    axis.set_title(f'spikes {key}, by neuron')
    axis.grid(False)
