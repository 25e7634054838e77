# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Synapses in software: exact numbers that never age."""

from torch import Tensor

from smallbot.synapses.interface import checked, checked_mask, WriteReport


class SoftwareSynapses:
    """Exact float32 weights that never age.

    Parameters: `weights` [outputs, inputs]; `mask` of the synapses that exist, bool, all without.
    Raises ChipError for shapes that do not fit and numbers that are not finite.
    """

    def __init__(self, weights: Tensor, mask: Tensor | None = None):
        self.outputs, self.inputs = weights.shape
        self.mask = checked_mask(mask, (self.outputs, self.inputs))
        self._cells = int(self.mask.sum())
        self.program(weights)

    def matvec(self, x: Tensor) -> Tensor:
        """Return x [B, inputs] times the weights, [B, outputs]."""
        return x @ self._weights

    def program(self, weights: Tensor) -> WriteReport:
        """Write all synapses; entries [outputs, inputs] where there is none are ignored."""
        weights = checked(weights, (self.outputs, self.inputs), 'weights')
        self._weights = (weights * self.mask).T.contiguous()
        return WriteReport(self._cells, self._cells, 0, None, None)

    def update(self, delta: Tensor) -> WriteReport:
        """Add `delta` [outputs, inputs]; a synapse counts as written if its change is not 0."""
        delta = checked(delta, (self.outputs, self.inputs), 'update') * self.mask
        self._weights = self._weights + delta.T
        return WriteReport(int(delta.count_nonzero()), self._cells, 0, None, None)

    def restore(self, weights: Tensor) -> WriteReport:
        """Write the synapses that differ from `weights` [outputs, inputs]."""
        changed = ((checked(weights, (self.outputs, self.inputs), 'weights') * self.mask)
                   != self._weights.T)
        self.program(weights)
        return WriteReport(int(changed.sum()), self._cells, 0, None, None)

    def calibrate(self) -> None:
        """Correct nothing: these reads are exact."""

    def calibration_due(self) -> bool:
        """Return False."""
        return False

    def calibrate_reading(self) -> None:
        """Correct nothing: these reads are exact."""

    def reading_aged(self) -> bool:
        """Return False."""
        return False

    def weights(self) -> Tensor:
        """Return the weights, [outputs, inputs]."""
        return self._weights.T.clone()

    def wait(self, seconds: float) -> None:
        """Let time pass, which changes nothing here."""

    def copy(self) -> 'SoftwareSynapses':
        """Return independent synapses with the same weights."""
        return SoftwareSynapses(self.weights(), self.mask)
