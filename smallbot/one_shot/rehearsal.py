# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The movement as it is to be expected, before the arm moves: a trial, and the arm in thought.

The trainee plays its trial on its synapses, and the controller's playback drives an ideal arm
with it, from the start pose and within the limits. Not here: an arm with dynamics of its own, and
the noise of the trial to come.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.spatial.distance import pdist
import torch

from smallbot.arm.kinematics import Arm
from smallbot.arm.safety import limit_velocity
from smallbot.demonstration.trial_grid import less_of
from smallbot.one_shot.figures import path_rmse_cm
from smallbot.one_shot.playback import CATCH_UP, Playback
from smallbot.one_shot.trainee import Trainee

FIRST_WINDOW = 4
"""Ticks that are worked out at once after one that a limit has changed; then twice as many."""
FAST = 95
"""Percentile of the speeds over a trial that is compared."""
TOO_MUCH = 1.3
"""Times the speed that the network reaches from which a movement asks for more than it has."""
LIMITS_MATTER = 1.1
"""Times the network's own error from which the arm's limits are named as a cause."""


class Bounds(NamedTuple):
    """What error is too large to be played; the larger of the two counts."""

    above_cm: float = 5.0
    share: float = 0.1
    """Of the movement's extent. Up to an eighth, 93 of 93 reproductions of the 59 pen drawings
    were nearest to the drawing that was shown, from 15 to 20 % only 69 % of 39: within a
    tenth, a movement is not taken for another. Measured with the weights 0833c184faac."""


DEFAULT_BOUNDS = Bounds()


class Expectation(NamedTuple):
    """What a movement is expected to come to, cm; `tip_rmse_cm` as in `one_shot.figures`."""

    tip_rmse_cm: float
    """Of the arm."""
    network_rmse_cm: float
    """Of the network's velocities, were there no limits and no ticks."""
    still_rmse_cm: float
    """Of an arm that stands still at the start."""
    extent_cm: float
    """Largest distance between two points of the demonstrated path of the tool tip."""
    asked_speed: float = 0.0
    """What the joint asks for that falls shortest, rad/s of nominal time."""
    reached_speed: float = 0.0
    """What the network reaches of it."""
    less: str = ''
    """How much less of the movement this network could play, in words."""

    def refusal(self, bounds: Bounds = DEFAULT_BOUNDS) -> str:
        """Return in one line why an arm that has learned it does not play it; empty: it does."""
        poor = self.poor(bounds)
        return poor and f'{poor}, or forget and learn again; allow_poor plays it nonetheless'

    def poor(self, bounds: Bounds = DEFAULT_BOUNDS) -> str:
        """Return why this movement is too poor to be played, and the cure; empty: it is not."""
        error, share = self.tip_rmse_cm, bounds.share * self.extent_cm
        bound = max(bounds.above_cm, share)
        if error <= bound and error < self.still_rmse_cm:
            return ''
        if error <= bound:
            wrong = f'no better than the {self.still_rmse_cm:.1f} cm of standing still'
        elif share > bounds.above_cm:
            wrong = (f'above the bound of {bound:.1f} cm, {100 * bounds.share:g} % of the '
                     f"movement's extent")
        else:
            wrong = f'above the bound of {bound:.1f} cm'
        time = ("give it more time (duration or time_scale, the arm's limits cost "
                f'{error - self.network_rmse_cm:.1f} cm of it), '
                if error > LIMITS_MATTER * self.network_rmse_cm else '')
        cure = 'show another demonstration'
        if self.asked_speed > TOO_MUCH * self.reached_speed > 0:
            time = ''
            cure = (f'it is more movement than one trial holds and asks for '
                    f'{self.asked_speed:.1f} rad/s of the trial where the network reaches '
                    f'{self.reached_speed:.1f}, show {self.less}')
        return f'the tool tip is expected to be {error:.1f} cm off, {wrong}: {time}{cure}'


