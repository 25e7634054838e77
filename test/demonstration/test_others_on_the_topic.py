# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Who else speaks on `joint_states` while a movement is shown: heard and in the bag it is one."""

import numpy as np
import pytest
from rosbags.rosbag2 import Reader
import yaml

from smallbot.demonstration.bag import BagWriter, Offered
from smallbot.demonstration.formats.messages import State
from smallbot.demonstration.reading import from_states, read_demonstration
from smallbot.demonstration.samples import DemonstrationError

from .conftest import ARM, PATH, TIME

BEGAN = 10 ** 18
GRIPPER = ['gripper_joint', 'finger']


def arm_states(names=ARM.driven, more=()):
    """Return messages of the arm alone, a hundred a second."""
    return [State(BEGAN + round(1e9 * t), BEGAN + round(1e9 * t) + 10 ** 6, [*names],
                  [*q, *more]) for t, q in zip(TIME, PATH)]


def among(states, others):
    return sorted([*states, *others], key=lambda state: state.received)


def others(names, positions_at, every=7, stamped=True):
    """Return another publisher's messages, `positions_at` of the share of the time gone."""
    return [State(state.stamp + 3 if stamped else 0, state.received + 3, list(names),
                  list(positions_at(number / len(PATH))))
            for number, state in enumerate(arm_states()) if number % every == 0]


COMPANY = {
    'a gripper in every message, without a value': arm_states(
        [*ARM.driven, 'gripper_joint'], [np.nan]),
    "a gripper's driver": among(arm_states(), others(GRIPPER, lambda t: (t, np.nan))),
    'a driver without positions': among(arm_states(), others(GRIPPER, lambda t: ())),
    'a driver without stamps': among(arm_states(), others(GRIPPER, lambda t: (t, 1),
                                                          stamped=False)),
    'more values than names': among(arm_states(), others(['base'], lambda t: (1, 2))),
    'a name twice': among(arm_states(), others(['base', 'base'], lambda t: (1, 2))),
    'no names': among(arm_states(), others([], lambda t: ())),
    'a stamp before 1970': among(arm_states(), [State(-5, BEGAN + 9, ['base', 'shoulder'],
                                                      [1.0, 1.0])]),
    'the elbow by another': among(arm_states(), others(['elbow', 'gripper_joint'],
                                                       lambda t: (-0.2, t))),
}


def bag_of(path, states):
    bag = BagWriter(path, '/left/joint_states')
    for state in states:
        bag.add(state.received, state.stamp, state.names, state.positions,
                np.arange(2.0), [], state.frame)
    bag.close()
    return path


@pytest.mark.parametrize('name', COMPANY)
def test_the_driven_joints_are_taken_by_name_from_whatever_comes(tmp_path, name):
    states = COMPANY[name]
    heard = from_states(states, ARM)
    np.testing.assert_array_equal(heard.position, PATH)
    kept = read_demonstration(bag_of(tmp_path / 'bag', states), ARM)
    assert kept.digest == heard.digest
    with Reader(tmp_path / 'bag') as reader:
        assert reader.message_count == len(states)
        assert set(reader.topics) == {'/left/joint_states'}
    if 'elbow' in name:
        assert heard.held == {'elbow': -0.2}


def test_a_joint_of_the_way_to_the_tool_tip_must_rest_whoever_tells_of_it():
    moving = among(arm_states(), others(['elbow'], lambda t: (0.2 * t,)))
    with pytest.raises(DemonstrationError, match="'elbow' moves by .* degrees"):
        from_states(moving, ARM)
    # before and after what is shown it may move
    earlier = [State(BEGAN - 10 ** 9, BEGAN - 10 ** 9, ['elbow'], [1.0])]
    resting = others(['elbow'], lambda t: (0.1,))
    assert from_states(among(arm_states(), earlier + resting), ARM).held['elbow'] == 0.1


def test_a_bag_says_how_its_messages_were_published(tmp_path):
    offered = [Offered(1, 10, 1, 2, 1), Offered(1, 5, 2, 2, 1)]
    bag = BagWriter(tmp_path / 'bag', '/joint_states', offered * 20)
    for number in range(300):
        bag.add(number, number, ['base'], [0.0])
        bag.flush()
    with Reader(tmp_path / 'bag') as reader:
        assert sum(1 for _ in reader.messages()) == 300
    bag.close()
    text = (tmp_path / 'bag' / 'metadata.yaml').read_text()
    assert len(text) < 4096, 'within a page'
    (topic,) = yaml.safe_load(text)['rosbag2_bagfile_information']['topics_with_message_count']
    profiles = yaml.safe_load(topic['topic_metadata']['offered_qos_profiles'])
    assert [Offered(*(one[name] for name in Offered._fields)) for one in profiles] == offered
    assert profiles[0]['deadline']['sec'] > 2 ** 32
    with Reader(tmp_path / 'bag') as reader:
        assert sum(1 for _ in reader.messages()) == 300
        (told,) = reader.connections
    assert [profile.durability.name for profile in told.ext.offered_qos_profiles] == [
        'VOLATILE', 'VOLATILE']
