# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
import math

import pytest
import torch

from smallbot.experiment.figures import VALIDATION_SEED
from smallbot.models.weights_file import save_model
from smallbot.one_shot.families import brownian
from smallbot.one_shot.figures import tip_rmse_cm
from smallbot.one_shot.model import arm_of, ArmConfig, load_model, ModelConfig
from smallbot.one_shot.trainee import prepare_synapses, Trainee
from smallbot.outer_loop.closed_form import (
    Balance,
    balanced_weights,
    closed_form,
    configuration,
    displacement_gain,
    even_directions,
    fitting_movements,
    play_in_software,
    resting_current,
    without,
)
from smallbot.share import share_directory
from smallbot.snn.neuron import initial_state, NeuronParameters, step

LIKE = ModelConfig()


@pytest.fixture(scope='module', autouse=True)
def fitted_on_few():
    """Fit on a third of the movements; the gain is as good to a per cent."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('smallbot.outer_loop.closed_form.FITTED_ON', 20)
        yield


@pytest.fixture(scope='module')
def model(fitted_on_few):
    return closed_form(Balance(), LIKE, seed=3, on_chips=False)


def movements(model, count=30, seed=VALIDATION_SEED):
    arm = arm_of(model.config)
    return arm, brownian(count, model.steps, model.step_seconds, arm,
                         torch.Generator().manual_seed(seed))


def test_a_model_from_nothing_learns_movements_that_nothing_was_fitted_on(model):
    arm, shown = movements(model)
    played = play_in_software(model, arm, shown)
    assert float(tip_rmse_cm(played, shown, arm).mean()) < 0.8
    assert displacement_gain(played, shown) == pytest.approx(1, abs=0.02)


def test_another_seed_is_another_model_and_as_good(model):
    other = closed_form(Balance(), LIKE, seed=4, on_chips=False)
    assert not torch.equal(other.weights['trainee'], model.weights['trainee'])
    arm, shown = movements(other)
    assert float(tip_rmse_cm(play_in_software(other, arm, shown), shown, arm).mean()) < 0.8
    again = closed_form(Balance(), LIKE, seed=4, on_chips=False)
    assert again.digest == other.digest


@pytest.mark.parametrize('joints', [('shoulder_pan_joint',),
                                    ('shoulder_pan_joint', 'shoulder_lift_joint', 'elbow_joint'),
                                    ('shoulder_pan_joint', 'shoulder_lift_joint', 'elbow_joint',
                                     'wrist_1_joint', 'wrist_2_joint', 'wrist_3_joint')])
def test_any_number_of_joints_and_another_trial(joints):
    urdf = (share_directory() / 'urdf' / 'ur5e.urdf').read_text()
    arm = ArmConfig(urdf=urdf, tip='tool0', lower=(-1.5,) * len(joints),
                    upper=(1.5,) * len(joints))
    like = replace(LIKE, joints=joints, arm=arm, steps=150 if len(joints) == 3 else 250)
    made = closed_form(Balance(), like, on_chips=False)
    assert made.config.neurons + made.config.clock_neurons == 256, 'the rows of one core'
    arm, shown = movements(made)
    wrong = float(tip_rmse_cm(play_in_software(made, arm, shown), shown, arm).mean())
    assert wrong < 1.5


def test_it_is_saved_and_loaded_as_any_model(model, tmp_path):
    loaded = load_model(save_model(model, tmp_path))
    assert loaded.config == model.config and loaded.digest == model.digest


@pytest.mark.parametrize('joints', [1, 2, 3, 7])
def test_directions_are_unit_vectors_spread_evenly(joints):
    found = even_directions(joints, 206)
    assert torch.allclose(found.norm(dim=0), torch.ones(206), atol=1e-5)
    assert found.sum(1).abs().max() < 2.1
    frame = found @ found.T * (joints / 206)
    assert torch.allclose(frame, torch.eye(joints), atol=0.02)
    if joints > 1:
        nearest = (found.T @ found - 2 * torch.eye(206)).max(1).values
        assert nearest.max() < 0.9999, 'no two are the same'


def test_the_trainee_at_rest_spikes_at_its_rate_and_says_nothing(model):
    record = Trainee(model, prepare_synapses(model, 'software')).trial()
    rate = record.spikes.float().mean() / model.config.trainee.dt
    assert float(rate) == pytest.approx(Balance().rate, rel=0.3)
    assert record.velocity.abs().mean() < 0.15
    drift = model.step_seconds * record.velocity.cumsum(0)
    assert drift.abs().max() < 0.03, 'feedback keeps the count of spikes at zero, rad'


def test_feedback_is_the_readouts_own_error(model):
    """W_rec = -gamma R^T R / r^2 without the diagonal."""
    config, unit = model.config, model.weights['readout']
    worth = unit.norm(dim=0).mean()
    recurrent = model.weights['trainee'][:, config.clock_neurons:]
    gamma = Balance().feedback * 2 / config.neurons
    wanted = -gamma * (unit.T @ unit) / worth ** 2
    assert torch.allclose(recurrent, wanted.fill_diagonal_(0), atol=1e-5)
    assert recurrent.abs().max() <= config.recurrent_limit


@pytest.mark.parametrize('rate', [10.0, 40.0, 120.0])
def test_a_neuron_with_its_resting_current_spikes_at_its_rate(rate):
    p = NeuronParameters(tau_m=0.1, refractory_steps=2)
    state = initial_state((1,), p, torch.zeros(1))
    count = 0
    for _ in range(2000):
        state, _ = step(torch.tensor([resting_current(rate, p)]), state, p)
        count += int(state.z)
    assert count / 2.0 == pytest.approx(rate, rel=0.15)


def test_currents_without_a_part_along_directions():
    unit = even_directions(2, 50)
    values = torch.rand(50, generator=torch.Generator().manual_seed(0))
    assert (unit @ without(values, unit)).abs().max() < 1e-5
    assert torch.allclose(without(without(values, unit), unit), without(values, unit), atol=1e-6)


def test_a_spike_is_worth_what_the_fastest_movement_needs():
    for joints in (1, 2, 3, 7):
        like = replace(LIKE, joints=tuple(f'j{n}' for n in range(joints)))
        config = configuration(Balance(), like)
        weights = balanced_weights(Balance(), config, torch.Generator().manual_seed(0))
        positive = weights['readout'][0].clamp(min=0).sum()
        fastest = float(positive) / config.trainee.refractory_steps / (1 - config.readout_decay)
        assert fastest == pytest.approx(Balance().speed, rel=0.03), joints
        assert math.isfinite(weights['generator_out'].abs().max())


def test_the_fit_uses_no_movement_of_a_test():
    config = configuration(Balance(), LIKE)
    arm = arm_of(config)
    own = fitting_movements(config, arm, 20, seed=0)
    assert len(own) == 2
    for seed in (1000, 2000):
        theirs = brownian(20, config.steps, config.step_seconds, arm,
                          torch.Generator().manual_seed(seed))
        assert not any(torch.allclose(a, b) for a in own[0].velocity for b in theirs.velocity)
