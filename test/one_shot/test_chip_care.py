# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
import math

import numpy as np
import pytest
import torch

from smallbot.arm.kinematics import default_arm
from smallbot.demonstration.samples import Demonstration
from smallbot.errors import InputError
from smallbot.one_shot.chip_care import ChipCare, REHEARSED_AGAIN
from smallbot.one_shot.model import initial_weights, ModelConfig, OneShotModel
from smallbot.synapses.chip import ChipSynapses

ARM = default_arm()
CONFIG = ModelConfig(steps=60, neurons=20, generator_neurons=12)


class Time:
    """A steady clock and a wall clock that move when they are told to."""

    def __init__(self):
        self.now, self.since_1970 = 100.0, 10 ** 18

    def steady(self):
        return self.now

    def wall(self):
        self.since_1970 += 1
        return self.since_1970

    def pass_by(self, seconds):
        self.now += seconds
        self.since_1970 += round(1e9 * seconds)


@pytest.fixture(scope='module')
def model():
    weights = initial_weights(CONFIG, torch.Generator().manual_seed(5))
    bound = 0.9 * CONFIG.weight_limits()
    weights['trainee'] = weights['trainee'].clamp(-bound, bound)
    return OneShotModel(CONFIG, weights, 'small')


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def care(model, time, tmp_path):
    return ChipCare(model, ARM, seed=2, file=tmp_path / 'chip', clock=time.steady, wall=time.wall)


def again(care, time, **changes):
    """Return what a controller that is started anew makes of the chip's file."""
    return ChipCare(changes.get('model', care.model), ARM, file=care.file, clock=time.steady,
                    wall=time.wall, rehearse=changes.get('rehearse'))


def movement(extent=0.2):
    time_ = np.arange(0, 1.0001, 0.02)
    shape = extent * (1 - np.cos(np.pi * time_)) / 2
    return Demonstration(ARM.driven, time_, np.stack([shape, -shape], 1), 'test')


def change(model):
    return 0.05 * np.random.default_rng(0).normal(size=(model.n, model.n_in + model.n)
                                                  ).astype(np.float32)


def teach(care, shown):
    care.first_trial()
    delta = change(care.model)
    care.check_update(delta, care.version, shown.digest, shown)
    return care.program(delta, shown)


def test_where_other_joints_were_shown_is_kept_with_the_chip(care, time):
    teach(care, replace(movement(), held={'elbow': 0.3}))
    care.save()
    assert again(care, time).taught.held == {'elbow': 0.3}


def test_one_update_is_written_and_no_other_before_it_is_forgotten(care):
    shown = movement()
    begun = care.synapses.weights()
    assert care.learned is None and care.taught is None
    assert teach(care, shown).cells > 0
    assert care.learned == shown.digest and care.taught is shown
    with pytest.raises(InputError, match='learned already.*forget first'):
        care.check_update(change(care.model), care.version, shown.digest, shown)
    before = care.version
    care.forget()
    assert care.learned is None and torch.equal(care.synapses.weights(), begun)
    care.first_trial()
    assert care.version != before
    with pytest.raises(InputError, match=f'of version {before}'):
        care.check_update(change(care.model), before, shown.digest, shown)
    teach(care, shown)


def test_what_does_not_fit_is_refused_and_nothing_is_written(care):
    shown, other = movement(), movement(0.3)
    care.first_trial()
    delta, good = change(care.model), care.version
    held = care.synapses.weights()
    for arguments, said in (((delta[:, :3], good, shown.digest, shown), 'expected 20 x 25'),
                            ((delta, 'old', shown.digest, shown), 'version old'),
                            ((delta, None, shown.digest, shown), 'version None'),
                            ((delta, good, other.digest, shown), 'learn again'),
                            ((delta, good, shown.digest, None), 'none is shown'),
                            ((delta, good, None, None), 'none is shown')):
        with pytest.raises(InputError, match=said):
            care.check_update(*arguments)
    assert torch.equal(care.synapses.weights(), held) and care.learned is None


def test_traces_of_the_same_weights_have_a_version_each_and_the_layout_of_the_contract(model):
    care = ChipCare(model, ARM, 'software')
    first, version = care.first_trial(), care.version
    second = care.first_trial()
    assert first.traces.shape == (model.steps, 2 * model.n + model.n_in)
    np.testing.assert_array_equal(first.traces, second.traces)
    assert care.version != version
    assert (first.spikes[:, 0] < model.steps).all() and (first.spikes[:, 1] < model.n).all()


def test_devices_age_by_the_clock_once(care, time):
    made = care.synapses.core.now
    time.pass_by(7.0)
    care.age()
    care.age()
    assert care.synapses.core.now == pytest.approx(made + 7.0)


def test_a_restart_finds_what_was_learned_and_the_time_that_passed(care, time):
    shown = movement()
    teach(care, shown)
    care.save()
    at = care.synapses.core.now
    time.pass_by(60.0)
    found = again(care, time)
    assert found.learned == shown.digest == found.taught.digest
    assert found.synapses.core.now == pytest.approx(at + 60.0, abs=0.1)
    with pytest.raises(InputError, match='learned already'):
        found.check_update(change(found.model), found.version, shown.digest, shown)


