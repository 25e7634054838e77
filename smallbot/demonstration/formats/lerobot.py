# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Episodes of LeRobot data sets: `observation.state` in parquet, joints named as in its metadata.

Needs pyarrow: `pip install 'smallbot[lerobot]'`. Format: versions 2.0 to 3.0 of LeRobotDataset,
a folder with meta/info.json, or one parquet file of it.
"""

from pathlib import Path

import numpy as np

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.formats.column_names import columns_of
from smallbot.demonstration.formats.options import Reading
from smallbot.demonstration.formats.recording import listed, Recording
from smallbot.demonstration.storage.refusal import DemonstrationError
from smallbot.demonstration.storage.units import ANGLE
from smallbot.files.plain import read_json
from smallbot.files.writing import read_bytes

STATE = 'observation.state'
LARGEST_SHARE = 100
"""Per cent of half its range that a joint is at its stop, where LeRobot records shares."""


def is_data_set(path: Path) -> bool:
    """Return whether a path is a LeRobot data set, or a parquet file."""
    if path.is_dir():
        return (path / 'meta' / 'info.json').is_file()
    return path.suffix.lower() == '.parquet'


def read_data_set(path: Path, arm: Arm, reading: Reading) -> Recording:
    """Return one episode; the unit of its angles must be told, as the format has none.

    Raises DemonstrationError where an episode, a unit or names are left open, or pyarrow is
    missing.
    """
    try:
        from pyarrow import ArrowException, dataset
    except ImportError:
        raise DemonstrationError(f'{path}: LeRobot data sets need pyarrow: pip install '
                                 f"'smallbot[lerobot]'") from None
    files = [path] if path.is_file() else sorted((path / 'data').rglob('*.parquet'))
    if not files:
        raise DemonstrationError(f'{path}: no parquet file in its folder data')
    info = _info(path)
    try:
        table = dataset.dataset([str(file) for file in files], format='parquet')
        for name in (STATE, 'timestamp', 'episode_index'):
            if name not in table.schema.names:
                raise DemonstrationError(f'{path}: no column {name!r}, expected a LeRobot data '
                                         f'set; there are {listed(table.schema.names)}')
        episodes = sorted(set(table.to_table(columns=['episode_index'])[0].to_pylist()))
        episode = reading.episode if reading.episode is not None or len(episodes) > 1 else (
            episodes[0] if episodes else None)
        if episode not in episodes:
            raise DemonstrationError(
                f'{path}: holds {len(episodes)} episodes; choose one with --episode, '
                f'{episodes[0]} to {episodes[-1]}' if episodes else f'{path}: no episode in it')
        rows = table.to_table(columns=[STATE, 'timestamp'],
                              filter=dataset.field('episode_index') == episode)
        states, stamps = rows[STATE].to_pylist(), rows['timestamp'].to_pylist()
    except (ArrowException, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DemonstrationError(f'{path}: cannot be read as parquet: {reason}') from None
    source = f'{path} (episode {episode})'
    values = np.array(states, dtype=float).reshape(len(states), -1)
    names = _names(info, values.shape[1])
    columns = columns_of(['time', *names] if names else [], values.shape[1] + 1, arm, reading,
                         source)
    unit = reading.angle_unit or next((u for u in columns.units if u), None)
    if unit is None:
        raise DemonstrationError(f'{source}: {STATE} has no unit: --angle-unit says it, rad or '
                                 f'deg; LeRobot records its own arms in deg, or with '
                                 f'use_degrees=false in per cent of the range of each joint, '
                                 f'which cannot be read')
    said = [f'left out: {listed(columns.left_out)}'] if columns.left_out else []
    numbers = values[:, [place - 1 for place in columns.places]]
    hint = ''
    if unit == 'deg' and LARGEST_SHARE - 3 < np.abs(numbers).max(initial=0) <= LARGEST_SHARE:
        hint = (f'reaches {np.abs(numbers).max():.1f} and not beyond {LARGEST_SHARE}: may be per '
                f'cent of the range (use_degrees=false), and not deg')
        said.append(hint)
    return Recording(source, f'LeRobot data set, {STATE}', columns.names,
                     np.array(stamps, dtype=float), numbers * ANGLE[unit], f's, {unit}', said,
                     hint=hint)


def _info(path: Path) -> dict:
    """Return meta/info.json of a data set, or of the one that a file lies in; {} without."""
    for folder in (path, *path.parents[:4]):
        file = folder / 'meta' / 'info.json'
        if file.is_file():
            try:
                return read_json(read_bytes(file))
            except (OSError, ValueError):
                return {}
    return {}


def _names(info: dict, count: int) -> list[str]:
    """Return the names of the elements of the state; empty where they are not told.

    LeRobot writes them as a list, in a list or under a word of its own, or as names with places.
    """
    names = _flat(info.get('features', {}).get(STATE, {}).get('names'))
    return names if len(names) == count else []


def _flat(names: object) -> list[str]:
    if isinstance(names, str):
        return [names]
    if isinstance(names, dict):
        values = list(names.values())
        if all(isinstance(value, int) for value in values):
            return sorted(names, key=names.get)
        names = values
    return [name for part in names for name in _flat(part)] if isinstance(names, list) else []
