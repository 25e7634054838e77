# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""E-prop with the true error and without a learning signal generator: what the generator is worth.

The trainee begins with the same weights, sees the same trials and learns by the same rule; only
the learning signals differ: instead of coming from a network that has learned what to say, they
are the trainee's own error, sent back through its readout.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from smallbot.arm.kinematics import Arm
from smallbot.one_shot.families import Movements
from smallbot.one_shot.figures import tip_rmse_cm
from smallbot.one_shot.model import OneShotModel
from smallbot.snn.eligibility import Eligibility, eligibility_traces, eprop_update
from smallbot.snn.filters import filtered
from smallbot.snn.unroll import unroll

RATES = tuple(10 ** (k / 4) for k in range(-16, 5))
"""Learning rates among which the best is sought: 1e-4 to 10, four a decade."""


@dataclass(frozen=True)
class PlainEprop:
    """How plain e-prop learns a movement."""

    updates: int = 1
    """Trials with an update after each."""
    every_synapse: bool = False
    """Whether all synapses learn; else those that the model's own update may change."""


class Found(NamedTuple):
    """A learning rate and what it reached."""

    rate: float
    tip_rmse_cm: float
    """Mean on the movements on which the rate was sought."""


def true_learning_signals(wrong: Tensor, readout: Tensor, decay: float) -> Tensor:
    """Return L_j^t = sum_k W_kj sum_{s >= t} decay^(s - t) (y_k - y*_k)^s, [T, B, N].

    For the loss E = 1/2 sum_t sum_k (y_k - y*_k)^2 it is all that a spike of neuron j at step t
    does to E through the readout, whose filter is y^t = decay y^(t-1) + W z^t. Bellec et al. 2020
    filter the eligibility traces forwards instead, a trace for every synapse; filtering the error
    backwards gives the same sum over time from a trace for every neuron.

    Parameters: `wrong` [T, B, J], velocity minus the demonstrated one; `readout` [J, N], whose
    transpose is the feedback (symmetric feedback).
    Source: Bellec et al., Nature Communications 11:3625 (2020).
    """
    return filtered(wrong.flip(0), decay).flip(0) @ readout


@torch.no_grad()
def plain_eprop(model: OneShotModel, movements: Movements, rate: float,
                how: PlainEprop = PlainEprop()) -> Tensor:
    """Return what the trainee plays after its updates, velocities [B, T, J]; in software.

    Each movement is learned by a trainee of its own, from the model's initial weights.
    """
    config, batch = model.config, len(movements.start)
    n_in, rows = config.clock_neurons, config.plastic_rows
    rows = n_in + config.neurons if how.every_synapse else rows
    weights, readout = model.weights['trainee'].T, model.weights['readout']
    clock, mask = config.clock(weights), config.synapse_mask().T[:rows]
    w_in = weights[:n_in].repeat(batch, 1, 1)
    w_rec = weights[n_in:].repeat(batch, 1, 1) if rows > n_in else weights[n_in:].contiguous()
    target = movements.velocity.transpose(0, 1)
    for update in range(how.updates + 1):
        trial = unroll(torch.einsum('ti,bin->tbn', clock, w_in), w_rec, readout.T,
                       config.trainee)
        velocity = filtered(trial.output, config.readout_decay)
        if update == how.updates:
            break
        signals = true_learning_signals(velocity - target, readout, config.readout_decay)
        traces = eligibility_traces(clock, trial.spikes, trial.psi, config.trace_decay)
        for task in range(batch):
            own = Eligibility(traces.psi[:, task], traces.input_trace,
                              traces.recurrent_trace[:, task, :rows - n_in])
            delta = eprop_update(own, signals[:, task:task + 1], rate)[0].mul_(mask)
            w_in[task] += delta[:n_in]
            if rows > n_in:
                w_rec[task] += delta[n_in:]
    return velocity.transpose(0, 1)


def best_rate(model: OneShotModel, arm: Arm, movements: Movements,
              how: PlainEprop = PlainEprop(), rates: tuple[float, ...] = RATES
              ) -> Found:
    """Return the learning rate with the smallest mean error on `movements`.

    These must not be the ones whose error is reported. Rates are tried from the smallest on;
    the search ends where the error is twice the best so far.
    """
    best = None
    for rate in sorted(rates):
        error = float(tip_rmse_cm(plain_eprop(model, movements, rate, how), movements, arm).mean())
        if best is None or error < best.tip_rmse_cm:
            best = Found(rate, error)
        elif error > 2 * best.tip_rmse_cm:
            break
    return best
