# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The driver's session against the emulated controller, both on a clock of the test."""

from copy import deepcopy
import math

from hypothesis import example, given, settings, strategies as st
import numpy as np
import pytest

from smallbot.arm.kinematics import default_arm
from smallbot.demonstration.samples import Demonstration
from smallbot.ed_scorbot.convention import CONVENTIONS, JOINTS
from smallbot.ed_scorbot.emulated.emulator import EmulatedController
from smallbot.ed_scorbot.session import Phase, Session
from smallbot.ed_scorbot.settings import Settings
from smallbot.ed_scorbot.wire import request, Signal
from smallbot.errors import InputError

from .bench import Bench, DRIVEN


@pytest.mark.parametrize('convention', CONVENTIONS)
def test_it_connects_homes_checks_and_goes_to_zero(convention):
    bench = Bench(speaks=convention, convention=CONVENTIONS[convention])
    phases = []
    bench.until(lambda: bench.session.phase is Phase.FREE)
    assert 'call ed_scorbot_driver/home' in bench.session.trouble
    bench.session.home(bench.now)

    def watch():
        if not phases or phases[-1] is not bench.session.phase:
            phases.append(bench.session.phase)
        return bench.session.phase is Phase.READY
    bench.until(watch)
    assert phases == [Phase.CONNECTING, Phase.HOMING, Phase.CHECKING, Phase.READY]
    bench.until(lambda: np.abs(bench.commanded()).max() < 3e-3)
    bench.until(bench.still)
    assert bench.session.known and not bench.session.stopped and not bench.session.trouble
    # at rest the references are as near to zero as whole numbers allow, the joints within gain
    assert np.abs(bench.measured()).max() < math.radians(3)
    np.testing.assert_allclose(bench.session.measurement.position, bench.measured(), atol=3e-3)
    assert bench.controller.disturbed_homings == 0 and bench.controller.ignored == 0
    assert not bench.controller.dead


def test_velocities_become_set_points_and_the_arm_goes_as_far_as_asked():
    bench = Bench().home()
    start = bench.commanded()
    bench.run(2.0, [0.2, 0.1])
    bench.run(1.0, [0.0, 0.0])
    way = bench.commanded() - start
    # eased in, else 0.4 and 0.2; whole references are 5.8 and 1.9 mrad
    assert way[:2] == pytest.approx([0.4, 0.2], abs=0.015)
    assert way[2:] == pytest.approx([0, 0], abs=1e-9)
    bench.run(3.0)
    assert bench.measured()[:2] == pytest.approx([0.41, 0.206], abs=0.06)
    steps = np.abs(np.diff(np.array(bench.references), axis=0)).max(0)
    assert (steps <= [6, 12, 0, 0]).all(), 'no jump of a reference'


def test_limits_hold_whatever_is_commanded():
    bench = Bench().home()
    warned = bench.session.command([3.0, 0.0], bench.now)
    assert 'slowed to the 0.87' in warned
    bench.run(6.0, [3.0, -3.0])
    limits = bench.session.limits
    assert np.degrees(bench.commanded()[:2]) == pytest.approx([101.4, -30.0], abs=0.5)
    assert (bench.commanded() <= limits.upper + 6e-3).all()
    changes = np.abs(np.diff(np.array(bench.references), axis=0))
    per_reference = 1 / np.abs(bench.controller.convention.reference_per_degree)
    # one set-point each 70 ms or so, rounded to whole references
    assert (changes * per_reference <= np.degrees(limits.velocity) * 0.08 + per_reference).all()


def test_an_arm_at_rest_is_left_alone_and_its_state_known():
    bench = Bench().home()
    said = bench.controller.trajectories
    bench.run(5.0)
    assert bench.controller.trajectories == said and bench.session.known
    bench.run(1.0, [0.2, 0.0])
    assert not bench.session.stopped and bench.commanded()[0] > 0.15


