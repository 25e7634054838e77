# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""LIF and ALIF neurons as one pure step.

Not here: unrolled networks and their gradients (`unroll`), eligibility traces (`eligibility`).
"""

from dataclasses import dataclass
from enum import Enum
import math
from typing import NamedTuple

import torch
from torch import Tensor

from smallbot.files.bounds import NotNegative, Positive, Real, Share, Steps


class Reset(str, Enum):
    """Which threshold a spike of an ALIF neuron takes from its voltage."""

    RAISED = 'raised'
    """That of the next step, which this very spike has raised (Ortner et al. 2025, code)."""
    CROSSED = 'crossed'
    """The one that was crossed."""


@dataclass(frozen=True)
class NeuronParameters:
    """Constants of a population; defaults are the trainee's (Ortner et al. 2025, Methods)."""

    threshold: Positive = 0.6
    """v_th, dimensionless; 0.6 for the trainee, 1.3 for the learning signal generator."""
    tau_m: Positive = 0.020
    """Membrane time constant, s."""
    refractory_steps: Steps = 5
    """Steps the refractory counter gains at a spike; it loses one a step."""
    dampening: NotNegative = 0.3
    """lambda, height of the pseudo-derivative."""
    surrogate_width: Positive = 1.0
    """Distance from the threshold, in thresholds, at which the pseudo-derivative ends."""
    beta: Real = 1.6
    """Threshold rise per unit of adaptation of an ALIF neuron (LIF neurons have none)."""
    tau_a: Positive = 0.600
    """Adaptation time constant, s."""
    adaptive_share: Share = 0.0
    """Share of ALIF neurons, the last ones of the population; 0.3 in the generator."""
    reset: Reset = Reset.RAISED
    """What a spike takes from the voltage of an ALIF neuron; LIF neurons have one threshold."""
    dt: Positive = 0.001
    """Network step, s."""
    gated: bool = True
    """Whether the pseudo-derivative of the eligibility traces is 0 while a neuron is refractory
    (Ortner et al. 2025). Not gated it depends on the voltage alone (Bellec et al. 2020), and an
    update does not skip the neurons that happened to spike; backpropagation is always gated."""

    @property
    def membrane_decay(self) -> float:
        """Return g = exp(-dt / tau_m)."""
        return math.exp(-self.dt / self.tau_m)

    @property
    def adaptation_decay(self) -> float:
        """Return rho = exp(-dt / tau_a)."""
        return math.exp(-self.dt / self.tau_a)

    def adaptive(self, neurons: int) -> int:
        """Return how many neurons of a population adapt, the last ones."""
        return round(self.adaptive_share * neurons)

    def beta_of(self, neurons: int, like: Tensor) -> Tensor | None:
        """Return the threshold gain of each neuron, [N], or None when no neuron adapts."""
        adaptive = self.adaptive(neurons)
        if adaptive == 0:
            return None
        beta = like.new_zeros(neurons)
        beta[neurons - adaptive:] = self.beta
        return beta


class NeuronState(NamedTuple):
    """State before a step; every tensor [..., N]."""

    v: Tensor
    """Membrane potential, dimensionless."""
    z: Tensor
    """Spikes of the step before, 0 or 1."""
    refractory: Tensor
    """Refractory counter, steps."""
    a: Tensor | None
    """Adaptation; None when no neuron adapts."""


def initial_state(shape: tuple[int, ...], p: NeuronParameters, like: Tensor) -> NeuronState:
    """Return the silent state of a population; `shape` is [..., N]."""
    zeros = like.new_zeros(shape)
    return NeuronState(zeros, zeros, zeros, zeros if p.adaptive_share > 0 else None)


def step(current: Tensor, state: NeuronState, p: NeuronParameters, beta: Tensor | None = None
         ) -> tuple[NeuronState, Tensor]:
    r"""Advance a population by one step of `p.dt`.

    Between spikes tau_m dv/dt = -v + input; at a spike v jumps down by the threshold. Discretely,
    with g = exp(-dt/tau_m) and rho = exp(-dt/tau_a):

        a' = rho a + z                       (ALIF)
        A  = v_th + beta a'                  (beta = 0 for LIF)
        v' = g v + current - z A             (A of the step before where `reset` is `CROSSED`)
        z' = [v' > A] unless refractory
        psi = lambda / v_th max(0, 1 - |v' - A| / (width v_th)), 0 while refractory if gated

    Parameters: `current` [..., N], the summed input and recurrent current of this step (the
    recurrent part driven by `state.z`, a delay of one step); `beta` [N] for ALIF populations.

    Returns the state after the step and the pseudo-derivative psi [..., N].
    Source: Ortner et al. 2025, equations 12-15, with the constants of its public code.
    """
    g, threshold = p.membrane_decay, p.threshold
    if beta is None:
        a = None
        v = g * state.v + current - threshold * state.z
        distance = v - threshold
    else:
        a = p.adaptation_decay * state.a + state.z
        bar = threshold + beta * a
        taken = bar if p.reset is Reset.RAISED else threshold + beta * state.a
        v = g * state.v + current - taken * state.z
        distance = v - bar
    free = (state.refractory < 0.5).to(v.dtype)
    z = (distance > 0).to(v.dtype) * free
    psi = pseudo_derivative(distance, p)
    if p.gated:
        psi = psi * free
    refractory = (state.refractory + p.refractory_steps * z - 1).clamp_(0, p.refractory_steps)
    return NeuronState(v, z, refractory, a), psi


def pseudo_derivative(distance: Tensor, p: NeuronParameters, out: Tensor | None = None) -> Tensor:
    """Return lambda / v_th max(0, 1 - |distance| / (width v_th)), distance = v - A, any shape."""
    height, reach = p.dampening / p.threshold, p.surrogate_width * p.threshold
    return torch.abs(distance, out=out).mul_(-height / reach).add_(height).relu_()


def pseudo_slope(distance: Tensor, p: NeuronParameters) -> Tensor:
    """Return how fast the pseudo-derivative rises with the voltage, any shape."""
    height, reach = p.dampening / p.threshold, p.surrogate_width * p.threshold
    return distance.sign().mul_(-height / reach).mul_(distance.abs() < reach)
