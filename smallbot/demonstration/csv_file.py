"""Demonstrations as CSV: a line of names, the first of them `time`, and a line for each sample."""

import csv
from pathlib import Path

import numpy as np

from smallbot.demonstration.samples import Demonstration, DemonstrationError
from smallbot.files import write_atomically


def read_csv(path: Path) -> tuple[list[str], np.ndarray]:
    """Return the names of the columns after `time` and all values [S, 1 + names], time first.

    Raises DemonstrationError for what is no such table.
    """
    try:
        with path.open(newline='', encoding='utf-8-sig') as stream:
            table = csv.reader(stream)
            lines = [(table.line_num, line) for line in table if any(x.strip() for x in line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DemonstrationError(f'{path}: cannot be read as CSV: {error}') from None
    if not lines:
        raise DemonstrationError(f'{path}: empty; expected a header time,<joints> or time,x,y,z')
    header = [cell.strip() for cell in lines[0][1]]
    if header[0] != 'time' or len(header) < 2:
        raise DemonstrationError(f'{path}: header {",".join(header)!r}, expected time,<joints> or '
                                 f'time,x,y,z')
    rows = np.empty((len(lines) - 1, len(header)))
    for row, (number, line) in enumerate(lines[1:]):
        if len(line) != len(header):
            raise DemonstrationError(f'{path}: line {number} has {len(line)} fields, expected '
                                     f'{len(header)}')
        for column, cell in enumerate(line):
            try:
                rows[row, column] = float(cell)
            except ValueError:
                raise DemonstrationError(f'{path}: line {number}, {header[column]}: {cell!r} is '
                                         f'not a number') from None
    return header[1:], rows


def write_csv(demonstration: Demonstration, path: Path) -> None:
    """Write `time` and joints as CSV, s and rad to six decimals, whole or not at all.

    Raises DemonstrationError where the file cannot be written.
    """
    lines = [','.join(['time', *demonstration.joints])]
    lines += [','.join(f'{value:.6f}' for value in row)
              for row in np.column_stack([demonstration.time, demonstration.position])]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, ('\n'.join(lines) + '\n').encode())
    except OSError as error:
        raise DemonstrationError(f'{path}: cannot be written: {error.strerror}') from None
