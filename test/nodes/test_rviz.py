# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What RViz is shown: every display of config/one_shot_demo.rviz against the nodes of the launch.

RViz itself is not here. Each display is subscribed as its entry says, before there is anything to
see and after the movement has been played, as RViz may be started. Frames are connected as
robot_state_publisher connects them: by the description that is published and the joints that
`joint_states` names.
"""

from io import StringIO
from pathlib import Path
import time
from xml.etree import ElementTree

from nav_msgs.msg import Path as PathMessage
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String
import torch
from visualization_msgs.msg import Marker, MarkerArray
import yaml

from smallbot.one_shot.model import arm_of, load_model

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'config' / 'one_shot_demo.rviz'
VIEW = yaml.safe_load(CONFIG.read_text())['Visualization Manager']
SHOWS = {'RobotModel': String, 'Path': PathMessage, 'MarkerArray': MarkerArray}
"""The message that a display of rviz_default_plugins takes."""
WITHOUT_MESSAGES = ('Grid', 'TF')
SOON = 5.0
"""Within what a display has something to show, s, on a machine that is not busy: more is said."""
WORST = yaml.safe_load((ROOT / 'config' / 'one_shot_demo.yaml').read_text())[
    '/**/trajectory_display']['ros__parameters']['worst_error']
MODELS = ('ed_scorbot', 'hobby_arm', 'ur5e')


def displays():
    """Return the displays that are switched on and take messages, by name: kind, topic, entry."""
    found = {}
    for entry in VIEW['Displays']:
        kind = entry['Class'].removeprefix('rviz_default_plugins/')
        if entry['Enabled'] and kind not in WITHOUT_MESSAGES:
            topic = entry['Description Topic' if kind == 'RobotModel' else 'Topic']
            found[entry['Name']] = (SHOWS[kind], topic, entry)
    return found


def quality(topic):
    """Return the quality of service that an entry asks for."""
    def chosen(policy, key):
        return policy[topic[key].upper().replace(' ', '_')]
    return QoSProfile(depth=topic['Depth'], history=chosen(HistoryPolicy, 'History Policy'),
                      reliability=chosen(ReliabilityPolicy, 'Reliability Policy'),
                      durability=chosen(DurabilityPolicy, 'Durability Policy'))


def rviz(bench):
    """Return a probe that has subscribed what RViz would."""
    probe = bench.probe()
    for kind, topic, _ in displays().values():
        probe.listen(kind, topic['Value'], quality(topic))
    return probe


def launched(bench, model):
    """Start what the launch file starts, robot_state_publisher played by a stand-in."""
    urdf = bench.folder / 'described.urdf'
    urdf.write_text(arm_of(load_model(model).config).urdf)
    parameters = ('--params-file', str(ROOT / 'config' / 'one_shot_demo.yaml'))
    bench.start('state_publisher.py', urdf=str(urdf))
    bench.start('arm_simulator', *parameters, model='kinematic', arm_of=model)
    bench.start('demo_recorder', *parameters, arm_of=model,
                bag_directory=str(bench.folder / 'bags'))
    bench.start('one_shot_learner', *parameters, model=model)
    bench.start('snn_controller', *parameters, model=model)
    bench.start('trajectory_display', *parameters, arm_of=model)
    return parameters


def shown(probe):
    """Wait until every display has a message; returns how long each took, s."""
    began, took = time.monotonic(), {}
    for name, (_, topic, _) in displays().items():
        probe.wait(lambda topic=topic: probe.heard[topic['Value']], f'a message for {name}')
        took[name] = time.monotonic() - began
    slow = {name: f'{seconds:.1f} s' for name, seconds in took.items() if seconds > SOON}
    if slow:
        print(f'later than after {SOON:g} s, on a busy machine: {slow}')
    return took


def tree(description, joint_states):
    """Return the parent of every link that robot_state_publisher tells to tf."""
    told = set(joint_states.name)
    parents = {}
    for joint in ElementTree.fromstring(description).findall('joint'):
        mimic = joint.find('mimic')
        moved_by = joint.get('name') if mimic is None else mimic.get('joint')
        if joint.get('type') == 'fixed' or moved_by in told:
            parents[joint.find('child').get('link')] = joint.find('parent').get('link')
    return parents


def connected(frame, fixed, parents):
    while frame != fixed and frame in parents:
        frame = parents[frame]
    return frame == fixed


def poses(description, joint_states, root, links):
    """Return where links are in `root` [3], m, as somebody else's reader of URDFs has them."""
    yourdfpy = pytest.importorskip('yourdfpy')
    robot = yourdfpy.URDF.load(StringIO(description), load_meshes=False,
                               build_scene_graph=True)
    named = dict(zip(joint_states.name, joint_states.position))
    robot.update_cfg({name: named[name] for name in robot.actuated_joint_names})
    return [robot.get_transform(link, root)[:3, 3] for link in links]


def place(point):
    return np.array([point.x, point.y, point.z])


@pytest.fixture(scope='module')
def fixed_frame():
    return VIEW['Global Options']['Fixed Frame']


