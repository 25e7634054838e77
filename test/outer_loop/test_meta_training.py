from dataclasses import replace

import numpy as np
import pytest
import torch

from smallbot.one_shot.figures import VALIDATION_SEED
from smallbot.one_shot.learner import generator_trial, learning_signals, weight_update
from smallbot.one_shot.model import (
    arm_of,
    Coding,
    load_model,
    ModelConfig,
    ModelError,
    Watched,
)
from smallbot.one_shot.trainee import prepare_synapses, Trainee
from smallbot.outer_loop.meta_training import (
    attempt,
    Batch,
    draw_batch,
    EXACT,
    learning_rate,
    load_config,
    meta_train,
    MetaConfig,
    MetaTraining,
    outer_loss,
    Schedule,
)
from smallbot.share import share_directory
from smallbot.study.conditions import Conditions
from smallbot.study.evaluation import draw_movements, evaluate

SMALL = MetaConfig(model=ModelConfig(neurons=24, generator_neurons=16, steps=60, inner_rate=3e-3),
                   batch=6, iterations=12, window_range=(20, 40), seed=4)


CLOCK_ALONE = replace(SMALL, model=replace(
    SMALL.model, clock_neurons=6, clock_overlap=2, clock_period=2, recurrent_update=False,
    watches=Watched.JOINTS, coding=Coding.LINEAR, lead_steps=7, signal_tau=0.01))


def weights_after(run):
    return {key: value.detach().clone() for key, value in run.weights.items()}


def test_resumed_training_equals_unbroken_training(tmp_path):
    unbroken = MetaTraining(SMALL)
    for _ in range(6):
        unbroken.step()
    broken = MetaTraining(SMALL)
    meta_train(broken, tmp_path, lambda run: run.iteration >= 3, lambda run, parts: None)
    resumed = MetaTraining.restore(tmp_path)
    assert resumed.iteration == 3 and resumed.config == unbroken.config
    for _ in range(3):
        resumed.step()
    for key, value in weights_after(unbroken).items():
        assert torch.equal(value, resumed.weights[key].detach()), key


def test_the_model_is_the_average_that_was_asked_for(tmp_path):
    run = MetaTraining(replace(SMALL, averaging=0.75))
    average = weights_after(run)
    for _ in range(3):
        run.step()
        average = {key: 0.75 * average[key] + 0.25 * value
                   for key, value in weights_after(run).items()}
    run.save(tmp_path)
    for same in (run, MetaTraining.restore(tmp_path)):
        for key, value in same.model('m').weights.items():
            assert torch.allclose(value, average[key], atol=1e-6), key
    plain = MetaTraining(SMALL)
    plain.step()
    assert torch.equal(plain.model('m').weights['readout'], weights_after(plain)['readout'])


def test_signals_are_the_mean_of_looks_that_differ_a_little_in_velocity():
    model = replace(CLOCK_ALONE.model, looks=3, look_spread=0.05)
    weights = {key: value.double().detach()
               for key, value in MetaTraining(CLOCK_ALONE).weights.items()}
    path = torch.randn(2, model.steps, 2, generator=torch.Generator().manual_seed(3)).double()
    path = 0.01 * path.cumsum(1)
    ramp = torch.arange(model.steps).double()[:, None] * model.step_seconds
    one_by_one = [generator_trial(replace(model, looks=1), weights, path + faster * ramp)[0]
                  for faster in (-0.05, 0.0, 0.05)]
    assert not torch.equal(one_by_one[0], one_by_one[2])
    together, trial = generator_trial(model, weights, path)
    assert together.shape == (model.steps, 2, model.neurons)
    assert torch.allclose(together, torch.stack(one_by_one).mean(0), atol=1e-12)
    assert trial.rate.shape == (model.generator_neurons,)


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


def test_recurrent_weights_take_the_share_of_a_step_that_was_asked_for():
    n_in = SMALL.model.clock_neurons

    def change(share):
        run = MetaTraining(replace(SMALL, recurrent_rate=share, clip_to_chip=False))
        before = run.weights['trainee'].detach().clone()
        run.step()
        return run.weights['trainee'].detach() - before

    whole, tenth, none = change(1.0), change(0.1), change(0.0)
    assert whole[:, n_in:].any()
    assert torch.allclose(tenth[:, n_in:], 0.1 * whole[:, n_in:], atol=1e-6)
    assert not none[:, n_in:].any()
    for changed in (tenth, none):
        assert torch.equal(changed[:, :n_in], whole[:, :n_in])


@pytest.mark.parametrize('setting', [SMALL, CLOCK_ALONE])
def test_outer_gradients_reach_every_weight_and_lower_the_loss(setting):
    config = replace(setting, device_noise=0.0, dead_band=0.0)
    run = MetaTraining(config)
    batch = draw_batch(config, run.arm, run.pens, iteration=0)

    def loss():
        return outer_loss(config, run.weights, batch, run.arm)[0]

    first = loss()
    first.backward()
    for key, value in run.weights.items():
        assert value.grad is not None and value.grad.abs().max() > 0, key
    for _ in range(120):
        run.optimiser.zero_grad()
        loss().backward()
        run.optimiser.step()
    assert loss() < 0.8 * first


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


