# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""joint_limits as MoveIt and ros2_control write them, and what is no limit."""

import math

import numpy as np
import pytest

from smallbot.arm.description import ArmError, read_description
from smallbot.arm.kinematics import Arm, DEFAULT_ACCELERATION
from smallbot.arm.limits_file import Bounds, read_limits, stated
from smallbot.models.weights_file import save_model
from smallbot.one_shot.model import arm_of, load_model, OneShotModel
from smallbot.one_shot.playback import Phase, Playback
from smallbot.outer_loop.configuration import accelerations_from, MetaConfig, with_arm
from smallbot.study.on_arm import limits_scale

MOVEIT = """
default_velocity_scaling_factor: 0.1
default_acceleration_scaling_factor: 0.2
joint_limits:
  shoulder_pan: {has_velocity_limits: true, max_velocity: 1.0,
                 has_acceleration_limits: true, max_acceleration: 2.0}
  elbow_flex: {has_position_limits: true, min_position: -9, max_position: 1,
               has_acceleration_limits: false, max_acceleration: 0}
  finger: {has_velocity_limits: true, max_velocity: 0.1}
"""
CONTROLLER = """
/**:
  ros__parameters:
    joint_limits:
      shoulder_pan: {has_acceleration_limits: true, max_acceleration: 2.5,
                     has_jerk_limits: true, max_jerk: 10.0}
velocity_controller:
  ros__parameters:
    type: joint_trajectory_controller/JointTrajectoryController
    joint_limits.shoulder_pan.has_velocity_limits: true
    joint_limits.shoulder_pan.max_velocity: 1.0
    joint_limits.shoulder_pan.max_acceleration: 3.0
    joint_limits.shoulder_pan.max_deceleration: 2.0
    joint_limits:
      elbow_flex: {min_position: -0.5, max_position: 1.0}
"""
JOINTS = ('shoulder_pan', 'elbow_flex')
ENDLESS = """<robot name="turntable"><link name="base"/><link name="tip"/>
<joint name="turn" type="continuous"><parent link="base"/><child link="tip"/>
<origin xyz="0.1 0 0"/><axis xyz="0 0 1"/></joint></robot>"""


@pytest.fixture
def read(tmp_path):
    """Return a function that reads limits from the text of a file."""
    def limits(text):
        path = tmp_path / 'limits.yaml'
        path.write_text(text)
        return read_limits(path)
    return limits


def configured(file, **chosen):
    return with_arm(MetaConfig(), 'hobby_arm', JOINTS, limits_file=file, **chosen)


def test_moveits_file_narrows_and_sets_what_it_says_and_nothing_more(read):
    file = read(MOVEIT)
    config = configured(file)
    arm, own = arm_of(config.model), Arm.from_urdf(arm_of(config.model).urdf, JOINTS).limits
    assert arm.limits.velocity.tolist() == [1.0, own.velocity[1]]
    assert arm.limits.acceleration.tolist() == [2.0, DEFAULT_ACCELERATION]
    assert arm.limits.lower.tolist() == own.lower.tolist(), 'never wider than the URDF'
    assert arm.limits.upper.tolist() == [own.upper[0], 1.0], 'radians, not degrees'
    assert accelerations_from(config, 'file') == ('file', 'default')
    said = '\n'.join(file.said([arm.description.joint(name) for name in arm.driven]))
    for words in ('limits shoulder_pan, elbow_flex; left aside: 1 other joint',
                  'whose limits count: elbow_flex lower -9 (URDF -1.69)',
                  'no limit: default_velocity_scaling_factor 0.1, default_acc'):
        assert words in said, words


def test_of_several_controllers_the_narrowest_counts_dots_or_not(read):
    assert read(CONTROLLER).joints == {
        'shoulder_pan': Bounds(velocity=1.0, acceleration=2.0),
        'elbow_flex': Bounds(lower=-0.5, upper=1.0)}


def test_the_narrowest_of_urdf_file_and_limits_counts(read):
    limits = arm_of(configured(read(MOVEIT), limits=((-3e-1, 0.5, 2.0), (-1.0, 1.5))).model).limits
    assert limits.lower.tolist() == [-0.3, -1.0] and limits.upper.tolist() == [0.5, 1.0]
    assert limits.velocity[0] == 1.0
    urdf = read_description(load_model('hobby_arm').config.arm.urdf.replace(
        'velocity="4.7"', 'velocity="4.7" acceleration="1.5"'))
    config = with_arm(MetaConfig(), urdf, JOINTS, limits_file=read(MOVEIT))
    assert arm_of(config.model).limits.acceleration.tolist() == [1.5, 1.5]
    assert accelerations_from(config) == ('URDF', 'URDF')


def test_a_file_limits_a_joint_that_the_urdf_does_not(read):
    file = read('joint_limits: {turn: {min_position: -5, max_position: 5, max_velocity: 0.5}}')
    limits = arm_of(with_arm(MetaConfig(), ENDLESS, ('turn',), limits_file=file).model).limits
    assert (limits.lower[0], limits.upper[0], limits.velocity[0]) == (-5.0, 5.0, 0.5)
    file = read('joint_limits: {turn: {max_velocity: 0.5}}')
    limits = arm_of(with_arm(MetaConfig(), ENDLESS, ('turn',), limits_file=file).model).limits
    assert limits.upper[0] == math.pi
    assert stated(read_description(ENDLESS).joint('turn')) == Bounds()