def test_commands_that_cease_stop_the_references_within_half_a_second():
    bench = Bench().home()
    bench.run(1.5, [0.8, 0.0])
    bench.references.clear()
    bench.run(0.5)
    bench.references.clear()
    bench.run(0.5)
    assert bench.changes(0.5) == 0
    assert 'no velocity command for 0.2' in bench.session.stopped
    bench.run(1.0, [0.8, 0.0])
    assert bench.changes(0.9) == 0, 'it does not go on by itself'
    assert bench.session.reset(bench.now) == 'standing still'
    bench.run(1.0, [0.8, 0.0])
    assert bench.changes(0.9) == 0 and 'must be zero' in bench.wrong[-1]
    bench.run(0.1, [0.0, 0.0])
    bench.run(0.5, [0.8, 0.0])
    assert bench.changes(0.4) > 2


def test_a_controller_that_dies_stops_the_session_which_says_so():
    bench = Bench().home()
    bench.run(1.0, [0.5, 0.0])
    bench.controller.dead = 'killed by the test'
    bench.run(1.5, [0.5, 0.0])
    assert 'has not said where it is' in bench.session.stopped
    assert bench.session.at_rest and not bench.session.known
    sent = len(bench.mail)
    bench.run(2.0, [0.5, 0.0])
    assert len(bench.mail) == sent
    bench.session.reset(bench.now)
    bench.run(5.5)
    assert bench.session.phase is Phase.FREE
    assert 'gone or was started again' in bench.session.trouble
    bench.session.home(bench.now)
    bench.run(6.0)
    assert 'no answer to CONNECT' in bench.session.trouble


def test_a_controller_that_was_started_again_is_connected_to_anew():
    bench = Bench().home()
    bench.controller = EmulatedController(CONVENTIONS['2023'], homing_seconds=1.0, now=bench.now)
    bench.run(1.5, [0.3, 0.0])
    assert 'has not said where it is' in bench.session.stopped
    bench.session.reset(bench.now)
    bench.until(lambda: bench.session.phase is Phase.FREE)
    bench.home()


def test_a_broker_that_drops_stops_the_arm_and_nothing_stale_is_sent_later():
    bench = Bench().home()
    bench.run(1.0, [0.5, 0.0])
    bench.up = False
    bench.session.offline('connection to broker lost')
    bench.references.clear()
    bench.run(1.0, [0.5, 0.0])
    assert bench.changes(0.9) == 0 and bench.session.phase is Phase.OFFLINE
    assert 'connection to broker lost: when it is back' in bench.session.stopped
    before = bench.commanded()
    bench.up = True
    bench.session.online()
    bench.run(1.0, [0.5, 0.0])
    assert np.array_equal(bench.commanded(), before)
    assert bench.session.reset(bench.now) == 'asking the arm where it is'
    bench.until(bench.still)
    assert np.abs(bench.commanded() - before).max() < 0.04, 'no jump after a stop'
    assert bench.session.known
    bench.run(0.1, [0.0, 0.0])
    bench.run(0.5, [0.3, 0.0])
    assert bench.commanded()[0] > before[0] + 0.05


def test_the_arm_may_find_the_broker_later_and_what_hangs_after_that_is_another_matter():
    bench = Bench().home()
    bench.run(1.0, [0.3, 0.0])
    bench.session.offline('lost')
    bench.run(1.0)
    bench.session.online()
    bench.up = False  # the broker is back, the arm's controller not yet
    bench.session.reset(bench.now)
    bench.run(2.0)
    bench.up = True
    bench.run(0.5, [0.0, 0.0])
    assert not bench.session.stopped
    bench.run(1.0, [0.3, 0.0])
    bench.frozen = True
    bench.run(3.0, [0.3, 0.0])
    assert 'has not said where it is' in bench.session.stopped
    assert bench.session.phase is Phase.READY


