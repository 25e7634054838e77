# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""One style for all figures: colours, letters, lines and grid, and the size in dots.

Every colour that tells things apart is from Okabe and Ito's palette (2008), which people with any
colour vision tell apart, on white; what it tells apart also differs by dashes, markers or words.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import matplotlib
from matplotlib.figure import Figure
import numpy as np

INK, MUTED, LINE, BAND = '#222222', '#5c636a', '#c4c9ce', '#f1f3f5'
"""Of words, of words that matter less, of frames, of grounds."""
VERMILION, BLUE, GREEN, PURPLE, AMBER, SKY = (
    '#d55e00', '#0072b2', '#009e73', '#cc79a7', '#e69f00', '#56b4e9')
SERIES = (VERMILION, BLUE, GREEN, PURPLE, AMBER, SKY)
"""Of things of one kind side by side, in this order."""
MARKERS = ('o', 's', '^', 'D', 'v', 'P', 'X', '*')
COLOURS = {'demonstrated': INK, 'before': '#a3a9b0', 'after': VERMILION, 'arm': BLUE}
"""Of the courses of one movement."""
LABELS = {'demonstrated': 'demonstrated', 'before': 'before the update',
          'after': 'after one update', 'arm': 'arm'}
DASHES = {'demonstrated': (0, (4, 2))}
"""Of courses that are not drawn as an unbroken line."""
DPI = 120
"""Dots of an inch in pictures of dots."""
FONTS = ('DejaVu Sans', 'Noto Sans CJK SC', 'Noto Sans', 'Arial Unicode MS')
"""In any script: letters that one lacks are taken from the next that is installed."""
SETTINGS: dict[str, Any] = {
    'font.family': FONTS, 'font.size': 9.5, 'text.color': INK,
    'figure.titlesize': 12, 'figure.facecolor': 'white',
    'axes.titlesize': 11, 'axes.titlelocation': 'left', 'axes.titlecolor': INK,
    'axes.labelsize': 9.5, 'axes.labelcolor': INK, 'axes.edgecolor': '#8d949b',
    'axes.linewidth': 0.8, 'axes.spines.top': False, 'axes.spines.right': False,
    'axes.grid': True, 'axes.axisbelow': True, 'axes.prop_cycle': matplotlib.cycler(color=SERIES),
    'axes.formatter.useoffset': False,
    'grid.color': '#e4e7ea', 'grid.linewidth': 0.7,
    'xtick.color': '#8d949b', 'ytick.color': '#8d949b', 'xtick.labelcolor': INK,
    'ytick.labelcolor': INK, 'xtick.labelsize': 8.5, 'ytick.labelsize': 8.5,
    'legend.frameon': False, 'legend.fontsize': 9, 'lines.linewidth': 1.6,
    'lines.solid_capstyle': 'round', 'svg.hashsalt': 'smallbot',
}
Drawing = TypeVar('Drawing', bound=Callable[..., Any])


def styled(draw: Drawing) -> Drawing:
    """Return a function that draws in this style, whatever settings are a user's own."""
    @wraps(draw)
    def drawn(*arguments: Any, **options: Any) -> Any:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(SETTINGS)
            return draw(*arguments, **options)
    return drawn


def in_order(count: int) -> list[tuple[float, ...]]:
    """Return colours of things that come one after another, from dark to light."""
    return [tuple(colour) for colour in matplotlib.colormaps['cividis'](
        np.linspace(0, 0.88, count))]


def put_title(figure: Figure, title: str, below: str = '') -> None:
    """Put a title to the top left of a figure, and words `below` it.

    Constrained layout leaves room for both.
    """
    width, height = figure.get_size_inches()
    left = 0.1 / width
    # Constrained layout leaves room only where it may choose the height itself.
    at = {} if figure.get_constrained_layout() else {'y': 1 - 0.1 / height}
    figure.suptitle(title + ('\n' if below else ''), x=left, ha='left', va='top', weight='bold',
                    parse_math=False, linespacing=1.5, **at)
    if below:
        figure.text(left, 1 - 0.33 / height, below, ha='left', va='top', fontsize=9, color=MUTED,
                    parse_math=False)
