# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Robot descriptions as people have them: mimics, rest poses, branches, xacro, missing meshes."""

import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from smallbot.arm.description import ArmError, read_description
from smallbot.arm.kinematics import Arm, DEFAULT_ACCELERATION

PALLETISER = """<robot name="palletiser">
  <link name="base"/><link name="column"/><link name="upper"/><link name="forearm"/>
  <link name="tip"/>
  <joint name="pan" type="revolute"><parent link="base"/><child link="column"/>
    <origin xyz="0 0 0.2"/><axis xyz="0 0 1"/>
    <limit lower="-2" upper="2" velocity="2" effort="10"/></joint>
  <joint name="lift" type="revolute"><parent link="column"/><child link="upper"/>
    <axis xyz="0 1 0"/><limit lower="-1" upper="1" velocity="2" effort="10"/></joint>
  <joint name="level" type="revolute"><parent link="upper"/><child link="forearm"/>
    <origin xyz="0 0 0.3"/><axis xyz="0 1 0"/>
    <limit lower="-1" upper="1" velocity="2" effort="10"/>
    <mimic joint="lift" multiplier="-1"/></joint>
  <joint name="tip_joint" type="fixed"><parent link="forearm"/><child link="tip"/>
    <origin xyz="0.3 0 0"/></joint>
</robot>"""
BENT = """<robot name="bent">
  <link name="base"><visual><geometry><mesh filename="package://nowhere/base.stl"/></geometry>
  </visual></link>
  <link name="a"/><link name="b"/><link name="tip"/><link name="finger"/>
  <joint name="j1" type="revolute"><parent link="base"/><child link="a"/><axis xyz="0 0 1"/>
    <limit lower="-2" upper="2" velocity="2" effort="9" acceleration="3"/></joint>
  <joint name="j2" type="revolute"><parent link="a"/><child link="b"/><origin xyz="0.3 0 0"/>
    <axis xyz="0 1 0"/><limit lower="-3.07" upper="-0.07" velocity="2" effort="9"/></joint>
  <joint name="t" type="fixed"><parent link="b"/><child link="tip"/><origin xyz="0.3 0 0"/>
  </joint>
  <joint name="grip" type="prismatic"><parent link="b"/><child link="finger"/>
    <axis xyz="0 1 0"/><limit lower="0" upper="0.04" velocity="0.1" effort="1"/></joint>
</robot>"""
XACRO = """<robot xmlns:xacro="http://www.ros.org/wiki/xacro" name="arm">
  <xacro:property name="reach" value="0.4"/>
  <link name="base"/><link name="tip"/>
  <joint name="turn" type="revolute"><parent link="base"/><child link="tip"/>
    <origin xyz="${reach} 0 0"/><axis xyz="0 0 1"/>
    <limit lower="-1" upper="1" velocity="1" effort="1"/></joint>
</robot>"""
DRIVEN = ('pan', 'lift')


def tip(arm, *positions):
    return arm.tip(torch.tensor(positions, dtype=torch.float64)).tolist()


def test_a_joint_follows_the_one_it_mimics():
    arm = Arm.from_urdf(PALLETISER, DRIVEN, 'tip')
    assert tip(arm, 0.0, 0.5) == pytest.approx(
        [0.3 * math.sin(0.5) + 0.3, 0, 0.2 + 0.3 * math.cos(0.5)], abs=1e-12)
    assert arm.joints == DRIVEN and arm.movable == (*DRIVEN, 'level')
    assert arm.whole(np.array([0.1, 0.5])).tolist() == [0.1, 0.5, -0.5]
    assert arm.whole_rate(np.array([0.1, 0.5])).tolist() == [0.1, 0.5, -0.5]
    frame = arm.frames(np.array([0.2, 0.4]))['tip']
    assert np.allclose(frame[:3, 3], tip(arm, 0.2, 0.4), atol=1e-12)
    assert np.allclose(frame[2, :3], [0, 0, 1]), 'the forearm stays level'


def test_limits_and_speed_are_those_that_the_followers_keep_to_as_well():
    text = PALLETISER.replace('multiplier="-1"', 'multiplier="-2" offset="0.5"')
    limits = Arm.from_urdf(text, DRIVEN, 'tip').limits
    assert (limits.lower[1], limits.upper[1]) == (-0.25, 0.75) and limits.velocity[1] == 1.0
    with pytest.raises(ArmError, match="'level', which mimics 'lift'.*no room"):
        Arm.from_urdf(text.replace('offset="0.5"', 'offset="9"'), DRIVEN, 'tip')


