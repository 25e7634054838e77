# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
import math

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest
import torch

from smallbot.arm.joint_limits import JointLimits
from smallbot.arm.kinematics import default_arm
from smallbot.one_shot.families import (
    arm_of_families,
    brownian,
    from_positions,
    joint_path,
    movement_size,
    NoMovementError,
    place,
    start_pose,
)

ARM = default_arm()
FREE = replace(ARM, description=replace(ARM.description, name='free'),
               limits=JointLimits(np.full(2, -99.0), *np.full((3, 2), 99.0)))
"""An arm without limits: no movement is dropped."""


def test_the_papers_family_has_its_speed_and_stays_within_limits():
    free = brownian(400, 250, 0.01, FREE, torch.Generator().manual_seed(1))
    assert float(free.velocity.square().mean().sqrt()) == pytest.approx(0.70, abs=0.05)
    movements = brownian(400, 250, 0.01, ARM, torch.Generator().manual_seed(1))
    assert 0.3 < movements.velocity.square().mean().sqrt() < 0.65
    path = movements.positions()
    assert (path.amax((0, 1)).numpy() <= ARM.limits.upper).all()
    assert (path.amin((0, 1)).numpy() >= ARM.limits.lower).all()
    assert movements.start.abs().max() == 0


def test_increments_have_the_published_size():
    """A Hann window of n leaves a step of 0.065 sqrt(sum of its squares) = 0.065 sqrt(1.5/n)."""
    movements = brownian(400, 250, 0.01, FREE, torch.Generator().manual_seed(2))
    inside = movements.velocity[:, 70:180].diff(dim=1)
    assert float(inside.std()) == pytest.approx(0.065 * math.sqrt(1.5 / 120), rel=0.05)


def test_the_same_seed_gives_the_same_movements():
    one, two = (brownian(5, 100, 0.01, ARM, torch.Generator().manual_seed(9)) for _ in range(2))
    assert torch.equal(one.velocity, two.velocity)


def test_movements_anywhere_begin_anywhere():
    movements = brownian(100, 250, 0.01, ARM, torch.Generator().manual_seed(3), 60, True)
    assert movements.start.std() > 0.3
    assert (movements.positions().amax((0, 1)).numpy() <= ARM.limits.upper + 1e-5).all()


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 20.0), st.integers(0, 2 ** 31))
def test_placed_paths_stay_within_limits(size, seed):
    generator = torch.Generator().manual_seed(seed)
    paths = place(size * torch.randn(4, 51, 2, generator=generator), ARM, generator)
    assert (paths.amax((0, 1)).numpy() <= ARM.limits.upper + 1e-4).all()
    assert (paths.amin((0, 1)).numpy() >= ARM.limits.lower - 1e-4).all()


def test_positions_and_velocities_are_each_others_integral():
    path = torch.as_tensor(np.cumsum(np.full((1, 11, 2), 0.01), axis=1))
    movements = from_positions(path, 0.01)
    assert torch.allclose(movements.velocity, torch.ones(1, 10, 2), atol=1e-4)
    again = joint_path(movements.start, movements.velocity, 0.01)
    assert torch.allclose(again, path[:, 1:].float(), atol=1e-6)


def with_limits(lower, upper, velocity):
    limits = JointLimits(*(np.array(x, dtype=float) for x in (lower, upper, velocity)),
                         np.full(len(lower), 20.0))
    return replace(FREE, limits=limits)


@pytest.mark.parametrize('anywhere', [False, True])
def test_movements_fit_limits_wherever_they_lie_and_however_narrow(anywhere):
    lower, upper = [-3.07, 0.0], [-0.07, 0.04]
    arm = with_limits(lower, upper, [2.0, 0.1])
    movements = brownian(50, 250, 0.01, arm, torch.Generator().manual_seed(4), 120, anywhere)
    path = movements.path()
    assert (path >= torch.tensor(lower) - 1e-5).all()
    assert (path <= torch.tensor(upper) + 1e-5).all()
    extent = (path.amax(1) - path.amin(1)).mean(0)
    assert extent[0] > 0.5 and extent[1] > 0.01, 'each joint moves as far as it has room'
    assert anywhere or movements.start[0].tolist() == pytest.approx([-1.57, 0.02])


def test_movements_begin_at_zero_unless_that_is_near_a_limit():
    arm = with_limits([-1, -0.2, 1], [1, 3, 2], [1, 1, 1])
    assert start_pose(arm).tolist() == pytest.approx([0, 1.4, 1.5])
    assert movement_size(arm) == pytest.approx([1 / 1.2, 1, 0.5 / 1.2])


def test_where_no_movement_fits_the_joint_and_its_limit_are_named():
    arm = with_limits([-2, -0.3], [2, 0.3], [4.0, 4.0])
    with pytest.raises(NoMovementError, match="limits of joint '(base|shoulder)'") as caught:
        brownian(20, 1500, 0.01, arm, torch.Generator().manual_seed(1))
    assert '--limits' in str(caught.value) and '\n' not in str(caught.value)


def test_an_ed_scorbots_movements_keep_the_papers_limits_though_its_shoulder_goes_further():
    upper = math.degrees(ARM.limits.upper[1])
    assert 91 < upper == pytest.approx(110 + 22), 'published paths, and the metainfo'
    drawn = [brownian(300, 250, 0.01, ARM, torch.Generator().manual_seed(3), anywhere=True),
             from_positions(place(torch.randn(300, 251, 2).cumsum(1) * 0.02, ARM,
                                  torch.Generator().manual_seed(3)), 0.01)]
    for movements in drawn:
        furthest = movements.path().abs().amax((0, 1)).rad2deg()
        assert (furthest <= torch.tensor([130.01, 70.01])).all()
        assert furthest[1] > 65
    assert np.array_equal(arm_of_families(ARM).limits.lower, ARM.limits.lower)
