"""Kinematics of a serial arm from its URDF, batched and differentiable in torch.

Not here: dynamics, collisions. `pytorch_kinematics` does the same for more kinds of robot, but
keeps the offsets of the links in float32, which moves a tool tip by 2e-8 m; this file is exact
to the precision of its input.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import torch
from torch import Tensor

from smallbot.arm.joint_limits import JointLimits
from smallbot.errors import InputError
from smallbot.share import share_directory

DEFAULT_ACCELERATION = 20.0
"""rad/s^2; URDF has no field for it, so this is what smallbot states for an arm."""


class ArmError(InputError):
    """A robot description that cannot be used; the message is one line."""


@dataclass(frozen=True)
class Joint:
    """One joint of the URDF."""

    name: str
    kind: str
    """revolute, continuous, prismatic or fixed."""
    origin: np.ndarray
    """[4, 4] transform from the parent's link, joint at zero."""
    axis: np.ndarray
    """[3], unit vector in the joint's frame."""
    lower: float
    upper: float
    velocity: float

    @property
    def moves(self) -> bool:
        """Return whether the joint has a position."""
        return self.kind != 'fixed'

    def motion(self, position: float) -> np.ndarray:
        """Return the transform [4, 4] of `position`, rad (m), about (along) the axis."""
        transform = np.eye(4)
        if self.kind == 'prismatic':
            transform[:3, 3] = position * self.axis
        elif self.moves:
            x, y, z = self.axis
            cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
            transform[:3, :3] += (math.sin(position) * cross
                                  + (1 - math.cos(position)) * cross @ cross)
        return transform


@dataclass(frozen=True)
class Arm:
    """A serial chain from the root link to a tool tip, some of its joints driven."""

    name: str
    chain: tuple[Joint, ...]
    driven: tuple[str, ...]
    """Joints that commands and demonstrations are about; the others rest at zero."""
    limits: JointLimits
    """Limits of the driven joints, in their order."""
    movable: tuple[str, ...]
    """Every joint of the robot that is not fixed, off the chain too, in the URDF's order."""
    root: str
    """Root link, the frame of tool-tip positions."""
    effort: dict[str, float] = field(default_factory=dict)
    """N m (N) that each movable joint may use, where the URDF limits it."""
    urdf: str = ''
    """The text of the description."""

    @property
    def joints(self) -> tuple[str, ...]:
        """Return the movable joints from root to tip."""
        return tuple(joint.name for joint in self.chain if joint.moves)

    @classmethod
    def from_urdf(cls, urdf: str | Path, driven: Sequence[str] = ('base', 'shoulder'),
                  tip: str = 'tool_tip', acceleration: float = DEFAULT_ACCELERATION) -> 'Arm':
        """Read an arm from a URDF file, or from its text.

        Raises ArmError where the file is missing or not a URDF, a link or joint is unknown, a
        driven joint has no limits or does not lie on the way to the tip.
        """
        where, root = _parse(urdf)
        links = {link.get('name') for link in root.findall('link')}
        if tip not in links:
            raise ArmError(f'{where}: no link {tip!r} for the tool tip; its links are '
                           f'{", ".join(sorted(str(x) for x in links))}')
        above = {}
        movable = []
        for element in root.findall('joint'):
            child = _attribute(element, 'child', 'link', where)
            above[child] = (_attribute(element, 'parent', 'link', where), element)
            if element.get('type') != 'fixed':
                movable.append(element.get('name'))
        chain = []
        link = tip
        while link in above:
            link, element = above[link]
            chain.append(_joint(element, where))
            if len(chain) > len(above):
                raise ArmError(f'{where}: the joints above {tip!r} form a loop')
        chain.reverse()
        by_name = {joint.name: joint for joint in chain if joint.moves}
        if not driven or len(set(driven)) != len(driven):
            raise ArmError(f'{where}: driven joints {list(driven)}: expected at least one, '
                           f'each once')
        for name in driven:
            if name not in by_name:
                raise ArmError(f'{where}: no movable joint {name!r} between {link!r} and {tip!r}; '
                               f'there are {", ".join(by_name) or "none"}')
            if not by_name[name].velocity > 0:
                raise ArmError(f'{where}: joint {name!r} has no <limit velocity=...> above 0')
        chosen = [by_name[name] for name in driven]
        limits = JointLimits(
            np.array([j.lower for j in chosen]), np.array([j.upper for j in chosen]),
            np.array([j.velocity for j in chosen]), np.full(len(chosen), float(acceleration)))
        return cls(root.get('name', 'arm'), tuple(chain), tuple(driven), limits, tuple(movable),
                   link, _efforts(root), ElementTree.tostring(root, encoding='unicode'))

    def tip(self, positions: Tensor) -> Tensor:
        """Return the tool tip [..., 3], m, for positions [..., J] of the driven joints.

        Differentiable, in the type of `positions`; joints that are not driven are at zero.
        """
        if positions.shape[-1] != len(self.driven):
            raise ValueError(f'positions of shape {tuple(positions.shape)}: expected '
                             f'{len(self.driven)} joints ({", ".join(self.driven)}) last')
        return self._tip(positions, self.driven)

    def tip_of(self, positions: Tensor) -> Tensor:
        """Return the tool tip [..., 3], m, for positions of every joint of `joints`."""
        if positions.shape[-1] != len(self.joints):
            raise ValueError(f'positions of shape {tuple(positions.shape)}: expected '
                             f'{len(self.joints)} joints ({", ".join(self.joints)}) last')
        return self._tip(positions, self.joints)

    def frames(self, positions: np.ndarray) -> dict[str, np.ndarray]:
        """Return the pose [4, 4] of every link in the root link, off the way to the tip too.

        Parameters: positions [J] of the driven joints; the others are at zero.
        """
        driven = dict(zip(self.driven, positions))
        frames, waiting = {self.root: np.eye(4)}, [self.root]
        while waiting:
            link = waiting.pop()
            for child, joint in self._below.get(link, []):
                if child not in frames:
                    frames[child] = frames[link] @ joint.origin @ joint.motion(
                        driven.get(joint.name, 0.0))
                    waiting.append(child)
        return frames

    @cached_property
    def _below(self) -> dict[str, list[tuple[str, Joint]]]:
        """Return the links and joints right below each link, read from the description once."""
        where, root = _parse(self.urdf)
        below: dict[str, list[tuple[str, Joint]]] = {}
        for element in root.findall('joint'):
            below.setdefault(_attribute(element, 'parent', 'link', where), []).append(
                (_attribute(element, 'child', 'link', where), _joint(element, where)))
        return below

    def _tip(self, positions: Tensor, names: tuple[str, ...]) -> Tensor:
        """Carry the tip from its own frame down to the root, one moving joint at a time.

        Joints that stay at zero are folded into the fixed transform of the next moving one, so
        the cost is one rotation of a point for each joint of `names`.
        """
        moving, pending = [], np.eye(4)
        for joint in self.chain:
            pending = pending @ joint.origin
            if joint.name in names:
                moving.append((pending, joint))
                pending = np.eye(4)
        point = torch.as_tensor(pending[:3, 3], dtype=positions.dtype, device=positions.device)
        for transform, joint in reversed(moving):
            q = positions[..., names.index(joint.name), None]
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
    """Return the path of a URDF that comes with the package (ed_scorbot, ur5e), or `name` itself.

    Empty: the ED-Scorbot's.
    """
    shipped = share_directory() / 'urdf' / f'{name or "ed_scorbot"}.urdf'
    return shipped if Path(name).name == name and shipped.is_file() else Path(name)


