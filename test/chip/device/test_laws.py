# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The device laws against their published table, term by term and in their moments."""

import math

import pytest
import torch

from smallbot.chip.converters import EQUAL
from smallbot.chip.core import Core
from smallbot.chip.device.laws import (
    DeviceLaw,
    HERMES_ONE_DEVICE,
    HERMES_TWO_DEVICE,
    IDEAL,
    LAWS as PRESETS,
    PCM_LIKE,
    scaled,
)

X = [0.0, 0.02, 0.0944, 0.0946, 0.159, 0.161, 0.25, 0.304, 0.307, 0.5, 0.75, 1.0]
LAWS = [HERMES_TWO_DEVICE, HERMES_ONE_DEVICE, PCM_LIKE]


def clamp(value, low, high):
    return min(max(value, low), high)


def log(x):
    return math.log(max(x, 1e-7))


def published(law, x):
    """Programming s.d. (uS), mean and s.d. of nu, Q: written out from the published formulas."""
    if law is PCM_LIKE:
        return (0.26348 + 1.9650 * x - 1.1731 * x**2,
                clamp(-0.0155 * log(x) + 0.0244, 0.049, 0.1),
                clamp(-0.0125 * log(x) - 0.0059, 0.008, 0.045),
                min(0.0088 / max(x**0.65, 1e-3), 0.2))
    mean = (clamp(-0.0387 * log(x) - 0.0182, 0.072, 0.13) if x < 0.0945
            else -0.0436 * x**2 - 0.0126 * x + 0.0736)
    if law is HERMES_TWO_DEVICE:
        return (0.16603222 + 4.71806468 * x - 8.48101252 * x**2 + 4.68961419 * x**3, mean,
                clamp(-0.0117 * log(x) - 0.0057, 0.0091, 0.04) if x < 0.3055
                else -0.0118 * x**2 + 0.0093 * x + 0.0073,
                clamp(-0.0117 * log(x) - 0.0069, 0.015, 0.04) if x < 0.16
                else 0.0069 * x**3 - 0.0280 * x**2 + 0.0211 * x + 0.0123)
    return (0.15781817 + 2.32443916 * x - 2.16310839 * x**2 + 0.68841818 * x**3, mean,
            clamp(-0.0120 * log(x) - 0.0023, 0.0124, 0.04) if x < 0.3039
            else -0.0165 * x**2 + 0.0116 * x + 0.0104,
            clamp(-0.0078 * log(x) + 0.0038, 0.0179, 0.04) if x < 0.1591
            else 0.0664 * x**3 - 0.1352 * x**2 + 0.0768 * x + 0.0088)


@pytest.mark.parametrize('law', LAWS, ids=lambda law: law.name)
@pytest.mark.parametrize('x', X)
def test_every_curve_is_the_published_one(law, x):
    at = torch.tensor([x], dtype=torch.float64)
    found = (1e6 * float(law.programming(at)), float(law.drift_mean(at)),
             float(law.drift_sd(at)), float(law.read(at)))
    assert found == pytest.approx(published(law, x), rel=1e-9)


def chip_of(law, x, seed=3):
    """A core with every cell of both signs written for x, as a fraction of full conductance."""
    core = Core(torch.ones(256), 256, torch.Generator().manual_seed(seed), law, converters=EQUAL)
    weights = torch.full((256, 256), x)
    weights[:, 1::2] *= -1
    core.program(weights)
    return core


def used(core):
    """Say which polarities of every cell are in use."""
    return core.devices.level.view(2, -1, 256, 256).sum(1) > 0


def active(core):
    """Return, per cell, the state of the polarity in use: programmed total (uS) and exponent."""
    d = core.devices
    per = core.law.devices_per_polarity
    total = d.conductance.view(2, per, 256, 256).sum(1)
    nu = d.drift_exponent.view(2, per, 256, 256)[:, 0]
    pick = used(core).long().argmax(0, keepdim=True)
    return 1e6 * total.gather(0, pick)[0].double(), nu.gather(0, pick)[0].double()


def within(sample, mean, sd, mean_off=0.0, sd_off=0.0):
    """Mean and s.d. of a Gaussian sample are within five standard errors of the given.

    `mean_off` (in s.d.) and `sd_off` (relative) widen that.
    """
    n = sample.numel()
    assert abs(float(sample.mean()) - mean) < (5 / math.sqrt(n) + mean_off) * sd
    assert float(sample.std()) == pytest.approx(sd, rel=5 / math.sqrt(2 * n) + sd_off)


@pytest.mark.parametrize('law', LAWS, ids=lambda law: law.name)
@pytest.mark.parametrize('x', [0.1, 0.25, 0.4, 0.5, 0.52, 0.75, 0.98, 1.0])
def test_programmed_conductance_and_exponents_have_the_published_moments(law, x):
    """Program-and-verify and relaxation together make the law, to 2 % of its s.d."""
    conductance, nu = active(chip_of(law, x))
    sigma, mean, sd, _ = published(law, x)
    # Truncation at zero is felt only where the target is within three s.d. of it.
    if x > 0.2:
        within(conductance, 1e6 * x * law.g_max, sigma, 0.03, 0.02)
    within(nu, mean, sd)


