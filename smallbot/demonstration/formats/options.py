# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What a user says about a recording that its file leaves open, and one way to say it.

The options are those of the command line; the nodes take them as one text. Nothing heavy is
imported, so that `--help` is quick.
"""

import argparse
from dataclasses import dataclass
import shlex

from smallbot.demonstration.storage.refusal import DemonstrationError
from smallbot.kinds import Name, Parsed, Real, Whole

TIME_UNITS, ANGLE_UNITS = ('s', 'ms', 'us', 'ns', 'min'), ('rad', 'mrad', 'deg', 'turn')
LENGTH_UNITS = ('m', 'cm', 'mm', 'in')
LATEST = 1e6
"""s; a part that ends later is a mistake."""


@dataclass(frozen=True)
class Reading:
    """How to read; what is not given must be clear from the file."""

    time_unit: str | None = None
    angle_unit: str | None = None
    length_unit: str | None = None
    rate: float | None = None
    """Samples a second, Hz, in place of the times in the file."""
    columns: tuple[tuple[str, str], ...] = ()
    """Pairs of a column (name, number from 1 or letter) and what it is; others are left out."""
    topic: str | None = None
    publisher: int | None = None
    """Which of several publishers on a topic, counted from 1 as the refusal lists them."""
    episode: int | None = None
    """Which of several movements in a file: of a LeRobot data set, or trajectories of a topic."""
    part: tuple[float, float] | None = None
    """From when to when to read, s after the first sample."""
    keep_rest: bool = False
    """Keep stillness before and after the movement."""
    no_repair: bool = False
    """Refuse what would be repaired."""


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how recordings are read."""
    group = parser.add_argument_group('reading demonstrations')
    group.add_argument('--time-unit', choices=TIME_UNITS, help='unit of the times in a CSV')
    group.add_argument('--angle-unit', choices=ANGLE_UNITS,
                       help='unit of the joint angles in a CSV or a LeRobot data set')
    group.add_argument('--length-unit', choices=LENGTH_UNITS,
                       help='unit of the tool-tip positions in a CSV')
    group.add_argument('--rate', type=Real(0, 1e5, above=True), metavar='HZ',
                       help='samples a second, where times are missing or count samples')
    group.add_argument('--columns', type=COLUMNS, default=(), metavar='A=base,...',
                       help='what to read of a table: its column (name, number from 1 or letter) '
                            '= joint, x, y, z or time; the others are left out')
    group.add_argument('--topic', type=Name('a topic'), metavar='NAME',
                       help='which topic of a bag, where several fit')
    group.add_argument('--publisher', type=Whole(1, 1000), metavar='N',
                       help='which of several publishers of a joint, as the refusal counts them')
    group.add_argument('--episode', type=Whole(0, 10 ** 6), metavar='N',
                       help='which episode of a LeRobot data set, or trajectory of a topic')
    group.add_argument('--part', type=PART, metavar='FROM:TO',
                       help='read only what lies between these times, s after the first sample')
    group.add_argument('--keep-rest', action='store_true',
                       help='keep the stillness before and after the movement')
    group.add_argument('--no-repair', action='store_true',
                       help='refuse what would be repaired: spikes of one sample, wraps of 2 pi')


def reading_of(chosen: argparse.Namespace) -> Reading:
    """Return what the options of `add_reading` say."""
    return Reading(**{name: getattr(chosen, name) for name in Reading.__dataclass_fields__})


def parsed(text: str) -> Reading:
    """Return what a text of options says, as in `--time-unit ms --columns A=base,B=shoulder`.

    Raises DemonstrationError.
    """
    parser = _Parser(add_help=False, prog='')
    add_reading(parser)
    try:
        return reading_of(parser.parse_args(shlex.split(text)))
    except ValueError as error:
        raise DemonstrationError(f'reading options {text!r}: {error}') from None


def text_of(reading: Reading) -> str:
    """Return the text of options that `parsed` makes `reading` of."""
    words = []
    for name in Reading.__dataclass_fields__:
        value, option = getattr(reading, name), f'--{name.replace("_", "-")}'
        if value is True:
            words.append(option)
        elif name == 'columns' and value:
            words += [option, ','.join('='.join(pair) for pair in value)]
        elif name == 'part' and value:
            words += [option, f'{value[0]}:{value[1]}']
        elif value not in (None, False, ()):
            words += [option, str(value)]
    return shlex.join(words)


class _Parser(argparse.ArgumentParser):
    """Raises instead of ending the process."""

    def error(self, message: str):
        raise ValueError(message)


def columns(text: str) -> tuple[tuple[str, str], ...]:
    """Return pairs of column and meaning from `A=base,B=shoulder`; raises ValueError."""
    pairs = []
    for part in text.split(','):
        column, _, meaning = part.rpartition('=')
        pairs.append((column.strip(), meaning.strip()))
    meanings = [meaning for _, meaning in pairs]
    if not all(map(all, pairs)) or len(set(meanings)) < len(meanings):
        raise ValueError(text)
    return tuple(pairs)


def part(text: str) -> tuple[float, float]:
    """Return two times, s, from `2.5:8`; raises ValueError."""
    begin, end = (float(word) for word in text.split(':'))
    if not 0 <= begin < end <= LATEST:
        raise ValueError(text)
    return begin, end


COLUMNS = Parsed(columns, 'COLUMN=joint,COLUMN=joint,... as in A=base,B=shoulder, no joint twice')
PART = Parsed(part, f'FROM:TO, s after the first sample, as in 2.5:8, up to {LATEST:g}')
