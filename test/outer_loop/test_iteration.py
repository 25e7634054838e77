# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
import torch

from smallbot.one_shot.learner import generator_trial, learning_signals, weight_update
from smallbot.one_shot.model import arm_of, initial_weights, load_model
from smallbot.one_shot.trainee import prepare_synapses, Trainee
from smallbot.outer_loop.configuration import MetaConfig
from smallbot.outer_loop.iteration import attempt, first_trial, outer_loss
from smallbot.outer_loop.run import MetaTraining
from smallbot.outer_loop.tasks import Batch, draw_batch
from smallbot.snn.eligibility import eprop_update
from smallbot.study.conditions import Conditions
from smallbot.study.evaluation import draw_movements, evaluate

from .conftest import CLOCK_ALONE, SMALL


def test_signals_are_the_mean_of_looks_that_differ_a_little_in_velocity():
    model = replace(CLOCK_ALONE.model, looks=3, look_spread=0.05)
    weights = {key: value.double().detach()
               for key, value in MetaTraining(CLOCK_ALONE).weights.items()}
    path = torch.randn(2, model.steps + 1, 2, generator=torch.Generator().manual_seed(3)).double()
    path = 0.01 * path.cumsum(1)
    ramp = torch.arange(model.steps + 1).double()[:, None] * model.step_seconds
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


class Spike(torch.autograd.Function):

    @staticmethod
    def forward(ctx, voltage, psi):
        ctx.save_for_backward(psi)
        return (voltage > 0.6).to(voltage.dtype)

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0], None


def update_by_autograd(model, begun, signals):
    """Return the update of a first trial by the equations, with gradients by autograd."""
    g, n_in = np.exp(-1 / 20), model.clock_neurons
    clock = model.clock(begun)
    v = z = counter = torch.zeros(model.neurons, dtype=begun.dtype)
    seen = torch.zeros(len(begun), dtype=begun.dtype)
    update = torch.zeros_like(begun)
    for t in range(model.steps):
        inputs = torch.cat([clock[t], z])
        seen = g * seen + inputs
        v = g * v + inputs @ begun - 0.6 * z
        free = (counter < 0.5).to(v.dtype)
        psi = 0.3 / 0.6 * torch.relu(1 - ((v - 0.6) / 0.6).abs()) * free
        z = Spike.apply(v, psi.detach()) * free
        counter = (counter + 5 * z.detach() - 1).clamp(0, 5)
        update = update - model.inner_rate * seen[:, None] * (signals[t] * psi)
    assert seen[n_in:].sum() > 0
    return update


def test_the_gradient_through_the_first_trials_traces_is_autograds():
    model = SMALL.model
    generator = torch.Generator().manual_seed(8)
    begun = initial_weights(model, generator)['trainee'].T.double().clone().requires_grad_()
    signals, weight = (torch.randn(*shape, generator=generator, dtype=torch.float64)
                       for shape in ((model.steps, model.neurons), begun.shape))
    trial, eligibility = first_trial(model, begun)
    ours = eprop_update(eligibility, signals[:, None], model.inner_rate)[0]
    theirs = update_by_autograd(model, begun, signals)
    assert len(trial.events.row) > 20 and torch.allclose(ours, theirs, atol=1e-12)
    mine, expected = (torch.autograd.grad((x * weight).sum(), begun)[0] for x in (ours, theirs))
    assert expected[model.clock_neurons:].abs().max() > 1e-4
    assert (mine - expected).abs().max() < 1e-10 * expected.abs().max()


def test_the_first_trial_changes_the_trainees_gradient_and_no_other_where_it_is_asked_for():
    plain = replace(SMALL, device_noise=0.0, dead_band=0.0, rate_weight=0.0)
    found = []
    for config in (plain, replace(plain, first_trial=True)):
        run = MetaTraining(config)
        loss, _ = outer_loss(config, run.weights, draw_batch(config, run.arm, run.pens, 0),
                             run.arm)
        loss.backward()
        found.append((float(loss.detach()), {key: x.grad for key, x in run.weights.items()}))
    (one, held), (other, whole) = found
    assert one == other
    for key in held:
        assert torch.equal(held[key], whole[key]) == (key != 'trainee'), key
    own = whole['trainee'][:, SMALL.model.clock_neurons:].diagonal()
    assert own.abs().max() == 0


def test_a_generator_without_autapses_trains_none_and_the_model_has_none():
    run = MetaTraining(replace(SMALL, generator_autapses=False))
    before = run.weights['generator_rec'].detach().clone()
    assert before.diagonal().abs().min() > 0
    for _ in range(2):
        run.step()
    after = run.weights['generator_rec'].detach()
    assert torch.equal(after.diagonal(), before.diagonal()) and not torch.equal(after, before)
    assert run.model('m').weights['generator_rec'].diagonal().abs().max() == 0


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
    config = MetaConfig(model.config)
    expected = float(attempt(config, model.weights, Batch(movements, 2), arm).written)
    done = evaluate(model, arm, movements, Conditions(), 7)
    found = np.mean([p.written.cells / p.written.cells_total for p in done])
    assert expected == pytest.approx(found, rel=0.05)


def test_an_update_of_the_clock_alone_leaves_recurrent_weights_as_they_are():
    model = MetaTraining(CLOCK_ALONE).model('m')
    config = model.config
    trainee = Trainee(model, prepare_synapses(model, 'software'))
    path = torch.linspace(0, 1, config.steps + 1)[None, :, None].expand(1, -1, 2)
    delta = weight_update(model, trainee.trial().eligibility, learning_signals(model, path))[0]
    assert delta[:, :config.clock_neurons].abs().max() > 0
    assert delta[:, config.clock_neurons:].abs().max() == 0
