# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Demonstrations in tables of text: which column is what, and in which unit.

What the table leaves open is asked for, by the name of the option that answers.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
import re

import numpy as np

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.formats.column_names import Columns, columns_of
from smallbot.demonstration.formats.options import Reading
from smallbot.demonstration.formats.recording import (
    counted,
    listed,
    LONGEST,
    rate_of,
    Recording,
    SHORTEST,
)
from smallbot.demonstration.storage.refusal import DemonstrationError
from smallbot.demonstration.storage.text_table import number, read_table, TextTable
from smallbot.demonstration.storage.units import ANGLE, LENGTH, TIME

SUFFIXES = ('.csv', '.tsv', '.txt', '.dat')
FEW = 20
"""Samples up to which times of 0, 1, 2 may well be seconds, and not numbers of samples."""
_EPOCHS = (9.4e8, 2.6e9)
"""Seconds since 1970 of the years 2000 to 2052."""
_CLOCK = re.compile(r'(\d{1,2}):(\d{2}):(\d{2}(?:[.,]\d+)?)$')


def read_csv(path: Path, arm: Arm, reading: Reading) -> Recording:
    """Return what a table says of the arm's joints, or of its tool tip.

    Raises DemonstrationError where it is no such table or leaves open what it means.
    """
    source = str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DemonstrationError(f'{source}: cannot be read: {error.strerror}') from None
    table = read_table(content, source)
    columns = columns_of(table.header, len(table.rows[0]) if table.rows else 0, arm, reading,
                         source, table.rows, table.unnamed)
    if not table.rows:
        raise DemonstrationError(f'{source}: 0 sample(s), expected at least 2')
    said, mended = [], []
    rows, raw = _values(table, columns, source, mended)
    time, time_unit = _time(table, rows, columns, reading, source, said)
    values, unit, hint = _in_si(raw, time, columns, reading, arm, source, said)
    if time_unit == 's?' and reading.time_unit is None:
        _judge_seconds(time, values, columns, arm, source, said)
        time_unit = 's'
    if columns.left_out:
        said.append(f'left out: {listed(columns.left_out)}')
    dialect = f' ({", ".join(table.dialect)})' if table.dialect else ''
    return Recording(source, f'CSV{dialect}', columns.names, time, values,
                     f'{time_unit}, {unit}', said, mended, hint)


def _values(table: TextTable, columns: Columns, source: str, mended: list[str]
            ) -> tuple[list[int], np.ndarray]:
    """Return the rows that hold something, and their values [S, N]; the others are counted."""
    kept, values, bare = [], [], 0
    for row, (cells, line) in enumerate(zip(table.rows, table.lines)):
        found = []
        for column, name in zip(columns.places, columns.names):
            try:
                found.append(number(cells[column], table.decimal))
            except ValueError:
                raise DemonstrationError(f'{source}: line {line}, {name}: {cells[column]!r} is '
                                         f'not a number; mend or remove that line') from None
        empty = [not cells[column] for column in columns.places]
        if all(empty):
            bare += 1
            continue
        if any(empty):
            raise DemonstrationError(f'{source}: line {line}, {columns.names[empty.index(True)]} '
                                     f'is empty; mend or remove that line')
        kept.append(row)
        values.append(found)
    if bare:
        mended.append(f'{counted(bare, "line")} without a position skipped')
    return kept, np.array(values, dtype=float).reshape(len(kept), len(columns.names))


