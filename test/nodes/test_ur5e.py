# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The example of an arm under ros2_control: its files against nodes, URDF and each other."""

import ast
import importlib
from pathlib import Path

import pytest
import torch
import yaml

pytest.importorskip('rclpy')

from smallbot.arm.kinematics import Arm, urdf_path
from smallbot.nodes.common.arm_commands import controller_joints
from smallbot.nodes.common.parameters import chosen_arm, model_arm
from smallbot.one_shot.model import initial_weights, OneShotModel
from smallbot.outer_loop.configuration import MetaConfig, with_arm

ROOT = Path(__file__).resolve().parents[2]
DRIVEN = ('shoulder_pan_joint', 'shoulder_lift_joint', 'elbow_joint')
LIMITS = ((-2.0, 2.0), (-1.5, 1.5), (-2.0, 2.0))
TRAJECTORY_CONTROLLER = {
    'type', 'joints', 'command_interfaces', 'state_interfaces', 'interpolate_from_desired_state',
    'allow_partial_joints_goal', 'constraints', 'cmd_timeout'}
"""Parameters that joint_trajectory_controller has in Jazzy and later, of which we use some."""


def written(name):
    return yaml.safe_load((ROOT / 'config' / name).read_text())


def assigned(path, name):
    """Return the literal or the dict that a launch file assigns to `name`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', '') == name:
            return node.value
    raise AssertionError(f'{path}: no {name}')


def ur5e_joints():
    return Arm.from_urdf(urdf_path('ur5e'), DRIVEN, 'tool0').joints


def test_nodes_without_a_model_of_their_own_take_the_arm_of_one():
    for name in ('arm_simulator', 'demo_recorder', 'trajectory_display'):
        table = importlib.import_module(f'smallbot.nodes.{name}').PARAMETERS
        values = {key: parameter.default for key, parameter in table.items()}
        arm = chosen_arm({**values, 'arm_of': 'ur5e'}, values['joints'])
        assert arm.driven == DRIVEN and arm.name == 'ur5e' and arm.root == 'base'
        assert arm.limits.lower.tolist() == [-2.0, -2.4, 0.2]
        assert chosen_arm({**values, 'arm_of': 'ur5e', 'urdf': 'ed_scorbot'},
                          values['joints']).name == 'ed_scorbot'


def test_the_controller_has_all_joints_in_the_order_of_the_commands():
    (name, content), = written('ur5e_controllers.yaml').items()
    given = content['ros__parameters']
    assert set(given) <= TRAJECTORY_CONTROLLER
    assert tuple(given['joints']) == ur5e_joints()
    assert given['command_interfaces'] == ['position']
    assert given['interpolate_from_desired_state'] is True
    launch = ROOT / 'launch' / 'ur5e.launch.py'
    joints = ast.literal_eval(assigned(launch, 'JOINTS'))
    assert controller_joints(','.join(joints), DRIVEN) == tuple(given['joints'])
    arguments = {key.value: value.elts[0] for key, value in zip(
        assigned(launch, 'arguments').keys, assigned(launch, 'arguments').values)}
    assert arguments['trajectory_topic'].value == f'/{name}/joint_trajectory'
    demo = ast.parse((ROOT / 'launch' / 'one_shot_demo.launch.py').read_text())
    declared = {call.args[0].value for call in ast.walk(demo) if isinstance(call, ast.Call)
                and getattr(call.func, 'id', '') == 'DeclareLaunchArgument'}
    assert set(arguments) <= declared


def test_nodes_take_the_arm_and_its_narrower_limits_from_the_model():
    config = with_arm(MetaConfig(), urdf_path('ur5e'), DRIVEN, 'tool0', LIMITS).model
    model = OneShotModel(config, initial_weights(config, torch.Generator().manual_seed(0)), 'ur5e')
    arm = model_arm({'urdf': '', 'tip': 'tool_tip'}, model)
    assert arm.driven == DRIVEN
    assert list(zip(arm.limits.lower, arm.limits.upper)) == list(LIMITS)
    own = model_arm({'urdf': 'ur5e', 'tip': 'tool0'}, model)
    assert own.limits.upper[0] > 6, 'a description that is given has its own limits'


def test_a_simulated_arm_is_that_of_the_model(bench):
    bench.start('arm_simulator', '-p', 'arm_of:=ur5e')
    probe = bench.probe()
    probe.wait(lambda: probe.heard['joint_states'], 'joint_states')
    state = probe.heard['joint_states'][-1]
    at = dict(zip(state.name, state.position))
    assert [at[name] for name in DRIVEN] == pytest.approx([0.0, -1.3, 1.3])
    assert at['wrist_1_joint'] == pytest.approx(-1.57), 'held where the model says'
