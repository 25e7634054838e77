# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Figures of few-shot images, read from the words that matplotlib leaves in an SVG."""

import re

import numpy as np
from PIL import Image
import pytest
import torch

from smallbot.few_shot.images.pictures import Picture, Support
from smallbot.plots.few_shot import draw_accuracy, draw_accuracy_sweep, draw_told, Shown

RANDOM = np.random.default_rng(0)


def words(path):
    return re.findall(r'<!-- (.*?) -->', path.read_text())


def accuracy(mean, half=0.5):
    return {'mean': mean, 'sd': 1.0, 'median': 100.0,
            'ci95': half and [mean - half, mean + half]}


def result(ways=5, means=(20.0, 96.0, 98.2), **more):
    return {'accuracy': [accuracy(mean) for mean in means], 'ways': ways, 'shots': 1,
            'tasks': 600, 'synapses': 'chip', 'model': 'small', 'weights': '0123456789ab',
            'statistics': 'training', 'transductive': False, 'seed': 2000, **more}


def shown(ways=5, wrong=(), queries=2, shape=(28, 28)):
    """Return a task in which queries `wrong`, numbers, are told to be of the next class."""
    answers = np.repeat(np.arange(ways), queries)
    for number in wrong:
        answers[number] = (answers[number] + 1) % ways
    images = RANDOM.integers(0, 256, (ways, 1 + queries, *shape), dtype=np.uint8)
    return Shown(images[:, 0], images[:, 1:], answers, [f'class {k}' for k in range(ways)])


def told(count, ways):
    """Return pictures, a support set of two examples of each class, and probabilities."""
    def picture(name):
        return Picture(name, torch.from_numpy(RANDOM.random((28, 28), dtype=np.float32)),
                       RANDOM.integers(0, 256, (40, 60, 3), dtype=np.uint8), '')
    names = tuple(f'letter {k}' for k in range(ways))
    support = Support(names, tuple((picture('a'), picture('b')) for _ in names), ())
    return ([picture(f'photo {k}.jpg') for k in range(count)], support,
            RANDOM.dirichlet(np.ones(ways), count))


def test_results_baselines_and_chance_are_named_with_their_accuracies(tmp_path):
    near = {'nearest neighbour': {'accuracy': accuracy(70.0)},
            'published': {'accuracy': accuracy(90.8, None)}}
    draw_accuracy([('chip', result(baselines=near)),
                   ('software', result(means=(20.0, 97.0, 98.6), baselines=near))],
                  shown(), tmp_path / 'x.svg')
    said = words(tmp_path / 'x.svg')
    for expected in ('chip: 98.2 ± 0.5 %', 'software: 98.6 ± 0.5 %', 'published: 90.8 %',
                     'chance: 20 %', '600 tasks of 5 classes, 1 example of each'):
        assert expected in said
    assert said.count('nearest neighbour: 70.0 ± 0.5 %') == 1, 'common to both'
    assert any('statistics of training (each picture by itself)' in line for line in said)


def test_baselines_that_differ_say_whose_they_are(tmp_path):
    draw_accuracy([(label, result(baselines={'ridge': {'accuracy': accuracy(mean)}}))
                   for label, mean in (('chip', 97.0), ('software', 98.0))],
                  shown(), tmp_path / 'x.svg')
    assert {'ridge (chip): 97.0 ± 0.5 %', 'ridge (software): 98.0 ± 0.5 %'} <= set(
        words(tmp_path / 'x.svg'))


@pytest.mark.parametrize(('best', 'stretched'), [(98.0, True), (60.0, False)])
def test_the_axis_is_stretched_where_errors_are_what_differs(best, stretched, tmp_path):
    draw_accuracy([('chip', result(means=(20.0, best)))], shown(), tmp_path / 'x.svg')
    said = words(tmp_path / 'x.svg')
    assert ('accuracy, % (stretched towards 100)' in said) is stretched
    assert ('99' in said) is stretched


@pytest.mark.parametrize(('ways', 'shape'), [(2, (28, 28)), (5, (3, 32, 32)), (20, (28, 28))])
def test_what_was_told_wrong_says_what_it_is(ways, shape, tmp_path):
    draw_accuracy([('chip', result(ways))], shown(ways, wrong=(0, 3), shape=shape),
                  tmp_path / 'x.svg')
    said = words(tmp_path / 'x.svg')
    assert f'one task: {2 * ways - 2} of {2 * ways} pictures told right' in said
    assert sorted(line for line in said if line.startswith('is ')) == ['is 1', 'is 2']
    assert {f'class {k}' for k in range(ways)} <= set(said)


