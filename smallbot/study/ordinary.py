# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Ordinary networks: a trainee for each movement, trained on it by backpropagation through time.

What one has without learning to learn. Architecture, neurons, clock, loss and the limits of the
weights are those of the meta-trained pair; the weights begin at random (`untrained`), every
synapse and the readout are trained, and nothing of them comes from meta-training. All movements
of a batch are trained at once, each with a network of its own.
"""

from dataclasses import dataclass, replace
import math
from typing import NamedTuple

import torch
from torch import Tensor

from smallbot.arm.kinematics import Arm
from smallbot.one_shot.families import Movements
from smallbot.one_shot.model import initial_weights, ModelConfig, OneShotModel
from smallbot.outer_loop.stand_in import begun_weights, Draw, StandIn
from smallbot.snn.filters import filtered
from smallbot.snn.unroll import Trial, unroll

AGE = 3600.0
"""Age of the weights in training with noise, s: that of the figures."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast ordinary networks are trained."""

    iterations: int = 400
    """Iterations of Adam, each on the whole movement."""
    learning_rate: float = 0.01
    """Adam's rate at the start; it falls to a hundredth along half a cosine."""
    tip_weight: float = 4.0
    """Weight of the squared tool-tip error (m^2) beside the squared velocity error, as in the
    meta-training of the shipped model."""
    rate_weight: float = 0.25
    """Coefficient of the firing-rate regularisation, as in meta-training."""
    rate: float = 20.0
    """Target rate of every neuron, Hz, as in meta-training."""


class Networks(NamedTuple):
    """A network for each of B movements."""

    trainee: Tensor
    """Weights of all synapses [B, N, N_in + N], from postsynaptic to presynaptic."""
    readout: Tensor
    """[B, J, N]."""

    def model(self, number: int, like: OneShotModel) -> OneShotModel:
        """Return network `number` in the place of the trainee and the readout of `like`."""
        weights = {**like.weights, 'trainee': self.trainee[number],
                   'readout': self.readout[number]}
        return replace(like, weights=weights, name=f'ordinary-{number}')


def untrained(config: ModelConfig, seeds: list[int]) -> Networks:
    """Draw a network for each seed, from the distribution with which meta-training begins."""
    limit = config.weight_limits()
    drawn = [initial_weights(config, torch.Generator().manual_seed(seed)) for seed in seeds]
    trainee = torch.stack([weights['trainee'] for weights in drawn])
    return Networks(trainee.clamp_(-limit, limit),
                    torch.stack([weights['readout'] for weights in drawn]))


def play(config: ModelConfig, networks: Networks) -> tuple[Tensor, Trial]:
    """Run each network through a trial; differentiable.

    Returns the velocities [B, T, J] and the trial, whose `output` [T, B, N] is the spikes.
    """
    clock = config.clock(networks.trainee)
    inputs = config.clock_neurons
    current = torch.einsum('ti,bni->tbn', clock, networks.trainee[:, :, :inputs])
    every = torch.eye(config.neurons, dtype=clock.dtype)
    trial = unroll(current, networks.trainee[:, :, inputs:].mT, every, config.trainee)
    driven = torch.einsum('tbn,bjn->tbj', trial.output, networks.readout)
    return filtered(driven, config.readout_decay).transpose(0, 1), trial


def train(config: ModelConfig, arm: Arm, movements: Movements, start: Networks,
          chances: list[torch.Generator], stand_in: StandIn,
          schedule: Schedule = Schedule()) -> Networks:
    """Train a network for each movement; `start` is left as it is.

    Parameters: `chances`, one for each network, so that its noise does not depend on the networks
    beside it; `stand_in`, what training sees of a chip, drawn anew at every iteration: nothing,
    or what meta-training saw.
    """
    networks = Networks(*(x.clone().requires_grad_() for x in start))
    mask, limit = config.synapse_mask(), config.weight_limits()
    optimiser = torch.optim.Adam(list(networks), lr=schedule.learning_rate)
    target = movements.positions()
    for iteration in range(schedule.iterations):
        fraction = iteration / schedule.iterations
        for group in optimiser.param_groups:
            group['lr'] = schedule.learning_rate * (
                0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fraction)))
        held = networks._replace(trainee=on_the_chip(config, networks.trainee, stand_in, chances))
        velocity, trial = play(config, held)
        reached = Movements(movements.start, velocity, movements.step_seconds).positions()
        tip_error = (arm.tip(reached) - arm.tip(target)).square().sum(-1).mean(1)
        velocity_error = (velocity - movements.velocity).square().mean((1, 2))
        wrong_rate = (trial.output.mean(0) - 1e-3 * schedule.rate).square().sum(1)
        loss = (0.5 * velocity_error + 0.5 * schedule.tip_weight * tip_error
                + schedule.rate_weight * wrong_rate)
        optimiser.zero_grad(set_to_none=True)
        loss.sum().backward()
        with torch.no_grad():
            networks.trainee.grad.mul_(mask)
        optimiser.step()
        with torch.no_grad():
            networks.trainee.clamp_(-limit, limit)
    return Networks(*(x.detach() for x in networks))


def on_the_chip(config: ModelConfig, trainee: Tensor, stand_in: StandIn,
                chances: list[torch.Generator]) -> Tensor:
    """Return what a chip would hold of weights [B, N, N_in + N]; gradients pass straight through.

    Each network has a chip of its own, drawn from its generator.
    """
    if not stand_in.noisy and stand_in.stuck_cells == 0:
        return trainee
    limit, shape = config.weight_limits()[:, None], config.synapse_mask().T.shape
    exact = trainee.detach().mT
    found = []
    for weights, chance in zip(exact, chances, strict=True):
        begun = stuck = held = None
        if stand_in.noisy:
            begun = torch.randn(shape, generator=chance)
        if stand_in.stuck_cells > 0:
            stuck = torch.rand(shape, generator=chance) < stand_in.stuck_cells
            held = 2 * torch.rand(shape, generator=chance) - 1
        found.append(begun_weights(stand_in, weights, limit,
                                   Draw(begun=begun, stuck=stuck, held=held, initial_age=AGE)))
    found = torch.stack(found)
    if stand_in.clip:
        found = found.clamp(-limit, limit)
    return trainee + (found - exact).mT
