# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
import torch

from smallbot.arm.kinematics import Arm, ArmError, default_arm, urdf_path
from smallbot.ed_scorbot.convention import CONVENTIONS

FOUR = ('base', 'shoulder', 'elbow', 'pitch')
PLANAR = """<robot name="planar">
  <link name="root"/><link name="slide"/><link name="turn"/><link name="tip"/>
  <joint name="rail" type="prismatic"><parent link="root"/><child link="slide"/>
    <axis xyz="0 0 2"/><limit lower="0" upper="1" velocity="0.5"/></joint>
  <joint name="spin" type="continuous"><parent link="slide"/><child link="turn"/>
    <origin xyz="1 0 0" rpy="0 0 1.5707963267948966"/><axis xyz="0 0 1"/>
    <limit velocity="2"/></joint>
  <joint name="end" type="fixed"><parent link="turn"/><child link="tip"/>
    <origin xyz="0.5 0 0"/></joint>
</robot>"""


def denavit_hartenberg(theta, d, a, alpha):
    """Return Rz(theta) Tz(d) Tx(a) Rx(alpha) for angles theta [B]."""
    ct, st = np.cos(theta), np.sin(theta)
    ca, sa = math.cos(alpha), math.sin(alpha)
    zero, one = np.zeros_like(ct), np.ones_like(ct)
    rows = [[ct, -st * ca, st * sa, a * ct], [st, ct * ca, -ct * sa, a * st],
            [zero, one * sa, one * ca, one * d], [zero, zero, zero, one]]
    return np.moveaxis(np.array(rows), -1, 0)


def published_tip(q):
    """Return the seed paper's tool tip [B, 3]: its Denavit-Hartenberg chain, q [B, 4] rad."""
    chain = (denavit_hartenberg(-q[:, 0], 0.3585, 0.050, -math.pi / 2)
             @ denavit_hartenberg(-q[:, 1], -0.098, 0.300, 0.0)
             @ denavit_hartenberg(-q[:, 2], 0.065, 0.350, 0.0)
             @ denavit_hartenberg(q[:, 3], 0.0, 0.220, 0.0))
    return chain[:, :3, 3]


def test_the_urdf_reproduces_the_published_tool_tip():
    q = np.random.default_rng(0).uniform(-math.pi, math.pi, (20_000, 4))
    tip = default_arm(FOUR).tip(torch.as_tensor(q)).numpy()
    assert np.abs(tip - published_tip(q)).max() < 1e-9


def test_straight_out_is_where_the_sources_say():
    tip = default_arm().tip(torch.zeros(2, dtype=torch.float64))
    assert tip.tolist() == pytest.approx([0.920, -0.033, 0.3585], abs=1e-12)


def test_roll_does_not_move_the_tool_tip():
    arm = default_arm()
    assert arm.joints == (*FOUR, 'roll')
    q = torch.tensor([[0.3, 0.2, -0.5, 0.4, roll] for roll in (0.0, 1.0, -2.0)],
                     dtype=torch.float64)
    tips = arm.tip_of(q)
    assert (tips - tips[0]).abs().max() < 1e-12


def test_tips_are_batched_and_differentiable():
    arm = default_arm(FOUR)
    q = torch.rand(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert arm.tip(q).shape == (2, 3, 3)
    assert torch.autograd.gradcheck(arm.tip, q)


def test_limits_are_the_papers_but_where_the_arms_metainfo_lets_the_shoulder_go_further():
    limits = default_arm().limits
    metainfo = CONVENTIONS['2023'].position(np.array([0.0, 110.0, 0.0, 0.0]))[1]
    assert np.degrees(limits.upper).tolist() == pytest.approx([130, math.degrees(metainfo)])
    assert np.degrees(limits.lower).tolist() == pytest.approx([-130, -70])
    assert limits.velocity.tolist() == pytest.approx([math.pi, math.pi])


@pytest.mark.parametrize('urdf', [urdf_path(), PLANAR])
def test_the_frame_of_the_tip_is_the_tool_tip(urdf):
    arm = (Arm.from_urdf(urdf, FOUR) if urdf != PLANAR
           else Arm.from_urdf(PLANAR, ('rail', 'spin'), 'tip'))
    positions = np.linspace(0.3, 0.9, len(arm.driven))
    frames = arm.frames(positions)
    last = 'tip' if urdf == PLANAR else 'tool_tip'
    expected = arm.tip(torch.as_tensor(positions)).numpy()
    assert np.allclose(frames[last][:3, 3], expected, atol=1e-12)
    for frame in frames.values():
        assert np.allclose(frame[:3, :3] @ frame[:3, :3].T, np.eye(3), atol=1e-12)
    assert urdf == PLANAR or {'gripper_finger_left', 'gripper_finger_right'} < set(frames)


def test_prismatic_and_continuous_joints_of_another_arm():
    arm = Arm.from_urdf(PLANAR, ('rail', 'spin'), 'tip')
    tip = arm.tip(torch.tensor([0.25, math.pi / 2], dtype=torch.float64))
    assert tip.tolist() == pytest.approx([0.5, 0.0, 0.25], abs=1e-12)
    assert np.isinf(arm.limits.upper[1]) and arm.limits.upper[0] == 1


def test_published_masses_are_in_the_urdf():
    from xml.etree import ElementTree
    masses = [float(m.get('value')) for m in ElementTree.parse(urdf_path()).iter('mass')]
    assert sum(masses) == pytest.approx(23.03, abs=0.01)


@pytest.mark.parametrize(('urdf', 'driven', 'tip', 'said'), [
    ('<robot name="a"', ('rail',), 'tip', 'not XML'),
    ('<model/>', ('rail',), 'tip', 'expected <robot>'),
    (PLANAR, ('rail', 'elbow'), 'tip', "no movable joint 'elbow'"),
    (PLANAR, ('rail', 'rail'), 'tip', 'each once'),
    (PLANAR, ('rail',), 'hand', "no link 'hand'"),
    (PLANAR.replace('prismatic', 'planar'), ('spin',), 'tip', "'planar'"),
    (PLANAR.replace('upper="1"', 'upper="-1"'), ('rail',), 'tip', 'lower < upper'),
    (PLANAR.replace('velocity="0.5"', ''), ('rail',), 'tip', 'velocity'),
    (PLANAR.replace('xyz="1 0 0"', 'xyz="1 0"'), ('rail',), 'tip', 'three numbers'),
])
def test_descriptions_that_cannot_be_used_are_refused_in_one_line(urdf, driven, tip, said):
    with pytest.raises(ArmError, match=said) as caught:
        Arm.from_urdf(urdf, driven, tip)
    assert '\n' not in str(caught.value)


def test_a_missing_description_is_refused():
    with pytest.raises(ArmError, match='cannot be read'):
        Arm.from_urdf('nowhere.urdf')
