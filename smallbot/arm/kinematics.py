# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Kinematics of a serial arm from its URDF, batched and differentiable in torch.

Not here: dynamics, collisions, reading the URDF (`description`). `pytorch_kinematics` does the
same for more kinds of robot, but keeps the offsets of the links in float32, which moves a tool
tip by 2e-8 m; this file is exact to the precision of its input.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from smallbot.arm.description import ArmError, Description, Joint, read_description
from smallbot.arm.joint_limits import JointLimits
from smallbot.share import share_directory

DEFAULT_ACCELERATION = 20.0
"""rad/s^2 (m/s^2): what smallbot states for a joint whose description states none, as most do."""
HELD_TOLERANCE = 0.01
"""How far beyond its limits a joint may be held, rad (m): it was measured there."""


class Motion(NamedTuple):
    """Where a joint is: factor x the position of the driven joint `index` + offset."""

    index: int | None
    """None: it does not depend on any, and is at `offset`."""
    factor: float
    offset: float


@dataclass(frozen=True)
class Arm:
    """A serial chain from the root link to a tool tip, some of its joints driven.

    Joints that mimic others follow them; the others that are not driven are held where they are.
    """

    description: Description
    chain: tuple[Joint, ...]
    driven: tuple[str, ...]
    """Joints that commands and demonstrations are about."""
    limits: JointLimits
    """Limits of the driven joints, in their order; those of their followers are kept to."""
    held: dict[str, float] = field(default_factory=dict)
    """Where joints that are not driven are held, rad (m); one that is not named: at its home."""

    name = property(lambda self: self.description.name)
    movable = property(lambda self: self.description.movable)
    effort = property(lambda self: self.description.effort)
    urdf = property(lambda self: self.description.text)

    @property
    def root(self) -> str:
        """Return the root link, the frame of tool-tip positions."""
        return self.chain[0].parent

    @cached_property
    def joints(self) -> tuple[str, ...]:
        """Return the joints from root to tip that move by themselves."""
        return tuple(joint.name for joint in self.chain if joint.moves and joint.mimic is None)

    @cached_property
    def home(self) -> np.ndarray:
        """Return zero for each driven joint [J], or the middle of limits that exclude it."""
        low, high = self.limits.lower, self.limits.upper
        outside = (low > 0) | (high < 0)
        return np.array([0.5 * (a + b) if out else 0.0 for a, b, out in zip(low, high, outside)])

    @classmethod
    def from_urdf(cls, urdf: str | Path, driven: Sequence[str] = ('base', 'shoulder'),
                  tip: str = 'tool_tip', lower: Sequence[float] = (),
                  upper: Sequence[float] = (), velocity: Sequence[float] = (),
                  held: Mapping[str, float] | None = None, acceleration: Sequence[float] = ()
                  ) -> 'Arm':
        """Read an arm from a URDF or xacro file, or from the text of a URDF.

        Parameters: `lower`, `upper`, `velocity`, `acceleration` [J] of the driven joints instead
        of the URDF's, narrower or where it has none, an acceleration of 0 for its own; `held` as
        in `holding`.
        Raises ArmError where the file is missing or not a URDF, a link or joint is unknown, a
        driven joint has no limits, follows another or does not move the tip.
        """
        description = read_description(urdf)
        chain = description.chain(tip)
        if not driven or len(set(driven)) != len(driven):
            raise ArmError(f'{description.source}: driven joints {list(driven)}: expected at '
                           f'least one, each once')
        _check_driven(description, chain, driven)
        limits = _limits(description, tuple(driven), lower, upper, velocity, acceleration)
        return cls(description, chain, tuple(driven), limits).holding(held or {})

    def holding(self, pose: Mapping[str, float]) -> 'Arm':
        """Return the arm with joints held at `pose`, rad (m), by name.

        Driven joints and followers in `pose` are left out: they are where they are. Raises
        ArmError for an unknown joint, or a position beyond its limits.
        """
        held = dict(self.held)
        for name, position in pose.items():
            if name not in self.movable:
                raise ArmError(f'{self.description.source}: no movable joint {name!r} to hold; '
                               f'there are {", ".join(self.movable)}')
            joint = self.description.joint(name)
            if name in self.driven or joint.mimic is not None:
                continue
            limited = joint.lower < joint.upper
            if not math.isfinite(position) or limited and not (
                    joint.lower - HELD_TOLERANCE <= position <= joint.upper + HELD_TOLERANCE):
                raise ArmError(f'{self.description.source}: joint {name!r} cannot be held at '
                               f'{position:g}: its limits are {joint.lower:g} to '
                               f'{joint.upper:g} {joint.unit}')
            held[name] = float(position)
        return replace(self, held=held)

    def resting(self, name: str) -> float:
        """Return where a joint that is not driven is, rad (m): held, or at its home."""
        return self.held.get(name, self.description.joint(name).home)

    def tip(self, positions: Tensor) -> Tensor:
        """Return the tool tip [..., 3], m, for positions [..., J] of the driven joints.

        Differentiable, in the type of `positions`.
        """
        if positions.shape[-1] != len(self.driven):
            raise ValueError(f'positions of shape {tuple(positions.shape)}: expected '
                             f'{len(self.driven)} joints ({", ".join(self.driven)}) last')
        return self._tip(positions, self._motions)

    def tip_of(self, positions: Tensor) -> Tensor:
        """Return the tool tip [..., 3], m, for positions of every joint of `joints`."""
        if positions.shape[-1] != len(self.joints):
            raise ValueError(f'positions of shape {tuple(positions.shape)}: expected '
                             f'{len(self.joints)} joints ({", ".join(self.joints)}) last')
        return self._tip(positions, self._motions_with(self.joints))

    def whole(self, positions: np.ndarray) -> np.ndarray:
        """Return the positions [M] of every joint of `movable` for those [J] of the driven."""
        return np.array([
            motion.offset if motion.index is None
            else motion.factor * positions[motion.index] + motion.offset
            for motion in (self._motions[name] for name in self.movable)])

    def whole_rate(self, velocity: np.ndarray) -> np.ndarray:
        """Return the velocities [M] of every joint of `movable` for those [J] of the driven."""
        return self.whole(velocity) - self.whole(np.zeros(len(self.driven)))

    def frames(self, positions: np.ndarray) -> dict[str, np.ndarray]:
        """Return the pose [4, 4] of every link in the root link, off the way to the tip too.

        Parameters: positions [J] of the driven joints.
        """
        at = dict(zip(self.movable, self.whole(positions)))
        frames, waiting = {self.root: np.eye(4)}, [self.root]
        while waiting:
            link = waiting.pop()
            for joint in self.description.below.get(link, []):
                if joint.child not in frames:
                    frames[joint.child] = frames[link] @ joint.origin @ joint.motion(
                        at.get(joint.name, 0.0))
                    waiting.append(joint.child)
        return frames

    @cached_property
    def _motions(self) -> dict[str, Motion]:
        return self._motions_with(self.driven)

    def _motions_with(self, names: Sequence[str]) -> dict[str, Motion]:
        """Return where every movable joint is when positions of `names` are given."""
        motions = {}
        for name in self.movable:
            leader, factor, offset = self.description.leader(name)
            if leader in names and factor:
                motions[name] = Motion(names.index(leader), factor, offset)
            else:
                at = self.resting(leader)
                motions[name] = Motion(None, 0.0, factor * at + offset)
        return motions

    def _tip(self, positions: Tensor, motions: Mapping[str, Motion]) -> Tensor:
        """Carry the tip from its own frame down to the root, one moving joint at a time.

        Joints that stay where they are are folded into the fixed transform of the next moving
        one, so the cost is one rotation of a point for each joint that moves.
        """
        moving, pending = [], np.eye(4)
        for joint in self.chain:
            pending = pending @ joint.origin
            motion = motions.get(joint.name, Motion(None, 0.0, 0.0))
            if motion.index is not None:
                moving.append((pending, joint, motion))
                pending = np.eye(4)
            elif motion.offset:
                pending = pending @ joint.motion(motion.offset)
        point = torch.as_tensor(pending[:3, 3], dtype=positions.dtype, device=positions.device)
        for transform, joint, (index, factor, offset) in reversed(moving):
            q = positions[..., index, None]
            if (factor, offset) != (1.0, 0.0):
                q = factor * q + offset
            axis = torch.as_tensor(joint.axis, dtype=positions.dtype, device=positions.device)
            if joint.kind == 'prismatic':
                point = point + q * axis
            else:
                along = (point * axis).sum(-1, keepdim=True) * axis
                across = torch.linalg.cross(axis.expand_as(point), point)
                point = along + q.cos() * (point - along) + q.sin() * across
            matrix = torch.as_tensor(transform, dtype=positions.dtype, device=positions.device)
            point = point @ matrix[:3, :3].T + matrix[:3, 3]
        return point


