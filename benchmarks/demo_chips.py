# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Run `smallbot demo` on several chips, one after another, and say what its drawing comes to.

    python benchmarks/demo_chips.py [--chips 20] [--json FILE] [-- OPTIONS OF SMALLBOT DEMO]

Every run is a process of its own with real nodes over DDS, which plays in real time: run it on an
idle machine. A chip is a seed, from 0.
"""

import argparse
import json
import os
from pathlib import Path
import random
import subprocess
import sys
import tempfile

import numpy as np
from tqdm import tqdm

from smallbot.files.writing import write_json
from smallbot.kinds import Whole

FIGURES = {'network, cm': lambda report: report['tip_rmse_cm']['after']['mean'],
           'on the arm, cm': lambda report: report['arm_tip_rmse_cm'],
           'expected, cm': lambda report: report['expected_tip_rmse_cm']['mean'],
           'learning, s': lambda report: report['learn_seconds']}


def main() -> None:
    """Run them, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--chips', type=Whole(1, 10_000), default=20)
    parser.add_argument('--json', type=Path, metavar='FILE')
    parser.add_argument('options', nargs='*', help='of smallbot demo, after --')
    args = parser.parse_args()
    reports = [demonstrated(seed, args.options) for seed in tqdm(range(args.chips))]
    found = {name: [figure(report) for report in reports] for name, figure in FIGURES.items()}
    print(f'{args.chips} chips, weights {reports[0]["weights"]}\n\n'
          '| | median | mean | worst |\n|---|---|---|---|')
    for name, values in found.items():
        print(f'| {name} | {np.median(values):.2f} | {np.mean(values):.2f} | {max(values):.2f} |')
    if args.json:
        write_json(args.json, {'weights': reports[0]['weights'], **found})


def demonstrated(seed: int, options: list[str]) -> dict:
    """Return the report of a demonstration on the chip of `seed`."""
    environment = {**os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
                   'ROS_DOMAIN_ID': str(random.randint(1, 100))}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / 'figures.json'
        subprocess.run([sys.executable, '-m', 'smallbot', 'demo', '--seed', str(seed), '--out',
                        folder, '--json', str(report), *options], check=True, env=environment,
                       stdout=subprocess.DEVNULL)
        return json.loads(report.read_text())


if __name__ == '__main__':
    main()