def test_the_broker_may_drop_at_any_time_before_the_arm_is_ready():
    for moment in (0.02, 0.5, 1.5, 2.5, 3.2):
        bench = Bench()
        bench.until(lambda bench=bench: bench.session.phase is Phase.FREE)
        bench.session.home(bench.now)
        bench.run(moment)
        bench.up = False
        bench.session.offline('lost')
        bench.run(1.0)
        bench.up = True
        bench.session.online()
        bench.run(3.0)
        if bench.session.stopped:
            bench.session.reset(bench.now)
        bench.until(lambda bench=bench: bench.session.phase is Phase.FREE)
        bench.home()


def test_what_was_asked_before_the_broker_dropped_is_not_sent_when_it_is_back():
    bench = Bench()
    bench.until(lambda: bench.session.phase is Phase.FREE)
    bench.session.home(bench.now)
    bench.session.offline('lost')
    bench.session.online()
    bench.run(3.0)
    assert bench.controller.owner == '' and bench.session.phase is Phase.FREE


def test_an_arm_of_somebody_else_is_left_alone():
    bench = Bench('owned')
    bench.until(lambda: bench.session.phase is Phase.FREE)
    bench.session.home(bench.now)
    bench.run(6.0)
    assert bench.session.phase is Phase.FREE
    assert 'belongs to another client' in bench.session.trouble
    assert 'take_over:=true' in bench.session.trouble
    assert not bench.controller.homing and bench.controller.owner == 'somebody_else'


def test_an_arm_left_owned_by_a_killed_driver_can_be_taken_over():
    bench = Bench().home()
    again = Session(default_arm(DRIVEN), Settings(CONVENTIONS['2023'], take_over=True))
    bench.session = again
    again.online()
    bench.home()
    assert bench.controller.owner == 'smallbot'


def test_a_silent_arm_is_named_with_what_to_try():
    bench = Bench('silent')
    bench.run(5.0)
    assert bench.session.phase is Phase.SEEKING
    with pytest.raises(InputError, match="no arm 'EDScorbot' answers on topic metainfo"):
        bench.session.home(bench.now)


def test_home_that_is_not_found_is_given_up():
    bench = Bench('never-homes')
    bench.until(lambda: bench.session.phase is Phase.FREE)
    bench.session.home(bench.now)
    bench.run(5.5)
    assert 'home not found in 5 s' in bench.session.trouble
    with pytest.raises(InputError, match='reset first'):
        bench.session.home(bench.now)


@pytest.mark.parametrize(('how', 'said'), [
    ('wrong-home', 'yet shoulder is at 8.0 degrees'),
    ('wrong-sign', 'told to move by 4 degrees, base moved by -4.1'),
])
def test_a_wrong_reference_pose_or_sign_is_found_before_the_first_motion(how, said):
    bench = Bench(how)
    bench.until(lambda: bench.session.phase is Phase.FREE)
    bench.session.home(bench.now)
    bench.until(lambda: bool(bench.session.stopped))
    assert said in bench.session.trouble
    bench.run(1.0, [0.3, 0.0])
    assert bench.changes(0.9) == 0
    degrees = bench.controller.servo.reference / bench.controller.convention.reference_per_degree
    assert np.abs(degrees).max() < 4.5


@pytest.mark.parametrize('speaks', CONVENTIONS)
def test_metainfo_of_the_other_convention_is_refused_before_connecting(speaks):
    other = {'2023': '2026', '2026': '2023'}[speaks]
    bench = Bench(speaks=speaks, convention=CONVENTIONS[other])
    limits = bench.session.limits
    bench.run(1.0)
    assert bench.session.limits is limits, 'nothing of what is refused is taken over'
    assert bench.session.trouble.endswith(f'set convention:={speaks}')
    with pytest.raises(InputError, match='convention'):
        bench.session.home(bench.now)
    assert bench.controller.owner == ''


