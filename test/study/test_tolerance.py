# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
import pickle

import numpy as np
import pytest
import torch

from smallbot.arm.kinematics import default_arm
from smallbot.one_shot.families import Movements
from smallbot.one_shot.model import load_model
from smallbot.plots.tolerance import draw_tolerance
from smallbot.study.conditions import Conditions
from smallbot.study.evaluation import draw_movements, evaluate
from smallbot.study.ordinary import Schedule
from smallbot.study.tolerance import (
    Contest,
    errors_cm,
    gathered,
    interval,
    Learner,
    markdown,
    ORDINARY,
    ORDINARY_NOISY,
    Piece,
    PROGRAMMED,
)

ARM = default_arm()
MODEL = load_model()
CONTEST = Contest((Learner('shipped', (MODEL,)),), ARM,
                  draw_movements('paper', 2, MODEL.config, ARM, 1000), 1000, MODEL,
                  noises=(1.0,), stuck=(0.0, 0.2), schedule=Schedule(iterations=4))


def test_who_learns_on_the_chip_is_the_evaluation():
    found = errors_cm(CONTEST, Piece('shipped', [0]))
    shown = Movements(CONTEST.movements.start[:1], CONTEST.movements.velocity[:1], 0.01)
    for conditions, (error,) in zip(CONTEST.conditions(), found, strict=True):
        assert error == evaluate(MODEL, ARM, shown, conditions, 1000)[0].tip_rmse_cm[1]


def test_every_chip_is_played_on_once():
    found = replace(CONTEST, noises=(0.0, 1.0)).conditions()
    assert found == [Conditions('software'), Conditions(noise=0.0), Conditions(),
                     Conditions(stuck=0.2)]


def test_what_was_updated_in_software_is_the_same_in_software():
    by_update, by_programming = (errors_cm(CONTEST, Piece(who, [0]))
                                 for who in ('shipped', 'shipped' + PROGRAMMED))
    assert by_programming[0][0] == pytest.approx(by_update[0][0], abs=0.5)
    assert by_programming[1] != by_update[1]


def test_pieces_hold_every_movement_of_everyone_once_with_each_seed():
    many = replace(CONTEST, movements=draw_movements('paper', 23, MODEL.config, ARM, 1000),
                   learners=(Learner('a', (MODEL,) * 3), Learner('b', (MODEL,))))
    assert many.contestants() == {'a': 3, 'a' + PROGRAMMED: 1, 'b': 1, 'b' + PROGRAMMED: 1,
                                  ORDINARY: 1, ORDINARY_NOISY: 1}
    for who, seeds in many.contestants().items():
        for seed in range(seeds):
            own = [p.numbers for p in many.pieces() if (p.contestant, p.seed) == (who, seed)]
            assert sorted(sum(own, [])) == list(range(23))
    assert ORDINARY not in replace(CONTEST, ordinary=None).contestants()
    assert pickle.loads(pickle.dumps(many)).seed == many.seed


def test_a_result_has_every_point_and_its_figure(tmp_path):
    contest = replace(CONTEST, noises=(0.0, 1.0), stuck=(0.0, 0.1, 0.2),
                      learners=(Learner('learner', (MODEL, MODEL)),))
    done = [(piece, [[10.0 * k + number + 1 + 2 * piece.seed for number in piece.numbers]
                     for k in range(len(contest.conditions()))]) for piece in contest.pieces()]
    result = gathered(contest, done)
    found = result['contestants'][ORDINARY]
    assert found['software_cm']['errors'] == [1.0, 2.0]
    assert [point['errors'] for point in found['noise']] == [[11.0, 12.0], [21.0, 22.0]]
    assert [point['errors'][0] for point in found['stuck']] == [21.0, 31.0, 41.0]
    assert found['stuck'][2]['times'] == pytest.approx(41.5 / 1.5)
    assert '| ordinary | 1.50 (1.00 to 2.00) | 11.5 (11.0 to 12.0), x 7.7 |' in markdown(result)
    both = result['contestants']['learner']
    assert both['software_cm']['errors'] == [2.0, 3.0]
    assert both['software_cm']['by_seed'] == [1.5, 3.5]
    assert '| learner | 2.50 (2.00 to 3.00) [1.50, 3.50] |' in markdown(result)
    assert result['weights'] == {'learner': [MODEL.digest] * 2}
    draw_tolerance(result, tmp_path / 'tolerance.png')
    assert (tmp_path / 'tolerance.png').stat().st_size > 10_000


def test_intervals_are_those_of_a_mean():
    values = np.random.default_rng(1).normal(5, 2, 400)
    low, high = interval(values)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.05)
    assert low < values.mean() < high
    # Of a ratio: what movements have in common cancels.
    low, high = interval(3 * values, values)
    assert low == pytest.approx(3) and high == pytest.approx(3)
    assert interval(torch.tensor([2.0, 2.0])) == [2.0, 2.0]
