# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The figures of the product, each defined once: what tables, reports and pages mean by a name.

`tip_rmse_cm`: square root of the mean over time of the squared distance between the tool tip
reached and the tool tip demonstrated, cm. `velocity_rmse`: per joint, rad/s. A result is the
`experiment.figures.spread` over tasks. Not here: how a movement comes to be learned and played.
"""

import numpy as np
from torch import Tensor

from smallbot.arm.kinematics import Arm
from smallbot.one_shot.families import joint_path, Movements


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
