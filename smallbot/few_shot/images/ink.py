# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Ink told from paper: which pixels of a picture are what somebody drew.

Light comes from one side, hands and edges throw shadows, paper is ruled, chalk is light on dark.
So the paper is estimated place by place, and ink is what stands out from it by more than half of
what ink stands out by. What does not look drawn (specks, a shadow or a table's edge at the
border, ruled lines) is left out.
"""

from dataclasses import dataclass
import math

import numpy as np
from scipy import ndimage

from smallbot.errors import InputError
from smallbot.few_shot.images.strokes import stroke_width

OFFSET = 0.25
"""Added to brightness, 0..1, before its logarithm: light then is a sum, and dark stays quiet."""
FAINTEST = 0.12
"""Contrast, in logarithms, of ink that can be told from paper; a pencil has some 0.4."""
NOISE = 5.0
"""Standard deviations of the paper's grain that ink stands out by at least."""
FEWEST = 5e-4
"""Share of the pixels that ink is reckoned to cover at least."""
MOST = 0.5
"""Share of the pixels beyond which it is no drawing."""
EVEN = 0.15
"""Share of the contrast that the paper's brightness may vary by at the border to be even."""
WIDEST = 0.25
"""Share of the shorter side that a stroke may be wide; what is wider is paper or shadow."""
LARGE = 0.15
"""Share of the longer side from which a piece of ink is a part that matters."""
BAND = 0.12
"""Share of the longer side that the border is, for shadows and edges."""
SPECK = 0.5
"""Strokes' widths, squared, below which a piece of ink is dirt."""
FAINTEST_RULE = 0.07
"""Contrast, in logarithms, of ruled lines that would be taken for ink or for its rim."""
THICKEST_RULE = 0.015
"""Share of the longer side."""
ON_RULES = 0.6
"""Share of a small piece of ink that lies on ruled lines, above which it is a rest of them."""
RULES = 3
"""Parallel lines from edge to edge that make paper ruled."""


class NothingDrawnError(InputError):
    """No drawing can be told from the paper; the message says why, without the file's name."""


@dataclass(frozen=True)
class Ink:
    """What was drawn: `mask` [H, W] bool, whether it is `dark` on light, and `notes` in words."""

    mask: np.ndarray
    dark: bool
    notes: tuple[str, ...]


def find_ink(picture: np.ndarray) -> Ink:
    """Return what is drawn in a picture [H, W, 3] float32, 0..1.

    Raises NothingDrawnError.
    """
    signal = _signal(picture)
    middle, even = _border(signal)
    contrast = ndimage.gaussian_filter(signal - (middle if even else _paper(signal)), 0.7)
    contrast -= np.median(contrast[::3, ::3])
    contrast, rules = _without_rules(contrast)
    mask, notes = _drawn(_thresholded(contrast), rules)
    if rules.any():
        notes = ['ruled lines left out', *notes]
    luminance = picture.mean(2)
    dark = bool(luminance[mask].mean() < luminance[~mask].mean())
    return Ink(mask, dark, tuple(notes))


def _signal(picture: np.ndarray) -> np.ndarray:
    """Return the mixture of colours [H, W] in which ink differs most from paper, ink higher."""
    small = np.log(_blocks(picture, 256) + OFFSET)
    side = min(small.shape[:2])
    spread, detail = np.zeros((3, 3)), []
    for share in (0.02, 0.05, 0.12):
        fine = small - ndimage.gaussian_filter(small, (share * side, share * side, 0))
        flat = fine.reshape(-1, 3)
        strong = np.linalg.norm(flat, axis=1, keepdims=True)
        spread += (flat * strong).T @ flat
        detail.append(flat)
    mixture = np.linalg.eigh(spread)[1][:, -1]
    middle, even = _border(small @ mixture)
    if even:
        skew = float(((small @ mixture - middle) ** 3).sum())
    else:
        # Ink is the lesser part of a picture: what is rare and far from the rest is its side.
        skew = sum(float((flat ** 3).mean() / max((flat ** 2).mean(), 1e-9) ** 1.5)
                   for flat in (flat @ mixture for flat in detail))
    return np.log(picture + OFFSET) @ (mixture if skew > 0 else -mixture).astype(np.float32)


def _border(signal: np.ndarray) -> tuple[float, bool]:
    """Return the middle of the signal [H, W] along the border, and whether it is even there."""
    ring = np.concatenate([signal[:2], signal[-2:], signal[:, :2].T, signal[:, -2:].T], axis=1)
    low, middle, high = np.percentile(ring, (5, 50, 95))
    return float(middle), bool(high - low < EVEN * np.abs(signal - middle).max())


