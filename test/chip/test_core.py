# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A core: what a write touches, what a read sees, what time does, what is refused."""

import pytest
import torch

from smallbot.chip.converters import ConverterSpread, EQUAL
from smallbot.chip.core import Core
from smallbot.chip.device.laws import HERMES_TWO_DEVICE, IDEAL
from smallbot.chip.device.state import ChipError

ROWS, COLUMNS = 40, 30


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def weights_of(seed=7, limit=1.0):
    return (0.3 * torch.randn(ROWS, COLUMNS, generator=generator(seed))).clamp(-limit, limit)


def core_with(weights=None, law=HERMES_TWO_DEVICE, seed=1, limits=None, output_range=4.0,
              **options):
    limits = torch.ones(ROWS) if limits is None else limits
    core = Core(limits, COLUMNS, generator(seed), law, output_range, **options)
    core.program(weights_of() if weights is None else weights)
    return core


def same_state(a, b):
    left, right = a.to_tensors(), b.to_tensors()
    return left[1] == right[1] and all(torch.equal(left[0][k], right[0][k]) for k in left[0])


def test_the_first_write_touches_every_device_of_every_cell():
    core = Core(torch.ones(255), 250, generator())
    done = core.program(torch.zeros(255, 250))
    assert (done.cells, done.devices) == (63_750, 255_000)
    assert (core.devices.writes == 1).all()


@pytest.mark.parametrize('old, new, devices', [
    (0.3, 0.2, 1), (0.3, 0.8, 2), (0.8, 0.7, 1), (0.8, 0.3, 2), (0.3, -0.3, 2), (0.8, -0.8, 4),
    (0.3, 0.0, 1), (0.0, 0.3, 1), (0.0, 0.0, 0), (0.5, 0.5, 0), (0.3, 0.3, 1)])
def test_a_later_write_touches_the_devices_it_needs(old, new, devices):
    """Max-SET-fill: of a polarity, one device at most lies between RESET and SET."""
    core = core_with(torch.full((ROWS, COLUMNS), old), converters=EQUAL)
    mask = torch.zeros(ROWS, COLUMNS, dtype=torch.bool)
    mask[3, 4] = True
    pulses = core.devices.pulses.clone()
    done = core.program(torch.full((ROWS, COLUMNS), new), mask)
    assert (done.cells, done.devices) == (int(devices > 0), devices)
    assert int((core.devices.writes == 2).sum()) == devices
    assert int((core.devices.pulses - pulses).sum()) == done.pulses >= devices


def test_only_the_cells_of_the_mask_change():
    core = core_with()
    core.wait(10.0)
    core.effective_weights()
    before = core.copy()
    mask = torch.rand(ROWS, COLUMNS, generator=generator(2)) < 0.3
    core.program(-weights_of(), mask)
    for name, value in vars(core.devices).items():
        changed = (value != getattr(before.devices, name)).flatten(0, -3).any(0)
        assert not changed[~mask].any(), name
        if name not in ('curve_shift', 'fault'):
            assert float(changed[mask].float().mean()) > 0.99, name  # 0 may stay 0
    assert torch.equal(core.intended, torch.where(mask, -weights_of(), weights_of()))


def test_what_lies_outside_the_mask_is_not_looked_at():
    core = core_with()
    mask = torch.zeros(ROWS, COLUMNS, dtype=torch.bool)
    mask[0, 0] = True
    target = torch.full((ROWS, COLUMNS), float('nan'))
    target[0, 0] = 0.25
    assert core.program(target, mask).cells == 1
    assert core.intended.isfinite().all()


def test_two_devices_are_filled_one_after_the_other():
    core = core_with(torch.full((ROWS, COLUMNS), 0.3), IDEAL, converters=EQUAL)
    first, second = core.devices.conductance[:2] / IDEAL.g_max
    assert torch.allclose(first, torch.tensor(0.3)) and (second == 0).all()
    core = core_with(torch.full((ROWS, COLUMNS), -0.8), IDEAL, converters=EQUAL)
    first, second = core.devices.conductance[2:] / IDEAL.g_max
    assert torch.allclose(first + second, torch.tensor(0.8))
    assert torch.allclose(first, torch.tensor(0.5), atol=0.03)


