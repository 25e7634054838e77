# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Time the trainee on its chip; `smallbot chip benchmark` times a core by itself.

    OMP_NUM_THREADS=1 python benchmarks/chip_speed.py
"""

import statistics
import time

import torch

from smallbot.one_shot.model import load_model
from smallbot.one_shot.trainee import prepare_synapses, Trainee


def median_seconds(action, repeats):
    action()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def main():
    model = load_model()
    synapses = prepare_synapses(model, 'chip')
    generator = torch.Generator().manual_seed(0)
    spikes = (torch.rand(90, synapses.inputs, generator=generator) < 0.02).float()
    delta = 0.01 * torch.randn(synapses.outputs, synapses.inputs, generator=generator)
    trainee = Trainee(model, synapses)
    for name, action, repeats in (
            ('read, batch 1', lambda: synapses.matvec(spikes[:1]), 500),
            ('read, batch 90', lambda: synapses.matvec(spikes), 50),
            ('trial of the trainee', trainee.trial, 10),
            ('update', lambda: synapses.copy().update(delta), 10),
            ('first read after a wait', lambda: (synapses.wait(1.0), synapses.matvec(spikes[:1])),
             10),
            ('prepare (program, age, calibrate)', lambda: prepare_synapses(model, 'chip'), 5)):
        print(f'{name:34}{1e6 * median_seconds(action, repeats):12.0f} us')


if __name__ == '__main__':
    main()
