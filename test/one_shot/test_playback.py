# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import math

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from smallbot.arm.kinematics import default_arm
from smallbot.arm.rolling_trajectory import LEAD, RollingTrajectory, SETTLE
from smallbot.ed_scorbot.convention import CENTRE, CONVENTIONS
from smallbot.ed_scorbot.measured_servo import MeasuredServo
from smallbot.one_shot.playback import Phase, Playback

LIMITS = default_arm().limits
STEPS = 100


def wander(seed, size=0.05):
    return np.cumsum(np.random.default_rng(seed).normal(0, size, (STEPS, 2)), axis=0)


def play(playback, velocities, pose, duration, position, jitter=0.0, seconds=60.0,
         each=lambda now: None):
    """Drive an ideal arm; returns commands, times and positions."""
    rng = np.random.default_rng(0)
    source = iter(velocities)
    playback.start(np.array(pose), duration, lambda: next(source))
    commands, times, positions = [], [], []
    now = 0.0
    while now < seconds:
        each(now)
        command = playback.command(now, position)
        if command is None:
            break
        elapsed = 0.01 * (1 + jitter * rng.uniform(-1, 1))
        position = position + elapsed * command
        now += elapsed
        commands.append(command)
        times.append(now)
        positions.append(position)
    return np.array(commands), np.array(times), np.array(positions)


@pytest.mark.parametrize('duration', [0.8, 1.0, 3.7])
@pytest.mark.parametrize('jitter', [0.0, 0.5])
def test_the_arm_goes_the_trainees_way_at_any_duration_and_tick(duration, jitter):
    playback = Playback(LIMITS, STEPS, 0.01, 0.01)
    velocities = wander(1)
    start = np.array([0.1, -0.1])
    commands, _, positions = play(playback, velocities, start, duration, np.zeros(2), jitter)
    assert playback.phase is Phase.DONE
    assert positions[-1] == pytest.approx(start + velocities.sum(0) * 0.01, abs=5e-3)
    assert commands[-1].tolist() == [0.0, 0.0]


def test_easing_is_slow_and_comes_first():
    playback = Playback(LIMITS, STEPS, 0.01, 0.01)
    seen = []
    play(playback, wander(2), [0.5, 0.3], 1.0, np.zeros(2),
         each=lambda now: seen.append((playback.phase, np.abs(playback._sent).max())))
    easing = [speed for phase, speed in seen if phase is Phase.EASING]
    assert max(easing) <= 0.2 + 1e-9
    assert len(easing) > 0.5 / 0.2 / 0.01


def test_halting_brakes_within_the_limit_and_latches_until_reset():
    playback = Playback(LIMITS, STEPS, 0.01, 0.01)
    velocities = np.full((STEPS, 2), 0.8)

    def interrupt(now):
        if playback.phase is Phase.PLAYING and now > 0.5:
            playback.halt('hand on the button')
    commands, _, _ = play(playback, velocities, [0, 0], 1.0, np.zeros(2), each=interrupt)
    assert playback.phase is Phase.HALTED and playback.reason == 'hand on the button'
    assert np.abs(commands).max() > 0.5 and commands[-1].tolist() == [0.0, 0.0]
    assert np.abs(np.diff(commands, axis=0)).max() <= LIMITS.acceleration.max() * 0.01 + 1e-9
    with pytest.raises(ValueError, match='halted'):
        playback.start(np.zeros(2), 1.0, lambda: np.zeros(2))
    playback.reset()
    assert playback.phase is Phase.IDLE
    assert playback.command(100.0, np.zeros(2)) is None


def test_reset_is_refused_while_the_arm_still_brakes():
    playback = Playback(LIMITS, STEPS, 0.01, 0.01)
    source = iter(np.full((STEPS, 2), 1.0))
    playback.start(np.zeros(2), 1.0, lambda: next(source))
    position = np.zeros(2)
    for tick in range(30):
        position = position + 0.01 * playback.command(0.01 * tick, position)
    playback.halt('test')
    with pytest.raises(ValueError, match='braking'):
        playback.reset()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2 ** 20), st.floats(0.01, 2.0), st.floats(0.3, 3.0),
       st.lists(st.floats(0.0, 0.3), min_size=1, max_size=20))
def test_whatever_the_network_and_the_clock_do_commands_stay_within_limits(
        seed, size, duration, gaps):
    playback = Playback(LIMITS, STEPS, 0.01, 0.01)
    source = iter(wander(seed, size))
    playback.start(np.zeros(2), duration, lambda: next(source))
    position, now, last = np.zeros(2), 0.0, np.zeros(2)
    for tick in range(500):
        command = playback.command(now, position)
        if command is None:
            break
        assert np.isfinite(command).all()
        assert (np.abs(command) <= LIMITS.velocity + 1e-9).all()
        assert (np.abs(command - last) <= LIMITS.acceleration * 0.05 + 1e-9).all()
        last = command
        gap = min(0.05, 0.01 + gaps[tick % len(gaps)])
        position = position + gap * command
        now += gap
        assert (position <= LIMITS.upper + 1e-6).all()
        assert (position >= LIMITS.lower - 1e-6).all()


