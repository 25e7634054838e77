# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Evaluations: the same for the same seed, however many tasks and processes; what they report."""

from dataclasses import replace
import json

import numpy as np
import pytest

from smallbot.experiment.conditions import ConditionsError
from smallbot.few_shot.evaluation import (
    draw,
    evaluate,
    ImageConditions,
    prepared,
    summary,
    TASKS_PER_CHIP,
)
from smallbot.few_shot.images.labelled import ImageSetError
from smallbot.few_shot.network import NetworkConfig, NetworkError, Statistics
from smallbot.few_shot.on_chip import layout
from smallbot.files.plain import plain

from .conftest import labelled, SMALL, small_model, task

MODEL = small_model(calibration=32)
IMAGES = labelled(9, 6)
CHIP, SOFTWARE = ImageConditions(), ImageConditions('software')


def tasks(count, seed=3, ways=5, shots=2):
    return draw(IMAGES, ways, shots, 3, count, seed)


def evaluated(count, conditions=CHIP, seed=3, **options):
    return evaluate(MODEL, IMAGES, tasks(count), conditions, seed, **options)


def figures(told):
    """Return what of a task does not depend on the clock."""
    return [(one.right, one.answers.tolist(), one.learned.writes, one.learned.reads,
             one.classify_energy_uj, one.devices_written) for one in told]


def summed_up(count, conditions):
    told = evaluated(count, conditions)
    return told, summary(MODEL, IMAGES, tasks(count), told, conditions, 3)


@pytest.mark.parametrize('conditions', [CHIP, SOFTWARE])
def test_the_same_seed_gives_the_same_figures_and_another_one_others(conditions):
    first = figures(evaluated(4, conditions))
    assert figures(evaluated(4, conditions)) == first
    assert (figures(evaluate(MODEL, IMAGES, tasks(4), conditions, 4)) == first) == (
        conditions is SOFTWARE)  # of which a seed decides the tasks alone
    assert figures(evaluate(MODEL, IMAGES, tasks(4, 4), conditions, 3)) != first


def test_more_tasks_begin_with_the_same_ones():
    """Beyond a chip's share of them, too: the second chip does not go by the first."""
    updates = replace(CHIP, updates=1)
    more = figures(evaluated(TASKS_PER_CHIP + 2, updates))
    assert figures(evaluated(3, updates)) == more[:3]
    assert figures(evaluated(TASKS_PER_CHIP + 1, updates)) == more[:-1]


def test_the_number_of_processes_changes_nothing():
    updates, seen = replace(CHIP, updates=1), []
    alone = evaluated(TASKS_PER_CHIP + 2, updates)
    shared = evaluated(TASKS_PER_CHIP + 2, updates, processes=2,
                       report=lambda number, told: seen.append(number))
    assert figures(shared) == figures(alone)
    assert sorted(seen) == list(range(TASKS_PER_CHIP + 2))


def test_no_task_depends_on_another():
    """What one has learned is not there for the next: its chip is as it was when calibrated."""
    both = tasks(2)
    second = replace(both, classes=both.classes.flip(0), examples=both.examples.flip(0))
    first = evaluate(MODEL, IMAGES, second, CHIP, 3)[0]
    alone = replace(second, classes=second.classes[:1], examples=second.examples[:1])
    assert figures([first]) == figures(evaluate(MODEL, IMAGES, alone, CHIP, 3))


def test_before_the_first_update_software_guesses():
    told = evaluated(10, SOFTWARE)
    assert all(one.right[0] == pytest.approx(1 / 5) for one in told)
    assert all(len(one.right) == 5 for one in told)
    assert np.mean([one.right[4] for one in told]) > 0.5


def test_figures_after_fewer_updates_are_the_first_of_more():
    most = [one.right for one in evaluated(4, SOFTWARE)]
    for updates in (0, 2):
        fewer = evaluated(4, replace(SOFTWARE, updates=updates))
        assert [one.right for one in fewer] == [right[:updates + 1] for right in most]


def test_the_last_figure_is_of_the_answers():
    for one in evaluated(3):
        wanted = np.arange(5).repeat(3)
        assert one.right[-1] == pytest.approx((one.answers == wanted).mean())


