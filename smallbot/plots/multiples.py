# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Every movement of a folder, shown and played, one small picture each."""

import math
from pathlib import Path

from matplotlib.figure import Figure
import numpy as np

from smallbot.plots.common.saving import save_figure
from smallbot.plots.common.style import COLOURS, styled
from smallbot.plots.common.view import widest_view

SMALL = 0.2
"""Share of the largest extent below which a movement has a scale of its own."""
POOR = '#fff0ee'
"""Ground of a movement that is expected to come out poorly."""


@styled
def draw_multiples(names: list[str], tips: dict[str, np.ndarray], errors: np.ndarray,
                   poor: list[bool], path: Path) -> None:
    """Draw the tool tip of all movements into a file, each as it is widest.

    Parameters: `names` [B]; `tips`, paths [B, T, 3], m, `demonstrated` and `after`; `errors`,
    cm [B]; `poor` [B], whether it is expected to come out poorly. Drawn at one scale, but for
    the smallest.
    """
    views = [widest_view(path) for path in tips['demonstrated']]
    seen = {key: np.stack([view.of(path) for view, path in zip(views, tips[key])])
            for key in ('demonstrated', 'after')}
    both = np.concatenate(list(seen.values()), axis=1)
    low, high = both.min(1), both.max(1)
    halves = 0.55 * (high - low).max(1).clip(1e-3)
    half = halves.max()
    own = halves < SMALL * half
    columns = min(len(names), max(2, math.ceil(math.sqrt(1.4 * len(names)))))
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(1.75 * columns + 0.3, 1.95 * rows + 0.6), layout='constrained')
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes:
        axis.set_axis_off()
    for number, (axis, name) in enumerate(zip(axes, names)):
        axis.set_axis_on()
        here = halves[number] if own[number] else half
        across, up = (low[number] + high[number]) / 2
        for key, style in (('demonstrated', '--'), ('after', '-')):
            axis.plot(*seen[key][number].T, style, color=COLOURS[key], lw=1.3)
            axis.plot(*seen[key][number][0], 'o', color=COLOURS[key], ms=3)
        axis.set(xlim=(across - here, across + here), ylim=(up - here, up + here),
                 aspect='equal', xticks=[], yticks=[])
        for spine in axis.spines.values():
            spine.set_visible(True)
        if poor[number]:
            axis.set_facecolor(POOR)
        short = name if len(name) <= 24 else f'{name[:21]}...'
        axis.set_title(f'{short}\n{errors[number]:.1f} cm{", poor" if poor[number] else ""}'
                       + (f', {2 * here:.2g} cm wide' if own[number] else ''), fontsize=6.5,
                       loc='center', parse_math=False)
    figure.suptitle(f'dashed: shown, line: played after one update; a picture is '
                    f'{2 * half:.0f} cm wide, as the tool tip moves most', fontsize=8)
    save_figure(figure, path)
