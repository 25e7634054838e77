# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Where an ED-Scorbot said it was, and how fast that makes it."""

from dataclasses import dataclass

import numpy as np

SOONEST, LATEST = 0.01, 0.5
"""Times between two measurements that tell a velocity, s: sooner they are one that came twice."""


@dataclass(frozen=True)
class Measurement:
    """See above."""

    at: float
    position: np.ndarray
    """[4], rad, in the order of JOINTS."""
    velocity: np.ndarray
    """[4], rad/s: the difference to the measurement before."""

    @classmethod
    def after(cls, before: 'Measurement | None', position: np.ndarray,
              now: float) -> 'Measurement':
        """Return the measurement that follows on `before`."""
        if before is not None and SOONEST < now - before.at < LATEST:
            velocity = (position - before.position) / (now - before.at)
        else:
            velocity = np.zeros(4)
        return cls(now, position, velocity)
