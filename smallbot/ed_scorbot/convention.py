# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the degrees that an ED-Scorbot speaks mean, and how far its joints may go.

Pure numbers. Angles inside smallbot are those of our URDF, rad; the arm's are degrees of one of
two published conventions, in which also the ranges of its joints were published. Not here: the
messages that carry them (`wire`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from smallbot.arm.joint_limits import JointLimits
from smallbot.errors import InputError

JOINTS = ('base', 'shoulder', 'elbow', 'pitch')
"""The joints that the controller drives, in the order of the wire; roll and gripper are not."""
CENTRE = 32768
"""Reading of every position counter at home."""
PUBLISHED_SPEED = np.radians([49.6, 47.1, 38.2, 57.2])
"""Fastest mean speed over one command in the public logs of 2026, rad/s: no limit is published
but the 1 rad/s in the description of 2026, which all four stay below."""


@dataclass(frozen=True)
class Convention:
    """One published meaning of the degrees on the wire, each array [4], in the order of JOINTS.

    Reference = trunc(`reference_per_degree` x degrees), an integer; degrees = `degree_per_count`
    x (counter - 32768). A positive reference makes the counter go down in both conventions, which
    are opposite on every joint. Angle of our URDF = `direction` x degrees + `offset`.
    """

    name: str
    reference_per_degree: np.ndarray
    degree_per_count: np.ndarray
    direction: np.ndarray
    offset: np.ndarray
    """Degrees; where home lies in our URDF, whose zero is the arm straight out and level."""

    def degrees(self, position: np.ndarray) -> np.ndarray:
        """Return positions [..., 4] of our URDF, rad, as degrees on the wire."""
        return self.direction * (np.degrees(position) - self.offset)

    def position(self, degrees: np.ndarray) -> np.ndarray:
        """Return degrees on the wire [..., 4] as positions of our URDF, rad."""
        return np.radians(self.direction * degrees + self.offset)

    def reference(self, degrees: np.ndarray) -> np.ndarray:
        """Return the references [..., 4] that the controller makes of degrees: it cuts off."""
        return np.trunc(self.reference_per_degree * degrees).astype(int)

    def nearest(self, degrees: np.ndarray) -> np.ndarray:
        """Return degrees [..., 4] of which the controller makes the nearest references.

        A quarter beyond the middle of each, as what is cut off must not depend on rounding.
        """
        whole = np.rint(self.reference_per_degree * degrees)
        return (whole + 0.25 * np.sign(whole)) / self.reference_per_degree

    def measured(self, counts: np.ndarray) -> np.ndarray:
        """Return counters [..., 4] as degrees."""
        return self.degree_per_count * (np.asarray(counts) - CENTRE)


CONVENTIONS: Mapping[str, Convention] = {
    # Controller of November 2023, the newest that drives the arm over MQTT. Home: base 23.6,
    # shoulder -22, elbow 22.4 degrees in the closed form of the kinematics of that time.
    '2023': Convention(
        '2023',
        np.array([-3.0, -9.4, -3.1, -17.61158871]),
        np.array([1 / 125.5, 1 / 131, 1 / 127.7, 0.012391573729863692]),
        np.array([1.0, 1.0, -1.0, 1.0]), np.array([-23.6, 22.0, -22.4, 0.0])),
    # Description and tests of April 2026: every sign the other way, the elbow's home at 12.
    '2026': Convention(
        '2026',
        np.array([3.050640635, 9.532888465, 3.220611916, 17.66784452]),
        np.array([-1 / 125.5, -1 / 131, -1 / 132.5, -0.012391573729863692]),
        np.array([-1.0, -1.0, 1.0, -1.0]), np.array([-23.6, 22.0, -12.0, 0.0])),
}

# Published ranges of J1 to J4 in degrees of the 2023 convention: those of 2026 turned round,
# those of DH angles (theta) through theta = (23.6 - a, -22 - a, elbow home + a, a).
PUBLISHED_RANGES: Mapping[str, Sequence[tuple[float, float]]] = {
    'reference counts (Py-EDScorbotTool, table 4)':
        ((-163.9, 147.5), (-83.9, 99.7), (-108.7, 108.7), (-90.6, 84.9)),
    'metainfo of the real controller, November 2023':
        ((-155, 155), (-60, 110), (-145, 80), (-90, 90)),
    'metainfo of the simulated server':
        ((-166.67, 150), (-85.11, 101.06), (-112.9, 112.9), (-90.85, 85.17)),
    'pyAER bounds': ((-155, 155), (-85, 85), (-112.5, 112.5), (-90, 90)),
    'sweep.py raw counts':
        ((-167.3, 146.5), (-109.0, 88.4), (-118.9, 116.0), (-90.3, 87.1)),
    'workspace of the inverse kinematics':
        ((-101.4, 148.6), (-52, 113), (-124.5, 90.1), (-90, 90)),
    'URDF of April 2026': ((-125, 125), (-85, 85), (-112.5, 112.5), (-90, 90)),
}


def published_limits(convention: Convention, joints: Sequence[str], acceleration: float,
                     ranges: Sequence[tuple[float, float]] = ()) -> JointLimits:
    """Return what every published source allows, and `ranges` of metainfo too if given.

    In our URDF's angles, for `joints`. Sources disagree on shoulder and elbow, so this is
    narrower than each. Raises InputError where nothing is left.
    """
    lower = np.max([[low for low, _ in source] for source in PUBLISHED_RANGES.values()], axis=0)
    upper = np.min([[high for _, high in source] for source in PUBLISHED_RANGES.values()], axis=0)
    if convention.reference_per_degree[0] > 0:
        lower, upper = -upper, -lower
    if ranges:
        sent = np.array(ranges[:len(JOINTS)])
        lower, upper = np.maximum(lower, sent[:, 0]), np.minimum(upper, sent[:, 1])
    if (lower >= upper).any():
        joint = int(np.argmax(lower >= upper))
        raise InputError(f'no angle of {JOINTS[joint]} is allowed by the published limits and '
                         f'by the metainfo of the arm ({ranges[joint][0]:g} to '
                         f'{ranges[joint][1]:g} degrees): is the convention right?')
    ends = np.sort([convention.position(lower), convention.position(upper)], axis=0)
    chosen = [JOINTS.index(name) for name in joints]
    return JointLimits(ends[0][chosen], ends[1][chosen], PUBLISHED_SPEED[chosen],
                       np.full(len(chosen), float(acceleration)))


def convention_of(ranges: Sequence[tuple[float, float]]) -> str:
    """Return the convention that the ranges in an arm's metainfo speak; empty if they cannot say.

    The published ranges of shoulder and elbow are lopsided, and each convention has them on the
    other side.
    """
    sides = [low + high for low, high in ranges[:len(JOINTS)]]
    expected = {'2023': (sides[1], -sides[2]), '2026': (-sides[1], sides[2])}
    for name, lopsided in expected.items():
        if min(lopsided) >= 0 and max(lopsided) > 5:
            return name
    return ''