@pytest.mark.parametrize('law', LAWS, ids=lambda law: law.name)
@pytest.mark.parametrize('x', [0.005, 0.02, 0.05, 0.1])
def test_near_zero_the_error_is_cut_off_at_no_conductance(law, x):
    conductance, _ = active(chip_of(law, x))
    sigma = published(law, x)[0]
    target = 1e6 * x * law.g_max
    drawn = torch.randn(2_000_000, generator=torch.Generator().manual_seed(0))
    expected = (target + sigma * drawn.double()).clamp(min=0)
    # A pulse aimed so low lands below its goal more often than above.
    assert float(conductance.mean()) == pytest.approx(float(expected.mean()), abs=0.09 * sigma)
    assert float(conductance.std()) == pytest.approx(float(expected.std()), rel=0.05)


@pytest.mark.parametrize('law', LAWS, ids=lambda law: law.name)
@pytest.mark.parametrize('seconds', [3600.0, 86400.0, 3e7])
def test_drift_is_a_power_of_age_over_t0(law, seconds):
    core = chip_of(law, 0.5)
    programmed, nu = active(core)
    factor = law.drift_factor(nu, torch.full_like(nu, seconds))
    assert torch.allclose(factor, (seconds / law.t0) ** -nu, rtol=1e-9)
    core.wait(seconds)
    now = 1e6 * core.polarity_conductance().amax(0).double()
    ratio = now / (programmed * factor)
    # What remains is slow 1/f noise, which is unbiased.
    assert float(ratio.mean()) == pytest.approx(1, abs=5 * float(ratio.std()) / 256)


def test_there_is_no_drift_before_t0():
    law = HERMES_TWO_DEVICE
    nu = torch.tensor([0.05, 0.1])
    for age in (0.0, 1.0, law.t0):
        assert torch.equal(law.drift_factor(nu, torch.tensor([age, age])), torch.ones(2))


@pytest.mark.parametrize('law', LAWS, ids=lambda law: law.name)
@pytest.mark.parametrize('x', [0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize('age', [5e-4, 1.0, 300.0, 1e5])
def test_slow_noise_has_the_published_variance_above_a_millisecond(law, x, age):
    """`test_flicker` shows that the slow and the fast part add up to the whole."""
    core = chip_of(law, x)
    programmed, nu = active(core)
    core.wait(age)
    drifted = programmed * law.drift_factor(nu, torch.full_like(nu, age))
    there = drifted > 0.2 * programmed.mean()
    now = 1e6 * (core.polarity_conductance() * used(core)).sum(0).double()
    q = law.read(programmed / (1e6 * law.g_max))
    noise = ((now / drifted - 1) / q)[there]
    expected = max(0.0, math.log((age + law.t_read) / 1e-3))
    assert float(noise.var()) == pytest.approx(expected, rel=5 * math.sqrt(2) / 250, abs=1e-6)


def test_the_law_of_all_noise_is_the_published_one():
    for law in LAWS:
        for x in X:
            q = published(law, x)[3]
            found = law.read_sigma(torch.tensor([x], dtype=torch.float64), 3600.0)
            gathered = math.log((3600 + law.t_read) / (2 * law.t_read))
            assert float(found) == pytest.approx(q * math.sqrt(gathered), rel=1e-9)


def test_most_of_the_noise_at_t0_is_slow():
    core = chip_of(HERMES_TWO_DEVICE, 0.5)
    programmed, _ = active(core)
    core.wait(300.0)
    slow = (1e6 * core.polarity_conductance().amax(0).double() / programmed - 1).var()
    total = core.law.read_sigma(torch.tensor([0.5]), 300.0) ** 2
    assert 0.6 < float(slow / total) < 0.7


def test_an_ideal_law_is_exact_and_stays():
    core = chip_of(IDEAL, 0.5)
    core.wait(1e6)
    assert torch.allclose(core.effective_weights().abs(), torch.full((256, 256), 0.5))


def test_a_law_survives_the_way_through_plain_values():
    for law in PRESETS.values():
        assert DeviceLaw.from_mapping(law.to_mapping()) == law


@pytest.mark.parametrize('law', LAWS, ids=lambda law: law.name)
def test_a_scaled_law_errs_that_much_more_and_is_else_the_same(law):
    x = torch.linspace(0, 1, 41, dtype=torch.float64)
    twice = scaled(law, 2.0)
    for curve in ('programming', 'drift_mean', 'drift_sd', 'read'):
        assert torch.allclose(getattr(twice, curve)(x), 2 * getattr(law, curve)(x), rtol=1e-12)
    assert (twice.g_max, twice.t0) == (law.g_max, law.t0)
    assert DeviceLaw.from_mapping(twice.to_mapping()) == twice
    assert scaled(law, 1.0) is law
    assert float(scaled(law, 0.0).programming(x).abs().max()) == 0
    with pytest.raises(ValueError, match='finite factor'):
        scaled(law, -1.0)
