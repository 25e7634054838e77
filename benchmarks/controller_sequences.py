# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Attacks the pure controller with many sequences of services, transitions, faults and restarts.

`python benchmarks/controller_sequences.py --sequences 20000` draws them anew at every run, in
parts of 1,000; a sequence that breaks an invariant of `test/one_shot/controller_machine.py` is
printed, made as short as hypothesis can, and ends it with code 1.
"""

import argparse
import contextlib
import os
from pathlib import Path
import sys
import time

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'test' / 'one_shot'))

from controller_machine import ControllerMachine

PART = 1000
"""Sequences between two lines of progress."""


def main() -> int:
    """Run the sequences; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--sequences', type=int, default=20000)
    parser.add_argument('--steps', type=int, default=50)
    chosen = parser.parse_args()
    began, totals = time.perf_counter(), ControllerMachine.totals
    for done in range(0, chosen.sequences, PART):
        limits = settings(
            max_examples=min(PART, chosen.sequences - done), stateful_step_count=chosen.steps,
            deadline=None, database=None, suppress_health_check=list(HealthCheck))
        # What faults that were injected make the loop say is not of interest here.
        with open(os.devnull, 'w') as nowhere, contextlib.redirect_stderr(nowhere):
            run_state_machine_as_test(ControllerMachine, settings=limits)
        print(f'{totals["sequences"]} sequences of up to {chosen.steps} steps, '
              f'{totals["moved"]} in which the arm moved, {totals["learned"]} in which it '
              f'learned, {totals["commands"]} commands, the fastest {totals["fastest"]:.2f} '
              f'rad/s: none broke an invariant, {time.perf_counter() - began:.0f} s', flush=True)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
