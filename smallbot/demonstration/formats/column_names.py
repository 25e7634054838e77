# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the headings of a table mean: time, joints, the tool tip, or something else left out."""

from collections.abc import Sequence
import re
import string
from typing import NamedTuple

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.formats.options import Reading
from smallbot.demonstration.formats.recording import listed
from smallbot.demonstration.storage.refusal import DemonstrationError
from smallbot.demonstration.storage.text_table import is_number, UNNAMED
from smallbot.demonstration.storage.units import (
    ANGLE,
    bracketed,
    is_of_another_quantity,
    is_unit,
    LENGTH,
    suffixed,
    TIME,
)

TIME_NAMES = ('time', 't', 'timestamp', 'time_stamp', 'stamp', '__time', 'time_from_start',
              'elapsed', 'elapsed_time', 'seconds', 'sec', 'secs')
"""Headings of a column of times, the surest first."""
_NANOSECONDS = ('nanosec', 'nanosecs', 'nsec', 'nsecs', 'nanoseconds')
_POSITION = {'position', 'positions', 'pos', 'q', 'angle', 'angles', 'joint', 'joints', 'state',
             'states', 'joint_states', 'actual', 'measured', 'observation', 'data', 'value', 'rad',
             'deg', 'radians', 'degrees'}
_TIP = {'tip', 'tcp', 'tool', 'tool0', 'ee', 'eef', 'end', 'effector', 'pose', 'point',
        'tooltip', 'flange', 'hand', 'cartesian', 'xyz', 'translation', *_POSITION}
_OTHER = {
    'velocity', 'velocities', 'vel', 'speed', 'qd', 'dq', 'qdot', 'effort', 'efforts', 'eff',
    'torque', 'tau', 'force', 'current', 'voltage', 'acceleration', 'acc', 'accel', 'qdd', 'ddq',
    'temperature', 'temp', 'target', 'command', 'commanded', 'cmd', 'desired', 'setpoint',
    'reference', 'ref', 'goal', 'error', 'err', 'action', 'frame', 'index', 'idx', 'id', 'sample',
    'seq', 'sequence', 'row', 'no', 'nr', 'number', 'count', 'counter', 'step', 'tick', 'episode',
    'task', 'date', 'datetime', 'day', 'clock', 'wall', 'epoch', 'utc', 'iso', 'iso8601',
    'received', 'receipt', 'gripper', 'finger', 'label', 'note', 'notes', 'comment', 'name',
    'status', 'mode', 'flag', 'button', 'event', 'quality', 'weight', 'load', 'pressure', 'phase',
    'reward', 'done', 'dt', 'delta', 'rate', 'fps', 'qx', 'qy', 'qz', 'qw', 'rx', 'ry', 'rz', 'rw',
    'roll', 'pitch', 'yaw', 'orientation', 'rotation', 'quaternion', 'wx', 'wy', 'wz', 'fx', 'fy',
    'fz', 'mx', 'my', 'mz', 'vx', 'vy', 'vz'}
"""Words of columns that are no positions; such columns are left out, and named."""


class Columns(NamedTuple):
    """Which column is what."""

    time: tuple[int, ...] | None
    """One, or those of seconds and nanoseconds; None: no times."""
    time_unit: str
    """Empty: not said."""
    names: tuple[str, ...]
    """Joints of the arm, or x, y, z."""
    places: tuple[int, ...]
    units: tuple[str, ...]
    """Of each name; empty: not said."""
    left_out: list[str]

    @property
    def is_tip(self) -> bool:
        """Return whether they are the tool tip's."""
        return self.names == ('x', 'y', 'z')