def test_a_network_that_fails_to_give_numbers_stops_the_arm():
    playback = Playback(LIMITS, STEPS, 0.01, 0.01)
    playback.start(np.zeros(2), 1.0, lambda: np.full(2, math.nan))
    position = np.zeros(2)
    for tick in range(20):
        command = playback.command(0.01 * tick, position)
        assert np.isfinite(command).all() and np.abs(command).max() == 0


@pytest.mark.parametrize('pose', [[0.5, -0.3], [-1.0, 0.4], [0.02, 0.0]])
def test_an_arm_that_lags_and_has_whole_references_is_brought_to_the_start_without_swinging(pose):
    """The real ED-Scorbot as it was measured, seen 14 times a second."""
    convention, servo = CONVENTIONS['2023'], MeasuredServo()
    servo.place(CENTRE + convention.degrees(np.zeros(4)) / convention.degree_per_count)
    playback = Playback(LIMITS, STEPS, 0.01, 0.01)
    playback.start(np.array(pose), 1.0, lambda: np.zeros(2))
    sent, seen = np.zeros(4), np.zeros(2)
    furthest = 0.0
    for tick in range(2000):
        if playback.command(0.01 * tick, seen).any() or playback.phase is Phase.EASING:
            sent[:2] += 0.01 * playback._sent
        if playback.phase is Phase.PLAYING:
            break
        servo.step(0.01)
        if tick % 7 == 0:
            servo.reference = convention.reference(convention.nearest(convention.degrees(sent)))
            seen = convention.position(convention.measured(servo.counts))[:2]
        furthest = max(furthest, (np.sign(pose) * (seen - pose)).max())
    assert playback.phase is Phase.PLAYING
    assert np.abs(seen - pose).max() < 6e-3
    assert furthest < 0.07
    assert 0.01 * tick < np.abs(pose).max() / 0.2 + 6


@pytest.mark.parametrize('correction', [0.0, 1.0])
def test_an_arm_with_a_first_order_lag_goes_the_trainees_way(correction):
    """Each joint obeys lag dy/dt = told - y exactly; without its lag told it is 5 cm behind."""
    lag, start, duration = np.array([0.4, 0.48]), np.array([0.1, -0.1]), 4.0
    phase = np.pi * (np.arange(STEPS) + 0.5) / STEPS
    velocities = np.stack([np.sin(phase) ** 2, 0.7 * np.sin(2 * phase) * np.sin(phase)], axis=1)
    worst = {}
    for told_lag in ((), lag):
        playback = Playback(LIMITS, STEPS, 0.01, 0.01, correction, told_lag)
        source = iter(velocities)
        playback.start(start, duration, lambda source=source: next(source))
        told, position, now = start.copy(), start.copy(), 0.0
        last, times, positions = np.zeros(2), [], []
        while (command := playback.command(now, position)) is not None:
            assert (np.abs(command) <= LIMITS.velocity).all()
            assert (np.abs(command - last) <= LIMITS.acceleration * 0.01 + 1e-9).all()
            if playback.phase is Phase.PLAYING and not times:
                # from rest to rest: nothing to make up for at once
                assert np.abs(command).max() < 0.05
            if playback.phase is Phase.PLAYING:
                times.append(now - playback.began)
                positions.append(position)
            # exactly what the lag makes of a reference that moves evenly through a tick
            ahead = told - position - lag * command
            position = position + command * 0.01 - ahead * np.expm1(-0.01 / lag)
            told, last, now = told + command * 0.01, command, now + 0.01
        grid = duration / STEPS * np.arange(1, STEPS + 1)
        wanted = start + 0.01 * velocities.cumsum(0)
        reached = np.stack([np.interp(grid, times, c) for c in np.array(positions).T], axis=1)
        worst[len(told_lag)] = np.abs(reached - wanted).max()
    assert worst[2] < 4e-3
    assert worst[0] > 10 * worst[2]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2 ** 20), st.floats(0.01, 2.0), st.floats(0.3, 3.0))
def test_commands_to_an_arm_with_a_lag_stay_within_limits(seed, size, duration):
    playback = Playback(LIMITS, STEPS, 0.01, 0.01, 0.0, (0.4, 0.48))
    velocities = wander(seed, size)
    commands, _, positions = play(playback, velocities, [0.1, -0.1], duration, np.zeros(2))
    assert (np.abs(commands) <= LIMITS.velocity + 1e-9).all()
    assert (np.abs(np.diff(commands, axis=0)) <= LIMITS.acceleration * 0.02 + 1e-9).all()
    assert (positions <= LIMITS.upper + 1e-6).all() and (positions >= LIMITS.lower - 1e-6).all()