def test_numbers_missing_now_and_then_do_no_harm():
    bench = Bench('nan').home()
    bench.run(2.0, [0.2, 0.0])
    bench.run(0.5, [0.0, 0.0])
    assert not bench.session.stopped
    assert bench.commanded()[0] == pytest.approx(0.4, abs=0.015)
    assert any('expected numbers' in wrong for wrong in bench.wrong)


def test_numbers_that_stay_away_stop_the_arm():
    bench = Bench().home()
    bench.controller.misbehaviour = frozenset(['blind'])
    bench.run(10.0, [0.05, 0.0])
    assert 'state of the arm' in bench.session.stopped
    assert bench.changes(2.0) == 0


def test_trajectories_that_are_ignored_are_sent_again():
    bench = Bench('skips').home()
    bench.run(2.0, [0.2, 0.1])
    bench.run(0.5, [0.0, 0.0])
    assert not bench.session.stopped and bench.session.resent > 2
    assert bench.commanded()[:2] == pytest.approx([0.4, 0.2], abs=0.02)


def test_an_arm_that_answers_late_is_not_moved():
    bench = Bench('late')
    bench.until(lambda: bench.session.phase is Phase.FREE)
    bench.session.home(bench.now)
    bench.until(lambda: bool(bench.session.stopped))
    bench.run(0.1)
    assert 'has not said where it is' in bench.session.trouble


def test_a_cancel_by_someone_with_our_name_costs_one_set_point():
    bench = Bench().home()
    bench.post('EDScorbot/commands', request(Signal.CANCEL_TRAJECTORY, 'smallbot'))
    bench.run(2.0, [0.2, 0.0])
    bench.run(0.5, [0.0, 0.0])
    assert not bench.session.stopped and bench.session.resent == 1
    assert bench.commanded()[0] == pytest.approx(0.4, abs=0.02)


def test_a_stranger_who_makes_the_arm_home_stops_the_session():
    bench = Bench().home()
    bench.run(1.0, [0.3, 0.0])
    bench.post('EDScorbot/commands', request(Signal.DISCONNECT, 'browser'))
    bench.run(0.2, [0.3, 0.0])
    assert "client 'browser' has disconnected" in bench.session.stopped
    sent = bench.controller.trajectories
    bench.run(2.0, [0.3, 0.0])
    assert bench.controller.trajectories <= sent + 1
    bench.session.reset(bench.now)
    bench.home()


def test_a_blocked_joint_is_noticed():
    bench = Bench().home()
    bench.controller.servo.step = lambda elapsed: None
    bench.run(3.0, [0.8, 0.0])
    assert 'base is 4' in bench.session.stopped and 'blocked' in bench.session.stopped


def test_giving_the_arm_back_frees_it():
    bench = Bench().home()
    with pytest.raises(InputError, match='wait until it stands'):
        bench.run(0.5, [0.3, 0.0])
        bench.session.release(bench.now)
    bench.run(0.5, [0.0, 0.0])
    assert 'search home' in bench.session.release(bench.now)
    bench.run(2.0)
    assert bench.controller.owner == '' and bench.session.phase is Phase.FREE
    assert bench.session.measurement is not None and not bench.session.known
    bench.home()


def shown(base, seconds=4.0):
    time = np.linspace(0, seconds, 200)
    share = 0.5 - 0.5 * np.cos(np.pi * time / seconds)
    return Demonstration(DRIVEN, time, np.stack([base * share, 0 * share], 1), 'topic demo')


def test_a_movement_outside_the_published_limits_is_refused_before_any_motion():
    bench = Bench().home()
    with pytest.raises(InputError, match="joint 'base' is at .* outside its limits -2.1817 to"):
        bench.session.consider(shown(1.9))
    bench.run(1.0, [0.2, 0.0])
    assert bench.changes(0.9) == 0 and 'outside its limits' in bench.wrong[-1]
    bench.session.consider(shown(1.2))
    bench.run(1.0, [0.2, 0.0])
    assert bench.changes(0.9) > 5


