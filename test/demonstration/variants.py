# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Files as people bring them: dialect x unit x fault of known movements, and the right answers.

`benchmarks/recordings.py` counts them for the documentation.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
import math
from pathlib import Path
import re
import shutil

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.enums import CompressionFormat, CompressionMode
from rosbags.typesys import get_typestore, Stores
import torch
import yaml

from smallbot.arm.kinematics import default_arm
from smallbot.demonstration.formats.options import parsed
from smallbot.demonstration.reading import read_demonstration
from smallbot.demonstration.samples import DemonstrationError

ARM = default_arm()
TIME = np.arange(251) * 0.01
MOVEMENTS = {
    'bend': np.stack([0.5 * np.sin(1.3 * TIME), 0.3 * np.cos(2 * TIME) - 0.2], axis=1),
    'loop': np.stack([0.4 * np.sin(2.4 * TIME) + 0.1, 0.4 * np.cos(2.4 * TIME) + 0.05], axis=1),
}
"""rad, two joints of the ED-Scorbot, without rest at the ends."""


@dataclass
class Variant:
    """One file, and what is to become of it."""

    name: str
    group: str
    write: Callable[[Path], Path]
    """Writes the file into a folder; returns its path."""
    shown: np.ndarray
    """[251, 2], rad at TIME."""
    options: str = ''
    refused: str = ''
    """Regular expression that the refusal has; empty: learned."""
    tolerance: float = 2e-5
    """rad, of the positions read."""
    said: tuple[str, ...] = ()
    """What the line must say."""
    until: float = 2.5
    """s that are kept."""


@dataclass
class Table:
    """A table before it is written."""

    header: list[str]
    rows: np.ndarray
    refused: str = ''
    options: str = ''
    tolerance: float = 2e-5
    said: tuple[str, ...] = ()
    until: float = 2.5
    formats: dict[int, str] = field(default_factory=dict)


def plain(path: np.ndarray) -> Table:
    return Table(['time', 'base', 'shoulder'], np.column_stack([TIME, path]))


# --- dialects: from cells to bytes ---------------------------------------------------------

def lines(table: Table, separator=',', decimal='.', end='\n', quote='', trail='') -> str:
    made = [separator.join(f'{quote}{name}{quote}' for name in table.header) + trail]
    for row in table.rows:
        cells = [format(value, table.formats.get(column, '.6f'))
                 for column, value in enumerate(row)]
        made.append(separator.join(cells).replace('.', decimal) + trail)
    return end.join(made) + end


def unit_row(table: Table) -> str:
    first, rest = lines(table).split('\n', 1)
    return f'{first}\ns,{",".join("rad" for _ in table.header[1:])}\n{rest}'


DIALECTS = {
    'plain': lambda t: lines(t).encode(),
    'semicolons, decimal commas': lambda t: lines(t, ';', ',').encode(),
    'semicolons, points': lambda t: lines(t, ';').encode(),
    'tabs': lambda t: lines(t, '\t').encode(),
    'tabs, decimal commas': lambda t: lines(t, '\t', ',').encode(),
    'blanks': lambda t: lines(t, '  ').encode(),
    'bars': lambda t: lines(t, ' | ').encode(),
    'comma and blank': lambda t: lines(t, ', ').encode(),
    'byte order mark': lambda t: b'\xef\xbb\xbf' + lines(t).encode(),
    'UTF-16': lambda t: lines(t, ';', ',').encode('utf-16'),
    'UTF-16 without a mark': lambda t: lines(t, '\t').encode('utf-16-le'),
    'Windows-1252': lambda t: ('# Grad: °\r\n' + lines(t, end='\r\n')).encode('cp1252'),
    'sep= line': lambda t: b'sep=;\r\n' + lines(t, ';', ',', '\r\n').encode(),
    'trailing commas': lambda t: lines(t, trail=',').encode(),
    'trailing semicolons': lambda t: lines(t, ';', ',', trail=';;').encode(),
    'carriage returns': lambda t: lines(t, end='\r').encode(),
    'quoted header': lambda t: lines(t, quote='"').encode(),
    'comments': lambda t: ('# arm 7\n% by hand\n' + lines(t)).encode(),
    'header in a comment': lambda t: ('# ' + lines(t)).encode(),
    'lines above': lambda t: ('Recording of Monday\nOperator: A. B.\n\n' + lines(t)).encode(),
}


# --- units: how numbers and headings say them ----------------------------------------------

