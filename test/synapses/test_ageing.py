# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Rows of two ages on a chip: the law of their mean drift, what is measured, what is kept."""

import numpy as np
import pytest
import torch

from smallbot.chip import energy
from smallbot.chip.device.faults import FaultRates
from smallbot.chip.device.state import ChipError
from smallbot.demonstration.samples import Demonstration
from smallbot.one_shot.chip_care import ChipCare
from smallbot.one_shot.model import arm_of, initial_weights, ModelConfig, OneShotModel
from smallbot.synapses.ageing import expected_weights
from smallbot.synapses.chip import ChipSynapses
from smallbot.synapses.granularity import Granularity

N, FRESH = 80, 20
HOUR, DAY = 3600.0, 86400.0


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def limits_of(n=N):
    return torch.cat([torch.full((FRESH,), 1.0), torch.full((n,), 0.09)])


def weights_of(n=N, seed=2):
    """Weights of a balanced network: small equal currents of the clock, feedback of two joints."""
    angle = torch.randperm(n, generator=generator(seed)) * (2 * torch.pi / n)
    unit = torch.stack([angle.cos(), angle.sin()])
    return torch.cat([torch.full((n, FRESH), 0.03), -0.06 * unit.T @ unit], 1)


def chip(fresh_rows=FRESH, seed=3, n=N, **options):
    return ChipSynapses.prepare(weights_of(n), None, limits_of(n), generator(seed),
                                granularity=Granularity('exact'), fresh_rows=fresh_rows, **options)


def update_of(n=N, seed=4):
    delta = torch.zeros(n, FRESH + n)
    delta[:, :FRESH] = 0.25 * torch.randn(n, FRESH, generator=generator(seed)).clamp(-3, 3)
    return delta


def gains(synapses):
    """Return what reads see of the fresh rows' weights and of the others', 1 where it is right."""
    wanted, seen = synapses.weights(), synapses.effective_weights()
    return [float((wanted[:, rows] * seen[:, rows]).sum() / wanted[:, rows].square().sum())
            for rows in (slice(0, FRESH), slice(FRESH, None))]


def test_without_fresh_rows_a_chip_is_read_as_it_was_calibrated_bit_for_bit():
    plain = chip(0)
    twin = plain.core.copy()
    x = (torch.rand(50, FRESH + N, generator=generator(5)) < 0.1).float()
    for seconds in (0.0, 300.0, DAY):
        plain.wait(seconds)
        twin.wait(seconds)
        assert torch.equal(plain.matvec(x), twin.read(x))
        assert torch.equal(plain.core.scale, twin.scale) and plain.core.read_codes is None
    vectors = plain.copy()._calibration_vectors()
    twin.generator.set_state(plain.copy().generator.get_state())
    torch.rand(vectors.shape, generator=twin.generator)  # drawn for the vectors
    twin.calibrate(vectors)
    plain.calibrate()
    assert torch.equal(plain.core.scale, twin.scale)
    assert torch.equal(plain.core.offset, twin.offset)


def test_the_law_predicts_the_mean_of_rows_of_two_ages():
    synapses = chip()
    synapses.update(update_of())
    for seconds in (300.0, HOUR, DAY, 29 * DAY):
        synapses.wait(seconds)
        core = synapses.core
        core.correct(core.correction._replace(scale=torch.ones(N), codes=None))
        expected, held = expected_weights(core, core.now), core.effective_weights()
        for rows in (slice(0, FRESH), slice(FRESH, None)):
            wanted = core.intended[rows]
            ratio = (wanted * expected[rows]).sum() / (wanted * held[rows]).sum()
            assert float(ratio) == pytest.approx(1, abs=0.015)
        synapses._followed_at = None


@pytest.mark.parametrize('measured', [False, True])
def test_rows_of_two_ages_read_right_where_columns_alone_are_off(measured):
    synapses = chip()
    synapses.update(update_of())
    plain = synapses.copy()
    synapses.wait(DAY)
    if measured:
        synapses.calibrate_reading()
    fresh, old = gains(synapses)
    assert fresh / old == pytest.approx(1, abs=0.02)
    assert old == pytest.approx(1, abs=0.03)
    plain.fresh_rows = 0
    plain.wait(DAY)
    fresh, old = gains(plain)
    assert fresh / old < 0.9, 'untouched'
    plain.calibrate_reading()
    fresh, old = gains(plain)
    assert fresh / old < 0.9, 'and one scale a column does not help'