def test_the_summary_of_a_chip_has_every_figure_under_its_name():
    told, found = summed_up(4, CHIP)
    assert len(found['accuracy']) == 5 and all(
        {'mean', 'ci95'} <= set(one) for one in found['accuracy'])
    assert found['accuracy'][4]['mean'] == pytest.approx(
        100 * np.mean([one.right[4] for one in told]))
    assert found['accuracy'][4]['ci95'][0] <= found['accuracy'][4]['mean']
    said = ('ways', 'shots', 'queries', 'tasks', 'synapses', 'seed', 'model', 'classes')
    assert [found[name] for name in said] == [5, 2, 3, 4, 'chip', 3, 'small', 9]
    assert found['devices'] == layout(SMALL, 5).devices
    assert found['devices_written'] == np.mean([one.devices_written for one in told])
    assert found['devices_written_in_all'] == sum(one.devices_written for one in told)
    cells = 5 * SMALL.features
    each = found['each_update']
    assert len(each) == 4 and all(cells * 0.8 < done['cells'] <= cells for done in each)
    assert each[1]['devices'] == np.mean([one.learned.writes[1].devices for one in told])
    assert sum(done['seconds'] for done in each) == pytest.approx(found['write_seconds'])
    for name in ('pulses', 'energy_uj'):
        assert found[name] == pytest.approx(np.mean([
            sum(getattr(done, name) for done in one.learned.writes) for one in told]))
    for name in ('learn_seconds', 'classify_seconds', 'classify_energy_uj', 'read_energy_uj',
                 'write_seconds'):
        assert found[name] > 0
    assert found['weights'] == MODEL.digest and found['images_digest'] == IMAGES.digest
    assert (found['updates'], found['age_seconds'], found['statistics']) == (4, 300, 'training')
    assert json.loads(json.dumps(plain(found))) == plain(found)


def test_the_summary_of_software_has_no_devices():
    _, found = summed_up(3, SOFTWARE)
    for name in ('devices', 'devices_written', 'devices_written_in_all', 'pulses', 'energy_uj',
                 'read_energy_uj', 'classify_energy_uj'):
        assert found[name] is None, name
    assert [done['cells'] for done in found['each_update']] == 4 * [5 * SMALL.features]
    assert all(done['pulses'] is done['energy_uj'] is None for done in found['each_update'])
    assert found['accuracy'][0] == {'mean': pytest.approx(20), 'sd': pytest.approx(0, abs=1e-5),
                                    'median': pytest.approx(20), 'ci95': pytest.approx([20, 20])}
    assert found['learn_seconds'] > 0 and 'law' not in found


def test_every_summary_says_whether_it_is_transductive():
    found = {}
    for statistics in Statistics:
        conditions = ImageConditions('software', statistics=statistics)
        told, said = summed_up(6, conditions)
        assert said['transductive'] == (statistics is Statistics.BATCH)
        assert said['statistics'] == statistics.value
        found[statistics] = figures(told)
    assert found[Statistics.TRAINING] != found[Statistics.BATCH] != found[Statistics.SUPPORT]


def test_devices_written_in_an_update_or_more_count_once():
    for one in evaluated(3):
        each = [done.devices for done in one.learned.writes]
        assert max(each) <= one.devices_written <= min(sum(each), 4 * 5 * SMALL.features)
        assert one.devices_written < sum(each)


def test_a_calibration_before_the_queries_makes_up_for_a_month():
    def accuracy(**changed):
        told = evaluated(12, replace(CHIP, age=30 * 86400.0, **changed))
        return np.mean([one.right[-1] for one in told])

    assert accuracy(recalibrate=True) > accuracy()


def test_noise_and_stuck_devices_change_what_is_told():
    fresh = figures(evaluated(3))
    assert figures(evaluated(3, replace(CHIP, noise=2.0))) != fresh
    stuck = evaluated(3, replace(CHIP, stuck=0.05))
    assert sum(done.compensated for one in stuck for done in one.learned.writes) > 0


def test_a_classifier_is_prepared_as_the_conditions_ask():
    chip, again, software = (prepared(MODEL, 3, conditions, 7)
                             for conditions in (CHIP, CHIP, SOFTWARE))
    support, labels, *_ = task(3)
    for classifier in (chip, again, software):
        classifier.learn(support, labels)
    told = [classifier.told(support) for classifier in (chip, again, software)]
    assert (told[0] == told[1]).all() and not (told[0] == told[2]).all()
    assert chip.devices() == layout(SMALL, 3).devices and software.devices() is None


def test_what_cannot_be_evaluated_is_refused_in_one_line():
    others = labelled(9, 6, config=NetworkConfig(side=32))
    for work, error, said in (
            (lambda: evaluate(MODEL, others, tasks(2), CHIP, 3), NetworkError,
             r'made for model small: .* \(1, 32, 32\), the network takes .* \(1, 28, 28\)'),
            (lambda: evaluated(2, replace(SOFTWARE, updates=5)), NetworkError,
             '5 updates: expected 0 to 4'),
            (lambda: draw(IMAGES, 10, 2, 3, 1, 0), ImageSetError, '10 ways: there are 9 classes'),
            (lambda: draw(IMAGES, 5, 4, 3, 1, 0), ImageSetError, '4 shots and 3 queries'),
            (lambda: ImageConditions(stuck=1.5), ConditionsError, 'stuck 1.5'),
            (lambda: prepared(MODEL, 1, CHIP, 0), NetworkError, '1 ways: expected at least 2')):
        with pytest.raises(error, match=said) as caught:
            work()
        assert '\n' not in str(caught.value)
