# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A path is looked at in the plane in which it is widest, up being up."""

import numpy as np
import pytest

from smallbot.plots.common.view import widest_view

TURN = np.linspace(0, 2 * np.pi, 50, endpoint=False)


def circle(first, second):
    path = np.zeros((50, 3))
    path[:, first], path[:, second] = 0.2 * np.cos(TURN), 0.1 * np.sin(TURN)
    return path


@pytest.mark.parametrize(('axes', 'said', 'right', 'up'), [
    ((1, 2), 'seen from the base', (0, -1, 0), (0, 0, 1)),
    ((0, 1), 'seen from above', (0, -1, 0), (1, 0, 0)),
    ((0, 2), 'seen from the side', (1, 0, 0), (0, 0, 1))])
def test_a_flat_movement_keeps_its_shape_and_is_not_mirrored(axes, said, right, up):
    path = circle(*axes) + 5.0
    view = widest_view(path)
    assert view.said == said
    assert np.allclose([view.across, view.up], [right, up], atol=1e-9)
    flat = view.of(path)
    assert np.allclose(flat[0], 0) and sorted(np.ptp(flat, 0)) == pytest.approx([20, 40], rel=0.01)


def test_a_tilted_plane_is_seen_as_it_is():
    tilt = np.array([[1, 0, 0], [0, np.cos(0.5), -np.sin(0.5)], [0, np.sin(0.5), np.cos(0.5)]])
    path = circle(1, 2) @ tilt.T
    flat = widest_view(path).of(path)
    distances = np.linalg.norm(path - path[0], axis=1) * 100
    assert np.allclose(np.linalg.norm(flat - flat[0], axis=1), distances)


@pytest.mark.parametrize('along', [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 0, 0)])
def test_a_straight_line_or_a_point_has_a_view_that_shows_all_of_it(along):
    path = np.linspace(0, 1, 20)[:, None] * np.array(along, dtype=float)
    flat = widest_view(path).of(path)
    assert np.isfinite(flat).all()
    assert np.linalg.norm(flat[-1]) == pytest.approx(100 * np.linalg.norm(along), abs=1e-6)
