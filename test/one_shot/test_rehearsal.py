# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest
import torch

from smallbot.arm.kinematics import default_arm
from smallbot.one_shot.model import load_model
from smallbot.one_shot.playback import Phase, Playback
from smallbot.one_shot.rehearsal import Bounds, Expectation, foreseen, rehearse
from smallbot.one_shot.trainee import prepare_synapses, Trainee

ARM = default_arm()
STEPS, STEP = 100, 0.01
LAGS = ((), (0.4, 0.48), (0.0, 0.3))


class Puppet:
    """Stands in for a trainee: gives the velocities that it was told."""

    def __init__(self, velocity):
        self.model = SimpleNamespace(steps=STEPS, step_seconds=STEP)
        self.velocity, self.rewound = velocity, 0
        self.left = iter(())

    def rewind(self):
        self.left = iter(self.velocity)
        self.rewound += 1

    def step(self):
        return next(self.left), np.zeros(0, dtype=int)


def playback(correction=0.0, lag=()):
    return Playback(ARM.limits, STEPS, STEP, 0.01, correction, lag)


def ticked(own, start, velocity, duration):
    """Return what a playback does with an ideal arm, ticked as the control loop does."""
    source = iter(velocity)
    own.start(start, duration, lambda: next(source))
    follows = -np.expm1(-own.period / np.maximum(own.lag, 1e-9))
    told = position = start
    times, positions = [], []
    for tick in range(100_000):
        command = own.command(own.period * tick, position)
        if own.phase is Phase.DONE and tick * own.period - own.began > duration:
            break
        times.append(own.period * tick - own.began)
        positions.append(position)
        told = told + own.period * command
        position = position + follows * (told - position)
    times.append(own.period * (len(times)) - own.began)
    positions.append(position)
    at = duration / STEPS * np.arange(1, STEPS + 1)
    return np.stack([np.interp(at, times, column) for column in np.array(positions).T], axis=1)


def bend(extent=0.5, start=(0.1, -0.2)):
    """Return a movement on the trial's grid [T + 1, 2] and its velocities [T, 2]."""
    shape = extent * (1 - np.cos(np.pi * np.linspace(0, 1, STEPS + 1))) / 2
    positions = np.array(start) + np.stack([shape, -0.6 * shape], axis=1)
    return positions, np.diff(positions, axis=0) / STEP


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2 ** 20), st.sampled_from([0.0, 0.02, 0.3, 1.5]), st.floats(0.3, 4.0),
       st.sampled_from([0.0, 1.0, 5.0]), st.sampled_from(LAGS))
def test_what_is_foreseen_is_what_the_playback_does_tick_by_tick(
        seed, size, duration, correction, lag):
    rng = np.random.default_rng(seed)
    velocity = np.cumsum(rng.normal(0, size, (STEPS, 2)), axis=0)
    start = rng.uniform(-0.5, 0.5, 2)
    one = playback(correction, lag)
    thought = foreseen(one, start, velocity, duration)
    assert one.phase is Phase.IDLE, 'nothing but its settings is used'
    np.testing.assert_allclose(thought, ticked(one, start, velocity, duration), atol=1e-9)


@pytest.mark.parametrize('duration', [1.0, 4.0])
def test_a_movement_that_is_played_perfectly_is_expected_to_be(duration):
    positions, velocity = bend()
    puppet = Puppet(velocity)
    found = rehearse(puppet, positions, ARM, duration, playback())
    assert found.tip_rmse_cm < 0.1 and found.network_rmse_cm < 1e-9
    assert found.still_rmse_cm > 10
    assert not found.refusal()
    assert puppet.rewound == 2


def test_the_extent_is_the_largest_distance_within_the_path():
    positions, velocity = bend()
    tips = ARM.tip(torch.as_tensor(positions)).numpy()
    found = rehearse(Puppet(velocity), positions, ARM, 1.0, playback())
    assert found.extent_cm == pytest.approx(
        100 * np.linalg.norm(tips[:, None] - tips, axis=-1).max())


def test_without_an_update_a_movement_is_poor():
    model = load_model()
    trainee = Trainee(model, prepare_synapses(model, 'software'))
    shape = 0.5 * (1 - np.cos(np.pi * np.linspace(0, 1, model.steps + 1)))
    positions = np.stack([shape, 0.5 * shape], axis=1)
    own = Playback(ARM.limits, model.steps, model.step_seconds, 0.01)
    trainee.step()
    found = rehearse(trainee, positions, ARM, 2.5, own)
    assert found.refusal()
    again = trainee.trial()
    assert np.array_equal(again.velocity.numpy(), trainee.trial().velocity.numpy())
    first = trainee.step()[0]
    assert np.array_equal(first, again.velocity[0].numpy()), 'it is left at the beginning'


def test_limits_that_clip_are_foreseen_and_more_time_is_named():
    positions, velocity = bend(2.6, (-1.3, 0.6))
    quick = rehearse(Puppet(velocity), positions, ARM, 0.4, playback())
    assert quick.network_rmse_cm < 1e-9 < 5 < quick.tip_rmse_cm
    assert 'give it more time' in quick.refusal()
    slow = rehearse(Puppet(velocity), positions, ARM, 2.0, playback())
    assert slow.tip_rmse_cm < 0.2 and not slow.refusal()
    beyond = rehearse(Puppet(3 * velocity), positions, ARM, 4.0, playback())
    assert beyond.tip_rmse_cm < beyond.network_rmse_cm, 'no arm goes beyond its limits'
    assert 'more time' not in beyond.refusal()


@pytest.mark.parametrize(('error', 'still', 'extent', 'said'), [
    (4.9, 30.0, 20.0, ''),
    (5.1, 30.0, 20.0, '5.1 cm off, above the bound of 5.0 cm:'),
    (7.9, 30.0, 80.0, ''),
    (8.1, 30.0, 80.0, "bound of 8.0 cm, 10 % of the movement's extent:"),
    (2.0, 1.8, 3.0, 'no better than the 1.8 cm of standing still'),
    (float('nan'), 30.0, 50.0, 'nan cm off'),
])
def test_a_refusal_says_error_bound_and_cure_in_one_line(error, still, extent, said):
    refusal = Expectation(error, error, still, extent).refusal(Bounds(5.0, 0.1))
    assert bool(refusal) == bool(said) and said in refusal and '\n' not in refusal
    for cure in ('another demonstration', 'forget and learn again', 'allow_poor'):
        assert not said or cure in refusal
