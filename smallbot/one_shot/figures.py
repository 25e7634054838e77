"""The figures of the product, each defined once: what tables, reports and pages mean by a name.

`tip_rmse_cm`: square root of the mean over time of the squared distance between the tool tip
reached and the tool tip demonstrated, cm. `velocity_rmse`: per joint, rad/s. A result is the
`spread` over tasks. Not here: how a movement comes to be learned and played.
"""

import math
from typing import Any

import numpy as np
from scipy.special import stdtrit
from torch import Tensor

from smallbot.arm.kinematics import Arm
from smallbot.one_shot.families import joint_path, Movements

TEST_SEED = 2000
"""Seed of the figures of record."""
VALIDATION_SEED = 1000
"""Seed by which models are chosen; training uses neither."""


def path_rmse_cm(reached: Tensor, demonstrated: Tensor) -> Tensor:
    """Return the figure `tip_rmse_cm` [...] of tool-tip paths [..., T, 3] in metres."""
    return 100 * (reached - demonstrated).square().sum(-1).mean(-1).sqrt()


def tip_rmse_cm(velocity: Tensor, movements: Movements, arm: Arm) -> Tensor:
    """Return the tool-tip error [B] of velocities [B, T, J] played from the movements' start."""
    reached = joint_path(movements.start, velocity, movements.step_seconds)
    return path_rmse_cm(movements.tip(arm, reached.double()),
                        movements.tip(arm, movements.positions().double()))


def velocity_rmse(played: np.ndarray, demonstrated: np.ndarray) -> np.ndarray:
    """Return the figure `velocity_rmse` [J], rad/s, of joint velocities [T, J]."""
    return np.sqrt(np.mean((played - demonstrated) ** 2, axis=0))


def spread(values: Any, of: Any = None) -> dict[str, Any]:
    """Return mean, s.d. (of the sample), median and the mean's 95 % confidence interval.

    `of`, where given, says what each value is of: what stands for the same thing several times
    counts once, with its mean. The interval is Student's; None for a single value.
    """
    values = np.asarray(values, dtype=float)
    if of is not None:
        _, place, times = np.unique(np.asarray(of), return_inverse=True, return_counts=True)
        values = np.bincount(place, weights=values) / times
    count, mean = len(values), float(values.mean())
    sd = float(values.std(ddof=min(1, count - 1)))
    interval = None
    if count > 1:
        half = float(stdtrit(count - 1, 0.975)) * sd / math.sqrt(count)
        interval = [mean - half, mean + half]
    return {'mean': mean, 'sd': sd, 'median': float(np.median(values)), 'ci95': interval}
