# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

from smallbot.demonstration.bag import write_bag
from smallbot.demonstration.reading import read_demonstration
from smallbot.demonstration.samples import DemonstrationError
from smallbot.demonstration.storage.mcap_file import unpacked_as_far_as_possible, zstd

from .conftest import ARM, PATH, TIME


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
    with pytest.raises(DemonstrationError, match="'base' has 2 publishers.*--publisher N"):
        read_demonstration(tmp_path / 'bag', ARM)


def test_bags_are_never_overwritten(tmp_path):
    write_bag(tmp_path / 'bag', [0, 10 ** 9], ['base', 'shoulder'], np.zeros((2, 2)))
    with pytest.raises(DemonstrationError, match='never overwritten'):
        write_bag(tmp_path / 'bag', [0, 10 ** 9], ['base', 'shoulder'], np.zeros((2, 2)))


def test_a_bag_that_another_writes_at_the_same_time_is_refused_and_left_whole(
        tmp_path, monkeypatch):
    path, mkdir = tmp_path / 'bag', Path.mkdir

    def overtaken(folder, *arguments, **options):
        if folder == path:
            monkeypatch.setattr(Path, 'mkdir', mkdir)
            write_bag(path, [0, 10 ** 9], ['base', 'shoulder'], np.eye(2))
        return mkdir(folder, *arguments, **options)
    monkeypatch.setattr(Path, 'mkdir', overtaken)
    with pytest.raises(DemonstrationError, match='bag: exists already'):
        write_bag(path, [0, 10 ** 9], ['base', 'shoulder'], np.zeros((2, 2)))
    assert list(tmp_path.iterdir()) == [path]
    assert (read_demonstration(path, ARM).position == np.eye(2)).all()


def test_bags_without_joint_states_or_damaged_are_refused(tmp_path):
    write_bag(tmp_path / 'empty', [], ['base', 'shoulder'], np.zeros((0, 2)))
    with pytest.raises(DemonstrationError, match='no sensor_msgs/JointState'):
        read_demonstration(tmp_path / 'empty', ARM)
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken' / 'metadata.yaml').write_text('nonsense')
    with pytest.raises(DemonstrationError, match='cannot be read as a rosbag2') as caught:
        read_demonstration(tmp_path / 'broken', ARM)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('unpacker', [
    lambda content: (zstd.ZstdDecompressor().decompress, zstd.compress(content)),
    lambda content: (lz4.frame.LZ4FrameDecompressor().decompress, lz4.frame.compress(content)),
    lambda content: (lambda part, _: part, content)])
def test_what_a_few_bytes_unpack_to_is_bounded(unpacker):
    content = bytes(10 ** 6)
    unpack, packed = unpacker(content)
    assert b''.join(unpacked_as_far_as_possible(unpack, packed)) == content
    unpack, packed = unpacker(content)
    made = b''.join(unpacked_as_far_as_possible(unpack, packed, 10_000))
    assert len(made) <= 10_000
