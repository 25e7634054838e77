# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Program-and-verify and faulty devices, through the core they belong to."""

import pytest
import torch

from smallbot.chip.core import Core
from smallbot.chip.device.faults import disobeys, draw_faults, FaultRates
from smallbot.chip.device.laws import HERMES_ONE_DEVICE, HERMES_TWO_DEVICE, IDEAL
from smallbot.chip.device.programming import program_and_verify, PulseModel
from smallbot.chip.device.state import ChipError, Fault
from smallbot.chip.energy import RESET_PULSE, SET_PULSE, VERIFICATION

SIDE = 128


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def weights_of(seed=7, sd=0.3, limit=0.8):
    return (sd * torch.randn(SIDE, SIDE, generator=generator(seed))).clamp(-limit, limit)


def core_with(law=HERMES_TWO_DEVICE, seed=1, **options):
    return Core(torch.ones(SIDE), SIDE, generator(seed), law, **options)


def devices(goal, law=HERMES_TWO_DEVICE, rules=None, stuck=False, before=0.0, n=20_000, seed=1):
    """Program n devices to the share `goal` of their range."""
    rules = rules or PulseModel()
    single = law.g_max / law.devices_per_polarity
    source = generator(seed)
    shift = rules.device_spread * torch.randn(n, generator=source)
    done = program_and_verify(
        torch.full((n,), goal * single), torch.full((n,), before * single), shift,
        torch.full((n,), stuck), torch.ones(n), single, law, rules, source)
    return done, single


@pytest.mark.parametrize('goal', [0.05, 0.3, 0.6, 0.9, 1.0])
def test_nearly_all_devices_converge_and_those_that_do_are_within_the_margin(goal):
    done, single = devices(goal)
    count = HERMES_TWO_DEVICE.g_max / 420
    assert float(done.converged.float().mean()) > 0.999
    assert not done.faulty.any()
    error = (done.seen - goal * single).abs()[done.converged]
    assert float(error.max()) <= 5 * count * 1.001
    assert (done.resets == 1).all() and (done.sets >= 1).all()
    assert torch.equal(done.reads, done.sets + 2)


def test_more_iterations_leave_fewer_unconverged():
    shares = []
    for iterations in (1, 2, 4, 8, 30):
        done, _ = devices(0.5, HERMES_ONE_DEVICE, PulseModel(iterations=iterations))
        assert int(done.sets.max()) <= iterations
        shares.append(float(done.converged.float().mean()))
    assert shares == sorted(shares) and shares[0] < 0.5 and shares[-1] > 0.99


def test_a_wider_margin_takes_fewer_pulses_and_leaves_more_error():
    tight, single = devices(0.5, rules=PulseModel(margin=2.0))
    wide, _ = devices(0.5, rules=PulseModel(margin=20.0))
    assert wide.sets.float().mean() < 0.5 * tight.sets.float().mean()
    assert ((wide.seen - 0.5 * single).std() > 2 * (tight.seen - 0.5 * single).std())


@pytest.mark.parametrize('goal, before', [(0.5, 0.0), (0.5, 1.0), (0.0, 1.0), (1.0, 0.0)])
def test_a_device_that_does_not_follow_is_found_after_ten_pulses(goal, before):
    done, single = devices(goal, stuck=True, before=before, n=500)
    assert done.faulty.all() and not done.converged.any()
    assert int((done.sets + done.resets).max()) <= 11
    assert torch.allclose(done.conductance, torch.tensor(before * single))


def test_a_stuck_device_that_is_where_it_should_be_is_no_fault():
    done, _ = devices(0.0, stuck=True, before=0.0, n=500)
    assert not done.faulty.any() and done.converged.all()


def test_the_slope_decides():
    requested = torch.tensor([10.0, 10.0, 10.0, 1.0])
    obtained = torch.tensor([10.0, 1.5, 0.5, 0.0])
    found = disobeys(requested * obtained, requested.square(), 50.0)
    assert found.tolist() == [False, False, True, False]


@pytest.mark.parametrize('rates, expected', [
    (FaultRates(devices=0.1), 0.1), (FaultRates(cells=0.05), 0.05), (FaultRates(rows=0.2), 0.2),
    (FaultRates(columns=0.2), 0.2), (FaultRates(), 0.0), (FaultRates(rows=1.0), 1.0)])
def test_faults_come_at_their_rates(rates, expected):
    counts = [float((draw_faults(rates, (4, 200, 200), generator(k)) > 0).float().mean())
              for k in range(20)]
    assert sum(counts) / 20 == pytest.approx(expected, abs=0.03 if expected < 1 else 0)


