# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Meta-training for arms other than the shipped one with its two joints."""

from dataclasses import replace
import math

import numpy as np
import pytest
import torch

from smallbot.arm.kinematics import Arm, ArmError
from smallbot.experiment.loop import advance
from smallbot.models.weights_file import ModelError, save_model
from smallbot.one_shot.model import arm_of, load_model, ModelConfig
from smallbot.outer_loop.configuration import load_config, MetaConfig, tip_reach, with_arm
from smallbot.outer_loop.run import MetaTraining
from smallbot.outer_loop.tasks import draw_batch
from smallbot.share import share_directory
from smallbot.study.conditions import Conditions
from smallbot.study.evaluation import draw_movements, evaluate

UR5E = share_directory() / 'urdf' / 'ur5e.urdf'
UR5E_JOINTS = ('shoulder_pan_joint', 'shoulder_lift_joint', 'elbow_joint', 'wrist_1_joint',
               'wrist_2_joint', 'wrist_3_joint')
SMALL = MetaConfig(model=ModelConfig(neurons=20, generator_neurons=16, steps=60, inner_rate=3e-3),
                   batch=4, iterations=3, window_range=(20, 40), validate_every=3,
                   validation_tasks=2)
TURNING = """<robot name="r"><link name="a"/><link name="b"/>
<joint name="spin" type="continuous"><parent link="a"/><child link="b"/>
<origin xyz="1 0 0"/><axis xyz="0 0 1"/><limit velocity="2" effort="1"/></joint></robot>"""


def denavit_hartenberg(angles):
    d = (0.1625, 0, 0, 0.1333, 0.0997, 0.0996)
    a = (0, -0.425, -0.3922, 0, 0, 0)
    alpha = (math.pi / 2, 0, 0, math.pi / 2, -math.pi / 2, 0)
    pose = np.eye(4)
    for q, di, ai, x in zip(angles, d, a, alpha):
        c, s, ca, sa = math.cos(q), math.sin(q), math.cos(x), math.sin(x)
        pose = pose @ [[c, -s * ca, s * sa, ai * c], [s, c * ca, -c * sa, ai * s],
                       [0, sa, ca, di], [0, 0, 0, 1]]
    return pose[:3, 3]


def test_the_ur5e_is_the_one_of_the_published_constants():
    arm = Arm.from_urdf(UR5E, UR5E_JOINTS, 'tool0')
    for angles in np.random.default_rng(0).uniform(-3, 3, (20, 6)):
        assert np.allclose(arm.tip(torch.as_tensor(angles)), denavit_hartenberg(angles))


@pytest.mark.parametrize(('urdf', 'joints', 'tip'), [
    (None, ('base', 'shoulder', 'elbow'), None), (UR5E, UR5E_JOINTS, 'tool0'),
    (UR5E, UR5E_JOINTS[1:3], 'tool0'),
])
def test_any_arm_can_be_trained_saved_loaded_and_resumed(tmp_path, urdf, joints, tip):
    run = MetaTraining(with_arm(SMALL, urdf, joints, tip))
    before = {key: value.detach().clone() for key, value in run.weights.items()}
    advance(run, tmp_path, lambda run: run.iteration >= 3, lambda run, parts: None)
    for key, value in before.items():
        assert not torch.equal(value, run.weights[key].detach()), key
    model = load_model(save_model(run.model('other'), tmp_path))
    arm = arm_of(model.config)
    assert arm.driven == model.joints == joints
    assert model.weights['readout'].shape == (len(joints), 20)
    pose = torch.full((len(joints),), 0.3)
    assert torch.equal(arm.tip(pose), run.arm.tip(pose))
    assert max(map(abs, model.config.code.value_range)) == pytest.approx(tip_reach(arm), abs=0.05)
    resumed = MetaTraining.restore(tmp_path)
    assert resumed.arm.name == run.arm.name and resumed.arm.driven == joints
    movements = draw_movements('paper', 2, model.config, arm, 3)
    learned = evaluate(model, arm, movements, Conditions('software'), 0)
    assert all(math.isfinite(one.tip_rmse_cm[1]) for one in learned)


def test_movements_keep_to_the_limits_that_are_given():
    limits = ((-0.2, 0.1), (-0.3, 0.3), (0.0, 0.5))
    config = with_arm(SMALL, joints=('base', 'shoulder', 'elbow'), limits=limits)
    run = MetaTraining(config)
    positions = draw_batch(config, run.arm, None, 0).movements.positions()
    low, high = (torch.tensor(x) for x in zip(*limits))
    assert (positions >= low - 1e-5).all() and (positions <= high + 1e-5).all()
    assert not (positions[..., 0].abs() < 0.01).all()


def test_a_urdf_in_a_configuration_is_found_beside_it(tmp_path):
    (tmp_path / 'arm.urdf').write_text(UR5E.read_text())
    (tmp_path / 'config.yaml').write_text(
        'pen_share: 0.0\nmodel: {joints: [elbow_joint, wrist_1_joint, wrist_2_joint], '
        'arm: {urdf: arm.urdf, tip: tool0, lower: [-1, -2, -3], upper: [1, 2, 3]}}')
    arm = arm_of(load_config(tmp_path / 'config.yaml').model)
    assert arm.name == 'ur5e' and arm.limits.upper.tolist() == [1, 2, 3]
    assert arm.limits.velocity.tolist() == pytest.approx([math.pi] * 3)


@pytest.mark.parametrize(('arm', 'said'), [
    ({'urdf': TURNING, 'tip': 'b'}, 'turns without end'),
    ({'urdf': TURNING, 'tip': 'b', 'lower': (-1.0,), 'upper': (1.0, 2.0)}, '2 limits for 1'),
    ({'urdf': TURNING, 'tip': 'b', 'lower': (1.0,), 'upper': (-1.0,)}, 'lower < upper'),
    ({'urdf': TURNING, 'tip': 'b', 'lower': (-1.0,), 'upper': (1.0,), 'velocity': (3.0,)},
     'beyond the URDF'),
    ({'urdf': TURNING, 'tip': 'c'}, "no link 'c'"),
])
def test_an_arm_that_does_not_fit_is_refused_in_one_line(arm, said):
    model = replace(SMALL.model, joints=('spin',), arm=replace(SMALL.model.arm, **arm))
    with pytest.raises((ModelError, ArmError), match=said) as caught:
        MetaTraining(replace(SMALL, model=model, pen_share=0.0))
    assert '\n' not in str(caught.value)


def test_a_joint_that_turns_without_end_works_within_given_limits(tmp_path):
    (tmp_path / 'spin.urdf').write_text(TURNING)
    run = MetaTraining(with_arm(SMALL, tmp_path / 'spin.urdf', ('spin',), 'b', ((-1.0, 1.0),)))
    assert math.isfinite(run.step().loss)