@pytest.mark.parametrize('phases, conversions', [(4, 4), (1, 1)])
@pytest.mark.parametrize('converters', [EQUAL, ConverterSpread()], ids=['equal', 'spread'])
def test_ideal_devices_leave_only_the_converters_error(phases, conversions, converters):
    weights = weights_of(limit=0.7)  # a converter of small gain needs more conductance
    core = core_with(weights, IDEAL, output_range=8.0, phases=phases, converters=converters)
    x = torch.rand(200, ROWS, generator=generator(3)) * 2 - 1
    x[0] = 0
    core.calibrate(x)
    error = core.read(x) - x @ weights
    step_out, step_in, step_phase = 8 / 127, 1 / 127, 8 / 420
    bound = (step_out / 2 + conversions * step_phase + step_in / 2 * weights.abs().sum(0)
             + 0.01 * 8)
    assert (error.abs() <= bound).all()
    assert float(error.std()) > 0.2 * step_out
    assert float(error[0].abs().max()) <= step_out


def test_one_vector_and_a_batch_of_it_read_alike():
    """They take different ways through the code; both for many and for few active inputs."""
    for phases in (4, 1):
        core = core_with(law=IDEAL, phases=phases, output_range=6.0)
        for share in (1.0, 0.06):
            x = torch.rand(50, ROWS, generator=generator(3)) * 2 - 1
            x *= torch.rand(50, ROWS, generator=generator(4)) < share
            alone = torch.cat([core.read(one[None]) for one in x])
            assert torch.allclose(core.read(x), alone, atol=1e-5)
            assert torch.allclose(core.read(x.abs()), torch.cat(
                [core.read(one[None]) for one in x.abs()]), atol=1e-5)


def test_every_phase_is_converted_by_itself():
    """Two large currents that cancel in the sum saturate their converters all the same."""
    weights = torch.full((ROWS, COLUMNS), 0.9)
    weights[::2] *= -1
    x = torch.ones(2, ROWS)
    four = core_with(weights, IDEAL, converters=EQUAL, output_range=100.0)
    four.phase_range, four.output_range = 9.0, 9.0  # half of what flows in a phase
    four.wait(1.0)
    x[1, ::2] = 0
    assert float(four.read(x)[0].abs().max()) < 0.1
    assert torch.allclose(four.read(x)[1], torch.tensor(9.0))
    one = core_with(weights, IDEAL, converters=EQUAL, output_range=9.0, phases=1)
    assert float(one.read(x)[0].abs().max()) < 0.1


def test_a_gain_that_differs_between_polarities_is_programmed_through():
    converters = ConverterSpread(gain_sd=0.2, offset_sd=0.0)
    core = core_with(weights_of(limit=0.5), IDEAL, converters=converters)
    assert float(core.adc_gain.std()) > 0.1
    assert torch.allclose(core.effective_weights(), weights_of(limit=0.5), atol=1e-4)


def test_outputs_saturate_at_the_range_and_inputs_at_the_longest_pulse():
    core = core_with(torch.full((ROWS, COLUMNS), 0.9), IDEAL, converters=EQUAL)
    assert torch.allclose(core.read(torch.ones(1, ROWS)), torch.tensor(4.0))
    assert torch.allclose(core.read(-torch.ones(1, ROWS)), torch.tensor(-4.0))
    one = torch.zeros(2, ROWS)
    one[0, 0], one[1, 0] = 1.0, 7.0
    assert torch.equal(*core.read(one))


def test_rows_of_small_weights_use_the_whole_conductance_range():
    limits = torch.full((ROWS,), 0.4)
    limits[:5] = 1.5
    weights = limits[:, None] * weights_of()
    core = core_with(weights, IDEAL, limits=limits, converters=EQUAL)
    assert core.row_codes[0] == 127 and core.row_codes[5] == 34
    assert torch.allclose(core.effective_weights(), weights, atol=1e-6)
    spikes = (torch.rand(100, ROWS, generator=generator(3)) < 0.2).float()
    assert torch.allclose(core.read(spikes), spikes @ weights, atol=2 / 127 + 4 / 420 + 1e-5)
    largest = core.devices.level.amax((0, 2)) / IDEAL.g_max
    assert torch.allclose(largest[5:].mean(), largest[:5].mean(), rtol=0.25)


