# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""One outer iteration: show each task once, update once, play, and score what was played.

Both networks get their gradients by backpropagation through time through the trainee's second
trial and through the update that came before it. The first trial is the same for every task, so
it runs once for the whole batch; gradients flow through its traces where `first_trial` says so.
"""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from smallbot.arm.kinematics import Arm
from smallbot.experiment.processes import Group
from smallbot.experiment.products import Products
from smallbot.one_shot.families import Movements
from smallbot.one_shot.learner import generator_trial
from smallbot.one_shot.model import ModelConfig
from smallbot.outer_loop.configuration import MetaConfig
from smallbot.outer_loop.stand_in import begun_weights, share_written, Written
from smallbot.outer_loop.tasks import Batch
from smallbot.snn.eligibility import Eligibility, eligibility_traces, eprop_update
from smallbot.snn.filters import filtered
from smallbot.snn.unroll import Trial, unroll

RATE_WINDOW = 10
"""Steps over which the trainee's rate is taken for `steadiness`."""


class Iteration(NamedTuple):
    """What one outer iteration reached, as numbers."""

    loss: float
    tip_cm: float
    velocity_rmse: float
    trainee_hz: float
    generator_hz: float
    written: float
    """Share of all synapses that the updates are expected to write."""


class Attempt(NamedTuple):
    """What a batch of tasks made of one demonstration and one update each."""

    velocity: Tensor
    """Of the playback [B, T, J], rad/s of nominal time."""
    first: Trial
    """The trial of the initial weights, the same for all."""
    trainee: Trial
    """The playback."""
    generator: Trial
    written: Tensor
    """Share of all synapses that the updates are expected to write, a scalar."""


def first_trial(model: ModelConfig, begun: Tensor) -> tuple[Trial, Eligibility]:
    """Run the trial of initial weights [N_in + N, N]; its traces are differentiable in them."""
    clock = model.clock(begun)
    n_in = model.clock_neurons
    trial = unroll((clock @ begun[:n_in])[:, None], begun[n_in:],
                   torch.eye(model.neurons, dtype=begun.dtype), model.trainee, through_psi=True)
    eligibility = eligibility_traces(clock, trial.output[:, 0], trial.psi[:, 0],
                                     model.trace_decay)
    if not model.recurrent_update:
        eligibility = eligibility._replace(recurrent_trace=eligibility.recurrent_trace[:, :0])
    return trial, eligibility


def attempt(config: MetaConfig, weights: dict[str, Tensor], batch: Batch, arm: Arm) -> Attempt:
    """Show a fresh trainee each task once, update it once, play; differentiable in `weights`."""
    model, stand_in = config.model, batch.stand_in
    n_in, rows = model.clock_neurons, model.plastic_rows
    clock = model.clock(weights['readout'])
    mask = model.synapse_mask().T.to(clock.dtype)
    limit = model.weight_limits()[:, None]
    trainee, readout = weights['trainee'].T, weights['readout'].T
    begun = begun_weights(stand_in, trainee.detach() * mask, limit, batch.draw,
                          n_in if model.age_groups else 0)
    held = begun
    if config.first_trial:
        meant = trainee * mask
        held = meant + (begun - meant).detach()
    first, eligibility = first_trial(model, held)
    if not config.generator_autapses:
        alone = torch.eye(model.generator_neurons, dtype=clock.dtype)
        weights = {**weights, 'generator_rec': weights['generator_rec'] * (1 - alone)}

    products = torch.bfloat16 if config.products is Products.BFLOAT16 else None
    watching = replace(model, looks=config.training_looks or model.looks)
    signals, generator = generator_trial(
        watching, weights, model.watched(arm, batch.movements.path()), products)
    delta = eprop_update(eligibility, signals, model.inner_rate)
    if not stand_in.exact:
        delta = delta * model.chip_gain
    share = share_written(stand_in, delta if config.write_weight else delta.detach(), mask[:rows],
                          limit[:rows], int(mask.sum()))
    w_in, w_rec = Written.apply(trainee[:rows], delta, begun[:rows], mask[:rows], limit[:rows],
                                stand_in, batch.draw, n_in)
    if not model.recurrent_update:
        kept = trainee[n_in:]
        w_rec = kept + (begun[n_in:] - kept).detach()
    current = (clock @ w_in.flatten(1)).view(model.steps, -1, model.neurons)
    playback = unroll(current, w_rec, readout, model.trainee,
                      None if model.recurrent_update else products)
    velocity = filtered(playback.output, model.readout_decay)
    return Attempt(velocity.transpose(0, 1), first, playback, generator, share)


def outer_loss(config: MetaConfig, weights: dict[str, Tensor], batch: Batch, arm: Arm,
               group: Group = Group()) -> tuple[Tensor, Iteration]:  # noqa: B008
    """Return the outer loss of an iteration, differentiable in `weights`, and its parts.

    Each process of `group` passes its own share of the batch; the loss is that of the whole
    batch, its gradients are the share's.
    Source: Ortner et al. 2025, equation 19. What the chip does to the weights (noise, a dead band,
    clipping) is added as a constant: the gradient passes straight through it.
    """
    tasks = batch.movements
    velocity, first, trainee, generator, written = attempt(config, weights, batch, arm)
    reached = Movements(tasks.start, velocity, tasks.step_seconds).positions()
    tip_error = (arm.tip(reached) - arm.tip(tasks.positions())).square().sum(-1)
    by_step = trainee.by_step.unfold(0, RATE_WINDOW, RATE_WINDOW).mean(1)
    rate_of_trainee = (first.rate + trainee.rate) / 2 if config.first_trial else trainee.rate
    shares = [rate_of_trainee, generator.rate, by_step, torch.stack([
        (velocity - tasks.velocity).square().mean(), tip_error.mean(),
        100 * tip_error.detach().mean(1).sqrt().mean(), written])]
    means = group.total(torch.cat(shares) * (len(tasks.start) / batch.tasks))
    trainee_rate, generator_rate, by_step, rest = means.split([len(x) for x in shares])
    velocity_error, tip_error, tip_cm, written = rest
    rate = 1e-3
    regular = ((trainee_rate - rate * config.trainee_rate).square().sum()
               + (generator_rate - rate * config.generator_rate).square().sum()
               + config.steadiness * config.model.neurons
               * (by_step - rate * config.trainee_rate).square().mean())
    loss = (0.5 * velocity_error + 0.5 * config.tip_weight * tip_error
            + config.rate_weight * regular + config.write_weight * written)
    with torch.no_grad():
        parts = Iteration(
            float(loss), float(tip_cm), float(velocity_error.sqrt()),
            float(trainee_rate.mean() / rate), float(generator_rate.mean() / rate),
            float(written))
    return loss, parts
