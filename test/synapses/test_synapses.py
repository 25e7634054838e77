# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Synapses in software and on a chip: one contract, counts, files."""

import pytest
import torch

from smallbot.chip.device.laws import IDEAL
from smallbot.chip.device.state import ChipError
from smallbot.chip.storage import save_chip
from smallbot.synapses.chip import ChipSynapses
from smallbot.synapses.granularity import Granularity
from smallbot.synapses.software import SoftwareSynapses

N, N_IN = 60, 5


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def mask_of(n=N):
    mask = torch.ones(n, N_IN + n, dtype=torch.bool)
    mask[:, N_IN:].fill_diagonal_(False)
    return mask


def limits_of(n=N):
    return torch.cat([torch.full((N_IN,), 1.5), torch.full((n,), 0.4)])


def weights_of(n=N, seed=2):
    source = generator(seed)
    weights = 0.063 * torch.randn(n, N_IN + n, generator=source)
    weights[:, :N_IN] = 0.5 * torch.randn(n, N_IN, generator=source)
    return torch.minimum(torch.maximum(weights, -limits_of(n)), limits_of(n)) * mask_of(n)


def chip(seed=3, n=N, **options):
    return ChipSynapses.prepare(weights_of(n), mask_of(n), limits_of(n), generator(seed),
                                **options)


def spikes(steps=100, n=N, seed=5):
    x = (torch.rand(steps, N_IN + n, generator=generator(seed)) < 0.02).float()
    x[torch.arange(steps), torch.arange(steps) % N_IN] = 1
    return x


def test_software_synapses_are_a_matrix_product():
    synapses = SoftwareSynapses(weights_of(), mask_of())
    assert torch.allclose(synapses.matvec(spikes()), spikes() @ weights_of().T)
    delta = torch.zeros(N, N_IN + N)
    delta[0, 1], delta[7, N_IN + 7] = 0.25, 1.0  # the second is no synapse
    done = synapses.update(delta)
    assert (done.cells, done.cells_total, done.devices) == (1, N * (N_IN + N) - N, 0)
    assert float(synapses.weights()[0, 1] - weights_of()[0, 1]) == pytest.approx(0.25)
    assert float(synapses.weights()[7, N_IN + 7]) == 0


def test_a_prepared_chip_multiplies_nearly_like_software():
    error = chip().matvec(spikes()) - spikes() @ weights_of().T
    relative = float(error.norm() / (spikes() @ weights_of().T).norm())
    assert 0.05 < relative < 0.25  # real devices: neither exact nor useless


def test_an_ideal_chip_is_exact_up_to_its_converters():
    synapses = chip(law=IDEAL)
    step = synapses.core.output_range / 127
    error = synapses.matvec(spikes()) - spikes() @ weights_of().T
    assert float(error.abs().max()) < 1.5 * step


def test_the_trainee_has_63500_synapses_and_its_chip_255000_devices():
    synapses = chip(n=250)
    assert int((synapses.core.devices.writes > 0).sum()) == 255_000
    done = synapses.program(weights_of(250, seed=9))
    assert done.cells == done.cells_total == 63_500
    assert done.saturated == 0 and done.energy_uj > 0


def test_an_update_writes_the_cells_beyond_the_dead_band_and_no_others():
    synapses = chip(granularity=Granularity('exact', dead_band=0.025))
    before = synapses.copy()
    delta = 0.01 * torch.randn(N, N_IN + N, generator=generator(4))
    delta[3, N_IN + 3] = 0.3  # no synapse
    done = synapses.update(delta)
    chosen = mask_of() & (delta.abs() >= 0.025 * limits_of())
    assert 0 < done.cells == int(chosen.sum()) < done.cells_total
    touched = (synapses.core.devices.writes > before.core.devices.writes).any(0).T
    assert torch.equal(touched, chosen)
    flips = chosen & (weights_of() * (weights_of() + delta) < 0)
    written = synapses.core.devices.writes - before.core.devices.writes
    assert done.devices == int(written.sum())
    assert int((chosen | flips).sum()) <= done.devices < 1.3 * int(chosen.sum() + flips.sum())
    assert (written.view(2, 2, N_IN + N, N).any(1).sum(0).T[flips] == 2).all()
    assert done.pulses == int((synapses.core.devices.pulses - before.core.devices.pulses).sum())
    assert done.pulses > done.devices and done.seconds > 0
    assert torch.equal(synapses.weights()[~chosen], before.weights()[~chosen])
    assert torch.allclose(synapses.weights()[chosen], (before.weights() + delta)[chosen])


