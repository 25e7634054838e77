from dataclasses import replace

import numpy as np
import pytest
import torch

from smallbot.one_shot.learner import generator_trial, learning_signals, weight_update
from smallbot.one_shot.model import arm_of, load_model
from smallbot.one_shot.trainee import prepare_synapses, Trainee
from smallbot.outer_loop.configuration import EXACT, MetaConfig
from smallbot.outer_loop.iteration import attempt, outer_loss
from smallbot.outer_loop.run import MetaTraining
from smallbot.outer_loop.tasks import Batch, draw_batch
from smallbot.study.conditions import Conditions
from smallbot.study.evaluation import draw_movements, evaluate

from .conftest import CLOCK_ALONE, SMALL


def test_signals_are_the_mean_of_looks_that_differ_a_little_in_velocity():
    model = replace(CLOCK_ALONE.model, looks=3, look_spread=0.05)
    weights = {key: value.double().detach()
               for key, value in MetaTraining(CLOCK_ALONE).weights.items()}
    path = torch.randn(2, model.steps, 2, generator=torch.Generator().manual_seed(3)).double()
    path = 0.01 * path.cumsum(1)
    ramp = torch.arange(model.steps).double()[:, None] * model.step_seconds
    one_by_one = [generator_trial(replace(model, looks=1), weights, path + faster * ramp)[0]
                  for faster in (-0.05, 0.0, 0.05)]
    assert not torch.equal(one_by_one[0], one_by_one[2])
    together, trial = generator_trial(model, weights, path)
    assert together.shape == (model.steps, 2, model.neurons)
    assert torch.allclose(together, torch.stack(one_by_one).mean(0), atol=1e-12)
    assert trial.rate.shape == (model.generator_neurons,)


@pytest.mark.parametrize('setting', [SMALL, CLOCK_ALONE])
def test_outer_gradients_reach_every_weight_and_lower_the_loss(setting):
    config = replace(setting, device_noise=0.0, dead_band=0.0)
    run = MetaTraining(config)
    batch = draw_batch(config, run.arm, run.pens, iteration=0)

    def loss():
        return outer_loss(config, run.weights, batch, run.arm)[0]

    first = loss()
    first.backward()
    for key, value in run.weights.items():
        assert value.grad is not None and value.grad.abs().max() > 0, key
    for _ in range(120):
        run.optimiser.zero_grad()
        loss().backward()
        run.optimiser.step()
    assert loss() < 0.8 * first


@pytest.mark.parametrize('setting', [
    {'rounding_step': 0.1}, {'stuck_cells': 0.2}, {'read_noise': 1.0}, {'drift': 1.0, 'age': 1e6},
    {'write_weight': 1.0}])
def test_every_effect_of_a_chip_can_be_trained_with(setting):
    config = replace(CLOCK_ALONE, device_noise=0.0, dead_band=0.0)
    plain, with_effect = (MetaTraining(c) for c in (config, replace(config, **setting)))
    losses = [float(outer_loss(run.config, run.weights,
                               draw_batch(run.config, run.arm, run.pens, 0), run.arm)[0].detach())
              for run in (plain, with_effect)]
    assert losses[0] != losses[1]
    for _ in range(3):
        parts = with_effect.step()
    assert np.isfinite(parts.loss) and 0 < parts.written <= 1


def test_what_the_outer_loop_expects_to_be_written_is_what_the_chip_writes():
    model = load_model()
    arm = arm_of(model.config)
    movements = draw_movements('paper', 2, model.config, arm, 7)
    config = MetaConfig(model.config, **EXACT)
    expected = float(attempt(config, model.weights, Batch(movements, 2), arm).written)
    done = evaluate(model, arm, movements, Conditions(), 7)
    found = np.mean([p.written.cells / p.written.cells_total for p in done])
    assert expected == pytest.approx(found, rel=0.05)


def test_an_update_of_the_clock_alone_leaves_recurrent_weights_as_they_are():
    model = MetaTraining(CLOCK_ALONE).model('m')
    config = model.config
    trainee = Trainee(model, prepare_synapses(model, 'software'))
    path = torch.linspace(0, 1, config.steps)[None, :, None].expand(1, -1, 2)
    delta = weight_update(model, trainee.trial().eligibility, learning_signals(model, path))[0]
    assert delta[:, :config.clock_neurons].abs().max() > 0
    assert delta[:, config.clock_neurons:].abs().max() == 0