def rehearse(trainee: Trainee, positions: np.ndarray, arm: Arm, duration: float,
             playback: Playback) -> Expectation:
    """Play a trial without a motion, and return what to expect of it.

    Parameters: `trainee`, whose synapses are read as in any trial, and which is rewound before
    and after; `positions` [T + 1, J], rad, the demonstration on the trial's grid; `duration`, s,
    of the playback; `playback`, of which nothing but the settings is used.
    """
    trainee.rewind()
    velocity = np.array([trainee.step()[0] for _ in range(trainee.model.steps)], dtype=float)
    trainee.rewind()
    start = np.clip(positions[0], arm.limits.lower, arm.limits.upper)
    reached = foreseen(playback, start, velocity, duration)
    alone = start + trainee.model.step_seconds * velocity.cumsum(0)
    still = np.broadcast_to(start, reached.shape)
    tips = arm.tip(torch.as_tensor(np.stack([reached, alone, still])))
    shown = arm.tip(torch.as_tensor(np.asarray(positions, dtype=float)))
    errors = path_rmse_cm(tips, shown[1:]).tolist()
    asked, came = (np.percentile(np.abs(some), FAST, axis=0) for some in (
        np.diff(positions, axis=0) / trainee.model.step_seconds, velocity))
    joint = int((asked - came).argmax())
    share = min(1.0, came[joint] / max(asked[joint], 1e-9))
    return Expectation(*errors, 100 * float(pdist(shown.numpy()).max()), float(asked[joint]),
                       float(came[joint]),
                       less_of(np.linspace(0, duration, len(positions)), positions, share))


def foreseen(playback: Playback, start: np.ndarray, velocity: np.ndarray, duration: float
             ) -> np.ndarray:
    """Return where `playback` brings an ideal arm [T, J], rad, at the end of each step.

    Parameters: `start` [J], rad, where the arm is; `velocity` [T, J], rad/s of nominal time, of
    the trainee; `duration`, s. An ideal arm does what it is told at once, or after the lag that
    the playback makes up for. The same as ticking the playback, but for rounding.

    While no limit is reached a tick is linear and costs next to nothing, and limits are looked at
    for many ticks at once. The first tick at which they would change a command is taken as they
    leave it; from there it goes on.
    """
    period, limits, lag = playback.period, playback.limits, playback.lag
    apart = playback.slope_over(duration)
    ticks = math.ceil((duration + apart) / period - 1e-9)
    times = period * np.arange(ticks + 1) - apart
    path = _Path(velocity * (playback.trial_seconds / duration), duration)
    wanted_path = told_path = start + path(times)
    if apart:
        told_path = told_path + lag * (path(times + apart) - path(times - apart)) / (2 * apart)
    slope = np.diff(told_path, axis=0) / period
    follows = -np.expm1(-period / np.maximum(lag, 1e-9))
    told, reached = np.full((2, ticks + 1, len(start)), start)
    sent, corrected = np.zeros((2, ticks + 1, len(start)))
    window, tick = ticks, 0
    while tick < ticks:
        end = min(tick + window, ticks)
        for k in range(tick, end):
            corrected[k + 1] = corrected[k]
            if playback.correction:
                corrected[k + 1] += playback.correction * period * (wanted_path[k] - reached[k])
            sent[k + 1] = slope[k] + (told_path[k] + corrected[k + 1] - told[k]) / CATCH_UP
            told[k + 1] = told[k] + period * sent[k + 1]
            reached[k + 1] = reached[k] + follows * (told[k + 1] - reached[k])
        allowed = limit_velocity(sent[tick + 1:end + 1], sent[tick:end], reached[tick:end],
                                 period, limits)
        limited = (np.abs(allowed - sent[tick + 1:end + 1]) > 1e-12).any(1)
        if not limited.any():
            tick, window = end, 2 * window
            continue
        first = int(limited.argmax())
        tick, window = tick + first + 1, FIRST_WINDOW
        sent[tick] = allowed[first]
        told[tick] = told[tick - 1] + period * sent[tick]
        reached[tick] = reached[tick - 1] + follows * (told[tick] - reached[tick - 1])
    at = duration / len(velocity) * np.arange(1, len(velocity) + 1)
    return np.stack([np.interp(at, times, column) for column in reached.T], axis=1)


class _Path:
    """The displacements of `Playback` at many times at once."""

    def __init__(self, velocity: np.ndarray, duration: float):
        steps = len(velocity)
        middles = (np.arange(steps) + 0.5) * (duration / steps)
        slopes = np.vstack([velocity[:1], velocity, velocity[-1:]])
        self._integral = make_interp_spline(
            np.concatenate([[0.0], middles, [duration]]), slopes, k=1).antiderivative()
        self._duration = duration

    def __call__(self, at: np.ndarray) -> np.ndarray:
        """Return [A, J], rad, at `at` [A], s."""
        return self._integral(np.clip(at, 0.0, self._duration))