def test_all_told_to_be_of_one_class_are_shown(tmp_path):
    task = shown(20, queries=5)
    draw_accuracy([('chip', result(20))], task._replace(answers=np.zeros(100, int)),
                  tmp_path / 'x.svg')
    assert sum(line.startswith('is ') for line in words(tmp_path / 'x.svg')) == 95


@pytest.mark.parametrize(('means', 'labels'), [
    ((20.0,), ['accuracy after 0 updates, %']), ((20.0, 97.0), ['accuracy after 1 update, %']),
    ((20.0, 97.0, 98.0), ['accuracy after 2 updates, %', 'after 1 update, %'])])
def test_a_sweep_shows_the_last_and_the_first_update(means, labels, tmp_path):
    draw_accuracy_sweep({'sweep': 'age', 'points': [
        {'value': age, **result(means=means)} for age in (300, 2.6e6)]}, tmp_path / 'x.svg')
    said = words(tmp_path / 'x.svg')
    assert [line for line in said if line.endswith(', %')] == labels
    assert 'seconds between learning and telling' in said
    assert 'median' not in said, 'of shares of a few queries it says nothing'


def test_the_likeliest_classes_are_shown_of_each_picture(tmp_path):
    pictures, support, _ = told(1, 8)
    share = np.array([[0.3, 0.002, 0.2, 0.1, 0.05, 0.04, 0.308, 0.0]])
    draw_told(pictures, support, share, tmp_path / 'x.svg')
    said = words(tmp_path / 'x.svg')
    assert [line for line in said if line.startswith('letter')] == [
        f'letter {k}' for k in (6, 0, 2, 3, 4, 5)]
    assert [line for line in said if line.endswith(' %')] == [
        '31 %', '30 %', '20 %', '10 %', '5.0 %', '4.0 %', '2 others: 0.2 %']
    assert {'8 classes learned from 16 examples', '1 picture told', 'photo 0.jpg'} <= set(said)


@pytest.mark.parametrize(('share', 'said'), [
    ((1.0, 0.0), ['&gt; 99.9 %', '&lt; 0.1 %']), ((0.004, 0.996), ['99.6 %', '0.4 %'])])
def test_nothing_uncertain_is_said_to_be_certain(share, said, tmp_path):
    pictures, support, _ = told(1, 2)
    draw_told(pictures, support, np.array([share]), tmp_path / 'x.svg')
    found = [line.replace('>', '&gt;').replace('<', '&lt;').replace('&amp;', '&')
             for line in words(tmp_path / 'x.svg')]
    assert [line for line in found if line.endswith(' %')] == said


def test_more_pictures_than_are_shown_are_said(tmp_path):
    draw_told(*told(63, 2), tmp_path / 'x.svg')
    said = words(tmp_path / 'x.svg')
    assert 'the first 60 of 63 pictures told' in said
    assert 'photo 59.jpg' in said and 'photo 60.jpg' not in said


def test_what_was_left_out_is_listed_as_far_as_there_is_room(tmp_path):
    pictures, support, share = told(2, 3)
    draw_told(pictures, support, share, tmp_path / 'few.svg', ['cat.jpg: no picture; left out'])
    assert 'cat.jpg: no picture; left out' in words(tmp_path / 'few.svg')
    draw_told(pictures, support, share, tmp_path / 'many.svg',
              [f'{k}.jpg: no picture; left out' for k in range(15)])
    said = words(tmp_path / 'many.svg')
    assert '10.jpg: no picture; left out' in said and '11.jpg: no picture; left out' not in said
    assert 'and 4 more lines on what was left out' in said


def test_names_are_drawn_as_they_stand_or_shortened_to_their_room(tmp_path):
    pictures, support, share = told(1, 2)
    support = Support(('a$b$', 'a very long name of a class 1'), support.pictures, ())
    draw_told(pictures, support, share, tmp_path / 'x.svg')
    said = words(tmp_path / 'x.svg')
    assert 'a$b$' in said
    assert sum(re.fullmatch('a very.*….* 1', line) is not None for line in said) == 1


@pytest.mark.parametrize(('count', 'columns'), [(1, 1), (6, 1), (7, 2), (17, 3)])
def test_many_pictures_stand_in_several_columns(count, columns, tmp_path):
    draw_told(*told(count, 2), tmp_path / 'x.png')
    with Image.open(tmp_path / 'x.png') as drawn:
        assert round(drawn.width / 120 / 5.4) == columns
