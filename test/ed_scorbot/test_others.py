# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Others on the arm's topics: they move nothing, end nothing, and are told from ourselves."""

from copy import deepcopy
import random

from hypothesis import given, settings, strategies as st
import pytest

from smallbot.ed_scorbot.others import ECHOED, GONE, Others
from smallbot.ed_scorbot.session import Phase
from smallbot.ed_scorbot.wire import apply_trajectory, moved, reply, request, Signal
from smallbot.errors import InputError

from .bench import Bench
from .foreign import Attack

HOMED = Bench().home()
COMMANDS, MOVED = 'EDScorbot/commands', 'EDScorbot/moved'


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2 ** 32), st.floats(0.5, 3.0), st.sampled_from([0.02, 0.3, 3.0]),
       st.booleans())
def test_whatever_others_send_moves_nothing_ends_nothing_and_can_be_recovered_from(
        seed, seconds, rate, in_use):
    attack = Attack(deepcopy(HOMED) if in_use else Bench(), random.Random(seed))
    attack.run(seconds, rate, [0.6, -0.3] if in_use else None)
    attack.recover()
    assert not attack.faults


def test_our_own_messages_are_told_from_those_of_another_under_our_name():
    others = Others('smallbot')
    others.sent(b'one', 10.0)
    assert others.echo(b'one', 10.0) and others.echo(b'one', 10.0 + ECHOED)
    assert not others.echo(b'one', 11.0 + ECHOED) and not others.echo(b'two', 10.0)
    for number in range(1000):
        others.sent(b'%d' % number, 20.0 + number)
    assert others.echo(b'999', 1019.0) and not others.echo(b'900', 1019.0)
    others.moves('smallbot', 10.0)
    assert others.mover(10.0) == "another driver under our own name 'smallbot'"
    assert not others.mover(10.0 + GONE) and not others.mover(9.0)


@pytest.mark.parametrize('client', ['smallbot', 'browser'])
def test_another_who_commands_the_arm_stops_it_until_he_is_gone(client):
    bench = deepcopy(HOMED)
    bench.run(1.0, [0.3, 0.0])
    bench.post(COMMANDS, apply_trajectory(client, [([5, 5, 0, 0], 50)]))
    bench.run(0.1, [0.3, 0.0])
    assert client in bench.session.stopped and 'end it' in bench.session.stopped
    assert client in bench.session.mover(bench.now)
    sent = bench.controller.trajectories
    bench.run(1.0, [0.3, 0.0])
    with pytest.raises(InputError, match='commands the arm: end it first'):
        bench.session.reset(bench.now)
    bench.run(GONE, [0.3, 0.0])
    assert not bench.changes(GONE)
    bench.session.reset(bench.now)
    if client == 'smallbot':  # nobody knows where the arm was sent: it searches home anew
        assert bench.session.phase is Phase.FREE
        assert bench.controller.trajectories <= sent + 1
        bench.home()
    bench.run(0.2, [0.0, 0.0])
    bench.run(0.5, [0.3, 0.0])
    assert bench.changes(0.4) > 2


def test_a_second_driver_of_our_name_that_takes_over_is_noticed_by_the_first():
    bench = deepcopy(HOMED)
    bench.run(0.5, [0.3, 0.0])
    bench.post(COMMANDS, request(Signal.DISCONNECT, 'smallbot'))
    bench.run(0.2, [0.3, 0.0])
    assert "another driver under our own name 'smallbot' has disconnected" in bench.session.stopped
    assert bench.session.phase is Phase.FREE


def test_an_arm_that_moves_for_somebody_else_is_not_ours_to_move():
    bench = deepcopy(HOMED)
    bench.run(ECHOED, [0.0, 0.0])
    bench.post(MOVED, moved('browser', [1, 2, 3, 4]))
    bench.run(0.1, [0.3, 0.0])
    assert "client 'browser' moves the arm" in bench.session.stopped
    free = Bench()
    free.until(lambda: free.session.phase is Phase.FREE)
    free.post(MOVED, moved('browser', [1, 2, 3, 4]))
    free.run(0.1)
    with pytest.raises(InputError, match="client 'browser' commands the arm"):
        free.session.home(free.now)
    free.run(GONE)
    free.session.home(free.now)


def test_an_answer_that_was_not_asked_for_is_no_measurement():
    bench = deepcopy(HOMED)
    bench.run(4.0)
    before = bench.session.measurement
    said = bench.session.heard(MOVED, moved('smallbot', [20, 0, 0, 0]), bench.now)
    assert said == 'the arm answers what it was not asked from here'
    assert bench.session.measurement is before and bench.session.known


def test_a_late_farewell_of_our_own_name_leaves_a_way_back():
    bench = deepcopy(HOMED)
    bench.post(COMMANDS, reply(Signal.DISCONNECTED, 'smallbot'))
    bench.run(0.2)
    assert 'given back under our name' in bench.session.stopped
    bench.session.reset(bench.now)
    bench.home()


def test_a_metainfo_that_leaves_out_home_moves_nothing():
    from smallbot.ed_scorbot.wire import metainfo
    bench = Bench()
    bench.controller._metainfo = lambda: metainfo(
        'EDScorbot', [(30, 60), (-60, 110), (-145, 80), (-90, 90)])
    bench.run(3.0)
    assert 'leave no room around home' in bench.session.trouble
    with pytest.raises(InputError, match='no room'):
        bench.session.home(bench.now)


def test_a_broker_that_passes_nothing_on_is_told_from_an_arm_that_is_not_there():
    bench = Bench()
    bench.up = False
    bench.run(3.0)
    assert 'may this user read and write it' in bench.session.trouble