def test_a_weight_at_its_limit_can_be_held_whatever_rounding_does():
    limits = torch.linspace(0.1, 1.0, ROWS)
    core = core_with(limits[:, None].expand(ROWS, COLUMNS), IDEAL, limits=limits,
                     converters=EQUAL)
    wrong = core.effective_weights() / limits[:, None] - 1
    assert (wrong.abs() < 0.5 / 12 + 1e-6).all() and wrong.max() < 1e-6


def test_reads_differ_by_fast_noise_only_and_leave_the_devices_alone():
    core = core_with(output_range=16.0)
    core.wait(300.0)
    x = torch.ones(1, ROWS)
    first = core.read(x)
    held = core.polarity_conductance().clone()
    reads = torch.cat([core.read(x) for _ in range(400)] + [first])
    assert torch.equal(core.polarity_conductance(), held)
    assert (reads.std(0) > 0).all()
    # The mean of many reads keeps the slow error: it does not average away.
    wrong = reads.mean(0) - (x @ core.effective_weights())[0]
    assert wrong.abs().max() < 0.5 * 16 / 127 + 2 * 16 / 420 + 5 * float(reads.std(0).max()) / 20


def test_fast_noise_of_an_output_is_that_of_its_devices():
    core = Core(torch.ones(100), 60, generator(), output_range=40.0, converters=EQUAL)
    weights = torch.full((100, 60), 0.5)
    weights[::2] *= -1
    core.program(weights)
    core.wait(300.0)
    law, x = core.law, torch.ones(3000, 100)
    programmed = core.devices.conductance.view(2, 2, 100, 60).sum(1)
    amplitude = (programmed * law.read(programmed / law.g_max) / law.g_max).square().sum((0, 1))
    fast = torch.log(torch.tensor(1e-3 / (2 * law.t_read)))
    expected = amplitude * fast + (40 / 127)**2 / 12
    reads = core.read(x)
    assert float((reads.var(0) / expected).mean()) == pytest.approx(1, abs=0.04)


def test_slow_noise_persists_and_then_forgets():
    core = core_with(torch.full((ROWS, COLUMNS), 0.5))
    core.wait(290.0)
    start = core.effective_weights()
    core.wait(1e-4)
    soon = core.effective_weights()
    core.wait(9.0)
    later = core.effective_weights()
    assert 0 < float((soon - start).std()) < 0.3 * float((later - start).std())


def test_waiting_nothing_changes_nothing():
    core = core_with()
    core.wait(5.0)
    before = core.effective_weights()
    core.wait(0.0)
    assert torch.equal(core.effective_weights(), before)


def test_a_sum_of_waits_is_one_wait():
    once, twice = core_with(), core_with()
    once.wait(600.0)
    twice.wait(200.0)
    twice.wait(400.0)
    assert torch.equal(once.effective_weights(), twice.effective_weights())


def calibrated(age=3600.0):
    core = core_with(output_range=6.0)
    core.wait(age)
    vectors = (torch.rand(1024, ROWS, generator=generator(9)) < 0.2).float()
    return core, vectors


def test_calibration_brings_drifted_columns_back():
    core, vectors = calibrated(age=86400.0)
    wanted = vectors @ weights_of()
    uncorrected = float((core.read(vectors) - wanted).square().mean())
    core.calibrate(vectors)
    error = core.read(vectors) - wanted
    assert float(error.square().mean()) < 0.5 * uncorrected
    assert (core.scale > 1.1).all()
    lsb = core.output_range / 127
    assert error.mean(0).abs().max() < 0.5 * lsb  # no column errs on average


def test_calibration_with_sparse_vectors_is_the_better_for_sparse_inputs():
    few = (torch.rand(2048, ROWS, generator=generator(4)) < 0.03).float()
    wanted, errors = few @ weights_of(), []
    for density in (0.03, 0.5):
        core = core_with(output_range=1.5)
        core.wait(3600.0)
        core.calibrate((torch.rand(1024, ROWS, generator=generator(9)) < density).float())
        errors.append(float((core.read(few) - wanted).mean(0).square().mean().sqrt()))
    assert errors[0] < 0.7 * errors[1]


