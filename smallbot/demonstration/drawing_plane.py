# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A plane to draw on for any arm: what of it the tool tip reaches, and strokes as movements.

Two driven joints move the tip over a surface of their own; the plane touches it, and a drawing
is what somebody sees who looks straight at the plane. More joints keep the tip in the plane
itself, which stands upright before the arm. Not here: files, and what the network makes of it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree
import torch

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.formats.recording import LONGEST, Recording
from smallbot.demonstration.reading import judged
from smallbot.demonstration.samples import Demonstration, DemonstrationError
from smallbot.demonstration.tip_path import along, bounds, nearest_poses, REACH

POSES = 4096
"""Poses all over the workspace that are looked at."""
FINE = 500
"""Poses of each of two joints by which their reach is found."""
WELL = 0.5
"""Share of the best mobility in all directions with which the arm's home is good enough."""
RATE = 100.0
"""Samples a second of a drawn movement, Hz."""
SMOOTH = 0.09
"""Width of the Hann window over a drawn movement, s: a mouse reports whole pixels."""
RAMP = 0.15
"""Share of an evened movement in which it gains speed, and loses it again."""
MOST_POINTS = 20_000
"""Of a stroke."""
SOURCE = 'drawing'
"""What a drawn movement is said to come from."""


class OutOfReachError(DemonstrationError):
    """A stroke that leaves what the arm reaches; `at` [2], m, is where it does so first."""

    def __init__(self, message: str, at: np.ndarray):
        super().__init__(message)
        self.at = at


class Reach(NamedTuple):
    """What the tool tip reaches of a plane."""

    low: np.ndarray
    """[2], m, least coordinates of the frame around it."""
    high: np.ndarray
    """[2], m, largest."""
    reached: np.ndarray
    """[rows, columns], bool: cells of the frame, from its least coordinates on."""


