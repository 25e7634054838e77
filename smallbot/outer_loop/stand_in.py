# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What a chip does to the weights of a batch of tasks, as cheap statistics for the outer loop.

The full model programs every device by pulses and reads through converters; here a cell's error
is one draw from the same laws. Figures are always taken on the full model, `smallbot.chip`.

Not here: converters, the programming of single devices, correlations in time.
"""

from dataclasses import dataclass
import math
from typing import NamedTuple

import torch
from torch import Tensor

from smallbot.chip.device.laws import HERMES_TWO_DEVICE
from smallbot.synapses.granularity import DEFAULT_GRANULARITY

INITIAL_AGES = (1800.0, 86400.0)
"""Ages of the initial weights when the update is made, s; in the figures it is an hour."""


@dataclass(frozen=True)
class StandIn:
    """Which effects there are; all off but clipping is software."""

    programming: float = 0.0
    """Programming error in units of the two-device law."""
    read: float = 0.0
    """1/f noise, frozen for a trial, in units of the two-device law."""
    drift: float = 0.0
    """Drift in units of the two-device law. Each column is calibrated, so that what remains is
    that small weights have drifted more than large ones, and every cell in its own way."""
    age: float = 300.0
    """Seconds between update and playback, for `read` and `drift`."""
    rounding_step: float = 0.0
    """Step of the stochastic rounding of an update, as share of the largest weight; 0: exact."""
    dead_band: float = 0.0
    """Changes below this are not written; weight units."""
    stuck_cells: float = 0.0
    """Share of cells that hold a weight of their own, anything up to the largest."""
    clip: bool = True
    """Whether weights stay within the largest magnitudes on the chip."""

    @property
    def exact(self) -> bool:
        """Return whether this is software: nothing but, perhaps, limits."""
        return not (self.noisy or self.rounding_step or self.dead_band or self.stuck_cells)

    @property
    def noisy(self) -> bool:
        """Return whether weights come out otherwise than they were meant."""
        return max(self.programming, self.read, self.drift) > 0

    def error(self, weights: Tensor, limit: Tensor, age: float) -> Tensor:
        """Return the s.d. of weights [..., M, N] with limits [M, 1] that are `age` s old."""
        law = HERMES_TWO_DEVICE
        x = weights.abs() / limit
        sd = law.programming(x).mul_(self.programming * limit / law.g_max)
        if self.read == 0 and self.drift == 0:
            return sd
        drift = self.drift * math.log(max(age, law.t0) / law.t0)
        relative = (self.read * law.read_sigma(x, age)).square_()
        relative.add_((drift * law.drift_sd(x)).square_())
        return sd.square_().add_(relative.mul_((x * limit).square_())).sqrt_()


EXACT = StandIn(clip=False)
"""Software."""


class Draw(NamedTuple):
    """The chance of a batch of B tasks on one chip; None where an effect is off."""

    begun: Tensor | None = None
    """Unit normals [M, N] for the initial weights, the same for every task."""
    adapted: Tensor | None = None
    """Unit normals [B, plastic rows, N] for the adapted weights."""
    rounding: Tensor | None = None
    """Uniform on [0, 1), [B, plastic rows, N]."""
    stuck: Tensor | None = None
    """bool [M, N]."""
    held: Tensor | None = None
    """What a stuck cell holds, share of its limit, uniform on [-1, 1), [M, N]."""
    initial_age: float = INITIAL_AGES[0]
    """Age of the initial weights when they are calibrated, just before the update, s."""


def begun_weights(stand_in: StandIn, weights: Tensor, limit: Tensor, draw: Draw,
                  fresh_rows: int = 0) -> Tensor:
    """Return what a chip holds of initial weights [M, N], 0 where there is no synapse.

    Columns are calibrated without the first `fresh_rows`, as `ChipSynapses` does it.
    """
    begun = weights
    if stand_in.drift > 0:
        nu = HERMES_TWO_DEVICE.drift_mean(weights.abs() / limit)
        gone = stand_in.drift * math.log(max(1.0, draw.initial_age / HERMES_TWO_DEVICE.t0))
        begun = weights * nu.mul_(-gone).exp_()
        begun.mul_(_calibrated(begun[fresh_rows:], weights[fresh_rows:]))
    if draw.begun is not None:
        error = stand_in.error(weights, limit, draw.initial_age).mul_(weights != 0)
        begun = torch.addcmul(begun, error, draw.begun)
    if draw.stuck is not None:
        begun = torch.where(draw.stuck & (weights != 0), draw.held * limit, begun)
    return begun


def _calibrated(held: Tensor, intended: Tensor) -> Tensor:
    """Return the scale [N] that a calibration gives the columns of weights `held` [M, N].

    The fit of what is read to what was intended, over random inputs of 0 and 1, in which the
    errors of single weights average out.
    """
    return intended.square().sum(0) / (held * intended).sum(0).clamp_min(1e-12)


class Written(torch.autograd.Function):
    """What an update leaves on the chip; gradients pass straight through to what was written.

    Cells that the update changes are written, with fresh noise; the others keep what they held.
    """

    @staticmethod
    def forward(ctx, weights, delta, begun, mask, limit, stand_in, draw, inputs):
        """Return the weights written [N_in, B, N] and [B, N or 0, N].

        Parameters: `weights`, `begun`, `mask` [M, N], as intended, as they are on the chip, as
        they exist; `delta` [B, M, N]; `limit` [M, 1]; `inputs`, N_in, the first rows.
        """
        change, kept = delta, None
        if stand_in.rounding_step > 0:
            step = stand_in.rounding_step * limit
            change = (delta / step).add_(draw.rounding).floor_().mul_(step)
            kept = change == 0
        if stand_in.dead_band > 0:
            small = delta.abs() < stand_in.dead_band
            kept = small if kept is None else kept.logical_or_(small)
        if draw.stuck is not None:
            mask = mask * ~draw.stuck[:len(mask)]
        ctx.save_for_backward(mask)
        written = torch.addcmul(weights, change, mask)
        if draw.adapted is not None:
            error = stand_in.error(written, limit, stand_in.age).mul_(mask)
            written = written.addcmul_(error, draw.adapted)
        if draw.stuck is not None:
            written = torch.where(mask > 0, written, begun)
        if kept is not None:
            written = torch.where(kept, begun, written)
        if stand_in.clip:
            written.clamp_(-limit, limit)
        return (written[:, :inputs].transpose(0, 1).contiguous(),
                written[:, inputs:].contiguous())

    @staticmethod
    def backward(ctx, grad_in, grad_rec):
        """Give the gradients of the weights written to weights and update alike."""
        mask, = ctx.saved_tensors
        grad = torch.cat([grad_in.transpose(0, 1), grad_rec], dim=1).mul_(mask)
        return grad.sum(0), grad, None, None, None, None, None, None


def share_written(stand_in: StandIn, delta: Tensor, mask: Tensor, limit: Tensor, synapses: int
                  ) -> Tensor:
    """Return the share of all synapses that updates [B, M, N] are expected to write.

    What stochastic rounding makes of a change below its step; differentiable. With no rounding
    of its own the outer loop counts as the chip rounds by default.
    """
    step = (stand_in.rounding_step or DEFAULT_GRANULARITY.step) * limit
    return ((delta.abs() / step).clamp(max=1) * mask).sum((1, 2)).mean() / synapses
