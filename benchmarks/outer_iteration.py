"""Time one outer iteration of meta-training, beside the arithmetic it needs.

    python benchmarks/outer_iteration.py [--generator 300] [--batch 32]

Run it on an idle machine, with OMP_NUM_THREADS=1 for the figure of one core.
"""

import argparse
from dataclasses import replace
import statistics
import time

import torch

from smallbot.arm.kinematics import default_arm
from smallbot.one_shot.meta_training import MetaConfig, MetaTraining
from smallbot.one_shot.model import ModelConfig


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--generator', type=int, default=300, help='neurons of the generator')
    parser.add_argument('--batch', type=int, default=32, help='tasks of an iteration')
    parser.add_argument('--iterations', type=int, default=8)
    args = parser.parse_args()
    model = ModelConfig(generator_neurons=args.generator)
    config = replace(MetaConfig(), model=model, batch=args.batch)
    run = MetaTraining(config, default_arm())
    run.step()
    seconds = []
    for _ in range(args.iterations):
        began = time.perf_counter()
        run.step()
        seconds.append(time.perf_counter() - began)
    b, t, n, k = args.batch, model.steps, model.neurons, model.generator_neurons
    inputs, presynaptic = model.generator_inputs, n + model.clock_neurons
    generator = b * t * k * (inputs + k + n)
    update = b * t * n * presynaptic
    trainee = b * t * n * n
    operations = 3 * generator + 2 * update + 2 * trainee
    print(f'threads {torch.get_num_threads()}, batch {b}, generator {k}, trainee {n}, {t} steps')
    print(f'{statistics.median(seconds):.3f} s an iteration (median of {len(seconds)}, '
          f'{min(seconds):.3f} to {max(seconds):.3f})')
    print(f'{operations / 1e9:.1f} G multiply-adds if every spike were dense: '
          f'{operations / 1e9 / statistics.median(seconds):.1f} G/s')


if __name__ == '__main__':
    main()