def test_mimics_of_mimics_add_up():
    text = PALLETISER.replace('type="fixed"', 'type="revolute"').replace(
        '<origin xyz="0.3 0 0"/></joint>', '<origin xyz="0.3 0 0"/><axis xyz="0 1 0"/>'
        '<mimic joint="level" multiplier="0.5" offset="0.1"/></joint>')
    arm = Arm.from_urdf(text, DRIVEN, 'tip')
    assert arm.whole(np.array([0.0, 0.4])) == pytest.approx([0, 0.4, -0.4, -0.1])


@pytest.mark.parametrize(('change', 'driven', 'said'), [
    (('', ''), ('pan', 'level'), "'level' mimics 'lift' and cannot be driven: drive 'lift'"),
    (('mimic joint="lift"', 'mimic joint="level"'), DRIVEN, "'level' mimics itself"),
    (('mimic joint="lift"', 'mimic joint="tip_joint"'), DRIVEN, 'no joint that moves'),
    (('multiplier="-1"', 'multiplier="minus"'), DRIVEN, "multiplier='minus'"),
    (('name="lift"', 'name="pan"'), DRIVEN, "joint 'pan' occurs twice"),
    (('<child link="tip"/>', '<child link="upper"/>'), DRIVEN, "'upper' occurs twice"),
])
def test_what_cannot_be_followed_is_refused_in_one_line(change, driven, said):
    with pytest.raises(ArmError, match=said) as caught:
        Arm.from_urdf(PALLETISER.replace(*change), driven, 'tip')
    assert '\n' not in str(caught.value)


def test_a_joint_that_cannot_be_at_zero_rests_in_the_middle_of_its_limits():
    arm = Arm.from_urdf(BENT, ('j1',), 'tip')
    middle = -1.57
    assert tip(arm, 0.0) == pytest.approx(
        [0.3 + 0.3 * math.cos(middle), 0, -0.3 * math.sin(middle)], abs=1e-12)
    assert Arm.from_urdf(BENT, ('j1', 'j2'), 'tip').home == pytest.approx([0, middle])
    assert arm.whole(np.zeros(1)) == pytest.approx([0, middle, 0])


def test_joints_that_are_not_driven_are_held_where_they_are_told():
    arm = Arm.from_urdf(BENT, ('j1',), 'tip', held={'j2': -0.5})
    both = Arm.from_urdf(BENT, ('j1', 'j2'), 'tip')
    assert tip(arm, 0.3) == pytest.approx(tip(both, 0.3, -0.5), abs=1e-12)
    moved = arm.holding({'j1': 9.0, 'j2': -1.0, 'grip': 0.02})
    assert tip(moved, 0.3) == pytest.approx(tip(both, 0.3, -1.0), abs=1e-12)
    assert moved.frames(np.zeros(1))['finger'][1, 3] == pytest.approx(0.02)
    for pose, said in (({'j2': 1.0}, "'j2' cannot be held at 1"), ({'j3': 0.0}, "'j3' to hold"),
                       ({'j2': math.nan}, 'cannot be held at nan')):
        with pytest.raises(ArmError, match=said):
            arm.holding(pose)


def test_an_acceleration_in_the_description_counts_else_the_default():
    limits = Arm.from_urdf(BENT, ('j1', 'j2'), 'tip').limits
    assert limits.acceleration.tolist() == [3.0, DEFAULT_ACCELERATION]


def test_limits_that_a_description_lacks_can_be_given():
    for lacking in ('lower="0" upper="0" velocity="0" effort="0"', 'effort="0"'):
        text = BENT.replace('lower="-3.07" upper="-0.07" velocity="2" effort="9"', lacking)
        assert tip(Arm.from_urdf(text, ('j1',), 'tip'), 0.0) == pytest.approx([0.6, 0, 0])
        with pytest.raises(ArmError, match='--limits LOW:HIGH'):
            Arm.from_urdf(text, ('j1', 'j2'), 'tip')
        with pytest.raises(ArmError, match='LOW:HIGH:SPEED'):
            Arm.from_urdf(text, ('j1', 'j2'), 'tip', (-1, -1), (1, 1))
        given = Arm.from_urdf(text, ('j1', 'j2'), 'tip', (-1, -1), (1, 1), (0.5, 0.5))
        assert given.limits.velocity.tolist() == [0.5, 0.5]


def test_ends_are_told_with_the_joints_that_move_them():
    assert read_description(BENT).ends() == [('tip', ('j1', 'j2')),
                                             ('finger', ('j1', 'j2', 'grip'))]
    with pytest.raises(ArmError, match=r"no link 'hand'.*tip \(moved by j1, j2\)"):
        Arm.from_urdf(BENT, ('j1',), 'hand')
    with pytest.raises(ArmError, match='no joint moves the tool tip'):
        Arm.from_urdf(BENT, ('j1',), 'base')