def test_a_movement_that_is_too_fast_is_refused_with_the_time_scale_that_would_do():
    bench = Bench().home()
    with pytest.raises(InputError, match='set a time scale of 1.4 or more'):
        bench.session.consider(shown(1.5, 2.0))
    slow = Bench(time_scale=2.0)
    slow.session.consider(shown(1.5, 2.0))
    assert not slow.session.refused


def test_commands_before_the_arm_is_ready_are_refused_with_the_way_there():
    bench = Bench()
    bench.run(0.5)
    with pytest.raises(ValueError, match='not connected: call ed_scorbot_driver/home'):
        bench.session.command([0.1, 0.0], bench.now)
    for bad in ([0.1], [0.1, 0.2, 0.3], [math.nan, 0.0]):
        with pytest.raises(ValueError, match='expected 2 finite numbers'):
            bench.session.command(bad, bench.now)


def test_only_joints_of_the_wire_can_be_driven():
    with pytest.raises(InputError, match="joint 'roll' is not driven by the ED-Scorbot"):
        Session(default_arm(('base', 'roll')), Settings(CONVENTIONS['2023']))


HOMED = Bench().home()
numbers = st.one_of(st.floats(-5, 5), st.sampled_from([math.nan, math.inf, 0.0, 0.0]))
acts = st.tuples(
    st.one_of(st.none(), st.lists(numbers, min_size=2, max_size=2)),
    st.floats(0.01, 0.6),
    st.sampled_from(['', '', '', 'drop', 'reset', 'stop', 'home', 'garbage', 'cancel', 'stranger',
                     'release', 'freeze']))


@settings(max_examples=80, deadline=None)
@given(st.lists(acts, min_size=3, max_size=25), st.sampled_from(['', 'nan', 'skips', 'late']))
@example([([1.0, 0.0], 0.5, ''), ([0.0, 1.0], 0.3125, 'freeze'), (None, 0.5, '')], '')
@example([(None, 0.5, ''), ([0.0, 1.0], 0.1875, ''), ([0.0, -1.0], 0.5, '')], 'late')
def test_whatever_happens_references_stay_inside_and_never_jump(sequence, how):
    bench = deepcopy(HOMED)
    bench.controller.misbehaviour = frozenset([how] if how else [])
    per_reference = 1 / np.abs(bench.controller.convention.reference_per_degree)
    limits = bench.session.limits
    for command, seconds, act in sequence:
        try:
            if act in ('reset', 'home', 'release'):
                getattr(bench.session, act)(bench.now)
        except InputError as error:
            assert '\n' not in str(error)
        if act == 'stop':
            bench.session.stop('the test')
        if act == 'garbage':
            for topic in (*bench.session.topics, 'other'):
                for payload in (b'\x00', b'{}', b'[]', b'{"signal":6}', b'{"content":1}'):
                    bench.session.heard(topic, payload, bench.now)
        if act in ('cancel', 'stranger'):
            what = Signal.CANCEL_TRAJECTORY if act == 'cancel' else Signal.DISCONNECT
            bench.post('EDScorbot/commands', request(
                what, 'smallbot' if act == 'cancel' else 'browser'))
        if act == 'drop':
            bench.up = False
            bench.session.offline('lost')
        bench.frozen = act == 'freeze'
        for _ in range(max(1, round(100 * seconds))):
            before = bench.controller.servo.reference.copy()
            homing = bench.controller.homing
            bench.tick(command)
            assert (bench.commanded() <= limits.upper + np.radians(per_reference)).all()
            assert (bench.commanded() >= limits.lower - np.radians(per_reference)).all()
            if not homing and not bench.controller.homing:
                jump = np.abs(bench.controller.servo.reference - before) * per_reference
                # half as much again as the way of a set-point at full speed
                assert (jump <= np.degrees(limits.velocity) * 0.105 + per_reference).all()
        bench.frozen = False
        if act == 'drop':
            bench.up = True
            bench.session.online()
    assert len(JOINTS) == 4
