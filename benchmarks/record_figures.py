# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Measure a model under the conditions of record and write the figures into its card.

    python benchmarks/record_figures.py [MODEL.safetensors] [--tasks 100] [--only TEXT]

What the tables of README and docs say comes from the card of the shipped model; `tables.py`
writes them. `--only` measures the rows whose name contains TEXT and keeps the others, if they
were taken with the same weights. Ctrl-C keeps the rows that are done. About a quarter of an hour
on two cores.
"""

import argparse
from dataclasses import replace
from pathlib import Path
import time

import numpy as np

from smallbot.demonstration.drawings import drawings_of
from smallbot.experiment.figures import spread, TEST_SEED
from smallbot.experiment.workers import cores, results
from smallbot.models.weights_file import CardFormat, MODELS, MOVEMENTS, read_card, write_card
from smallbot.one_shot.families import Movements
from smallbot.one_shot.model import arm_of, load_model
from smallbot.study.conditions import Conditions
from smallbot.study.evaluation import draw_movements, evaluate, summary
from smallbot.study.on_arm import Execution

CHIP, SOFTWARE = Conditions(), Conditions('software')
HOUR, DAY, MONTH = 3600.0, 86400.0, 30 * 86400.0
ON_SERVO = Execution('measured', 4.0, 1.0, (0.40, 0.48))
OTHER_SEEDS = (3000, 4000)
ROWS = {
    'software': ('paper', SOFTWARE),
    'chip': ('paper', CHIP),
    'pen, software': ('pen', SOFTWARE),
    'pen, chip': ('pen', CHIP),
    'chip, at most 10 % of the cells': ('paper', replace(CHIP, cells=0.1)),
    'chip, an hour later': ('paper', replace(CHIP, age=HOUR)),
    'chip, a day later': ('paper', replace(CHIP, age=DAY)),
    'chip, 30 days later': ('paper', replace(CHIP, age=MONTH)),
    'chip, 30 days later, calibrated for reading': (
        'paper', replace(CHIP, age=MONTH, recalibrate=True)),
    'pen, chip, a day later': ('pen', replace(CHIP, age=DAY)),
    'pen, chip, 30 days later, calibrated for reading': (
        'pen', replace(CHIP, age=MONTH, recalibrate=True)),
    'chip, 5 % of the devices stuck': ('paper', replace(CHIP, stuck=0.05)),
    'pen, chip, 5 % of the devices stuck': ('pen', replace(CHIP, stuck=0.05)),
    'chip, mujoco': ('paper', replace(CHIP, execution=Execution('mujoco'))),
    'chip, measured arm': ('paper', replace(CHIP, execution=ON_SERVO)),
    'pen, chip, measured arm': ('pen', replace(CHIP, execution=ON_SERVO)),
    **{f'{name}, seed {seed}': (family, conditions) for seed in OTHER_SEEDS
       for name, family, conditions in (('software', 'paper', SOFTWARE),
                                        ('chip', 'paper', CHIP), ('pen, chip', 'pen', CHIP))},
}
CHIPS = 4
"""Chips that learn all movements one after another."""
AGAIN = 'one after another'


def main():
    """Evaluate the rows asked for; each is in the card as soon as it is done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', type=Path, nargs='?', default=MODELS / 'ed_scorbot.safetensors')
    parser.add_argument('--tasks', type=int, default=100, help='Brownian movements of a row')
    parser.add_argument('--only', default='', metavar='TEXT')
    args = parser.parse_args()
    model = load_model(args.model)
    arm = arm_of(model.config)
    card_path = args.model.with_suffix('.json')
    for name in [name for name in (*ROWS, AGAIN) if args.only in name]:
        began = time.perf_counter()
        if name == AGAIN:
            found = _one_after_another(model, arm, args.tasks)
        else:
            family, conditions = ROWS[name]
            if family == 'pen' and len(model.joints) != 2:
                continue
            tasks = len(drawings_of('test')) if family == 'pen' else args.tasks
            seed = int(name.rpartition('seed ')[2]) if 'seed' in name else TEST_SEED
            movements = draw_movements(family, tasks, model.config, arm, seed)
            done = evaluate(model, arm, movements, conditions, seed, processes=cores())
            found = summary(model, done, conditions, seed)
            found.update(family=family)
            found.pop('model')
            found.pop('weights')
            print(f'| {name} | {found["tip_rmse_cm"]["after"]["mean"]:.2f} |', flush=True)
        found['seconds'] = time.perf_counter() - began
        keep(card_path, model.digest, name, found)


def keep(card_path: Path, digest: str, name: str, found: dict,
         form: CardFormat = MOVEMENTS) -> None:
    """Write one row into the card; rows of other weights are dropped."""
    card = read_card(card_path, form)
    figures = card.get('figures', {})
    if figures.get('digest') != digest:
        figures = {'digest': digest}
    figures[name] = _rounded(found)
    card['figures'] = figures
    write_card(card_path, card, form)


def _one_after_another(model, arm, tasks: int) -> dict:
    """Return errors of the first and the last quarter of movements learned on the same chip."""
    movements = draw_movements('paper', tasks, model.config, arm, TEST_SEED)
    seeds = [TEST_SEED + 10 ** 6 * (1 + k) for k in range(CHIPS)]
    errors = np.array([error for _, error in sorted(results(
        _errors, (model, arm, movements), seeds, cores()))])
    quarter = max(1, tasks // 4)
    again = {'chips': CHIPS, 'movements': tasks, 'first': spread(errors[:, :quarter].ravel()),
             'last': spread(errors[:, -quarter:].ravel())}
    print(f'| {AGAIN} | {again["first"]["mean"]:.2f} first, {again["last"]["mean"]:.2f} last |')
    return again


def _errors(model, arm, movements: Movements, seed: int) -> list[float]:
    done = evaluate(model, arm, movements, Conditions(same_chip=True), seed)
    return [p.tip_rmse_cm[1] for p in done]


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f'{value:.4g}') if isinstance(value, float) else value


if __name__ == '__main__':
    main()
