# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
import sys

import pytest
import torch

from smallbot.arm.kinematics import default_arm
from smallbot.errors import InputError
from smallbot.one_shot.families import brownian
from smallbot.one_shot.figures import tip_rmse_cm
from smallbot.one_shot.model import initial_weights, ModelConfig, OneShotModel
from smallbot.study.baselines import BASELINES
from smallbot.study.conditions import Conditions
from smallbot.study.evaluation import evaluate
from smallbot.study.movement_primitive import movement_primitives
from smallbot.study.plain_eprop import (
    best_rate,
    plain_eprop,
    PlainEprop,
    true_learning_signals,
)

ARM = default_arm()
CONFIG = ModelConfig(neurons=40, generator_neurons=8, steps=80, clock_neurons=8, clock_period=2,
                     clock_overlap=2, recurrent_update=False)
MODEL = OneShotModel(CONFIG, initial_weights(CONFIG, torch.Generator().manual_seed(3)), 'small')


def movements(count, seed):
    return brownian(count, CONFIG.steps, CONFIG.step_seconds, ARM,
                    torch.Generator().manual_seed(seed), window=40)


class Spike(torch.autograd.Function):
    """A spike whose derivative is the pseudo-derivative."""

    @staticmethod
    def forward(ctx, distance, free):
        p = CONFIG.trainee
        slope = (1 - distance.abs() / (p.surrogate_width * p.threshold)).clamp(min=0)
        ctx.save_for_backward(free * slope * p.dampening / p.threshold)
        return (distance > 0) * free

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0], None


def played_by_autograd(w_in, readout):
    """Run neurons without recurrence; the reset is no path for gradients, as e-prop has it."""
    p = CONFIG.trainee
    v = z = refractory = torch.zeros(CONFIG.neurons)
    y = torch.zeros(len(CONFIG.joints))
    played = []
    for x in CONFIG.clock(w_in):
        v = p.membrane_decay * v + x @ w_in - p.threshold * z.detach()
        z = Spike.apply(v - p.threshold, (refractory < 0.5).float())
        refractory = (refractory + p.refractory_steps * z.detach() - 1).clamp(
            0, p.refractory_steps)
        y = CONFIG.readout_decay * y + readout @ z
        played.append(y)
    return torch.stack(played)


def test_an_update_without_recurrence_is_a_step_down_the_true_gradient():
    """Of the loss 1/2 sum_t |y - y*|^2: nothing is approximated but the spike's derivative."""
    n_in, rate = CONFIG.clock_neurons, 0.1
    alone = MODEL.weights['trainee'].clone()
    alone[:, n_in:] = 0
    model = replace(MODEL, weights={**MODEL.weights, 'trainee': alone})
    shown = movements(3, 1)
    velocity = plain_eprop(model, shown, rate)
    before = played_by_autograd(alone[:, :n_in].T, model.weights['readout'])
    for target, found in zip(shown.velocity, velocity):
        w_in = alone[:, :n_in].T.clone().requires_grad_()
        loss = 0.5 * (played_by_autograd(w_in, model.weights['readout']) - target).square().sum()
        gradient, = torch.autograd.grad(loss, w_in)
        expected = played_by_autograd((w_in - rate * gradient).detach(), model.weights['readout'])
        assert (expected - before).abs().max() > 0.05
        assert torch.allclose(found, expected, atol=1e-4)


def test_the_signal_is_the_filtered_trace_s_sum_the_other_way_round():
    """Filtering traces forwards (Bellec et al. 2020) and errors backwards is the same update."""
    chance = torch.Generator().manual_seed(0)
    wrong = torch.randn(50, 1, 2, generator=chance, dtype=torch.float64)
    readout = torch.randn(2, 7, generator=chance, dtype=torch.float64)
    trace = torch.rand(50, 7, generator=chance, dtype=torch.float64)
    backwards = (true_learning_signals(wrong, readout, 0.9)[:, 0] * trace).sum(0)
    filtered, forwards = torch.zeros(7, dtype=torch.float64), torch.zeros(7, dtype=torch.float64)
    for t in range(50):
        filtered = 0.9 * filtered + trace[t]
        forwards += (wrong[t, 0] @ readout) * filtered
    assert torch.allclose(backwards, forwards, rtol=1e-12)


def test_no_update_is_the_evaluation_s_before_in_software():
    shown = movements(2, 1)
    found = BASELINES['none'](MODEL, ARM, shown, shown).velocity
    done = evaluate(MODEL, ARM, shown, Conditions('software'), 0)
    for velocity, performance in zip(found, done):
        assert torch.equal(velocity, torch.as_tensor(performance.before))


@pytest.mark.parametrize('every', [False, True])
def test_the_true_error_teaches_and_more_updates_teach_more(every):
    shown, tuning = movements(4, 1), movements(4, 2)
    errors = [float(tip_rmse_cm(BASELINES['none'](MODEL, ARM, shown, tuning).velocity, shown,
                                ARM).mean())]
    for updates, rates in ((1, (0.1, 0.3, 1.0)), (30, (0.15, 0.3, 0.6))):
        how = PlainEprop(updates, every)
        rate = best_rate(MODEL, ARM, tuning, how, rates).rate
        velocity = plain_eprop(MODEL, shown, rate, how)
        errors.append(float(tip_rmse_cm(velocity, shown, ARM).mean()))
    assert errors[1] < 0.7 * errors[0] and errors[2] < 0.9 * errors[1]


def test_the_rate_is_the_best_of_those_tried():
    tuning = movements(3, 2)
    rates = (1e-4, 1e-2, 1e2)
    found = best_rate(MODEL, ARM, tuning, rates=rates)
    errors = {rate: float(tip_rmse_cm(plain_eprop(MODEL, tuning, rate), tuning, ARM).mean())
              for rate in rates}
    assert found == (min(errors, key=errors.get), min(errors.values()))


def test_only_the_model_s_plastic_synapses_learn_unless_all_are_to():
    deaf = MODEL.weights['trainee'].clone()
    deaf[:, :CONFIG.clock_neurons] = 0
    model = replace(MODEL, weights={**MODEL.weights, 'trainee': deaf})
    shown = movements(1, 1)
    assert plain_eprop(model, shown, 1e-2).count_nonzero() == 0
    # Far below the threshold no neuron learns; clock weights alone can make it spike.
    loud = MODEL.weights['trainee'].clone()
    loud[:, CONFIG.clock_neurons:] *= 3
    model = replace(MODEL, weights={**MODEL.weights, 'trainee': loud})
    few, every = (plain_eprop(model, shown, 3e-3, PlainEprop(1, flag)) for flag in (False, True))
    assert not torch.equal(few, every)


def test_a_movement_primitive_plays_what_it_was_shown():
    pytest.importorskip('movement_primitives.dmp')
    shown = movements(3, 1)
    few, more = (tip_rmse_cm(movement_primitives(shown, weights), shown, ARM)
                 for weights in (3, 25))
    assert more.max() < 1.0 < few.max()


def test_a_missing_library_is_named_with_its_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, 'movement_primitives.dmp', None)
    with pytest.raises(InputError, match='pip install movement_primitives'):
        BASELINES['dmp 10'](MODEL, ARM, movements(1, 1), movements(1, 2))
