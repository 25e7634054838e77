# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Exponential filters and delays over a whole trial."""

import torch
from torch import Tensor


def filtered(signal: Tensor, decay: float) -> Tensor:
    """Return y with y_t = decay y_{t-1} + signal_t for a signal [T, ...]; differentiable."""
    return _ExponentialFilter.apply(signal, decay)


def delayed(signal: Tensor) -> Tensor:
    """Return `signal` [T, ...] one step later, beginning with zeros: a synaptic delay."""
    return torch.cat([torch.zeros_like(signal[:1]), signal[:-1]])


def _accumulate(signal: Tensor, decay: float, order: range) -> Tensor:
    result = torch.empty_like(signal)
    state = torch.zeros_like(signal[0])
    for t in order:
        state = torch.add(signal[t], state, alpha=decay, out=result[t])
    return result


class _ExponentialFilter(torch.autograd.Function):
    """The adjoint of a causal exponential filter is the same filter run backwards in time."""

    @staticmethod
    def forward(ctx, signal, decay):
        ctx.decay = decay
        return _accumulate(signal, decay, range(len(signal)))

    @staticmethod
    def backward(ctx, grad):
        return _accumulate(grad, ctx.decay, range(len(grad) - 1, -1, -1)), None
