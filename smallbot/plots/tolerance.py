# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The figure of a tolerance contest: error over noise and over stuck devices."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MultipleLocator, NullFormatter, PercentFormatter
import numpy as np

from smallbot.plots.common.saving import save_figure
from smallbot.plots.common.style import BLUE, GREEN, INK, MARKERS, MUTED, PURPLE, styled, VERMILION

_COLOURS = (VERMILION, VERMILION, BLUE, BLUE, GREEN, GREEN, PURPLE, INK)
_STYLES = ('-', '--') * 4


@styled
def draw_tolerance(result: dict[str, Any], path: Path) -> None:
    """Draw what `smallbot.study.tolerance.gathered` returned into a file."""
    figure = Figure(figsize=(11, 7.4), layout='constrained')
    axes = figure.subplots(2, 2, sharex='col', sharey='row')
    for column, sweep in enumerate(('noise', 'stuck')):
        x = np.array(result[sweep])
        for row, (value, low_high) in enumerate((('mean', 'ci95'), ('times', 'times_ci95'))):
            axis = axes[row, column]
            for (who, found), colour, marker, style in zip(
                    result['contestants'].items(), _COLOURS, MARKERS, _STYLES, strict=False):
                points = found[sweep]
                axis.plot(x, [point[value] for point in points], style, marker=marker, ms=5,
                          color=colour, label=who)
                low, high = np.array([point[low_high] for point in points]).T
                axis.fill_between(x, low, high, color=colour, alpha=0.12, lw=0)
            axis.set_yscale('log')
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter('{x:g}')
            axis.yaxis.set_minor_formatter(NullFormatter())
    axes[0, 0].set_ylabel('tool-tip error on the chip, cm')
    axes[1, 0].set_ylabel('times the same networks in software')
    axes[1, 0].set_xlabel('noise of the devices, times their law')
    axes[1, 1].set_xlabel('stuck devices')
    axes[1, 1].xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes[1, 1].xaxis.set_major_locator(MultipleLocator(0.05))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc='outside upper center', ncol=3)
    figure.supxlabel(f'{result["tasks"]} movements, seed {result["seed"]}; mean over movements, '
                     f'bands: 95 % bootstrap intervals',
                     fontsize=9, color=MUTED)
    save_figure(figure, path)
