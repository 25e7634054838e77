# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What people bring that `variants` has not: trajectories, other messages, data sets, arms."""

from dataclasses import replace
import shlex

import numpy as np
import pytest
from rosbags.convert.cli import main as convert
from rosbags.rosbag1 import Writer as RosOneWriter
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
import torch

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.formats.messages import State
from smallbot.demonstration.formats.options import parsed, Reading, text_of
from smallbot.demonstration.reading import from_states, is_recording, read_demonstration
from smallbot.demonstration.samples import DemonstrationError

from .conftest import ARM, PATH, TIME
from .variants import write_bag

DYNAMIC = '\n'.join([
    'std_msgs/Header header', 'string[] joint_names', 'InterfaceValue[] interface_values',
    '=' * 80, 'MSG: control_msgs/InterfaceValue', 'string[] interface_names', 'float64[] values'])
GOAL = '\n'.join([
    'trajectory_msgs/JointTrajectory trajectory', '=' * 80,
    'MSG: trajectory_msgs/JointTrajectory', 'std_msgs/Header header', 'string[] joint_names',
    'trajectory_msgs/JointTrajectoryPoint[] points', '=' * 80,
    'MSG: trajectory_msgs/JointTrajectoryPoint', 'float64[] positions', 'float64[] velocities',
    'float64[] accelerations', 'float64[] effort', 'builtin_interfaces/Duration time_from_start'])
CONTROLLER_STATES = {'desired': 'desired actual error',
                     'reference': 'reference feedback error output',
                     'both': 'reference feedback error output desired actual'}
"""Fields of the state of a trajectory controller, as it was renamed, and between the two."""
SEVERAL_AXES = 'trajectory_msgs/MultiDOFJointTrajectoryPoint'


def controller_state(fields):
    """Return the definition of the state of a trajectory controller with these points."""
    types = get_typestore(Stores.ROS2_HUMBLE)
    point = 'trajectory_msgs/JointTrajectoryPoint'
    lines = ['std_msgs/Header header', 'string[] joint_names', *(
        f'{point} {name}' for name in fields.split())]
    parts = [point]
    if 'feedback' in fields:
        lines += ['string[] multi_dof_joint_names', *(
            f'{SEVERAL_AXES} multi_dof_{name}' for name in fields.split())]
        parts.append(SEVERAL_AXES)
    for part in parts:
        text, _ = types.generate_msgdef(part.replace('/', '/msg/'), ros_version=2)
        lines += ['=' * 80, f'MSG: {part}', text]
    return '\n'.join(lines)


def store_with(**definitions):
    store = get_typestore(Stores.ROS2_HUMBLE)
    for name, text in definitions.items():
        types = get_types_from_msg(text, name.replace('__', '/'))
        store.register({key: value for key, value in types.items() if key not in store.types})
    return store


def bag_with(path, store, messages, plugin=StoragePlugin.MCAP):
    """Write (topic, message) one every 10 ms."""
    with Writer(path, version=9, storage_plugin=plugin) as bag:
        kinds = {topic: message.__msgtype__ for topic, message in messages}
        topics = {topic: bag.add_connection(topic, kind, typestore=store)
                  for topic, kind in kinds.items()}
        for number, (topic, message) in enumerate(messages):
            bag.write(topics[topic], 10 ** 7 * (number + 1),
                      store.serialize_cdr(message, message.__msgtype__))
    return path


def trajectory(store, path, time=TIME, names=('shoulder', 'base')):
    kinds = store.types
    none = np.zeros(0)
    points = [kinds['trajectory_msgs/msg/JointTrajectoryPoint'](
        np.array([q[1], q[0]]), none, none, none,
        kinds['builtin_interfaces/msg/Duration'](int(t), round(1e9 * (t - int(t)))))
        for t, q in zip(time, path)]
    header = kinds['std_msgs/msg/Header'](kinds['builtin_interfaces/msg/Time'](0, 0), '')
    return kinds['trajectory_msgs/msg/JointTrajectory'](header, list(names), points)


