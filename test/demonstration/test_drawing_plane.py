# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The plane that is drawn on: for the shipped arms and for arms nobody has seen."""

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest
from random_arms import random_urdf
import torch

from smallbot.arm.kinematics import Arm, urdf_path
from smallbot.demonstration.drawing_plane import DrawingPlane, OutOfReachError
from smallbot.demonstration.samples import DemonstrationError

ARMS = {
    'ed_scorbot': ('base', 'shoulder'),
    'hobby_arm': ('shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex'),
    'ur5e': ('shoulder_pan_joint', 'shoulder_lift_joint', 'elbow_joint')}
SCARA = """
<robot name="scara">
  <link name="base"/><link name="upper"/><link name="fore"/><link name="tool_tip"/>
  <joint name="a" type="revolute"><parent link="base"/><child link="upper"/>
    <origin xyz="0 0 0.3"/><axis xyz="0 0 1"/><limit lower="-2" upper="2" velocity="2"/></joint>
  <joint name="b" type="revolute"><parent link="upper"/><child link="fore"/>
    <origin xyz="0.3 0 0"/><axis xyz="0 0 1"/><limit lower="0.1" upper="2.4" velocity="2"/></joint>
  <joint name="t" type="fixed"><parent link="fore"/><child link="tool_tip"/>
    <origin xyz="0.25 0 0"/></joint>
</robot>"""


def arm_named(name: str) -> Arm:
    tip = {'ur5e': 'tool0'}.get(name, 'tool_tip')
    return (Arm.from_urdf(SCARA, ('a', 'b')) if name == 'scara'
            else Arm.from_urdf(urdf_path(name), ARMS[name], tip))


def tips(arm: Arm, position: np.ndarray) -> np.ndarray:
    return arm.tip(torch.as_tensor(position)).numpy()


def figure_of_eight(size: float, count: int = 150) -> tuple[np.ndarray, np.ndarray]:
    angle = np.linspace(0, 2 * np.pi, count)
    return size * np.stack([np.sin(2 * angle), np.sin(angle)], 1), angle / 2.5


@pytest.fixture(params=[*ARMS, 'scara'])
def plane(request):
    return DrawingPlane.of(arm_named(request.param))


def test_what_is_drawn_is_what_the_tip_draws(plane):
    points, time = figure_of_eight(0.05)
    shown = plane.movement(points, time)
    drawn = plane.on(tips(plane.arm, shown.position))
    size = np.ptp(points, axis=0)
    assert np.ptp(drawn, axis=0) == pytest.approx(size, rel=0.03)
    nearest = np.linalg.norm(drawn[:, None] - points[None], axis=-1).min(1)
    assert nearest.max() < 0.004
    assert np.abs(np.diff(shown.position, axis=0)).max() < 0.2, 'the joints leap'


def test_more_than_two_joints_keep_the_tip_in_the_plane(plane):
    if len(plane.arm.driven) == 2:
        pytest.skip('two joints move the tip over a surface of their own')
    shown = plane.movement(*figure_of_eight(0.04))
    away = (tips(plane.arm, shown.position) - plane.origin) @ np.cross(*plane.axes)
    assert np.abs(away).max() < 1e-5


def test_right_is_right_for_somebody_behind_the_arm():
    plane = DrawingPlane.of(arm_named('ed_scorbot'))
    # It looks along x: its left is y, and up is z.
    assert plane.axes[0] == pytest.approx([0, -1, 0], abs=0.05)
    assert plane.axes[1] == pytest.approx([0, 0, 1], abs=0.05)


def test_an_arm_that_moves_level_is_drawn_on_from_above():
    plane = DrawingPlane.of(arm_named('scara'))
    assert plane.axes[:, 2] == pytest.approx([0, 0], abs=1e-9)


def test_the_reach_is_what_can_be_drawn(plane):
    reach = plane.reach(48)
    rows, columns = reach.reached.shape
    cell = (reach.high - reach.low) / [columns, rows]
    assert 0.1 < reach.reached.mean() < 1
    chance = np.random.default_rng(1)
    # Well inside and well outside; at the edge a cell is neither.
    from scipy.ndimage import binary_dilation, binary_erosion
    inside = np.argwhere(binary_erosion(reach.reached, iterations=3))
    outside = np.argwhere(~binary_dilation(reach.reached, iterations=2))
    assert len(inside)
    for row, column in chance.choice(inside, 12):
        middle = reach.low + cell * [column + 0.5, row + 0.5]
        points, time = figure_of_eight(0.2 * cell.min())
        plane.movement(middle + points, 3 * time)
    for row, column in chance.choice(outside, 6) if len(outside) else ():
        middle = reach.low + cell * [column + 0.5, row + 0.5]
        points, time = figure_of_eight(0.2 * cell.min())
        with pytest.raises(OutOfReachError):
            plane.movement(middle + points, time)


