# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Compare what rehearsals expect with what playbacks reach, and time a rehearsal.

    python benchmarks/rehearsal.py [--model PATH] [--tasks 40] [--json FILE] [--figure FILE.png]

Half of the movements are Brownian, half pen strokes (all Brownian where the model does not drive
two joints), each on a chip of its own: fresh, a day old and calibrated for reading, and with 5 %
of the devices stuck. A rehearsal and the playback after it have the noise of a trial each, so
that neither can know all of the other. `--figure docs/rehearsal.png` draws the picture in docs.
"""

import argparse
from dataclasses import replace
from pathlib import Path
import time

from matplotlib.figure import Figure
import numpy as np
import torch
from tqdm import tqdm

from smallbot.arm.kinematics import Arm
from smallbot.experiment.figures import VALIDATION_SEED
from smallbot.experiment.workers import cores
from smallbot.files.writing import write_json
from smallbot.kinds import PROCESSES, SEED, Whole
from smallbot.one_shot.model import arm_of, DEFAULT_MODEL, load_model, OneShotModel
from smallbot.one_shot.playback import Playback
from smallbot.one_shot.rehearsal import rehearse
from smallbot.one_shot.trainee import Trainee
from smallbot.plots.common.saving import save_figure
from smallbot.plots.common.style import MUTED, put_title, SERIES, styled
from smallbot.study.conditions import Conditions
from smallbot.study.evaluation import correlation, draw_movements, evaluate
from smallbot.study.on_arm import PERIOD

CHIP = Conditions()
CONDITIONS = {
    'fresh': CHIP,
    'a day old, calibrated for reading': replace(CHIP, age=86400.0, recalibrate=True),
    '5 % of the devices stuck': replace(CHIP, stuck=0.05),
}
TIMED = 20
"""Rehearsals that are timed."""


def main() -> None:
    """Measure, print a table in Markdown, write and draw what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', default=DEFAULT_MODEL)
    parser.add_argument('--tasks', type=Whole(2, 10_000), default=40)
    parser.add_argument('--seed', type=SEED, default=VALIDATION_SEED)
    parser.add_argument('--processes', type=PROCESSES, default=cores())
    parser.add_argument('--json', type=Path, metavar='FILE')
    parser.add_argument('--figure', type=Path, metavar='FILE.png')
    args = parser.parse_args()
    model = load_model(args.model)
    arm = arm_of(model.config)
    families = ('paper', 'pen') if len(model.joints) == 2 else ('paper',)
    result = {'model': model.name, 'weights': model.digest, 'seed': args.seed,
              'tasks': args.tasks // len(families) * len(families), 'conditions': {}}
    bar = tqdm(total=result['tasks'] * len(CONDITIONS))
    for name, conditions in CONDITIONS.items():
        done = []
        for family in families:
            movements = draw_movements(family, args.tasks // len(families), model.config, arm,
                                       args.seed)
            done += evaluate(model, arm, movements, conditions, args.seed,
                             lambda *_: bar.update(), args.processes)
        result['conditions'][name] = {
            'expected': [p.expected.tip_rmse_cm for p in done],
            'reached': [p.tip_rmse_cm[1] for p in done],
            'refused': sum(bool(p.expected.refusal()) for p in done)}
    bar.close()
    result['milliseconds'] = spent_on(model, arm, args.seed)
    result['all'] = {key: sum((found[key] for found in result['conditions'].values()), start)
                     for key, start in (('expected', []), ('reached', []), ('refused', 0))}
    print(table(result))
    if args.json:
        write_json(args.json, result)
    if args.figure:
        draw(result, args.figure)


def spent_on(model: OneShotModel, arm: Arm, seed: int) -> dict[str, float]:
    """Return how long rehearsals of the first movement take on one thread, ms."""
    torch.set_num_threads(1)
    movement = draw_movements('paper', 1, model.config, arm, seed)
    trainee = Trainee(model, CHIP.fresh_synapses(model, seed))
    playback = Playback(arm.limits, model.steps, model.step_seconds, PERIOD)
    positions = movement.path()[0].double().numpy()
    spent = []
    for _ in range(TIMED + 1):
        began = time.perf_counter()
        rehearse(trainee, positions, arm, playback.trial_seconds, playback)
        spent.append(1e3 * (time.perf_counter() - began))
    return {'median': float(np.median(spent[1:])), 'worst': max(spent[1:])}


def table(result: dict) -> str:
    """Return the figures as text."""
    lines = [f'{result["tasks"]} movements on the chip, model {result["model"]} '
             f'({result["weights"]}), seed {result["seed"]}; a rehearsal takes '
             f'{result["milliseconds"]["median"]:.0f} ms, at worst '
             f'{result["milliseconds"]["worst"]:.0f} ms of {TIMED}', '',
             '| condition | expected, cm | reached, cm | correlation | of logarithms | half are '
             'within | refused |', '|---|---|---|---|---|---|---|']
    for name, found in (*result['conditions'].items(), ('all', result['all'])):
        expected, reached = np.array(found['expected']), np.array(found['reached'])
        apart = np.median(np.abs(expected - reached))
        lines.append(
            f'| {name} | {expected.mean():.2f} | {reached.mean():.2f} '
            f'| {correlation(expected, reached):.3f} '
            f'| {correlation(np.log(expected), np.log(reached)):.3f} | {apart:.2f} cm '
            f'| {found["refused"]} |')
    return '\n'.join(lines)


@styled
def draw(result: dict, path: Path) -> None:
    """Draw reached over expected errors, a point for each movement, into a PNG file."""
    figure = Figure(figsize=(6, 6), layout='constrained')
    axes = figure.subplots()
    every = result['all']['expected'] + result['all']['reached']
    ends = 0.8 * min(every), 1.25 * max(every)
    axes.plot(ends, ends, color=MUTED, lw=1, zorder=0)
    for (name, found), colour in zip(result['conditions'].items(), SERIES, strict=False):
        axes.plot(found['expected'], found['reached'], 'o', ms=5, alpha=0.75, color=colour,
                  mec='none', label=name)
    axes.set(xscale='log', yscale='log', xlim=ends, ylim=ends, aspect='equal',
             xlabel='expected by the rehearsal, cm', ylabel='reached by the playback, cm')
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter('{x:g}')
        axis.set_minor_formatter('{x:g}')
    axes.tick_params(which='minor', labelsize=7)
    together = correlation(*(np.array(result['all'][key]) for key in ('expected', 'reached')))
    axes.legend(title=f'correlation of all {together:.2f}')
    put_title(figure, f'{result["tasks"]} movements on the chip',
              f'model {result["model"]} ({result["weights"]}), seed {result["seed"]}')
    save_figure(figure, path)


if __name__ == '__main__':
    main()
