# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Damage own files, and count what is still read as good.

    python benchmarks/flipped_bits.py [--flips 10000] [--seed 0]

Of each kind (a model's card, its weights, a chip, a checkpoint) a small file is written, then one
of its bits flipped, or the file cut, each time anew. What comes of it: refused in one line; read
right, the flip having changed nothing that is read; read wrong; or another exception, which would
end a program with a traceback. Prints a table in Markdown.
"""

import argparse
from collections import Counter
import copy
from dataclasses import replace
from pathlib import Path
import random
import tempfile

import torch

from smallbot.errors import InputError
from smallbot.experiment.checkpoint import CHECKPOINT
from smallbot.models.weights_file import save_model
from smallbot.one_shot.model import initial_weights, load_model, OneShotModel
from smallbot.one_shot.trainee import prepare_synapses
from smallbot.outer_loop.checkpoint import read_checkpoint
from smallbot.outer_loop.configuration import MetaConfig
from smallbot.outer_loop.run import MetaTraining
from smallbot.synapses.chip import ChipSynapses

OUTCOMES = ('refused in one line', 'read right', 'read wrong', 'other exception')


def same(one, other) -> bool:
    """Return whether plain values and tensors within each other are the same."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.shape == other.shape and bool(
            torch.equal(one, other))
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(
            same(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)):
        return isinstance(other, (list, tuple)) and len(one) == len(other) and all(
            map(same, one, other))
    return one == other


def made(folder: Path) -> dict:
    """Write a file of each kind; returns its path and what reads it, by kind."""
    small = MetaConfig(iterations=12, batch=6, window_range=(20, 40), seed=4)
    small = replace(small, model=replace(small.model, neurons=24, generator_neurons=16, steps=60))
    weights = initial_weights(small.model, torch.Generator().manual_seed(0))
    limits = small.model.weight_limits()
    weights['trainee'].clamp_(-limits, limits)
    model = OneShotModel(small.model, weights, 'small', {'seed': 0, 'made_by': 'a benchmark'})
    path = save_model(model, folder)
    prepare_synapses(model, 'chip', 0).save(folder / 'chip', {'model': 'small', 'learned': None})
    run = MetaTraining(small)
    run.step()
    run.save(folder)

    def model_again(_):
        found = load_model(path)
        return [found.config, found.weights, found.name, found.card]

    def chip_again(file):
        synapses, notes = ChipSynapses.load(file)
        return [synapses.core.to_tensors(), synapses.mask, synapses.granularity, notes,
                synapses.density]

    return {'card': (path.with_suffix('.json'), model_again), 'weights': (path, model_again),
            'chip': (folder / 'chip', chip_again),
            'checkpoint': (folder / CHECKPOINT, lambda file: list(read_checkpoint(file.parent)))}


def outcome(path: Path, read, whole) -> str:
    """Return what comes of reading a damaged file."""
    try:
        found = read(path)
    except InputError as error:
        return OUTCOMES[0] if '\n' not in str(error) else OUTCOMES[3]
    except Exception:
        return OUTCOMES[3]
    return OUTCOMES[1] if same(found, whole) else OUTCOMES[2]


def tried(path: Path, read, flips: int, cuts: int, chance: random.Random) -> dict[str, Counter]:
    """Return the outcomes of flips and of cuts, the empty file among them."""
    content, whole = path.read_bytes(), copy.deepcopy(read(path))  # which may be mapped memory
    found = {'flips': Counter(), 'cuts': Counter()}
    for _ in range(flips):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        found['flips'][outcome(path, read, whole)] += 1
    for length in [0, len(content) - 1, *(chance.randrange(len(content)) for _ in range(cuts))]:
        path.write_bytes(content[:length])
        found['cuts'][outcome(path, read, whole)] += 1
    path.write_bytes(content)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--flips', type=int, default=10_000, help='of each kind')
    parser.add_argument('--cuts', type=int, default=1000, help='of each kind')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    chance = random.Random(args.seed)
    print(f'| kind | damage | tried | {" | ".join(OUTCOMES)} |\n|---|---|---|---|---|---|---|')
    with tempfile.TemporaryDirectory() as folder:
        for kind, (path, read) in made(Path(folder)).items():
            for damage, counts in tried(path, read, args.flips, args.cuts, chance).items():
                cells = ' | '.join(str(counts[name]) for name in OUTCOMES)
                print(f'| {kind} | {damage} | {counts.total()} | {cells} |', flush=True)


if __name__ == '__main__':
    main()
