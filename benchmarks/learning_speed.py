# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Time one demonstration's learning and the steps of its playback, on one thread.

    python benchmarks/learning_speed.py [--model ed_scorbot] [--tasks 20]

`learn` is all that happens from `~/learn` to `programmed` besides messages: the generator, the
update, its programming and the rehearsal; the first trial that the traces need is run when the
controller starts, and timed apart. A step is one read of the chip and one step of the neurons, of
which a control period holds one or two. Run it on an idle machine.
"""

import argparse
import time

import numpy as np
import torch

from smallbot.experiment.figures import VALIDATION_SEED
from smallbot.one_shot.learner import learning_signals, weight_update
from smallbot.one_shot.model import arm_of, load_model
from smallbot.one_shot.playback import Playback
from smallbot.one_shot.rehearsal import rehearse
from smallbot.one_shot.trainee import Trainee
from smallbot.study.conditions import Conditions
from smallbot.study.evaluation import draw_movements
from smallbot.study.on_arm import PERIOD


def main():
    """Print medians and 99th percentiles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', default='ed_scorbot')
    parser.add_argument('--tasks', type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(args.model)
    arm = arm_of(model.config)
    movements = draw_movements('paper', args.tasks, model.config, arm, VALIDATION_SEED)
    playback = Playback(arm.limits, model.steps, model.step_seconds, PERIOD)
    found = {'first trial, ms': [], 'generator and update, ms': [], 'programming, ms': [],
             'rehearsal, ms': [], 'learn, ms': [], 'step, ms': []}
    for k, path in enumerate(movements.path()):
        trainee = Trainee(model, Conditions().fresh_synapses(model, k))
        marks = [time.perf_counter()]
        eligibility = trainee.trial().eligibility
        marks.append(time.perf_counter())
        signals = learning_signals(model, model.config.watched(arm, path[None]))
        delta = weight_update(model, eligibility, signals)[0]
        marks.append(time.perf_counter())
        trainee.program(delta)
        marks.append(time.perf_counter())
        rehearse(trainee, path.double().numpy(), arm, playback.trial_seconds, playback)
        marks.append(time.perf_counter())
        for name, spent in zip(found, np.diff(marks), strict=False):
            found[name].append(1e3 * spent)
        found['learn, ms'].append(1e3 * (marks[4] - marks[1]))
        trainee.synapses.wait(300.0)
        trainee.synapses.matvec(torch.zeros(1, trainee.synapses.inputs))
        for _ in range(model.steps):
            began = time.perf_counter()
            trainee.step()
            found['step, ms'].append(1e3 * (time.perf_counter() - began))
    print(f'model {model.name}, {args.tasks} movements, one thread\n'
          f'{"":26}{"median":>9}{"99 %":>9}{"worst":>9}')
    for name, spent in found.items():
        print(f'{name:26}{np.median(spent):9.3f}{np.percentile(spent, 99):9.3f}'
              f'{max(spent):9.3f}')


if __name__ == '__main__':
    main()
