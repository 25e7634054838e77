"""A demonstration on the grid of a trial, and the time that the arm needs to play it."""

import math

import numpy as np
from scipy.interpolate import PchipInterpolator
import torch

from smallbot.arm.joint_limits import JointLimits
from smallbot.arm.kinematics import Arm
from smallbot.demonstration.samples import Demonstration, DemonstrationError, LONGEST

DETAIL = 0.01
"""Distance by which the trial's resampling may miss the demonstrated tool tip, m."""


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


def check_detail(demonstration: Demonstration, arm: Arm, steps: int) -> np.ndarray:
    """Return the trial positions; refuse a movement with more detail than `steps` can hold.

    Raises DemonstrationError where the resampled tool tip misses the demonstrated one by more
    than 1 cm, with the number of steps that would do.
    """
    positions = trial_positions(demonstration, steps)
    miss = _resampling_miss(demonstration, arm, positions)
    if miss.max() > DETAIL:
        enough = steps
        while enough < 64 * steps and _resampling_miss(
                demonstration, arm, trial_positions(demonstration, enough)).max() > DETAIL:
            enough *= 2
        raise DemonstrationError(
            f'{demonstration.source}: too much detail for a trial of {steps} steps: at '
            f'{demonstration.time[miss.argmax()]:.2f} s its resampling misses the tool tip by '
            f'{100 * miss.max():.1f} cm, expected at most {100 * DETAIL:.0f} cm; show a simpler '
            f'movement, or use a model of {enough} steps')
    return positions


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


def _resampling_miss(demonstration: Demonstration, arm: Arm, positions: np.ndarray) -> np.ndarray:
    grid = np.linspace(0, demonstration.duration, len(positions))
    replayed = np.stack([np.interp(demonstration.time, grid, positions[:, joint])
                         for joint in range(positions.shape[1])], axis=1)
    played, shown = (arm.tip(torch.as_tensor(path, dtype=torch.float64)).numpy()
                     for path in (replayed, demonstration.position))
    return np.linalg.norm(played - shown, axis=1)