def test_a_trajectory_that_was_asked_for_is_read(tmp_path):
    store = store_with()
    goal = trajectory(store, PATH)
    path = bag_with(tmp_path / 'bag', store, [('/arm/joint_trajectory', goal)] * 2)
    shown = read_demonstration(path, ARM)
    assert np.allclose(shown.position, PATH) and 'as it was asked for' in shown.understood
    path = bag_with(tmp_path / 'two', store, [('/goal', goal),
                                              ('/goal', trajectory(store, -PATH / 2))])
    with pytest.raises(DemonstrationError, match='2 movements.*--episode 1 to --episode 2'):
        read_demonstration(path, ARM)
    assert np.allclose(read_demonstration(path, ARM, Reading(episode=2)).position, -PATH / 2)


def test_a_trajectory_inside_another_message_is_read_where_the_bag_defines_it(tmp_path):
    name = 'control_msgs/msg/Goal'
    store = store_with(control_msgs__msg__Goal=GOAL)
    goal = store.types[name](trajectory(store, PATH))
    shown = read_demonstration(bag_with(tmp_path / 'bag', store, [('/send_goal', goal)]), ARM)
    assert np.allclose(shown.position, PATH)


def test_dynamic_joint_states_are_read_where_the_bag_defines_them(tmp_path):
    store = store_with(control_msgs__msg__DynamicJointState=DYNAMIC)
    kinds = store.types
    value = kinds['control_msgs/msg/InterfaceValue']
    stamp = kinds['builtin_interfaces/msg/Time']
    messages = [('/dynamic_joint_states', kinds['control_msgs/msg/DynamicJointState'](
        kinds['std_msgs/msg/Header'](stamp(int(t), round(1e9 * (t % 1))), ''),
        ['base', 'shoulder', 'gripper'],
        [value(['velocity', 'position'], np.array([9.0, q])) for q in row]
        + [value(['force'], np.array([1.0]))])) for t, row in zip(TIME + 1, PATH)]
    shown = read_demonstration(bag_with(tmp_path / 'bag', store, messages), ARM)
    assert np.array_equal(shown.position, PATH) and 'DynamicJointState' in shown.understood


@pytest.mark.parametrize('plugin', list(StoragePlugin))
@pytest.mark.parametrize(('fields', 'measured'), [
    ('desired', 'actual'), ('reference', 'feedback'), ('both', 'feedback'), ('both', 'actual')])
def test_the_measured_positions_of_a_trajectory_controller_are_what_was_shown(
        tmp_path, plugin, fields, measured):
    name = 'control_msgs/msg/JointTrajectoryControllerState'
    store = store_with(**{name.replace('/', '__'): controller_state(CONTROLLER_STATES[fields])})
    kinds = store.types
    none, stamp = np.zeros(0), kinds['builtin_interfaces/msg/Time']
    instant = kinds['builtin_interfaces/msg/Duration'](0, 0)

    def point(positions):
        return kinds['trajectory_msgs/msg/JointTrajectoryPoint'](
            np.array(positions), none, none, none, instant)
    axes = kinds['trajectory_msgs/msg/MultiDOFJointTrajectoryPoint']([], [], [], instant)
    of = {'desired': -1.0, 'reference': -1.0, 'output': 2.0, measured: 1.0}
    names = CONTROLLER_STATES[fields].split()
    several = [[], *(axes for _ in names)] if 'feedback' in names else []
    messages = [('/arm_controller/state', kinds[name](
        kinds['std_msgs/msg/Header'](stamp(int(t), round(1e9 * (t % 1))), ''),
        ['shoulder', 'base'],
        *(point(of[word] * row[::-1] if word in of else none) for word in names), *several))
        for t, row in zip(TIME + 1, PATH)]
    shown = read_demonstration(bag_with(tmp_path / 'bag', store, messages, plugin), ARM)
    assert np.array_equal(shown.position, PATH)
    assert 'JointTrajectoryControllerState' in shown.understood


