# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A sheet that pictures and words are put on at places in inches, from its top left corner.

For figures of many small pictures, where an axis for each would be slow and hard to align. What
people name is drawn as it stands: a dollar sign begins no formula.
"""

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
import numpy as np

from smallbot.errors import in_one_line
from smallbot.plots.common.style import FONTS, INK, LINE


def add_sheet(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add a sheet to a figure; all in inches, from the figure's top left corner."""
    across, down = figure.get_size_inches()
    axis = figure.add_axes((left / across, 1 - (top + height) / down,
                            width / across, height / down))
    axis.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axis.set_axis_off()
    return axis


def as_drawn(images: np.ndarray, colour: bool = False) -> np.ndarray:
    """Return images [..., H, W] of ink, which is bright, as [..., H, W, 3] with the ink dark.

    uint8, or float from 0 to 1. In `colour`, uint8 [..., 3, H, W], they stay as they are.
    """
    if colour:
        return np.moveaxis(images, -3, -1)
    ink = images / 255 if images.dtype == np.uint8 else images
    return np.repeat(1 - ink[..., None], 3, axis=-1)


def put_picture(axis: Axes, picture: np.ndarray, left: float, top: float, side: float,
                smooth: bool = True) -> tuple[float, float, float, float]:
    """Put a picture [H, W, 3] into the middle of a square of `side`, as large as it goes.

    Returns left, top, width and height of where it is. Not `smooth`: every pixel a square.
    """
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    width, height = width * scale, height * scale
    left, top = left + (side - width) / 2, top + (side - height) / 2
    axis.imshow(picture, extent=(left, left + width, top + height, top), aspect='auto', zorder=2,
                interpolation='auto' if smooth else 'nearest')
    return left, top, width, height


def put_frame(axis: Axes, place: tuple[float, float, float, float], colour: str = LINE,
              lw: float = 0.7, ls: str = '-') -> None:
    """Put a frame around a place (left, top, width, height)."""
    left, top, width, height = place
    axis.add_artist(Rectangle((left, top), width, height, fill=False, edgecolor=colour, lw=lw,
                              ls=ls, zorder=3))


def put_bar(axis: Axes, left: float, top: float, width: float, height: float, colour: str
            ) -> None:
    """Put a rectangle of one colour at a place, behind all else."""
    # Not as a patch: with each of those the limits, which are fixed here, are looked over.
    axis.add_artist(Rectangle((left, top), width, height, color=colour, lw=0, zorder=0))


def put_words(axis: Axes, left: float, top: float, words: str, size: float = 9,
              across: str = 'left', down: str = 'center_baseline', colour: str = INK,
              weight: str = 'normal') -> Text:
    """Put words at a place, `across` and `down` saying which part of them is there."""
    return axis.text(left, top, words, fontsize=size, ha=across, va=down, color=colour,
                     weight=weight, parse_math=False, family=FONTS, linespacing=1.05)


def put_name(axis: Axes, left: float, top: float, name: str, width: float, size: float = 9,
             weight: str = 'normal') -> None:
    """Put a name into one line of so many inches, its middle left out where it is too long."""
    name = in_one_line(name)
    text = put_words(axis, left, top, name, size, weight=weight)
    # The figure's own would be as large as it is, and made anew for every name.
    renderer = RendererAgg(1, 1, axis.figure.dpi)
    letters = len(name)
    while letters > 1 and (
            drawn := text.get_window_extent(renderer).width / renderer.dpi) > width:
        letters = max(1, min(letters - 1, int(letters * width / drawn) + 1))
        end = (letters - 1) // 3
        text.set_text(f'{name[:letters - end]}…{name[len(name) - end:]}')
