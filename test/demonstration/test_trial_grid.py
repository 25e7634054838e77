# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from smallbot.demonstration.samples import Demonstration, DemonstrationError, from_joint_states
from smallbot.demonstration.trial_grid import (
    playing_duration,
    repetitions,
    shortest_duration,
    trial_of,
    trial_positions,
)

from .conftest import ARM, PATH, TIME


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


def test_more_than_a_trial_holds_is_refused_with_the_part_that_would_do():
    time = np.linspace(0, 60, 6001)
    circles = 0.3 * np.stack([np.sin(5 * time), np.cos(5 * time)], axis=1)
    shown = from_joint_states(time, ARM.driven, circles, ARM, 'circles')
    with pytest.raises(DemonstrationError, match='of 100 .* one of its 48 repetitions, 1.25 s'):
        trial_of(shown, ARM, 100)
    assert len(trial_of(shown, ARM, 1000)) == 1001, 'the rehearsal will say'
    once = 0.3 * np.stack([np.sin(time ** 1.5), np.sin(7 * time + 1e-2 * time ** 2)], axis=1)
    shown = from_joint_states(time, ARM.driven, once, ARM, 'once')
    with pytest.raises(DemonstrationError, match=r'show at most [\d.]+ s of it'):
        trial_of(shown, ARM, 100)


def test_repetitions_are_counted():
    def count(path):
        return repetitions(TIME, path)
    assert [count(0.3 * np.stack([np.sin(n * TIME * 2 * np.pi / 3), 0 * TIME + 1], axis=1))
            for n in (2, 5, 12)] == [2, 5, 12]
    assert count(PATH) == 1 and count(0 * PATH) == 1


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
