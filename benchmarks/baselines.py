"""Compare one-shot learning with what one gets without the learning signal generator.

    python benchmarks/baselines.py [--model PATH] [--tasks 100] [--family paper] [--out DIR]

Prints a Markdown table and writes `baselines.json`. The baselines run in software; the learning
rates of plain e-prop are sought on the validation seed, on movements of the same family. DMPs
are left out, with a line that says so, where `movement_primitives` is not installed.
"""

import argparse
from functools import partial
from pathlib import Path

from smallbot.cli.arguments import made_folder, whole
from smallbot.files import write_json
from smallbot.one_shot.baselines import BASELINES
from smallbot.one_shot.conditions import Conditions
from smallbot.one_shot.evaluation import (
    draw_movements,
    evaluate,
    spread,
    TEST_SEED,
    tip_rmse_cm,
    VALIDATION_SEED,
)
from smallbot.one_shot.model import arm_of, DEFAULT_MODEL, load_model
from smallbot.one_shot.movement_primitive import MISSING
from smallbot.one_shot.workers import cores, results


def played(model, arm, movements, tuning, name):
    """Return the errors of a baseline, cm, and what it chose; None where it is not installed."""
    try:
        velocity, said = BASELINES[name](model, arm, movements, tuning)
    except ValueError as error:
        if not str(error).startswith(MISSING):
            raise
        return None
    return tip_rmse_cm(velocity, movements, arm).tolist(), said


def row(name, found, said):
    """Return a line of the table."""
    rest = ', '.join(f'{key.replace("_", " ")} {value:.3g}' for key, value in said.items()
                     if key in ('rate', 'weights_per_joint'))
    low, high = found['ci95'] or (found['mean'],) * 2
    return (f'| {name} | {found["mean"]:.2f} ± {found["sd"]:.2f} | {low:.2f} to {high:.2f} | '
            f'{found["median"]:.2f} | {rest} |')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', default=DEFAULT_MODEL)
    parser.add_argument('--tasks', type=whole(1), default=100)
    parser.add_argument('--tuning', type=whole(1), default=32, help='movements to tune on')
    parser.add_argument('--family', choices=('paper', 'pen'), default='paper')
    parser.add_argument('--processes', type=whole(1), default=cores())
    parser.add_argument('--out', type=Path, default=Path('.'))
    args = parser.parse_args()
    out = made_folder(args.out)
    model = load_model(args.model)
    arm = arm_of(model.config)
    draw = partial(draw_movements, args.family, config=model.config, arm=arm)
    movements = draw(args.tasks, seed=TEST_SEED)
    tuning = draw(args.tuning, seed=VALIDATION_SEED)
    lines = {}
    # The longest first, so that no process is left with one at the end.
    names = sorted(BASELINES, key=lambda name: 'e-prop 100' not in name)
    for number, found in results(played, (model, arm, movements, tuning), names, args.processes):
        if found is None:
            print(f'{names[number]} is left out: {MISSING}', flush=True)
            continue
        lines[names[number]] = spread(found[0]), found[1]
    for synapses in ('software', 'chip'):
        done = evaluate(model, arm, movements, Conditions(synapses), TEST_SEED,
                        processes=args.processes)
        lines[f'one-shot, {synapses}'] = spread([p.tip_rmse_cm[1] for p in done]), {}
    order = [name for name in BASELINES if name in lines] + list(lines)[-2:]
    print(f'\n{args.tasks} movements of the {args.family} family, model {model.name}, seed '
          f'{TEST_SEED}; rates sought on {args.tuning} of seed {VALIDATION_SEED}\n\n'
          f'| | tool tip, cm | 95 % interval | median | |\n|---|---|---|---|---|')
    for name in order:
        print(row(name, *lines[name]))
    write_json(out / 'baselines.json', {
        'model': model.name, 'family': args.family, 'tasks': args.tasks, 'seed': TEST_SEED,
        'rows': {name: {'tip_rmse_cm': lines[name][0], **lines[name][1]} for name in order}})


if __name__ == '__main__':
    main()
