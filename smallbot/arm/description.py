# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A robot as its URDF or xacro describes it: links, joints, what follows what.

Meshes are never looked at. Not here: which joints are driven, and where the tool tip is.
"""

from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from functools import cached_property
import io
import math
from pathlib import Path
import re
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from smallbot.arm.xacro_expressions import plain_expressions
from smallbot.errors import InputError

TIP_NAMES = re.compile('tool|tcp|effector|^tip|grasp', re.IGNORECASE)
"""Names of links that are made to be a tool tip."""
MOVING = ('revolute', 'continuous', 'prismatic')
"""Types of joints that have one position."""
INSTEAD = 'or give the URDF that `xacro FILE > arm.urdf` writes'
"""The way out for who has a xacro that cannot be expanded here."""


class ArmError(InputError):
    """A robot description that cannot be used; the message is one line."""


class Mimic(NamedTuple):
    """What a joint follows: multiplier x position of `joint` + offset."""

    joint: str
    multiplier: float
    offset: float


@dataclass(frozen=True)
class Joint:
    """One joint of the URDF; rad and rad/s, m and m/s where it is prismatic."""

    name: str
    kind: str
    """revolute, continuous, prismatic, fixed, or what else the URDF says."""
    parent: str
    child: str
    origin: np.ndarray
    """[4, 4] transform from the parent's link, joint at zero."""
    axis: np.ndarray
    """[3], unit vector in the joint's frame."""
    lower: float
    upper: float
    """Not above `lower` where the URDF has no limits."""
    velocity: float
    """0 where the URDF does not limit it."""
    acceleration: float
    """0 where the URDF does not limit it, as most do not."""
    mimic: Mimic | None = None

    @property
    def moves(self) -> bool:
        """Return whether the joint has a position."""
        return self.kind in MOVING

    @property
    def unit(self) -> str:
        """Return the unit of positions."""
        return 'm' if self.kind == 'prismatic' else 'rad'

    @property
    def home(self) -> float:
        """Return zero, or the middle of limits that exclude it."""
        return 0.0 if self.lower <= 0 <= self.upper or not self.lower < self.upper else (
            0.5 * (self.lower + self.upper))

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
class Description:
    """Links and joints of a robot, in the order of its URDF."""

    name: str
    links: tuple[str, ...]
    joints: tuple[Joint, ...]
    effort: dict[str, float] = field(default_factory=dict)
    """N m (N) that each joint may use, where the URDF limits it."""
    text: str = ''
    """The URDF, expanded where it was a xacro."""
    source: str = 'robot description'
    """For messages."""

    @cached_property
    def movable(self) -> tuple[str, ...]:
        """Return every joint that has a position."""
        return tuple(joint.name for joint in self.joints if joint.moves)

    @cached_property
    def below(self) -> dict[str, list[Joint]]:
        """Return the joints right below each link."""
        below: dict[str, list[Joint]] = {}
        for joint in self.joints:
            below.setdefault(joint.parent, []).append(joint)
        return below

    def joint(self, name: str) -> Joint:
        """Return the joint of that name; KeyError where there is none."""
        return self._named[name]

    @cached_property
    def _named(self) -> dict[str, Joint]:
        return {joint.name: joint for joint in self.joints}

    def leader(self, name: str) -> Mimic:
        """Return what decides the position of a joint: itself, or what it follows in the end."""
        multiplier, offset = 1.0, 0.0
        mimic = self._named[name].mimic
        while mimic is not None:
            name = mimic.joint
            multiplier, offset = multiplier * mimic.multiplier, (
                multiplier * mimic.offset + offset)
            mimic = self._named[name].mimic
        return Mimic(name, multiplier, offset)

    def chain(self, tip: str) -> tuple[Joint, ...]:
        """Return the joints from the root link to the link `tip`; raises ArmError."""
        if tip not in self.links:
            raise ArmError(f'{self.source}: no link {tip!r} for the tool tip; {self.said_ends()}')
        above = {joint.child: joint for joint in self.joints}
        chain: list[Joint] = []
        while tip in above:
            chain.append(above[tip])
            tip = above[tip].parent
            if len(chain) > len(above):
                raise ArmError(f'{self.source}: the joints above {chain[0].child!r} form a loop')
        for joint in chain:
            if joint.kind not in (*MOVING, 'fixed'):
                raise ArmError(f'{self.source}: joint {joint.name!r} is {joint.kind!r}; a serial '
                               f'arm has revolute, continuous, prismatic and fixed joints')
        return tuple(reversed(chain))

    def ends(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the links at the ends and the joints that move each, the likeliest tips first.

        Those are named like one, or moved by the most joints, fingers that slide aside.
        """
        above = {joint.child: joint for joint in self.joints}
        found = []
        for link in self.links:
            if link in self.below:
                continue
            way, at, leaders = 0, link, []
            while at in above and way <= len(above):
                joint, way = above[at], way + 1
                leaders += [self.leader(joint.name).joint] * joint.moves
                at = joint.parent
            found.append((link, tuple(dict.fromkeys(reversed(leaders)))))

        def likely(end: tuple[str, tuple[str, ...]]) -> tuple[bool, int, int]:
            link, joints = end
            turning = sum(self.joint(name).kind != 'prismatic' for name in joints)
            return not TIP_NAMES.search(link), -turning, len(joints)

        return sorted(found, key=likely)

    def said_ends(self) -> str:
        """Return the links at the ends in words."""
        return 'links at an end are ' + ', '.join(
            f'{link} (moved by {", ".join(joints) or "nothing"})' for link, joints in self.ends())


def read_description(urdf: str | Path) -> Description:
    """Read a robot from a URDF or xacro file, or from the text of a URDF.

    A xacro is expanded where the package xacro is installed. Raises ArmError where there is no
    such file, or it is not a robot.
    """
    if isinstance(urdf, str) and urdf.lstrip().startswith('<'):
        return description_in(urdf)
    source = str(urdf)
    try:
        root = _root(Path(urdf).read_bytes(), source)
    except OSError as error:
        raise ArmError(f'{source}: cannot be read: {error.strerror}') from None
    return _described(_root(_expanded(source), source) if _is_xacro(root) else root, source)


def description_in(text: str, source: str = 'robot description') -> Description:
    """Read a robot from the text of a URDF; `source` says in messages where it comes from.

    Raises ArmError where it is not a robot, or a xacro.
    """
    root = _root(text, source)
    if _is_xacro(root):
        raise ArmError(f'{source}: this is xacro, not yet expanded: give its file, {INSTEAD}')
    return _described(root, source)


def _root(text: str | bytes, source: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ArmError(f'{source}: not XML: {error}') from None


def _described(root: ElementTree.Element, source: str) -> Description:
    if root.tag != 'robot':
        raise ArmError(f'{source}: the root element is <{root.tag}>, expected <robot> as in a '
                       f'URDF')
    joints = tuple(_joint(element, source) for element in root.findall('joint'))
    _check(joints, source)
    return Description(
        root.get('name', 'arm'), tuple(str(link.get('name')) for link in root.findall('link')),
        joints, _efforts(root), ElementTree.tostring(root, encoding='unicode'), source)


def transform_of(xyz: Sequence[float], rpy: Sequence[float]) -> np.ndarray:
    """Return the transform [4, 4] of a URDF's origin, m and rad."""
    roll, pitch, yaw = rpy
    transform = np.eye(4)
    transform[:3, 3] = xyz
    transform[:3, :3] = _about('z', yaw) @ _about('y', pitch) @ _about('x', roll)
    return transform


def _is_xacro(root: ElementTree.Element) -> bool:
    """Return whether something is left to expand; a mere declaration of the name space is not."""
    return any('xacro' in element.tag.split('}')[0]
               or any('${' in value or '$(' in value for value in element.attrib.values())
               for element in root.iter())


def _expanded(source: str) -> str:
    try:
        import xacro
    except ImportError:
        raise ArmError(f'{source}: this is xacro, which the package xacro expands: `pip install '
                       f'xacro` (apt install ros-$ROS_DISTRO-xacro), {INSTEAD}') from None
    try:
        with redirect_stderr(io.StringIO()), plain_expressions():
            return xacro.process_file(source).toxml()
    except Exception as error:  # whatever its includes and expressions raise
        why = ' '.join(str(error).split()) or type(error).__name__
        raise ArmError(f'{source}: xacro cannot expand it ({why}): source the workspace of its '
                       f'includes, {INSTEAD}') from None


def _check(joints: tuple[Joint, ...], source: str) -> None:
    """Refuse names that occur twice, a link that hangs on two joints, and impossible mimics."""
    known = {joint.name: joint for joint in joints}
    for what, names in (('joint', [joint.name for joint in joints]),
                        ('link', [joint.child for joint in joints])):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ArmError(f'{source}: {what} {twice!r} occurs twice' + (
                '' if what == 'joint' else ' as the child of a joint'))
    for joint in joints:
        at = joint
        for _ in joints:
            if at.mimic is None:
                break
            if at.mimic.joint not in known or not known[at.mimic.joint].moves:
                raise ArmError(f'{source}: joint {at.name!r} mimics {at.mimic.joint!r}, which is '
                               f'no joint that moves')
            at = known[at.mimic.joint]
        if at.mimic is not None:
            raise ArmError(f'{source}: joint {joint.name!r} mimics itself in the end')


def _efforts(root: ElementTree.Element) -> dict[str, float]:
    efforts = {}
    for element in root.findall('joint'):
        limit = element.find('limit')
        try:
            efforts[element.get('name')] = float(limit.get('effort'))
        except (AttributeError, TypeError, ValueError):
            continue
    return efforts


def _attribute(element: ElementTree.Element, tag: str, attribute: str, source: str) -> str:
    child = element.find(tag)
    value = None if child is None else child.get(attribute)
    if value is None:
        raise ArmError(f'{source}: joint {element.get("name")!r} has no <{tag} {attribute}=...>')
    return value


def _number(element: ElementTree.Element, tag: str, attribute: str, default: str, source: str
            ) -> float:
    child = element.find(tag)
    text = default if child is None else child.get(attribute, default)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise ArmError(f'{source}: joint {element.get("name")!r}: {tag} {attribute}={text!r}, '
                       f'expected a number')
    return value


def _numbers(element: ElementTree.Element, tag: str, attribute: str, default: str, source: str
             ) -> np.ndarray:
    child = element.find(tag)
    text = default if child is None else child.get(attribute, default)
    try:
        values = np.array([float(x) for x in text.split()])
    except ValueError:
        values = np.array([])
    if len(values) != 3 or not np.isfinite(values).all():
        raise ArmError(f'{source}: joint {element.get("name")!r}: <{tag} {attribute}={text!r}>, '
                       f'expected three numbers')
    return values


def _joint(element: ElementTree.Element, source: str) -> Joint:
    name, kind = str(element.get('name')), str(element.get('type'))
    origin = transform_of(_numbers(element, 'origin', 'xyz', '0 0 0', source),
                          _numbers(element, 'origin', 'rpy', '0 0 0', source))
    axis = _numbers(element, 'axis', 'xyz', '1 0 0', source)
    length = np.linalg.norm(axis)
    if kind in MOVING and length == 0:
        raise ArmError(f'{source}: joint {name!r} has an axis of length zero')
    limits = {key: _number(element, 'limit', key, '0', source)
              for key in ('lower', 'upper', 'velocity', 'acceleration')}
    if kind == 'continuous':
        limits['lower'], limits['upper'] = -math.inf, math.inf
    mimic = None
    if kind in MOVING and element.find('mimic') is not None:
        mimic = Mimic(_attribute(element, 'mimic', 'joint', source),
                      _number(element, 'mimic', 'multiplier', '1', source),
                      _number(element, 'mimic', 'offset', '0', source))
    return Joint(name, kind, _attribute(element, 'parent', 'link', source),
                 _attribute(element, 'child', 'link', source), origin, axis / (length or 1.0),
                 **limits, mimic=mimic)


def _about(axis: str, angle: float) -> np.ndarray:
    cos, sin = math.cos(angle), math.sin(angle)
    return {'x': np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]),
            'y': np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]),
            'z': np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])}[axis]