def _time(table: TextTable, rows: Sequence[int], columns: Columns, reading: Reading, source: str,
          said: list[str]) -> tuple[np.ndarray, str]:
    """Return times from the first, s, and their unit; `s?` where seconds are an assumption."""
    if columns.time is None:
        if reading.rate is None:
            raise DemonstrationError(f'{source}: header {",".join(table.header)!r}, expected '
                                     f'time,<joints> or time,x,y,z; where there are no times, '
                                     f'--rate HZ says how many samples a second there are')
        return np.arange(len(rows)) / reading.rate, f'{reading.rate:g} Hz as told'
    cells = [[table.rows[row][column] for column in columns.time] for row in rows]
    moments = _moments([cell[0] for cell in cells])
    if moments is not None:
        said.append('times of day')
        return moments, 's'
    exact, lines = [], [table.lines[row] for row in rows]
    for line, cell in zip(lines, cells):
        try:
            exact.append([_exact(text, table.decimal) for text in cell])
        except ValueError:
            raise DemonstrationError(f'{source}: line {line}, time: {cell[0]!r} is not a number; '
                                     f'mend or remove that line') from None
    if len(columns.time) == 2:  # seconds and nanoseconds, each whole
        return np.array([float((s - exact[0][0]) + 1e-9 * (ns - exact[0][1]))
                         for s, ns in exact]), 's and ns'
    first = exact[0][0]
    raw = np.array([float(value[0] - first) for value in exact])
    whole = len(raw) > FEW and all(v[0] == round(v[0]) for v in exact if np.isfinite(v[0]))
    steps = np.diff(raw)
    counting = whole and (steps >= 1).all()
    if reading.rate is not None:
        if counting and np.median(steps) == 1:  # a number that is missing leaves a gap
            return raw / reading.rate, f'sample numbers, {reading.rate:g} Hz as told'
        said.append('left out: the times in the file, for --rate')
        return np.arange(len(raw)) / reading.rate, f'{reading.rate:g} Hz as told'
    unit = columns.time_unit or reading.time_unit
    if columns.time_unit and reading.time_unit not in (None, columns.time_unit):
        raise DemonstrationError(f'{source}: --time-unit {reading.time_unit}: its header says '
                                 f'{columns.time_unit}')
    if unit is not None:
        return raw * TIME[unit], unit
    epochs = [u for u in ('s', 'ms', 'us', 'ns')
              if _EPOCHS[0] < float(first) * TIME[u] < _EPOCHS[1]
              # a counter of a controller may stand there too, but no recorder writes whole s
              and not (u == 's' and whole and raw.max() > LONGEST)]
    if epochs:
        if epochs[0] != 's':
            said.append(f'times are since 1970 in {epochs[0]}')
        return raw * TIME[epochs[0]], epochs[0]
    if counting and raw.max() <= LONGEST:
        raise DemonstrationError(
            f'{source}: time counts {raw[0] + float(first):g}, {raw[1] + float(first):g}, '
            f'{raw[2] + float(first):g}: is that samples? --rate HZ says how many a second; '
            f'--time-unit says the unit where it is time')
    if np.isfinite(raw).all() and raw.max() > LONGEST and (np.diff(raw) >= 0).all():
        fits = [u for u in ('ms', 'us', 'ns') if SHORTEST <= raw.max() * TIME[u] <= LONGEST]
        if fits:
            raise DemonstrationError(
                f'{source}: lasts {raw.max():.3g} in the unit of its times, more than '
                f'{LONGEST:.0f} s: --time-unit says the unit ({" or ".join(fits)} would do)')
    return raw, 's?'


def _exact(text: str, decimal: str) -> int | float:
    """Return a number without loss where it is whole: nanoseconds since 1970 need 61 bits."""
    return int(text) if re.fullmatch(r'[+-]?\d+', text) else number(text, decimal)


def _moments(cells: list[str]) -> np.ndarray | None:
    """Return s from the first of times of day or dates; None where they are something else."""
    moments = []
    for cell in cells:
        clock = _CLOCK.match(cell)
        try:
            if clock:
                moments.append(timedelta(
                    hours=int(clock[1]), minutes=int(clock[2]),
                    seconds=float(clock[3].replace(',', '.'))).total_seconds())
            elif re.match(r'\d{4}-\d{2}-\d{2}[T ]', cell):
                text = re.sub(r'(\.\d{6})\d+', r'\1', cell.replace(',', '.'))
                moments.append(datetime.fromisoformat(text.replace('Z', '+00:00')).timestamp())
            else:
                return None
        except ValueError:
            return None
    return np.array(moments) - moments[0]


def _in_si(raw: np.ndarray, time: np.ndarray, columns: Columns, reading: Reading, arm: Arm,
           source: str, said: list[str]) -> tuple[np.ndarray, str, str]:
    """Return values in rad or m, their unit in words, and a hint for what follows.

    Raises where the unit is open.
    """
    option, table, assumed = (('--length-unit', LENGTH, 'm') if columns.is_tip
                              else ('--angle-unit', ANGLE, 'rad'))
    told = reading.length_unit if columns.is_tip else reading.angle_unit
    for name, unit in zip(columns.names, columns.units):
        if unit and told and unit != told:
            raise DemonstrationError(f'{source}: {option} {told}: its header says {unit} for '
                                     f'{name}')
        if unit and unit not in table and not (columns.is_tip or name not in arm.driven):
            raise DemonstrationError(f'{source}: {name} is in {unit}, expected '
                                     f'{" or ".join(table)}')
    units = [unit or told for unit in columns.units]
    values = raw * [table.get(unit or assumed, 1.0) for unit in units]
    if all(units):
        return values, listed(list(dict.fromkeys(units))), ''
    hint = ''
    if np.isfinite(raw).all():
        if columns.is_tip:
            _judge_lengths(raw, arm, source)
        else:
            driven = [k for k, name in enumerate(columns.names) if name in arm.driven
                      and units[k] is None]
            names = [columns.names[k] for k in driven]
            hint = _judge_angles(raw[:, driven], [arm.driven.index(n) for n in names], arm,
                                 source, said)
    return values, assumed, hint


