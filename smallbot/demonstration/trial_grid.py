# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A demonstration on the grid of a trial, and the time that the arm needs to play it."""

import math

import numpy as np
from scipy.interpolate import PchipInterpolator
import torch

from smallbot.arm.joint_limits import JointLimits
from smallbot.arm.kinematics import Arm
from smallbot.demonstration.samples import Demonstration, DemonstrationError, LONGEST

LOST = 0.1
"""Share of a movement's extent that a trial's resampling may miss; a rehearsal's bound."""


def trial_positions(demonstration: Demonstration, steps: int) -> np.ndarray:
    """Return the movement on the grid of a trial: joint positions [steps + 1, J], rad.

    Time is normalised to the trial. Between samples the path is a monotone cubic (PCHIP), which
    neither overshoots nor jerks where samples are sparse; each grid point is the mean of that
    curve over one step, which removes noise where samples are dense. First and last are exact.
    """
    curve = PchipInterpolator(demonstration.time, demonstration.position, axis=0)
    integral = curve.antiderivative()
    grid = np.linspace(0, demonstration.duration, steps + 1)
    half = np.full(steps + 1, grid[1] / 2)
    half[[0, -1]] = 0
    with np.errstate(invalid='ignore', divide='ignore'):
        mean = (integral(grid + half) - integral(grid - half)) / (2 * half[:, None])
    mean[0], mean[-1] = demonstration.position[0], demonstration.position[-1]
    return mean


def trial_of(demonstration: Demonstration, arm: Arm, steps: int) -> np.ndarray:
    """Return the trial positions [steps + 1, J], rad; refuse what no trial of `steps` can show.

    Whether a network learns them is for a rehearsal to say. Here a movement is refused whose
    trial misses the demonstrated tool tip by more than a tenth of its extent (root mean square):
    played without any error, it would be another movement. Raises DemonstrationError with the
    longest part that would do.
    """
    positions = trial_positions(demonstration, steps)
    arm = demonstration.posed(arm)
    lost = resampling_loss(demonstration, arm, positions)
    if lost <= LOST:
        return positions
    parts = 2
    while parts < 1024 and resampling_loss(
            demonstration, arm, trial_positions(demonstration, parts * steps)) > LOST:
        parts *= 2
    less = less_of(demonstration.time, demonstration.position, 1 / parts, one=True)
    raise DemonstrationError(
        f'{demonstration.source}: more movement than one trial of {steps} steps holds, '
        f'{100 * lost:.0f} % of its extent is lost: show {less}; --part FROM:TO reads '
        f'a part')


def less_of(time: np.ndarray, position: np.ndarray, share: float, one: bool = False) -> str:
    """Return in words how much less to show, at most `share` of it: a part, or repetitions.

    Parameters: `time` [S], s from 0; `position` [S, J], rad; `one`, whether a movement that
    repeats itself is to be shown once.
    """
    duration = float(time[-1])
    times = repetitions(time, position)
    fitting = math.floor(share * times)
    part = f'at most {share * duration:.3g} s of it'
    if times == 1:
        return part
    if one or fitting <= 1:
        return f'one of its {times} repetitions, {duration / times:.3g} s'
    return f'at most {fitting} of its {times} repetitions, {share * duration:.3g} s of it'


def repetitions(time: np.ndarray, position: np.ndarray) -> int:
    """Return how many times a movement repeats itself; 1 where it does not.

    Parameters: `time` [S], s from 0; `position` [S, J], rad. The shortest shift after which
    what is left of the movement lies within a twentieth of its travel of itself.
    """
    grid = np.linspace(0, time[-1], min(4 * len(time), 8192))
    path = np.stack([np.interp(grid, time, column) for column in position.T], axis=1)
    path -= path.mean(0)
    spread = float((path ** 2).sum())
    if not spread:
        return 1
    size = 2 * len(path)
    along = np.fft.irfft((np.abs(np.fft.rfft(path, size, axis=0)) ** 2).sum(1), size)[:len(path)]
    energy = np.concatenate([[0], np.cumsum((path ** 2).sum(1))])
    shifts = np.arange(len(path) // 2 + 1)
    apart = (energy[len(path) - shifts] + spread - energy[shifts] - 2 * along[shifts]) / (
        len(path) - shifts)
    mean = spread / len(path)
    left = np.flatnonzero(apart > 0.5 * mean)
    if not len(left):
        return 1
    again = np.flatnonzero(apart[left[0]:] < 0.05 * mean)
    if not len(again):
        return 1
    first = left[0] + int(again[0])
    window = apart[first:first + max(2, first // 4)]
    return int(round((len(path) - 1) / (first + int(window.argmin()))))


def resampling_loss(demonstration: Demonstration, arm: Arm, positions: np.ndarray) -> float:
    """Return by how much trial positions miss the demonstrated tool tip, as share of its extent.

    Root mean square over the samples, over the largest side of the box around the path.
    """
    grid = np.linspace(0, demonstration.duration, len(positions))
    replayed = np.stack([np.interp(demonstration.time, grid, positions[:, joint])
                         for joint in range(positions.shape[1])], axis=1)
    played, shown = (arm.tip(torch.as_tensor(path, dtype=torch.float64)).numpy()
                     for path in (replayed, demonstration.position))
    extent = np.ptp(shown, axis=0).max()
    miss = np.sqrt(((played - shown) ** 2).sum(1).mean())
    return float(miss / extent) if extent else 0.0


def shortest_duration(positions: np.ndarray, limits: JointLimits) -> float:
    """Return the shortest duration, s, of trial positions [T + 1, J] within `limits`.

    Velocities must stay below the velocity limit and accelerations below the acceleration limit,
    both as means over a fiftieth of the trial: a jitter of the time stamps by a millisecond would
    otherwise pass for an acceleration that nobody showed. Both ends, and what happens in between
    the means, are left to the controller's own limits.
    """
    steps = len(positions) - 1
    stride = max(1, steps // 50)
    moves = positions[stride:] - positions[:-stride]
    rate = steps / stride
    velocity = np.abs(moves).max(0) * rate
    change = np.abs(moves[stride:] - moves[:-stride]).max(0, initial=0.0) * rate ** 2
    return float(max((velocity / limits.velocity).max(),
                     math.sqrt((change / limits.acceleration).max())))


def playing_duration(demonstration: Demonstration, positions: np.ndarray, limits: JointLimits,
                     requested: float | None = None) -> tuple[float, bool]:
    """Return how long the movement is played, s, and whether that is longer than shown.

    Without `requested` it is the demonstration's own duration, stretched where `limits` want it.
    Raises DemonstrationError for a `requested` duration that is too short for the arm.
    """
    least = shortest_duration(positions, limits)
    if requested is None:
        return max(demonstration.duration, least), least > demonstration.duration
    if not math.isfinite(requested) or requested <= 0 or requested > LONGEST:
        raise DemonstrationError(f'duration {requested}: expected above 0 s and at most '
                                 f'{LONGEST:.0f} s')
    if requested < least:
        raise DemonstrationError(
            f'duration {requested:g} s is too short for {demonstration.source}: the arm needs '
            f'{math.ceil(100 * least) / 100:.2f} s')
    return requested, False
