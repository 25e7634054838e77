"""Measure a model on the seed of record, print the table and write the figures into its card.

    python benchmarks/record_figures.py smallbot/models/ed_scorbot.safetensors [--tasks 100]

Ctrl-C ends it with nothing written. About ten minutes on two cores.
"""

import argparse
from dataclasses import replace
import json
from pathlib import Path
import time

import numpy as np

from smallbot.files import write_json
from smallbot.one_shot.families import Movements
from smallbot.one_shot.figures import spread, TEST_SEED
from smallbot.one_shot.model import arm_of, load_model
from smallbot.outer_loop.workers import cores, results
from smallbot.study.conditions import Conditions
from smallbot.study.evaluation import draw_movements, evaluate, summary

CHIP = Conditions()
MONTH = 30 * 86400.0
ROWS = {
    'software': ('paper', Conditions('software')),
    'chip': ('paper', CHIP),
    'chip, at most 10 % of the cells': ('paper', replace(CHIP, cells=0.1)),
    'chip, at most 3 % of the cells': ('paper', replace(CHIP, cells=0.03)),
    'chip, 30 days later': ('paper', replace(CHIP, age=MONTH)),
    'chip, 30 days later, calibrated again': ('paper', replace(CHIP, age=MONTH,
                                                               recalibrate=True)),
    'chip, 5 % of the devices stuck': ('paper', replace(CHIP, stuck=0.05)),
    'pen, software': ('pen', Conditions('software')),
    'pen, chip': ('pen', CHIP),
}
CHIPS = 4
"""Chips that learn all movements one after another."""


def main():
    """Evaluate all rows, then several movements after each other on the same chips."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', type=Path)
    parser.add_argument('--tasks', type=int, default=100)
    args = parser.parse_args()
    model = load_model(args.model)
    arm = arm_of(model.config)
    figures, fresh = {}, None
    print('| condition | mean, cm | 95 % interval | s.d. | median | cells written | before, cm |')
    print('|---|---|---|---|---|---|---|', flush=True)
    for name, (family, conditions) in ROWS.items():
        if family == 'pen' and len(model.joints) != 2:
            continue
        began = time.perf_counter()
        movements = draw_movements(family, args.tasks, model.config, arm, TEST_SEED)
        done = evaluate(model, arm, movements, conditions, TEST_SEED, processes=cores())
        figures[name] = summary(model, done, conditions, TEST_SEED)
        figures[name].update(family=family, seconds=time.perf_counter() - began)
        figures[name].pop('model')
        print(_row(name, figures[name]), flush=True)
        if name == 'chip':
            fresh = np.array([p.tip_rmse_cm[1] for p in done])
    figures['one after another'] = again = _one_after_another(model, arm, args.tasks, fresh)
    print(f'\nOn {CHIPS} chips that learned and forgot {args.tasks} movements one after another, '
          f'against fresh chips: {again["first"]["mean"]:.2f} against '
          f'{again["first_fresh"]["mean"]:.2f} cm in the first quarter, '
          f'{again["last"]["mean"]:.2f} against {again["last_fresh"]["mean"]:.2f} cm in the last.')
    path = args.model.with_suffix('.json')
    card = json.loads(path.read_text())
    card['figures'] = _rounded(figures)
    write_json(path, card)


def _one_after_another(model, arm, tasks: int, fresh: np.ndarray) -> dict:
    """Return errors of the first and the last quarter of movements learned on the same chip."""
    movements = draw_movements('paper', tasks, model.config, arm, TEST_SEED)
    seeds = [TEST_SEED + 10 ** 6 * (1 + k) for k in range(CHIPS)]
    errors = np.array([error for _, error in sorted(results(
        _errors, (model, arm, movements), seeds, cores()))])
    quarter = max(1, tasks // 4)
    return {'chips': CHIPS, 'movements': tasks,
            'first': spread(errors[:, :quarter].ravel()), 'first_fresh': spread(fresh[:quarter]),
            'last': spread(errors[:, -quarter:].ravel()), 'last_fresh': spread(fresh[-quarter:])}


def _errors(model, arm, movements: Movements, seed: int) -> list[float]:
    done = evaluate(model, arm, movements, Conditions(same_chip=True), seed)
    return [p.tip_rmse_cm[1] for p in done]


def _row(name: str, result: dict) -> str:
    after, before = result['tip_rmse_cm']['after'], result['tip_rmse_cm']['before']
    return (f'| {name} | {after["mean"]:.2f} | {after["ci95"][0]:.2f} to {after["ci95"][1]:.2f} | '
            f'{after["sd"]:.2f} | {after["median"]:.2f} | '
            f'{100 * result["cells_written"]["fraction"]:.1f} % | {before["mean"]:.1f} |')


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f'{value:.4g}') if isinstance(value, float) else value


if __name__ == '__main__':
    main()