def test_a_stroke_that_leaves_the_reach_is_told_where(plane):
    reach = plane.reach(24)
    line = np.linspace([0.0, 0.0], [3 * reach.high[0], 0.0], 50)
    with pytest.raises(OutOfReachError, match=r'out of reach by .* cm at .* s: draw inside') as no:
        plane.movement(line, np.linspace(0, 2, 50))
    assert reach.low[0] < no.value.at[0] <= reach.high[0] * 1.1
    assert abs(no.value.at[1]) < 0.01


def test_its_own_timing_is_kept_or_evened(plane):
    line = np.linspace([0.0, 0.0], [0.06, 0.03], 101)
    slow_then_fast = np.concatenate([np.linspace(0, 1.6, 51), np.linspace(1.6, 2, 51)[1:]])
    own = plane.movement(line, slow_then_fast)
    even = plane.movement(line, slow_then_fast, even=True)

    def middle(shown):
        gone = np.linalg.norm(plane.on(tips(plane.arm, shown.position)), axis=1)
        return np.interp(0.5 * gone[-1], gone, shown.time) / shown.duration

    assert middle(own) == pytest.approx(0.8, abs=0.04)
    assert middle(even) == pytest.approx(0.5, abs=0.02)
    assert own.duration == pytest.approx(2.0, abs=0.2)
    assert plane.movement(line, slow_then_fast, seconds=5.0).duration == pytest.approx(5, abs=0.4)


def test_ends_stay_where_they_were_drawn(plane):
    points, time = figure_of_eight(0.05)
    shown = plane.movement(points[:90], time[:90])
    drawn = plane.on(tips(plane.arm, shown.position[[0, -1]]))
    assert drawn == pytest.approx(points[[0, 89]], abs=1e-3)


@pytest.mark.parametrize(('points', 'time', 'said'), [
    ([[0, 0]], [0], 'a dot'),
    ([[0, 0], [0, 0]], [0, 1], 'a dot'),
    ([[0, 0], [0.1, 0]], [1, 1], 'a dot'),
    ([[0, 0], [np.nan, 0]], [0, 1], 'finite'),
    ([[0, 0, 0], [1, 1, 1]], [0, 1], 'shape'),
    ([[0, 0], [0.05, 0]], [0, 900], '900 s, expected above 0 and at most 600'),
    ([[0, 0], [0.05, 0]], [0, 0.1], 'lasts 0.1 s, expected 0.5 s'),
    (np.zeros((30_000, 2)), np.arange(30_000), 'expected at most'),
])
def test_what_is_no_stroke_is_refused_in_a_line(points, time, said):
    plane = DrawingPlane.of(arm_named('ed_scorbot'))
    with pytest.raises(DemonstrationError, match=said) as no:
        plane.movement(points, time)
    assert '\n' not in str(no.value)


def test_one_joint_cannot_draw():
    with pytest.raises(DemonstrationError, match='two driven joints'):
        DrawingPlane.of(Arm.from_urdf(urdf_path(), ('base',)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(0, 4)),
                min_size=2, max_size=30))
def test_whatever_is_scribbled_is_a_movement_or_a_line(scribble):
    plane = DrawingPlane.of(arm_named('ed_scorbot'))
    points, time = np.array(scribble)[:, :2], np.array(scribble)[:, 2]
    try:
        shown = plane.movement(points, time, seconds=3.0)
    except DemonstrationError as error:
        assert '\n' not in str(error)
        return
    assert np.isfinite(shown.position).all()
    assert (shown.position >= plane.arm.limits.lower - 1e-3).all()
    assert (shown.position <= plane.arm.limits.upper + 1e-3).all()


@pytest.mark.parametrize('number', range(24))
def test_arms_that_nobody_has(number):
    urdf, driven, tip = random_urdf(number)
    plane = DrawingPlane.of(Arm.from_urdf(urdf, driven, tip))
    assert plane.axes @ plane.axes.T == pytest.approx(np.eye(2), abs=1e-9)
    reach = plane.reach(32)
    rows, columns = reach.reached.shape
    cell = (reach.high - reach.low) / [columns, rows]
    across, up = ((0 - reach.low) / cell).astype(int)
    assert reach.reached[max(0, up - 1):up + 2, max(0, across - 1):across + 2].any(), (
        'not even about where the plane was laid')
    size = 0.05 * (reach.high - reach.low).max()
    drawn = 0
    for scale in (1, 0.3, 0.1):
        points, time = figure_of_eight(scale * size)
        try:
            shown = plane.movement(points, time)
        except DemonstrationError:
            continue
        drawn += 1
        there = plane.on(tips(plane.arm, shown.position))
        assert np.ptp(there, axis=0) == pytest.approx(np.ptp(points, axis=0), rel=0.1)
    assert drawn
