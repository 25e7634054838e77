"""Figures of `smallbot evaluate`: errors over movements, examples, and sweeps."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter
import numpy as np

from smallbot.plots.report import COLOURS, LABELS
from smallbot.plots.saving import save_figure
from smallbot.plots.sweep import AXES, draw_points, Panel

_PICKED = ((0.1, 'one in ten is better'), (0.5, 'the median'), (0.9, 'one in ten is worse'),
           (1.0, 'the worst'))
_AXES = {**AXES, 'age': 'seconds between update and playback',
         'cells': 'share of cells that may be written'}


def draw_evaluation(result: dict[str, Any], errors: dict[str, np.ndarray],
                    tips: dict[str, np.ndarray], path: Path) -> None:
    """Draw one evaluation into a PNG file.

    Parameters: `result`, its summary; `errors`, cm [B] each, `before`, `after` and perhaps
    `arm`; `tips`, tool-tip paths [B, T, 3], m, `demonstrated` and `after`.
    """
    figure = Figure(figsize=(12, 6.4), layout='constrained')
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.15])
    axis = left.subplots()
    for key in ('before', 'arm', 'after'):
        if key in errors:
            ordered = np.sort(errors[key])
            axis.step(np.concatenate([[0], ordered]),
                      np.arange(len(ordered) + 1) / len(ordered), where='post',
                      color=COLOURS[key], lw=2, label=f'{LABELS[key]}, '
                      f'mean {ordered.mean():.2f} cm')
            axis.axvline(ordered.mean(), color=COLOURS[key], lw=0.8, ls=':')
    axis.set_xscale('log')
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter('{x:g}')
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set(xlabel='tool-tip error, cm (root mean square over the movement)',
             ylabel='movements with at most this error', ylim=(0, 1))
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    axis.grid(alpha=0.25, which='both')
    axis.legend(loc='lower right', fontsize=9)
    order = np.argsort(errors['after'])
    for axis, (share, name) in zip(right.subplots(2, 2).flat, _PICKED, strict=True):
        number = order[max(0, int(np.ceil(share * len(order))) - 1)]
        for key in ('after', 'demonstrated'):
            sideways, up = tips[key][number, :, 1], tips[key][number, :, 2]
            axis.plot(sideways, up, color=COLOURS[key], lw=1.8,
                      ls='--' if key == 'demonstrated' else '-')
            axis.plot(sideways[0], up[0], 'o', color=COLOURS[key], ms=4)
        axis.set_title(f'{name}: {errors["after"][number]:.1f} cm', fontsize=9)
        axis.set_aspect('equal', adjustable='datalim')
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.25)
    right.supxlabel('left - right, m (dashed: demonstrated)', fontsize=9)
    right.supylabel('height, m', fontsize=9)
    cells = result['cells_written']
    figure.suptitle(
        f'{result["tasks"]} movements of the {result["family"]} family, one update each: '
        f'{result["synapses"]} synapses, {100 * cells["fraction"]:.1f} % of the cells written, '
        f'model {result["model"]} ({result["weights"]}), seed {result["seed"]}', fontsize=11)
    save_figure(figure, path, 110)


def draw_sweep(result: dict[str, Any], path: Path) -> None:
    """Draw a sweep into a PNG file: error and cells written over what was varied."""
    panels = [Panel('tool-tip error after one update, cm',
                    lambda point: point['tip_rmse_cm']['after']),
              Panel('cells written, %', lambda point: 100 * point['cells_written']['fraction'])]
    first = result['points'][0]
    draw_points(result['sweep'], _AXES[result['sweep']], result['points'], panels,
                f'{first["tasks"]} movements of the {first["family"]} family at each point, '
                f'{first["synapses"]} synapses, model {first["model"]} '
                f'({first["weights"]}), seed {first["seed"]}', path)
