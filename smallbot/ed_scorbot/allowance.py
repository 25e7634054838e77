# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""How far and how fast an ED-Scorbot may go, and whether a movement stays within that.

Pure. The intersection of what is published, what the arm says of itself and what its
description allows.
"""

from collections.abc import Sequence
from dataclasses import replace
import math

import numpy as np

from smallbot.arm.joint_limits import JointLimits
from smallbot.arm.kinematics import Arm
from smallbot.demonstration.samples import check_samples, Demonstration
from smallbot.demonstration.trial_grid import shortest_duration, trial_positions
from smallbot.ed_scorbot.convention import Convention, JOINTS, published_limits
from smallbot.errors import InputError

ROOM = math.radians(5)
"""How far on either side of a pose an arm must be free to move, to be checked there, rad."""
STEPS = 250
"""Samples at which a demonstration's speed is judged."""


class Allowance:
    """See above; `limits` are for JOINTS."""

    def __init__(self, arm: Arm, convention: Convention, acceleration: float,
                 ranges: Sequence[tuple[float, float]] = ()):
        """Intersect with `ranges`, degrees on the wire, where the arm has sent them.

        Raises InputError where nothing is left.
        """
        published = published_limits(convention, JOINTS, acceleration, ranges)
        driven, own = [JOINTS.index(name) for name in arm.driven], arm.limits
        lower, upper, speed = (array.copy() for array in (
            published.lower, published.upper, published.velocity))
        lower[driven] = np.maximum(lower[driven], own.lower)
        upper[driven] = np.minimum(upper[driven], own.upper)
        speed[driven] = np.minimum(speed[driven], own.velocity)
        if (lower >= upper).any():
            joint = int(np.argmax(lower >= upper))
            raise InputError(f'no angle of {JOINTS[joint]} is allowed by the description and by '
                             f'the metainfo of the arm: is the convention right?')
        self.limits = JointLimits(lower, upper, speed, published.acceleration)
        self._arm = replace(arm, limits=JointLimits(
            *(array[driven] for array in (lower, upper, speed, published.acceleration))))

    def has_room(self, poses: np.ndarray) -> bool:
        """Return whether the joints may move a little on either side of `poses` [..., 4], rad."""
        return bool(((poses >= self.limits.lower + ROOM)
                     & (poses <= self.limits.upper - ROOM)).all())

    def consider(self, demonstration: Demonstration, time_scale: float) -> None:
        """Raise InputError where a movement leaves the limits, or is too fast at `time_scale`."""
        check_samples(demonstration, self._arm)
        least = shortest_duration(trial_positions(demonstration, STEPS), self._arm.limits)
        if demonstration.duration * time_scale < least:
            raise InputError(f'{demonstration.source}: too fast for the ED-Scorbot at time scale '
                             f'{time_scale:g}: set a time scale of '
                             f'{math.ceil(10 * least / demonstration.duration) / 10:.1f} or '
                             f'more, for driver and controller alike')