def test_a_stuck_row_is_stuck_in_one_state_and_half_of_all_faults_are_set():
    fault = draw_faults(FaultRates(rows=0.5, set_share=0.5), (4, 200, 30), generator())
    per_row = fault.movedim(1, 0).flatten(1)
    assert (per_row == per_row[:, :1]).all()
    stuck = per_row[:, 0][per_row[:, 0] > 0]
    assert 0.3 < float((stuck == Fault.STUCK_SET).float().mean()) < 0.7
    with pytest.raises(ChipError, match='rows 1.5'):
        FaultRates(rows=1.5)


def test_faulty_devices_are_found_only_where_they_show():
    core = core_with(faults=FaultRates(devices=0.05))
    done = core.program(weights_of())
    found = core.found != 0
    assert 0 < done.faulty == int(found.sum()) < int((core.devices.fault != 0).sum())
    right = core.found[found] == core.devices.fault[found]
    assert float(right.float().mean()) > 0.99
    healthy = found & (core.devices.fault == 0)
    assert int(healthy.sum()) <= 0.001 * found.numel()


@pytest.mark.parametrize('law', [HERMES_TWO_DEVICE, IDEAL], ids=lambda law: law.name)
def test_healthy_devices_make_up_for_faulty_ones(law):
    """Without compensation a stuck-SET device would shift its weight by half the range."""
    rates = FaultRates(devices=0.05)
    broken, whole = core_with(law, faults=rates), core_with(law)
    done = broken.program(weights_of())
    whole.program(weights_of())
    cells = int((broken.devices.fault != 0).any(0).sum())
    assert done.compensated > 0.2 * cells > done.out_of_reach > 0
    found = (broken.found != 0).any(0)
    error = (broken.effective_weights() - weights_of())
    # An undetected stuck-SET device of a polarity at rest, or one out of reach, is rare.
    assert float((error[found].abs() < 0.25).float().mean()) > 0.9
    usual = (whole.effective_weights() - weights_of()).abs().mean()
    assert float(error[found].abs().median()) < 2 * float(usual) + 0.02


def test_a_cell_whose_devices_cannot_change_is_left_alone_by_later_writes():
    core = core_with(IDEAL, faults=FaultRates(cells=0.1, set_share=0.0))
    core.program(weights_of())
    dead = core.found != 0
    pulses = core.devices.pulses.clone()
    core.program(weights_of(seed=8))
    assert dead.any() and (core.devices.pulses - pulses)[dead].sum() == 0


def test_stuck_devices_cannot_be_programmed_but_age():
    core = core_with(faults=FaultRates(devices=0.2))
    stuck_set = core.devices.fault == Fault.STUCK_SET
    before = core.devices.conductance.clone()
    core.program(weights_of())
    stuck = core.devices.fault != Fault.NONE
    assert torch.equal(core.devices.conductance[stuck], before[stuck])
    assert (before[stuck_set] > 0).all()
    fresh = core.polarity_conductance().clone()
    core.wait(1e6)
    assert not torch.equal(core.polarity_conductance(), fresh)


def test_a_report_adds_up():
    core = core_with()
    done = core.program(weights_of())
    resets = int((core.devices.writes > 0).sum())  # the first write RESETs every device once
    sets = done.pulses - resets
    assert done.pulses == int(core.devices.pulses.sum()) and sets > 0
    reads = core.account.verifications
    assert done.energy == pytest.approx(
        resets * RESET_PULSE + sets * SET_PULSE + reads * VERIFICATION)
    assert core.account.write_energy == done.energy
    # 256 diagonals of a core, four devices a cell, none beyond 1 + 30 pulses.
    assert 0 < done.seconds < 4 * 256 * 31 * 1.5e-6 * 1.1
    again = core.program(weights_of(8))
    assert core.account.pulses == done.pulses + again.pulses
    assert 0.005 < done.residual < 0.02  # about five counts, uniformly


def test_cells_of_a_diagonal_are_programmed_together():
    """One cell takes as long as a whole diagonal of cells, hardly less; a row far longer."""
    weights = torch.full((SIDE, SIDE), 0.3)
    seconds = {}
    for name, mask in (
            ('cell', torch.zeros(SIDE, SIDE, dtype=torch.bool).index_put(
                (torch.tensor(0), torch.tensor(0)), torch.tensor(True))),
            ('diagonal', torch.eye(SIDE, dtype=torch.bool)),
            ('row', torch.zeros(SIDE, SIDE, dtype=torch.bool).index_fill(
                0, torch.tensor(0), True))):
        core = core_with()
        core.program(torch.zeros(SIDE, SIDE))
        seconds[name] = core.program(weights, mask).seconds
    assert seconds['diagonal'] < 8 * seconds['cell']
    assert seconds['row'] > 20 * seconds['cell']


def test_reads_are_charged_by_their_phases():
    core = core_with()
    core.read(torch.ones(10, SIDE))
    core.read(torch.ones(1, SIDE))
    assert core.account.products == 11
    assert core.account.read_energy == pytest.approx(11 * 52.8e-9)
    assert core.account.read_seconds == pytest.approx(11 * 521e-9)
