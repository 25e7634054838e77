# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Measure the simulated chip: its physics (characterise) or its speed (benchmark).

`characterise` leaves characterise.png and characterise.json: programming error, drift by state,
read-noise spectrum, error of products over age, convergence of program-and-verify, stuck devices.
`benchmark` times products and programming on this machine, one thread.
"""

import argparse
from pathlib import Path

from smallbot.cli.common import progress
from smallbot.cli.common.arguments import (
    add_common,
    add_figure,
    add_law,
    check_folder,
    made_folder,
    write_result,
)
from smallbot.kinds import OutputFolder

VERB = 'chip'
MEASURED = {'programming error': 0.6, 'convergence': 0.1, 'drift': 0.3, 'noise spectrum': 4.3,
            'product error': 2.2, 'fault tolerance': 2.4, 'drawing': 1.5}
"""What characterise takes, s, on one core."""
TIMED = {'programming': 0.4, 'matvec': 0.8, 'spikes': 0.8, 'one phase': 0.4, 'drift': 0.1}
"""What benchmark takes."""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the options of `smallbot chip`."""
    verb.add_argument('what', choices=('characterise', 'benchmark'),
                      help='physics, as figure and JSON; or speed')
    add_law(verb, '')
    add_figure(verb, 'what was measured also')
    verb.add_argument('--out', type=OutputFolder(), default=Path('chip_out'), metavar='DIR',
                      help='folder for the files of characterise (default chip_out)')
    add_common(verb, 0, 'devices and noise')


def run(args: argparse.Namespace) -> int:
    """Measure, print the figures, write the files."""
    from smallbot.chip.device.laws import LAWS

    law = LAWS[args.law]
    if args.what == 'benchmark':
        return _benchmark(law, args)
    check_folder(args.out, 'characterise.png', 'characterise.json')
    import torch

    from smallbot.chip.characterisation import characterise
    from smallbot.plots.chip import draw_characteristics

    torch.set_num_threads(1)
    with progress.stages(MEASURED) as begin:
        def tell(name: str) -> None:
            progress.say(f'{name} ...')
            begin(name)

        result = characterise(law, args.seed, tell)
        begin('drawing')
        out = made_folder(args.out)
        picture, numbers = out / 'characterise.png', out / 'characterise.json'
        for path in (picture, args.figure):
            if path:
                draw_characteristics(result, path)
    write_result(numbers, result)
    write_result(args.json, result)
    print(f'{headline(result)}\n{numbers}\n{picture}')
    return 0


def _benchmark(law, args: argparse.Namespace) -> int:
    from smallbot.chip.speed import benchmark

    with progress.stages(TIMED) as begin:
        result = benchmark(law, args.seed, begin)
    print(speeds(result))
    write_result(args.json, result)
    if args.figure:
        from smallbot.plots.chip import draw_speeds
        draw_speeds(result, args.figure)
    return 0


def speeds(result: dict) -> str:
    """Return the figures of a benchmark as text."""
    lines = [f'law {result["law"]}, a core of 256 x 256, one thread, medians',
             f'{"":34}{"batch 1":>12}{"batch 90":>12}']
    for key, name in (('matvec_us', 'product, four phases, us'),
                      ('spikes_us', 'the same of 2 % spikes, us'),
                      ('one_phase_us', 'product, one phase, us')):
        lines.append(f'{name:34}{result[key]["batch_1"]:12.0f}{result[key]["batch_90"]:12.0f}')
    lines.append(f'{"drift worked out and first read, s":34}'
                 f'{result["drift_and_read_seconds"]:12.3f}')
    lines.append(f'{"programming all cells, s":34}{result["program_seconds"]:12.3f}')
    return '\n'.join(lines)


def headline(result: dict) -> str:
    """Return the figures one would quote."""
    error, product = result['programming_error'], result['product_error']
    middle = len(error['target']) // 2
    return (f'programming error at half conductance {error["sd_us"][middle]:.2f} uS '
            f'(published {error["law_sd_us"][middle]:.2f}); '
            f'{result["convergence"]["mean_iterations"]:.1f} iterations; '
            f'noise ~ 1/f^{-result["noise_spectrum"]["exponent"]:.2f}; product error '
            f'{100 * product["each_4"][0]:.1f} % fresh, {100 * product["once_4"][-1]:.1f} % after '
            f'a year, {100 * product["each_4"][-1]:.1f} % if corrected again')