def transform_of(xyz: Sequence[float], rpy: Sequence[float]) -> np.ndarray:
    """Return the transform [4, 4] of a URDF's origin, m and rad."""
    roll, pitch, yaw = rpy
    transform = np.eye(4)
    transform[:3, 3] = xyz
    transform[:3, :3] = _about('z', yaw) @ _about('y', pitch) @ _about('x', roll)
    return transform


def _parse(urdf: str | Path) -> tuple[str, ElementTree.Element]:
    text = isinstance(urdf, str) and urdf.lstrip().startswith('<')
    where = 'robot description' if text else str(urdf)
    try:
        root = ElementTree.fromstring(urdf if text else Path(urdf).read_bytes())
    except OSError as error:
        raise ArmError(f'{where}: cannot be read: {error.strerror}') from None
    except ElementTree.ParseError as error:
        raise ArmError(f'{where}: not XML: {error}') from None
    if root.tag != 'robot':
        raise ArmError(f'{where}: the root element is <{root.tag}>, expected <robot>; a .xacro '
                       f'must be expanded first')
    return where, root


def _efforts(root: ElementTree.Element) -> dict[str, float]:
    efforts = {}
    for element in root.findall('joint'):
        limit = element.find('limit')
        try:
            efforts[element.get('name')] = float(limit.get('effort'))
        except (AttributeError, TypeError, ValueError):
            continue
    return efforts


def _attribute(element: ElementTree.Element, tag: str, attribute: str, where: str) -> str:
    child = element.find(tag)
    value = None if child is None else child.get(attribute)
    if value is None:
        raise ArmError(f'{where}: joint {element.get("name")!r} has no <{tag} {attribute}=...>')
    return value


def _numbers(element: ElementTree.Element, tag: str, attribute: str, default: str, where: str
             ) -> np.ndarray:
    child = element.find(tag)
    text = default if child is None else child.get(attribute, default)
    try:
        values = np.array([float(x) for x in text.split()])
    except ValueError:
        values = np.array([])
    if len(values) != 3 or not np.isfinite(values).all():
        raise ArmError(f'{where}: joint {element.get("name")!r}: <{tag} {attribute}={text!r}>, '
                       f'expected three numbers')
    return values


def _joint(element: ElementTree.Element, where: str) -> Joint:
    name, kind = element.get('name'), element.get('type')
    if kind not in ('revolute', 'continuous', 'prismatic', 'fixed'):
        raise ArmError(f'{where}: joint {name!r} is {kind!r}; a serial arm has revolute, '
                       f'continuous, prismatic and fixed joints')
    origin = transform_of(_numbers(element, 'origin', 'xyz', '0 0 0', where),
                          _numbers(element, 'origin', 'rpy', '0 0 0', where))
    axis = _numbers(element, 'axis', 'xyz', '1 0 0', where)
    length = np.linalg.norm(axis)
    if kind != 'fixed' and length == 0:
        raise ArmError(f'{where}: joint {name!r} has an axis of length zero')
    limit = element.find('limit')
    values = {}
    for key in ('lower', 'upper', 'velocity'):
        text = '0' if limit is None else limit.get(key, '0')
        try:
            values[key] = float(text)
        except ValueError:
            raise ArmError(f'{where}: joint {name!r}: limit {key}={text!r}, expected a number'
                           ) from None
    if kind == 'continuous':
        values['lower'], values['upper'] = -math.inf, math.inf
    elif kind != 'fixed' and not values['lower'] < values['upper']:
        raise ArmError(f'{where}: joint {name!r}: limits {values["lower"]:g} to '
                       f'{values["upper"]:g}, expected lower < upper')
    return Joint(name, kind, origin, axis / (length or 1.0), **values)


def _about(axis: str, angle: float) -> np.ndarray:
    cos, sin = math.cos(angle), math.sin(angle)
    return {'x': np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]),
            'y': np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]),
            'z': np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])}[axis]