def test_the_law_goes_on_from_what_was_measured():
    synapses = chip()
    synapses.update(update_of())
    synapses.wait(HOUR)
    synapses.calibrate_reading()
    at_first = gains(synapses)
    synapses.wait(30 * DAY)
    for then, now in zip(at_first, gains(synapses), strict=True):
        assert now == pytest.approx(then, abs=0.02)


def test_fresh_rows_have_longer_pulses_in_one_read_and_no_read_is_needed():
    synapses = chip()
    synapses.update(update_of())
    synapses.wait(DAY)
    before = synapses.core.account.products
    synapses.matvec(torch.ones(7, FRESH + N))
    core = synapses.core
    assert core.account.products == before + 7
    stretched = core.read_codes / core.row_codes
    ratio = stretched[:FRESH] / stretched[-1]
    assert torch.equal(ratio, ratio[:1].expand(FRESH)) and 1.15 < float(ratio[0]) < 1.4
    assert float(core.read_codes.max()) <= 127


def test_cells_that_no_update_has_written_do_not_pull_the_columns():
    weights = weights_of()
    columns = [ChipSynapses.prepare(torch.cat([own, weights[:, FRESH:]], 1), None, limits_of(),
                                    generator(3), fresh_rows=FRESH).core.scale
               for own in (weights[:, :FRESH], torch.zeros(N, FRESH))]
    assert float((columns[0] / columns[1]).mean()) == pytest.approx(1, abs=0.01)


def test_a_calibration_counts_what_it_costs():
    synapses = chip()
    synapses.update(update_of())
    for calibrate, products in ((synapses.calibrate_reading, 1024 + 8 * FRESH),
                                (synapses.calibrate, 1024)):
        before = synapses.core.account.products
        cost = calibrate()
        assert cost.products == products == synapses.core.account.products - before
        assert cost.seconds == pytest.approx(products * energy.READ_SECONDS[4])
        assert cost.energy_uj == pytest.approx(1e6 * products * energy.READ_ENERGY[4])


def test_a_write_goes_by_the_former_scale_whatever_serves_the_reads():
    synapses = chip()
    synapses.update(update_of())
    written = synapses.core.correction
    synapses.wait(DAY)
    synapses.calibrate_reading()
    synapses.matvec(torch.ones(1, FRESH + N))
    assert float(synapses.core.scale.median()) > 1.05 * float(written.scale.median())
    twin = synapses.copy()
    for each in (synapses, twin):
        each.restore(weights_of())
        assert torch.equal(each.core.scale, written.scale)
        assert each.core.read_codes is None and each.core.calibrated_at == HOUR
    assert torch.equal(twin.core.devices.level, synapses.core.devices.level)
    assert gains(synapses)[1] == pytest.approx(1, abs=0.03), 'and reads by the law again'


@pytest.mark.parametrize('measured', [False, True])
def test_a_loaded_chip_reads_on_as_the_saved_one_bit_for_bit(measured, tmp_path):
    saved = chip()
    saved.update(update_of())
    saved.wait(DAY)
    if measured:
        saved.calibrate_reading()
        assert not saved.reading_aged()
    x = (torch.rand(50, FRESH + N, generator=generator(5)) < 0.1).float()
    saved.matvec(x)
    saved.save(tmp_path / 'chip')
    loaded = ChipSynapses.load(tmp_path / 'chip')[0]
    assert loaded.fresh_rows == FRESH and loaded.reading_aged() == saved.reading_aged()
    for seconds in (0.0, HOUR, 30 * DAY):
        for each in (saved, loaded):
            each.wait(seconds)
        assert torch.equal(saved.matvec(x), loaded.matvec(x))
    assert loaded.update(update_of(seed=6)) == saved.update(update_of(seed=6))
    assert torch.equal(saved.matvec(x), loaded.matvec(x))


