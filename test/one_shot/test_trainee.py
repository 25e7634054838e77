# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from smallbot.one_shot.model import load_model
from smallbot.one_shot.trainee import prepare_synapses, Trainee, trial_inputs
from smallbot.snn.filters import filtered
from smallbot.snn.unroll import unroll
from smallbot.synapses.chip import ChipSynapses
from smallbot.synapses.software import SoftwareSynapses

MODEL = load_model()


def test_steps_in_software_equal_the_unrolled_network():
    config, weights = MODEL.config, MODEL.weights
    trainee = Trainee(MODEL, prepare_synapses(MODEL, 'software'))
    record = trainee.trial()
    n_in = config.clock_neurons
    clock = config.clock(weights['trainee'])
    trial = unroll((clock @ weights['trainee'][:, :n_in].T)[:, None],
                   weights['trainee'][:, n_in:].T.contiguous(), weights['readout'].T,
                   config.trainee)
    assert torch.equal(record.spikes, trial.spikes[:, 0].bool())
    assert torch.allclose(record.eligibility.psi, trial.psi[:, 0], atol=1e-5)
    velocity = filtered(trial.output[:, 0], config.readout_decay)
    assert torch.allclose(record.velocity, velocity, atol=1e-5)


def test_the_inputs_of_a_trial_are_what_its_synapses_are_driven_with():
    driven = []

    class Recorder(SoftwareSynapses):

        def matvec(self, x):
            driven.append(x[0].clone())
            return super().matvec(x)

    synapses = Recorder(MODEL.weights['trainee'], MODEL.config.synapse_mask())
    Trainee(MODEL, synapses).trial()
    assert torch.equal(trial_inputs(MODEL), torch.stack(driven))


def test_playback_is_driven_by_the_clock_alone_and_repeats():
    trainee = Trainee(MODEL, prepare_synapses(MODEL, 'software'))
    played = []
    for _ in range(2):
        trainee.rewind()
        played.append([trainee.step()[0].tolist() for _ in range(MODEL.steps)])
    assert played[0] == played[1]
    with pytest.raises(ValueError, match='rewind first'):
        trainee.step()


def test_a_chip_restarted_from_its_file_still_plays_what_it_learned(tmp_path):
    trainee = Trainee(MODEL, prepare_synapses(MODEL, 'chip', 1))
    trainee.program(0.05 * torch.randn(MODEL.n, MODEL.n_in + MODEL.n,
                                       generator=torch.Generator().manual_seed(0)))
    trainee.synapses.save(tmp_path / 'chip')
    again = Trainee(MODEL, ChipSynapses.load(tmp_path / 'chip')[0])
    assert torch.equal(trainee.trial().velocity, again.trial().velocity)


def test_unknown_synapses_and_misfits_are_refused():
    with pytest.raises(ValueError, match='expected chip or software'):
        prepare_synapses(MODEL, 'memristor')
    with pytest.raises(ValueError, match='prepare them for model'):
        Trainee(MODEL, SoftwareSynapses(torch.zeros(3, 4)))