def test_correction_brings_a_pushed_arm_back_on_its_way():
    """Pushed by 0.1 rad in the middle, blindly it ends 0.1 rad off."""
    ends = {}
    for correction in (0.0, 2.0):
        playback = Playback(LIMITS, STEPS, 0.01, 0.01, correction)
        velocities = wander(5, 0.02)
        source = iter(velocities)
        playback.start(np.zeros(2), 4.0, lambda source=source: next(source))
        position, now, pushed = np.zeros(2), 0.0, False
        while (command := playback.command(now, position)) is not None:
            assert (np.abs(command) <= LIMITS.velocity).all()
            position, now = position + 0.01 * command, now + 0.01
            if playback.fraction(now) > 0.3 and not pushed:
                position, pushed = position + np.array([0.1, 0.0]), True
        ends[correction] = position - velocities.sum(0) * 0.01
    assert ends[0.0][0] == pytest.approx(0.1, abs=5e-3)
    assert np.abs(ends[2.0]).max() < 0.01


@pytest.mark.parametrize('gap', [0.12, 0.45])
def test_after_a_late_tick_the_movement_goes_on_from_where_the_arm_is(gap):
    """Nothing is made up for in haste: the arm is told what it is told on time, only later."""
    velocities = np.sin(np.linspace(0, np.pi, STEPS))[:, None] ** 2 * np.array([1.0, -0.5])
    sent = {}
    for late in (0.0, gap):
        playback = Playback(LIMITS, STEPS, 0.01, 0.01)
        source = iter(velocities)
        playback.start(np.zeros(2), 1.0, lambda source=source: next(source))
        position, now, sent[late] = np.zeros(2), 0.0, []
        while (command := playback.command(now, position)) is not None:
            sent[late].append((playback.fraction(now), command[0]))
            passed = late if late and len(sent[late]) == 25 else 0.01
            position, now = position + passed * command, now + passed
        assert playback.phase is Phase.DONE
        assert position == pytest.approx(0.01 * velocities.sum(0), abs=5e-3)
        assert (playback.late > 0.01) == (late > 0)
    on_time = np.array(sent[0.0])
    for fraction, speed in sent[gap]:
        if 0 < fraction < 0.9:
            assert speed == pytest.approx(np.interp(fraction, *on_time.T), abs=0.03)


def test_a_follower_of_trajectories_that_came_to_rest_meanwhile_misses_nothing():
    """It rests at the last point by itself, so where it was told to be counts."""
    velocities = np.sin(np.linspace(0, np.pi, STEPS))[:, None] ** 2 * np.array([1.0, -0.5])
    playback, reference = Playback(LIMITS, STEPS, 0.01, 0.01), RollingTrajectory(LIMITS, 0.01)
    source = iter(velocities)
    playback.start(np.zeros(2), 2.0, lambda: next(source))
    reference.begin(np.zeros(2), 0.0)
    now, ticks = SETTLE + LEAD, 0
    while playback.phase is not Phase.DONE:
        command = playback.command(now, reference.at(now), told=reference.at(now + LEAD))
        reference.advance(command, now)
        ticks += 1
        now += 0.3 if ticks == 80 else 0.01
    assert 0.1 < playback.late < 0.3
    assert reference.at(now + 1.0) == pytest.approx(0.01 * velocities.sum(0), abs=5e-3)


@pytest.mark.parametrize('gap', [0.6, 1.0, 60.0])
@pytest.mark.parametrize('phase', [Phase.EASING, Phase.PLAYING])
def test_a_tick_that_comes_much_too_late_halts_and_brakes_within_the_limit(gap, phase):
    playback = Playback(LIMITS, STEPS, 0.01, 0.01)
    playback.start(np.array([0.02, 0.0]), 1.0, lambda: np.array([2.0, -1.0]))
    position, now, last = np.zeros(2), 0.0, np.zeros(2)
    while playback.phase is not phase or np.abs(last).max() < 0.1:
        last = playback.command(now, position)
        position, now = position + 0.01 * last, now + 0.01
    now += gap
    while not playback.at_rest:
        command = playback.command(now, position, np.array([9.0, 9.0]))
        assert (np.abs(command - last) <= LIMITS.acceleration * 0.05 + 1e-9).all()
        assert playback.phase is Phase.HALTED and f'{gap:.2f} s late' in playback.reason
        position, now, last = position + 0.01 * command, now + 0.01, command


def test_the_first_command_goes_on_from_what_the_arm_does():
    """So begins a process whose predecessor was killed and has left an arm that moves."""
    moving = np.array([0.8, -0.01])
    for begin in (lambda playback: playback.halt('test'),
                  lambda playback: playback.start(np.ones(2), 1.0, lambda: np.zeros(2))):
        playback = Playback(LIMITS, STEPS, 0.01, 0.01)
        assert playback.command(0.0, np.zeros(2), moving) is None, 'it is not to be moved'
        begin(playback)
        assert not playback.at_rest or playback.moving
        command = playback.command(0.01, np.zeros(2), moving)
        assert command[0] == pytest.approx(0.8 - 0.01 * LIMITS.acceleration[0])
        assert abs(command[1]) <= 0.01 * LIMITS.acceleration[1]