def test_joints_of_other_kinds_matter_only_on_the_way_to_the_tip():
    text = BENT.replace('name="grip" type="prismatic"', 'name="grip" type="floating"')
    assert Arm.from_urdf(text, ('j1',), 'tip').movable == ('j1', 'j2')
    with pytest.raises(ArmError, match="'grip' is 'floating'"):
        Arm.from_urdf(text, ('j1',), 'finger')


def test_a_xacro_is_expanded_where_xacro_is_installed(tmp_path):
    pytest.importorskip('xacro')
    (tmp_path / 'arm.urdf.xacro').write_text(XACRO)
    arm = Arm.from_urdf(tmp_path / 'arm.urdf.xacro', ('turn',), 'tip')
    assert tip(arm, 0.0) == pytest.approx([0.4, 0, 0]) and 'xacro:' not in arm.urdf
    (tmp_path / 'arm.urdf.xacro').write_text(XACRO.replace(
        '<link name="base"/>', '<xacro:include filename="$(find arm_description)/arm.xacro"/>'))
    with pytest.raises(ArmError, match='xacro cannot expand it') as caught:
        Arm.from_urdf(tmp_path / 'arm.urdf.xacro', ('turn',), 'tip')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('reach', [
    '${().__class__}',
    '${(lambda: ().__class__.__base__.__subclasses__())()}',
    '${[c for c in [1] for d in [().__class__]]}',
    '${list(x for x in [(lambda: (y for y in [1]).gi_frame.f_back.f_builtins)()])}',
    "${'{0.real}'.format(1)}",
    "${open('made', 'w')}",
    "$(eval open('made', 'w'))",
    "$(eval eval('_' + '_import_' + '_(&quot;os&quot;)').mkdir('made'))",
    '$(eval (lambda: (y for y in [1]).gi_frame.f_back.f_globals)())',
])
def test_a_xacro_runs_arithmetic_and_no_other_code(tmp_path, monkeypatch, reach):
    pytest.importorskip('xacro')
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'arm.xacro').write_text(XACRO.replace('value="0.4"', f'value="{reach}"').replace(
        '<link name="base"/>', f'<link name="base"/><link name="{reach}"/>'))
    with pytest.raises(ArmError, match='xacro cannot expand it') as refused:
        read_description(tmp_path / 'arm.xacro')
    assert '\n' not in str(refused.value)
    assert not (tmp_path / 'made').exists()


@pytest.mark.parametrize(('sum_', 'reach'), [
    ('${0.1 * 4}', 0.4), ('${sqrt(0.16)}', 0.4), ('${max([x / 10.0 for x in range(5)])}', 0.4),
    ('$(eval 0.2 + 0.2)', 0.4), ("${dict(a=0.4)['a']}", 0.4), ("${0.4 if 'a' == 'a' else 1}", 0.4),
])
def test_what_descriptions_reckon_with_is_expanded(tmp_path, sum_, reach):
    pytest.importorskip('xacro')
    (tmp_path / 'arm.xacro').write_text(XACRO.replace('value="0.4"', f'value="{sum_}"'))
    arm = Arm.from_urdf(tmp_path / 'arm.xacro', ('turn',), 'tip')
    assert tip(arm, 0.0) == pytest.approx([reach, 0, 0])


def test_a_xacro_that_nobody_can_expand_is_refused_naming_xacro(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'xacro', None)
    (tmp_path / 'arm.urdf').write_text(XACRO)
    with pytest.raises(ArmError, match='pip install xacro'):
        read_description(tmp_path / 'arm.urdf')
    with pytest.raises(ArmError, match='not yet expanded'):
        read_description(XACRO)


def test_what_xacro_raises_is_told_in_one_line(tmp_path, monkeypatch):
    def process_file(name):
        raise ValueError('no package\n  arm_description')
    monkeypatch.setitem(sys.modules, 'xacro', SimpleNamespace(process_file=process_file))
    (tmp_path / 'arm.xacro').write_text(XACRO)
    with pytest.raises(ArmError, match=r'\(no package arm_description\)'):
        read_description(tmp_path / 'arm.xacro')


def test_a_urdf_that_only_declares_xacro_is_a_urdf():
    text = BENT.replace('name="bent"', 'name="bent" xmlns:xacro="http://www.ros.org/wiki/xacro"')
    assert read_description(text).name == 'bent'
