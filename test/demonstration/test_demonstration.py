import math
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
import torch

from smallbot.arm.kinematics import default_arm
from smallbot.demonstration.samples import (
    check_detail,
    Demonstration,
    DemonstrationError,
    from_joint_states,
    from_tip_path,
    playing_duration,
    read_demonstration,
    shortest_duration,
    trial_positions,
    trimmed,
    write_bag,
    write_csv,
)
from smallbot.share import share_directory

ARM = default_arm()
TIME = np.linspace(0, 3, 301)
PATH = np.stack([0.5 * np.sin(TIME), 0.3 * np.cos(2 * TIME) - 0.3], axis=1)


def csv_of(tmp_path, header, rows):
    path = tmp_path / 'shown.csv'
    path.write_text('\n'.join([header, *(','.join(map(str, row)) for row in rows)]) + '\n')
    return path


def good_rows():
    return [[t, *q] for t, q in zip(TIME, PATH)]


def test_a_bag_gives_back_what_was_recorded_in_the_arms_order(tmp_path):
    stamps = (TIME * 1e9).round().astype(np.int64) + 10 ** 18
    write_bag(tmp_path / 'bag', stamps, ['elbow', 'shoulder', 'base'],
              np.column_stack([0 * TIME, PATH[:, 1], PATH[:, 0]]))
    shown = read_demonstration(tmp_path / 'bag', ARM)
    assert shown.joints == ('base', 'shoulder')
    assert np.array_equal(shown.position, PATH)
    assert shown.time == pytest.approx(TIME, abs=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == ['bag']


def bag_of(path, plugin, messages):
    """Write (topic, names, position) one every 10 ms with the library, not with smallbot."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    state = store.types['sensor_msgs/msg/JointState']
    header, moment = store.types['std_msgs/msg/Header'], store.types['builtin_interfaces/msg/Time']
    with Writer(path, version=8, storage_plugin=plugin) as bag:
        topics = {topic: bag.add_connection(topic, state.__msgtype__, typestore=store)
                  for topic in dict.fromkeys(m[0] for m in messages)}
        for number, (topic, names, position) in enumerate(messages):
            stamp = 10 ** 7 * number
            message = state(header(moment(0, stamp), ''), list(names), np.array(position, float),
                            np.zeros(0), np.zeros(0))
            bag.write(topics[topic], stamp, store.serialize_cdr(message, state.__msgtype__))


@pytest.mark.parametrize('plugin', list(StoragePlugin))
def test_joints_are_matched_by_name_in_every_message(tmp_path, plugin):
    both = ('base', 'shoulder'), ('shoulder', 'base')
    bag_of(tmp_path / 'bag', plugin, [
        ('/arm/joint_states', both[k % 2], PATH[k] if k % 2 == 0 else PATH[k][::-1])
        for k in range(90)])
    assert np.array_equal(read_demonstration(tmp_path / 'bag', ARM).position, PATH[:90])


def test_the_topic_with_the_driven_joints_is_chosen_and_two_are_refused(tmp_path):
    shown = [('/states', ARM.driven, q) for q in PATH[:90]]
    bag_of(tmp_path / 'one', StoragePlugin.MCAP, [*shown, ('/hand', ('thumb',), [0.0])])
    assert len(read_demonstration(tmp_path / 'one', ARM).time) == 90
    bag_of(tmp_path / 'two', StoragePlugin.MCAP, [*shown, ('/other', ARM.driven, [0.0, 0.0])])
    with pytest.raises(DemonstrationError, match=r'2 topics \(/other, /states\)'):
        read_demonstration(tmp_path / 'two', ARM)


def test_a_message_with_other_joints_is_refused(tmp_path):
    bag_of(tmp_path / 'bag', StoragePlugin.MCAP, [
        ('/states', ARM.driven, [0.0, 0.0]), ('/states', ('base',), [0.0])])
    with pytest.raises(DemonstrationError, match='message 2 has joints base'):
        read_demonstration(tmp_path / 'bag', ARM)


def test_bags_are_never_overwritten(tmp_path):
    write_bag(tmp_path / 'bag', [0, 10 ** 9], ['base', 'shoulder'], np.zeros((2, 2)))
    with pytest.raises(DemonstrationError, match='never overwritten'):
        write_bag(tmp_path / 'bag', [0, 10 ** 9], ['base', 'shoulder'], np.zeros((2, 2)))


def test_a_bag_that_another_writes_at_the_same_time_is_refused_and_left_whole(
        tmp_path, monkeypatch):
    path, rename = tmp_path / 'bag', Path.rename

    def overtaken(draft, target):
        monkeypatch.setattr(Path, 'rename', rename)
        write_bag(path, [0, 10 ** 9], ['base', 'shoulder'], np.ones((2, 2)))
        return draft.rename(target)
    monkeypatch.setattr(Path, 'rename', overtaken)
    with pytest.raises(DemonstrationError, match='bag: cannot be written: Directory not empty'):
        write_bag(path, [0, 10 ** 9], ['base', 'shoulder'], np.zeros((2, 2)))
    assert list(tmp_path.iterdir()) == [path]
    assert (read_demonstration(path, ARM).position == 1).all()


def test_joints_as_csv_survive_writing_and_reading(tmp_path):
    shown = Demonstration(ARM.driven, TIME, PATH, 'made')
    write_csv(shown, tmp_path / 'a.csv')
    again = read_demonstration(tmp_path / 'a.csv', ARM)
    assert np.abs(again.position - PATH).max() < 1e-6


def test_a_tool_tip_path_becomes_the_joints_that_made_it(tmp_path):
    tip = ARM.tip(torch.as_tensor(PATH)).numpy()
    path = csv_of(tmp_path, 'time,x,y,z', [[t + 5, *p] for t, p in zip(TIME, tip)])
    shown = read_demonstration(path, ARM)
    assert np.abs(shown.position - PATH).max() < 1e-6
    assert shown.time[0] == 0


@pytest.mark.parametrize('samples', [8, 40, 3000])
def test_a_path_across_the_workspace_is_followed_at_any_rate(samples):
    time = np.linspace(0, 20, samples)
    path = ARM.limits.upper * np.stack([np.cos(0.3 * time), np.sin(0.5 * time)], axis=1)
    shown = from_tip_path(time, ARM.tip(torch.as_tensor(path)).numpy(), ARM, 'wide')
    assert np.abs(shown.position - path).max() < 1e-6


@pytest.mark.parametrize('name', ['balinese_0_drawer_18', 'early_aramaic_35_drawer_15',
                                  'greek_47_drawer_18', 'greek_60_drawer_18',
                                  'greek_60_drawer_18_tip'])
def test_shipped_demonstrations_can_be_shown_at_once(name):
    shown = read_demonstration(
        share_directory() / 'config' / 'demonstrations' / f'{name}.csv', ARM)
    positions = check_detail(shown, ARM, 250)
    assert playing_duration(shown, positions, ARM.limits) == (shown.duration, False)


def test_the_digest_tells_movements_apart():
    shown = Demonstration(ARM.driven, TIME, PATH, 'a')
    assert shown.digest == Demonstration(ARM.driven, TIME, PATH, 'b').digest
    assert shown.digest != Demonstration(ARM.driven, TIME, PATH + 1e-9, 'a').digest
    assert shown.digest != Demonstration(ARM.driven, TIME * 2, PATH, 'a').digest


# --- what is refused: one line that says where, what and how to mend it

BAD_FILES = {
    'nan': ('time,base,shoulder', [[0, 0, 0], [1, 'nan', 0], [2, 0, 0]],
            'base is nan in sample 2'),
    'infinite tip': ('time,x,y,z', [[0, .9, 0, .4], [1, 'inf', 0, .4]], 'x is inf'),
    'backwards': ('time,base,shoulder', [[0, 0, 0], [1, 0, 0], [0.5, 0, 0]], 'does not increase'),
    'standing time': ('time,base,shoulder', [[0, 0, 0], [0, 1, 0]], 'does not increase'),
    'time nan': ('time,base,shoulder', [[0, 0, 0], ['nan', 1, 0]], 'time is nan in sample 2'),
    'limits': ('time,base,shoulder', [[0, 0, 0], [1, 0, 1.3]], r"'shoulder' is at 1.3000 rad at "
               r'1.000 s, outside its limits -1.2217 to 1.2217'),
    'degrees': ('time,base,shoulder', [[0, 0, 0], [1, 45, 20]], 'look like degrees'),
    'one sample': ('time,base,shoulder', [[0, 0, 0]], r'1 sample\(s\), expected at least 2'),
    'unknown joint': ('time,base,shoulder,knee', [[0, 0, 0, 0], [1, 0, 0, 0]],
                      "'knee' is unknown"),
    'missing joint': ('time,base', [[0, 0], [1, 0]], "'shoulder' occurs 0 times"),
    'undriven': ('time,base,shoulder,elbow', [[0, 0, 0, 0], [1, 0, 0, .05]],
                 "'elbow' moves by 2.9 degrees"),
    'too short': ('time,base,shoulder', [[0, 0, 0], [.2, 0, 0]], 'lasts 0.2 s'),
    'too long': ('time,base,shoulder', [[0, 0, 0], [700, 0, 0]], 'lasts 700 s'),
    'out of reach': ('time,x,y,z', [[0, .92, -.033, .3585], [1, 1.2, 0, .4]], 'out of reach'),
    'no number': ('time,base,shoulder', [[0, 0, 0], [1, 'x', 0]], "line 3, base: 'x'"),
    'short row': ('time,base,shoulder', [[0, 0, 0], [1, 0]], 'line 3 has 2 fields'),
    'header': ('base,shoulder', [[0, 0], [1, 0]], 'expected time'),
}


@pytest.mark.parametrize('case', BAD_FILES)
def test_bad_files_are_refused_in_one_line(tmp_path, case):
    header, rows, said = BAD_FILES[case]
    path = csv_of(tmp_path, header, rows)
    with pytest.raises(DemonstrationError, match=said) as caught:
        read_demonstration(path, ARM)
    assert '\n' not in str(caught.value) and str(path) in str(caught.value)


def test_what_is_no_demonstration_file_is_refused(tmp_path):
    for path, said in ((tmp_path / 'no.csv', 'no such file'), (tmp_path, 'metadata.yaml')):
        with pytest.raises(DemonstrationError, match=said):
            read_demonstration(path, ARM)
    (tmp_path / 'a.txt').write_text('x')
    with pytest.raises(DemonstrationError, match=r'expected a \.csv file or a rosbag2'):
        read_demonstration(tmp_path / 'a.txt', ARM)
    (tmp_path / 'a.csv').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(DemonstrationError, match='cannot be read as CSV'):
        read_demonstration(tmp_path / 'a.csv', ARM)
    (tmp_path / 'b.csv').write_text('')
    with pytest.raises(DemonstrationError, match='empty'):
        read_demonstration(tmp_path / 'b.csv', ARM)


def test_bags_without_joint_states_or_damaged_are_refused(tmp_path):
    write_bag(tmp_path / 'empty', [], ['base', 'shoulder'], np.zeros((0, 2)))
    with pytest.raises(DemonstrationError, match='no sensor_msgs/JointState'):
        read_demonstration(tmp_path / 'empty', ARM)
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken' / 'metadata.yaml').write_text('nonsense')
    with pytest.raises(DemonstrationError, match='cannot be read as a rosbag2') as caught:
        read_demonstration(tmp_path / 'broken', ARM)
    assert '\n' not in str(caught.value)


# --- the trial and back

def test_resampling_keeps_ends_and_path_and_smooths_sparse_samples():
    shown = Demonstration(ARM.driven, TIME, PATH, 'a')
    grid = np.linspace(0, 3, 251)
    exact = np.stack([0.5 * np.sin(grid), 0.3 * np.cos(2 * grid) - 0.3], axis=1)
    assert np.abs(trial_positions(shown, 250) - exact).max() < 1e-4
    sparse = Demonstration(ARM.driven, TIME[::30], PATH[::30], 'a')
    positions = trial_positions(sparse, 250)
    assert np.array_equal(positions[[0, -1]], PATH[[0, -1]])
    assert np.abs(np.diff(positions, 2, axis=0)).max() * (250 / 3) ** 2 < 10


def test_resampling_averages_noise_where_samples_are_dense():
    rng = np.random.default_rng(0)
    time = np.linspace(0, 10, 5001)
    shown = Demonstration(ARM.driven, time, rng.normal(0, 0.01, (5001, 2)), 'a')
    assert trial_positions(shown, 250)[1:-1].std() < 0.01 / math.sqrt(20) * 1.3


def test_more_detail_than_a_trial_holds_is_refused_with_the_steps_that_would_do():
    time = np.linspace(0, 60, 6001)
    wiggle = np.stack([0.3 * np.sin(20 * time), 0 * time], axis=1)
    shown = from_joint_states(time, ARM.driven, wiggle, ARM, 'wiggle')
    with pytest.raises(DemonstrationError, match=r'a model of (\d+) steps') as caught:
        check_detail(shown, ARM, 250)
    enough = int(str(caught.value).split('a model of ')[1].split(' ')[0])
    assert len(check_detail(shown, ARM, enough)) == enough + 1


def test_durations_are_stretched_for_the_arm_and_explicit_ones_refused():
    fast = Demonstration(ARM.driven, np.linspace(0, 0.5, 51),
                         np.linspace([0, 0], [2.2, 0], 51), 'fast')
    positions = trial_positions(fast, 250)
    duration, stretched = playing_duration(fast, positions, ARM.limits)
    assert stretched and duration == pytest.approx(2.2 / math.pi, rel=0.05)
    with pytest.raises(DemonstrationError, match='too short for fast: the arm needs 0.7'):
        playing_duration(fast, positions, ARM.limits, 0.6)
    assert playing_duration(fast, positions, ARM.limits, 5.0) == (5.0, False)


def test_the_shortest_duration_keeps_velocity_and_acceleration():
    shown = Demonstration(ARM.driven, TIME, PATH, 'a')
    positions = trial_positions(shown, 250)
    step = shortest_duration(positions, ARM.limits) / 250
    velocity = np.diff(positions, axis=0) / step
    assert (np.abs(velocity).max(0) <= ARM.limits.velocity * 1.01).all()
    acceleration = np.abs(np.diff(velocity, axis=0)).max(0) / step
    assert (acceleration <= ARM.limits.acceleration * 1.05).all()
    assert acceleration.max() > 0.95 * ARM.limits.acceleration[0]


def test_stamps_that_jitter_are_no_reason_to_play_more_slowly():
    steady = Demonstration(ARM.driven, TIME, PATH, 'a')
    rng = np.random.default_rng(0)
    times = np.sort(TIME + np.concatenate([[0], rng.uniform(-0.002, 0.002, 299), [0]]))
    jittered = Demonstration(ARM.driven, times, PATH, 'a')
    least = [shortest_duration(trial_positions(shown, 250), ARM.limits)
             for shown in (steady, jittered)]
    assert least[1] < 1.5 * least[0]


def test_trimming_takes_the_rest_off_both_ends_and_nothing_else():
    still = np.concatenate([np.repeat(PATH[:1], 100, 0), PATH, np.repeat(PATH[-1:], 200, 0)])
    shown = Demonstration(ARM.driven, np.arange(len(still)) * 0.01, still, 'a')
    kept = trimmed(shown)
    assert kept.time[0] == 0
    assert 2.9 <= kept.duration <= 3.25
    assert np.array_equal(kept.position[[0, -1]], still[[0, -1]])
    resting = Demonstration(ARM.driven, TIME, np.zeros_like(PATH), 'rest')
    assert trimmed(resting) is resting
