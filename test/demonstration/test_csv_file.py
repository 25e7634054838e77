# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import numpy as np

from smallbot.demonstration.csv_file import write_csv
from smallbot.demonstration.reading import read_demonstration
from smallbot.demonstration.samples import Demonstration

from .conftest import ARM, PATH, TIME


def test_joints_as_csv_survive_writing_and_reading(tmp_path):
    shown = Demonstration(ARM.driven, TIME, PATH, 'made')
    write_csv(shown, tmp_path / 'a.csv')
    again = read_demonstration(tmp_path / 'a.csv', ARM)
    assert np.abs(again.position - PATH).max() < 1e-6
