# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The style of all figures: colours that people of any colour vision tell apart, one way to save.

Colour vision that lacks a cone is simulated as by Machado, Oliveira and Fernandes (2009), in
linear RGB; a pair is told apart where it is far apart in CIELAB.
"""

import ast
from itertools import combinations
from pathlib import Path

import matplotlib
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
import numpy as np
import pytest

import smallbot.plots
from smallbot.plots.common.style import COLOURS, DASHES, put_title, SERIES, styled

ROOM = Path(smallbot.plots.__file__).parent
WITHOUT = {
    'all': np.eye(3),
    'red': np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                     [-0.003882, -0.048116, 1.051998]]),
    'green': np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                       [-0.011820, 0.042940, 0.968881]]),
    'blue': np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                      [0.004733, 0.691367, 0.303900]])}
APART = 15
"""Least distance of two colours in CIELAB; 2.3 is what can just be noticed."""


def lab(linear):
    """Return linear RGB in CIELAB, D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722],
                    [0.0193, 0.1192, 0.9505]]) @ linear / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def seen(colour, without):
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return lab(np.clip(WITHOUT[without] @ linear, 0, 1))


@pytest.mark.parametrize('without', WITHOUT)
@pytest.mark.parametrize('palette', [SERIES, tuple(COLOURS.values())],
                         ids=['series', 'courses'])
def test_colours_are_told_apart_and_from_the_ground_by_everybody(palette, without):
    for one, other in combinations((*palette, 'white'), 2):
        assert np.linalg.norm(seen(one, without) - seen(other, without)) > APART, (one, other)


def test_a_pair_that_is_not_told_apart_would_be_found():
    assert np.linalg.norm(seen('#60a030', 'red') - seen('#b08830', 'red')) < APART


def test_what_was_shown_differs_by_its_dashes_too():
    assert set(DASHES) == {'demonstrated'}


def test_settings_of_a_user_neither_change_a_figure_nor_are_changed():
    @styled
    def drawn():
        return matplotlib.rcParams['lines.linewidth'], matplotlib.rcParams['axes.spines.top']

    with matplotlib.rc_context({'lines.linewidth': 9, 'axes.facecolor': 'black'}):
        assert drawn() == (1.6, False)
        assert matplotlib.rcParams['lines.linewidth'] == 9


@pytest.mark.parametrize('layout', [None, 'constrained'])
def test_a_title_stands_above_its_words_and_the_axes(layout):
    @styled
    def drawn():
        figure = Figure((6, 4), layout=layout)
        axis = figure.add_axes((0.1, 0.1, 0.8, 0.7)) if layout is None else figure.subplots()
        put_title(figure, 'title', 'below')
        figure.canvas.draw()
        return figure, axis

    figure, axis = drawn()
    below = figure.texts[-1].get_window_extent()
    assert below.y0 >= axis.get_window_extent().y1
    assert figure._suptitle.get_window_extent().x0 == pytest.approx(below.x0, abs=2)


def test_every_drawing_is_in_the_style_and_no_colour_has_a_place_of_its_own():
    for path in ROOM.glob('*.py'):
        tree = ast.parse(path.read_text())
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith('draw_') and any(
                    getattr(call.func, 'id', '') == 'save_figure'
                    for call in ast.walk(node) if isinstance(call, ast.Call)):
                names = [getattr(one, 'id', '') for one in node.decorator_list]
                assert 'styled' in names, f'{path.name}: {node.name}'