def test_without_a_dead_band_a_cell_is_written_if_its_change_is_not_zero():
    synapses = chip(granularity=Granularity('exact'))
    delta = torch.zeros(N, N_IN + N)
    delta[0, 0], delta[1, 2] = 1e-6, -1e-6
    assert synapses.update(delta).cells == 2
    assert synapses.update(torch.zeros_like(delta)).cells == 0


def test_a_rounded_update_is_a_multiple_of_the_step_and_right_on_average():
    delta = 0.01 * torch.randn(N, N_IN + N, generator=generator(4)) * mask_of()
    step = limits_of() / 16
    written = {}
    for rounding in ('nearest', 'stochastic'):
        synapses = chip(granularity=Granularity(rounding, 1 / 16))
        changes = [Granularity(rounding, 1 / 16).apply(delta, limits_of(), generator(k))
                   for k in range(200)]
        for change in changes[:3]:
            steps = change / step
            assert torch.allclose(steps, steps.round(), atol=1e-4)
            assert float(((change - delta) / step).abs().max()) <= (
                0.5 if rounding == 'nearest' else 1) + 1e-4
        mean = torch.stack(changes).mean(0)
        bias = float(((mean - delta) / step).abs().max())
        assert (bias < 0.2) == (rounding == 'stochastic')
        written[rounding] = synapses.update(delta).cells
    # Small changes are all lost to the one and kept in the mean by the other.
    assert 0 < written['nearest'] < 0.75 * written['stochastic'] < 0.75 * 3840


def test_an_update_arrives_and_stays_for_its_first_minutes():
    synapses = chip()
    before = synapses.effective_weights()
    delta = 0.1 * torch.randn(N, N_IN + N, generator=generator(4)) * mask_of()
    wanted = synapses.weights() + delta
    held = wanted.clamp(-limits_of(), limits_of())
    synapses.update(delta)
    change = held - weights_of()
    for seconds in (0.0, 300.0):
        synapses.wait(seconds)
        gained = synapses.effective_weights() - before
        assert float((gained * change).sum() / change.square().sum()) == pytest.approx(1, abs=0.1)


def test_weights_stop_at_their_limits_and_are_counted():
    synapses = chip(granularity=Granularity('exact'))
    delta = torch.zeros(N, N_IN + N)
    delta[2, 9] = -9.0
    done = synapses.update(delta)
    assert (done.cells, done.saturated) == (1, 1)
    assert float(synapses.weights()[2, 9]) == pytest.approx(-0.4)


def test_a_loaded_chip_is_the_saved_one_bit_for_bit(tmp_path):
    saved = chip(granularity=Granularity('stochastic', 0.01))
    saved.update(0.02 * torch.randn(N, N_IN + N, generator=generator(4)))
    saved.wait(77.5)
    saved.matvec(spikes())
    saved.save(tmp_path / 'arm.chip', {'taught': 'a wave'})
    loaded, notes = ChipSynapses.load(tmp_path / 'arm.chip')
    assert notes == {'taught': 'a wave'}
    assert loaded.granularity == saved.granularity and torch.equal(loaded.mask, saved.mask)
    assert loaded.core.now == saved.core.now == 3677.5
    for _ in range(2):  # the same now, and the same for ever
        assert torch.equal(loaded.matvec(spikes()), saved.matvec(spikes()))
        delta = 0.02 * torch.randn(N, N_IN + N, generator=generator(6))
        assert loaded.update(delta) == saved.update(delta)
        loaded.wait(1000.0)
        saved.wait(1000.0)
    assert torch.equal(loaded.effective_weights(), saved.effective_weights())