def unit_of(name: str, path: np.ndarray) -> Table:
    table = plain(path)
    degrees = np.column_stack([TIME, np.degrees(path)])
    if name == 's, rad':
        return table
    if name == 'deg in the header':
        return Table(['time [s]', 'base [deg]', 'shoulder (°)'], degrees)
    if name == 'deg as suffix':
        return Table(['time_s', 'base_deg', 'shoulder_deg'], degrees)
    if name == 'deg as told':
        return Table(table.header, degrees, options='--angle-unit deg')
    if name == 'deg, not said':
        return Table(table.header, degrees, refused='--angle-unit deg')
    if name == 'ms in the header':
        return Table(['time (ms)', 'base [rad]', 'shoulder [rad]'],
                     np.column_stack([1000 * TIME, path]))
    if name == 'ms, not said':
        return Table(table.header, np.column_stack([1000 * TIME, path]), refused='--time-unit')
    if name == 'us as told':
        return Table(table.header, np.column_stack([1e6 * TIME, path]), options='--time-unit us')
    if name == 'ns since 1970':
        return Table(table.header, np.column_stack([np.round(1e9 * TIME) + 1.764096e18, path]),
                     formats={0: '.0f'}, said=('since 1970',), tolerance=2e-4)
    if name == 'sample numbers':
        return Table(table.header, np.column_stack([np.arange(251), path]), refused='--rate HZ',
                     formats={0: '.0f'})
    if name == 'sample numbers from 1, rate told':
        return Table(['frame', 'base', 'shoulder'],
                     np.column_stack([np.arange(1, 252), path]), options='--rate 100',
                     formats={0: '.0f'}, said=('left out: frame',))
    if name == 'unknown unit':
        return Table(['time', 'base [furlong]', 'shoulder'], table.rows, refused="'furlong'")
    if name == 'other names, told':
        return Table(['clock', 'A1', 'A2'], table.rows,
                     options='--columns clock=time,A1=base,A2=shoulder')
    raise ValueError(name)


UNITS = ('s, rad', 'deg in the header', 'deg as suffix', 'deg as told', 'deg, not said',
         'ms in the header', 'ms, not said', 'us as told', 'ns since 1970', 'sample numbers',
         'sample numbers from 1, rate told', 'unknown unit', 'other names, told')
SAME_FOR_ALL = ('s, rad', 'deg in the header', 'deg, not said', 'ms, not said', 'ms in the header')


# --- faults --------------------------------------------------------------------------------

def fault_of(name: str, path: np.ndarray) -> Table:
    """Return a table with a fault, and what is to become of it."""
    table = plain(path)
    rows = table.rows
    if name == 'one spike':
        rows[100, 1] += 0.6
        return Table(table.header, rows, said=('1 spike',), tolerance=5e-4)
    if name == 'spikes refused as asked':
        rows[100, 1] += 0.6
        return Table(table.header, rows, options='--no-repair', refused='1 spike.*--no-repair')
    if name == 'dropout of one sample':
        rows[60, 1] = 0
        return Table(table.header, rows, said=('dropout to zero',), tolerance=5e-4)
    if name == 'dropout of nine':
        rows[60:69, 1] = 0
        return Table(table.header, rows, refused='drops to exactly zero in 9 samples')
    if name == 'wraps':
        rows[80:140, 1] += 2 * math.pi
        return Table(table.header, rows, said=('2 wraps',))
    if name == 'a turn off':
        rows[:, 1] += 2 * math.pi
        return Table(table.header, rows, said=('a turn less',))
    if name == 'jump':
        rows[90:, 1] += 0.5
        return Table(table.header, rows, refused=r"'base' jumps by (0\.5|0\.49)")
    if name == 'two take turns':
        rows[::2, 1] += 0.5
        return Table(table.header, rows, refused='take turns')
    if name == 'gap in motion':
        return Table(table.header, np.delete(rows, slice(100, 150), 0),
                     refused='no samples from 0.990 to 1.500 s')
    if name == 'gap of a few':
        return Table(table.header, np.delete(rows, slice(100, 103), 0), said=('1 short gap',),
                     tolerance=1e-3)
    if name == 'gap at rest':
        still = np.vstack([rows[:101], rows[101:] + [[1.0, 0, 0]]])
        still[101:, 1:] -= still[101, 1:] - still[100, 1:]
        return Table(table.header, still, said=('in which the arm rested',), until=3.5,
                     tolerance=math.inf)
    if name == 'stamp twice':
        return Table(table.header, np.insert(rows, 50, rows[50], 0), said=('bridged',))
    if name == 'stamps out of order':
        rows[[70, 71]] = rows[[71, 70]]
        return Table(table.header, rows, said=('put in order',))
    if name == 'clock set back':
        rows[120:, 0] -= 0.8
        return Table(table.header, rows, refused='time does not increase')
    if name == 'NaN':
        rows[77, 2] = math.nan
        return Table(table.header, rows, refused='shoulder is nan in sample 78')
    if name == 'rest before and after':
        still = np.vstack([np.repeat(rows[:1], 300, 0), rows, np.repeat(rows[-1:], 300, 0)])
        still[:, 0] = np.arange(len(still)) * 0.01
        return Table(table.header, still, said=('kept of 8.50 s',), until=2.7,
                     tolerance=math.inf)
    if name == 'nothing moves':
        rows[:, 1:] = rows[0, 1:]
        return Table(table.header, rows, refused='nothing moves')
    if name == 'extra columns':
        more = np.column_stack([np.arange(251), rows, np.gradient(path, axis=0), rows[:, :1]])
        return Table(['frame', *table.header, 'base_velocity', 'effort_shoulder', 'epoch'], more,
                     said=('left out: frame, base_velocity, effort_shoulder, epoch',))
    if name == 'paths as names':
        return Table(['__time', '/joint_states/base/position', '/joint_states/shoulder/position'],
                     rows)
    if name == 'unknown joint':
        return Table([*table.header, 'knee'], np.column_stack([rows, rows[:, 1]]),
                     refused="'knee' is unknown.*--columns")
    if name == 'a joint missing':
        return Table(table.header[:2], rows[:, :2], refused="'shoulder' occurs 0 times")
    if name == 'a joint twice':
        return Table(['time', 'base', 'shoulder', 'base_position'],
                     np.column_stack([rows, rows[:, 1]]), refused="'base' occurs 2 times.*--col")
    if name == 'outside the limits':
        rows[:, 2] -= 1.5
        return Table(table.header, rows, refused="'shoulder' is at .* outside its limits")
    raise ValueError(name)