def test_every_display_has_something_to_show_in_frames_that_tf_connects(bench, fixed_frame):
    model = 'ed_scorbot'
    early = rviz(bench)
    parameters = launched(bench, model)
    director = bench.start('demo_director', *parameters, model=model,
                           demonstration_file='', hand='guiding')
    assert director.exit_code(120.0) == 0, director.said
    shown(early)
    late = rviz(bench)
    shown(late)

    config = load_model(model).config
    states = early.wait(lambda: early.heard['joint_states'], 'joint_states')[-1]
    for probe in (early, late):
        probe.wait(lambda probe=probe: probe.heard['reproduced_path'][-1].poses
                   and any(one.points for one in probe.heard['trajectory_markers'][-1].markers),
                   'the whole reproduction')
        description = probe.heard['robot_description'][-1].data
        parents = tree(description, states)
        paths = [probe.heard[topic][-1] for topic in ('demonstrated_path', 'reproduced_path')]
        markers = [marker for message in probe.heard['trajectory_markers']
                   for marker in message.markers]
        frames = {link.get('name') for link in ElementTree.fromstring(description).findall('link')}
        used = {thing.header.frame_id for thing in (*paths, *markers)}
        used |= {pose.header.frame_id for path in paths for pose in path.poses}
        assert used <= frames
        astray = [frame for frame in frames if not connected(frame, fixed_frame, parents)]
        assert not astray, f'no transform from {fixed_frame} to {astray}'
        check_markers(markers)
    # What is drawn is where the links are: the path ends at the tool tip of the model shown.
    (tip,) = poses(description, states, fixed_frame, [config.arm.tip])
    assert place(paths[1].poses[-1].pose.position) == pytest.approx(tip, abs=5e-3)
    start, goal = ({one.id: place(one.pose.position) for one in markers if one.ns == 'ends'}[k]
                   for k in (0, 1))
    ends = [place(paths[0].poses[k].pose.position) for k in (0, -1)]
    assert start == pytest.approx(ends[0]) and goal == pytest.approx(ends[1])
    line = [one for one in markers if one.ns == 'error' and one.points][-1]
    check_error_colours(line, ends)


def check_markers(markers):
    """Start, goal and error are there, and can be seen."""
    added = [marker for marker in markers if marker.action == Marker.ADD]
    assert {marker.ns for marker in added} == {'ends', 'error', 'name'}
    (entry,) = (one for one in VIEW['Displays'] if one['Class'].endswith('MarkerArray'))
    assert all(entry['Namespaces'][marker.ns] for marker in added)
    for marker in added:
        size = marker.scale
        assert size.x > 0 and (marker.type == Marker.LINE_STRIP or size.y > 0 < size.z)
        colours = marker.colors or [marker.color]
        assert len(colours) in (1, len(marker.points)) and all(c.a > 0.5 for c in colours)
        turned = marker.pose.orientation
        assert turned.x ** 2 + turned.y ** 2 + turned.z ** 2 + turned.w ** 2 == pytest.approx(1)


def check_error_colours(line, ends):
    """The line goes from green to red with the error; fully red is the parameter's value."""
    reds = np.array([colour.r for colour in line.colors])
    assert reds == pytest.approx(1 - np.array([colour.g for colour in line.colors]), abs=1e-6)
    away = np.linalg.norm(place(line.points[0]) - ends[0])
    assert reds[0] == pytest.approx(min(1.0, away / WORST), abs=0.1)


@pytest.mark.parametrize('model', MODELS)
def test_tf_is_complete_for_every_shipped_arm(bench, model):
    """With `-f`, as the launch file starts RViz, the fixed frame is the root of the arm."""
    arm = arm_of(load_model(model).config)
    urdf = bench.folder / 'described.urdf'
    urdf.write_text(arm.urdf)
    bench.start('state_publisher.py', urdf=str(urdf))
    bench.start('arm_simulator', model='kinematic', arm_of=model)
    probe = rviz(bench)
    description = probe.wait(lambda: probe.heard['robot_description'], 'the description')[-1].data
    states = probe.wait(lambda: probe.heard['joint_states'], 'joint_states')[-1]
    parents, links = tree(description, states), ElementTree.fromstring(description).findall('link')
    astray = [link.get('name') for link in links
              if not connected(link.get('name'), arm.root, parents)]
    assert not astray, f'no transform from {arm.root} to {astray}'


def test_the_paths_are_told_apart_and_from_the_ground():
    def colour(text):
        return np.array([int(part) for part in text.split(';')])
    ground = colour(VIEW['Global Options']['Background Color'])
    paths = [entry for kind, _, entry in displays().values() if kind is PathMessage]
    colours = [colour(entry['Color']) for entry in paths]
    for number, (entry, one) in enumerate(zip(paths, colours)):
        assert entry['Alpha'] > 0 and entry['Line Width'] > 0
        assert ((0 <= one) & (one <= 255)).all()
        for other in (ground, *colours[number + 1:]):
            assert np.abs(one - other).max() > 100


@pytest.mark.parametrize('model', ['ed_scorbot', 'hobby_arm'])
def test_what_is_drawn_of_an_arm_can_be_seen(model):
    robot = ElementTree.fromstring(arm_of(load_model(model).config).urdf)
    named = {one.get('name'): one.find('color') for one in robot.findall('material')}
    visuals = robot.findall('link/visual')
    assert len(visuals) > 5
    for visual in visuals:
        assert visual.find('geometry')[0].tag != 'mesh', 'a mesh would have to come along'
        material = visual.find('material')
        colour = material.find('color')
        colour = named[material.get('name')] if colour is None else colour
        assert float(colour.get('rgba').split()[3]) > 0


def test_the_camera_looks_at_the_arm(fixed_frame):
    view = VIEW['Views']['Current']
    assert view['Target Frame'] == '<Fixed Frame>'
    arm = arm_of(load_model('ed_scorbot').config)
    assert fixed_frame == arm.root
    focus = np.array([view['Focal Point'][axis] for axis in 'XYZ'])
    tip = arm.tip(torch.as_tensor(arm.home)[None])[0].numpy()
    assert np.linalg.norm(tip - focus) < view['Distance'] / 2
