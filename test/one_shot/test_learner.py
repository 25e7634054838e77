# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Updates that may write no more than a share of the cells."""

import pytest
import torch

from smallbot.one_shot.families import brownian
from smallbot.one_shot.figures import tip_rmse_cm
from smallbot.one_shot.learner import learning_signals, sparse_update, weight_update
from smallbot.one_shot.model import arm_of, load_model
from smallbot.one_shot.trainee import prepare_synapses, Trainee

MODEL = load_model()
ARM = arm_of(MODEL.config)
SHOWN = brownian(6, MODEL.steps, MODEL.step_seconds, ARM, torch.Generator().manual_seed(9))
CELLS = int(MODEL.config.synapse_mask().sum())


@pytest.fixture(scope='module')
def whole():
    trial = Trainee(MODEL, prepare_synapses(MODEL, 'software')).trial()
    return weight_update(MODEL, trial.eligibility,
                         learning_signals(MODEL, MODEL.config.watched(ARM, SHOWN.path())))


@pytest.mark.parametrize('share', [0.0, 1e-5, 0.01, 0.05, 0.1, 0.15])
def test_no_more_cells_than_allowed_and_none_that_does_not_exist(whole, share):
    sparse = sparse_update(MODEL, whole[0], share)
    assert int(sparse.count_nonzero()) <= share * CELLS
    assert int(sparse.count_nonzero()) >= 0.97 * share * CELLS - MODEL.config.clock_neurons
    assert not sparse[whole[0] == 0].any()


def test_what_needs_no_more_is_left_as_it_is(whole):
    update = whole[0]
    assert sparse_update(MODEL, update, 0.2) is update
    nothing = torch.zeros_like(update)
    assert not sparse_update(MODEL, nothing, 0.1).any()


def test_every_input_drives_the_readout_as_before_where_limits_allow(whole):
    sparse = sparse_update(MODEL, whole[0], 0.15)
    readout, limit = MODEL.weights['readout'], MODEL.config.weight_limits()
    free = ((MODEL.weights['trainee'] + sparse).abs() < 0.999 * limit).all(0)
    free &= (sparse != 0).sum(0) > 10
    assert int(free.sum()) > 20
    assert torch.allclose((readout @ sparse)[:, free], (readout @ whole[0])[:, free], atol=1e-3)


def test_a_tenth_of_the_cells_plays_better_than_its_strongest_changes_alone(whole):
    errors = []
    for number, delta in enumerate(whole):
        kept = delta.abs() >= delta.abs().flatten().topk(CELLS // 10).values[-1]
        for update in (delta * kept, sparse_update(MODEL, delta, 0.1)):
            trainee = Trainee(MODEL, prepare_synapses(MODEL, 'software'))
            trainee.program(update)
            errors.append(float(tip_rmse_cm(trainee.trial().velocity[None],
                                            SHOWN.chosen([number]), ARM)))
    strongest, sparse = (sum(errors[k::2]) / len(whole) for k in (0, 1))
    assert sparse < 0.4 * strongest
