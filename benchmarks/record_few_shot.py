# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Measure a model for few-shot images under the conditions of record, into its card.

    python benchmarks/record_few_shot.py [MODEL.safetensors] [--data FILE.npz] [--tasks 600]

The tasks are of the 90 characters that come with the package, or of FILE. What the tables of
README and docs say comes from the card of the shipped model; `tables.py` writes them. `--only`
measures the rows whose name contains TEXT and keeps the others, if they were taken with the same
weights; with `--tasks 200` it was done for those that change little. Ctrl-C keeps the
rows that are done. About twenty minutes on two cores.
"""

import argparse
from dataclasses import replace
from pathlib import Path
import time

from record_figures import keep

from smallbot.experiment.figures import TEST_SEED, VALIDATION_SEED
from smallbot.experiment.workers import cores
from smallbot.few_shot.baselines import BASELINES, compared
from smallbot.few_shot.evaluation import draw, evaluate, ImageConditions, QUERIES, summary
from smallbot.few_shot.images.sources import read_part
from smallbot.few_shot.model import load_image_model
from smallbot.few_shot.network import Statistics
from smallbot.models.weights_file import IMAGES, MODELS
from smallbot.synapses.granularity import Granularity

CHIP, SOFTWARE = ImageConditions(), ImageConditions('software')
MONTH = 30 * 86400.0
TUNING = 100
KINDS = {'5-way 5-shot': (5, 5), '5-way 1-shot': (5, 1), '20-way 1-shot': (20, 1),
         '20-way 5-shot': (20, 5)}
CONDITIONS = {
    'software': SOFTWARE,
    'chip': CHIP,
    'chip, a day later': replace(CHIP, age=86400.0),
    'chip, 30 days later': replace(CHIP, age=MONTH),
    'chip, 30 days later, calibrated for reading': replace(CHIP, age=MONTH, recalibrate=True),
    'chip, 5 % of the devices stuck': replace(CHIP, stuck=0.05),
    'chip, twice the noise': replace(CHIP, noise=2.0),
    'chip, updates rounded to 4 bits': replace(CHIP, granularity=Granularity(step=1 / 8)),
    'chip, statistics of the examples': replace(CHIP, statistics=Statistics.SUPPORT),
    'software, statistics of the batch': replace(SOFTWARE, statistics=Statistics.BATCH),
}
ROWS = {f'{kind}, {name}': (*sizes, conditions) for kind, sizes in KINDS.items()
        for name, conditions in CONDITIONS.items() if kind == '5-way 5-shot'
        or name in ('software', 'chip') or kind == '5-way 1-shot' and 'batch' in name}
COMPARED = ('5-way 5-shot', '5-way 1-shot', '20-way 1-shot')


def main():
    """Evaluate the rows asked for; each is in the card as soon as it is done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', type=Path, nargs='?', default=MODELS / 'omniglot.safetensors')
    parser.add_argument('--data', type=Path)
    parser.add_argument('--tasks', type=int, default=600)
    parser.add_argument('--only', default='', metavar='TEXT')
    args = parser.parse_args()
    model, images = load_image_model(args.model), read_part(args.data)
    card = args.model.with_suffix('.json')
    for name, (ways, shots, conditions) in ROWS.items():
        if args.only not in name:
            continue
        began = time.perf_counter()
        tasks = draw(images, ways, shots, QUERIES, args.tasks, TEST_SEED)
        told = evaluate(model, images, tasks, conditions, TEST_SEED, processes=cores())
        found = summary(model, images, tasks, told, conditions, TEST_SEED)
        found = {key: value for key, value in found.items() if key not in ('model', 'weights')}
        found['seconds'] = time.perf_counter() - began
        print(f'| {name} | {found["accuracy"][-1]["mean"]:.2f} |', flush=True)
        keep(card, model.digest, name, found, IMAGES)
    for kind in COMPARED:
        ways, shots = KINDS[kind]
        tasks = draw(images, ways, shots, QUERIES, args.tasks, TEST_SEED)
        tuning = draw(images, ways, shots, QUERIES, TUNING, VALIDATION_SEED)
        for name in BASELINES:
            row = f'{kind}, {name}'
            if args.only in row:
                found = compared(model, images, tasks, tuning, name)
                print(f'| {row} | {found["accuracy"]["mean"]:.2f} |', flush=True)
                keep(card, model.digest, row, found, IMAGES)


if __name__ == '__main__':
    main()
