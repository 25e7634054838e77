# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What a launch is refused for, before anything is started."""

import pytest
import yaml

pytest.importorskip('rclpy')

from smallbot.errors import InputError
from smallbot.nodes.preflight import (
    Argument,
    check_company,
    check_namespace,
    check_parameters,
    check_programs,
    NODES,
    shown_arm,
    values,
)

from . import fork_server


def test_nodes_are_those_that_there_are():
    assert set(NODES) == set(fork_server.NODES)


@pytest.mark.parametrize(('parameter', 'text', 'value'), [
    ('seed', '7', 7), ('duration', '2', 2.0), ('allow_poor', 'true', True),
    ('chip_file', 'true', 'true'), ('synapses', 'software', 'software')])
def test_an_argument_becomes_a_value_of_the_parameters_type(parameter, text, value):
    found = values('snn_controller', {parameter: Argument(parameter, text)})[parameter]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(('parameter', 'text', 'expected'), [
    ('seed', 'x', 'a whole number, from 0 to 2147483648'),
    ('seed', '-1', 'a whole number, from 0 to 2147483648'),
    ('seed', '1.5', 'a whole number, from 0 to 2147483648'),
    ('duration', '', 'a decimal number as in 1.0, from 0 to 600'),
    ('duration', 'nan', 'a decimal number as in 1.0, from 0 to 600'),
    ('poor_above', '1001', 'a decimal number as in 1.0, from 0 to 1000'),
    ('allow_poor', 'yes', 'true or false'),
    ('synapses', 'wood', 'one of chip, software')])
def test_an_argument_that_no_node_would_take_is_refused_by_its_own_name(
        parameter, text, expected):
    with pytest.raises(InputError) as refused:
        values('snn_controller', {parameter: Argument('given_as', text)})
    assert str(refused.value) == f'given_as:={text}, expected {expected}'


@pytest.mark.parametrize(('text', 'said'), [
    (None, 'it cannot be read (No such file'),
    ('/**/snn_controller: [', 'it is not YAML'),
    ('- 1', 'expected names of nodes'),
    ('/**/snn_controller: {ros__parameters: {sed: 1}}',
     "snn_controller has no parameter 'sed'; is it seed?"),
    ('/one/arm_simulator: {ros__parameters: {colour: 1}}', "no parameter 'colour'"),
    ('one: {snn_controller: {ros__parameters: {sed: 1}}}', 'snn_controller has no parameter'),
])
def test_a_parameter_file_that_would_be_passed_over_is_refused(tmp_path, text, said):
    path = tmp_path / 'mine.yaml'
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError) as refused:
        check_parameters(str(path))
    assert str(refused.value).startswith(f'params_file:={path}: ') and said in str(refused.value)
    assert '\n' not in str(refused.value)


def test_parameters_of_ours_of_others_and_of_every_node_are_taken(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text(yaml.safe_dump({
        '/**/snn_controller': {'ros__parameters': {'seed': 3, 'use_sim_time': True}},
        'arm': {'demo_recorder': {'ros__parameters': {'bag_directory': 'bags'}}},
        '/**': {'ros__parameters': {'use_sim_time': True}},
        'somebody_else': {'ros__parameters': {'colour': 'red'}}}))
    check_parameters(str(path))


@pytest.mark.parametrize('name', ['', 'arm', '/arm/left', 'arm_2'])
def test_a_namespace(name):
    check_namespace(name)


@pytest.mark.parametrize('name', ['my arm', '2', 'arm//left', 'a-b'])
def test_what_is_no_namespace(name):
    with pytest.raises(InputError, match='namespace:='):
        check_namespace(name)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a prefix that holds one program and one file that cannot be run."""
    index = tmp_path / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    for package in ('rviz2', 'smallbot'):
        (index / package).touch()
        (tmp_path / 'lib' / package).mkdir(parents=True)
    (tmp_path / 'lib' / 'rviz2' / 'rviz2').write_text('#!/bin/sh\n')
    (tmp_path / 'lib' / 'rviz2' / 'rviz2').chmod(0o755)
    (tmp_path / 'lib' / 'smallbot' / 'snn_controller').touch(mode=0o644)
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(('wanted', 'said'), [
    ([('gone', 'gone', 'gone:=false')], 'gone is not installed: nothing was started; gone:=false '
     'does without, or install with rosdep'),
    ([('rviz2', 'other', 'rviz:=false'), ('gone', 'gone', 'gone:=false')],
     'rviz2 and gone are not installed: nothing was started; rviz:=false gone:=false'),
    ([('smallbot', 'snn_controller', '')],
     'smallbot/snn_controller is not installed: nothing was started; build the package anew')])
def test_all_that_is_not_installed_is_said_in_one_line(installed, wanted, said):
    with pytest.raises(InputError) as refused:
        check_programs(wanted)
    assert said in str(refused.value)


def test_what_is_installed_may_start(installed):
    check_programs([('rviz2', 'rviz2', 'rviz:=false')])


def test_the_arm_that_is_shown_is_the_models_or_one_with_its_joints(tmp_path):
    own = shown_arm('ur5e')
    assert own.name == 'ur5e' and own.driven[0] == 'shoulder_pan_joint'
    calibrated = tmp_path / 'mine.urdf'
    calibrated.write_text(own.urdf.replace('name="ur5e"', 'name="mine"', 1))
    assert shown_arm('ur5e', str(calibrated)).name == 'mine'
    with pytest.raises(InputError, match="no link 'tool0' for the tool tip"):
        shown_arm('ur5e', 'ed_scorbot')


def refusal(*what):
    """Return what is said against a launch; a busy machine may know late who is there."""
    for _ in range(5):
        try:
            check_company(*what)
        except InputError as error:
            return str(error)
    raise AssertionError('nobody was seen')


def test_a_second_arm_and_nodes_that_run_already_are_named(bench):
    """Two publishers of one arm are named as that; other names and namespaces are nobody's."""
    bench.start('arm_simulator')
    bench.start('trajectory_display')
    probe = bench.probe()
    space = probe.node.get_namespace()
    probe.wait(lambda: probe.heard['joint_states'], 'joint_states')
    probe.wait(lambda: ('trajectory_display', space) in
               probe.node.get_node_names_and_namespaces(), 'the display')
    said = refusal(space, ['arm_simulator', 'snn_controller'], True)
    assert (f'{space}/arm_simulator already says on {space}/joint_states where the arm is'
            in said)
    assert 'two publishers of one arm' in said and 'namespace:=' in said and '\n' not in said
    said = refusal(space, ['trajectory_display'], False)
    assert said.startswith(f'{space}/trajectory_display is running already: ')
    check_company(space, ['snn_controller'], False)
    check_company('elsewhere', NODES, True)


def test_who_was_killed_is_in_nobodys_way(bench):
    killed = bench.start('arm_simulator')
    probe = bench.probe()
    probe.wait(lambda: probe.heard['joint_states'], 'joint_states')
    killed.send(9)
    killed.exit_code()
    space = probe.node.get_namespace()
    assert probe.node.get_publishers_info_by_topic(f'{space}/joint_states'), 'still in the graph'
    check_company(space, NODES, True)
