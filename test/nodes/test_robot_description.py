# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""`--urdf topic:` and `node:`: a robot that runs in another process says what it is."""

import sys

import pytest

pytest.importorskip('rclpy')

from rcl_interfaces.srv import GetParameters

from smallbot.arm.description import ArmError, description_in, read_description
from smallbot.cli.main import main
from smallbot.nodes.common.robot_description import (
    parameter_description,
    published_description,
)
from smallbot.one_shot.model import arm_of, load_model
from smallbot.share import share_directory

URDF = share_directory() / 'urdf' / 'hobby_arm.urdf'
BRIEF, LONG = 1.5, 5.0
"""How long to listen, s, where nothing will be heard, and where a node must have been found."""


@pytest.fixture
def robot(bench):
    """Return a function that starts a robot, and returns its namespace once it is there."""
    def start(publishing='latched', urdf=URDF):
        bench.start('state_publisher.py', urdf=str(urdf), publishing=publishing)
        probe = bench.probe()
        probe.client(GetParameters, 'robot_state_publisher/get_parameters')
        return probe.node.get_namespace()
    return start


def test_a_model_is_made_from_what_is_latched_on_the_topic(robot, tmp_path, capsys):
    space = robot()
    assert main(['arm', 'describe', f'topic:{space}/robot_description']) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1].startswith(f'  smallbot demo --urdf topic:{space}/robot_description --tip')
    made = ['--joints', 'shoulder_pan,elbow_flex', '--iterations', '0', '--out', str(tmp_path)]
    assert main(['meta-train', '--urdf', f'topic:{space}/robot_description', *made]) == 0
    heard = load_model(tmp_path / 'hobby_arm.safetensors').config
    assert repr(description_in(heard.arm.urdf).joints) == repr(read_description(URDF).joints)
    assert arm_of(heard).name == 'hobby_arm'


@pytest.mark.parametrize('publishing', ['not', 'once'])
def test_where_the_topic_gives_nothing_it_is_the_parameter_of_the_node_beside_it(
        robot, publishing):
    space = robot(publishing)
    text, source = published_description(f'{space}/robot_description', LONG)
    assert text == URDF.read_text() and source == f'node:{space}/robot_state_publisher'
    assert parameter_description(f'{space}/robot_state_publisher') == (text, source)


def test_nothing_there_is_said_in_one_line_with_what_is_there(robot, capsys, domain):
    space = robot()
    assert main(['arm', 'describe', 'topic:nowhere/robot_description']) == 2
    said = capsys.readouterr().err
    assert said.startswith('smallbot arm: topic:/nowhere/robot_description: nothing was published')
    assert said.count('\n') == 1 and f'there is topic:{space}/robot_description' in said
    with pytest.raises(ArmError, match='robot_description is not set'):
        parameter_description(f'{space}/robot_state_publisher')
    with pytest.raises(ArmError, match='no such node'):
        parameter_description('nowhere/robot_state_publisher', BRIEF)


def test_nobody_at_all_is_said_with_what_to_run(domain):
    with pytest.raises(ArmError, match='ros2 run robot_state_publisher') as caught:
        published_description('', BRIEF)
    assert str(caught.value).startswith('topic:/robot_description: nothing')


@pytest.mark.parametrize(('text', 'said'), [
    ('hello', 'not XML'), ('<sdf/>', 'root element is <sdf>'),
    ('<robot name="${name}"/>', 'this is xacro')])
def test_what_is_no_urdf_is_refused_with_its_topic(robot, tmp_path, capsys, text, said):
    (tmp_path / 'other.txt').write_text(text)
    topic = f'topic:{robot(urdf=tmp_path / "other.txt")}/robot_description'
    assert main(['arm', 'describe', topic]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f'smallbot arm: {topic}: ') and said in error
    assert error.count('\n') == 1


def test_another_type_on_the_topic_is_named(robot, tmp_path):
    (tmp_path / 'none.urdf').write_text('')
    with pytest.raises(ArmError, match='publishes std_msgs/msg/Int32'):
        published_description(f'{robot("numbers", tmp_path / "none.urdf")}/robot_description',
                              LONG)


def test_a_name_that_cannot_be_one_is_refused_without_listening():
    with pytest.raises(ArmError, match='topic:a b: expected the name of a topic'):
        published_description('a b')


def test_without_ros_it_says_what_to_source(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'smallbot.nodes.common.robot_description', None)
    assert main(['arm', 'describe', 'topic:']) == 2
    error = capsys.readouterr().err
    assert 'ROS 2 is not to be found' in error and error.count('\n') == 1
