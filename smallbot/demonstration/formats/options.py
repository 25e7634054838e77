"""What a user says about a recording that its file leaves open, and one way to say it.

The options are those of the command line; the nodes take them as one text. Nothing heavy is
imported, so that `--help` is quick.
"""

import argparse
from dataclasses import dataclass
import math
import shlex

from smallbot.demonstration.storage.refusal import DemonstrationError

TIME_UNITS, ANGLE_UNITS = ('s', 'ms', 'us', 'ns', 'min'), ('rad', 'mrad', 'deg', 'turn')
LENGTH_UNITS = ('m', 'cm', 'mm', 'in')


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
    group.add_argument('--rate', type=_rate, metavar='HZ',
                       help='samples a second, where times are missing or count samples')
    group.add_argument('--columns', type=columns, default=(), metavar='A=base,...',
                       help='what to read of a table: its column (name, number from 1 or letter) '
                            '= joint, x, y, z or time; the others are left out')
    group.add_argument('--topic', metavar='NAME', help='which topic of a bag, where several fit')
    group.add_argument('--publisher', type=_count, metavar='N',
                       help='which of several publishers of a joint, as the refusal counts them')
    group.add_argument('--episode', type=int, metavar='N',
                       help='which episode of a LeRobot data set, or trajectory of a topic')
    group.add_argument('--part', type=_part, metavar='FROM:TO',
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
    """Return pairs of column and meaning from `A=base,B=shoulder`."""
    pairs = []
    for part in text.split(','):
        column, equals, meaning = part.rpartition('=')
        if not equals or not column.strip() or not meaning.strip():
            raise argparse.ArgumentTypeError(f'{part!r}: expected COLUMN=joint,COLUMN=joint,... '
                                             f'as in A=base,B=shoulder')
        pairs.append((column.strip(), meaning.strip()))
    meanings = [meaning for _, meaning in pairs]
    for meaning in meanings:
        if meanings.count(meaning) > 1:
            raise argparse.ArgumentTypeError(f'{text!r}: {meaning!r} occurs twice')
    return tuple(pairs)


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1e5:
        raise argparse.ArgumentTypeError(f'{text!r}: expected samples a second, above 0')
    return value


def _part(text: str) -> tuple[float, float]:
    try:
        begin, end = (float(word) for word in text.split(':'))
    except ValueError:
        begin = end = 0.0
    if not 0 <= begin < end < math.inf:
        raise argparse.ArgumentTypeError(f'{text!r}: expected FROM:TO, s after the first sample, '
                                         f'as in 2.5:8')
    return begin, end


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r}: expected a whole number, at least 1')
    return int(text)
