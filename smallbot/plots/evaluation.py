# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Figures of `smallbot evaluate`: errors over movements, examples, baselines, and sweeps."""

import math
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter
import numpy as np

from smallbot.plots.common.saving import Destination, save_figure
from smallbot.plots.common.style import COLOURS, DASHES, LABELS, MUTED, put_title, styled
from smallbot.plots.common.view import widest_view
from smallbot.plots.sweep import AXES, draw_points, Panel

_PICKED = ((0.1, 'one in ten is better'), (0.5, 'the median'), (0.9, 'one in ten is worse'),
           (1.0, 'the worst'))
"""Of movements by error; where two are the same one, it is shown once, as the worse."""
_AXES = {**AXES, 'age': 'seconds between update and playback',
         'cells': 'share of cells that may be written'}


@styled
def draw_evaluation(result: dict[str, Any], errors: dict[str, np.ndarray],
                    tips: dict[str, np.ndarray], path: Path) -> None:
    """Draw one evaluation into a file, with its baselines where it has some.

    Parameters: `result`, its summary; `errors`, cm [B] each, `before`, `after` and perhaps
    `arm`; `tips`, tool-tip paths [B, T, 3], m, `demonstrated` and `after`.
    """
    baselines = result.get('baselines', {})
    below = 0.9 + 0.22 * (len(baselines) + 1) if baselines else 0
    figure = Figure(figsize=(11.4, 6.2 + below), layout='constrained')
    cells = result['cells_written']
    put_title(figure, f'{result["tasks"]} movements of the {result["family"]} family, one update '
                      f'each',
              f'{result["synapses"]} synapses, {100 * cells["fraction"]:.1f} % of the cells '
              f'written, model {result["model"]} ({result["weights"]}), seed {result["seed"]}')
    parts = figure.subfigures(2 if below else 1, 1, height_ratios=[6.2, below][:2 if below else 1],
                              squeeze=False)[:, 0]
    left, right = parts[0].subfigures(1, 2, width_ratios=[1, 1.15])
    _draw_errors(left.subplots(), errors)
    _draw_examples(right, errors['after'], tips)
    if below:
        _draw_baselines(parts[1].subplots(), result['tip_rmse_cm']['after'], baselines)
    save_figure(figure, path)


def _draw_errors(axis: Axes, errors: dict[str, np.ndarray]) -> None:
    """Draw how many movements have at most which error."""
    for key in ('before', 'arm', 'after'):
        if key in errors:
            ordered = np.sort(errors[key])
            axis.step(np.concatenate([[0], ordered]),
                      np.arange(len(ordered) + 1) / len(ordered), where='post',
                      color=COLOURS[key], lw=2, label=f'{LABELS[key]}, '
                      f'mean {ordered.mean():.2f} cm')
            axis.axvline(ordered.mean(), color=COLOURS[key], lw=0.9, ls=':')
    _centimetres(axis)
    axis.set(xlabel='tool-tip error, cm (root mean square over the movement)',
             ylabel='movements with at most this error', ylim=(0, 1.005))
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    axis.legend(loc='lower left', bbox_to_anchor=(0, 1), borderaxespad=0.3)


def _draw_examples(panel, errors: np.ndarray, tips: dict[str, np.ndarray]) -> None:
    """Draw movements that come out better and worse, each as it is widest."""
    order = np.argsort(errors)
    numbers = {order[max(0, math.ceil(share * len(order)) - 1)]: name for share, name in _PICKED}
    axes = list(panel.subplots(2, 2).flat)
    for axis in axes[len(numbers):]:
        axis.set_axis_off()
    for axis, (number, name) in zip(axes, numbers.items()):
        view = widest_view(tips['demonstrated'][number])
        for key in ('after', 'demonstrated'):
            course = view.of(tips[key][number])
            axis.plot(*course.T, color=COLOURS[key], lw=1.8, ls=DASHES.get(key, '-'))
            axis.plot(*course[0], 'o', color=COLOURS[key], ms=4)
        axis.set_title(f'{name}: {errors[number]:.1f} cm', fontsize=9.5)
        axis.set_aspect('equal', adjustable='datalim')
        axis.tick_params(labelsize=7.5)
        axis.set_xlabel(view.said, fontsize=8, color=MUTED)
    panel.supylabel('cm from the start (dashed: demonstrated)', fontsize=9.5)


def _draw_baselines(axis: Axes, own: dict[str, Any], baselines: dict[str, dict[str, Any]]) -> None:
    """Draw means and their intervals, one below the other."""
    rows = {'one update with the generator': own,
            **{name: found['tip_rmse_cm'] for name, found in baselines.items()}}
    for number, row in enumerate(rows.values()):
        colour = COLOURS['after' if number == 0 else 'arm']
        low, high = row['ci95'] or (row['mean'],) * 2
        # Of few movements the interval may go below zero, where the axis has no end.
        axis.plot([max(low, row['mean'] / 10), high], [number] * 2, color=colour, lw=4, alpha=0.35)
        axis.plot(row['mean'], number, 'o' if number == 0 else 's', color=colour, ms=6)
        axis.annotate(f'{row["mean"]:.2f}', (high, number), xytext=(6, 0),
                      textcoords='offset points', va='center_baseline', fontsize=8)
    axis.set_yticks(range(len(rows)), list(rows))
    axis.invert_yaxis()
    _centimetres(axis)
    axis.set(xlabel='mean tool-tip error, cm, and its 95 % interval',
             title='the same movements in software without the generator')


def _centimetres(axis: Axes) -> None:
    axis.set_xscale('log')
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter('{x:g}')
    axis.xaxis.set_minor_formatter(NullFormatter())


def draw_sweep(result: dict[str, Any], path: Destination) -> None:
    """Draw a sweep into a file: error and cells written over what was varied."""
    panels = [Panel('tool-tip error after one update, cm',
                    lambda point: point['tip_rmse_cm']['after']),
              Panel('cells written, %', lambda point: 100 * point['cells_written']['fraction'])]
    first = result['points'][0]
    draw_points(result['sweep'], _AXES[result['sweep']], result['points'], panels,
                f'{first["tasks"]} movements of the {first["family"]} family at each point\n'
                f'{first["synapses"]} synapses, model {first["model"]} '
                f'({first["weights"]}), seed {first["seed"]}', path)