@pytest.mark.parametrize('measured', [False, True])
def test_a_resting_current_stays_though_small_weights_drift_more(measured):
    inputs = (torch.rand(4000, FRESH + N, generator=generator(7)) < 0.1).float()
    inputs[:, :FRESH] = torch.eye(FRESH).repeat(200, 1)
    synapses = chip(inputs=inputs)
    synapses.update(0.3 * update_of())
    alone = synapses.copy()
    synapses.wait(30 * DAY)
    if measured:
        synapses.calibrate_reading()
    wanted = synapses.weights()[:, :FRESH].mean(1)

    def rest(reading):
        """Return each column's mean current of the fresh rows, one of which is always driven."""
        return reading.matvec(inputs).mean(0) - inputs[:, FRESH:].mean(0) @ weights_of()[
            :, FRESH:].T
    assert float(rest(synapses).mean() / wanted.mean()) == pytest.approx(1, abs=0.1)
    if measured:
        assert float((rest(synapses) - wanted).std()) < 0.5 * float(wanted.std())
    alone.fresh_rows = 0
    alone.wait(30 * DAY)
    assert float(rest(alone).mean() / wanted.mean()) < 0.8


def test_a_chip_in_care_is_read_by_age_and_taken_up_as_it_was(tmp_path):
    config = ModelConfig(steps=60, neurons=20, generator_neurons=12, age_groups=True)
    weights = initial_weights(config, generator(5))
    bound = 0.9 * config.weight_limits()
    weights['trainee'] = weights['trainee'].clamp(-bound, bound)
    model, arm, now = OneShotModel(config, weights, 'small'), arm_of(config), [100.0]
    care = ChipCare(model, arm, file=tmp_path / 'chip', clock=lambda: now[0],
                    wall=lambda: round(1e9 * now[0]))
    assert care.synapses.fresh_rows == config.clock_neurons
    time = np.arange(0, 1.0001, 0.02)
    shown = Demonstration(arm.driven, time, np.stack([time, -time], 1) / 5, 'test')
    care.first_trial()
    delta = torch.zeros(config.neurons, config.clock_neurons + config.neurons)
    delta[:, :config.clock_neurons] = 0.1
    care.program(delta.numpy(), shown)
    written = care.synapses.core.correction
    now[0] += 60.0
    assert not care.tend(), 'the law is enough'
    now[0] += HOUR
    assert care.tend() and not care.tend()
    care.make_ready()
    played = care.trainee.trial().velocity
    care.save()
    again = ChipCare(model, arm, file=tmp_path / 'chip', clock=lambda: now[0],
                     wall=lambda: round(1e9 * now[0]))
    assert again.calibrations == 0, 'what was measured is in the file'
    assert again.trainee.trial().velocity.shape == played.shape
    again.forget()
    assert torch.equal(again.synapses.core.scale, written.scale)


def test_stuck_devices_that_are_known_do_not_mislead_the_law():
    synapses = chip(faults=FaultRates(devices=0.05))
    synapses.update(update_of())
    synapses.wait(DAY)
    fresh, old = gains(synapses)
    assert fresh / old == pytest.approx(1, abs=0.04)


def test_each_core_of_a_cut_matrix_corrects_its_own_rows():
    synapses = chip(n=300, cores=4)
    assert len(synapses.core.cores) > 1
    synapses.update(update_of(300))
    before = synapses.core.correction
    synapses.wait(DAY)
    fresh, old = gains(synapses)
    assert fresh / old == pytest.approx(1, abs=0.02)
    cost = synapses.calibrate_reading()
    with_fresh = sum(region.rows[0] == 0 for region in synapses.core.regions)
    assert cost.products == 1024 * len(synapses.core.cores) + 8 * FRESH * with_fresh
    fresh, old = gains(synapses)
    assert fresh / old == pytest.approx(1, abs=0.02)
    synapses.restore(weights_of(300))
    assert torch.equal(synapses.core.correction.scale, before.scale)


def test_a_core_of_fresh_rows_alone_is_refused():
    with pytest.raises(ChipError, match='other rows beside them'):
        chip(FRESH + N)
