# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The parser of the command, and what the options of several verbs have in common.

What options take: `smallbot.kinds`.
"""

import argparse
from collections.abc import Iterable
import os
from pathlib import Path
import re
import shlex
import shutil
import sys
from typing import Any, NoReturn

from smallbot.cli.common import provenance
from smallbot.errors import in_one_line, InputError
from smallbot.files import writing
from smallbot.files.holding import Hold, hold
from smallbot.kinds import FIGURES, OutputFile, said, SEED
from smallbot.paths import unmakeable, unwritable

LAW_NAMES = ('hermes-two-device', 'hermes-one-device', 'pcm-like', 'ideal')
"""Of `smallbot.chip.device.laws.LAWS`, named here so that `--help` need not load torch."""
ROUNDINGS = ('exact', 'nearest', 'stochastic')
"""Of `smallbot.synapses.granularity.ROUNDINGS`, named here for the same reason."""
OWN_WORDS = 'expected |invalid |not allowed |ignored '
"""How argparse's own refusals begin, those of kinds begin with the value."""

_HELD: dict[Path, Hold] = {}
"""Folders that are this process's until it ends."""


class Parser(argparse.ArgumentParser):
    """Refuses in one line, which names the option."""

    def error(self, message: str) -> NoReturn:
        """Say what was wrong, and end with 2."""
        message = re.sub(rf'^argument (\S+): (?!{OWN_WORDS})', r'\1 ', message)
        message = message.removeprefix('argument ')
        self.exit(2, f'{self.prog}: {in_one_line(message)}; {self.prog} --help says more\n')


class Version(argparse.Action):
    """Says the version, which is looked up when it is asked for and not for every command."""

    def __call__(self, parser: argparse.ArgumentParser, *_) -> None:
        """Print it and end the command."""
        import smallbot

        print(f'smallbot {smallbot.__version__}')
        parser.exit()


def add_common(verb: argparse.ArgumentParser, seed: int, seed_of: str) -> None:
    """Add the options that every verb takes."""
    verb.add_argument('--seed', type=SEED, default=seed, metavar='N',
                      help=f'seed of {seed_of} (default {seed})')
    verb.add_argument('--json', type=OutputFile(), metavar='FILE',
                      help='also write the result to FILE as JSON')


def add_law(verb: argparse.ArgumentParser, of: str) -> None:
    """Add the choice of a device law."""
    verb.add_argument('--law', choices=LAW_NAMES, default=LAW_NAMES[0],
                      help=f'law of the devices{of} (default {LAW_NAMES[0]})')


def add_figure(group: argparse._ActionsContainer, drawn: str) -> None:
    """Add --figure, which draws what `drawn` says."""
    group.add_argument('--figure', type=OutputFile(FIGURES), metavar='FILE',
                       help=f'draw {drawn} into FILE, .png, .svg or .pdf')


def given_of(args: argparse.Namespace, keys: Iterable[str]) -> list[str]:
    """Return those of the options that were given, as they are written."""
    return [f'--{key.replace("_", "-")}' for key in keys if getattr(args, key) is not None]


def callable_here() -> str:
    """Return how this command is called: by its name, or where that is not found by Python."""
    if shutil.which('smallbot'):
        return 'smallbot'
    return f'{shlex.quote(os.path.relpath(sys.executable))} -m smallbot'


def no_ros(error: ImportError, instead: str = '') -> InputError:
    """Return what to raise where ROS 2 is needed and cannot be imported.

    `instead`: what does without it.
    """
    return InputError(f'ROS 2 is not to be found ({error}): source its setup.bash, or use '
                      f'`make demo`, which installs it as wheels'
                      + (f'; {instead}' if instead else ''))


def check_folder(path: Path, *names: str, option: str = '--out') -> None:
    """Refuse a folder of an option that cannot be made, or not take files of these names.

    For before the work; nothing is made. Raises InputError.
    """
    why = unmakeable(path)
    if not why and path.is_dir():
        why = next((f'{name} in it: {fault}' for name in names
                    if (fault := unwritable(path / name))), '')
    if why:
        raise InputError(f'{option} {said(str(path), True)}: {why}')


def made_folder(path: Path) -> Path:
    """Return the folder `--out`, made if need be and this process's own until it ends.

    Raises InputError where it cannot be made, or another process is at work in it.
    """
    check_folder(path)
    _HELD[path] = hold(writing.made_folder(path))
    return path


def write_result(path: Path | None, result: dict[str, Any]) -> None:
    """Write a result, and what it was made with, where it was asked for, whole or not at all."""
    if path is not None:
        writing.write_json(path, {**result, 'made_with': provenance.made_with()})


def complain(verb: str, message: object) -> None:
    """Say in one line on stderr what ended a verb."""
    print(f'smallbot {verb}: {in_one_line(message)}', file=sys.stderr, flush=True)
