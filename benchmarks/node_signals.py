# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Sends SIGINT or SIGTERM, once or twice, to a node at random moments from its first import on.

    python benchmarks/node_signals.py --node snn_controller --times 30

Says how long it then took to end, with which code, and what it wrote.
"""

import argparse
from collections import Counter
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
import tempfile
import time


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--node', default='snn_controller')
    parser.add_argument('--times', type=int, default=30)
    parser.add_argument('--within', type=float, default=8.0, help='latest moment, s')
    parser.add_argument('--seed', type=int, default=0)
    chosen = parser.parse_args()
    chance = random.Random(chosen.seed)
    environment = {key: value for key, value in os.environ.items()
                   if key != '_ROS_WHEELS_BOOTSTRAP_COMPLETE'}
    took, codes, traces = [], Counter(), 0
    for _ in range(chosen.times):
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / 'log'
            with log.open('wb') as output:
                process = subprocess.Popen(
                    [sys.executable, '-m', f'smallbot.nodes.{chosen.node}'], stdout=output,
                    stderr=subprocess.STDOUT, cwd=folder, env=environment)
            began = time.monotonic()
            maps = Path(f'/proc/{process.pid}/maps')
            while 'numpy' not in maps.read_text():  # the interpreter itself has begun
                time.sleep(0.002)
            time.sleep(chance.uniform(0, max(0.0, chosen.within - (time.monotonic() - began))))
            number = chance.choice((signal.SIGINT, signal.SIGTERM))
            sent = time.monotonic()
            process.send_signal(number)
            if chance.random() < 0.5:
                time.sleep(chance.uniform(0, 0.2))
                process.send_signal(chance.choice((signal.SIGINT, signal.SIGTERM)))
            code = process.wait(30)
            took.append(time.monotonic() - sent)
            codes[code] += 1
            said = log.read_text(errors='replace')
            if 'Traceback' in said or code not in (0, -signal.SIGINT, -signal.SIGTERM):
                traces += 1
                print(f'{sent - began:.2f} s after the start, {signal.Signals(number).name}: '
                      f'code {code}: {said[-300:]}', flush=True)
    took.sort()
    print(f'{chosen.node}: {chosen.times} signals, codes {dict(codes)}, {traces} with a traceback '
          f'or another code; it took {took[len(took) // 2]:.2f} s (median), {took[-1]:.2f} s '
          f'(worst), {sum(each > 1 for each in took)} of them over 1 s')
    return 1 if traces else 0


if __name__ == '__main__':
    sys.exit(main())