def test_reads_are_calibrated_where_the_last_write_has_aged_and_the_next_goes_as_before(
        tmp_path):
    synapses = chip(granularity=Granularity('exact'))
    delta = 0.1 * torch.randn(N, N_IN + N, generator=generator(4)) * mask_of()
    synapses.update(delta)
    written_by = synapses.core.correction
    synapses.wait(440.0)
    assert not synapses.reading_aged()
    synapses.wait(86400.0)
    assert synapses.reading_aged()
    wanted = spikes() @ synapses.weights().T

    def error():
        return float((synapses.matvec(spikes()) - wanted).norm() / wanted.norm())
    aged = error()
    synapses.calibrate_reading()
    assert not synapses.reading_aged() and error() < 0.8 * aged
    assert synapses.core.scale.median() > 1.1 * written_by.scale.median()
    assert synapses.calibration_due()  # that for writing is an hour old, the chip a day
    synapses.save(tmp_path / 'arm.chip')
    twin, loaded = synapses.copy(), ChipSynapses.load(tmp_path / 'arm.chip')[0]
    assert torch.equal(twin.core.scale, synapses.core.scale)
    for each in (synapses, twin, loaded):
        each.update(-delta)
        assert torch.equal(each.core.scale, written_by.scale)
        assert torch.equal(each.core.offset, written_by.offset)
        assert each.core.calibrated_at == 3600.0
        assert not each.reading_aged()
    assert torch.equal(twin.core.devices.level, synapses.core.devices.level)
    synapses.calibrate()
    assert not synapses.calibration_due()


def test_the_parts_of_a_cut_matrix_take_up_their_correction_again():
    synapses = chip(n=300, cores=4)
    assert len(synapses.core.cores) > 1
    before = synapses.core.correction
    synapses.wait(86400.0)
    synapses.calibrate_reading()
    assert not torch.equal(synapses.core.correction.scale, before.scale)
    synapses.restore(weights_of(300, seed=9))
    after = synapses.core.correction
    assert torch.equal(after.scale, before.scale) and torch.equal(after.offset, before.offset)
    assert after.at == before.at and synapses.core.written_at == synapses.core.now


def test_files_that_hold_no_chip_are_refused(tmp_path):
    with pytest.raises(ChipError, match='no such file'):
        ChipSynapses.load(tmp_path / 'none')
    broken = tmp_path / 'broken'
    broken.write_bytes(b'not a chip')
    with pytest.raises(ChipError, match='cannot be read'):
        ChipSynapses.load(broken)
    with pytest.raises(ChipError, match='cannot be read'):
        ChipSynapses.load(tmp_path)
    chip().save(tmp_path / 'whole')
    whole = (tmp_path / 'whole').read_bytes()
    broken.write_bytes(whole[:len(whole) // 2])
    with pytest.raises(ChipError, match='cannot be read'):
        ChipSynapses.load(broken)
    save_chip(chip().core, broken)
    with pytest.raises(ChipError, match='mask'):
        ChipSynapses.load(broken)


def test_what_is_not_a_number_or_does_not_fit_is_refused_and_nothing_written():
    synapses = chip()
    before = synapses.core.devices.writes.clone()
    delta = torch.zeros(N, N_IN + N)
    delta[0, 0] = float('inf')
    for refused in (lambda: synapses.update(delta), lambda: synapses.update(delta[:-1]),
                    lambda: synapses.program(weights_of() + 2.0),
                    lambda: SoftwareSynapses(weights_of()).update(delta),
                    lambda: ChipSynapses(synapses.core, mask_of().T),
                    lambda: Granularity(dead_band=-1.0), lambda: Granularity('nearest', 0.0),
                    lambda: Granularity('upwards', 0.1),
                    lambda: ChipSynapses.prepare(weights_of(), None, limits_of()[1:],
                                                 generator())):
        with pytest.raises(ChipError):
            refused()
    assert torch.equal(synapses.core.devices.writes, before)


def test_copies_share_nothing():
    for synapses in (chip(), SoftwareSynapses(weights_of(), mask_of())):
        twin = synapses.copy()
        twin.update(torch.full((N, N_IN + N), 0.1))
        assert torch.equal(synapses.weights(), weights_of())
        assert not torch.equal(twin.weights(), synapses.weights())
