# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The outer loop's stand-in for a chip, against the laws and against the full model."""

import pytest
import torch

from smallbot.chip.device.laws import HERMES_TWO_DEVICE as LAW
from smallbot.one_shot.figures import tip_rmse_cm
from smallbot.one_shot.model import arm_of, load_model
from smallbot.outer_loop.closed_form import displacement_gain
from smallbot.outer_loop.configuration import MetaConfig
from smallbot.outer_loop.iteration import attempt
from smallbot.outer_loop.stand_in import begun_weights, Draw, StandIn, Written
from smallbot.outer_loop.tasks import draw_batch
from smallbot.study.conditions import Conditions
from smallbot.study.evaluation import draw_movements, evaluate
from smallbot.synapses.chip import ChipSynapses
from smallbot.synapses.granularity import DEFAULT_GRANULARITY, Granularity

LIMIT = torch.full((40, 1), 0.6)


def written(stand_in, delta, draw, weights=None, begun=None):
    weights = torch.zeros(40, 30) if weights is None else weights
    begun = weights if begun is None else begun
    found, rest = Written.apply(weights, delta, begun, torch.ones(40, 30), LIMIT, stand_in, draw,
                                40)
    assert rest.numel() == 0
    return found.transpose(0, 1)


def test_rounding_writes_multiples_with_the_mean_of_what_was_asked():
    generator = torch.Generator().manual_seed(0)
    delta = torch.full((200, 40, 30), 0.011)
    draw = Draw(rounding=torch.rand(delta.shape, generator=generator))
    found = written(StandIn(rounding_step=0.1), delta, draw)
    assert set(found.div(0.06).round(decimals=4).unique().tolist()) == {0.0, 1.0}
    assert float(found.mean()) == pytest.approx(0.011, rel=0.02)


def test_what_is_not_written_keeps_its_error_and_what_is_stuck_keeps_its_weight():
    begun = torch.full((40, 30), 0.2)
    delta = torch.zeros(2, 40, 30)
    delta[:, 0] = 0.3
    stuck = torch.zeros(40, 30, dtype=torch.bool)
    stuck[0, 0] = True
    found = written(StandIn(dead_band=0.01), delta, Draw(stuck=stuck), begun=begun)
    assert torch.equal(found[:, 1:], begun[1:].expand(2, -1, -1))
    assert torch.equal(found[:, 0, 1:], torch.full((2, 29), 0.3))
    assert torch.equal(found[:, 0, 0], torch.full((2,), 0.2))


def test_a_stuck_cell_has_no_gradient_and_the_others_have_that_of_an_exact_write():
    delta = torch.zeros(2, 40, 30, requires_grad=True)
    stuck = torch.zeros(40, 30, dtype=torch.bool)
    stuck[3] = True
    draw = Draw(stuck=stuck, rounding=torch.rand(2, 40, 30))
    written(StandIn(rounding_step=0.1), delta, draw).sum().backward()
    assert float(delta.grad[:, 3].abs().max()) == 0
    assert torch.equal(delta.grad[:, 4:], torch.ones(2, 36, 30))


def test_stuck_cells_hold_anything_within_limits():
    generator = torch.Generator().manual_seed(0)
    held = 2 * torch.rand(40, 30, generator=generator) - 1
    stuck = torch.rand(40, 30, generator=generator) < 0.3
    weights = torch.full((40, 30), 0.1)
    weights[5] = 0
    found = begun_weights(StandIn(stuck_cells=0.3), weights, LIMIT, Draw(stuck=stuck, held=held))
    assert torch.equal(found[~stuck], weights[~stuck])
    assert float(found[5].abs().max()) == 0
    assert float(found.abs().max()) <= 0.6 and float(found[stuck].std()) > 0.2


def test_movements_come_out_on_the_stand_in_as_on_the_full_chip():
    """Gain and error of the shipped model: a stand-in of another gain trains for another chip."""
    model = load_model()
    arm = arm_of(model.config)
    config = MetaConfig(model.config, batch=24, pen_share=0.0, device_noise=1.0, read_noise=1.0,
                        drift=1.0, rounding_step=DEFAULT_GRANULARITY.step, dead_band=0.0)
    movements = draw_movements('paper', 24, model.config, arm, 31)
    on_chips = torch.stack([torch.as_tensor(p.after) for p in evaluate(
        model, arm, movements, Conditions(), 31)])
    with torch.no_grad():
        stood_in = [attempt(config, model.weights,
                            draw_batch(config, arm, None, k)._replace(movements=movements),
                            arm).velocity for k in range(4)]
    gains, errors = ([float(torch.stack([measure(v) for v in played]).mean())
                      for played in ([on_chips], stood_in)] for measure in (
        lambda v: torch.tensor(displacement_gain(v, movements)),
        lambda v: tip_rmse_cm(v, movements, arm).mean()))
    assert gains[1] == pytest.approx(gains[0], abs=0.005)
    assert errors[1] == pytest.approx(errors[0], rel=0.25)


@pytest.mark.parametrize('age', [300.0, 86400.0])
def test_the_error_is_that_of_the_full_model_with_its_converters_left_out(age):
    share = torch.tensor([0.1, 0.3, 0.6, 0.9])
    weights = 0.6 * share.repeat(60)[None].expand(200, -1).contiguous()
    chip = ChipSynapses.prepare(
        weights.T.contiguous(), None, torch.full((200,), 0.6), torch.Generator().manual_seed(4),
        age=age, granularity=Granularity('exact'))
    error = (chip.effective_weights().T - weights).view(200, 60, 4)
    column = error.mean(0, keepdim=True).mean(1, keepdim=True)
    found = (error - column).flatten(0, 1).std(0)
    expected = StandIn(1.0, 1.0, 1.0).error(0.6 * share[None], torch.tensor([[0.6]]), age)[0]
    assert torch.allclose(found, expected, rtol=0.2)


def test_programming_alone_is_the_published_law():
    x = torch.linspace(0, 1, 21)[None]
    sd = StandIn(2.0).error(0.6 * x, torch.tensor([[0.6]]), 86400.0)
    assert torch.allclose(sd, 2 * 0.6 * LAW.programming(x) / LAW.g_max * torch.ones(1, 21),
                          rtol=1e-5)


def test_calibration_leaves_that_small_weights_drift_more_as_on_the_full_model():
    share = torch.tensor([0.1, 0.3, 0.6, 0.9])
    weights = 0.6 * share.repeat(60)[:, None].expand(-1, 200).contiguous()
    limit = torch.full((240, 1), 0.6)
    begun = begun_weights(StandIn(drift=1.0), weights, limit, Draw(initial_age=86400.0))
    chip = ChipSynapses.prepare(
        weights.T.contiguous(), None, torch.full((240,), 0.6), torch.Generator().manual_seed(4),
        age=86400.0, granularity=Granularity('exact'))
    found = chip.effective_weights().T.reshape(60, 4, 200).mean((0, 2)) / (0.6 * share)
    expected = begun.reshape(60, 4, 200).mean((0, 2)) / (0.6 * share)
    assert expected[0] < 0.9 and expected[3] > 1
    assert torch.allclose(found, expected, atol=0.02)