def columns_of(header: list[str], fields: int, arm: Arm, reading: Reading, source: str,
               rows: Sequence[Sequence[str]] = (), unnamed: str = UNNAMED) -> Columns:
    """Return what the columns of a table are; `rows` tell columns of words from numbers.

    `unnamed` says why there is no header. Raises DemonstrationError where a joint is missing,
    occurs twice or is unknown, and where a unit is.
    """
    if reading.columns:
        return _as_told(header, fields, arm, reading, source)
    if not header:
        first = () if reading.rate is not None else ('time',)
        example = ','.join(f'{number}={name}' for number, name in
                           enumerate((*first, *arm.driven), 1))
        raise DemonstrationError(
            f'{source}: {unnamed} for its {fields} columns, expected time,<joints> or time,x,y,z; '
            f'--columns says what is what, as in --columns {example}'
            + ('; where there are no times, --rate HZ says how many samples a second there are'
               if first else ''))
    joints = {name.lower(): name for name in (*arm.movable, *arm.joints)}
    times: list[tuple[int, int, str, str]] = []
    nanoseconds, found, left_out, unknown = [], [], [], []
    tip: list[tuple[str, int, str]] = []
    for column, heading in enumerate(header):
        name, unit = _named(heading, joints)
        lower = name.lower()
        joint = _joint(name, joints)
        rank = _time_rank(lower)
        if not lower:
            left_out.append(f'column {column + 1} without a name')
        elif joint is None and _last(heading) in _NANOSECONDS:
            nanoseconds.append(column)
        elif joint is None and rank is not None and not _words(unit) & _OTHER:
            _check_unit(unit, TIME, heading, source)
            times.append((rank, column, unit, name))
        elif joint is None and unit in TIME and not _words(name) & _OTHER:
            times.append((len(TIME_NAMES), column, unit, name))
        elif unit and is_of_another_quantity(unit):
            left_out.append(heading)
        elif joint is not None:
            _check_unit(unit, ANGLE, heading, source)
            found.append((joint, column, unit))
        elif _axis(lower) is not None:
            _check_unit(unit, LENGTH, heading, source)
            tip.append((_axis(lower), column, unit))
        elif _words(name) & _OTHER or _is_text(rows, column):
            left_out.append(heading)
        else:
            unknown.append(heading)
    times.sort()
    time, time_unit = None, ''
    if times:
        if len(times) > 1 and times[1][0] == times[0][0]:
            raise DemonstrationError(f'{source}: times in {times[0][3]!r} and in {times[1][3]!r}: '
                                     f'choose with --columns {times[0][3]}=time,...')
        time, time_unit = (times[0][1],), times[0][2]
        if nanoseconds and _last(header[times[0][1]]) in ('sec', 'secs', 'seconds', 's'):
            time = (times[0][1], nanoseconds.pop(0))
        left_out += [header[column] for _, column, _, _ in times[1:]]
    elif nanoseconds:
        time, time_unit = (nanoseconds.pop(0),), 'ns'
    left_out += [header[column] for column in nanoseconds]
    if time is None and reading.rate is None:
        raise DemonstrationError(f'{source}: header {",".join(header)!r}, expected time,<joints> '
                                 f'or time,x,y,z; where there are no times, --rate HZ says how '
                                 f'many samples a second there are')
    if sorted(axis for axis, _, _ in tip) == ['x', 'y', 'z'] and not found:
        found = sorted(tip)
    else:
        unknown += [header[column] for _, column, _ in tip] if not found else []
        left_out += [header[column] for _, column, _ in tip] if found else []
    if unknown:
        raise DemonstrationError(
            f'{source}: joint {unknown[0]!r} is unknown; {arm.name} has {", ".join(arm.movable)}; '
            f'--columns {unknown[0]}=NAME,... says what is what, and leaves out the others')
    return _checked(Columns(time, time_unit, tuple(name for name, _, _ in found),
                            tuple(column for _, column, _ in found),
                            tuple(unit for _, _, unit in found), left_out), header, arm, source)


def _as_told(header: list[str], fields: int, arm: Arm, reading: Reading, source: str) -> Columns:
    """Return the columns that `--columns` names; a column of times may go without saying."""
    joints = {name: name for name in (*arm.movable, *arm.joints)}
    headings = [bracketed(heading) for heading in header]
    time, nanoseconds, found, used = None, None, [], set()
    for key, meaning in reading.columns:
        column = _place(key, header, fields, source)
        used.add(column)
        unit = headings[column][1] if header else ''
        if meaning in ('time', 'sec'):
            time = column
        elif meaning in _NANOSECONDS:
            nanoseconds = column
        elif meaning in joints or meaning in ('x', 'y', 'z'):
            _check_unit(unit, LENGTH if meaning in ('x', 'y', 'z') and meaning not in joints
                        else ANGLE, header[column] if header else key, source)
            found.append((meaning, column, unit))
        else:
            raise DemonstrationError(f'{source}: --columns {key}={meaning}: {arm.name} has no '
                                     f'{meaning!r}; expected time, x, y, z or one of '
                                     f'{", ".join(arm.movable)}')
    if time is None and reading.rate is None:
        ranked = sorted((rank, column) for column, heading in enumerate(header)
                        if (rank := _time_rank(_named(heading, {})[0].lower())) is not None)
        if not ranked:
            raise DemonstrationError(f'{source}: --columns names no time: COLUMN=time, or '
                                     f'--rate HZ where there is none')
        time = ranked[0][1]
        used.add(time)
    if {name for name, _, _ in found} == {'x', 'y', 'z'}:
        found.sort()
    unit = _named(header[time], {})[1] if header and time is not None else ''
    left_out = [heading or f'column {column + 1}' for column, heading in enumerate(header)
                if column not in used]
    places = None if time is None else (time,) if nanoseconds is None else (time, nanoseconds)
    return _checked(Columns(places, unit if unit in TIME else '',
                            tuple(n for n, _, _ in found), tuple(c for _, c, _ in found),
                            tuple(u for _, _, u in found), left_out), header, arm, source)


