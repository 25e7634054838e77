# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The chip beside IBM's Analog Hardware Acceleration Kit, where that is installed.

Its `HermesNoiseModel` is where our law's numbers come from; what is compared here is what both
make of them: our devices programmed by pulses, ageing one by one and read by converters, theirs
drawn from the formulas. `docs/chip.md` explains the differences. Checked with aihwkit 1.1.0.
"""

import math
import warnings

import pytest
import torch

from smallbot.chip.converters import EQUAL
from smallbot.chip.core import Core
from smallbot.chip.device.laws import HERMES_ONE_DEVICE, HERMES_TWO_DEVICE

hermes = pytest.importorskip('aihwkit.inference.noise.hermes',
                             reason='aihwkit is not installed: pip install aihwkit')
SIDE = 256


@pytest.fixture(autouse=True)
def _seeded():
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # its indexing, deprecated in torch
        torch.manual_seed(1)
        yield


def theirs(law):
    return hermes.HermesNoiseModel(num_devices=law.devices_per_polarity)


def ours(law, x, seed=1):
    core = Core(torch.ones(SIDE), SIDE, torch.Generator().manual_seed(seed), law,
                converters=EQUAL)
    core.program(torch.full((SIDE, SIDE), x))
    return core


@pytest.mark.parametrize('law', [HERMES_TWO_DEVICE, HERMES_ONE_DEVICE], ids=lambda law: law.name)
@pytest.mark.parametrize('x', [0.1, 0.25, 0.5, 0.75, 1.0])
def test_programming_errors_agree(law, x):
    target = torch.full((SIDE * SIDE,), 1e6 * x * law.g_max)
    other = theirs(law).apply_programming_noise_to_conductance(target) - target
    own = 1e6 * (ours(law, x).polarity_conductance()[0] - x * law.g_max)
    assert float(own.std()) == pytest.approx(float(other.std()), rel=0.03)
    assert float(own.mean()) == pytest.approx(float(other.mean()), abs=0.06 * float(own.std()))


@pytest.mark.parametrize('law', [HERMES_TWO_DEVICE, HERMES_ONE_DEVICE], ids=lambda law: law.name)
@pytest.mark.parametrize('x', [0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize('age', [3600.0, 86400.0, 2.6e6])
def test_drift_and_noise_agree(law, x, age):
    """Its t_inference counts from t0, our clock from programming."""
    target = torch.full((SIDE * SIDE,), 1e6 * x * law.g_max)
    model = theirs(law)
    nu = model.generate_drift_coefficients(target)
    programmed = model.apply_programming_noise_to_conductance(target)
    other = model.apply_drift_noise_to_conductance(programmed, nu, age - law.t0)
    core = ours(law, x)
    core.wait(age)
    own = 1e6 * core.polarity_conductance()[0]
    assert float(own.mean()) == pytest.approx(float(other.mean()), rel=0.03)
    # Ours lacks the fast part of the noise here: it belongs to the reads.
    assert 0.9 < float(own.std() / other.std()) < 1.03


def test_errors_of_a_product_agree_after_a_correction_of_every_column():
    """Gaussian weights, an hour old: theirs 256 columns each with its best scale."""
    law = HERMES_TWO_DEVICE
    generator = torch.Generator().manual_seed(3)
    weights = (0.25 * torch.randn(SIDE, SIDE, generator=generator)).clamp(-1, 1)
    x = torch.rand(512, SIDE, generator=generator) * 2 - 1
    wanted = x @ weights
    model = theirs(law)
    parts = []
    for sign in (1, -1):
        target = 1e6 * law.g_max * (sign * weights).clamp(min=0)
        nu = model.generate_drift_coefficients(target)
        programmed = model.apply_programming_noise_to_conductance(target)
        parts.append(model.apply_drift_noise_to_conductance(programmed, nu, 3600.0 - law.t0))
    read = x @ ((parts[0] - parts[1]) / (1e6 * law.g_max))
    scale = (read * wanted).sum(0) / read.square().sum(0)
    other = float((read * scale - wanted).norm() / wanted.norm())

    core = Core(torch.ones(SIDE), SIDE, generator, law)
    core.program(weights)
    core.set_ranges(x)
    core.wait(3600.0)
    core.calibrate(x)
    own = float((core.read(x) - wanted).norm() / wanted.norm())
    assert own == pytest.approx(other, rel=0.15)
    assert math.isfinite(own) and own > 0.1
