# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Time an outer iteration of meta-training beside the arithmetic it needs.

    python benchmarks/outer_iteration.py [--generator 800] [--batch 90] [--processes 1 2]

Without sizes: the paper's (generator 800, batch 90, no noise) and the shipped model's, with one
process and with one for each core. Run it on an idle machine; on another, the processor's seconds
of one process say more than the clock's.
"""

import argparse
from dataclasses import replace
import multiprocessing
import resource
import statistics
import time

import torch

from smallbot.experiment.processes import in_processes
from smallbot.experiment.workers import cores
from smallbot.outer_loop.configuration import load_config, MetaConfig
from smallbot.outer_loop.run import MetaTraining
from smallbot.share import share_directory

SHIPPED = share_directory() / 'config' / 'meta' / 'ed_scorbot.yaml'


def paper() -> MetaConfig:
    """The paper's sizes; what the neurons do is that of a run of ours after a few iterations."""
    config = MetaConfig(batch=90, device_noise=0.0, dead_band=0.0)
    return replace(config, model=replace(config.model, generator_neurons=800))


def operations(config: MetaConfig, hertz: tuple[float, float]) -> dict[str, float]:
    """Return the multiply-adds of an iteration: all of them, and those that a spike starts."""
    model = config.model
    t, n, k, n_in = model.steps, model.neurons, model.generator_neurons, model.clock_neurons
    each = config.batch * t
    trainee, generator = (each * 1e-3 * rate for rate in hertz)
    inputs = 2 * each * model.generator_inputs * k
    update = 2 * each * n * (n_in + n)
    return {
        'dense': each * (k * k + k * n + n * n) * 3 + inputs + update,
        'needed': each * (k * k + k * n + n * n) + inputs + update
        + 2 * (generator * k * (k + n) + trainee * n * n),
    }


def measure(group, config: MetaConfig, iterations: int) -> int:
    """Time iterations in every process of `group`; the first one tells."""
    run = MetaTraining(config, group)
    for _ in range(3):
        parts = run.step()
    seconds, busy = [], []
    for _ in range(iterations):
        began, worked = time.perf_counter(), time.process_time()
        parts = run.step()
        seconds.append(time.perf_counter() - began)
        busy.append(time.process_time() - worked)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    megabytes = float(group.total(torch.tensor(peak)))
    if group.leads:
        result = {
            'generator': config.model.generator_neurons, 'trainee': config.model.neurons,
            'batch': config.batch, 'steps': config.model.steps, 'processes': group.size,
            'seconds': statistics.median(seconds), 'fastest': min(seconds),
            'slowest': max(seconds), 'busy': statistics.median(busy),
            'megabytes': megabytes,
            'generator_hz': parts.generator_hz, 'trainee_hz': parts.trainee_hz,
            **operations(config, (parts.trainee_hz, parts.generator_hz))}
        print('{generator:9d} {trainee:7d} {batch:5d} {processes:9d}  {seconds:6.3f} '
              '({fastest:.3f} to {slowest:.3f})  {busy:6.3f}  {megabytes:6.0f}'.format(**result)
              + '  {:6.1f} {:7.1f} {:6.1f}'.format(
                  result['dense'] / 1e9, result['needed'] / 1e9,
                  result['needed'] / 1e9 / result['seconds']), flush=True)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--generator', type=int, help='neurons of the generator')
    parser.add_argument('--batch', type=int, help='tasks of an iteration')
    parser.add_argument('--processes', type=int, nargs='+', default=[1, cores()])
    parser.add_argument('--iterations', type=int, default=8)
    args = parser.parse_args()
    configs = [paper(), load_config(SHIPPED)]
    if args.generator or args.batch:
        sizes = replace(configs[0].model, generator_neurons=args.generator or 800)
        configs = [replace(configs[0], model=sizes, batch=args.batch or 90)]
    print('generator trainee batch processes  s an iteration (range)   of one      MB'
          '   G multiply-adds'
          '\n                                                            processor'
          '           dense  needed  needed/s')
    for config in configs:
        for processes in dict.fromkeys(args.processes):
            fresh = multiprocessing.get_context('spawn').Process(
                target=in_processes, args=(measure, processes, config, args.iterations))
            fresh.start()
            fresh.join()


if __name__ == '__main__':
    main()
