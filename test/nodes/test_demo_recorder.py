# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The recorder as a process, over joint states of the simulated arm or of the test."""

import shutil
import signal

import numpy as np
import pytest
from rclpy.parameter import Parameter
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from smallbot.arm.kinematics import default_arm
from smallbot.demonstration.formats.options import Reading
from smallbot.demonstration.reading import read_demonstration
from smallbot.demonstration.samples import DemonstrationError
from smallbot.demonstration.storage.bag_files import read_bag_files
from smallbot.nodes import demo_recorder
from smallbot.nodes.common.messages import STREAM, to_demonstration
from smallbot.nodes.common.spin import Hosted

from .conftest import JOINTS, LATCHED, wave


class Driver:
    """Publishes joint states of a movement with stamps of its own, as fast as it can."""

    def __init__(self, probe):
        self.probe, self.stamp = probe, 5 * 10 ** 9

    def move(self, position, names=JOINTS):
        for row in position:
            message = JointState(name=list(names), position=[float(x) for x in row])
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(
                self.stamp, 10 ** 9)
            self.stamp += 10 ** 7
            # reliable to a best-effort listener: paced by hearing it ourselves
            count = len(self.probe.heard['joint_states'])
            self.probe.publish(JointState, 'joint_states', message, STREAM)
            self.probe.wait(lambda n=count: len(self.probe.heard['joint_states']) > n,
                            'our own joint state')


def recorder(bench, **parameters):
    process = bench.start('demo_recorder', bag_directory=str(bench.folder / 'bags'),
                          **parameters)
    probe = bench.probe()
    probe.listen(JointTrajectory, 'demonstration', LATCHED)

    def hears():
        """Return whether a state gets there: what is sent before that is lost."""
        assert probe.call('demo_recorder/start').success
        Driver(probe).move(np.zeros((1, 2)))
        answer = probe.call('demo_recorder/stop')
        assert not answer.success
        return 'no message on joint_states' not in answer.message
    probe.wait(hears, 'the recorder to hear joint_states')
    for bag in bags(bench):
        shutil.rmtree(bag)
    return process, probe


def movements(probe):
    """Return what was demonstrated, without what only withdrew it."""
    return [message for message in probe.heard['demonstration'] if message.points]


def bags(bench):
    folder = bench.folder / 'bags'
    return sorted(folder.iterdir()) if folder.is_dir() else []


