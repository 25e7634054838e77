"""Entry point of the `smallbot` command."""

import argparse
from collections.abc import Sequence
import sys

from smallbot import __version__
from smallbot.cli import arm, chip, demo, doctor, ed_scorbot, evaluate, meta_train
from smallbot.errors import InputError
from smallbot.output import told

VERBS = (demo, evaluate, meta_train, arm, chip, ed_scorbot, doctor)


def parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command."""
    top = argparse.ArgumentParser(
        prog='smallbot',
        description='Show a robot arm a movement once; a spiking network on simulated '
                    'phase-change memory learns it with one update and plays it back.',
        epilog='Exit codes: 0 done, 1 ran and failed, 2 bad arguments or bad input.')
    top.add_argument('--version', action='version', version=f'smallbot {__version__}')
    verbs = top.add_subparsers(dest='verb', metavar='VERB', required=True)
    for module in VERBS:
        summary, details = module.__doc__.split('\n', 1)
        verb = verbs.add_parser(module.VERB, help=summary.rstrip('.'),
                                description=f'{summary} {details.strip()}'.strip())
        module.add_arguments(verb)
        verb.set_defaults(run=module.run)
    return top


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    chosen = parser().parse_args(arguments)
    try:
        return chosen.run(chosen)
    except InputError as error:
        print(f'smallbot {chosen.verb}: {error}', file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print(f'smallbot {chosen.verb}: interrupted', file=sys.stderr)
        return 1