def test_fresh_cells_are_right_beside_drifted_ones():
    """A cell written after the calibration is aimed through its column's correction."""
    core, vectors = calibrated(age=86400.0)
    core.calibrate(vectors)
    mask = torch.rand(ROWS, COLUMNS, generator=generator(2)) < 0.5
    weights = weights_of(8)
    core.program(weights, mask)
    slope = ((core.effective_weights() * weights)[mask].sum() / weights[mask].square().sum())
    assert float(slope) == pytest.approx(1, abs=0.03)


def test_columns_without_signal_get_the_scale_of_the_others():
    weights = weights_of()
    weights[:, 0] = 0
    core = core_with(weights, output_range=6.0)
    core.wait(86400.0)
    core.calibrate((torch.rand(512, ROWS, generator=generator(9)) < 0.2).float())
    assert core.scale.isfinite().all() and 1.0 < float(core.scale[0]) < 1.5


def test_a_chip_of_zeros_can_be_calibrated():
    core = core_with(torch.zeros(ROWS, COLUMNS), IDEAL)
    core.calibrate((torch.rand(64, ROWS, generator=generator(9)) < 0.2).float())
    assert torch.equal(core.scale, torch.ones(COLUMNS))


def test_same_seed_same_chip_and_another_seed_another():
    a, b, other = core_with(seed=4), core_with(seed=4), core_with(seed=5)
    for core in (a, b, other):
        core.wait(10.0)
    x = torch.ones(2, ROWS)
    assert torch.equal(a.read(x), b.read(x)) and same_state(a, b)
    assert not torch.equal(a.devices.conductance, other.devices.conductance)


def test_the_global_generator_is_neither_used_nor_moved():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    core = core_with()
    core.wait(3.0)
    core.read(torch.ones(1, ROWS))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_copy_goes_its_own_way():
    core = core_with()
    core.wait(100.0)
    core.effective_weights()
    untouched = core_with()
    untouched.wait(100.0)
    untouched.effective_weights()
    twin, stranger = core.copy(), core.copy(generator(99))
    x = torch.ones(1, ROWS)
    for one in (twin, stranger):
        one.read(x)
        one.wait(1000.0)
        one.program(-weights_of())
        one.set_ranges(torch.ones(3, ROWS))
        one.calibrate((torch.rand(64, ROWS, generator=generator(9)) < 0.2).float())
        one.read(x)
    assert same_state(core, untouched)
    assert torch.equal(core.read(x), untouched.read(x))
    assert not torch.equal(twin.devices.conductance, stranger.devices.conductance)


@pytest.mark.parametrize('spoil, message', [
    (lambda w: w[:, :-1], 'expected'),
    (lambda w: w.index_put((torch.tensor(2), torch.tensor(3)), torch.tensor(float('nan'))),
     'row 2, column 3'),
    (lambda w: w.index_put((torch.tensor(2), torch.tensor(3)), torch.tensor(1.01)), '1.01'),
])
def test_weights_that_cannot_be_held_are_refused_before_anything_is_written(spoil, message):
    core = core_with()
    before = core.copy()
    with pytest.raises(ChipError, match=message):
        core.program(spoil(weights_of()))
    assert same_state(core, before)


@pytest.mark.parametrize('refused', [
    lambda: Core(torch.ones(257), 10, generator()),
    lambda: Core(torch.ones(10), 257, generator()),
    lambda: Core(torch.ones(10), 0, generator()),
    lambda: Core(torch.zeros(10), 10, generator()),
    lambda: Core(torch.full((10,), float('inf')), 10, generator()),
    lambda: core_with().wait(-1.0),
    lambda: core_with().wait(float('nan')),
    lambda: core_with(output_range=0.0),
    lambda: core_with(phases=2),
    lambda: core_with().set_ranges(torch.ones(5, ROWS + 1)),
    lambda: core_with().calibrate(torch.ones(5, ROWS + 1)),
    lambda: core_with().program(weights_of(), torch.ones(ROWS, COLUMNS)),
])
def test_what_a_chip_cannot_do_is_said_in_one_line(refused):
    with pytest.raises(ChipError) as refusal:
        refused()
    assert 'expected' in str(refusal.value) and '\n' not in str(refusal.value)
