# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Which movement counts: what is latched now, named wherever it is learned, played or shown."""

from dataclasses import replace
import signal

from builtin_interfaces.msg import Time
from nav_msgs.msg import Path
import pytest
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import Marker, MarkerArray

from smallbot.arm.kinematics import default_arm
from smallbot.errors import InputError
from smallbot.nodes.common.messages import (
    to_trajectory,
    values_of,
    withdrawal,
)
from smallbot.nodes.common.shown import age_of, shown_in

from .conftest import JOINTS, LATCHED, wave

DAY = 86400 * 10 ** 9
NOW = 20_000 * DAY


def trajectory(seconds=1.0, stamp=0, origin='demonstration_1'):
    message = to_trajectory(JOINTS, *wave(seconds))
    message.header.frame_id = origin
    message.header.stamp = Time(sec=stamp // 10 ** 9, nanosec=stamp % 10 ** 9)
    return message


@pytest.mark.parametrize(('stamp', 'now', 'said'), [
    (NOW - 34 * 10 ** 9, NOW, '34 s old'),
    (NOW - 7200 * 10 ** 9, NOW, '2 h old'),
    (NOW + 5 * 10 ** 8, NOW, '0 s old'),  # of a clock that runs a little ahead
    (NOW + 60 * 10 ** 9, NOW, 'heard 0 s ago'),
    (0, NOW, 'heard 0 s ago'),
    (5 * 10 ** 9, NOW, 'heard 0 s ago'),  # simulated time, heard by a node on the wall's
    (NOW, 0, 'heard 0 s ago'),  # no clock yet
    (40 * 10 ** 9, 60 * 10 ** 9, '20 s old')])
def test_the_age_of_a_movement_goes_by_its_stamp_where_that_can_be_believed(stamp, now, said):
    shown = shown_in(trajectory(stamp=stamp), default_arm(), now)
    assert shown.named() == f'the movement of 1.00 s from demonstration_1, {said}'
    later = replace(shown, since=shown.since - 300)
    assert f'{later.named().split(", ")[1]}' in (
        '6 min old', '2 h old', '5 min old', 'heard 5 min ago')


def test_ages_are_said_in_the_unit_that_suits():
    assert [age_of(s) for s in (3.2, 119, 125, 7300, 3 * 86400)] == [
        '3 s', '119 s', '2 min', '2 h', '3 days']


def test_a_demonstration_without_points_is_a_withdrawal_for_this_arm_alone():
    arm = default_arm()
    assert shown_in(withdrawal(arm.driven, Time()), arm, NOW) is None
    for other in (JointTrajectory(), JointTrajectory(joint_names=['wheel'])):
        with pytest.raises(InputError):
            shown_in(other, arm, NOW)


def test_the_display_names_the_movement_and_shows_nothing_when_it_is_withdrawn(bench):
    bench.start('trajectory_display')
    probe = bench.probe()
    probe.listen(MarkerArray, 'trajectory_markers', LATCHED)
    probe.listen(Path, 'demonstrated_path', LATCHED)
    message = trajectory(1.5)
    message.header.stamp = probe.node.get_clock().now().to_msg()
    probe.publish(JointTrajectory, 'demonstration', message)

    def texts():
        return [marker.text for marker in probe.heard['trajectory_markers'][-1].markers
                if marker.type == Marker.TEXT_VIEW_FACING]
    (text,) = probe.wait(lambda: probe.heard['trajectory_markers'] and texts(), 'a name')
    assert text.startswith('the movement of 1.50 s from demonstration_1, ')
    assert text.endswith(' s old')
    probe.wait(lambda: texts() != [text], 'it to become older')
    probe.publish(JointTrajectory, 'demonstration', withdrawal(JOINTS, Time()))
    probe.wait(lambda: [marker.action for marker in probe.heard['trajectory_markers'][-1].markers]
               == [Marker.DELETEALL], 'nothing to be shown')
    probe.wait(lambda: not probe.heard['demonstrated_path'][-1].poses, 'an empty path')


def test_what_was_learned_is_named_when_it_is_played_even_after_it_was_withdrawn(bench):
    bench.start('arm_simulator')
    controller = bench.start('snn_controller', allow_poor=True, duration=8.0)
    bench.start('one_shot_learner')
    probe = bench.probe()
    probe.publish(JointTrajectory, 'demonstration', trajectory(2.0))
    answer = probe.wait(lambda: done(probe, 'one_shot_learner/learn'), controller.said)
    assert 'learned the movement of 2.00 s from demonstration_1, heard ' in answer.message
    probe.publish(JointTrajectory, 'demonstration', withdrawal(JOINTS, Time()))
    refused = probe.wait(lambda: refusal(probe, 'one_shot_learner/learn', 'withdrawn'),
                         'the learner to have dropped it')
    assert 'demo_recorder/start' in refused.message
    answer = probe.wait(lambda: done(probe, 'snn_controller/execute'), controller.said)
    assert 'the movement of 2.00 s from demonstration_1, heard ' in answer.message
    probe.wait_phase('easing', 'playing')
    assert 'from demonstration_1' in values_of(probe.heard['progress'][-1])['movement']
    assert probe.call('snn_controller/halt').success
    assert probe.wait(lambda: done(probe, 'snn_controller/forget'), 'the arm to rest')
    probe.wait(lambda: done(probe, 'snn_controller/reset'), 'the arm to rest')
    refused = probe.call('snn_controller/execute')
    assert not refused.success and 'no demonstration yet' in refused.message


def done(probe, name):
    answer = probe.call(name)
    return answer if answer.success else None


def refusal(probe, name, word):
    answer = probe.call(name)
    return answer if not answer.success and word in answer.message else None


def test_the_learner_follows_what_is_latched_now_and_says_who_is_away(bench, small_model):
    parameters = {'model': small_model, 'synapses': 'software'}
    learner = bench.start('one_shot_learner', model=small_model)
    first = bench.probe()
    controller = bench.start('snn_controller', **parameters)
    probe = bench.probe()
    first.publish(JointTrajectory, 'demonstration', trajectory())
    probe.wait(lambda: done(probe, 'one_shot_learner/learn'), learner.said)
    again = probe.call('one_shot_learner/learn')
    assert 'call snn_controller/forget first' in again.message
    controller.send(signal.SIGSTOP)  # as of one that was killed, the graph knows of it
    away = probe.call('one_shot_learner/learn')
    assert not away.success and 'snn_controller does not answer' in away.message
    controller.send(signal.SIGCONT)
    # neither who recorded it nor who would program it is there
    first.close()
    controller.send(signal.SIGINT)
    assert controller.exit_code() == 0
    probe.wait(lambda: refusal(probe, 'one_shot_learner/learn', 'snn_controller is not running'),
               'word that the controller is away')
    # a new controller has not heard of the movement, and nobody publishes it any more
    traces = len(probe.heard['eligibility'])
    bench.start('snn_controller', **parameters)
    probe.wait(lambda: len(probe.heard['eligibility']) > traces, 'the new traces')
    probe.wait(lambda: refusal(probe, 'one_shot_learner/learn', 'none is shown here now: record'),
               'the controller to refuse it')
    probe.wait(lambda: refusal(probe, 'one_shot_learner/learn', 'no demonstration yet'),
               'the learner to have dropped it')
    probe.publish(JointTrajectory, 'demonstration', trajectory(1.3, origin='demonstration_2'))
    answer = probe.wait(lambda: done(probe, 'one_shot_learner/learn'), 'what is latched now')
    assert 'the movement of 1.30 s from demonstration_2' in answer.message
