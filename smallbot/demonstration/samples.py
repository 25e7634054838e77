# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Demonstrations: joint positions over time, as they were shown, checked and trimmed.

Every refusal is one line that says where and how to mend it. Not here: files, and the trial.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
import hashlib
import math

import numpy as np

from smallbot.arm.description import ArmError
from smallbot.arm.kinematics import Arm
from smallbot.demonstration.formats.recording import (
    check_stamps,
    LIMIT_TOLERANCE,
    LONGEST,
    SHORTEST,
    WITHOUT,
)
from smallbot.demonstration.storage.refusal import DemonstrationError

STILL = math.radians(1)
"""Movement up to which a joint that is not driven counts as resting, rad."""


@dataclass(frozen=True, repr=False)
class Demonstration:
    """A movement of the driven joints, as it was shown."""

    joints: tuple[str, ...]
    time: np.ndarray
    """[S], s, from 0, increasing."""
    position: np.ndarray
    """[S, J], rad."""
    source: str
    """File or topic it came from, for messages."""
    held: dict[str, float] = field(default_factory=dict)
    """Where the other joints of the arm rested, rad, of those that were shown."""
    understood: str = ''
    """In one line what was understood of a file; empty where it was not read from one."""

    def __repr__(self) -> str:
        """Return what it is of, without its samples."""
        return (f'<Demonstration of {", ".join(self.joints)}: {len(self.time)} samples in '
                f'{self.duration:.2f} s, {self.source}>')

    @property
    def duration(self) -> float:
        """Return the time from the first to the last sample, s."""
        return float(self.time[-1])

    @property
    def digest(self) -> str:
        """Return 16 hexadecimal digits that tell this movement from any other."""
        content = hashlib.sha256(','.join(self.joints).encode())
        for array in (self.time, self.position):
            content.update(np.ascontiguousarray(array, dtype='<f8').tobytes())
        for name, position in sorted(self.held.items()):
            content.update(f'{name}={position!r}'.encode())
        return content.hexdigest()[:16]

    def posed(self, arm: Arm) -> Arm:
        """Return the arm with its other joints held where they were shown.

        Raises DemonstrationError where they cannot be there.
        """
        try:
            return arm.holding(self.held)
        except ArmError as error:
            raise DemonstrationError(f'{self.source}: {error}') from None


def from_joint_states(time: np.ndarray, names: Sequence[str], position: np.ndarray, arm: Arm,
                      source: str) -> Demonstration:
    """Make a demonstration from samples of joints in any order.

    Parameters: `time` [S], s; `position` [S, len(names)], rad. Joints that are not driven must
    rest. Raises DemonstrationError.
    """
    time, position = np.asarray(time, dtype=float), np.asarray(position, dtype=float)
    known = set(arm.movable) | set(arm.joints)
    for name in names:
        if name not in known:
            raise DemonstrationError(f'{source}: joint {name!r} is unknown; {arm.name} has '
                                     f'{", ".join(arm.movable)}')
    for name in arm.driven:
        if list(names).count(name) != 1:
            raise DemonstrationError(f'{source}: joint {name!r} occurs {list(names).count(name)} '
                                     f'times, expected once among {", ".join(names)}')
    check_time(time, source)
    check_finite(time, names, position, source)
    others = [column for column, name in enumerate(names) if name not in arm.driven]
    held = check_resting([names[k] for k in others], position[:, others], arm, source)
    columns = [list(names).index(name) for name in arm.driven]
    made = Demonstration(arm.driven, time - time[0], position[:, columns].copy(), source, held)
    check_samples(made, made.posed(arm))
    return made


def check_resting(names: Sequence[str], position: np.ndarray, arm: Arm, source: str
                  ) -> dict[str, float]:
    """Return where joints that are not driven rest, rad; refuse one that moves the tool tip.

    Parameters: `position` [S, len(names)], rad. Samples that are not finite do not count.
    """
    held = {}
    for name, column in zip(names, position.T):
        column = column[np.isfinite(column)]
        if name not in arm.joints or not len(column):
            continue
        travel = float(np.ptp(column))
        if travel > STILL:
            raise DemonstrationError(
                f'{source}: joint {name!r} moves by {math.degrees(travel):.1f} degrees, but the '
                f'model drives only {", ".join(arm.driven)}: keep it within 1 degree')
        held[name] = float(np.median(column))
    return held


def check_finite(time: np.ndarray, names: Sequence[str], position: np.ndarray, source: str
                 ) -> None:
    """Refuse positions that are not finite numbers, saying which."""
    bad = np.argwhere(~np.isfinite(position))
    if len(bad):
        row, column = bad[0]
        raise DemonstrationError(
            f'{source}: {names[column]} is {position[row, column]} in sample {row + 1} (time '
            f'{time[row]:g} s), expected a finite number')


def trimmed(demonstration: Demonstration, rest: float = 0.1) -> Demonstration:
    """Return the demonstration without the stillness before and after it, but for `rest` s.

    Still is whatever stays within 2 mrad of the first or the last pose, or a fiftieth of a small
    movement. A demonstration that is still throughout, or would become too short, is returned
    as it is.
    """
    time, position = demonstration.time, demonstration.position
    still = min(2e-3, 0.02 * float(np.ptp(position, axis=0).max()))
    away = np.abs(position - position[0]).max(1) > still
    before_end = np.abs(position - position[-1]).max(1) > still
    if not away.any():
        return demonstration
    begin = time[int(away.argmax())] - rest
    first = max(0, int(np.searchsorted(time, begin, side='right')) - 1)
    last = len(time) - 1 - int(before_end[::-1].argmax())
    last = min(len(time) - 1, int(np.searchsorted(time, time[last] + rest)))
    if time[last] - time[first] < SHORTEST:
        return demonstration
    return replace(demonstration, time=time[first:last + 1] - time[first],
                   position=position[first:last + 1])


def check_samples(demonstration: Demonstration, arm: Arm) -> None:
    """Refuse a duration that is out of range and positions beyond the arm's limits."""
    source, duration = demonstration.source, demonstration.duration
    if not SHORTEST <= duration <= LONGEST:
        cure = '; --part FROM:TO reads a part of it' if duration > LONGEST else ''
        raise DemonstrationError(f'{source}: lasts {duration:.3g} s, expected {SHORTEST} s to '
                                 f'{LONGEST:.0f} s{cure}')
    position = demonstration.position
    beyond = np.argwhere((position < arm.limits.lower - LIMIT_TOLERANCE)
                         | (position > arm.limits.upper + LIMIT_TOLERANCE))
    if len(beyond):
        row, joint = beyond[0]
        raise DemonstrationError(
            f'{source}: joint {arm.driven[joint]!r} is at {position[row, joint]:.4f} rad at '
            f'{demonstration.time[row]:.3f} s, outside its limits {arm.limits.lower[joint]:.4f} '
            f'to {arm.limits.upper[joint]:.4f}; {WITHOUT}')


def check_time(time: np.ndarray, source: str) -> None:
    """Refuse time stamps, s, that are too few, not finite or do not increase, saying which."""
    check_stamps(time, source)
    backward = np.flatnonzero(np.diff(time) <= 0)
    if len(backward):
        row = int(backward[0]) + 1
        raise DemonstrationError(f'{source}: time does not increase: {time[row]:.12g} s in '
                                 f'sample {row + 1} after {time[row - 1]:.12g} s')
