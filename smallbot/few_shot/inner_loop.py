# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The inner loop: a dense layer learned from a few examples by a few gradient steps.

The gradient of the softmax's cross-entropy is the delta rule, dw_lk = alpha (y_l - f_l) h_k,
averaged over the examples (Ortner et al. 2025, equation 3). Two things are ours: alpha is
meta-learned for every update (as in Antoniou et al., ICLR 2019), and it grows with the number of
classes, so that the first update, which begins at f = 1 / ways, gives every class weights as
large as with five.

`gradient` and `rates` serve layers on a chip; `adapted` is all of it at once in float32, for many
tasks, and can be differentiated.
"""

import torch
from torch import Tensor

RATE_WAYS = 5
"""Classes for which the rates are given."""


def rates(log_rates: Tensor, ways: int) -> Tensor:
    """Return the learning rate of each update, [updates]."""
    return log_rates.exp() * (ways / RATE_WAYS)


def targets(ways: int, shots: int) -> Tensor:
    """Return y [ways * shots, ways] of examples that stand class by class."""
    return torch.eye(ways).repeat_interleave(shots, dim=0)


def gradient(logits: Tensor, wanted: Tensor, seen: Tensor, share: Tensor | None = None) -> Tensor:
    """Return (y - f) h averaged over examples, [..., ways, D], by which weights are to grow.

    Parameters: `logits` and `wanted` y, [..., S, ways]; features `seen` h, [..., S, D]; `share`
    [S], the weight of each example in the average, together 1 (default: the same for all).
    """
    wrong = wanted - logits.softmax(-1)
    wrong = wrong / seen.shape[-2] if share is None else wrong * share[:, None]
    return wrong.transpose(-1, -2) @ seen


def adapted(seen: Tensor, wanted: Tensor, steps: Tensor) -> list[Tensor]:
    """Return the weights [..., ways, D] after each update, from zero.

    Parameters: features `seen` [..., S, D]; `wanted` [..., S, ways] or [S, ways]; `steps`
    [updates], the rates.
    """
    weights = seen.new_zeros(*seen.shape[:-2], wanted.shape[-1], seen.shape[-1])
    found = []
    for rate in steps:
        logits = seen @ weights.transpose(-1, -2)
        weights = weights + rate * gradient(logits, wanted, seen)
        found.append(weights)
    return found