def arrived(kept, position):
    """Return the rows of `position` that were kept, each as it was and in order.

    Best effort: on a busy machine some never arrive, or are still on their way at the end.
    """
    rows = np.array([np.abs(position - row).sum(1).argmin() for row in kept])
    assert len(rows) > len(position) / 4 and (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(kept, position[rows])
    return rows


def test_what_was_shown_is_published_and_kept_as_a_bag(bench):
    _, probe = recorder(bench, trim_rest=False)
    assert probe.call('demo_recorder/start').success
    _, position = wave(1.0)
    Driver(probe).move(position[:, ::-1], names=JOINTS[::-1])
    answer = probe.call('demo_recorder/stop')
    assert answer.success, answer.message
    message = probe.wait(lambda: movements(probe), 'the demonstration')[-1]
    arm = default_arm()
    shown = to_demonstration(message, arm)
    rows = arrived(shown.position, position)
    np.testing.assert_allclose(shown.time, (rows - rows[0]) / 100, atol=1e-9)
    (bag,) = bags(bench)
    assert str(bag) in answer.message
    kept = read_demonstration(bag, arm)
    np.testing.assert_array_equal(kept.position, shown.position)
    late = bench.probe()
    late.listen(JointTrajectory, 'demonstration', LATCHED)
    late.wait(lambda: late.heard['demonstration'] == [message], 'the latched demonstration')


def test_services_in_the_wrong_order_are_refused_and_discard_keeps_nothing(bench):
    _, probe = recorder(bench)
    for name in ('stop', 'discard'):
        answer = probe.call(f'demo_recorder/{name}')
        assert not answer.success and 'record' in answer.message
    assert probe.call('demo_recorder/start').success
    assert not probe.call('demo_recorder/start').success
    answer = probe.call('demo_recorder/stop')
    assert not answer.success and 'joint_states' in answer.message
    assert probe.call('demo_recorder/start').success
    Driver(probe).move(wave(0.6)[1])
    assert probe.call('demo_recorder/discard').success
    assert not probe.call('demo_recorder/stop').success
    assert not bags(bench) and not movements(probe)


def test_a_movement_beyond_the_limits_is_refused_but_kept(bench):
    _, probe = recorder(bench)
    probe.call('demo_recorder/start')
    Driver(probe).move(wave(1.0, start=(2.2, 0.0))[1])
    answer = probe.call('demo_recorder/stop')
    assert not answer.success
    assert "'base'" in answer.message and 'limits' in answer.message
    assert not movements(probe)
    assert len(bags(bench)) == 1


def test_what_was_shown_is_published_even_where_no_bag_can_be_kept(bench):
    (bench.folder / 'bags').write_text('a file, not a folder')
    process, probe = recorder(bench, trim_rest=False)
    answer = probe.call('demo_recorder/start')
    assert answer.success and '; no bag, ' in answer.message
    _, position = wave(1.0)
    driver = Driver(probe)
    driver.move(position)
    answer = probe.call('demo_recorder/stop')
    assert answer.success and '; no bag, ' in answer.message
    assert 'cannot be written: File exists' in answer.message
    probe.wait(lambda: movements(probe), 'the demonstration')
    (bench.folder / 'bags').unlink()
    assert probe.call('demo_recorder/start').success, process.said
    driver.move(position[:50])
    probe.wait(lambda: bags(bench) and messages_in(bags(bench)[0]), 'a bag with something in it')
    shutil.rmtree(bench.folder / 'bags')
    driver.move(position[50:])
    probe.wait(lambda: 'cannot be written: No such file' in process.said, 'word of the bag')
    answer = probe.call('demo_recorder/stop')
    assert answer.success and '; no bag, ' in answer.message
    probe.wait(lambda: len(movements(probe)) == 2, 'the demonstration')


def messages_in(bag):
    try:
        return len(read_bag_files(bag, lambda *_: True)[0])
    except ValueError:  # its folder is there, and no file in it yet
        return 0


def test_a_killed_recorder_leaves_a_whole_bag_of_which_the_next_tells(bench):
    process, probe = recorder(bench)
    assert 'unfinished' not in probe.call('demo_recorder/start').message
    driver = Driver(probe)
    driver.move(wave(1.0)[1])
    (bag,) = bags(bench)
    probe.wait(lambda: messages_in(bag) > 50, 'the bag to hold what was shown')
    process.send(signal.SIGKILL)
    assert process.exit_code() == -signal.SIGKILL
    with Reader(bag) as reader:
        assert sum(1 for _ in reader.messages()) == messages_in(bag)
    arrived(read_demonstration(bag, default_arm()).position, wave(1.0)[1])
    again = bench.start('demo_recorder', bag_directory=str(bench.folder / 'bags'))
    probe.wait(lambda: f'an unfinished recording was left in {bag}' in again.said, 'a word of it')
    probe = bench.probe()
    answer = probe.call('demo_recorder/start')
    assert f'left in {bag}' in answer.message and f'demonstration_file:={bag}' in answer.message
    assert probe.call('demo_recorder/discard').success
    assert 'unfinished' not in probe.call('demo_recorder/start').message
    assert probe.call('demo_recorder/discard').success
    assert bags(bench) == [bag]


def test_what_is_refused_or_discarded_withdraws_what_was_shown_before(bench):
    _, probe = recorder(bench)
    learner = bench.start('one_shot_learner')
    driver, other = Driver(probe), Driver(probe)
    other.stamp += 5 * 10 ** 6
    _, position = wave(0.8)

    def shows(*moves):
        assert probe.call('demo_recorder/start').success
        for move in moves:
            move()
        return probe.call('demo_recorder/stop')
    answer = shows(lambda: driver.move(position))
    assert answer.success, answer.message
    probe.wait(lambda: movements(probe), 'the demonstration')
    probe.wait(lambda: 'eligibility' in probe.call('one_shot_learner/learn').message,
               f'the learner to have heard of it: {learner.said}')
    # still where it was, so that states on their way from before say the same
    still = position[-1] + np.random.default_rng(3).normal(0, 1e-3, (130, 2))
    driver.move(still[:30])
    answer = shows(lambda: driver.move(still[30:]))
    assert not answer.success and 'nothing moves' in answer.message
    assert 'nothing is demonstrated now; bag ' in answer.message
    probe.wait(lambda: 'withdrawn' in probe.call('one_shot_learner/learn').message,
               'the learner to have dropped it')

    def set_back():
        driver.stamp -= 10 ** 9
    answer = shows(lambda: driver.move(position[:40]), set_back,
                   lambda: driver.move(position[40:]))
    assert not answer.success and 'time' in answer.message
    assert len(bags(bench)) == 3
    late = bench.probe()
    late.listen(JointTrajectory, 'demonstration', LATCHED)
    late.wait(lambda: [(list(message.joint_names), list(message.points))
                       for message in late.heard['demonstration']] == [([*JOINTS], [])],
              'word that nothing is demonstrated')
    answer = shows(lambda: driver.move(position))
    assert answer.success, answer.message
    late.wait(lambda: movements(late), 'a demonstration')
    probe.call('demo_recorder/start')
    late.wait(lambda: not late.heard['demonstration'][-1].points, 'its withdrawal')
    assert 'nothing is demonstrated' in probe.call('demo_recorder/discard').message


def test_two_publishers_of_the_same_joints_are_told_apart_and_refused(bench):
    _, probe = recorder(bench)
    _, position = wave(1.2)
    drivers = Driver(probe), Driver(bench.probe())
    # what the second says before the recorder knows it is lost
    drivers[1].move(position[:1])
    second = drivers[1].probe.publisher('joint_states')
    probe.wait(lambda: second.get_subscription_count() > 2, 'the recorder to know both')
    assert probe.call('demo_recorder/start').success
    for one, two in zip(position, position + 0.03):
        drivers[0].move([one])
        drivers[1].move([two])
    answer = probe.call('demo_recorder/stop')
    assert not answer.success
    assert "'base' has 2 publishers" in answer.message and '--publisher N' in answer.message
    assert not movements(probe)
    (bag,) = bags(bench)
    for line in ('reliability: 1', f'name: /{probe.node.get_namespace().strip("/")}/joint_states'):
        assert line in (bag / 'metadata.yaml').read_text()
    with pytest.raises(DemonstrationError, match="'base' has 2 publishers"):
        read_demonstration(bag, default_arm())
    chosen = read_demonstration(bag, default_arm(), Reading(publisher=2, keep_rest=True))
    shown = chosen.position[0] > 0.05 + 0.02  # whoever was heard first is publisher 1
    arrived(chosen.position, position + 0.03 if shown[0] else position)


@pytest.mark.parametrize('bound', ['LONGEST', 'MOST_BYTES'])
def test_a_recording_that_grows_too_long_is_ended_and_kept(bench, context, monkeypatch, bound):
    monkeypatch.setattr(demo_recorder, bound, {'LONGEST': 0.3, 'MOST_BYTES': 2000}[bound])
    probe = bench.probe()
    node = demo_recorder.DemoRecorder(
        context=context, namespace=probe.node.get_namespace(), parameter_overrides=[
            Parameter('bag_directory', value=str(bench.folder / 'bags'))])
    with Hosted([node]):
        assert probe.call('demo_recorder/start').success
        driver = Driver(probe)

        def ended():
            driver.move(np.ones((1, 2)))
            return node._recording is None
        probe.wait(ended, 'the recording to end')
        answer = probe.call('demo_recorder/stop')
    (bag,) = bags(bench)
    assert not answer.success
    assert 'recording ended: longer than' in answer.message and str(bag) in answer.message
    assert messages_in(bag)


def test_sigterm_while_recording_leaves_a_whole_bag(bench):
    process, probe = recorder(bench)
    probe.call('demo_recorder/start')
    _, position = wave(0.8)
    Driver(probe).move(position)
    process.send(signal.SIGTERM)
    assert process.exit_code() == 0
    assert 'Traceback' not in process.said
    (bag,) = bags(bench)
    kept = read_demonstration(bag, default_arm())
    arrived(kept.position, position)


def test_a_file_can_stand_in_for_a_recording(bench):
    file = bench.folder / 'shown.csv'
    time, position = wave(1.0)
    file.write_text('time,base,shoulder\n' + ''.join(
        f'{t:.3f},{a:.6f},{b:.6f}\n' for t, (a, b) in zip(time, position, strict=True)))
    bench.start('demo_recorder', bag_directory=str(bench.folder), demonstration_file=str(file))
    probe = bench.probe()
    probe.listen(JointTrajectory, 'demonstration', LATCHED)
    message = probe.wait(lambda: movements(probe), 'the demonstration')[-1]
    assert len(message.points) == len(time)
    file.write_text(file.read_text().replace('0.500,', 'nan,'))
    process = bench.start('demo_recorder', demonstration_file=str(file))
    assert process.exit_code() == 2
    assert len(process.said.strip().splitlines()) == 1 and 'nan' in process.said


def test_others_on_the_topic_are_kept_in_the_bag_and_change_nothing(bench):
    process, probe = recorder(bench, trim_rest=False)
    arm, hand = Driver(probe), Driver(bench.probe())
    _, position = wave(1.0)
    hand.move([[0.0, np.nan]], ('gripper_joint', 'finger'))
    gripper = hand.probe.publisher('joint_states')
    probe.wait(lambda: gripper.get_subscription_count() > 2, 'the recorder to know the gripper')
    assert probe.call('demo_recorder/start').success
    for number, row in enumerate(position):
        arm.move([row])
        if number % 3 == 0:
            hand.move([[0.01 * number, np.nan]], ('gripper_joint', 'finger'))
    hand.move([[1.0, 2.0]], ('base', 'base'))
    probe.wait(lambda: "joint 'base' occurs 2 times" in process.said, 'a word of what is useless')
    answer = probe.call('demo_recorder/stop')
    assert answer.success, answer.message
    shown = to_demonstration(probe.wait(lambda: movements(probe), 'a demonstration')[-1],
                             default_arm())
    arrived(shown.position, position)
    (bag,) = bags(bench)
    kept = read_demonstration(bag, default_arm(), Reading(keep_rest=True))
    np.testing.assert_array_equal(kept.position, shown.position)
    with Reader(bag) as reader:
        raw = [content for _, _, content in reader.messages()]
    assert sum(b'gripper_joint' in content for content in raw) > 8
    assert len(raw) > len(shown.time) + 8
    assert movements(probe)[-1].header.frame_id == bag.name


def test_what_lasts_no_time_leaves_no_bag(bench):
    _, probe = recorder(bench)
    assert probe.call('demo_recorder/start').success
    Driver(probe).move(wave(1.0)[1][:3])
    answer = probe.call('demo_recorder/stop')
    assert not answer.success and 'no bag, as nothing is kept that lasts' in answer.message
    assert not bags(bench)
