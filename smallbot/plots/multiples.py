"""Every movement of a folder, shown and played, one small picture each."""

import math
from pathlib import Path

from matplotlib.figure import Figure
import numpy as np

from smallbot.plots.report import COLOURS
from smallbot.plots.saving import save_figure

SMALL = 0.2
"""Share of the largest extent below which a movement has a scale of its own."""
POOR = '#fff0ee'
"""Ground of a movement that is expected to come out poorly."""


def draw_multiples(names: list[str], tips: dict[str, np.ndarray], errors: np.ndarray,
                   poor: list[bool], path: Path) -> None:
    """Draw the tool tip of all movements into a PNG file, seen along the axis they move least.

    Parameters: `names` [B]; `tips`, paths [B, T, 3], m, `demonstrated` and `after`; `errors`,
    cm [B]; `poor` [B], whether it is expected to come out poorly. Drawn at one scale, but for
    the smallest.
    """
    shown = tips['demonstrated']
    spread = np.ptp(shown, axis=1).sum(0)
    across, up = sorted(np.argsort(spread)[1:])
    extents = np.ptp(np.concatenate([shown, tips['after']], axis=1), axis=1)[:, [across, up]]
    halves = 0.55 * extents.max(1)
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
        both = np.concatenate([tips[key][number] for key in ('demonstrated', 'after')])
        here = halves[number] if own[number] else half
        middle = (both.min(0) + both.max(0)) / 2
        for key, style in (('demonstrated', '--'), ('after', '-')):
            course = tips[key][number]
            axis.plot(course[:, across], course[:, up], style, color=COLOURS[key], lw=1.3)
            axis.plot(*course[0, [across, up]], 'o', color=COLOURS[key], ms=3)
        axis.set(xlim=(middle[across] - here, middle[across] + here),
                 ylim=(middle[up] - here, middle[up] + here), aspect='equal',
                 xticks=[], yticks=[])
        if poor[number]:
            axis.set_facecolor(POOR)
        short = name if len(name) <= 24 else f'{name[:21]}...'
        axis.set_title(f'{short}\n{errors[number]:.1f} cm{", poor" if poor[number] else ""}'
                       + (f', {200 * here:.2g} cm wide' if own[number] else ''), fontsize=6.5)
    figure.suptitle(f'dashed: shown, line: played after one update; a picture is '
                    f'{200 * half:.0f} cm wide, {"xyz"[across]} and {"xyz"[up]} of the tool tip',
                    fontsize=8)
    save_figure(figure, path, 120)
