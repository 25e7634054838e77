# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Count what foreign messages do to a driver: `python benchmarks/foreign_messages.py`.

Sessions with the emulated arm, in use and not, hear what `test/ed_scorbot/foreign.py` makes up,
some of it twice and up to 5 s late, and are then brought back to use. What must not be is
counted by its kind.
"""

import argparse
from collections import Counter
from copy import deepcopy
from pathlib import Path
import random
import sys
import time

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'test'))

from ed_scorbot.bench import Bench  # noqa: E402
from ed_scorbot.foreign import Attack  # noqa: E402


def main() -> int:
    """Attack session after session until enough messages have been heard."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--messages', type=int, default=200_000, metavar='N')
    parser.add_argument('--seed', type=int, default=0, metavar='N')
    args = parser.parse_args()
    in_use = Bench().home()
    faults, heard, sessions, began = Counter(), 0, 0, time.monotonic()
    while heard < args.messages:
        source = random.Random(1_000_003 * args.seed + sessions)
        attack = Attack(deepcopy(in_use) if source.random() < 0.7 else Bench(), source)
        attack.run(source.uniform(0.5, 6.0), source.choice((0.02, 0.3, 3.0, 10.0)), [0.6, -0.3])
        attack.recover()
        heard, sessions = heard + attack.sent, sessions + 1
        faults.update(attack.faults)
        faults['sessions with a fault'] += bool(attack.faults)
    print(f'{heard} messages to {sessions} sessions in {time.monotonic() - began:.0f} s')
    for what, count in sorted(faults.items()):
        print(f'{count:8d} {what}')
    return int(bool(faults['sessions with a fault']))


if __name__ == '__main__':
    raise SystemExit(main())
