# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""LeRobot data sets, laid out as versions 2.1 and 3.0 write them."""

import json
import re

import numpy as np
import pytest

from smallbot.demonstration.formats.options import parsed
from smallbot.demonstration.reading import read_demonstration
from smallbot.demonstration.samples import DemonstrationError
from smallbot.one_shot.model import ModelConfig
from smallbot.study.shown_files import read_folder

from .conftest import ARM, PATH, TIME

pa = pytest.importorskip('pyarrow', reason='needs pyarrow: pip install pyarrow')
parquet = pytest.importorskip('pyarrow.parquet')

NAMES = ['base.pos', 'shoulder.pos', 'gripper.pos']
EPISODES = (np.degrees(PATH), np.degrees(-PATH / 2), np.degrees(PATH[::-1]))
"""deg, of base and shoulder."""


def table_of(numbers):
    """Return the columns that LeRobot writes, of the episodes with these numbers."""
    states = [np.column_stack([EPISODES[number], 0 * TIME]) for number in numbers]
    rows = np.concatenate(states).astype(np.float32)
    frames = np.concatenate([np.arange(len(TIME)) for _ in numbers])
    return pa.table({
        'action': pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel() + 9), 3),
        'observation.state': pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 3),
        'timestamp': pa.array(TIME[frames], pa.float32()), 'frame_index': frames,
        'episode_index': np.repeat(list(numbers), len(TIME)),
        'index': np.arange(len(rows)), 'task_index': np.zeros(len(rows), int)})


def data_set(path, version, names=NAMES):
    """Write a data set of all episodes."""
    features = {'observation.state': {'dtype': 'float32', 'shape': [3], 'names': names}}
    chunk = path / 'data' / 'chunk-000'
    chunk.mkdir(parents=True)
    meta = path / 'meta'
    meta.mkdir()
    (meta / 'info.json').write_text(json.dumps({
        'codebase_version': version, 'robot_type': 'so101_follower', 'fps': 100,
        'total_episodes': len(EPISODES), 'features': features}))
    every = range(len(EPISODES))
    if version == 'v2.1':
        for number in every:
            parquet.write_table(table_of([number]), chunk / f'episode_{number:06d}.parquet')
        (meta / 'episodes.jsonl').write_text(''.join(json.dumps(
            {'episode_index': number, 'tasks': ['wave'], 'length': len(TIME)}) + '\n'
            for number in every))
    else:
        parquet.write_table(table_of(every[:2]), chunk / 'file-000.parquet')
        parquet.write_table(table_of(every[2:]), chunk / 'file-001.parquet')
        (meta / 'episodes' / 'chunk-000').mkdir(parents=True)
        parquet.write_table(pa.table({
            'episode_index': list(every), 'length': [len(TIME)] * len(EPISODES),
            'data/chunk_index': [0] * len(EPISODES), 'data/file_index': [0, 0, 1]}),
            meta / 'episodes' / 'chunk-000' / 'file-000.parquet')
        parquet.write_table(pa.table({'task_index': [0]}), meta / 'tasks.parquet')
    return path


@pytest.mark.parametrize('version', ['v2.1', 'v3.0'])
def test_every_episode_is_read_by_its_number(tmp_path, version):
    path = data_set(tmp_path / 'set', version)
    for options, said in (('', '3 episodes; choose one with --episode, 0 to 2'),
                          ('--episode 3', '3 episodes'),
                          ('--episode 1', 'no unit: --angle-unit.*use_degrees=false')):
        with pytest.raises(DemonstrationError, match=said):
            read_demonstration(path, ARM, parsed(options))
    for number, degrees in enumerate(EPISODES):
        shown = read_demonstration(path, ARM, parsed(f'--episode {number} --angle-unit deg'))
        assert np.abs(shown.position - np.radians(degrees)).max() < 1e-5
        assert np.abs(shown.time - TIME).max() < 1e-6
        assert f'(episode {number})' in shown.understood
        assert 'left out: gripper.pos' in shown.understood
        assert 'per cent' not in shown.understood


@pytest.mark.parametrize('names', [
    NAMES, [NAMES], {'motors': NAMES}, {'arm': NAMES[:2], 'hand': NAMES[2:]},
    {'shoulder.pos': 1, 'gripper.pos': 2, 'base.pos': 0}])
def test_names_are_read_in_every_form(tmp_path, names):
    path = data_set(tmp_path / 'set', 'v2.1', names)
    shown = read_demonstration(path, ARM, parsed('--episode 0 --angle-unit deg'))
    assert np.abs(shown.position - PATH).max() < 1e-5


@pytest.mark.parametrize('names', [None, ['base.pos'], 'state'])
def test_without_names_the_columns_are_told(tmp_path, names):
    path = data_set(tmp_path / 'set', 'v3.0', names)
    with pytest.raises(DemonstrationError, match='--columns 1=time,2=base,3=shoulder'):
        read_demonstration(path, ARM, parsed('--episode 0 --angle-unit deg'))
    shown = read_demonstration(path, ARM, parsed(
        '--episode 0 --angle-unit deg --columns 1=time,2=base,3=shoulder'))
    assert np.abs(shown.position - PATH).max() < 1e-5


def test_one_file_of_a_data_set_is_read_with_its_names(tmp_path):
    path = data_set(tmp_path / 'set', 'v2.1') / 'data' / 'chunk-000' / 'episode_000001.parquet'
    shown = read_demonstration(path, ARM, parsed('--angle-unit deg'))
    assert np.abs(shown.position + PATH / 2).max() < 1e-5


def test_a_data_set_is_a_folder_of_demonstrations(tmp_path):
    path, config = data_set(tmp_path / 'set', 'v3.0'), ModelConfig(steps=100)
    for folder in (path, tmp_path):
        (file,) = read_folder(folder, None, config, ARM, parsed('--episode 1 --angle-unit deg'))
        assert file.name == 'set' and not file.refused


def test_angles_that_end_at_a_hundred_may_be_shares_of_the_range(tmp_path, monkeypatch):
    said = r'reaches 99\.5 and not beyond 100: may be per cent'
    reach = np.degrees(PATH) * [99.5 / np.degrees(PATH[:, 0]).max(), 1]
    monkeypatch.setattr(f'{__name__}.EPISODES', (reach, -reach[:, ::-1]))
    path = data_set(tmp_path / 'set', 'v2.1')
    shown = read_demonstration(path, ARM, parsed('--episode 0 --angle-unit deg'))
    assert re.search(said, shown.understood)
    with pytest.raises(DemonstrationError, match=f"'shoulder' .* outside its limits.*{said}"):
        read_demonstration(path, ARM, parsed('--episode 1 --angle-unit deg'))