def test_a_model_keeps_its_accelerations_and_old_ones_have_none(read, tmp_path):
    model = load_model('hobby_arm')
    assert model.config.arm.acceleration == ()
    assert (arm_of(model.config).limits.acceleration == DEFAULT_ACCELERATION).all()
    config = with_arm(MetaConfig(model=model.config), limits_file=read(MOVEIT)).model
    path = save_model(OneShotModel(config, model.weights, 'mine'), tmp_path)
    assert arm_of(load_model(path).config).limits.acceleration.tolist() == [
        2.0, *3 * [DEFAULT_ACCELERATION]]
    assert with_arm(MetaConfig(model=config), joints=JOINTS).model.arm.acceleration == ()


def test_the_acceleration_is_kept_while_playing_and_stretches_a_movement(read):
    limits = arm_of(configured(read(MOVEIT)).model).limits
    playback = Playback(limits, 100, 0.01, 0.01)
    position, sent = np.zeros(2), []
    playback.start(position, 1.0, lambda: np.array([5.0, 5.0]))
    for tick in range(400):
        command = playback.command(0.01 * tick, position)
        if playback.phase is Phase.DONE:
            break
        position = position + 0.01 * command
        sent.append(command)
    change = np.abs(np.diff(sent, axis=0)).max(0) / 0.01
    assert change[0] == pytest.approx(2.0) and change[1] > 10
    assert np.abs(sent).max(0)[0] <= 1.0
    swing = 0.5 * (1 - np.cos(np.pi * np.linspace(0, 1, 101)))[:, None] * [0.8, 0.0]
    assert limits_scale(swing, 1.0, limits) > 1.3


@pytest.mark.parametrize(('text', 'said'), [
    ('joint_limits: [', 'not YAML'),
    ('- shoulder', 'expected a mapping'),
    ('', 'expected a mapping'),
    ('robot: {joints: 3}', 'no joint_limits'),
    ('joint_limits: [1, 2]', 'joint_limits: found'),
    ('joint_limits: {shoulder: 3}', 'joint_limits.shoulder: found 3'),
    ('joint_limits: {shoulder: {max_velocity: fast}}', "joint 'shoulder': max_velocity: 'fast'"),
    ('joint_limits: {shoulder: {max_velocity: "1.0"}}', "joint 'shoulder': max_velocity: '1.0'"),
    ('joint_limits: {shoulder: {max_velocity: true}}', "joint 'shoulder': max_velocity: True"),
    ('joint_limits: {shoulder: {max_acceleration: .nan}}', "joint 'shoulder': max_acceleration"),
    ('joint_limits: {shoulder: {max_acceleration: 0}}', "joint 'shoulder': max_acceleration: 0"),
    ('joint_limits: {shoulder: {max_acceleration: -1}}', 'above 0'),
    ('joint_limits: {shoulder: {max_deceleration: 0.0}}', 'max_deceleration'),
    ('joint_limits: {shoulder: {has_acceleration_limits: true}}', 'max_acceleration: nothing'),
    ('joint_limits: {shoulder: {has_velocity_limits: "true", max_velocity: 1.0}}',
     "joint 'shoulder': has_velocity_limits: 'true', expected true or false"),
    ('joint_limits: {shoulder: {max_position: 1.0}}', 'min_position: nothing'),
    ('joint_limits: {shoulder: {min_position: 2, max_position: 1.0}}', 'below max_position 1'),
    ('joint_limits:\n  shoulder: {max_velocity: !degrees 90}', 'line 2: could not determine'),
    ('&a {b: *a}', 'no joint_limits'),
])
def test_what_is_no_limit_is_refused_in_one_line_with_file_and_joint(read, tmp_path, text, said):
    with pytest.raises(ArmError) as caught:
        read(text)
    message = str(caught.value)
    assert message.startswith(f'{tmp_path / "limits.yaml"}: ') and said in message
    assert '\n' not in message


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(ArmError, match='cannot be read'):
        read_limits(tmp_path / 'none.yaml')
    (tmp_path / 'bytes.yaml').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(ArmError, match=r'bytes\.yaml: not text'):
        read_limits(tmp_path / 'bytes.yaml')


@pytest.mark.parametrize(('text', 'said'), [
    ('joint_limits: {shoulder: {max_velocity: 1.0}}', 'expected some of the driven joints'),
    ('joint_limits: {elbow_flex: {min_position: 5, max_position: 6}}', 'leave no room within')])
def test_limits_that_do_not_fit_the_arm_are_refused_with_the_file(read, text, said):
    with pytest.raises(ArmError, match=said) as caught:
        configured(read(text))
    assert 'limits.yaml' in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize(('acceleration', 'said'), [
    ((5.0, 1.0), "beyond the URDF's 3"), ((1.0, -1.0), 'above 0'), ((math.nan, 1.0), 'above 0'),
    ((1.0,), '1 limits for 2 joints')])
def test_accelerations_of_a_model_that_do_not_fit_its_arm_are_refused(acceleration, said):
    urdf = read_description(load_model('hobby_arm').config.arm.urdf.replace(
        'velocity="4.7"', 'velocity="4.7" acceleration="3"')).text
    with pytest.raises(ArmError, match=said):
        Arm.from_urdf(urdf, JOINTS, acceleration=acceleration)
