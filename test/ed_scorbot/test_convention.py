# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the degrees mean, against what was published."""

from hypothesis import given, strategies as st
import numpy as np
import pytest
import torch

from smallbot.arm.kinematics import default_arm
from smallbot.ed_scorbot.convention import convention_of, CONVENTIONS, JOINTS, published_limits
from smallbot.errors import InputError

REAL = ((-155, 155), (-60, 110), (-145, 80), (-90, 90), (-180, 180), (-180, 180))
"""The ranges of the real controller, degrees."""
angles = st.lists(st.floats(-80, 80), min_size=4, max_size=4).map(np.array)


@pytest.mark.parametrize('convention', CONVENTIONS.values(), ids=CONVENTIONS)
def test_degrees_and_positions_are_each_others_inverse(convention):
    degrees = np.array([[10.0, -5.0, 7.0, 3.0], [0, 0, 0, 0]])
    np.testing.assert_allclose(convention.degrees(convention.position(degrees)), degrees,
                               atol=1e-12)


def test_conventions_are_opposite_in_sign_and_agree_on_the_machine():
    old, new = CONVENTIONS['2023'], CONVENTIONS['2026']
    pose = np.array([0.3, -0.2, 0.1, 0.4])
    np.testing.assert_allclose(old.degrees(pose)[[0, 1, 3]], -new.degrees(pose)[[0, 1, 3]])
    # the elbow's home differs by 10.4 degrees
    assert old.degrees(pose)[2] + new.degrees(pose)[2] == pytest.approx(12 - 22.4)
    ratio = old.reference_per_degree / -new.reference_per_degree
    assert (np.abs(ratio - 1) < 0.04).all()


def test_home_and_zero_lie_where_the_published_kinematics_have_them():
    arm = default_arm(JOINTS)
    old = CONVENTIONS['2023']
    # closed form of 2023 at a = 0: theta = 23.6, -22, 22.4, 0 degrees, forearm 0.35 m
    home = arm.tip(torch.tensor(old.position(np.zeros(4))))
    theta = np.radians([23.6, -22.0, 22.4])
    reach = (0.05 + 0.3 * np.cos(theta[1]) + 0.35 * np.cos(theta[1] + theta[2])
             + 0.22 * np.cos(theta[1] + theta[2]))
    up = 0.3585 - 0.3 * np.sin(theta[1]) - 0.57 * np.sin(theta[1] + theta[2])
    side = -0.033
    expected = [reach * np.cos(theta[0]) - side * np.sin(theta[0]),
                reach * np.sin(theta[0]) + side * np.cos(theta[0]), up]
    np.testing.assert_allclose(home.numpy(), expected, atol=1e-9)
    np.testing.assert_allclose(old.degrees(np.zeros(4)), [23.6, -22.0, -22.4, 0.0])


@pytest.mark.parametrize('convention', CONVENTIONS.values(), ids=CONVENTIONS)
@given(degrees=angles)
def test_the_controller_makes_the_nearest_reference_of_what_is_sent(convention, degrees):
    sent = [round(float(x), 6) for x in convention.nearest(degrees)]
    exact = convention.reference_per_degree * degrees
    made = convention.reference(np.array(sent))
    assert (np.abs(made - exact) <= 0.5 + 1e-6).all()


def test_references_and_counters_as_published():
    old, new = CONVENTIONS['2023'], CONVENTIONS['2026']
    assert old.reference(np.array([10.5, 10.5, 10.5, 10.5])).tolist() == [-31, -98, -32, -184]
    assert new.reference(np.array([10.0, 10, 10, 10])).tolist() == [30, 95, 32, 176]
    counts = 32768 + np.array([1255, 1310, 1277, 807])
    np.testing.assert_allclose(old.measured(counts), [10, 10, 10, 10], atol=1e-3)
    np.testing.assert_allclose(new.measured(counts)[:2], [-10, -10])


def test_limits_are_what_every_source_allows():
    limits = published_limits(CONVENTIONS['2023'], ('base', 'shoulder'), 5.0)
    # base: -101.4 (workspace) to 125 (URDF 2026), home at -23.6; shoulder: -52 to 85, home at 22
    np.testing.assert_allclose(np.degrees(limits.lower), [-125.0, -30.0])
    np.testing.assert_allclose(np.degrees(limits.upper), [101.4, 107.0])
    np.testing.assert_allclose(np.degrees(limits.velocity), [49.6, 47.1])
    assert limits.acceleration.tolist() == [5.0, 5.0]
    both = [published_limits(CONVENTIONS[name], JOINTS, 5.0) for name in CONVENTIONS]
    for joint in (0, 1, 3):
        assert both[0].lower[joint] == pytest.approx(both[1].lower[joint])
        assert both[0].upper[joint] == pytest.approx(both[1].upper[joint])


def test_metainfo_narrows_the_limits_and_may_leave_none():
    old = CONVENTIONS['2023']
    told = ((-10, 10), *REAL[1:])
    limits = published_limits(old, JOINTS, 5.0, told)
    np.testing.assert_allclose(np.degrees(limits.lower[0]), -33.6)
    with pytest.raises(InputError, match='no angle of base .*is the convention right'):
        published_limits(old, JOINTS, 5.0, ((130, 150), *told[1:]))


def test_lopsided_ranges_tell_the_convention():
    turned = tuple((-high, -low) for low, high in REAL)
    assert convention_of(REAL) == '2023'
    assert convention_of(turned) == '2026'
    assert convention_of([(-90, 90)] * 6) == ''
    assert convention_of(((-166.67, 150), (-85.11, 101.06), (-112.9, 112.9), (-91, 85))) == '2023'
