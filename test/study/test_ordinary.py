# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch

from smallbot.arm.kinematics import default_arm
from smallbot.one_shot.families import brownian, Movements
from smallbot.one_shot.figures import tip_rmse_cm
from smallbot.one_shot.model import initial_weights, ModelConfig, OneShotModel
from smallbot.one_shot.trainee import prepare_synapses, Trainee
from smallbot.outer_loop.stand_in import StandIn
from smallbot.study.ordinary import (
    AGE,
    on_the_chip,
    play,
    Schedule,
    train,
    untrained,
)

ARM = default_arm()
CONFIG = ModelConfig(neurons=40, generator_neurons=8, steps=80, clock_neurons=8, clock_period=2,
                     clock_overlap=2, recurrent_update=False)
MODEL = OneShotModel(CONFIG, initial_weights(CONFIG, torch.Generator().manual_seed(3)), 'small')
SHOWN = brownian(3, CONFIG.steps, CONFIG.step_seconds, ARM, torch.Generator().manual_seed(1),
                 window=40)
EXACT = StandIn()
SEEDS = [10, 11, 12]


def errors_cm(networks):
    return tip_rmse_cm(play(CONFIG, networks)[0], SHOWN, ARM)


def chances(seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_training_finds_each_movement():
    start = untrained(CONFIG, SEEDS)
    networks = train(CONFIG, ARM, SHOWN, start, [], EXACT, Schedule(iterations=40))
    before, after = errors_cm(start), errors_cm(networks)
    assert (after < 0.3 * before).all()
    limit = CONFIG.weight_limits()
    assert (networks.trainee.abs() <= limit).all()
    assert networks.trainee[:, ~CONFIG.synapse_mask()].count_nonzero() == 0


def test_a_network_does_not_depend_on_those_beside_it():
    noisy, few = StandIn(programming=1.0), Schedule(iterations=4)
    together = train(CONFIG, ARM, SHOWN, untrained(CONFIG, SEEDS), chances(SEEDS), noisy, few)
    last = Movements(SHOWN.start[2:], SHOWN.velocity[2:], SHOWN.step_seconds)
    start = untrained(CONFIG, SEEDS[2:])
    alone = train(CONFIG, ARM, last, start, chances(SEEDS[2:]), noisy, few)
    assert torch.allclose(together.trainee[2], alone.trainee[0], atol=1e-5)
    other = train(CONFIG, ARM, last, start, chances([99]), noisy, few)
    assert not torch.allclose(other.trainee, alone.trainee, atol=1e-3)


def test_a_network_plays_alike_as_a_trainee():
    networks = untrained(CONFIG, SEEDS)
    velocity, _ = play(CONFIG, networks)
    for number in range(3):
        model = networks.model(number, MODEL)
        trial = Trainee(model, prepare_synapses(model, 'software')).trial()
        assert trial.spikes.sum() > 20
        assert torch.allclose(velocity[number], trial.velocity, atol=1e-4)


@pytest.mark.parametrize('effect', ['programming', 'read'])
def test_noise_in_training_is_that_of_the_stand_in_and_gradients_pass(effect):
    stand_in = replace(EXACT, clip=False, **{effect: 1.0})
    trainee = untrained(CONFIG, [1] * 400).trainee.requires_grad_()
    held = on_the_chip(CONFIG, trainee, stand_in,
                       [torch.Generator().manual_seed(k) for k in range(400)])
    exact = trainee[0].detach().T
    expected = stand_in.error(exact, CONFIG.weight_limits()[:, None], AGE)
    there = CONFIG.synapse_mask().T
    ratio = ((held - trainee).detach().std(0).T / expected)[there]
    assert float(ratio.mean()) == pytest.approx(1, abs=0.01)
    assert (held - trainee).detach()[:, ~there.T].count_nonzero() == 0
    gradient, = torch.autograd.grad(held.sum(), trainee)
    assert torch.equal(gradient, torch.ones_like(gradient))


def test_exact_weights_are_left_alone():
    trainee = untrained(CONFIG, [1]).trainee
    assert on_the_chip(CONFIG, trainee, EXACT, []) is trainee