FAULTS = ('one spike', 'spikes refused as asked', 'dropout of one sample', 'dropout of nine',
          'wraps', 'a turn off', 'jump', 'two take turns', 'gap in motion', 'gap of a few',
          'gap at rest', 'stamp twice', 'stamps out of order', 'clock set back', 'NaN',
          'rest before and after', 'nothing moves', 'extra columns', 'paths as names',
          'unknown joint', 'a joint missing', 'a joint twice', 'outside the limits')
IN_DIALECTS = ('plain', 'semicolons, decimal commas', 'UTF-16', 'blanks')


# --- bags ----------------------------------------------------------------------------------

STORAGES = {
    'MCAP': {}, 'sqlite3': {'plugin': StoragePlugin.SQLITE3},
    'MCAP, chunks compressed': {'mode': CompressionMode.STORAGE},
    'sqlite3, file compressed': {'plugin': StoragePlugin.SQLITE3, 'mode': CompressionMode.FILE},
    'sqlite3, messages compressed': {'plugin': StoragePlugin.SQLITE3,
                                     'mode': CompressionMode.MESSAGE},
    'no metadata': {'metadata': False}, 'sqlite3, no metadata': {
        'plugin': StoragePlugin.SQLITE3, 'metadata': False},
    'bare .mcap': {'bare': True}, 'split': {'split': True}, 'cut off': {'cut': True},
    'compressed and cut off': {'cut': True, 'mode': CompressionMode.STORAGE},
    'empty storage identifier': {'identifier': ''},
}


