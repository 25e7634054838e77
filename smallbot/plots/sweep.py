# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The figure of any sweep: what was measured at several values of one thing that was varied."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
import numpy as np

from smallbot.plots.common.saving import Destination, save_figure
from smallbot.plots.common.style import COLOURS, MUTED, put_title, styled

AXES = {'noise': 'noise of the devices, times their law', 'stuck': 'stuck devices',
        'step': 'step of the rounding, share of the range'}
"""Labels of what may be varied of a chip."""
SHARES = ('stuck', 'cells')
"""What is varied from 0 to 1, and shown in per cent."""
WIDE = 30
"""How many times the least value the largest is where an axis becomes logarithmic."""


class Panel(NamedTuple):
    """What one of the panels shows of each point."""

    label: str
    """Of the vertical axis, with the unit."""
    of: Callable[[dict[str, Any]], Any]
    """Returns a point's number, or its spread: `mean`, `ci95` and perhaps `median`."""
    from_zero: bool = True
    """Whether the axis begins at zero; else where the values do."""


@styled
def draw_points(swept: str, label: str, points: Sequence[dict[str, Any]],
                panels: Sequence[Panel], title: str, path: Destination) -> None:
    """Draw a sweep into a file, the first panel the largest.

    Parameters: `swept`, the name of what was varied, and its `label`; `points`, each with its
    `value` and what `panels` take from it; `title`, whose second line is smaller.
    """
    figure = Figure(figsize=(7.4, 6), layout='constrained')
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, gridspec_kw={
        'height_ratios': [2.2, *[1] * (len(panels) - 1)]})[:, 0]
    x = np.array([point['value'] for point in points])
    for axis, panel in zip(axes, panels):
        values = [panel.of(point) for point in points]
        if isinstance(values[0], dict):
            _draw_spreads(axis, x, values)
        else:
            axis.plot(x, values, 'o-', color=MUTED)
        axis.set_ylabel(panel.label)
        if panel.from_zero:
            axis.set_ylim(0, 1.08 * axis.dataLim.ymax)
    last = axes[-1]
    last.set_xlabel(label)
    least = x[x > 0].min(initial=np.inf)
    if np.isfinite(least) and x.max() / least > WIDE:
        last.set_xscale('symlog', linthresh=least) if (x == 0).any() else last.set_xscale('log')
    if swept in SHARES:
        last.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    put_title(figure, *title.split('\n', 1))
    save_figure(figure, path)


def _draw_spreads(axis, x: np.ndarray, rows: list[dict[str, Any]]) -> None:
    axis.plot(x, [row['mean'] for row in rows], 'o-', color=COLOURS['after'], label='mean')
    if all(row['ci95'] for row in rows):
        low, high = np.array([row['ci95'] for row in rows]).T
        axis.fill_between(x, low, high, color=COLOURS['after'], alpha=0.2, lw=0,
                          label='its 95 % confidence interval')
    if all('median' in row for row in rows):
        axis.plot(x, [row['median'] for row in rows], 's--', color=COLOURS['arm'], ms=4,
                  label='median')
    axis.legend()
