# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch

from smallbot.experiment.figures import VALIDATION_SEED
from smallbot.experiment.loop import advance
from smallbot.one_shot.model import arm_of, ModelConfig
from smallbot.outer_loop.closed_form import Balance, closed_form
from smallbot.outer_loop.configuration import Schedule
from smallbot.outer_loop.run import learning_rate, MetaTraining
from smallbot.outer_loop.stand_in import EXACT
from smallbot.outer_loop.tasks import draw_batch
from smallbot.study.conditions import Conditions
from smallbot.study.evaluation import draw_movements, evaluate

from .conftest import CLOCK_ALONE, SMALL, weights_after


def test_the_model_is_the_average_that_was_asked_for(tmp_path):
    run = MetaTraining(replace(SMALL, averaging=0.75))
    average, limit = weights_after(run), run.config.model.weight_limits()
    for _ in range(3):
        run.step()
        average = {key: 0.75 * average[key] + 0.25 * value
                   for key, value in weights_after(run).items()}
        average['trainee'].clamp_(-limit, limit)
    run.save(tmp_path)
    for same in (run, MetaTraining.restore(tmp_path)):
        for key, value in same.model('m').weights.items():
            assert torch.allclose(value, average[key], atol=1e-6), key
    plain = MetaTraining(SMALL)
    plain.step()
    assert torch.equal(plain.model('m').weights['readout'], weights_after(plain)['readout'])


def test_averages_are_weights_that_a_chip_can_hold():
    run = MetaTraining(replace(SMALL, averaging=0.98, learning_rate=1e-9, clip_to_chip=True))
    limit = run.config.model.weight_limits()
    with torch.no_grad():
        run.average['trainee'].fill_(1.0).mul_(limit).nextafter_(torch.tensor(1.0))
    run.step()
    assert (run.model('m').weights['trainee'].abs() <= limit).all()


def test_a_second_stage_looks_as_often_as_it_is_told(tmp_path):
    first = MetaTraining(CLOCK_ALONE)
    told = replace(SMALL, model=ModelConfig(looks=2))
    second = MetaTraining(told, start=first.model('m'))
    assert second.config.model == replace(CLOCK_ALONE.model, looks=2)
    second.step()


def test_training_may_look_less_often_than_the_model_will():
    often = replace(CLOCK_ALONE, model=replace(CLOCK_ALONE.model, looks=4))
    once, as_often, less = (MetaTraining(config) for config in (
        CLOCK_ALONE, often, replace(often, training_looks=1)))
    loss = {run: run.step().loss for run in (once, as_often, less)}
    assert loss[less] == loss[once] != loss[as_often]
    assert less.model('m').config.looks == 4


@pytest.mark.parametrize('name', ['clock_rate', 'recurrent_rate', 'readout_rate'])
def test_a_group_of_weights_takes_the_share_of_a_step_that_was_asked_for(name):
    n_in = SMALL.model.clock_neurons

    def change(share):
        run = MetaTraining(replace(SMALL, clip_to_chip=False, **{name: share}))
        before = weights_after(run)
        run.step()
        changed = {key: value - before[key] for key, value in weights_after(run).items()}
        trainee = changed.pop('trainee')
        return changed | {'clock': trainee[:, :n_in], 'recurrent': trainee[:, n_in:]}

    whole, tenth, none = change(1.0), change(0.1), change(0.0)
    group = name.removesuffix('_rate')
    assert whole[group].any() and not none[group].any()
    assert torch.allclose(tenth[group], 0.1 * whole[group], atol=1e-6)
    for key in whole.keys() - {group}:
        assert torch.equal(tenth[key], whole[key]) and torch.equal(none[key], whole[key]), key


def test_software_and_chip_take_turns_in_the_loss():
    config = replace(SMALL, software_share=0.25, device_noise=1.0)
    assert [config.stand_in_at(k).exact for k in range(8)] == [k % 4 == 3 for k in range(8)]
    chip, software = (draw_batch(config, arm_of(config.model), None, k) for k in (2, 3))
    assert chip.draw.adapted is not None and chip.stand_in == config.stand_in
    assert software.draw.adapted is None and software.stand_in == EXACT
    for share, exact in ((0.0, [False] * 5), (1.0, [True] * 5)):
        alone = replace(config, software_share=share)
        assert [alone.stand_in_at(k).exact for k in range(5)] == exact


