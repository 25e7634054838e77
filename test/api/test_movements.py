# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""One movement on one chip through the names of `import smallbot`."""

from dataclasses import replace

import numpy as np
import pytest

import smallbot
from smallbot.chip.device.laws import Fit, HERMES_TWO_DEVICE
from smallbot.share import default_demonstration
from smallbot.study.on_arm import Execution

MODEL = smallbot.load_model()
SHOWN = smallbot.demonstrate(MODEL)
STILL = replace(HERMES_TWO_DEVICE, name='still', drift_mean=Fit((0.0,)), drift_sd=Fit((0.0,)))
DAY = 86400.0
EXACT = smallbot.Conditions('software')
S = np.linspace(0, 1, 201)
WAVE = np.stack([0.3 * np.sin(2 * np.pi * S), 0.2 * (1 - np.cos(2 * np.pi * S))], axis=1)


@pytest.mark.parametrize('conditions', [
    smallbot.Conditions(), smallbot.Conditions('software', cells=0.3),
    smallbot.Conditions(age=30 * DAY, recalibrate=True, stuck=0.05, noise=2.0, cells=0.2),
    smallbot.Conditions(law=STILL, age=30 * DAY)], ids=('usual', 'software', 'worse', 'own law'))
def test_one_movement_comes_to_what_evaluate_says_of_it(conditions):
    """The same chip, the same conditions, the same noise: the same figures."""
    chip = smallbot.Chip(MODEL, conditions, seed=5)
    learned = smallbot.learn(chip, SHOWN)
    played = smallbot.play(chip, SHOWN)
    evaluation = smallbot.evaluate(MODEL, conditions, movements=[SHOWN], seed=5)
    performance, = evaluation.performances
    assert performance.tip_rmse_cm == pytest.approx(
        (learned.before.tip_rmse_cm, played.tip_rmse_cm), abs=1e-4)
    assert performance.written == learned.written
    assert played.velocity == pytest.approx(performance.after)
    assert played.velocity_rmse == pytest.approx(
        {joint: row['mean'] for joint, row in evaluation.figures['velocity_rmse'].items()})


def test_what_is_played_says_what_was_played():
    chip = smallbot.Chip(MODEL, EXACT)
    smallbot.learn(chip, SHOWN)
    played = smallbot.play(chip, SHOWN)
    assert played.joints == MODEL.joints and played.spikes.shape == (MODEL.steps, MODEL.n)
    assert played.time[-1] == pytest.approx(MODEL.trial_seconds)
    assert np.diff(played.position, axis=0) / MODEL.step_seconds == pytest.approx(
        played.velocity[1:], abs=1e-4)
    away = 100 * np.linalg.norm(played.tip - played.demonstrated_tip, axis=1)
    assert played.tip_rmse_cm == pytest.approx(np.sqrt((away ** 2).mean()), rel=1e-6)
    assert played.tip_rmse_cm < 1
    assert played.arm_position is None is played.arm_tip_rmse_cm
    assert repr(played) == f'<Played: tool tip {played.tip_rmse_cm:.2f} cm off>'


def test_what_a_prompt_shows_is_a_line():
    for shown in (MODEL, SHOWN, smallbot.load_image_model()):
        assert len(repr(shown)) < 300 and '\n' not in repr(shown)
    assert MODEL.digest in repr(MODEL) and '251 samples in 2.50 s' in repr(SHOWN)


def test_a_seed_is_a_chip():
    def played(seed):
        chip = smallbot.Chip(MODEL, seed=seed)
        smallbot.learn(chip, SHOWN)
        return smallbot.play(chip, SHOWN).velocity

    assert (played(1) == played(1)).all() and (played(1) != played(2)).any()


def test_a_chip_learns_once_ages_and_forgets():
    chip = smallbot.Chip(MODEL, seed=1)
    assert 'nothing learned' in repr(chip)
    smallbot.learn(chip, SHOWN)
    assert 'one update' in repr(chip)
    with pytest.raises(smallbot.InputError, match=r'its one update: chip\.forget\(\) first'):
        smallbot.learn(chip, SHOWN)
    before = chip.trainee.synapses.effective_weights()
    chip.wait(365 * DAY)
    assert chip.trainee.synapses.effective_weights().sub(before).abs().max() > 0.01
    chip.calibrate()
    assert chip.forget().cells > 0
    assert smallbot.learn(chip, smallbot.demonstrate(MODEL, WAVE, time=2.5)).written.cells > 0


def test_an_update_is_what_was_to_be_written():
    chip = smallbot.Chip(MODEL, EXACT)
    weights = chip.trainee.synapses.weights().numpy()
    learned = smallbot.learn(chip, SHOWN)
    assert chip.trainee.synapses.weights().numpy() == pytest.approx(weights + learned.update)
    assert learned.signals.shape == (MODEL.steps, MODEL.n)


