# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Measurements that a chip paper shows, made on simulated cores through their own doors.

Every function takes a law and a seed and returns plain numbers; nothing here is drawn from a
formula, except what is named `law_...` and stands beside the measurement.
"""

from collections.abc import Callable
import math
from typing import Any

import numpy as np
from scipy.signal import welch
import torch
from torch import Tensor

from smallbot.chip.converters import EQUAL
from smallbot.chip.core import Core
from smallbot.chip.device.faults import FaultRates
from smallbot.chip.device.laws import DeviceLaw
from smallbot.chip.device.programming import PROGRAM_AND_VERIFY, program_and_verify
from smallbot.chip.state import CORE_SIDE

STATES = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Programmed conductances whose drift is shown, over g_max."""
YEAR = 365.25 * 86400.0
_MICRO = 1e6


def characterise(law: DeviceLaw, seed: int, tell: Callable[[str], None] = lambda name: None
                 ) -> dict[str, Any]:
    """Return all measurements of a law by name; `tell` hears which one begins."""
    result: dict[str, Any] = {'law': law.name, 'seed': seed}
    for measure in (programming_error, convergence, drift, noise_spectrum, product_error,
                    fault_tolerance):
        tell(measure.__name__.replace('_', ' '))
        result[measure.__name__] = measure(law, seed)
    return result


def programming_error(law: DeviceLaw, seed: int, points: int = 21) -> dict[str, Any]:
    """Program cores of one target each; the error is of the conductance at t0, uS."""
    rows = []
    for k, x in enumerate(np.linspace(0.0, 1.0, points)):
        core = _core(law, 96, 96, seed + k)
        done = core.program(torch.full((96, 96), float(x)))
        error = core.polarity_conductance()[0] - float(x) * law.g_max
        rows.append((x, _MICRO * float(error.mean()), _MICRO * float(error.std()),
                     done.pulses / (96 * 96), done.unconverged / (96 * 96)))
    target, mean, sd, pulses, unconverged = np.array(rows).T.tolist()
    law_sd = law.programming(torch.tensor(target)).mul(_MICRO).tolist()
    return {'target': target, 'mean_us': mean, 'sd_us': sd, 'law_sd_us': law_sd,
            'pulses_per_cell': pulses, 'unconverged': unconverged}


def convergence(law: DeviceLaw, seed: int, devices: int = 20_000) -> dict[str, Any]:
    """Share of devices, of uniform goals, within the margin after each number of iterations."""
    generator = torch.Generator().manual_seed(seed)
    rules, single = PROGRAM_AND_VERIFY, law.g_max / law.devices_per_polarity
    goal = torch.rand(devices, generator=generator) * single
    shift = torch.randn(devices, generator=generator) * rules.device_spread
    done = program_and_verify(goal, torch.zeros(devices), shift,
                              torch.zeros(devices, dtype=torch.bool), torch.ones(devices), single,
                              law, rules, generator)
    iterations = list(range(1, rules.iterations + 1))
    reached = [float((done.converged & (done.sets <= k)).float().mean()) for k in iterations]
    return {'iterations': iterations, 'converged': reached,
            'mean_iterations': float(done.sets.float().mean()),
            'residual_us': _MICRO * float((done.conductance - goal).std())}


def drift(law: DeviceLaw, seed: int, points: int = 24) -> dict[str, Any]:
    """Follow cores of one state each from a second to a year after programming."""
    ages = np.logspace(0, math.log10(YEAR), points)
    kept, spread, expected = [], [], []
    for k, x in enumerate(STATES):
        core = _core(law, 64, 64, seed + k)
        core.program(torch.full((64, 64), x))
        start = core.devices.conductance.view(2, -1, 64, 64).sum(1)[0]
        nu = float(law.drift_mean(torch.tensor(x)))
        for name, values in zip((kept, spread, expected), ([], [], []), strict=True):
            name.append(values)
        for age in ages:
            core.wait(float(age) - core.now)
            now = core.polarity_conductance()[0] / float(start.mean())
            kept[-1].append(float(now.mean()))
            spread[-1].append(float(now.std()))
            expected[-1].append(max(age / law.t0, 1.0) ** -nu)
    return {'states': list(STATES), 'age_s': ages.tolist(), 'kept': kept, 'sd': spread,
            'law_kept': expected}