def _checked(columns: Columns, header: list[str], arm: Arm, source: str) -> Columns:
    if columns.is_tip:
        return columns
    for name in dict.fromkeys((*arm.driven, *columns.names)):
        count = columns.names.count(name)
        if count != 1:
            where = [header[c] for c, n in zip(columns.places, columns.names) if n == name]
            cure = (f'--columns {where[0]}={name},... chooses' if where else
                    f'--columns COLUMN={name},... says which column it is')
            raise DemonstrationError(f'{source}: joint {name!r} occurs {count} times'
                                     f'{" (" + listed(where) + ")" if where else ""}, expected '
                                     f'once among {listed(header)}; {cure}')
    return columns


def _named(heading: str, joints: dict[str, str]) -> tuple[str, str]:
    """Return name and unit of a heading; a joint whose name ends like a unit keeps its name."""
    if heading.strip().lower() in joints:
        return heading.strip(), ''
    name, unit = bracketed(heading)
    if unit in joints:
        return unit, ''
    if not unit:
        short, ending = suffixed(name)
        plain = short.lower()
        fits = (ending in TIME and _time_rank(plain) is not None
                or ending in ANGLE and _joint(short, joints) is not None
                or ending in LENGTH and _axis(plain) is not None)
        if fits:
            return short, ending
    return name, unit


def _check_unit(unit: str, table: dict[str, float], heading: str, source: str) -> None:
    if unit and unit not in table:
        known = 'a unit of something else' if is_unit(unit) else 'not known'
        raise DemonstrationError(f'{source}: {heading!r}: the unit {unit!r} is {known}, expected '
                                 f'{", ".join(table)}')


def _time_rank(lower: str) -> int | None:
    last = re.split(r'[./]', lower)[-1]
    for name in (lower, last):
        if name in TIME_NAMES:
            return TIME_NAMES.index(name)
    return None


def _last(heading: str) -> str:
    return re.split(r'[./ ]', heading.strip().lower())[-1]


def _words(name: str) -> set[str]:
    parts = re.sub(r'([a-z])([A-Z])', r'\1 \2', name).lower()
    return set(re.split(r'[^a-z0-9]+', parts)) | {parts}


def _joint(name: str, joints: dict[str, str]) -> str | None:
    """Return the joint that a heading names, alone or beside words for a position."""
    lower = name.strip().lower()
    if lower in joints:
        return joints[lower]
    for joint, proper in joints.items():
        found = re.search(rf'(^|[^a-z0-9]){re.escape(joint)}($|[^a-z0-9])', lower)
        if found:
            around = re.split(r'[^a-z0-9]+', lower[:found.start()] + ' ' + lower[found.end():])
            if set(around) - {''} <= _POSITION:
                return proper
    return None


def _axis(lower: str) -> str | None:
    words = [word for word in re.split(r'[^a-z0-9]+', lower) if word]
    axes = [word for word in words if word in ('x', 'y', 'z')]
    if len(axes) == 1 and set(words) - set(axes) <= _TIP:
        return axes[0]
    return None


def _is_text(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Return whether a column holds words, and not numbers."""
    cells = [row[column] for row in rows if row[column]]
    return not cells or sum(is_number(cell) for cell in cells) < len(cells) / 2


def _place(key: str, header: list[str], fields: int, source: str) -> int:
    """Return the column that is named so, or has that number from 1, or that letter."""
    names = [bracketed(heading)[0] for heading in header]
    for candidates in (header, names, [name.lower() for name in names]):
        for wanted in (key, key.lower()):
            if candidates.count(wanted) == 1:
                return candidates.index(wanted)
    place = -1
    if key.isdigit():
        place = int(key) - 1
    elif 0 < len(key) <= 2 and all(letter in string.ascii_letters for letter in key):
        place = 0
        for letter in key.upper():
            place = 26 * place + ord(letter) - 64
        place -= 1
    if not 0 <= place < fields:
        raise DemonstrationError(f'{source}: --columns {key}=...: no such column; there are '
                                 f'{listed(header) if header else f"{fields} without names"}')
    return place