@pytest.mark.parametrize('setting', [SMALL, CLOCK_ALONE])
def test_validation_is_the_evaluation_in_software_on_its_seed(setting):
    run = MetaTraining(replace(setting, validation_tasks=5))
    for _ in range(2):
        run.step()
    movements = draw_movements('paper', 5, setting.model, run.arm, VALIDATION_SEED)
    expected = [learned.tip_rmse_cm[1] for learned in
                evaluate(run.model('m'), run.arm, movements, Conditions('software'), 0)]
    assert run.validate().tip_cm == pytest.approx(sum(expected) / 5, abs=0.02)


def test_a_run_that_starts_from_a_model_goes_on_from_its_weights(tmp_path):
    first = MetaTraining(SMALL)
    first.step()
    model = first.model('begun')
    run = MetaTraining(replace(CLOCK_ALONE, seed=3), start=model)
    assert run.config.model == SMALL.model
    for key, value in weights_after(run).items():
        assert torch.equal(value, model.weights[key]), key
    run.step()
    run.save(tmp_path)
    card = MetaTraining.restore(tmp_path).model('m').card
    assert card['started_from']['name'] == 'begun' and card['started_from']['iterations'] == 1
    assert not torch.equal(run.weights['readout'].detach(), model.weights['readout'])


def test_validations_are_noted_with_their_time_and_change_nothing(tmp_path):
    silent = MetaTraining(replace(SMALL, validate_every=0))
    loud = MetaTraining(replace(SMALL, validate_every=2, validation_tasks=3))
    for run in (silent, loud):
        advance(run, tmp_path, lambda run: run.iteration >= 5, lambda run, parts: None)
    for key, value in weights_after(silent).items():
        assert torch.equal(value, loud.weights[key].detach()), key
    assert [seen.iteration for seen in loud.validations] == [2, 4] and not silent.validations
    first, second = loud.validations
    assert 0 < first.seconds < second.seconds < loud.seconds
    assert loud.seconds_to(first.tip_cm) == first.seconds
    assert loud.seconds_to(0.0) is None
    resumed = MetaTraining.restore(tmp_path)
    assert resumed.validations == loud.validations and resumed.seconds == loud.seconds


def test_learning_rate_follows_its_schedule():
    steps = replace(SMALL, learning_rate=1.5e-3, schedule=Schedule.STEPS)
    assert learning_rate(steps, 499) == 1.5e-3
    assert learning_rate(steps, 99_999) == pytest.approx(1.5e-3 * 0.99 ** 199)
    cosine = replace(SMALL, learning_rate=2e-3, iterations=100)
    assert [learning_rate(cosine, k) for k in (0, 50, 100)] == pytest.approx(
        [2e-3, 2e-3 * 0.505, 2e-5])


def test_recurrent_weights_gain_no_self_connection_on_the_model():
    run = MetaTraining(SMALL)
    run.step()
    trainee = run.model('m').weights['trainee']
    assert trainee[:, SMALL.model.clock_neurons:].diagonal().abs().max() == 0


def test_a_run_begins_in_closed_form_where_it_is_told_to_and_goes_on_from_there(
        tmp_path, monkeypatch):
    monkeypatch.setattr('smallbot.outer_loop.closed_form.FITTED_ON', 10)
    monkeypatch.setattr('smallbot.outer_loop.closed_form.FITTED_ON_CHIPS', 2)
    told = replace(SMALL, closed_form=True, pen_share=0.0, model=replace(SMALL.model, steps=100),
                   balance=Balance(generator_neurons=50))
    run = MetaTraining(told)
    made = closed_form(told.balance, told.model, told.seed)
    assert run.config.model.neurons + run.config.model.clock_neurons == 256
    assert all(torch.equal(run.weights[key], value) for key, value in made.weights.items())
    run.step()
    run.save(tmp_path)
    again = MetaTraining.restore(tmp_path)
    assert again.config == run.config and again.start == run.start
    assert list(again.step()) == list(run.step())
