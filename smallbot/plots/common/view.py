# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""How a path in space is looked at: onto the plane in which it is widest, what is up being up.

A flat movement then shows its true shape, whichever way an arm is mounted.
"""

from typing import NamedTuple

import numpy as np

STRAIGHT = 0.02
"""Width over length below which a path is a line, which lies in many planes."""
_AXES = np.eye(3)
_SIGHTS = ('seen from the base', 'seen from the side', 'seen from above')


class View(NamedTuple):
    """A plane to be looked at."""

    across: np.ndarray
    """[3], what is to the right."""
    up: np.ndarray
    """[3]."""
    origin: np.ndarray
    """[3], m, where both are zero."""
    said: str
    """From where it is looked at."""
    across_label: str
    up_label: str

    def of(self, path: np.ndarray) -> np.ndarray:
        """Return a path [..., 3], m, as it is seen [..., 2], cm."""
        return 100 * (path - self.origin) @ np.stack([self.across, self.up], 1)


def widest_view(path: np.ndarray) -> View:
    """Return the view onto the plane in which a `path` [T, 3], m, is widest, from its start.

    x points away from the arm's base, y to the left, z up. It is looked at from the base, from
    above, or from the side from which what is farther away is to the right.
    """
    spread, directions = np.linalg.svd(path - path.mean(0), full_matrices=True)[1:]
    normal = directions[2]
    if spread[1] <= STRAIGHT * spread[0]:
        # Of all the planes through a line, the upright one; of a line that is upright, the front.
        along = directions[0] if spread[0] > 0 else _AXES[1]
        other = _AXES[2] if abs(along[2]) < 0.9 else _AXES[1]
        normal = np.cross(along, other)
        normal = normal / np.linalg.norm(normal)
    most = int(np.argmax(np.abs(normal)))
    sight = normal * np.sign(normal[most]) * (-1 if most == 2 else 1)
    high = _AXES[0] if most == 2 else _AXES[2]
    up = high - (high @ sight) * sight
    up = up / np.linalg.norm(up)
    across = np.cross(sight, up)
    return View(across, up, path[0], _SIGHTS[most],
                'away from the base, cm' if most == 1 else 'to the right, cm',
                'away from the base, cm' if most == 2 else 'up, cm')