def _judge_angles(raw: np.ndarray, joints: list[int], arm: Arm, source: str, said: list[str]
                  ) -> str:
    """Refuse angles that only fit as degrees, asking; say so where they fit both ways.

    Returns what may be wrong should they lie outside the limits, empty where nothing suggests it.
    """
    lower, upper = arm.limits.lower[joints], arm.limits.upper[joints]
    if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        return ''
    degrees = raw * ANGLE['deg']
    as_degrees = ((degrees > lower - 0.02) & (degrees < upper + 0.02)).all()
    outside = ((raw < lower - 0.02) | (raw > upper + 0.02)).any()
    if not as_degrees:
        return ''
    if outside and np.abs(raw).max() > 2 * np.pi + 0.1 and not _turned(raw, lower, upper):
        raise DemonstrationError(
            f'{source}: a joint is at {np.abs(raw).max():.1f}, expected radians; these look like '
            f'degrees: --angle-unit deg says so')
    if outside:
        return 'as degrees the angles would fit: --angle-unit deg says so'
    if np.ptp(raw, axis=0).max() > 1.0:
        said.append(f'angles taken as rad, the unit of this format; as degrees they would be a '
                    f'movement of {np.ptp(raw, axis=0).max():.1f} (--angle-unit deg)')
    return ''


def _turned(raw: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> bool:
    """Return whether numbers [S, J] are rad that only whole turns keep from the limits.

    They step by a turn somewhere, or move by less than a degree would be as numbers.
    """
    steps = np.abs(np.diff(raw, axis=0))
    large = steps[steps > np.pi]
    if (np.abs(large - 2 * np.pi) > 0.3).any():
        return False
    course = np.unwrap(raw, axis=0)
    turn = 2 * np.pi
    course += turn * np.round(((lower + upper) / 2 - np.median(course, axis=0)) / turn)
    inside = ((course > lower - 0.02) & (course < upper + 0.02)).all()
    return bool(inside and (len(large) or np.ptp(course, axis=0).max() < 1.0))


def _judge_lengths(raw: np.ndarray, arm: Arm, source: str) -> None:
    """Refuse tool tips beyond the arm's reach that lie within it in another unit, asking."""
    reach = arm_reach(arm)
    far = float(np.linalg.norm(raw, axis=1).max())
    if far <= 2 * reach:
        return
    fits = [unit for unit in ('cm', 'mm', 'in') if 0.1 * reach < far * LENGTH[unit] <= reach]
    if fits:
        raise DemonstrationError(
            f'{source}: tool tip {far:.4g} m from the base, the arm reaches {reach:.2f} m: '
            f'--length-unit says the unit ({" or ".join(fits)} would do)')


def arm_reach(arm: Arm) -> float:
    """Return how far from its root the tool tip gets, m, as random poses tell; 5 % more."""
    from smallbot.arm.workspace import workspace

    return 1.05 * float(np.linalg.norm(workspace(arm).tips, axis=1).max())


def _judge_seconds(time: np.ndarray, values: np.ndarray, columns: Columns, arm: Arm, source: str,
                   said: list[str]) -> None:
    """Ask where times that fit as seconds fit better as something else; say so where both do."""
    if len(time) < 2 or not (np.isfinite(time).all() and np.isfinite(values).all()):
        return
    duration, step = float(time.max()), 1 / rate_of(time)
    for unit in ('ms', 'us', 'ns'):
        factor = TIME[unit]
        if not SHORTEST <= duration * factor <= LONGEST:
            continue
        if not columns.is_tip:
            driven = [k for k, name in enumerate(columns.names) if name in arm.driven]
            with np.errstate(divide='ignore', invalid='ignore'):
                speed = (np.abs(np.diff(values[:, driven], axis=0)) /
                         np.maximum(np.diff(time), 1e-12)[:, None]).max(0) / factor
            limits = arm.limits.velocity[[arm.driven.index(columns.names[k]) for k in driven]]
            if (speed > 1.2 * limits).any():
                continue
        if len(time) > FEW and step >= 0.5:
            raise DemonstrationError(
                f'{source}: lasts {duration:.4g} s with {step:.3g} s between samples, or '
                f'{duration * factor:.3g} s were the times in {unit}: --time-unit says the unit')
        said.append(f'times taken as s, the unit of this format; in {unit} it would last '
                    f'{duration * factor:.3g} s (--time-unit {unit})')
        return
