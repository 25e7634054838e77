# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""From a watched movement and the trainee's traces to one weight update; knows no chip."""

import numpy as np
import torch
from torch import Tensor

from smallbot.arm.kinematics import Arm
from smallbot.one_shot.model import ModelConfig, OneShotModel
from smallbot.snn.eligibility import Eligibility, eprop_update
from smallbot.snn.filters import filtered
from smallbot.snn.unroll import Trial, unroll

__all__ = ['Eligibility', 'generator_trial', 'learning_signals', 'movement_update',
           'sparse_update', 'traces_of', 'weight_update']


def generator_trial(config: ModelConfig, weights: dict[str, Tensor], path: Tensor,
                    products: torch.dtype | None = None) -> tuple[Tensor, Trial]:
    """Run the learning signal generator over demonstrated movements.

    Parameters: `path` [B, T + 1, D], what `config.watched` says, the tool tip, m, or the joints,
    rad, before the first step and after each; `products` as in `unroll`.
    Returns learning signals [T, B, N], the mean over `config.looks`, and what the generator's K
    neurons did in all looks; differentiable in the weights.
    Source: Ortner et al. 2025, equation 17; graded codes and looks are ours.
    """
    looks, movements = config.looks, len(path)
    clock = config.clock(path)[:, None].expand(-1, looks * movements, -1)
    path = path.transpose(0, 1)
    rates, drives = config.rates(path)
    steps = config.lead_steps + config.steps
    ahead = (torch.arange(steps) + config.preview_steps).clamp_max(config.steps - 1)
    path, rates = path[1:][ahead], rates[ahead]
    if drives is not None:
        drives = drives[ahead]
    if looks > 1:
        apart = torch.linspace(-config.look_spread, config.look_spread, looks, dtype=rates.dtype)
        apart = apart.repeat_interleave(movements)[None, :, None]
        path = path.repeat(1, looks, 1)
        rates = rates.repeat(1, looks, 1) + apart
        if drives is not None:
            drives = drives.repeat(1, looks, 1) + apart
    clock = torch.cat([clock.new_zeros(config.lead_steps, *clock.shape[1:]), clock])
    inputs = torch.cat([config.encode(path, rates, drives), clock], dim=-1)
    trial = unroll(inputs @ weights['generator_in'].T, weights['generator_rec'].T,
                   weights['generator_out'].T, config.generator, products)
    output = trial.output.unflatten(1, (looks, movements)).mean(1)
    return filtered(output, config.signal_decay)[config.lead_steps:], trial


@torch.no_grad()
def learning_signals(model: OneShotModel, path: Tensor) -> Tensor:
    """Return the learning signals [B, T, N] for paths [B, T + 1, D] of `watched`."""
    signals, _ = generator_trial(model.config, model.weights, path.float())
    return signals.transpose(0, 1)


@torch.no_grad()
def weight_update(model: OneShotModel, eligibility: Eligibility, signals: Tensor) -> Tensor:
    """Return the one update dW [B, N, N_in + N] for learning signals [B, T, N].

    Synapses that do not exist or must not change get exactly zero.
    """
    delta = eprop_update(eligibility, signals.transpose(0, 1), model.config.inner_rate)
    delta[:, model.config.plastic_rows:] = 0
    return delta.transpose(1, 2) * model.config.synapse_mask()


def traces_of(model: OneShotModel, matrix: np.ndarray) -> Eligibility:
    """Return the traces in a matrix [T, N + N_in + N] of pseudo-derivatives, inputs, neurons."""
    parts = torch.from_numpy(matrix.copy()).split([model.n, model.n_in, model.n], dim=1)
    return Eligibility(*parts)


@torch.no_grad()
def movement_update(model: OneShotModel, arm: Arm, positions: np.ndarray,
                    eligibility: Eligibility) -> Tensor:
    """Return the one update [N, N_in + N] that a movement makes of the traces of a trial.

    Parameters: `positions` [T + 1, J], rad, on the trial's grid, of an `arm` that is posed as it
    was shown.
    """
    path = model.config.watched(arm, torch.from_numpy(positions)).float()[None]
    return weight_update(model, eligibility, learning_signals(model, path))[0]


FITS = 5
"""Times that a sparse update is fitted: what the limits of weights cut off goes to other cells."""


@torch.no_grad()
def sparse_update(model: OneShotModel, delta: Tensor, share: float) -> Tensor:
    """Return an update [N, N_in + N] of at most a `share` of all cells in place of `delta`.

    Each input keeps its strongest changes, as many as go with the root of what `delta` makes it
    do to the readout: an input that drives fast motion needs many neurons, or they saturate.
    What is kept is then changed least so that every input drives the readout as it was to, as
    far as the weights' limits allow. Dropping the small changes alone loses gain.
    """
    kept = int(share * int(model.config.synapse_mask().sum()))
    if kept >= int(delta.count_nonzero()):
        return delta
    readout, initial = model.weights['readout'], model.weights['trainee']
    drive = readout @ delta
    chosen = _strongest(delta, _shares(drive.norm(dim=0).sqrt(), kept, len(delta)))
    sparse = delta * chosen
    inner = torch.einsum('jn,kn,ni->ijk', readout, readout, chosen)
    inner += 1e-6 * readout.square().sum() * torch.eye(len(readout))
    limit = model.config.weight_limits()
    for _ in range(FITS):
        missing = torch.linalg.solve(inner, (drive - readout @ sparse).T)
        sparse += readout.T @ missing.T * chosen
        sparse = ((initial + sparse).clamp(-limit, limit) - initial) * chosen
    return sparse


def _shares(weight: Tensor, total: int, most: int) -> Tensor:
    """Return whole numbers like `weight` [I], each at most `most`, that add up to `total`."""
    low, high = 0.0, (most + 1) / float(weight[weight > 0].min()) if weight.any() else 0.0
    for _ in range(60):
        scale = (low + high) / 2
        low, high = ((low, scale) if (scale * weight).clamp(max=most).sum() > total
                     else (scale, high))
    return (low * weight).clamp(max=most).long()


def _strongest(delta: Tensor, counts: Tensor) -> Tensor:
    """Return 1.0 for the `counts` [I] largest magnitudes in each column of `delta`, else 0."""
    order = delta.abs().argsort(dim=0, descending=True, stable=True)
    first = (torch.arange(len(delta))[:, None] < counts).to(delta.dtype)
    return torch.zeros_like(delta).scatter_(0, order, first)