@dataclass(frozen=True)
class DrawingPlane:
    """A plane with coordinates to the right (u) and upwards (v), m, from `origin`.

    Right is so for somebody who stands behind the arm, or looks down at it where the plane lies
    flat.
    """

    arm: Arm
    origin: np.ndarray
    """[3], m, in the root link: the tool tip in the pose that it was laid through."""
    axes: np.ndarray
    """[2, 3], unit vectors of u and v."""
    pose: np.ndarray
    """[J], rad, of the driven joints there."""

    @classmethod
    def of(cls, arm: Arm) -> 'DrawingPlane':
        """Lay the plane of an arm; raises DemonstrationError for one that drives one joint."""
        if len(arm.driven) < 2:
            raise DemonstrationError(f'{arm.name}: drawing needs two driven joints, the model '
                                     f'drives {arm.driven[0]} alone')
        pose = _free_pose(arm)
        tip, forward = _tips(arm, pose[None])[0], _forward(arm, pose)
        up = np.array([0.0, 0.0, 1.0])
        right = np.cross(forward, up)
        if len(arm.driven) == 2:
            spanned = np.linalg.svd(_jacobian(arm, pose[None])[0])[0][:, :2].T
            normal = np.cross(*spanned)
            # A surface that lies flatter than 20 degrees is drawn on as seen from above.
            vertical = up if abs(normal[2]) < np.cos(np.radians(20)) else forward
            v = _unit(vertical - (vertical @ normal) * normal)
            u = np.cross(v, normal)
            towards = right if abs(u @ right) > 0.1 else forward
            u = u if u @ towards >= 0 else -u
        else:
            u, v = right, up
        return cls(arm, tip, np.stack([u, v]), pose)

    @property
    def seen(self) -> np.ndarray:
        """Return the directions [K, 3] that the joints must keep to: two, or all three."""
        if len(self.arm.driven) == 2:
            return self.axes
        return np.vstack([self.axes, np.cross(*self.axes)])

    def on(self, tips: np.ndarray) -> np.ndarray:
        """Return the coordinates [..., 2], m, of tool tips [..., 3], m, as seen on the plane."""
        return (tips - self.origin) @ self.axes.T

    @cached_property
    def _starts(self) -> np.ndarray:
        """Poses [P, J] from which one can go on to all others without the arm turning over."""
        lower, upper = bounds(self.arm)
        poses = np.random.default_rng(0).uniform(lower, upper, size=(POSES, len(lower)))
        poses[0] = self.pose
        return poses[self._same_side(poses)]

    def _same_side(self, poses: np.ndarray) -> np.ndarray:
        """Return which poses [P, J] see the plane from the same side as `pose`, [P] bool."""
        if len(self.arm.driven) != 2:
            return np.ones(len(poses), dtype=bool)
        turned = np.linalg.det(self.axes @ _jacobian(self.arm, np.vstack([self.pose, poses])))
        return turned[1:] * np.sign(turned[0]) > 0.02 * abs(turned[0])

    def reach(self, columns: int = 96) -> Reach:
        """Return what is reached, in square cells, `columns` across the longer side.

        Half as many for more than two joints, where every cell has to be tried.
        """
        two = len(self.arm.driven) == 2
        if two:
            grid = np.stack(np.meshgrid(*(np.linspace(low, high, FINE) for low, high in zip(
                *bounds(self.arm)))), axis=-1).reshape(-1, 2)
            points = self.on(_tips(self.arm, grid[self._same_side(grid)]))
        else:
            points = self.on(_tips(self.arm, self._starts))
        low, high = points.min(0), points.max(0)
        cell = (high - low).max() / (columns if two else columns // 2)
        count = np.maximum(1, np.ceil((high - low) / cell)).astype(int)
        if two:
            at = np.minimum(((points - low) / cell).astype(int), count - 1)
            reached = np.zeros(count[::-1], dtype=bool)
            reached[at[:, 1], at[:, 0]] = True
        else:
            middles = np.stack(np.meshgrid(*(low[k] + cell * (np.arange(count[k]) + 0.5)
                                             for k in (0, 1))), axis=-1).reshape(-1, 2)
            reached = self._missed(middles) < REACH
            reached = reached.reshape(count[::-1])
        return Reach(low, low + cell * count, reached)

    def _missed(self, points: np.ndarray) -> np.ndarray:
        """Return by how much the tip misses points [P, 2], m, each tried from near poses, [P]."""
        targets = self._targets(points)
        tips = _tips(self.arm, self._starts)
        nearest = cKDTree(tips @ self.seen.T).query(targets, 2)[1]
        starts = [self.pose, *(self._starts[one] for one in nearest.T)]
        return np.min([nearest_poses(self.arm, start, targets, self.seen, rounds=20)[1]
                       for start in starts], axis=0)

    def _targets(self, points: np.ndarray) -> np.ndarray:
        """Return where the tip is to be [P, K], m, along `seen`, for points [P, 2] drawn."""
        return (self.origin + points @ self.axes) @ self.seen.T

    def movement(self, points: np.ndarray, time: np.ndarray, even: bool = False,
                 seconds: float | None = None) -> Demonstration:
        """Return the movement that a stroke asks of the driven joints.

        Parameters: `points` [S, 2], m; `time` [S], s, when the pen was there; `even`, whether the
        pen's speed is evened; `seconds`, how long it is to take, None: as long as it was drawn.
        Raises DemonstrationError; OutOfReachError where the tip cannot follow.
        """
        time, points = _as_drawn(points, time)
        taken = float(time[-1]) if seconds is None else seconds
        if not 0 < taken <= LONGEST:
            raise DemonstrationError(f'{SOURCE}: {taken:g} s, expected above 0 and at most '
                                     f'{LONGEST:g} s')
        path, at = _evened(points, taken) if even else _resampled(points, time, taken)
        poses, miss = along(self.arm, self._targets(path), self._starts, self.seen)
        lost = np.flatnonzero(miss > REACH)
        if len(lost):
            place = path[lost[0]]
            raise OutOfReachError(
                f'{SOURCE}: out of reach by {100 * miss.max():.1f} cm at {at[lost[0]]:.2f} s: '
                f'draw inside the shaded area', place)
        made = Recording(SOURCE, 'drawn', self.arm.driven, at, poses, 'rad')
        return judged(made, self.arm)


def _as_drawn(points: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return times from 0 that increase, and the points of then; refuses what is no stroke."""
    points, time = np.asarray(points, dtype=float), np.asarray(time, dtype=float)
    if points.ndim != 2 or points.shape[1] != 2 or time.shape != points.shape[:1]:
        raise DemonstrationError(f'{SOURCE}: points of shape {points.shape} at times of shape '
                                 f'{time.shape}, expected [S, 2] and [S]')
    if len(points) > MOST_POINTS:
        raise DemonstrationError(f'{SOURCE}: {len(points)} points, expected at most '
                                 f'{MOST_POINTS}')
    if not (np.isfinite(points).all() and np.isfinite(time).all()):
        raise DemonstrationError(f'{SOURCE}: expected finite numbers')
    later = np.concatenate([[True], time[1:] > np.maximum.accumulate(time)[:-1]])
    time, points = time[later], points[later]
    if len(points) < 2 or not np.ptp(points, axis=0).any():
        raise DemonstrationError(f'{SOURCE}: a dot: draw a line')
    return time - time[0], points


def _resampled(points: np.ndarray, time: np.ndarray, seconds: float
               ) -> tuple[np.ndarray, np.ndarray]:
    """Return the stroke [S, 2] in its own timing over `seconds`, smoothed, and the times [S]."""
    at = np.linspace(0, seconds, max(3, round(RATE * seconds) + 1))
    path = np.stack([np.interp(at, time * (seconds / time[-1]), column) for column in points.T],
                    axis=1)
    length = min(len(at), max(3, round(SMOOTH * RATE) | 1))
    window = np.hanning(length + 2)[1:-1]
    # Beyond its ends the line is turned about them, so that they stay where they are.
    half = length // 2
    before, after = 2 * path[0] - path[half:0:-1], 2 * path[-1] - path[-2:-half - 2:-1]
    padded = np.vstack([before, path, after])
    smooth = np.stack([np.convolve(column, window / window.sum(), 'valid')
                       for column in padded.T], axis=1)
    return smooth, at


def _evened(points: np.ndarray, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the stroke [S, 2] at an even speed but for its ends, and the times [S]."""
    length = np.concatenate([[0.0], np.linalg.norm(np.diff(points, axis=0), axis=1).cumsum()])
    moved = np.concatenate([[True], np.diff(length) > 0])
    at = np.linspace(0, 1, max(3, round(RATE * seconds) + 1))
    speed = np.clip(np.minimum(at, 1 - at) / RAMP, 0, 1)
    gone = np.concatenate([[0.0], ((speed[1:] + speed[:-1]) / 2).cumsum()])
    gone *= length[-1] / gone[-1]
    path = np.stack([np.interp(gone, length[moved], column[moved]) for column in points.T],
                    axis=1)
    return _resampled(path, at * seconds, seconds)


def _free_pose(arm: Arm) -> np.ndarray:
    """Return the arm's home [J], rad, or a pose in which the tip moves more freely."""
    lower, upper = bounds(arm)
    chance = np.random.default_rng(0).uniform(0.15, 0.85, size=(POSES, len(lower)))
    poses = np.vstack([arm.home, lower + chance * (upper - lower)])
    slowest = np.linalg.svd(_jacobian(arm, poses), compute_uv=False).min(-1)
    if slowest[0] >= WELL * slowest.max():
        return poses[0]
    good = np.flatnonzero(slowest >= WELL * slowest.max())
    return poses[good[np.linalg.norm(poses[good] - poses[0], axis=1).argmin()]]


def _forward(arm: Arm, pose: np.ndarray) -> np.ndarray:
    """Return the level direction [3] from the arm's first joint to its tip, else along x."""
    first = next(joint for joint in arm.chain if joint.moves)
    foot = (arm.frames(pose)[first.parent] @ first.origin)[:3, 3]
    out = (_tips(arm, pose[None])[0] - foot) * [1.0, 1.0, 0.0]
    return _unit(out) if np.linalg.norm(out) > 0.02 else np.array([1.0, 0.0, 0.0])


def _jacobian(arm: Arm, poses: np.ndarray, nudge: float = 1e-6) -> np.ndarray:
    """Return what the tip does [P, 3, J], m/rad, in poses [P, J]."""
    probes = nudge * np.vstack([np.zeros(poses.shape[1]), np.eye(poses.shape[1])])
    tips = _tips(arm, poses[:, None] + probes)
    return ((tips[:, 1:] - tips[:, :1]) / nudge).swapaxes(1, 2)


def _tips(arm: Arm, poses: np.ndarray) -> np.ndarray:
    return arm.tip(torch.as_tensor(poses, dtype=torch.float64)).numpy()


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
