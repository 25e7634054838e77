# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Does learning to learn make a network tolerant of its devices? Contestants on ever worse chips.

All play the same movements on chips of the same seeds, first over a factor on all noise of the
devices, then over the share of stuck devices. A `Learner` takes the product's path: the chip holds
the initial weights and is updated once. The others come to the chip with their final weights,
which are programmed, left for an hour and calibrated as the initial weights of the former are, and
played `age` seconds later: a learner after its update in software, which shows what the update's
being made on the chip costs, and ordinary networks, trained on each movement.
"""

from dataclasses import dataclass, replace
from functools import cached_property
import hashlib
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from smallbot.arm.kinematics import Arm
from smallbot.one_shot.families import Movements
from smallbot.one_shot.figures import tip_rmse_cm
from smallbot.one_shot.learner import learning_signals, weight_update
from smallbot.one_shot.model import OneShotModel
from smallbot.one_shot.trainee import Trainee
from smallbot.outer_loop.stand_in import StandIn
from smallbot.study.conditions import Conditions
from smallbot.study.evaluation import learn_once
from smallbot.study.ordinary import Schedule, train, untrained

ORDINARY = 'ordinary'
ORDINARY_NOISY = 'ordinary, noise in training'
PROGRAMMED = ', updated in software, then programmed'
"""What is added to a learner's name."""
NOISES = (0.0, 1.0, 2.0, 4.0)
"""Factors on programming error, drift and 1/f noise of the law."""
STUCK = (0.0, 0.05, 0.2)
"""Shares of stuck devices."""
SOFTWARE = Conditions('software')
TOGETHER = 10
"""Movements of a piece of work: so many ordinary networks are trained at once."""
RESAMPLES = 10_000
_CHANCE = 2 ** 32
"""Keeps the seeds of the noise in training apart from those of weights and chips."""


class Learner(NamedTuple):
    """Models made in the same way, that learn from one update."""

    name: str
    models: tuple[OneShotModel, ...]
    """One for each seed of their making."""


class Piece(NamedTuple):
    """Some movements of one contestant."""

    contestant: str
    numbers: list[int]
    seed: int = 0
    """Which of a learner's models."""


@dataclass(frozen=True)
class Contest:
    """What all pieces of work have in common; can be pickled."""

    learners: tuple[Learner, ...]
    arm: Arm
    movements: Movements
    seed: int
    """Movement k is played on chips of seed `seed + k`, whoever plays it."""
    ordinary: OneShotModel | None = None
    """Whose sizes ordinary networks have, and the noise of whose meta-training; None: none take
    part. Each movement has a network of its own, from weights of its own."""
    schedule: Schedule = Schedule()
    noises: tuple[float, ...] = NOISES
    stuck: tuple[float, ...] = STUCK

    def conditions(self) -> list[Conditions]:
        """Return software, then every chip of either sweep once."""
        chip = Conditions()
        found = [SOFTWARE, *(chip.at('noise', value) for value in self.noises),
                 *(chip.at('stuck', value) for value in self.stuck)]
        return list(dict.fromkeys(found))

    def contestants(self) -> dict[str, int]:
        """Return who takes part, with how many seeds: learners with all, programmed with one."""
        found = {}
        for name, models in self.learners:
            found |= {name: len(models), name + PROGRAMMED: 1}
        return found if self.ordinary is None else found | {ORDINARY: 1, ORDINARY_NOISY: 1}

    def pieces(self) -> list[Piece]:
        """Return the work, all contestants' first movements first."""
        seeds = self.contestants()
        order = sorted(seeds, key=lambda who: who not in (ORDINARY, ORDINARY_NOISY))
        count = len(self.movements.start)
        chunks = [list(range(count))[k:k + TOGETHER] for k in range(0, count, TOGETHER)]
        return [Piece(who, chunk, seed) for chunk in chunks for who in order
                for seed in range(seeds[who])]

    @cached_property
    def digest(self) -> str:
        """Return 16 hexadecimal digits of all that decides the result."""
        said = (self.seed, self.schedule, self.noises, self.stuck,
                [(name, [model.digest for model in models]) for name, models in self.learners],
                self.ordinary and self.ordinary.digest)
        content = hashlib.sha256(repr(said).encode())
        content.update(self.movements.path().numpy().tobytes())
        return content.hexdigest()[:16]


def errors_cm(contest: Contest, piece: Piece) -> list[list[float]]:
    """Return the tool-tip errors of a piece, [conditions, movements]."""
    learns = piece.contestant in [learner.name for learner in contest.learners]
    prepared = _prepared(contest, piece)
    return [[_error(contest, learns, model, number, conditions)
             for number, model in zip(piece.numbers, prepared)]
            for conditions in contest.conditions()]


def noise_of(model: OneShotModel) -> StandIn:
    """Return what the model's meta-training saw of a chip, as its card says."""
    said = model.card.get('meta_training', {})
    return StandIn(said.get('device_noise', 1.15), said.get('read_noise', 0.0),
                   said.get('drift', 0.0), stuck_cells=said.get('stuck_cells', 0.0))


