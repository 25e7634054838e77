# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from smallbot.demonstration.reading import read_demonstration
from smallbot.demonstration.samples import DemonstrationError
from smallbot.demonstration.trial_grid import playing_duration, trial_of
from smallbot.share import share_directory

from .conftest import ARM, PATH, TIME


def csv_of(tmp_path, header, rows):
    path = tmp_path / 'shown.csv'
    path.write_text('\n'.join([header, *(','.join(map(str, row)) for row in rows)]) + '\n')
    return path


def test_a_tool_tip_path_becomes_the_joints_that_made_it(tmp_path):
    tip = ARM.tip(torch.as_tensor(PATH)).numpy()
    path = csv_of(tmp_path, 'time,x,y,z', [[t + 5, *p] for t, p in zip(TIME, tip)])
    shown = read_demonstration(path, ARM)
    assert np.abs(shown.position - PATH).max() < 1e-6
    assert shown.time[0] == 0


@pytest.mark.parametrize('name', ['balinese_0_drawer_18', 'early_aramaic_35_drawer_15',
                                  'greek_47_drawer_18', 'greek_60_drawer_18',
                                  'greek_60_drawer_18_tip'])
def test_shipped_demonstrations_can_be_shown_at_once(name):
    shown = read_demonstration(
        share_directory() / 'config' / 'demonstrations' / f'{name}.csv', ARM)
    positions = trial_of(shown, ARM, 250)
    assert playing_duration(shown, positions, ARM.limits) == (shown.duration, False)


BAD_FILES = {
    'nan': ('time,base,shoulder', [[0, 0, 0], [1, 'nan', 0], [2, 0, 0]],
            'base is nan in sample 2'),
    'infinite tip': ('time,x,y,z', [[0, .9, 0, .4], [1, 'inf', 0, .4]], 'x is inf'),
    'backwards': ('time,base,shoulder', [[0, 0, 0], [1, 0, 0], [0.5, 0, 0]], 'does not increase'),
    'standing time': ('time,base,shoulder', [[0, 0, 0], [0, 1, 0]], 'does not increase'),
    'time nan': ('time,base,shoulder', [[0, 0, 0], ['nan', 1, 0]], 'time is nan in sample 2'),
    'limits': ('time,base,shoulder', [[0, 0, 0], [1, 0, -1.3]], r"'shoulder' is at -1.3000 rad at "
               r'1.000 s, outside its limits -1.2217 to 2.3038'),
    'degrees': ('time,base,shoulder', [[0, 0, 0], [1, 45, 20]], 'look like degrees'),
    'one sample': ('time,base,shoulder', [[0, 0, 0]], r'1 sample\(s\), expected at least 2'),
    'unknown joint': ('time,base,shoulder,knee', [[0, 0, 0, 0], [1, 0, 0, 0]],
                      "'knee' is unknown"),
    'missing joint': ('time,base', [[0, 0], [1, 0]], "'shoulder' occurs 0 times"),
    'undriven': ('time,base,shoulder,elbow', [[0, 0, 0, 0], [1, 0, 0, .05]],
                 "'elbow' moves by 2.9 degrees"),
    'too short': ('time,base,shoulder', [[0, 0, 0], [.2, 0, 0]], 'lasts 0.2 s'),
    'too long': ('time,base,shoulder', [[0, 0, 0], [700, 0, 0]],
                 'lasts 700 .*more than 600 s.*--time-unit'),
    'out of reach': ('time,x,y,z', [[0, .92, -.033, .3585], [1, 1.2, 0, .4]], 'out of reach'),
    'no number': ('time,base,shoulder', [[0, 0, 0], [1, 'x', 0]], "line 3, base: 'x'"),
    'short row': ('time,base,shoulder', [[0, 0, 0], [1, 0]], 'line 3 has 2 fields'),
    'header': ('base,shoulder', [[0, 0], [1, 0]], 'expected time'),
}


@pytest.mark.parametrize('case', BAD_FILES)
def test_bad_files_are_refused_in_one_line(tmp_path, case):
    header, rows, said = BAD_FILES[case]
    path = csv_of(tmp_path, header, rows)
    with pytest.raises(DemonstrationError, match=said) as caught:
        read_demonstration(path, ARM)
    assert '\n' not in str(caught.value) and str(path) in str(caught.value)


def test_what_is_no_demonstration_file_is_refused(tmp_path):
    for path, said in ((tmp_path / 'no.csv', 'no such file'), (tmp_path, 'metadata.yaml')):
        with pytest.raises(DemonstrationError, match=said):
            read_demonstration(path, ARM)
    (tmp_path / 'a.doc').write_text('x')
    with pytest.raises(DemonstrationError, match=r'expected a \.csv file or a rosbag2'):
        read_demonstration(tmp_path / 'a.doc', ARM)
    (tmp_path / 'a.csv').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(DemonstrationError, match='cannot be read as CSV'):
        read_demonstration(tmp_path / 'a.csv', ARM)
    (tmp_path / 'b.csv').write_text('')
    with pytest.raises(DemonstrationError, match='empty'):
        read_demonstration(tmp_path / 'b.csv', ARM)