def _paper(signal: np.ndarray) -> np.ndarray:
    """Return what the signal [H, W] would be without ink, place by place."""
    small = _blocks(signal, 256)
    # No bump as wide as a stroke is left.
    size = max(3, round(WIDEST * min(small.shape)))
    small = ndimage.gaussian_filter(ndimage.grey_opening(small, size, mode='nearest'), 1.0)
    step = _step(signal, 256)
    rows, columns = (np.clip((np.arange(n) + 0.5) / step - 0.5, 0, m - 1)
                     for n, m in zip(signal.shape, small.shape))
    return _between(_between(small, rows).T, columns).T


def _step(image: np.ndarray, longest: int) -> int:
    return max(1, round(max(image.shape) / longest))


def _blocks(image: np.ndarray, longest: int) -> np.ndarray:
    """Return the means of square blocks, some `longest` along the longer side; the rest is cut."""
    step = _step(image, longest)
    high, wide = (side // step * step for side in image.shape[:2])
    return sum(image[down:high:step, right:wide:step]
               for down in range(step) for right in range(step)) / np.float32(step ** 2)


def _between(rows: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return rows [N, M] interpolated at fractional places [K]."""
    low = np.minimum(at.astype(int), max(len(rows) - 2, 0))
    high = np.minimum(low + 1, len(rows) - 1)
    part = (at - low).astype(np.float32)[:, None]
    return rows[low] * (1 - part) + rows[high] * part


def _thresholded(contrast: np.ndarray) -> np.ndarray:
    """Return the ink [H, W] of a contrast: Otsu's threshold where there is some, with faint ends.

    N. Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on
    Systems, Man, and Cybernetics 9 (1979).
    """
    noise = _noise(contrast[::3, ::3])
    rank = max(10, round(FEWEST * contrast.size))
    peak = float(np.partition(contrast, -rank, None)[-rank])
    if peak < FAINTEST or peak < NOISE * noise:
        raise NothingDrawnError('nothing that is drawn can be told from the paper')
    near = ndimage.binary_dilation(contrast > max(0.35 * peak, 3 * noise), iterations=3)
    level = max(_otsu(contrast[near]), 3 * noise)
    label, count = ndimage.label(contrast > max(0.6 * level, 3 * noise), np.ones((3, 3)))
    strong = np.zeros(count + 1, bool)
    strong[label[contrast > level]] = True
    mask = _of(label, strong[1:])
    if mask.mean() > MOST:
        raise NothingDrawnError(f'{mask.mean():.0%} of it would be ink, expected strokes on paper')
    return mask


def _noise(contrast: np.ndarray) -> float:
    """Return the standard deviation of the paper, whatever the ink."""
    return 1.4826 * float(np.median(np.abs(contrast)))


def _otsu(values: np.ndarray) -> float:
    count, edges = np.histogram(values, 128)
    middle = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(count)
    above = below[-1] - below
    total = np.cumsum(count * middle)
    with np.errstate(divide='ignore', invalid='ignore'):
        between = below * above * (total / below - (total[-1] - total) / above) ** 2
    return float(middle[np.nanargmax(between[:-1])])


def _drawn(mask: np.ndarray, rules: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return the ink that looks drawn, and what was left out, in words.

    `rules` [H, W] bool are where ruled lines were: small pieces that lie on them are rests.
    """
    every = np.ones((3, 3))
    label, count = ndimage.label(mask, every)
    area = np.bincount(label.ravel(), minlength=count + 1)[1:]
    if rules.any():
        on = np.bincount(label[rules], minlength=count + 1)[1:]
        inside = np.bincount(label[_inside(mask)].ravel(), minlength=count + 1)[1:]
        # Lines that cut a corner of the picture are too short there to be known as such.
        rest = (on > ON_RULES * area) | (inside == 0)
        rest &= area < 0.2 * area.max()
        label, count = ndimage.label(_of(label, ~rest), every)
        area = np.bincount(label.ravel(), minlength=count + 1)[1:]
    boxes = ndimage.find_objects(label)
    longer = max(mask.shape)
    extent = np.array([max(s.stop - s.start for s in box) for box in boxes])
    touching = np.array([any(s.start == 0 or s.stop == side for s, side in zip(box, mask.shape))
                         for box in boxes])
    notes, kept = [], np.ones(count, bool)
    inner = ~touching & (extent > LARGE * longer)
    if inner.any() and touching.any():
        usual = stroke_width(_of(label, inner))
        for piece in np.flatnonzero(touching & (area > SPECK * usual ** 2)):
            if _at_border(label == piece + 1, usual, boxes[piece]):
                kept[piece] = False
        if not kept.all():
            notes.append('what lies at the border left out')
    usual = stroke_width(_of(label, kept))
    kept &= area >= SPECK * usual ** 2
    if not kept.any():
        raise NothingDrawnError('only specks stand out from the paper, nothing is drawn in it')
    return _of(label, kept), notes


def _of(label: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return where the chosen ones [C] of the pieces that are numbered from 1 are."""
    return np.concatenate([[False], chosen])[label]


def _at_border(piece: np.ndarray, usual: float, box: tuple[slice, slice]) -> bool:
    """Return whether a piece of ink that touches the border is a shadow or an edge."""
    high, wide = piece.shape
    contact = max(piece[0].sum() / wide, piece[-1].sum() / wide, piece[:, 0].sum() / high,
                  piece[:, -1].sum() / high)
    spans = max((s.stop - s.start) / side for s, side in zip(box, piece.shape))
    outer = not piece[_inside(piece)].any()
    return bool(contact > 0.25 or spans > 0.95 or outer or stroke_width(piece) > 2 * usual)


def _inside(picture: np.ndarray) -> tuple[slice, slice]:
    """Return where a picture [H, W] is not its border."""
    band = math.ceil(BAND * max(picture.shape))
    return slice(band, -band), slice(band, -band)


def _without_rules(contrast: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the contrast without the lines of ruled or squared paper, and where those were."""
    where = np.zeros(contrast.shape, bool)
    for turned in (False, True):
        lines = _rules(contrast.T if turned else contrast)
        if lines is not None:
            lines = lines.T if turned else lines
            contrast = contrast - lines
            where |= lines > 0
    return contrast, where


def _rules(contrast: np.ndarray) -> np.ndarray | None:
    """Return what lines from left to right add to the contrast [H, W]; None: there are none.

    The picture may be turned by a few degrees: each column is shifted so that lines lie level.
    """
    high, wide = contrast.shape
    few = contrast[:, ::8]
    noise = _noise(few)
    # Ink must not count for more than lines do.
    even = np.clip(few, -2 * noise, max(4 * noise, FAINTEST))
    slope = 0.0
    for far, fine, every in ((6, 0.3, 2), (0.25, 0.05, 1)):
        sharp = {}
        for degrees in np.arange(-far, far + 0.01, fine):
            lean = slope + math.tan(math.radians(degrees))
            level = _levelled(even[:, ::every], lean * 8 * every).mean(1)
            sharp[lean] = float((np.diff(level) ** 2).sum())
        slope = max(sharp, key=sharp.__getitem__)
    margin = math.ceil(abs(slope) * wide / 2)
    parts = np.stack([np.median(part, axis=1) for part in np.array_split(
        _levelled(few, slope * 8, margin), 8, axis=1)], 1)
    seen = np.isfinite(parts)
    parts = ndimage.maximum_filter1d(np.where(seen, parts, -np.inf), 3, axis=0)
    # A stroke ends before the edges do; a ruled line is there in every eighth but one.
    usual = np.sort(np.where(seen, parts, np.inf), axis=1)[:, 1]
    usual[seen.sum(1) < 2] = 0
    clear = usual > max(FAINTEST_RULE, noise, 0.3 * float(usual.max()))
    rule, count = ndimage.label(clear)
    thin = np.bincount(rule) <= max(6, THICKEST_RULE * max(high, wide))
    clear &= thin[rule]
    if len(np.unique(rule[clear & (seen.sum(1) > 5)])) < RULES:
        return None
    clear = ndimage.binary_dilation(clear)[:, None]
    usual = usual[:, None]
    parts = np.where(clear, np.where(seen, np.clip(parts, 0, 1.5 * usual), usual), 0)
    lines = parts[:, np.minimum(np.arange(wide) * 8 // wide, 7)]
    return _levelled(lines, -slope)[margin:margin + high].astype(np.float32)


def _levelled(image: np.ndarray, lean: float, margin: int = 0) -> np.ndarray:
    """Return an image [H, W] whose columns are shifted up by `lean` px more for each.

    With a `margin` above and below into which they can be shifted, NaN where nothing is.
    """
    high, wide = image.shape
    shift = np.rint((np.arange(wide) - wide / 2) * lean).astype(int)
    rows = np.arange(-margin, high + margin)[:, None] + shift
    level = np.take_along_axis(image, np.clip(rows, 0, high - 1), axis=0)
    if margin:
        level[(rows < 0) | (rows >= high)] = np.nan
    return level
