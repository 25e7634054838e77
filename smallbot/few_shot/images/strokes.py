# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Ink to centre lines, and centre lines to a character as the network knows them.

A fat felt pen and a fine liner leave the same centre line. It is drawn again with the pen, at the
size and at the place that are typical of Omniglot, and averaged down to its 28 x 28 pixels. The
network saw characters of any size and place, but one pen.
"""

from functools import cache
import math

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.spatial import cKDTree

SIDE = 28
"""Pixels of a side of what the network sees."""
PEN = 1.28
"""Width of a stroke, px of 28: ink over the length of the pen's path, median of 2,340 Omniglot
drawings whose path is known; from 1.14 to 1.41 in nine of ten of them."""
EXTENT = 17.7
"""Larger extent of the centre line, px of 28: that of the ink, 19, without the pen. Omniglot's
background set, 19,280 drawings: 16 to 21 in the middle half, 12 to 24 in nine of ten."""
CENTRE = 13.5
"""Middle of the extent, px of 28, both ways: median of the same drawings, half of which lie
within 1."""
WIDEST = 4.4
"""Times the stroke's width that a drawing is reckoned to measure at least: a dot stays a dot."""
CANVAS = 176
"""Pixels of the larger extent in which centre lines are looked for."""
OVER = 6
"""Canvas pixels, each way, that are averaged to one of 28."""
ROUGH = 0.2
"""Strokes' widths below which an edge's roughness is smoothed out."""
SPUR = 0.5
"""Strokes' widths, measured from the centre line, below which a branch is an edge's roughness."""

# Neighbours in turn: n, ne, e, se, s, sw, w, nw.
_AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


def area_averaged(image: np.ndarray, side: int) -> np.ndarray:
    """Return an image [H, W] at [side, side] float32: each pixel the mean of the area it covers.

    Pixels that lie across an edge count by their part.
    """
    rows, columns = (_overlap(length, side) for length in image.shape)
    return (rows @ image @ columns.T).astype(np.float32)


def _overlap(length: int, side: int) -> np.ndarray:
    """Return the share [side, length] that each pixel has in each of the averages."""
    low = np.arange(side)[:, None] * length / side
    pixel = np.arange(length)
    inside = np.minimum(low + length / side, pixel + 1) - np.maximum(low, pixel)
    return np.maximum(inside, 0) * side / length


def stroke_width(mask: np.ndarray) -> float:
    """Return the usual width, px, of the strokes of a mask [H, W]; 0 without ink."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if not rows.size:
        return 0.0
    depth = ndimage.distance_transform_edt(np.pad(
        mask[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1], 1))
    ridge = depth[(depth == ndimage.maximum_filter(depth, 3)) & (depth > 0)]
    # A pixel's centre lies 0.5 from the edge of the ink that the distance is measured beyond.
    return float(2 * np.median(ridge) - 1)


def centre_lines(mask: np.ndarray) -> tuple[np.ndarray, float]:
    """Return points [P, 2] on the centre lines of the ink, and the strokes' width.

    `mask` [H, W] bool, cropped to the ink, holds some. Points (row, column) and width are in px
    of the mask.
    """
    scale = CANVAS / max(mask.shape)
    shape = [max(round(side * scale), 1) for side in mask.shape]
    canvas = _scaled(mask.astype(np.float32), shape)
    thin = stroke_width(mask) * scale
    # Strokes finer than a pixel of the canvas reach less than half of it.
    ink = canvas > min(0.5, 0.4 * thin)
    width = max(stroke_width(ink), 1.0)
    margin = 2 + math.ceil(width)
    ink = np.pad(ink, margin)
    if width > 3:
        ink = ndimage.gaussian_filter(ink.astype(np.float32), ROUGH * width) > 0.5
    ink = _without_pinholes(ink, 0.5 * width ** 2)
    lines = _pruned(_thinned(ink), round(SPUR * width))
    points = np.argwhere(lines) - margin + 0.5
    return points / scale, width / scale


def redrawn(points: np.ndarray, width: float) -> np.ndarray:
    """Return the drawing [28, 28] float32, 0..1, that a pen makes along centre lines.

    `points` [P, 2] (row, column) and the `width` of the strokes in the same unit, which bounds
    how much a dot is enlarged.
    """
    low, high = points.min(0), points.max(0)
    scale = EXTENT / max((high - low).max(), WIDEST * width)
    at = (points - (low + high) / 2) * scale + CENTRE
    grid = (np.indices((SIDE * OVER, SIDE * OVER)).reshape(2, -1).T + 0.5) / OVER
    distance, _ = cKDTree(at).query(grid, distance_upper_bound=PEN)
    level = np.clip((PEN / 2 - distance) * OVER + 0.5, 0, 1)
    return level.reshape(SIDE, OVER, SIDE, OVER).mean((1, 3)).astype(np.float32)


def _scaled(image: np.ndarray, shape: list[int]) -> np.ndarray:
    """Return an image [H, W], 0..1, at another size; smaller by averaging areas."""
    way = Image.Resampling.BOX if max(shape) < max(image.shape) else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(image).resize(shape[::-1], way))


def _without_pinholes(ink: np.ndarray, area: float) -> np.ndarray:
    """Fill holes of at most an area, px: paper's grain that shows through."""
    label, count = ndimage.label(~ink)
    small = np.bincount(label.ravel(), minlength=count + 1) <= area
    small[0] = False
    return ink | small[label]


