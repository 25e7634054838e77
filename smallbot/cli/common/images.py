# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the verbs for few-shot images have in common: the network, and what it learns on."""

import argparse

from smallbot.cli.common import measuring
from smallbot.errors import InputError
from smallbot.kinds import MODEL, Whole

STATISTICS = ('training', 'support', 'batch')
"""Of `smallbot.few_shot.network.Statistics`, named here so that --help need not load torch."""


def add_network(verb: argparse.ArgumentParser) -> None:
    """Add which network is used, and how it normalises and learns."""
    verb.add_argument('--model', type=MODEL, default='omniglot', metavar='PATH',
                      help='a shipped model or the path of a .safetensors file '
                           '(default omniglot)')
    verb.add_argument('--updates', type=Whole(0, 100), default=4, metavar='N',
                      help='gradient steps of the layer that learns, at most as many as the '
                           'model was trained for (default 4)')
    verb.add_argument('--statistics', choices=STATISTICS, default='training',
                      help="whose mean and variance batch normalisation takes: of training's "
                           'images (default) or of the examples, so that every picture is told '
                           'by itself; or of the batch, examples and queries together, as '
                           'published (transductive)')


def conditions_of(args: argparse.Namespace):
    """Return the conditions that the options ask for."""
    from smallbot.few_shot.evaluation import ImageConditions
    from smallbot.few_shot.network import Statistics

    return ImageConditions(**measuring.chip_asked(args), updates=args.updates,
                           statistics=Statistics(args.statistics))


def check_updates(args: argparse.Namespace, model) -> None:
    """Refuse more updates than the model has learning rates for."""
    most = model.config.network.updates
    if args.updates > most:
        raise InputError(f'--updates {args.updates}: model {model.name} was trained for '
                         f'{most} at most')