def write_bag(path: Path, messages: list[tuple], plugin=StoragePlugin.MCAP, mode=None) -> None:
    """Write (topic, stamp, received, names, positions), all in ns, with the library."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    state = store.types['sensor_msgs/msg/JointState']
    header, moment = store.types['std_msgs/msg/Header'], store.types['builtin_interfaces/msg/Time']
    bag = Writer(path, version=9 if plugin is StoragePlugin.MCAP else 8, storage_plugin=plugin)
    if mode is not None:
        bag.set_compression(mode, CompressionFormat.ZSTD)
    with bag:
        topics = {topic: bag.add_connection(topic, state.__msgtype__, typestore=store)
                  for topic in dict.fromkeys(message[0] for message in messages)}
        for topic, stamp, received, names, position in messages:
            message = state(header(moment(stamp // 10 ** 9, stamp % 10 ** 9), ''), list(names),
                            np.array(position, float), np.zeros(0), np.zeros(0))
            bag.write(topics[topic], received, store.serialize_cdr(message, state.__msgtype__))


def stored(folder: Path, messages: list[tuple], plugin=StoragePlugin.MCAP, mode=None,
           metadata=True, bare=False, split=False, cut=False, identifier=None) -> Path:
    path = folder / 'bag'
    if split:
        half = len(messages) // 2
        for number, part in enumerate((messages[:half], messages[half:])):
            write_bag(folder / f'part{number}', part, plugin, mode)
        shutil.copytree(folder / 'part0', path)
        shutil.move(path / 'part0.mcap', path / 'bag_0.mcap')
        shutil.move(folder / 'part1' / 'part1.mcap', path / 'bag_1.mcap')
        told = yaml.safe_load((path / 'metadata.yaml').read_text())
        told['rosbag2_bagfile_information']['relative_file_paths'] = ['bag_0.mcap', 'bag_1.mcap']
        (path / 'metadata.yaml').write_text(yaml.safe_dump(told))
        return path
    write_bag(path, messages, plugin, mode)
    (file,) = (p for p in path.iterdir() if p.name != 'metadata.yaml')
    if cut:
        content = file.read_bytes()
        file.write_bytes(content[:int(0.6 * len(content))])
    if identifier is not None:
        told = yaml.safe_load((path / 'metadata.yaml').read_text())
        told['rosbag2_bagfile_information']['storage_identifier'] = identifier
        (path / 'metadata.yaml').write_text(yaml.safe_dump(told))
    if not metadata or bare or cut:
        (path / 'metadata.yaml').unlink()
    return file if bare else path


def states(path: np.ndarray) -> list[tuple]:
    return [('/joint_states', 10 ** 18 + round(1e9 * t), 10 ** 18 + round(1e9 * t) + 10 ** 6,
             ('shoulder', 'base'), (q[1], q[0])) for t, q in zip(TIME, path)]


def bag_fault(name: str, path: np.ndarray) -> tuple[list[tuple], dict]:
    """Return messages with a fault, and what is to become of them."""
    made = states(path)
    start = made[0][1]
    if name == 'none':
        return made, {}
    if name == 'first message empty':
        return [('/joint_states', start - 10 ** 7, start - 10 ** 7, (), ()), *made], {
            'said': ('1 message without the driven joints',)}
    if name == 'gripper on the topic':
        hand = [('/joint_states', m[1] + 10 ** 6, m[2] + 10 ** 6, ('gripper_finger_left_joint',),
                 (0.0,)) for m in made[::3]]
        return sorted(made + hand, key=lambda m: m[2]), {'said': ('84 messages without',)}
    if name == 'joints in messages of their own':
        return sorted([(m[0], m[1], m[2] + k, (m[3][k],), (m[4][k],))
                       for m in made for k in (0, 1)], key=lambda m: m[2]), {
            'said': ('messages of their own',)}
    if name == 'NaN in some':
        lost = [(*m[:4], (math.nan, 0.0)) if k in (0, 1, 100) else m for k, m in enumerate(made)]
        return lost, {'said': ('3 messages with NaN',), 'tolerance': 1e-3}
    if name == 'NaN in another joint':
        return [(*m[:3], (*m[3], 'elbow'), (*m[4], math.nan)) for m in made], {}
    if name == 'stamp twice':
        made[100] = (made[100][0], made[99][1], *made[100][2:])
        return made, {'said': ('stamp of another bridged',), 'tolerance': 1e-3}
    if name == 'no stamps':
        return [(m[0], 0, *m[2:]) for m in made], {'said': ('251 messages without a stamp',)}
    if name == 'another topic too':
        other = [('/other', *m[1:4], (0.0, 0.0)) for m in made]
        return sorted(made + other, key=lambda m: m[2]), {'refused': '2 topics.*--topic'}
    if name == 'topic told':
        other = [('/other', *m[1:4], (0.0, 0.0)) for m in made]
        return sorted(made + other, key=lambda m: m[2]), {'options': '--topic joint_states'}
    if name == 'two publishers':
        other = [('/joint_states', m[1] + 5 * 10 ** 6, m[2] + 5 * 10 ** 6,
                  ('base', 'shoulder', 'elbow'), (0.0, 0.0, 0.0)) for m in made]
        return sorted(made + other, key=lambda m: m[2]), {'refused': "'base' has 2 pub.*--pub"}
    if name == 'publisher told':
        other = [('/joint_states', m[1] + 5 * 10 ** 6, m[2] + 5 * 10 ** 6, ('base', 'shoulder'),
                  (0.0, 0.0)) for m in made]
        return sorted(made + other, key=lambda m: m[2]), {'options': '--publisher 1'}
    if name == 'no driven joint':
        return [(*m[:3], ('knee', 'hip'), m[4]) for m in made], {'refused': 'no message has base'}
    raise ValueError(name)


BAG_FAULTS = ('none', 'first message empty', 'gripper on the topic', 'NaN in some',
              'joints in messages of their own', 'NaN in another joint', 'stamp twice',
              'no stamps', 'another topic too', 'topic told', 'two publishers', 'publisher told',
              'no driven joint')


def variants() -> Iterator[Variant]:
    """Yield every variant, the same each time."""
    def text(name, group, table, encode, path, suffix='.csv'):
        def write(folder):
            file = folder / f'shown{suffix}'
            file.write_bytes(encode(table))
            return file
        return Variant(name, group, write, path, table.options, table.refused, table.tolerance,
                       table.said, table.until)
    for movement, path in MOVEMENTS.items():
        for dialect, encode in DIALECTS.items():
            for unit in UNITS if dialect in IN_DIALECTS else SAME_FOR_ALL:
                if dialect == 'blanks' and any(' ' in h for h in unit_of(unit, path).header):
                    continue
                suffix = '.CSV' if dialect == 'tabs' else '.csv'
                yield text(f'{movement}, {dialect}, {unit}', 'dialect and unit',
                           unit_of(unit, path), encode, path, suffix)
        yield text(f'{movement}, units in a row', 'dialect and unit', plain(path),
                   lambda t: unit_row(t).encode(), path)
        for dialect in IN_DIALECTS[:2]:
            for fault in FAULTS:
                yield text(f'{movement}, {dialect}, {fault}', 'fault in a table',
                           fault_of(fault, path.copy()), DIALECTS[dialect], path)
        yield text(f'{movement}, last line cut off', 'fault in a table', Table(
            plain(path).header, plain(path).rows, said=('last line cut off',), until=2.49),
            lambda t: lines(t).encode()[:-15], path)
        tip = ARM.tip(torch.as_tensor(path)).numpy()
        for unit, scale, options, refused in (
                ('m', 1, '', ''), ('mm', 1000, '', '--length-unit'),
                ('mm', 1000, '--length-unit mm', ''), ('cm', 100, '--length-unit cm', '')):
            table = Table(['time', 'x', 'y', 'z'], np.column_stack([TIME, scale * tip]), refused,
                          options, 1e-4)
            for dialect in IN_DIALECTS[:1 + (unit == 'mm')]:
                yield text(f'{movement}, tip in {unit} {options}, {dialect}', 'tool tip', table,
                           DIALECTS[dialect], path)
        for storage, how in STORAGES.items():
            every = {'bend': 'MCAP', 'loop': 'sqlite3'}[movement] == storage
            faults = BAG_FAULTS if every else BAG_FAULTS[:1]
            for fault in faults:
                messages, expected = bag_fault(fault, path)

                def write(folder, messages=messages, how=how):
                    return stored(folder, messages, **how)
                if how.get('cut'):
                    expected = {'said': ('cut off',), 'until': 1.0}
                yield Variant(f'{movement}, {storage}, {fault}', 'bag', write, path, **expected)


def judged(variant: Variant, path: Path) -> str:
    """Return what is wrong with how a variant was read; empty: nothing."""
    try:
        shown = read_demonstration(path, ARM, parsed(variant.options))
    except DemonstrationError as error:
        text = str(error)
        if not variant.refused:
            return f'refused: {text}'
        fine = re.search(variant.refused, text) and str(path) in text and '\n' not in text
        return '' if fine else f'refused with another reason: {text}'
    if variant.refused:
        return f'not refused: {shown.understood}'
    missing = [words for words in variant.said if words not in shown.understood]
    if missing:
        return f'does not say {missing}: {shown.understood}'
    if shown.duration < variant.until - 0.06 or shown.duration > max(variant.until, 2.5) + 0.06:
        return f'lasts {shown.duration}'
    exact = np.stack([np.interp(shown.time, TIME, column) for column in variant.shown.T], axis=1)
    if len(shown.time) < len(TIME) - 1 and 'NaN in some' in variant.name:
        exact = np.stack([np.interp(shown.time + 0.02, TIME, column)
                          for column in variant.shown.T], axis=1)
    off = np.abs(shown.position - exact).max() if np.isfinite(variant.tolerance) else 0.0
    return f'positions off by {off:.2g} rad' if off > variant.tolerance else ''
