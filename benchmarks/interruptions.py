# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Ask what becomes of Ctrl-C at random moments: one line, exit code 1, within a second.

    python benchmarks/interruptions.py [--moments 20] [--seed 0] [--twice]

Starts commands, each at several random moments from the first milliseconds on sends SIGINT to
their process group as a terminal does, and prints what they said, their codes and how long they
took to end. `--twice` sends a second one 0.1 s later.
"""

import argparse
import collections
import os
from pathlib import Path
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

COMMANDS = (
    # arguments, up to when it is interrupted, s, whether it is done by then now and then
    (('evaluate', '--tasks', '2', '--json', 'e.json'), 6.0),
    (('meta-train', '--iterations', '3', '--out', 'out', '--processes', '2'), 20.0),
    (('demo', '--out', 'out'), 15.0),
    (('arm', 'describe', 'ur5e'), 1.0),
)
STARTED = 0.05
"""Python itself, before it comes to this package, s."""


def interrupted(arguments: tuple[str, ...], moment: float, twice: bool) -> tuple:
    """Return code, lines of stderr, time to the end, s, and the processes that are left."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, 'out.txt'), Path(folder, 'err.txt')
        with out.open('w') as stdout, err.open('w') as stderr:
            process = subprocess.Popen([sys.executable, '-m', 'smallbot', *arguments], cwd=folder,
                                       stdout=stdout, stderr=stderr, start_new_session=True)
            time.sleep(moment)
            ended_before = process.poll() is not None
            sent = time.monotonic()
            for wait in (0.1, 0) if twice else (0,):
                if not ended_before:
                    try:
                        os.killpg(process.pid, signal.SIGINT)
                    except ProcessLookupError:
                        break
                    time.sleep(wait)
            try:
                code = process.wait(30)
            except subprocess.TimeoutExpired:
                code = None
            took = time.monotonic() - sent
            # The tracker of multiprocessing ends when it notices.
            for _ in range(30):
                left = subprocess.run(['pgrep', '-a', '-g', str(process.pid)],
                                      capture_output=True, text=True).stdout.splitlines()
                if not left:
                    break
                time.sleep(0.1)
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        # Bars of progress are no lines, and what was said before belongs to the work.
        lines = [line for line in re.split(r'[\r\n]', err.read_text()) if line.strip()
                 and not re.search(r'\d+%\||it/s|s/it', line)]
        return 'done' if ended_before else code, lines, took, left


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--moments', type=int, default=20)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--twice', action='store_true')
    parser.add_argument('--only', default='')
    args = parser.parse_args()
    chance = random.Random(args.seed)
    for arguments, latest in COMMANDS:
        if args.only not in arguments:
            continue
        codes, times, wrong = collections.Counter(), [], 0
        for _ in range(args.moments):
            moment = chance.uniform(STARTED, latest)
            code, lines, took, left = interrupted(arguments, moment, args.twice)
            codes[code] += 1
            if code == 'done':
                continue
            times.append(took)
            said = [line for line in lines if line.startswith(f'smallbot {arguments[0]}: ')
                    or line.startswith('smallbot: ')]
            good = left == [] and (code == 0 and not said or code == 1 and len(said) == 1
                                   and lines[-1] == said[0])
            if not good or took > 1:
                wrong += not good
                print(f'{" ".join(arguments)} at {moment:.2f} s: code {code}, {took:.2f} s, '
                      f'{len(lines)} lines, left {left}, {lines[-3:]}', flush=True)
        times.sort()
        print(f'{arguments[0]}: codes {dict(codes)}, {wrong} wrong, '
              f'{sum(took > 1 for took in times)} above 1 s, median {times[len(times) // 2]:.2f} '
              f's, longest {times[-1]:.2f} s' if times else f'{arguments[0]}: none interrupted',
              flush=True)


if __name__ == '__main__':
    main()
