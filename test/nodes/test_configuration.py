# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Parameters, their file, the RViz configuration and the launch file against the nodes."""

import ast
import importlib
from pathlib import Path
import signal
from xml.etree import ElementTree

import pytest
import yaml

rclpy = pytest.importorskip('rclpy')

from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter as Override  # noqa: E402
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy  # noqa: E402

from smallbot.arm.kinematics import default_arm  # noqa: E402
from smallbot.nodes.common.parameters import declare, Parameter, ParameterError  # noqa: E402
from smallbot.nodes.trajectory_display import TrajectoryDisplay  # noqa: E402

from .fork_server import NODES  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = ROOT / 'launch' / 'one_shot_demo.launch.py'
RVIZ = ROOT / 'config' / 'one_shot_demo.rviz'


def table(name):
    return importlib.import_module(f'smallbot.nodes.{name}').PARAMETERS


def test_the_parameter_file_holds_every_parameter_with_its_default():
    written = yaml.safe_load((ROOT / 'config' / 'one_shot_demo.yaml').read_text())
    assert set(written) == {f'/**/{name}' for name in NODES}
    for name in NODES:
        assert written[f'/**/{name}'] == {'ros__parameters': {
            key: parameter.default for key, parameter in table(name).items()}}


@pytest.mark.parametrize('name', NODES)
def test_a_node_starts_from_nothing_and_a_signal_ends_it(bench, name):
    process = bench.start(name, from_nothing=True)
    probe = bench.probe()
    full = (name, probe.node.get_namespace())
    probe.wait(lambda: full in probe.node.get_node_names_and_namespaces(), 'the node', 60.0)
    process.send(signal.SIGINT)
    assert process.exit_code() == 0 and 'Traceback' not in process.said


@pytest.mark.parametrize('name', NODES)
def test_every_parameter_says_what_it_is(name):
    for key, parameter in table(name).items():
        descriptor = parameter.descriptor()
        assert len(descriptor.description) > 5, key
        assert descriptor.read_only
        if isinstance(parameter.default, float):
            (limits,) = descriptor.floating_point_range
            assert limits.from_value <= parameter.default <= limits.to_value
        elif type(parameter.default) is int:
            (limits,) = descriptor.integer_range
            assert limits.from_value <= parameter.default <= limits.to_value
        assert not parameter.choices or parameter.default in parameter.choices


@pytest.mark.parametrize(('value', 'said'), [
    (7.0, '7.0, expected a decimal number as in 1.0, from 0 to 5'),
    (1, '1, expected a decimal number as in 1.0, from 0 to 5'),
    (float('nan'), 'nan, expected a decimal number'),
    ('fast', 'fast, expected a decimal number'),
])
def test_a_value_that_does_not_fit_is_refused_in_one_line(context, value, said):
    node = Node('someone', context=context, parameter_overrides=[Override('speed', value=value)])
    try:
        with pytest.raises(ParameterError) as refused:
            declare(node, {'speed': Parameter(1.0, 'speed, m/s', 0.0, 5.0)})
        assert f'someone: parameter speed: {said}' in str(refused.value)
        assert '\n' not in str(refused.value)
    finally:
        node.destroy_node()


def test_choices_and_empty_lists_are_refused(context):
    overrides = [Override('kind', value='wood'),
                 Override('joints', type_=Override.Type.STRING_ARRAY, value=[])]
    node = Node('someone', context=context, parameter_overrides=overrides)
    try:
        with pytest.raises(ParameterError, match="'wood', expected one of chip, software"):
            declare(node, {'kind': Parameter('chip', 'kind', choices=('chip', 'software'))})
        with pytest.raises(ParameterError, match=r'\[\], expected a list of names'):
            declare(node, {'joints': Parameter(['base'], 'joints')})
    finally:
        node.destroy_node()


def displays():
    shown = yaml.safe_load(RVIZ.read_text())['Visualization Manager']
    return shown, {display['Name']: display for display in shown['Displays']}


def test_rviz_subscribes_what_the_display_publishes_with_fitting_qos(context):
    node = TrajectoryDisplay(context=context)
    published = {publisher.topic_name: publisher for publisher in node.publishers}
    types = {f'rviz_default_plugins/{kind}': kind for kind in ('Path', 'MarkerArray')}
    try:
        _, shown = displays()
        seen = set()
        for display in shown.values():
            if display['Class'] not in types:
                continue
            topic = display['Topic']
            assert not topic['Value'].startswith('/'), 'absolute topics ignore the namespace'
            publisher = published[f'/{topic["Value"]}']
            assert publisher.msg_type.__name__ == types[display['Class']]
            assert publisher.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
            assert topic['Durability Policy'] == 'Transient Local'
            assert publisher.qos_profile.reliability == ReliabilityPolicy.RELIABLE
            assert topic['Reliability Policy'] == 'Reliable'
            seen.add(topic['Value'])
        assert seen == {'demonstrated_path', 'reproduced_path', 'trajectory_markers'}
    finally:
        node.destroy_node()


def test_rviz_knows_the_frame_and_only_displays_that_exist():
    shown, by_name = displays()
    links = {link.get('name') for link in ElementTree.parse(
        ROOT / 'urdf' / 'ed_scorbot.urdf').getroot().findall('link')}
    assert shown['Global Options']['Fixed Frame'] in links
    assert shown['Global Options']['Fixed Frame'] == default_arm().root
    known = {'Grid', 'RobotModel', 'Path', 'MarkerArray', 'TF'}
    assert {d['Class'] for d in by_name.values()} <= {f'rviz_default_plugins/{k}' for k in known}
    description = by_name['Arm']['Description Topic']
    assert description['Value'] == 'robot_description'
    assert description['Durability Policy'] == 'Transient Local'


def test_the_launch_file_describes_every_argument_and_starts_every_node():
    """Reads the file without ROS: `launch` is not on every machine that runs the tests."""
    tree = ast.parse(LAUNCH.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]

    def called(name):
        return [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == name]

    declared = {}
    for call in called('DeclareLaunchArgument'):
        options = {keyword.arg: keyword.value for keyword in call.keywords}
        assert len(ast.literal_eval(options['description'])) > 15
        declared[call.args[0].value] = options
    assert set(declared) >= {
        'demonstration', 'synapses', 'model', 'arm', 'rviz', 'robot_state_publisher', 'auto',
        'bag_directory', 'duration', 'seed', 'chip_file', 'namespace', 'params_file',
        'shutdown_when_done'}
    used = {call.args[0].value for name in ('given', 'chosen', 'is_true') for call in called(name)
            if isinstance(call.args[0], ast.Constant)}
    assert used == set(declared)
    assert {call.args[0].value for call in called('node')} == set(NODES)
    for call in called('node'):
        given = {keyword.arg for keyword in call.keywords}
        assert given <= set(table(call.args[0].value)), call.args[0].value
    entry_points = (ROOT / 'setup.py').read_text()
    for name in NODES:
        assert f'{name} = {{NAME}}.nodes.{name}:main' in entry_points
