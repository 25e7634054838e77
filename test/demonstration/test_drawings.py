# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from smallbot.arm.kinematics import default_arm
from smallbot.demonstration.drawings import drawings_of, pen_drawing, pen_trials

ARM = default_arm()


def test_every_single_stroke_drawing_is_shipped_with_increasing_time():
    for index in range(898):
        time, pen = pen_drawing(index)
        assert len(time) == len(pen) >= 6
        assert time[0] == 0 and (np.diff(time) > 0).all()
    with pytest.raises(IndexError):
        pen_drawing(898)


def test_splits_share_neither_characters_nor_drawers_with_training():
    import smallbot.demonstration.drawings as drawings
    with np.load(drawings.__file__.replace('drawings.py', 'pen_drawings.npz')) as archive:
        character, drawer = archive['character'], archive['drawer']
    splits = {name: drawings_of(name) for name in ('train', 'validation', 'test')}
    assert [len(s) for s in splits.values()] == [378, 52, 59]
    for name in ('validation', 'test'):
        assert not set(character[splits['train']]) & set(character[splits[name]])
        assert not set(drawer[splits['train']]) & set(drawer[splits[name]])
    assert not set(character[splits['validation']]) & set(character[splits['test']])
    with pytest.raises(ValueError, match='train, validation, test'):
        drawings_of('all')


def test_trials_begin_at_zero_and_span_forty_degrees():
    trials = pen_trials('test', 250, ARM)
    assert trials.shape == (59, 251, 2)
    assert np.abs(trials[:, 0]).max() == 0
    assert np.ptp(trials, axis=1).max(1) == pytest.approx(math.radians(40))


def test_trials_can_be_moved_by_an_arm():
    acceleration = np.abs(np.diff(pen_trials('test', 250, ARM), 2, axis=1)).max((1, 2)) * 1e4
    assert (acceleration < ARM.limits.acceleration.max()).mean() > 0.85