def test_arrays_and_files_are_read_alike(tmp_path):
    from_file = smallbot.demonstrate(MODEL, default_demonstration())
    assert from_file.digest == SHOWN.digest
    again = smallbot.demonstrate(MODEL, from_file.position, from_file.time)
    assert again.position == pytest.approx(from_file.position)
    even = smallbot.demonstrate(MODEL, WAVE.tolist(), time=3)
    assert even.duration == pytest.approx(3) and even.joints == MODEL.joints
    rows = ['ms,base,shoulder', *(f'{3000 * s:.3f},{np.degrees(a):.6f},{np.degrees(b):.6f}'
                                  for s, (a, b) in zip(S, WAVE))]
    (tmp_path / 'wave.csv').write_text('\n'.join(rows))
    degrees = smallbot.demonstrate(MODEL, tmp_path / 'wave.csv',
                                   reading='--columns ms=time,base=base,shoulder=shoulder '
                                           '--time-unit ms --angle-unit deg')
    assert degrees.position == pytest.approx(even.position, abs=1e-6)


def test_an_arm_plays_it_where_one_is_asked_for():
    moving = replace(EXACT, execution=Execution('kinematic', time_scale=4.0))
    chip = smallbot.Chip(MODEL, moving)
    assert smallbot.learn(chip, SHOWN).before.arm_position is None
    played = smallbot.play(chip, SHOWN)
    assert played.arm_tip_rmse_cm == pytest.approx(played.tip_rmse_cm, abs=0.2)
    assert played.arm_position == pytest.approx(played.position, abs=0.02)
    found = smallbot.evaluate(MODEL, moving, movements=[SHOWN], seed=0)
    assert found.figures['arm_tip_rmse_cm']['mean'] == pytest.approx(played.arm_tip_rmse_cm,
                                                                     abs=1e-3)


@pytest.mark.parametrize('wrong, said', [
    (lambda: smallbot.load_model('ed_scorbt'), 'model ed_scorbt: no file'),
    (lambda: smallbot.Chip('ed_scorbot'), "model 'ed_scorbot': expected what smallbot.load_model"),
    (lambda: smallbot.Chip(smallbot.load_image_model()), 'expected what smallbot.load_model'),
    (lambda: smallbot.Chip(MODEL, seed=-1), 'seed -1: expected a whole number from 0'),
    (lambda: smallbot.Chip(MODEL, seed=1.5), 'seed 1.5: expected a whole number from 0'),
    (lambda: smallbot.Chip(MODEL, smallbot.ImageConditions()), r'expected smallbot\.Conditions'),
    (lambda: smallbot.Chip(MODEL, {'age': 1}), r'expected smallbot\.Conditions'),
    (lambda: smallbot.Conditions('chp'), "synapses 'chp': expected one of chip, software"),
    (lambda: smallbot.Conditions(law='hermes'), "law 'hermes': expected one of hermes-two"),
    (lambda: smallbot.Conditions(age='1 day'), "age '1 day': expected a finite number from 0"),
    (lambda: smallbot.Conditions(stuck=5), 'stuck 5: expected a finite number from 0 to 1'),
    (lambda: smallbot.Chip(MODEL, smallbot.Conditions('software', stuck=0.1)),
     "stuck=0.1: exact weights in software have none, use synapses='chip'"),
    (lambda: smallbot.Chip(MODEL).wait(-1), 'waiting -1 s: expected a finite time'),
    (lambda: smallbot.demonstrate(MODEL, WAVE), 'time is missing, give the duration'),
    (lambda: smallbot.demonstrate(MODEL, WAVE.T, 3.0), r'shape \(2, 201\): expected \[S, 2\]'),
    (lambda: smallbot.demonstrate(MODEL, WAVE, [0, 1]), r'time of shape \(2,\): expected a dur'),
    (lambda: smallbot.demonstrate(MODEL, [['a', 'b']], 3.0), 'array: expected numbers'),
    (lambda: smallbot.demonstrate(MODEL, WAVE * np.nan, 3.0), 'expected a finite number'),
    (lambda: smallbot.demonstrate(MODEL, WAVE, -3.0), 'array: time -3.0: expected a duration'),
    (lambda: smallbot.demonstrate(MODEL, 9 * WAVE, 3.0), 'outside its limits'),
    (lambda: smallbot.demonstrate(MODEL, 0 * WAVE, 3.0), 'array: nothing moves'),
    (lambda: smallbot.demonstrate(MODEL, 'nowhere.csv'), r'nowhere\.csv: cannot be read'),
    (lambda: smallbot.demonstrate(MODEL, 'x.csv', reading='--angel-unit deg'),
     'reading options .*unrecognized'),
    (lambda: smallbot.learn(smallbot.Chip(MODEL, EXACT), default_demonstration()),
     r'Path for a movement: expected what smallbot\.demonstrate'),
    (lambda: smallbot.play(smallbot.Chip(MODEL, EXACT), WAVE), 'ndarray for a movement'),
    (lambda: smallbot.learn(smallbot.Chip(MODEL, EXACT),
                            smallbot.demonstrate(smallbot.load_model('hobby_arm'))),
     'model ed_scorbot drives base, shoulder'),
])
def test_what_cannot_be_is_said_in_a_line(wrong, said):
    with pytest.raises(smallbot.InputError, match=said) as found:
        wrong()
    assert '\n' not in str(found.value)
