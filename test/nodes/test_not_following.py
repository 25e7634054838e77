# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Arms that do not follow, in processes: nobody listens, values rejected, slow, a joint stuck."""

import pytest
from std_msgs.msg import Float64MultiArray

from smallbot.nodes.common.messages import values_of

from .conftest import EVERYTHING
from .test_snn_controller import controller, execute


def followed(bench, model, start=(0.5, -0.4), **parameters):
    arm = bench.start('velocity_follower.py', **parameters)
    arm, process, probe = controller(bench, model, arm, duration=3.0)
    probe.show(start=start)
    return arm, process, probe


def test_nobody_listens_and_execute_names_the_topic(bench, small_model, monkeypatch):
    _, _, probe = followed(bench, small_model, topic='elsewhere')
    for subscription in list(probe.node.subscriptions):
        if subscription.topic_name.endswith('velocity_controller/commands'):
            probe.node.destroy_subscription(subscription)

    def refused():
        answer = execute(probe)
        return answer.message if 'subscribes' in answer.message else None
    said = probe.wait(refused, 'the subscription of the probe to be gone')
    assert 'nobody subscribes to /' in said and 'velocity_controller/commands' in said
    probe.listen(Float64MultiArray, 'velocity_controller/commands', EVERYTHING)


@pytest.mark.parametrize(('parameters', 'joint'), [
    ({'joints': "['base','shoulder','roll']"}, ''), ({'share': 0.5}, ''),
    ({'stuck': 'shoulder'}, 'shoulder')])
def test_an_arm_that_does_not_follow_is_halted_with_joint_and_distance(
        bench, small_model, parameters, joint):
    _, process, probe = followed(bench, small_model, **parameters)
    assert execute(probe).success
    probe.wait_phase('halted', 'done')
    reason = values_of(probe.heard['progress'][-1])['reason']
    assert 'rad from where it was told to be' in reason and joint in reason
    assert 'does it follow /' in process.said
    probe.wait(lambda: probe.commands()[-1] == [0.0, 0.0], 'a last command of zero')


def test_one_that_does_is_not(bench, small_model):
    _, _, probe = followed(bench, small_model)
    assert execute(probe).success
    assert probe.wait_phase('halted', 'done') == 'done'
