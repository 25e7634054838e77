# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the verbs that measure have in common: the options of a chip, items with a bar, sweeps.

An interruption keeps what is done, and says how much that is. Not here: what is measured.
"""

import argparse
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

from smallbot.cli.common import interruption, progress
from smallbot.cli.common.arguments import add_law, complain, ROUNDINGS, write_result
from smallbot.errors import InputError
from smallbot.kinds import Kind, Listed, Parsed, PROCESSES, Real

NOISE, STUCK, AGE, STEP = Real(0, 20), Real(0, 1), Real(0, 1e10), Real(1e-6, 1)
SWEPT = {'noise': NOISE, 'stuck': STUCK, 'age': AGE, 'step': STEP}
"""What of a chip a sweep may vary, and an option sets."""


class MeasuringError(InputError):
    """Something that could not be measured at all; the message is one line."""


def add_chip(verb: argparse.ArgumentParser, learned: str, read: str,
             rounding: str = 'stochastic'):
    """Add what is asked for of synapses, and return the group of a chip's options.

    Parameters: `learned`, what stands at the beginning of --age ("the update"), and `read`, what
    at its end ("the playback"); `rounding` of an update by default.
    """
    verb.add_argument('--synapses', choices=('chip', 'software'), default='chip',
                      help='phase-change memory (default) or float32')
    chip = verb.add_argument_group('the chip')
    chip.add_argument('--age', type=AGE, default=300.0, metavar='S',
                      help=f'seconds between {learned} and {read} (default 300)')
    chip.add_argument('--recalibrate', action='store_true',
                      help=f'calibrate the columns once more, just before {read}')
    add_law(chip, '')
    chip.add_argument('--noise', type=NOISE, default=1.0, metavar='F',
                      help="factor on the law's programming error, drift and 1/f noise "
                           '(default 1)')
    chip.add_argument('--stuck', type=STUCK, default=0.0, metavar='F',
                      help='share of stuck devices, half in SET, half in RESET (default 0)')
    chip.add_argument('--rounding', choices=ROUNDINGS, default=rounding,
                      help='of the update: the change itself, or to the nearest or one of the '
                           f'neighbouring multiples of --step (default {rounding})')
    chip.add_argument('--step', type=STEP, default=1 / 16, metavar='F',
                      help='step of the rounding, as share of the largest weight of an input '
                           '(default 0.0625)')
    return chip


def chip_asked(args: argparse.Namespace, *flags: str) -> dict[str, Any]:
    """Return the fields of `ChipConditions` that the options of `add_chip` ask for.

    `flags`, and --recalibrate, are refused without a chip.
    """
    from smallbot.synapses.granularity import Granularity

    for option in ('recalibrate', *flags):
        if getattr(args, option) and args.synapses != 'chip':
            raise InputError(f'--{option.replace("_", "-")} goes with --synapses chip')
    return {'synapses': args.synapses, 'age': args.age, 'recalibrate': args.recalibrate,
            'law': args.law, 'noise': args.noise, 'stuck': args.stuck,
            'granularity': Granularity(args.rounding, args.step)}


def add_sweep(group, swept: Mapping[str, Kind]) -> None:
    """Add --sweep of one of `swept`: what is varied, and a list of its values."""
    def made(text: str) -> tuple[str, list[float]]:
        what, _, values = text.partition('=')
        if what not in swept:
            raise ValueError(text)
        return what, list(Listed(swept[what])(values))

    names = ', '.join(swept)
    group.add_argument('--sweep', type=Parsed(made, f'WHAT=A,B,... with one of {names}'),
                       metavar='WHAT=A,B,...',
                       help=f'evaluate at several values of one of {names}, as in '
                            f'--sweep noise=0,0.5,1,2')


def add_processes(group, shared: str) -> None:
    """Add how many processes share what `shared` says."""
    group.add_argument('--processes', type=PROCESSES, metavar='N',
                       help=f'processes that share the {shared} (default: one for each core)')


def collected(total: int, measure: Callable[[Callable[[int, Any], None]], Any],
              told: Callable[[dict[int, Any]], str], label: str = '', unit: str = 'tasks'
              ) -> tuple[dict[int, Any], str]:
    """Return what was measured, by number and in order, and what ended it: nothing if all is.

    Parameters: `total`, how many there are; `measure`, which measures them and calls what it is
    given with the number and the result of each that is done, in any order; `told` returns what
    stands beside the bar of those done; `label` and `unit` of the bar.
    Raises KeyboardInterrupt, or MeasuringError where a process is lost, before any is done.
    """
    done: dict[int, Any] = {}
    why = ''
    with progress.bar(total, label, unit) as bar:
        def report(number: int, result: Any) -> None:
            done[number] = result
            bar.set_postfix_str(told(done), refresh=False)
            bar.update()
        try:
            with interruption.kept():
                measure(report)
        except KeyboardInterrupt:
            why = 'interrupted'
        except BrokenExecutor:
            why = 'a process was lost, perhaps for want of memory: try --processes 1'
    if not done and why == 'interrupted':
        raise KeyboardInterrupt
    if not done:
        raise MeasuringError(why)
    return dict(sorted(done.items())), why


def closed(result: dict[str, Any], asked: int, why: str) -> dict[str, Any]:
    """Return a result with how many were `asked` for, and `why` it holds no more than it does."""
    return {**result, 'asked': asked, 'interrupted': bool(why),
            **({'ended_by': why} if why else {})}


def swept(what: str, values: list[float], measured: Callable[[float, str], dict[str, Any]],
          row: Callable[[float, dict[str, Any]], str]) -> list[dict[str, Any]]:
    """Return the results of a sweep at `values` of `what`, those that an interruption left.

    Parameters: `measured` returns the result, as from `closed`, at a value, with a label for its
    bar; `row` returns it as a line, which is printed when it is there.
    Raises KeyboardInterrupt where there is none yet.
    """
    points: list[dict[str, Any]] = []
    try:
        with interruption.kept():
            for value in values:
                result = measured(value, f'{what} {value:g}')
                points.append({'value': value, **result})
                progress.say(row(value, result))
                if result['interrupted']:
                    break
    except KeyboardInterrupt:
        pass
    if not points:
        raise KeyboardInterrupt
    if len(points) < len(values) and not points[-1]['interrupted']:
        points[-1].update(interrupted=True, ended_by='interrupted')
    return points


def ended(verb: str, args: argparse.Namespace, result: dict[str, Any], points: str = '') -> int:
    """Say what broke a result off, if anything did, and what is kept; returns the exit code."""
    if result['interrupted']:
        kept = ' and '.join(str(path) for path in (args.json, args.figure) if path)
        complain(verb, f'{result["ended_by"]} after {points}{result["tasks"]} of '
                       f'{result["asked"]} tasks, '
                       + (f'kept in {kept}' if kept else 'of which the figures are above'))
    return int(result['interrupted'])


def sweep_ended(verb: str, args: argparse.Namespace, found: dict[str, Any],
                draw: Callable[[dict[str, Any], Path], None]) -> int:
    """Write a sweep's result, draw it where that is asked for, and return the exit code.

    `found` holds the `points` and all else that the result says.
    """
    write_result(args.json, found)
    if args.figure:
        draw(found, args.figure)
    points = found['points']
    return ended(verb, args, points[-1],
                 f'{len(points)} of {len(args.sweep[1])} points, the last ')


def interval(row: dict[str, Any], form: str = '{:.2f}') -> str:
    """Return the 95 % interval of a spread as text, if it has one."""
    return ' to '.join(form.format(end) for end in row['ci95'] or ())
