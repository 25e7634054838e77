# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""How far an arm reaches: where its tool tip is in poses all over the range of its joints."""

import math
from typing import NamedTuple

import numpy as np
import torch

from smallbot.arm.kinematics import Arm

POSES = 4096
"""Random poses that are looked at."""


class Workspace(NamedTuple):
    """Where the tool tip can be, m, in the root link."""

    tips: np.ndarray
    """[P, 3], of random poses."""
    farthest: float
    """From the first joint of the chain that moves, m."""

    @property
    def box(self) -> np.ndarray:
        """Return the least and the largest coordinates [2, 3]."""
        return np.stack([self.tips.min(0), self.tips.max(0)])


def workspace(arm: Arm, poses: int = POSES) -> Workspace:
    """Return what the driven joints of `arm` reach within their limits.

    A joint that turns without end is taken to plus and minus pi.
    """
    low, high = (torch.as_tensor(np.nan_to_num(limit, posinf=math.pi, neginf=-math.pi))
                 for limit in (arm.limits.lower, arm.limits.upper))
    chance = torch.rand(poses, len(arm.driven), dtype=torch.float64,
                        generator=torch.Generator().manual_seed(0))
    tips = arm.tip(low + chance * (high - low)).numpy()
    first = next(joint for joint in arm.chain if joint.moves)
    origin = (arm.frames(arm.home)[first.parent] @ first.origin)[:3, 3]
    return Workspace(tips, float(np.linalg.norm(tips - origin, axis=1).max()))
