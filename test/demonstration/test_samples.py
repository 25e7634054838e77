# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import numpy as np

from smallbot.demonstration.samples import Demonstration, trimmed

from .conftest import ARM, PATH, TIME


def test_the_digest_tells_movements_apart():
    shown = Demonstration(ARM.driven, TIME, PATH, 'a')
    assert shown.digest == Demonstration(ARM.driven, TIME, PATH, 'b').digest
    assert shown.digest != Demonstration(ARM.driven, TIME, PATH + 1e-9, 'a').digest
    assert shown.digest != Demonstration(ARM.driven, TIME * 2, PATH, 'a').digest


def test_trimming_takes_the_rest_off_both_ends_and_nothing_else():
    still = np.concatenate([np.repeat(PATH[:1], 100, 0), PATH, np.repeat(PATH[-1:], 200, 0)])
    shown = Demonstration(ARM.driven, np.arange(len(still)) * 0.01, still, 'a')
    kept = trimmed(shown)
    assert kept.time[0] == 0
    assert 2.9 <= kept.duration <= 3.25
    assert np.array_equal(kept.position[[0, -1]], still[[0, -1]])
    resting = Demonstration(ARM.driven, TIME, np.zeros_like(PATH), 'rest')
    assert trimmed(resting) is resting
