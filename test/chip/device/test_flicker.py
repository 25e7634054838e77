# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Slow 1/f noise: it persists, forgets slowly, and has a 1/f spectrum."""

import math

import pytest
import torch

from smallbot.chip.device import flicker


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def test_the_split_loses_no_variance_at_any_age():
    age = torch.logspace(-6.2, 9.5, 200, dtype=torch.float64)
    tr = 512e-9
    total = flicker.fast_variance(age, tr) + flicker.slow_variance(age, tr)
    expected = ((age + tr) / (2 * tr)).log().clamp(min=0)
    assert torch.allclose(total.double(), expected, atol=1e-5)


def test_one_long_step_and_many_short_ones_forget_alike():
    once, often = (torch.ones(flicker.BANDS, 200_000) for _ in range(2))
    flicker.advance(once, 10.0, generator(1))
    source = generator(2)
    for _ in range(10):
        flicker.advance(often, 1.0, source)
    for a, b, tau in zip(once, often, flicker.TIME_CONSTANTS, strict=True):
        kept = math.exp(-10 / tau)
        assert float(a.mean()) == pytest.approx(kept, abs=5 / math.sqrt(200_000))
        assert float(b.mean()) == pytest.approx(kept, abs=5 / math.sqrt(200_000))
        spread = math.sqrt(1 - kept**2)
        assert float(a.std()) == pytest.approx(spread, abs=0.01)
        assert float(b.std()) == pytest.approx(spread, abs=0.01)


def test_the_variance_stays_one():
    state = flicker.draw((100_000,), generator())
    flicker.advance(state, 3.0, generator(2))
    assert torch.allclose(state.var(1), torch.ones(flicker.BANDS), atol=0.03)


def test_correlation_falls_like_the_logarithm_of_the_time_passed():
    """The autocovariance of 1/f noise falls by the same amount in every decade."""
    old = torch.full((40_000,), flicker.BAND * (flicker.BANDS - 1))  # about 1e7 s old
    state = flicker.draw((40_000,), generator(3))
    start = flicker.slow_noise(state, old)
    covariance = []
    for seconds in (1.0, 100.0, 1e4):
        later = state.clone()
        flicker.advance(later, seconds, generator(4))
        covariance.append(float((start * flicker.slow_noise(later, old)).mean()))
    drops = [covariance[0] - covariance[1], covariance[1] - covariance[2]]
    assert drops == pytest.approx([flicker.BAND] * 2, abs=1.0)
