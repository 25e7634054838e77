# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Human pen strokes as joint movements: x on the base, y on the shoulder.

`pen_drawings.npz` holds the 898 drawings of a single stroke in four alphabets (Balinese, Early
Aramaic, Greek, katakana) of Omniglot's background set, with the time stamps of the pen. Licence
(MIT) and citation: `pen_drawings.LICENSE`.
"""

from functools import lru_cache
import math
from pathlib import Path

import numpy as np

from smallbot.arm.kinematics import Arm

EXTENT = math.radians(40)
"""Larger extent of a drawing, rad."""
WINDOW = 25
"""Length of the Hann window that smooths out the digitiser, in 250ths of a drawing."""
TRAINING_DRAWERS = 14
"""Drawers 1 to 14 are for training, 15 to 20 for validation and test."""
SPLITS = {'train': (2, 3, 4), 'validation': (1,), 'test': (0,)}
"""Residues, modulo 5, of a character's rank among the 68 characters with such drawings."""


@lru_cache(maxsize=1)
def _stored() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_name('pen_drawings.npz')) as archive:
        return {key: archive[key] for key in archive.files}


def drawings_of(split: str) -> np.ndarray:
    """Return the indices of the drawings of `split`: train, validation or test.

    Characters of one split are in no other, and the drawers of `train` in neither of the others:
    378 drawings for training, 52 for validation, 59 for test. The 409 others pair a training
    character with a held-out drawer or the reverse, and belong to none.
    """
    if split not in SPLITS:
        raise ValueError(f'split {split!r}: expected one of {", ".join(SPLITS)}')
    stored = _stored()
    _, rank = np.unique(stored['character'], return_inverse=True)
    training = stored['drawer'] <= TRAINING_DRAWERS
    chosen = np.isin(rank % 5, SPLITS[split]) & (training == (split == 'train'))
    return np.flatnonzero(chosen)


def drawing_name(index: int) -> str:
    """Return alphabet, character and drawer of a drawing, as in `greek_38_drawer_16`."""
    stored = _stored()
    alphabet = str(stored['alphabet_names'][stored['alphabet'][index]])
    plain = ''.join(c if c.isalnum() else '_' for c in alphabet.lower()).strip('_')
    return f'{plain}_{stored["character"][index]}_drawer_{stored["drawer"][index]}'


def pen_drawing(index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return time [S], s from 0, and pen positions [S, 2] as recorded, y upwards, canvas units."""
    stored = _stored()
    end = int(stored['length'][:index + 1].astype(int).sum())
    rows = slice(end - int(stored['length'][index]), end)
    return stored['t_ms'][rows] / 1000.0, stored['x_y'][rows] / 10.0


def pen_trial(index: int, steps: int) -> np.ndarray:
    """Return a drawing as joint positions [steps + 1, 2], rad, from its first point at zero.

    Time is the pen's own, normalised to the trial. The tablet reported whole and tenths of
    pixels at irregular intervals; a Hann window of a tenth of the trial takes its staircase out.
    It moves the path by 0.57 degrees (median r.m.s.; 1.6 at most) and leaves 88 % of the drawings
    within 20 rad/s^2 in a trial of 2.5 s, where none was before.
    """
    time, pen = pen_drawing(index)
    grid = np.linspace(0, time[-1], steps + 1)
    path = np.stack([np.interp(grid, time, pen[:, axis]) for axis in (0, 1)], axis=1)
    length = max(3, round(WINDOW * steps / 250) | 1)
    window = np.hanning(length + 2)[1:-1]
    padded = np.pad(path, ((length // 2, length // 2), (0, 0)), mode='edge')
    smooth = np.stack([np.convolve(padded[:, axis], window / window.sum(), 'valid')
                       for axis in (0, 1)], axis=1)
    smooth -= smooth[0]
    return smooth * (EXTENT / np.ptp(smooth, axis=0).max())


def pen_trials(split: str, steps: int, arm: Arm) -> np.ndarray:
    """Return the drawings of `split` as joint positions [D, steps + 1, 2], rad, from zero.

    Raises ValueError for an arm that does not drive two joints.
    """
    if len(arm.driven) != 2:
        raise ValueError(f'pen strokes drive two joints, {arm.name} drives {len(arm.driven)}')
    return np.stack([pen_trial(index, steps) for index in drawings_of(split)])
