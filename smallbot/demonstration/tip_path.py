# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""From the path of the tool tip to the joint positions that take it there."""

import math

import numpy as np
from scipy.spatial import cKDTree
import torch

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.samples import (
    check_finite,
    check_time,
    DemonstrationError,
)

REACH = 0.005
"""Distance by which the driven joints may miss a demonstrated tool tip, m."""
SPACE = np.eye(3)
"""All directions, [3, 3]."""


def joints_of_tip(time: np.ndarray, tip: np.ndarray, arm: Arm, source: str) -> np.ndarray:
    """Return joint positions [S, J], rad, for a tool-tip path [S, 3], m, by inverse kinematics.

    Damped Gauss-Newton within the joint limits, for 32 samples at a time from the pose before
    them, so that the joints move continuously; a sample that is missed from there is tried again
    from the nearest of 4096 poses all over the workspace. Raises DemonstrationError where the
    driven joints miss the path by more than 5 mm.
    """
    check_time(time, source)
    check_finite(time, ('x', 'y', 'z'), tip, source)
    lower, upper = bounds(arm)
    starts = np.random.default_rng(0).uniform(lower, upper, size=(4096, len(lower)))
    starts[0] = arm.home
    solved, miss = along(arm, tip, starts)
    if miss.max() > REACH:
        row = int((miss > REACH).argmax())
        x, y, z = tip[row]
        raise DemonstrationError(
            f'{source}: tool tip ({x:.3f}, {y:.3f}, {z:.3f}) m at {time[row]:g} s is out of reach '
            f'by {1000 * miss[row]:.0f} mm for {", ".join(arm.driven)}; expected at most '
            f'{1000 * REACH:.0f} mm')
    return solved


def bounds(arm: Arm) -> tuple[np.ndarray, np.ndarray]:
    """Return between which poses [J], rad, is looked: the limits, at most a turn about home."""
    return (np.maximum(arm.limits.lower, arm.home - math.pi),
            np.minimum(arm.limits.upper, arm.home + math.pi))


def along(arm: Arm, targets: np.ndarray, starts: np.ndarray, seen: np.ndarray = SPACE
          ) -> tuple[np.ndarray, np.ndarray]:
    """Return poses [S, J] that follow `targets` [S, K], m, continuously, and the miss [S], m.

    `starts` [P, J] are poses from which it may begin, and from the nearest of which a target is
    tried again that was missed; `seen` [K, 3] are the directions that count.
    """
    around = cKDTree(_tips(arm, starts) @ seen.T)
    pose = starts[around.query(targets[0])[1]]
    solved, miss = np.empty((len(targets), starts.shape[1])), np.empty(len(targets))
    for row in range(0, len(targets), 32):
        part = slice(row, min(row + 32, len(targets)))
        solved[part], miss[part] = nearest_poses(arm, pose, targets[part], seen)
        lost = row + np.flatnonzero(miss[part] > REACH)
        if len(lost):
            again, left = nearest_poses(arm, starts[around.query(targets[lost])[1]],
                                        targets[lost], seen)
            better = left < miss[lost]
            solved[lost[better]], miss[lost[better]] = again[better], left[better]
        pose = solved[part.stop - 1]
    return solved, miss


def nearest_poses(arm: Arm, start: np.ndarray, targets: np.ndarray, seen: np.ndarray = SPACE,
                  rounds: int = 40, nudge: float = 1e-6) -> tuple[np.ndarray, np.ndarray]:
    """Return poses [S, J] within limits whose tips are nearest to `targets` [S, K], and the miss.

    The search begins at `start`, [J] for all or [S, J]; `seen` [K, 3] are the directions that
    count; the miss [S] is in m.
    """
    lower, upper = bounds(arm)
    joints = len(lower)
    probes = np.vstack([np.zeros(joints), nudge * np.eye(joints)])
    damping = 1e-9 * np.eye(joints)
    poses = np.broadcast_to(start, (len(targets), joints))
    for _ in range(rounds):
        tips = _tips(arm, poses[:, None] + probes) @ seen.T
        miss = targets - tips[:, 0]
        transposed = (tips[:, 1:] - tips[:, :1]) / nudge
        normal = transposed @ transposed.swapaxes(1, 2) + damping
        step = np.linalg.solve(normal, transposed @ miss[..., None])[..., 0]
        moved = np.clip(poses + np.clip(step, -0.3, 0.3), lower, upper)
        settled = np.abs(moved - poses).max() < 1e-9
        poses = moved
        if settled:
            break
    return poses, np.linalg.norm(_tips(arm, poses) @ seen.T - targets, axis=1)


def _tips(arm: Arm, positions: np.ndarray) -> np.ndarray:
    return arm.tip(torch.as_tensor(positions, dtype=torch.float64)).numpy()
