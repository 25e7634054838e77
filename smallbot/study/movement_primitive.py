# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Dynamic movement primitives: what one would fit to a demonstration without any network.

A primitive is a spring and damper for each joint, pulled from the start to the goal, and a forcing
term of a few basis functions that is fitted to the demonstration by least squares. It is no
network and not on the chip: its weights are floats, and it stores start, goal and initial velocity
beside them. It tells how good a reproduction of these movements gets with so many numbers.

Needs `movement_primitives` (DFKI, BSD licence), which is imported when it is used.
"""

import numpy as np
import torch
from torch import Tensor

from smallbot.errors import InputError
from smallbot.one_shot.families import Movements

MISSING = ('movement_primitives is not installed: '
           '`pip install movement_primitives pytransform3d` brings it')
WEIGHTS = (10, 25, 50)
"""Weights of a joint's forcing term that are compared: 10 is the library's default, 50 more than
enough for these movements."""


def movement_primitives(movements: Movements, weights: int) -> Tensor:
    """Fit a primitive to each movement and play it; returns velocities [B, T, J].

    Parameters: `weights`, basis functions a joint, at least 2. A velocity is the mean over its
    step, so that the positions reached are the primitive's.
    Raises InputError where the library is missing.
    Source: Ijspeert et al., Neural Computation 25:328 (2013); with a final velocity, since these
    movements need not end at rest.
    """
    try:
        from movement_primitives.dmp import DMP
    except ImportError as error:
        raise InputError(f'{MISSING} ({error})') from None
    dt = movements.step_seconds
    start = movements.start[:, None].double()
    paths = torch.cat([start, movements.positions().double()], dim=1).numpy()
    steps, joints = movements.velocity.shape[1:]
    time = dt * np.arange(steps + 1)
    played = np.empty((len(paths), steps + 1, joints))
    for path, out in zip(paths, played):
        primitive = DMP(joints, execution_time=steps * dt, dt=dt, n_weights_per_dim=weights)
        primitive.imitate(time, path, allow_final_velocity=True)
        out[0], velocity = path[0], (path[1] - path[0]) / dt
        primitive.configure(start_y=path[0], start_yd=velocity, goal_y=path[-1])
        for t in range(steps):
            out[t + 1], velocity = primitive.step(out[t], velocity)
    return torch.as_tensor(np.diff(played, axis=1) / dt, dtype=torch.float32)