def test_what_was_not_saved_is_not_found(care, time):
    care.save()
    teach(care, movement())
    assert again(care, time).learned is None


def test_a_wall_clock_that_went_back_makes_nothing_younger(care, time):
    care.save()
    at = care.synapses.core.now
    time.since_1970 -= 10 ** 15
    assert again(care, time).synapses.core.now == pytest.approx(at)


def test_columns_are_calibrated_when_due_and_only_then(care, time):
    assert not care.tend()
    time.pass_by(3600.0)
    assert not care.tend(), 'twice as old is not old'
    time.pass_by(12 * 3600.0)
    assert care.tend() and not care.tend() and care.calibrations == 1
    teach(care, movement())
    to_write_by = care.synapses.core.scale.clone()
    time.pass_by(600.0)
    assert care.tend(), 'an update is read by a correction of its own'
    assert not torch.equal(care.synapses.core.scale, to_write_by)
    care.forget()
    assert torch.equal(care.synapses.core.scale, to_write_by), 'and the next write by the other'


def test_a_chip_left_alone_is_calibrated_as_it_is_taken_up(care, time):
    care.save()
    time.pass_by(3 * 86400.0)
    assert again(care, time).calibrations == 1


def test_files_of_other_weights_or_without_what_they_learned_are_refused(care, time, model):
    care.save()
    weights = {**model.weights, 'readout': 2 * model.weights['readout']}
    with pytest.raises(InputError, match='made for model .* choose another chip_file'):
        again(care, time, model=OneShotModel(CONFIG, weights, 'small'))
    notes = {'model': 'small', 'weights': model.digest, 'learned': 'feedfeedfeedfeed'}
    for more in ({}, {'time': [0, 1], 'position': [[0, 0], [1, 1]]}, {'time': 3, 'position': []}):
        care.synapses.save(care.file, notes | more)
        with pytest.raises(InputError, match='does not hold the demonstration feedfeed'):
            again(care, time)


def test_a_folder_that_is_gone_leaves_the_chip_usable(care, model):
    care.file = care.file.parent / 'gone' / 'chip'
    with pytest.raises(OSError):
        care.save()
    teach(care, movement())


class Stage:
    """Rehearses by counting: the third rehearsal expects 3 cm."""

    def __init__(self):
        self.shown = []

    def __call__(self, trainee, shown):
        self.shown.append(shown.digest)
        trainee.trial()
        return float(len(self.shown))


def test_what_was_learned_is_rehearsed_and_forgotten(model, time):
    stage, shown = Stage(), movement()
    care = ChipCare(model, ARM, seed=2, clock=time.steady, wall=time.wall, rehearse=stage)
    assert care.expected is None and not stage.shown
    teach(care, shown)
    assert care.expected == 1.0 and stage.shown == [shown.digest]
    care.forget()
    assert care.expected is None
    time.pass_by(10 * REHEARSED_AGAIN)
    care.tend()
    assert care.expected is None and len(stage.shown) == 1


def test_a_rehearsal_is_renewed_as_the_chip_ages_and_ever_more_rarely(model, time):
    stage = Stage()
    care = ChipCare(model, ARM, 'software', clock=time.steady, wall=time.wall, rehearse=stage)
    teach(care, movement())
    renewed = []
    for minute in range(1, 61):
        time.pass_by(60.0)
        care.tend()
        if care.expected > len(renewed) + 1:
            renewed.append(minute)
    assert renewed == [5, 10, 20, 40]


def test_a_rehearsal_is_renewed_where_columns_are_calibrated(model, time):
    care = ChipCare(model, ARM, seed=2, clock=time.steady, wall=time.wall, rehearse=Stage())
    teach(care, movement())
    care.synapses.wait(600.0)  # what was not seen to pass
    assert care.tend() and care.expected == 2.0
    assert not care.tend() and care.expected == 2.0


def test_a_chip_that_has_learned_is_rehearsed_as_it_is_taken_up(care, time):
    shown = movement()
    teach(care, shown)
    assert care.expected is None, 'nobody told it how'
    care.save()
    stage = Stage()
    assert again(care, time, rehearse=stage).expected == 1.0 and stage.shown == [shown.digest]


def test_what_cannot_be_played_is_programmed_and_nothing_is_expected(model):
    def rehearse(trainee, shown):
        raise InputError('too short')
    care = ChipCare(model, ARM, 'software', rehearse=rehearse)
    assert teach(care, movement()).cells > 0
    assert care.expected is None and care.learned is not None


def test_made_ready_the_trainee_begins_at_the_beginning(care):
    care.trainee.step()
    care.make_ready()
    for _ in range(care.model.steps):
        velocity, _ = care.trainee.step()
    assert all(math.isfinite(value) for value in velocity)
    assert ChipSynapses is type(care.synapses)