@pytest.mark.parametrize('setting', [
    {'rounding_step': 0.1}, {'stuck_cells': 0.2}, {'read_noise': 1.0}, {'drift': 1.0, 'age': 1e6},
    {'write_weight': 1.0}])
def test_every_effect_of_a_chip_can_be_trained_with(setting):
    config = replace(CLOCK_ALONE, device_noise=0.0, dead_band=0.0)
    plain, with_effect = (MetaTraining(c) for c in (config, replace(config, **setting)))
    losses = [float(outer_loss(run.config, run.weights,
                               draw_batch(run.config, run.arm, run.pens, 0), run.arm)[0].detach())
              for run in (plain, with_effect)]
    assert losses[0] != losses[1]
    for _ in range(3):
        parts = with_effect.step()
    assert np.isfinite(parts.loss) and 0 < parts.written <= 1


def test_what_the_outer_loop_expects_to_be_written_is_what_the_chip_writes():
    model = load_model()
    arm = arm_of(model.config)
    movements = draw_movements('paper', 2, model.config, arm, 7)
    config = MetaConfig(model.config, **EXACT)
    expected = float(attempt(config, model.weights, Batch(movements, 2), arm).written)
    done = evaluate(model, arm, movements, Conditions(), 7)
    found = np.mean([p.written.cells / p.written.cells_total for p in done])
    assert expected == pytest.approx(found, rel=0.05)


def test_validations_are_noted_with_their_time_and_change_nothing(tmp_path):
    silent = MetaTraining(replace(SMALL, validate_every=0))
    loud = MetaTraining(replace(SMALL, validate_every=2, validation_tasks=3))
    for run in (silent, loud):
        meta_train(run, tmp_path, lambda run: run.iteration >= 5, lambda run, parts: None)
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


def test_movements_begin_anywhere_in_the_share_that_is_asked_for():
    run = MetaTraining(replace(SMALL, pen_share=0.0))
    for share, expected in ((0.0, 0), (0.5, 3), (1.0, 6)):
        config = replace(run.config, anywhere_share=share)
        starts = draw_batch(config, run.arm, None, 0).movements.start
        assert int((starts != 0).any(1).sum()) == expected


def test_the_papers_configuration_is_the_papers():
    config = load_config(share_directory() / 'config' / 'meta' / 'seed_paper.yaml')
    assert config.model.generator_inputs == 53 and config.model.generator_neurons == 800
    assert (config.batch, config.iterations) == (90, 100_000)
    assert learning_rate(config, 99_999) == pytest.approx(2.03e-4, rel=0.01)
    small = replace(config, batch=2, model=replace(config.model, generator_neurons=20, neurons=15))
    run = MetaTraining(small)
    before = weights_after(run)
    run.step()
    for key, value in before.items():
        assert not torch.equal(value, run.weights[key].detach()), key


def test_recurrent_weights_gain_no_self_connection_on_the_model():
    run = MetaTraining(SMALL)
    run.step()
    trainee = run.model('m').weights['trainee']
    assert trainee[:, SMALL.model.clock_neurons:].diagonal().abs().max() == 0


def test_an_update_of_the_clock_alone_leaves_recurrent_weights_as_they_are():
    model = MetaTraining(CLOCK_ALONE).model('m')
    config = model.config
    trainee = Trainee(model, prepare_synapses(model, 'software'))
    path = torch.linspace(0, 1, config.steps)[None, :, None].expand(1, -1, 2)
    delta = weight_update(model, trainee.trial().eligibility, learning_signals(model, path))[0]
    assert delta[:, :config.clock_neurons].abs().max() > 0
    assert delta[:, config.clock_neurons:].abs().max() == 0


def test_a_checkpoint_that_is_missing_or_broken_is_refused(tmp_path):
    with pytest.raises(ModelError, match='no checkpoint'):
        MetaTraining.restore(tmp_path)
    (tmp_path / 'checkpoint.pt').write_bytes(b'no checkpoint')
    with pytest.raises(ModelError, match='cannot be read') as caught:
        MetaTraining.restore(tmp_path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(('text', 'said'), [
    ('batch: 0', 'batch 0'), ('batches: 3', "unknown field 'batches'"), ('- 1', 'mapping'),
    ('batch: [', 'not YAML'), ('window_range: [90, 30]', 'window_range'),
    ('pen_share: 2.0', 'pen_share'),
    ('schedule: linear', 'cosine, steps'), ('model: {coding: morse}', 'population, binary'),
    ('model: {steps: x}', 'steps'),
    ('{model: {steps: 40}, window_range: [20, 40]}', 'validate_every: 0'),
])
def test_bad_configurations_are_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / 'config.yaml'
    path.write_text(text)
    with pytest.raises(ModelError, match=said) as caught:
        load_config(path)
    assert '\n' not in str(caught.value)
