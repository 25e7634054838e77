# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The picture of one demonstration, for arms of few and many joints, read from its words."""

import re

import numpy as np
import pytest

from smallbot.plots.report import draw_report
from smallbot.study.reproduction import Reproduction

KEYS = ('demonstrated', 'before', 'after', 'arm')


def reproduction(joints, **more):
    """Return what an arm of so many joints made of half a turn, 1 cm too low."""
    time = np.linspace(0.02, 2, 100)
    tip = np.stack([0.1 * np.ones(100), 0.2 * np.cos(time), 0.2 * np.sin(time)], 1)
    names = tuple(f'joint_{k}' for k in range(joints))
    wave = np.sin(time[:, None] * np.arange(1, joints + 1))
    error = {'before': {'mean': 12.34}, 'after': {'mean': 0.62}}
    report = {'tip_rmse_cm': error, 'cells_written': {'mean': 8883.0, 'fraction': 0.169},
              'demonstration': {'shown': 'my_$wave$'}, 'arm': 'kinematic', 'synapses': 'chip',
              'arm_tip_rmse_cm': 0.84, 'expected_tip_rmse_cm': {'mean': 0.9}, 'seed': 3,
              'learn_seconds': 0.155, 'energy_uj': 5.8, 'model': 'm', 'weights': '7c77', **more}
    return Reproduction(
        names, time, dict.fromkeys(KEYS, wave), dict.fromkeys(KEYS, wave),
        {key: tip - [0, 0, 0.01 * (key != 'demonstrated')] for key in KEYS},
        dict.fromkeys(('before', 'after'), np.array([[1, 2], [50, 7]])), report)


def words(path):
    return re.findall(r'<!-- (.*?) -->', path.read_text())


@pytest.mark.parametrize('joints', range(2, 8))
def test_paths_and_the_one_number_lead_whatever_the_arm(joints, tmp_path):
    draw_report(reproduction(joints), tmp_path / 'x.svg')
    said = words(tmp_path / 'x.svg')
    assert {'0.6 cm', 'off, after one update', 'before: 12.3 cm', 'my_$wave$',
            'kinematic arm: 0.8 cm off', 'tool tip, seen from the base', 'to the right, cm',
            'up, cm', 'spikes before, by neuron', 'spikes after, by neuron'} <= set(said)
    assert [line for line in said if line.endswith(', rad/s')] == [
        f'joint_{k}, rad/s' for k in range(joints)]
    text = (tmp_path / 'x.svg').read_text()
    sizes = {line: float(re.search(rf'<!-- {re.escape(line)} -->\s*<g[^>]*scale\(([\d.]+)',
                                   text)[1]) for line in ('0.6 cm', 'before: 12.3 cm')}
    assert sizes['0.6 cm'] > 3 * sizes['before: 12.3 cm']


def test_what_is_not_known_is_not_said(tmp_path):
    draw_report(reproduction(2, expected_tip_rmse_cm=None, energy_uj=None, emulated=True),
                tmp_path / 'x.svg')
    said = words(tmp_path / 'x.svg')
    assert 'emulated kinematic arm: 0.8 cm off' in said and 'learned in 0.15 s' in said
    assert not any('rehearsal' in line or 'µJ' in line for line in said)
