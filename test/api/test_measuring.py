# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Many movements and many tasks: the figures of the command, from Python."""

import json

import pytest

import smallbot
from smallbot.cli.main import main

MODEL = smallbot.load_model()
TIMED = ('learn_seconds', 'classify_seconds')
COMMAND = ('interrupted', 'asked', 'ended_by')
"""What a command adds on how it went."""


def of_the_command(tmp_path, *arguments):
    assert main([*arguments, '--json', str(tmp_path / 'found.json')]) == 0
    return json.loads((tmp_path / 'found.json').read_text())


def same(figures, told):
    """Compare figures with a command's JSON, times and what it says of its run aside."""
    plain = json.loads(json.dumps(figures))
    for key in (*TIMED, *COMMAND):
        plain.pop(key, None)
        told.pop(key, None)
    assert {key: told[key] for key in plain} == plain
    assert set(told) - set(plain) <= {'format', 'made_with', 'sha256'}


@pytest.mark.parametrize('conditions, options, asked', [
    (smallbot.Conditions(), [], {}),
    (smallbot.Conditions('software', cells=0.3), ['--synapses', 'software', '--cells', '0.3'], {}),
    (smallbot.Conditions(age=86400.0, stuck=0.05, noise=2.0, recalibrate=True, same_chip=True),
     ['--age', '86400', '--stuck', '0.05', '--noise', '2', '--recalibrate', '--same-chip',
      '--family', 'pen', '--seed', '1000'], {'movements': 'pen', 'seed': 1000})])
def test_the_figures_are_those_of_the_command(tmp_path, conditions, options, asked):
    found = smallbot.evaluate(MODEL, conditions, tasks=2, **asked)
    same(found.figures, of_the_command(tmp_path, 'evaluate', '--tasks', '2', *options))
    assert found.tip_rmse_cm.mean() == pytest.approx(found.figures['tip_rmse_cm']['after']['mean'])
    assert len(found.performances) == 2 and 'Evaluation of 2 movements' in repr(found)


def test_processes_change_nothing_and_a_bar_is_drawn_on_demand(capfd):
    exact = smallbot.Conditions('software')
    alone = smallbot.evaluate(MODEL, exact, tasks=2)
    assert capfd.readouterr().err == ''
    shared = smallbot.evaluate(MODEL, exact, tasks=2, processes=2, progress=True)
    assert (shared.tip_rmse_cm == alone.tip_rmse_cm).all()
    assert '2/2' in capfd.readouterr().err


def test_images_are_those_of_the_command(tmp_path):
    conditions = smallbot.ImageConditions(age=86400.0, updates=2)
    found = smallbot.evaluate_images(smallbot.load_image_model(), conditions, ways=3, shots=1,
                                     tasks=4)
    told = of_the_command(tmp_path, 'few-shot', 'evaluate', '--ways', '3', '--shots', '1',
                          '--tasks', '4', '--age', '86400', '--updates', '2')
    same(found.figures, told)
    assert found.accuracy.mean() == pytest.approx(told['accuracy'][-1]['mean'])
    assert '3-way 1-shot' in repr(found)


def test_pictures_are_told_as_by_the_command(tmp_path):
    found = smallbot.classify(seed=3)
    told = of_the_command(tmp_path, 'few-shot', 'classify', '--seed', '3', '--out',
                          str(tmp_path / 'out'))
    assert found.told == [one['class'] for one in told['pictures']]
    for row, one in zip(found.probabilities, told['pictures'], strict=True):
        assert dict(zip(found.names, row.tolist())) == pytest.approx(one['probabilities'])
    assert [write.cells for write in found.written] == [one['cells'] for one in told['updates']]
    assert '1.jpg omega' in repr(found)


@pytest.mark.parametrize('wrong, said', [
    (lambda: smallbot.evaluate('ed_scorbot'), 'expected what smallbot.load_model'),
    (lambda: smallbot.evaluate(MODEL, tasks=0), 'tasks 0: expected a whole number from 1'),
    (lambda: smallbot.evaluate(MODEL, movements='pens'), "family 'pens': expected one of paper"),
    (lambda: smallbot.evaluate(MODEL, movements=[]), 'movements: none given'),
    (lambda: smallbot.evaluate(MODEL, movements=['wave.csv']), 'expected .*smallbot.demonstrate'),
    (lambda: smallbot.evaluate(MODEL, smallbot.Conditions('software', noise=2)), 'noise=2: exact'),
    (lambda: smallbot.characterise('hermes'), "law 'hermes': expected one of hermes-two-device"),
    (lambda: smallbot.characterise(seed=-1), 'seed -1: expected'),
    (lambda: smallbot.classify('nowhere', ['new.jpg']), 'nowhere: '),
    (lambda: smallbot.classify(pictures=['new.jpg']), 'support and pictures go together'),
    (lambda: smallbot.classify(model=MODEL), r'expected what smallbot\.load_image_model'),
    (lambda: smallbot.classify(conditions=smallbot.ImageConditions(updates=9)), 'updates'),
    (lambda: smallbot.evaluate_images(MODEL), r'expected what smallbot\.load_image_model'),
    (lambda: smallbot.evaluate_images(smallbot.load_image_model(), ways=1), 'ways 1: expected'),
    (lambda: smallbot.evaluate_images(smallbot.load_image_model(), data='nowhere.npz', tasks=1),
     'nowhere.npz'),
    (lambda: smallbot.ImageConditions(statistics='group'), "statistics 'group'"),
])
def test_what_cannot_be_is_said_in_a_line(wrong, said):
    with pytest.raises(smallbot.InputError, match=said) as found:
        wrong()
    assert '\n' not in str(found.value)