def default_arm(driven: Sequence[str] = ('base', 'shoulder')) -> Arm:
    """Return the ED-Scorbot of the shipped URDF."""
    return Arm.from_urdf(urdf_path(), driven)


def urdf_path(name: str = '') -> Path:
    """Return the path of a URDF that comes with the package (its name), or `name` itself.

    Empty: the ED-Scorbot's.
    """
    shipped = share_directory() / 'urdf' / f'{name or "ed_scorbot"}.urdf'
    return shipped if Path(name).name == name and shipped.is_file() else Path(name)


def _check_driven(description: Description, chain: tuple[Joint, ...], driven: Sequence[str]
                  ) -> None:
    """Refuse to drive what does not move the tip by itself."""
    where = description.source
    leaders = tuple(dict.fromkeys(
        description.leader(joint.name).joint for joint in chain if joint.moves))
    for name in driven:
        mimic = description.joint(name).mimic if name in description.movable else None
        if mimic is not None:
            raise ArmError(f'{where}: joint {name!r} mimics {mimic.joint!r} and cannot be driven: '
                           f'drive {description.leader(name).joint!r}, it follows')
        if name not in leaders:
            raise ArmError(f'{where}: no movable joint {name!r} between {chain[0].parent!r} and '
                           f'{chain[-1].child!r}; there are {", ".join(leaders) or "none"}'
                           if chain else f'{where}: no joint moves the tool tip: '
                           f'{description.said_ends()}')