def interval(chip: Tensor | list, software: Tensor | list | None = None, seed: int = 0
             ) -> list[float]:
    """Return the bootstrap's 95 % interval of a mean, or of the ratio of two means.

    Parameters: errors of the same movements, [B] each. Movements are drawn with replacement.
    """
    chance = np.random.default_rng(seed)
    chip = np.asarray(chip, dtype=float)
    drawn = chance.integers(0, len(chip), (RESAMPLES, len(chip)))
    means = chip[drawn].mean(1)
    if software is not None:
        means = means / np.asarray(software, dtype=float)[drawn].mean(1)
    return np.quantile(means, [0.025, 0.975]).tolist()


def gathered(contest: Contest, done: list[tuple[Piece, list[list[float]]]]) -> dict[str, Any]:
    """Return the result of a contest from all its pieces, as plain values."""
    order = contest.conditions()
    errors = {who: np.full((seeds, len(order), len(contest.movements.start)), np.nan)
              for who, seeds in contest.contestants().items()}
    for piece, found in done:
        errors[piece.contestant][piece.seed][:, piece.numbers] = found
    sweeps = {
        'noise': [order.index(Conditions().at('noise', value)) for value in contest.noises],
        'stuck': [order.index(Conditions().at('stuck', value)) for value in contest.stuck]}
    said = {'weights': {name: [model.digest for model in models]
                        for name, models in contest.learners}, 'seed': contest.seed,
            'tasks': len(contest.movements.start), 'noise': list(contest.noises),
            'stuck': list(contest.stuck), 'contestants': {}}
    for who, rows in errors.items():
        own = rows[:, 0]
        said['contestants'][who] = {
            'software_cm': _point(own, own),
            **{sweep: [_point(rows[:, k], own) for k in places]
               for sweep, places in sweeps.items()}}
    return said


def markdown(result: dict[str, Any]) -> str:
    """Return the tables of a result: error in cm, its interval, and times that in software.

    Where a contestant has several seeds, their own means stand in brackets.
    """
    lines = []
    for sweep, title in (('noise', 'noise x {:g}'), ('stuck', '{:.0%} stuck')):
        heads = [title.format(value) for value in result[sweep]]
        lines += [f'| | software | {" | ".join(heads)} |', '|---' * (len(heads) + 2) + '|']
        for who, found in result['contestants'].items():
            cells = [f'{_cell(point, 1)}, x {point["times"]:.1f}' for point in found[sweep]]
            own = _cell(found['software_cm'], 2)
            lines.append(f'| {who} | {own} | {" | ".join(cells)} |')
        lines.append('')
    return '\n'.join(lines)


def _cell(point: dict[str, Any], places: int) -> str:
    low, high = point['ci95']
    seeds = ', '.join(f'{mean:.{places}f}' for mean in point['by_seed'])
    return (f'{point["mean"]:.{places}f} ({low:.{places}f} to {high:.{places}f})'
            + (f' [{seeds}]' if len(point['by_seed']) > 1 else ''))


def _point(chip: np.ndarray, software: np.ndarray) -> dict[str, Any]:
    """Return what errors [seeds, movements] come to; intervals are over movements."""
    mean, own = chip.mean(0), software.mean(0)
    return {'errors': mean.tolist(), 'mean': float(mean.mean()),
            'by_seed': chip.mean(1).tolist(),
            'median': float(np.median(mean)), 'ci95': interval(mean),
            'times': float(mean.mean() / own.mean()),
            'times_ci95': interval(mean, own)}


def _prepared(contest: Contest, piece: Piece) -> list[OneShotModel]:
    """Return the model that a contestant brings to the chip for each movement."""
    for name, models in contest.learners:
        if piece.contestant == name:
            return [models[piece.seed]] * len(piece.numbers)
        if piece.contestant == name + PROGRAMMED:
            return [_updated(models[piece.seed], contest.arm, contest.movements.chosen([number]))
                    for number in piece.numbers]
    model = contest.ordinary
    seeds = [contest.seed + number for number in piece.numbers]
    networks = train(model.config, contest.arm, contest.movements.chosen(piece.numbers),
                     untrained(model.config, seeds),
                     [torch.Generator().manual_seed(_CHANCE + seed) for seed in seeds],
                     noise_of(model) if piece.contestant == ORDINARY_NOISY else StandIn(),
                     contest.schedule)
    return [networks.model(k, model) for k in range(len(seeds))]


def _updated(model: OneShotModel, arm: Arm, movement: Movements) -> OneShotModel:
    """Return a model whose initial weights are those after its one update, in software."""
    trainee = Trainee(model, SOFTWARE.fresh_synapses(model, 0))
    signals = learning_signals(model, model.config.watched(arm, movement.path()))
    delta = weight_update(model, trainee.trial().eligibility, signals)[0]
    limit = model.config.weight_limits()
    weights = (model.weights['trainee'] + delta).clamp(-limit, limit)
    return replace(model, weights={**model.weights, 'trainee': weights})


def _error(contest: Contest, learns: bool, model: OneShotModel, number: int,
           conditions: Conditions) -> float:
    movement = contest.movements.chosen([number])
    trainee = Trainee(model, conditions.fresh_synapses(model, contest.seed + number))
    if learns:
        return learn_once(model, contest.arm, movement, trainee, age=conditions.age
                          ).tip_rmse_cm[1]
    trainee.synapses.wait(conditions.age)
    return float(tip_rmse_cm(trainee.trial().velocity[None], movement, contest.arm))
