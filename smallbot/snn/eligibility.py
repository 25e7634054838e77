# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Eligibility traces of LIF networks, factorised, and the e-prop update they give.

The eligibility of the synapse i -> j is psi_j^t times a trace of neuron i, because every LIF
neuron of a population filters its input with the same decay: the membrane's, or a shorter one
where a network's own feedback cuts short what an input does to it. So a trial needs
[T, N] + [T, M] numbers, and an update is one matrix product over time; the dense [N, M, T]
tensor never exists. ALIF trainees would need a second trace and are not covered here.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from smallbot.snn.filters import delayed, filtered


class Eligibility(NamedTuple):
    """Factors of the eligibility traces of one trial."""

    psi: Tensor
    """Pseudo-derivatives [T, N]."""
    input_trace: Tensor
    """Inputs filtered, present step included [T, N_in]."""
    recurrent_trace: Tensor
    """Spikes of the steps before, filtered [T, N]."""

    @property
    def presynaptic(self) -> Tensor:
        """Return both traces side by side [T, N_in + N]."""
        return torch.cat([self.input_trace, self.recurrent_trace], dim=1)


def eligibility_traces(inputs: Tensor, spikes: Tensor, psi: Tensor, decay: float
                       ) -> Eligibility:
    """Return the traces of a trial from inputs [T, N_in], spikes and psi [T, N].

    `decay`: what a trace keeps from one step to the next; as derived, the membrane's exp(-dt/tau).
    Source: Bellec et al. 2020; Ortner et al. 2025, equations 16-18.
    """
    return Eligibility(psi, filtered(inputs, decay), filtered(delayed(spikes), decay))


def eprop_update(eligibility: Eligibility, learning_signals: Tensor, rate: float) -> Tensor:
    """Return dW = -rate sum_t L_j^t psi_j^t trace_i^t for a batch of learning signals.

    Parameters: `learning_signals` [T, B, N]; `rate`, the inner learning rate.
    Returns [B, N_in + N, N], from presynaptic rows to postsynaptic columns; differentiable in
    the learning signals. Self-connections are the caller's to mask.
    Source: Ortner et al. 2025, equation 18.
    """
    _, batch, neurons = learning_signals.shape
    postsynaptic = (learning_signals * eligibility.psi[:, None]).flatten(1)
    delta = (eligibility.presynaptic.T * -rate) @ postsynaptic
    return delta.view(-1, batch, neurons).transpose(0, 1)
