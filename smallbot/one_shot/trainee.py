# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The trainee on its synapses: the trial that gives the traces, the update, the playback."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from smallbot.one_shot.learner import learning_signals, sparse_update, weight_update
from smallbot.one_shot.model import OneShotModel
from smallbot.snn.eligibility import Eligibility, eligibility_traces
from smallbot.snn.neuron import initial_state, step
from smallbot.synapses.chip import ChipSynapses
from smallbot.synapses.interface import Synapses, WriteReport
from smallbot.synapses.software import SoftwareSynapses


class TrialRecord(NamedTuple):
    """What a trial on the synapses as they are has shown."""

    velocity: Tensor
    """Readout [T, J], rad/s of nominal time."""
    spikes: Tensor
    """[T, N], bool."""
    eligibility: Eligibility


class Update(NamedTuple):
    """What one update was made from, and what it has written."""

    before: TrialRecord
    """The trial on the synapses as they were."""
    signals: Tensor
    """Learning signals [T, N]."""
    delta: Tensor
    """What the weights [N, N_in + N] were to change by."""
    written: WriteReport


class Trainee:
    """A trainee network with its membrane state, on software or chip synapses.

    It is driven by nothing but its clock: `rewind` and T times `step` play what the synapses
    hold. The readout stays in software, as in Ortner et al. 2025.
    """

    def __init__(self, model: OneShotModel, synapses: Synapses):
        expected = tuple(model.weights['trainee'].shape)
        if (synapses.outputs, synapses.inputs) != expected:
            raise ValueError(f'synapses of shape {(synapses.outputs, synapses.inputs)} for a '
                             f'trainee of {expected}: prepare them for model {model.name}')
        self.model = model
        self.synapses = synapses
        self.updates = 0
        """Updates programmed since the initial weights."""
        self._clock = model.config.clock(model.weights['trainee'])
        self._readout = model.weights['readout'].T.contiguous()
        self.rewind()

    def rewind(self) -> None:
        """Return to the beginning of a trial: silent neurons, the clock at its first step."""
        config = self.model.config
        self._state = initial_state((1, config.neurons), config.trainee, self._readout)
        self._output = torch.zeros(1, len(config.joints))
        self._t = 0

    def step(self) -> tuple[np.ndarray, np.ndarray]:
        """Advance the network by one step.

        Returns the joint velocities [J], rad/s of nominal time, and the indices of the neurons
        that spiked. Raises ValueError after the last step of the trial: `rewind` first.
        """
        self._advance()
        return self._output[0].numpy().copy(), self._state.z[0].nonzero()[:, 0].numpy()

    def trial(self) -> TrialRecord:
        """Run a whole trial on the synapses as they are, and rewind."""
        self.rewind()
        velocity, spikes, psi = [], [], []
        for _ in range(self.model.steps):
            slope = self._advance()
            velocity.append(self._output[0])
            spikes.append(self._state.z[0])
            psi.append(slope[0])
        self.rewind()
        spikes = torch.stack(spikes)
        eligibility = eligibility_traces(
            self._clock, spikes, torch.stack(psi), self.model.config.trace_decay)
        return TrialRecord(torch.stack(velocity), spikes.bool(), eligibility)

    def program(self, delta: Tensor) -> WriteReport:
        """Apply an update [N, N_in + N] to the synapses; says what was written."""
        self.updates += 1
        gain = self.model.config.chip_gain if isinstance(self.synapses, ChipSynapses) else 1.0
        return self.synapses.update(delta if gain == 1 else gain * delta)

    def forget(self) -> WriteReport:
        """Restore the initial weights, writing only what updates have changed.

        On a chip that has grown much older since, a calibration comes first.
        """
        self.updates = 0
        if self.synapses.calibration_due():
            self.synapses.calibrate()
        return self.synapses.restore(self.model.weights['trainee'])

    def _advance(self) -> Tensor:
        if self._t >= self.model.steps:
            raise ValueError(f'the trial of {self.model.steps} steps is over: rewind first')
        inputs = torch.cat([self._clock[self._t:self._t + 1], self._state.z], dim=1)
        current = self.synapses.matvec(inputs)
        self._state, psi = step(current, self._state, self.model.config.trainee)
        self._output = (self.model.config.readout_decay * self._output
                        + self._state.z @ self._readout)
        self._t += 1
        return psi


def learn(trainee: Trainee, watched: Tensor, cells: float = 1.0) -> Update:
    """Show a movement to a trainee and update it once.

    Parameters: `watched` [T + 1, D], the path that `config.watched` returns; `cells`, the share
    of all cells that the update may write.
    """
    model = trainee.model
    before = trainee.trial()
    signals = learning_signals(model, watched[None])
    delta = weight_update(model, before.eligibility, signals)[0]
    if cells < 1:
        delta = sparse_update(model, delta, cells)
    return Update(before, signals[0], delta, trainee.program(delta))


def trial_inputs(model: OneShotModel) -> Tensor:
    """Return what the synapses are driven with in a trial of the initial weights, [T, inputs]."""
    weights, mask = model.weights['trainee'], model.config.synapse_mask()
    spikes = Trainee(model, SoftwareSynapses(weights, mask)).trial().spikes.float()
    before = torch.cat([torch.zeros(1, model.config.neurons), spikes[:-1]])
    return torch.cat([model.config.clock(weights), before], dim=1)


def prepare_synapses(model: OneShotModel, kind: str = 'chip', seed: int = 0, **options
                     ) -> Synapses:
    """Return fresh synapses that hold the model's initial weights.

    Parameters: `kind`, 'software' (float32) or 'chip': programmed, left for an hour and
    calibrated once; `seed` decides the devices; `options` of `ChipSynapses.prepare`.
    """
    weights, mask = model.weights['trainee'], model.config.synapse_mask()
    if kind == 'software':
        return SoftwareSynapses(weights, mask)
    if kind == 'chip':
        return ChipSynapses.prepare(
            weights, mask, model.config.weight_limits(), torch.Generator().manual_seed(seed),
            inputs=trial_inputs(model),
            fresh_rows=model.config.clock_neurons if model.config.age_groups else 0, **options)
    raise ValueError(f'synapses {kind!r}: expected chip or software')
