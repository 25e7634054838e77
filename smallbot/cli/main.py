# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Entry point of the `smallbot` command.

Ctrl-C is minded before anything else is imported, which takes a while.
"""

from collections.abc import Sequence
import os
import sys

from smallbot.cli.common import interruption, provenance
from smallbot.output import told

PLACE = 'SMALLBOT_TRACEBACK'
"""Variable of the environment that lets a fault of the program itself be said with its place."""


def parser():
    """Build the parser of the whole command."""
    from smallbot.cli import (
        arm,
        chip,
        demo,
        doctor,
        ed_scorbot,
        evaluate,
        meta_train,
        page,
        report,
    )
    from smallbot.cli.common.arguments import Parser, Version
    from smallbot.cli.images import few_shot

    top = Parser(
        prog='smallbot',
        description='Show a robot arm a movement once; a spiking network on simulated '
                    'phase-change memory learns it with one update and plays it back.',
        epilog='Exit codes: 0 done, 1 ran and failed or was interrupted, 2 bad arguments or bad '
               'input.')
    top.add_argument('--version', action=Version, nargs=0, help='say which version this is')
    verbs = top.add_subparsers(dest='verb', metavar='VERB', required=True)
    for module in (demo, page, evaluate, meta_train, few_shot, report, arm, chip, ed_scorbot,
                   doctor):
        summary, details = module.__doc__.split('\n', 1)
        verb = verbs.add_parser(module.VERB, help=summary.rstrip('.'),
                                description=f'{summary} {details.strip()}'.strip())
        module.add_arguments(verb)
        verb.set_defaults(run=module.run)
    return top


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code.

    Without `arguments` it is the process's own, which then is this command's alone.
    """
    if arguments is None:
        interruption.watch('smallbot')
    provenance.began(sys.argv[1:] if arguments is None else arguments)
    chosen = parser().parse_args(arguments)
    interruption.named(f'smallbot {chosen.verb}')
    code = _run(chosen)
    if arguments is None:
        interruption.over(code)
    return code


def _run(chosen) -> int:
    """Run a verb; whatever ends it is said in one line."""
    from smallbot.cli.common.arguments import complain
    from smallbot.errors import InputError

    try:
        return chosen.run(chosen)
    except KeyboardInterrupt:
        said, code = 'interrupted', interruption.CODE
    except InputError as error:
        said, code = error, error.code
    except OSError as error:
        where = '' if error.filename is None else f'{os.fsdecode(error.filename)}: '
        said, code = f'{where}{error.strerror or error}', 1
    except MemoryError:
        said, code = 'out of memory: ask for less at once', 1
    except Exception as error:
        if interruption.asked():
            complain(chosen.verb, 'interrupted')
            return interruption.CODE
        if os.environ.get(PLACE):
            raise
        said = (f'a fault of smallbot itself, {type(error).__name__}: {error}; with {PLACE}=1 it '
                f'says where')
        code = 1
    complain(chosen.verb, said)
    return code