def noise_spectrum(law: DeviceLaw, seed: int, x: float = 0.5, samples: int = 256,
                   within: int = 16) -> dict[str, Any]:
    """Sample conductances at four rates; relative power density over frequency, 1 / Hz.

    A sample is the mean of `within` values in its interval, so that what is faster than the
    sampling does not fold back into the spectrum.
    """
    frequency, density = [], []
    for k, interval in enumerate((0.016, 0.5, 16.0, 500.0)):
        core = _core(law, 16, 16, seed + k)
        core.program(torch.full((16, 16), x))
        core.wait(1e6)
        series = np.zeros((samples, 256))
        for row in series:
            for _ in range(within):
                core.wait(interval / within)
                row += core.polarity_conductance()[0].flatten().numpy() / within
        relative = series / series.mean(0) - 1
        f, power = welch(relative, fs=1 / interval, nperseg=samples, axis=0, detrend='linear')
        inner = slice(2, len(f) // 2)  # away from the window's width and the averages' own filter
        frequency += f[inner].tolist()
        density += power.mean(1)[inner].tolist()
    q = float(law.read(torch.tensor(x)))
    order = np.argsort(frequency)
    frequency, density = np.array(frequency)[order], np.array(density)[order]
    positive = density > 1e-20
    exponent = (float(np.polyfit(np.log(frequency[positive]), np.log(density[positive]), 1)[0])
                if positive.any() else 0.0)
    return {'state': x, 'frequency_hz': frequency.tolist(), 'density': density.tolist(),
            'law_density': (q * q / frequency).tolist(), 'exponent': exponent}


def product_error(law: DeviceLaw, seed: int, points: int = 14) -> dict[str, Any]:
    """Relative error of products over the age of a core, corrected and not, four phases and one.

    Gaussian weights of a quarter of the limit, uniform signed inputs. `once`: corrected a second
    after programming; `each`: corrected again at every age.
    """
    ages = np.logspace(0, math.log10(YEAR), points)
    found: dict[str, Any] = {'age_s': ages.tolist()}
    for phases in (4, 1):
        weights, vectors, inputs = _product(seed)
        core = Core(torch.ones(CORE_SIDE), CORE_SIDE, torch.Generator().manual_seed(seed), law,
                    phases=phases)
        core.program(weights)
        core.set_ranges(vectors)
        once, each = [], []
        for age in ages:
            core.wait(float(age) - core.now)
            if not once:
                core.calibrate(vectors)
            once.append(_relative_error(core, weights, inputs))
            fresh = core.copy()
            fresh.calibrate(vectors)
            each.append(_relative_error(fresh, weights, inputs))
        found[f'once_{phases}'], found[f'each_{phases}'] = once, each
    return found


def fault_tolerance(law: DeviceLaw, seed: int) -> dict[str, Any]:
    """Relative error of products an hour old over the share of stuck devices, corrected once."""
    rates = (0.0, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1)
    error, compensated, out_of_reach, found = [], [], [], []
    for rate in rates:
        weights, vectors, inputs = _product(seed)
        core = Core(torch.ones(CORE_SIDE), CORE_SIDE, torch.Generator().manual_seed(seed), law,
                    faults=FaultRates(devices=rate))
        done = core.program(weights)
        core.set_ranges(vectors)
        core.wait(3600.0)
        core.calibrate(vectors)
        error.append(_relative_error(core, weights, inputs))
        compensated.append(done.compensated)
        out_of_reach.append(done.out_of_reach)
        stuck = core.devices.fault != 0
        found.append(float((core.found != 0)[stuck].float().mean()) if stuck.any() else None)
    return {'stuck': list(rates), 'error': error, 'compensated_cells': compensated,
            'out_of_reach_cells': out_of_reach, 'found': found}


def _core(law: DeviceLaw, rows: int, columns: int, seed: int) -> Core:
    """Return a core whose converters are equal, so that conductances are what was asked for."""
    return Core(torch.ones(rows), columns, torch.Generator().manual_seed(seed), law,
                converters=EQUAL)


def _product(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return weights, vectors to calibrate with and inputs to measure with, of a whole core."""
    generator = torch.Generator().manual_seed(seed)
    weights = (0.25 * torch.randn(CORE_SIDE, CORE_SIDE, generator=generator)).clamp_(-1, 1)
    vectors, inputs = (torch.rand(2, 512, CORE_SIDE, generator=generator) * 2 - 1)
    return weights, vectors, inputs


def _relative_error(core: Core, weights: Tensor, inputs: Tensor) -> float:
    wanted = inputs @ weights
    return float((core.read(inputs) - wanted).norm() / wanted.norm())
