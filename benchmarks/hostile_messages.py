# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Gives thousands of hostile messages to every subscription of every node, in this process.

    python benchmarks/hostile_messages.py --count 20000

Says for each node how many messages were refused, and which exceptions came out of a callback,
which end a process, or were caught as unexpected.
"""

import argparse
import logging
import os
from pathlib import Path
import sys
import tempfile
import time

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'test' / 'nodes'))

import hostile
import torch

from smallbot.models.weights_file import save_model
from smallbot.one_shot.model import initial_weights, load_model, ModelConfig, OneShotModel


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--count', type=int, default=2000, help='messages for each node')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--nodes', default=','.join(hostile.NODES))
    parser.add_argument('--huge', action='store_true', help='also those of a million elements')
    chosen = parser.parse_args()
    logging.disable()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the middleware writes a line for each
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        config = ModelConfig(steps=100, neurons=40, generator_neurons=40)
        path = save_model(OneShotModel(config, initial_weights(
            config, torch.Generator().manual_seed(5)), 'small'), Path(folder))
        model = load_model(str(path))
        for name in chosen.nodes.split(','):
            bench = hostile.Bench(name, path, Path(folder) / 'bags')
            services = [each for each in bench.triggers() if each != 'release']
            began = time.monotonic()
            given = bench.fuzz(chosen.count, model, chosen.seed, tuple(services))
            if chosen.huge:
                for subscription in bench.node.subscriptions:
                    for message in hostile.huge_messages(subscription.msg_type):
                        bench.give(subscription, message)
                        given += 1
            refused = sum(tally.count for tally in getattr(bench.node, 'refusals', {}).values())
            caught = {key: tally.count
                      for key, tally in getattr(bench.node, 'failures', {}).items()}
            print(f'{name}: {given} messages to {len(list(bench.node.subscriptions))} '
                  f'subscriptions in {time.monotonic() - began:.0f} s, {refused} refused, '
                  f'{sum(bench.ended.values())} ended it, {sum(caught.values())} unexpected',
                  flush=True)
            for what, times in [*bench.ended.most_common(12), *caught.items()]:
                print(f'  {times:6d} {what}', flush=True)
            wrong += bool(bench.ended or caught)
            bench.close()
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
