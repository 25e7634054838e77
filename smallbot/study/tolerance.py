"""Does learning to learn make a network tolerant of its devices? Contestants on ever worse chips.

Each contestant plays the same movements on chips of the same seeds, first over a factor on all
noise of the devices, then over the share of stuck devices. `LEARNS` is the product's path: the
chip holds the initial weights and is updated once. The others come to the chip with their final
weights, which are programmed, left for an hour and calibrated as the initial weights of the
former are, and played `age` seconds later. `PROGRAMMED` shows what the update's being made on the
chip costs; `TUNED`, which begins with the meta-trained weights and lets backpropagation do what
the one update does, what of a difference lies in those weights.
"""

from dataclasses import dataclass, replace
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
from smallbot.study.ordinary import begun, Schedule, train, untrained

LEARNS = 'meta-trained, one update on the chip'
PROGRAMMED = 'meta-trained, updated in software, then programmed'
ORDINARY = 'ordinary'
ORDINARY_NOISY = 'ordinary, noise in training'
TUNED = 'meta-trained initial weights, then backpropagation'
EXACT_META = 'meta-trained without noise, one update on the chip'
NOISES = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Factors on programming error, drift and 1/f noise of the law."""
STUCK = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Shares of stuck devices."""
SOFTWARE = Conditions('software')
TOGETHER = 10
"""Movements of a piece of work: so many ordinary networks are trained at once."""
RESAMPLES = 10_000
_CHANCE = 2 ** 32
"""Keeps the seeds of the noise in training apart from those of weights and chips."""


class Piece(NamedTuple):
    """Some movements of one contestant."""

    contestant: str
    numbers: list[int]


@dataclass(frozen=True)
class Contest:
    """What all pieces of work have in common; can be pickled."""

    model: OneShotModel
    arm: Arm
    movements: Movements
    seed: int
    """Movement k is played on chips of seed `seed + k`, whoever plays it."""
    other: OneShotModel | None = None
    """A model whose meta-training saw no noise."""
    schedule: Schedule = Schedule()
    noises: tuple[float, ...] = NOISES
    stuck: tuple[float, ...] = STUCK

    def conditions(self) -> list[Conditions]:
        """Return software, then every chip of either sweep once."""
        chip = Conditions()
        found = [SOFTWARE, *(chip.at('noise', value) for value in self.noises),
                 *(chip.at('stuck', value) for value in self.stuck)]
        return list(dict.fromkeys(found))

    def contestants(self) -> list[str]:
        """Return who takes part."""
        all_but_one = [LEARNS, PROGRAMMED, TUNED, ORDINARY, ORDINARY_NOISY]
        return all_but_one + [EXACT_META] if self.other is not None else all_but_one

    def pieces(self) -> list[Piece]:
        """Return the work, the longest pieces first."""
        order = sorted(self.contestants(),
                       key=lambda who: who not in (ORDINARY, ORDINARY_NOISY, TUNED))
        count = len(self.movements.start)
        chunks = [list(range(count))[k:k + TOGETHER] for k in range(0, count, TOGETHER)]
        return [Piece(who, chunk) for who in order for chunk in chunks]


def errors_cm(contest: Contest, piece: Piece) -> list[list[float]]:
    """Return the tool-tip errors of a piece, [conditions, movements]."""
    prepared = _prepared(contest, piece)
    return [[_error(contest, piece.contestant, model, number, conditions)
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
    errors = {who: np.full((len(order), len(contest.movements.start)), np.nan)
              for who in contest.contestants()}
    for piece, found in done:
        errors[piece.contestant][:, piece.numbers] = found
    sweeps = {
        'noise': [order.index(Conditions().at('noise', value)) for value in contest.noises],
        'stuck': [order.index(Conditions().at('stuck', value)) for value in contest.stuck]}
    said = {'model': contest.model.name, 'seed': contest.seed,
            'tasks': len(contest.movements.start), 'noise': list(contest.noises),
            'stuck': list(contest.stuck), 'contestants': {}}
    for who, rows in errors.items():
        own = rows[0]
        said['contestants'][who] = {
            'software_cm': _point(own, own),
            **{sweep: [_point(rows[k], own) for k in places] for sweep, places in sweeps.items()}}
    return said


def markdown(result: dict[str, Any]) -> str:
    """Return the tables of a result: error in cm, its interval, and times that in software."""
    lines = []
    for sweep, title in (('noise', 'noise x {:g}'), ('stuck', '{:.0%} stuck')):
        heads = [title.format(value) for value in result[sweep]]
        lines += [f'| | software | {" | ".join(heads)} |', '|---' * (len(heads) + 2) + '|']
        for who, found in result['contestants'].items():
            cells = ['{mean:.1f} ({ci95[0]:.1f} to {ci95[1]:.1f}), x {times:.1f}'.format(**point)
                     for point in found[sweep]]
            own = '{mean:.2f} ({ci95[0]:.2f} to {ci95[1]:.2f})'.format(**found['software_cm'])
            lines.append(f'| {who} | {own} | {" | ".join(cells)} |')
        lines.append('')
    return '\n'.join(lines)


def _point(chip: np.ndarray, software: np.ndarray) -> dict[str, Any]:
    return {'errors': chip.tolist(), 'mean': float(chip.mean()),
            'median': float(np.median(chip)), 'ci95': interval(chip),
            'times': float(chip.mean() / software.mean()),
            'times_ci95': interval(chip, software)}


def _prepared(contest: Contest, piece: Piece) -> list[OneShotModel]:
    """Return the model that a contestant brings to the chip for each movement."""
    model = contest.other if piece.contestant == EXACT_META else contest.model
    if piece.contestant in (LEARNS, EXACT_META):
        return [model] * len(piece.numbers)
    if piece.contestant == PROGRAMMED:
        return [_updated(model, contest.arm, contest.movements.chosen([number]))
                for number in piece.numbers]
    seeds = [contest.seed + number for number in piece.numbers]
    config, plastic_rows = model.config, None
    start = untrained(config, seeds)
    if piece.contestant == TUNED:
        start, plastic_rows = begun(model, len(seeds)), config.plastic_rows
    networks = train(config, contest.arm, contest.movements.chosen(piece.numbers), start,
                     [torch.Generator().manual_seed(_CHANCE + seed) for seed in seeds],
                     noise_of(model) if piece.contestant == ORDINARY_NOISY else StandIn(),
                     contest.schedule, plastic_rows)
    return [networks.model(k, model) for k in range(len(seeds))]


def _updated(model: OneShotModel, arm: Arm, movement: Movements) -> OneShotModel:
    """Return a model whose initial weights are those after its one update, in software."""
    trainee = Trainee(model, SOFTWARE.fresh_synapses(model, 0))
    signals = learning_signals(model, model.config.watched(arm, movement.path()))
    delta = weight_update(model, trainee.trial().eligibility, signals)[0]
    limit = model.config.weight_limits()
    weights = (model.weights['trainee'] + delta).clamp(-limit, limit)
    return replace(model, weights={**model.weights, 'trainee': weights})


def _error(contest: Contest, contestant: str, model: OneShotModel, number: int,
           conditions: Conditions) -> float:
    movement = contest.movements.chosen([number])
    trainee = Trainee(model, conditions.fresh_synapses(model, contest.seed + number))
    if contestant in (LEARNS, EXACT_META):
        return learn_once(model, contest.arm, movement, trainee, age=conditions.age
                          ).tip_rmse_cm[1]
    trainee.synapses.wait(conditions.age)
    return float(tip_rmse_cm(trainee.trial().velocity[None], movement, contest.arm))