def _limits(description: Description, driven: tuple[str, ...], lower: Sequence[float],
            upper: Sequence[float], velocity: Sequence[float],
            acceleration: Sequence[float]) -> JointLimits:
    """Return limits [J] of the driven joints, as given or the URDF's, kept to by followers."""
    where = description.source
    for key, values in (('lower', lower), ('upper', upper), ('velocity', velocity),
                        ('acceleration', acceleration)):
        if len(values) not in (0, len(driven)):
            raise ArmError(f'{where}: arm.{key}: {len(values)} limits for {len(driven)} joints '
                           f'({", ".join(driven)})')
    rows = []
    for number, name in enumerate(driven):
        joint = description.joint(name)
        low, high, fastest = (
            float(given[number]) if len(given) else own for given, own in (
                (lower, joint.lower), (upper, joint.upper), (velocity, joint.velocity)))
        hardest = float(acceleration[number]) if len(acceleration) else 0.0
        limited = joint.lower < joint.upper
        for key, value, most, beyond in (
                ('lower', low, joint.lower, limited and low < joint.lower),
                ('upper', high, joint.upper, limited and high > joint.upper),
                ('velocity', fastest, joint.velocity, fastest > joint.velocity > 0),
                ('acceleration', hardest, joint.acceleration,
                 hardest > joint.acceleration > 0)):
            if beyond:
                raise ArmError(f'{where}: arm.{key}: {value:g} for joint {name!r} is beyond the '
                               f"URDF's {most:g}")
        if not low < high:
            raise ArmError(f'{where}: joint {name!r}: limits {low:g} to {high:g}, expected lower '
                           f'< upper; --limits LOW:HIGH gives them')
        if not 0 < fastest < math.inf:
            raise ArmError(f'{where}: joint {name!r} has no <limit velocity=...> above 0; '
                           f'--limits LOW:HIGH:SPEED gives one, {joint.unit}/s')
        hardest = hardest or joint.acceleration or DEFAULT_ACCELERATION
        if not 0 < hardest < math.inf:
            raise ArmError(f'{where}: joint {name!r}: acceleration {hardest:g}, expected above 0')
        low, high, fastest = _with_followers(description, name, low, high, fastest)
        rows.append((low, high, fastest, hardest))
    return JointLimits(*np.array(rows, dtype=float).T)


def _with_followers(description: Description, name: str, low: float, high: float, fastest: float
                    ) -> tuple[float, float, float]:
    """Return the limits of a joint within which what follows it keeps to its own."""
    for other in description.joints:
        leader, factor, offset = (description.leader(other.name) if other.moves
                                  else (None, 0.0, 0.0))
        if leader != name or other.name == name or not factor:
            continue
        if other.lower < other.upper:
            first, last = sorted((end - offset) / factor for end in (other.lower, other.upper))
            if not max(low, first) < min(high, last):
                raise ArmError(f'{description.source}: joint {other.name!r}, which mimics '
                               f'{name!r}, has limits {other.lower:g} to {other.upper:g} that '
                               f'leave {name!r} no room between {low:g} and {high:g}')
            low, high = max(low, first), min(high, last)
        if other.velocity > 0:
            fastest = min(fastest, other.velocity / abs(factor))
    return low, high, fastest