def test_a_sqlite3_bag_that_was_cut_off_is_read_up_to_there(tmp_path):
    there_and_back = np.tile(np.vstack([PATH, PATH[::-1]]), (4, 1))
    rows = [('/joint_states', 10 ** 7 * k + 1, 10 ** 7 * k + 1, ('base', 'shoulder'), q)
            for k, q in enumerate(there_and_back)]
    write_bag(tmp_path / 'bag', rows, StoragePlugin.SQLITE3)
    (file,) = (tmp_path / 'bag').glob('*.db3')
    content = file.read_bytes()
    file.write_bytes(content[:int(0.4 * len(content))])
    shown = read_demonstration(tmp_path / 'bag', ARM)
    assert 'bag.db3 is cut off' in shown.understood
    assert 500 < len(shown.time) < 1500
    assert np.array_equal(shown.position, there_and_back[:len(shown.time)])
    assert len(file.read_bytes()) == int(0.4 * len(content)), 'left as it was'


def test_two_courses_of_the_same_names_are_two_publishers():
    mine = [State(10 ** 7 * k + 1, 10 ** 7 * k + 1, ['base', 'shoulder'], q)
            for k, q in enumerate(PATH)]
    other = [State(s.stamp + 10 ** 6, s.received + 10 ** 6, ['shoulder', 'base'], (0.0, 0.0))
             for s in mine]
    both = sorted(mine + other, key=lambda s: s.received)
    with pytest.raises(DemonstrationError, match=r"'base' has 2 publishers.*--publisher N"):
        from_states(both, ARM)
    assert np.array_equal(from_states(both, ARM, Reading(publisher=1)).position, PATH)


