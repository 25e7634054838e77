# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Learn classes from a folder of pictures, and tell others.

DIR of --support has a folder for each class with 1 to 20 pictures in it, of any size, dark on
light or light on dark, photographs of pen on paper too. Without --support and --image it is
pictures of Greek letters, which come with the package and which the network has never seen.
"""

import argparse
from pathlib import Path
import sys
from typing import Any

from smallbot.cli.common import measuring, progress
from smallbot.cli.common.arguments import (
    add_common,
    add_figure,
    check_folder,
    made_folder,
    write_result,
)
from smallbot.cli.common.images import add_network, check_updates, conditions_of
from smallbot.errors import InputError
from smallbot.kinds import InputPath, OutputFolder

NAMES = ('told.png', 'told.json')
"""Files that are written."""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the options of `smallbot few-shot classify`."""
    verb.add_argument('--support', type=InputPath(True), metavar='DIR',
                      help='folder with a folder of pictures for each class, 2 to 20 of them')
    verb.add_argument('--image', type=InputPath(), nargs='+', action='extend', metavar='FILE',
                      help='pictures to tell')
    verb.add_argument('--out', type=OutputFolder(), default=Path('few_shot_out'), metavar='DIR',
                      help=f'folder for {" and ".join(NAMES)} (default few_shot_out)')
    add_network(verb)
    measuring.add_chip(verb, 'learning', 'the pictures', 'exact')
    add_figure(verb, f'{NAMES[0]} also')
    add_common(verb, 0, 'the chip')


def run(args: argparse.Namespace) -> int:
    """Learn, tell, print, and write picture and JSON."""
    import torch

    from smallbot.few_shot.evaluation import prepared
    from smallbot.few_shot.images.pictures import read_support
    from smallbot.few_shot.model import load_image_model
    from smallbot.few_shot.network import NetworkError
    from smallbot.few_shot.own_pictures import EXAMPLES, learn_and_tell, UNKNOWN
    from smallbot.plots.few_shot import draw_told

    torch.set_num_threads(1)
    if (args.support is None) != (args.image is None):
        raise InputError('--support and --image go together; without both, the examples of the '
                         'package are learned and told')
    check_folder(args.out, *NAMES)
    conditions = conditions_of(args)
    model = load_image_model(args.model)
    check_updates(args, model)
    network = model.config.network
    if (network.channels, network.side) != (1, 28):
        raise NetworkError(f'model {model.name}: sees {network.channels} x {network.side} x '
                           f'{network.side}, pictures of characters are 1 x 28 x 28')
    with progress.stages({'pictures': 1.5, 'chip': 2, 'learning': 1.5, 'drawing': 1}) as begin:
        support = read_support(args.support or EXAMPLES)
        pictures, left_out = _read(args.image or sorted(UNKNOWN.iterdir()))
        begin('chip')
        classifier = prepared(model, len(support.names), conditions, args.seed)
        begin('learning')
        answers = learn_and_tell(classifier, support, pictures, conditions.age,
                                 conditions.recalibrate, conditions.updates)
        begin('drawing')
        result = _result(model, conditions, classifier, support, pictures, answers, args.seed)
        result['left_out'] = [*support.left_out, *left_out]
        out = made_folder(args.out)
        picture, numbers = (out / name for name in NAMES)
        for path in (picture, args.figure):
            if path:
                draw_told(pictures, support, answers.probabilities.numpy(), path, left_out)
    for line in result['left_out']:
        print(f'left out: {line}', file=sys.stderr, flush=True)
    print(_table(answers, pictures))
    write_result(numbers, result)
    write_result(args.json, result)
    print(f'{picture}\n{numbers}')
    return 0


def _read(paths: list[Path]) -> tuple[list, list[str]]:
    """Return the pictures that can be told, and a line for each other; raises InputError."""
    from smallbot.few_shot.images.pictures import PictureError, read_picture

    pictures, left_out = [], []
    for path in paths:
        try:
            pictures.append(read_picture(path))
        except PictureError as error:
            if len(paths) == 1:
                raise
            left_out.append(str(error))
    if not pictures:
        raise PictureError(f'none of {len(paths)} pictures can be told, the first: {left_out[0]}')
    return pictures, left_out


def _table(answers, pictures: list) -> str:
    wide = max(len('picture'), *(len(one.name) for one in pictures)) + 2
    lines = [f'{"picture":{wide}}{"class":16}{"probability":>11}   next']
    for number, one in enumerate(pictures):
        (name, most), (other, less), *_ = answers.likeliest(number)
        lines.append(f'{one.name:{wide}}{name:16}{most:11.3f}   {other} {less:.3f}')
    return '\n'.join(lines)


def _result(model, conditions, classifier, support, pictures: list, answers, seed: int
            ) -> dict[str, Any]:
    writes = answers.learned.writes

    def added(field: str):
        values = [getattr(write, field) for write in writes]
        return None if None in values else sum(values)

    return {
        'pictures': [{'name': one.name, 'understood': one.understood,
                      'class': answers.likeliest(number)[0][0],
                      'probabilities': dict(answers.likeliest(number))}
                     for number, one in enumerate(pictures)],
        'classes': {name: [one.name for one in own]
                    for name, own in zip(support.names, support.pictures)},
        'ways': classifier.ways, 'devices': classifier.devices(),
        'updates': [{'cells': write.cells, 'devices': write.devices, 'pulses': write.pulses,
                     'energy_uj': write.energy_uj, 'write_seconds': write.seconds}
                    for write in writes],
        'pulses': added('pulses'), 'energy_uj': added('energy_uj'),
        'learn_seconds': answers.learned.seconds, 'seed': seed, 'model': model.name,
        'weights': model.digest, 'synapses': conditions.synapses,
        **{key: value for key, value in conditions.to_mapping().items() if key != 'updates'}}