def _codes(ink: np.ndarray) -> np.ndarray:
    """Return which of its eight neighbours each pixel has, as bits; the border has none."""
    code = np.zeros(ink.shape, np.uint8)
    inside = code[1:-1, 1:-1]
    high, wide = ink.shape
    for bit, (down, right) in enumerate(_AROUND):
        inside |= ink[1 + down:high - 1 + down, 1 + right:wide - 1 + right].astype(np.uint8) << bit
    return code


@cache
def _removable() -> np.ndarray:
    """Return, for both half steps and each code, whether thinning takes a pixel away [2, 256].

    Z. Guo, R. W. Hall, "Parallel thinning with two-subiteration algorithms", Communications of
    the ACM 32 (1989), algorithm A1.
    """
    table = np.zeros((2, 256), bool)
    for code in range(256):
        n, ne, e, se, s, sw, w, nw = (bool(code >> bit & 1) for bit in range(8))
        crossings = ((not n and (ne or e)) + (not e and (se or s))
                     + (not s and (sw or w)) + (not w and (nw or n)))
        count = min((nw or n) + (ne or e) + (se or s) + (sw or w),
                    (n or ne) + (e or se) + (s or sw) + (w or nw))
        if crossings == 1 and 2 <= count <= 3:
            table[0, code] = not ((n or ne or not se) and e)
            table[1, code] = not ((s or sw or not nw) and w)
    return table


_ENDS = np.array([bin(code).count('1') <= 1 or code in {0b11 << k for k in range(7)} | {0x81}
                  for code in range(256)])
"""A pixel with one neighbour, or two that touch, ends a line."""


def _thinned(ink: np.ndarray) -> np.ndarray:
    """Return lines one pixel wide in the middle of the ink; each piece of it keeps some."""
    lines, changed = ink.copy(), True
    while changed:
        changed = False
        for half in (0, 1):
            gone = lines & _removable()[half][_codes(lines)]
            lines &= ~gone
            changed |= bool(gone.any())
    return lines


def _pruned(lines: np.ndarray, length: int) -> np.ndarray:
    """Return lines without branches of at most `length` px; lone short lines stay."""
    rest, taken = lines.copy(), []
    for _ in range(length):
        ends = rest & _ENDS[_codes(rest)]
        rest &= ~ends
        taken.append(ends)
    # What lost its spurs altogether ends no more; true ends grow back along what was taken.
    grown = rest & _ENDS[_codes(rest)]
    every = np.ones((3, 3), bool)
    for ends in reversed(taken):
        grown |= ends & ndimage.binary_dilation(grown, every)
    whole = rest | grown
    label, count = ndimage.label(lines, every)
    kept = np.zeros(count + 1, bool)
    kept[label[whole]] = True
    return whole | (lines & ~kept[label])