def test_messages_more_frequent_than_a_simulated_clock_keep_the_first_of_each_stamp():
    """The clock goes on every 40 ms, the messages come every 10."""
    step = 40_000_000
    states = [State(10 ** 9 + 10 ** 7 * k // step * step, 10 ** 7 * k + 1, ['base', 'shoulder'], q)
              for k, q in enumerate(PATH)]
    shown = from_states(states, ARM)
    assert np.array_equal(shown.position, PATH[::4]) and 'coarse clock' in shown.understood
    assert np.allclose(np.diff(shown.time), 0.04)
    by_seconds = [s._replace(stamp=s.stamp // 10 ** 9 * 10 ** 9) for s in states]
    with pytest.raises(DemonstrationError, match='does not increase'):
        from_states(by_seconds, ARM)


def test_other_joints_are_held_where_they_were_shown(tmp_path):
    links = ''.join(f'<link name="l{k}"/>' for k in range(8))
    joints = ''.join(
        f'<joint name="panda_joint{k}" type="revolute"><parent link="l{k - 1}"/>'
        f'<child link="l{k}"/><origin xyz="0 0 0.2"/><axis xyz="0 {k % 2} {1 - k % 2}"/>'
        f'<limit lower="-3" upper="3" velocity="2" effort="9"/></joint>' for k in range(1, 8))
    arm = Arm.from_urdf(f'<robot name="panda">{links}{joints}</robot>',
                        ('panda_joint1', 'panda_joint2'), 'l7')
    names = ','.join(f'panda_joint{k}' for k in range(1, 8))
    rest = (0.4, -2.356, 0.0, 1.571, 0.785)
    (tmp_path / 'a.csv').write_text(f'time,{names}\n' + ''.join(
        f'{t},{0.1 * t},{-0.785 + 0.05 * t},{",".join(map(str, rest))}\n' for t in range(6)))
    shown = read_demonstration(tmp_path / 'a.csv', arm)
    assert shown.held == dict(zip(arm.joints[2:], rest))
    assert 'panda_joint4 -2.356' in shown.understood and shown.duration == 5
    # the tool tip is that of the whole pose, joint by joint
    poses = np.hstack([shown.position, np.tile(rest, (len(shown.time), 1))])
    tip = shown.posed(arm).tip(torch.from_numpy(shown.position))
    assert torch.allclose(tip, arm.tip_of(torch.from_numpy(poses)), atol=1e-12)
    assert (tip - arm.tip(torch.from_numpy(shown.position))).norm(dim=1).min() > 0.1
    assert shown.digest != replace(shown, held={}).digest


def test_a_pose_beyond_the_limits_of_a_joint_that_is_not_driven_is_refused(tmp_path):
    (tmp_path / 'a.csv').write_text('time,base,shoulder,elbow\n' + ''.join(
        f'{t},{0.1 * t},{0.05 * t},3.1\n' for t in range(6)))
    with pytest.raises(DemonstrationError, match=r"a\.csv: .*'elbow' cannot be held at 3\.1: its "
                                                 r'limits are'):
        read_demonstration(tmp_path / 'a.csv', ARM)


@pytest.mark.parametrize(('text', 'said'), [
    ('time,base,shoulder\n0,00,0,10,0,20\n0,50,0,20,0,30\n1,00,0,3,0,4\n', 'semicolons or tabs'),
    ('time;base;shoulder\n1.234,5;0;0\n1.235,5;0;0\n', 'marks for thousands'),
    ('time;base;shoulder\n1,234;0;0\n2,235;0;0\n', 'decimal comma or a mark for thousands'),
    ('time;base;shoulder\n0,5;0.1;0\n1,5;0.2;0\n', 'decimal comma in line 2.*point in line 2'),
    ('0,0,0\n1,0.1,0.1\n2,0.2,0.2\n', 'no header.*--columns 1=time,2=base,3=shoulder'),
    ('time,base,shoulder\n0,0,0\n1,,0.1\n2,0.2,0.2\n', 'line 3, base is empty'),
    ('step,a\n0,0,0,0\n1,0.1,0.1,9\n2,0.2,0.2,9\n',
     'a header of 2 names for its 4 columns.*--columns.*--rate'),
    ('t,time [ms],base [rad/s],shoulder\n0,0,0,0\n1,9,0,0\n', "'base' occurs 0 times.*--columns"),
])
def test_what_a_table_leaves_open_is_said(tmp_path, text, said):
    (tmp_path / 'a.csv').write_text(text)
    with pytest.raises(DemonstrationError, match=said) as caught:
        read_demonstration(tmp_path / 'a.csv', ARM)
    assert str(tmp_path / 'a.csv') in str(caught.value)


def test_columns_are_chosen_by_name_number_or_letter(tmp_path):
    (tmp_path / 'a.csv').write_text('0,9,0,0\n1,9,0.1,0.2\n2,9,0.2,0.5\n')
    for columns in ('1=time,3=base,4=shoulder', 'A=time,C=base,D=shoulder'):
        shown = read_demonstration(tmp_path / 'a.csv', ARM, parsed(f'--columns {columns}'))
        assert shown.position[-1].tolist() == [0.2, 0.5]


@pytest.mark.parametrize(('header', 'cells'), [
    ('header.stamp.sec,header.stamp.nanosec', lambda t: f'17{int(t):08d},{t % 1 * 1e9:.0f}'),
    ('sec,nsec', lambda t: f'{int(t)},{t % 1 * 1e9:.0f}'),
    ('Zeit [s]', lambda t: f'{t:.2f}'),
    ('timestamp', lambda t: f'2025-11-26T12:00:{t:06.3f}Z'),
    ('time', lambda t: f'12:00:{t:06.3f}'),
    (',time', lambda t: f'7,{t:.2f}'),
])
def test_times_are_read_as_people_write_them(tmp_path, header, cells):
    (tmp_path / 'a.csv').write_text(f'{header},Base,SHOULDER\n' + ''.join(
        f'{cells(t)},{a},{b}\n' for t, (a, b) in zip(TIME, PATH)))
    shown = read_demonstration(tmp_path / 'a.csv', ARM)
    assert np.allclose(shown.time, TIME, atol=1e-6) and np.array_equal(shown.position, PATH)


@pytest.mark.parametrize('stride', ['1.0', '2', '3'])
def test_times_that_count_are_asked_about(tmp_path, stride):
    (tmp_path / 'a.csv').write_text('time,base,shoulder\n' + ''.join(
        f'{k * int(float(stride))}{".0" * ("." in stride)},{a},{b}\n'
        for k, (a, b) in enumerate(PATH[:150])))
    with pytest.raises(DemonstrationError, match='--time-unit'):
        read_demonstration(tmp_path / 'a.csv', ARM)


def test_a_header_with_too_few_names_does_not_hinder_columns_by_number(tmp_path):
    (tmp_path / 'a.csv').write_text('base,shoulder,hand\n' + ''.join(
        f'row{k},{q[0]},{q[1]},9\n' for k, q in enumerate(PATH)))
    with pytest.raises(DemonstrationError, match=r'--columns 1=base,2=shoulder$'):
        read_demonstration(tmp_path / 'a.csv', ARM, parsed('--rate 100'))
    shown = read_demonstration(tmp_path / 'a.csv', ARM,
                               parsed('--rate 100 --columns 2=base,3=shoulder'))
    assert np.array_equal(shown.position, PATH)


def test_a_counter_of_a_controller_is_no_time_since_1970(tmp_path):
    (tmp_path / 'a.csv').write_text('time,base,shoulder\n' + ''.join(
        f'{1210441551 + 12 * k},{q[0]},{q[1]}\n' for k, q in enumerate(PATH)))
    with pytest.raises(DemonstrationError, match=r'--time-unit says the unit \(ms'):
        read_demonstration(tmp_path / 'a.csv', ARM)
    shown = read_demonstration(tmp_path / 'a.csv', ARM, parsed('--time-unit ms'))
    assert shown.duration == pytest.approx(3.6) and np.array_equal(shown.position, PATH)


def test_a_part_of_a_long_recording_is_read_as_the_refusal_says(tmp_path):
    (tmp_path / 'a.csv').write_text('time,base,shoulder\n' + ''.join(
        f'{17e8 + t:.2f},{q[0]},{q[1]}\n' for t, q in zip(
            [*TIME, *(TIME + 900)], [*PATH, *-PATH])))
    with pytest.raises(DemonstrationError, match='lasts 903 s.*--part FROM:TO'):
        read_demonstration(tmp_path / 'a.csv', ARM)
    shown = read_demonstration(tmp_path / 'a.csv', ARM, parsed('--part 900:903'))
    assert np.array_equal(shown.position, -PATH) and shown.time[0] == 0
    assert 'a.csv from 900 s: ' in shown.understood
    assert 'part 900 to 903 s of 903.00 s' in shown.understood
    with pytest.raises(DemonstrationError, match='--part 10:20 holds 0 samples.*lasts 903.00 s'):
        read_demonstration(tmp_path / 'a.csv', ARM, parsed('--part 10:20'))


@pytest.mark.parametrize(('beyond', 'mended'), [(5e-4, ''), (1.8e-3, 'put at them'), (6e-3, None)])
def test_a_joint_at_its_stop_may_be_measured_slightly_beyond_it(tmp_path, beyond, mended):
    path = np.minimum(PATH, 0.2) + [0, ARM.limits.upper[1] - PATH[:, 1].max() + beyond]
    (tmp_path / 'a.csv').write_text('time,base,shoulder\n' + ''.join(
        f'{t},{q[0]},{q[1]}\n' for t, q in zip(TIME, path)))
    if mended is None:
        with pytest.raises(DemonstrationError, match="'shoulder' .* outside its limits"):
            read_demonstration(tmp_path / 'a.csv', ARM)
        return
    shown = read_demonstration(tmp_path / 'a.csv', ARM)
    assert mended in shown.understood and ('mended' in shown.understood) == bool(mended)
    stop = ARM.limits.upper if mended else np.inf
    assert np.array_equal(shown.position, np.minimum(path, stop))
    if mended:
        with pytest.raises(DemonstrationError, match='1.8 mrad beyond .* --no-repair'):
            read_demonstration(tmp_path / 'a.csv', ARM, Reading(no_repair=True))


def test_a_jump_is_left_out_by_a_part(tmp_path):
    path = np.concatenate([PATH, -PATH[::-1]])
    (tmp_path / 'a.csv').write_text('time,base,shoulder\n' + ''.join(
        f'{0.01 * k},{q[0]},{q[1]}\n' for k, q in enumerate(path)))
    with pytest.raises(DemonstrationError, match=r'jumps .* 3\.000 and 3\.010 s.*--part FROM:TO'):
        read_demonstration(tmp_path / 'a.csv', ARM)
    shown = read_demonstration(tmp_path / 'a.csv', ARM, parsed('--part 0:3'))
    assert np.array_equal(shown.position, PATH)


def test_the_command_for_a_ros_1_bag_makes_one_that_is_read(tmp_path, monkeypatch):
    store = get_typestore(Stores.ROS1_NOETIC)
    name = 'control_msgs/msg/JointTrajectoryControllerState'
    store.register(get_types_from_msg('\n'.join(['Header header', 'string[] joint_names', *(
        f'trajectory_msgs/JointTrajectoryPoint {point}'
        for point in CONTROLLER_STATES['desired'].split())]), name))
    kinds, none = store.types, np.zeros(0)

    def point(positions):
        return kinds['trajectory_msgs/msg/JointTrajectoryPoint'](
            positions, none, none, none, kinds['builtin_interfaces/msg/Duration'](0, 0))
    path = tmp_path / 'my arm.bag'
    with RosOneWriter(path) as bag:
        topic = bag.add_connection('/arm/state', name, typestore=store)
        for number, row in enumerate(PATH):
            stamp = kinds['builtin_interfaces/msg/Time'](number // 100, number % 100 * 10 ** 7)
            message = kinds[name](kinds['std_msgs/msg/Header'](number, stamp, ''),
                                  list(ARM.driven), point(-row), point(row), point(row))
            bag.write(topic, 10 ** 9 + 10 ** 7 * number, store.serialize_ros1(message, name))
    with pytest.raises(DemonstrationError, match='ROS 1 bag; `rosbags-convert') as caught:
        read_demonstration(path, ARM)
    monkeypatch.setattr('sys.argv', shlex.split(str(caught.value).split('`')[1]))
    with pytest.raises(SystemExit, match='^0$'):
        convert()
    assert np.array_equal(read_demonstration(tmp_path / 'my arm', ARM).position, PATH)


def test_a_workbook_is_named(tmp_path):
    (tmp_path / 'a.csv').write_bytes(b'PK\x03\x04 and more')
    with pytest.raises(DemonstrationError, match='a workbook.*export it as CSV'):
        read_demonstration(tmp_path / 'a.csv', ARM)


def test_movements_that_fit_two_units_say_which_was_taken(tmp_path):
    rows = '\n'.join(f'{1.3 * k},{-0.8 + 0.07 * k:.3f},0' for k in range(19))
    (tmp_path / 'a.csv').write_text(f'time,base,shoulder\n{rows}\n')
    shown = read_demonstration(tmp_path / 'a.csv', ARM)
    assert 'angles taken as rad' in shown.understood and '--angle-unit deg' in shown.understood


def test_options_survive_as_text():
    reading = Reading('ms', 'deg', None, 50.0, (('A 1', 'base'), ('B', 'shoulder')), '/a', 2, 3,
                      (0.5, 2.25), True, True)
    assert parsed(text_of(reading)) == reading and parsed('') == Reading()
    for text in ('--time-unit weeks', '--columns base', '--rate -1', "--columns 'A=base,B=base'",
                 '--part 2', '--part 3:2'):
        with pytest.raises(DemonstrationError, match='reading options'):
            parsed(text)


def test_folders_tell_recordings_from_the_rest(tmp_path):
    for name in ('a.csv', 'B.TSV', 'README.txt', 'notes.md', '.hidden.csv', 'c.mcap', 'd.bag'):
        (tmp_path / name).write_text('')
    (tmp_path / 'bag').mkdir()
    (tmp_path / 'bag' / 'x.db3').write_text('')
    assert {p.name for p in tmp_path.iterdir() if is_recording(p)} == {
        'a.csv', 'B.TSV', 'c.mcap', 'd.bag', 'bag'}
