# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A sweep's figure, read from the words that matplotlib leaves in an SVG."""

import re

from smallbot.plots.sweep import AXES, draw_points, Panel

POINTS = [{'value': x, 'accuracy': {'mean': 0.97 - x, 'ci95': [0.96 - x, 0.98 - x]},
           'devices': 100 * x} for x in (0.0, 0.05, 0.2)]


def words(path):
    return re.findall(r'<!-- (.*?) -->', path.read_text())


def drawn(path, *panels, swept='stuck'):
    draw_points(swept, AXES[swept], POINTS, panels, 'twenty tasks', path)
    return words(path)


def test_any_figure_is_drawn_over_what_was_varied(tmp_path):
    said = drawn(tmp_path / 'sweep.svg', Panel('accuracy', lambda point: point['accuracy']),
                 Panel('devices written', lambda point: point['devices']))
    assert {'accuracy', 'devices written', 'stuck devices', 'twenty tasks', 'mean',
            'its 95 % confidence interval'} <= set(said)
    assert 'median' not in said, 'no point has one'
    assert any(word.endswith('%') for word in said), 'a share is shown in per cent'


def test_an_axis_begins_at_zero_or_where_its_values_do(tmp_path):
    low = {}
    for from_zero in (True, False):
        panel = Panel('accuracy', lambda point: point['accuracy'], from_zero)
        words = drawn(tmp_path / f'{from_zero}.svg', panel, swept='noise')
        low[from_zero] = min(float(word) for word in words
                             if re.fullmatch(r'0\.[3-9]\d*', word))
    assert low[True] < low[False]


def test_points_without_an_interval_have_no_band(tmp_path):
    alone = [{'value': 1.0, 'accuracy': {'mean': 0.9, 'ci95': None, 'median': 0.9}}]
    draw_points('noise', AXES['noise'], alone, [Panel('accuracy', lambda p: p['accuracy'])],
                'one', tmp_path / 'one.svg')
    said = words(tmp_path / 'one.svg')
    assert 'median' in said and 'its 95 % confidence interval' not in said
