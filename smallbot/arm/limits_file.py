# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Limits of joints from a file that MoveIt or ros2_control has beside the URDF.

Both have `joint_limits`, by joint: MoveIt at the top of joint_limits.yaml, ros2_control among a
node's `ros__parameters`. Numbers are rad and seconds (m where a joint is prismatic). Limits of
jerk and effort, and soft limits, are left aside: nothing here keeps to them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
import math
from pathlib import Path
import re
from typing import Any, NamedTuple

import yaml

from smallbot.arm.description import ArmError, Joint
from smallbot.files.plain import read_yaml
from smallbot.files.writing import read_bytes

ENTRY = re.compile(r'(?:^|(?P<place>.*)\.)joint_limits\.(?P<joint>.+)\.(?P<field>\w+)$')
"""Where a value stands, its keys joined with dots, as parameters may be written anyway."""
SCALING = re.compile(r'(?:^|\.)(default_\w+_scaling_factor)$')
"""MoveIt's own: how much of the limits its plans use where they do not say."""
LARGEST = 2 ** 24
"""Bytes of a file."""
DEEPEST = 8
"""Mappings within each other that are looked into; robots' files have at most six."""


class Bounds(NamedTuple):
    """What a file allows a joint, rad and seconds (m); infinite where it says nothing."""

    lower: float = -math.inf
    upper: float = math.inf
    velocity: float = math.inf
    acceleration: float = math.inf

    def within(self, other: 'Bounds') -> 'Bounds':
        """Return the narrower of both."""
        return Bounds(max(self.lower, other.lower), *map(min, self[1:], other[1:]))


@dataclass(frozen=True)
class LimitsFile:
    """The limits of a file by joint, whether or not an arm has that joint."""

    source: str
    """For messages."""
    joints: dict[str, Bounds]
    scaling: dict[str, float]
    """MoveIt's default scaling factors, which change no limit."""

    def narrowed(self, joint: Joint, bounds: Bounds) -> Bounds:
        """Return `bounds` of a joint as far as the file allows; raises ArmError for no room."""
        given = self.joints.get(joint.name, Bounds())
        found = bounds.within(given)
        if not found.lower < found.upper:
            raise ArmError(f'{self.source}: joint {joint.name!r}: {given.lower:g} to '
                           f'{given.upper:g} {joint.unit} leave no room within '
                           f'{bounds.lower:g} to {bounds.upper:g}')
        return found

    def check_names(self, driven: Sequence[str]) -> None:
        """Refuse a file that limits none of the driven joints; raises ArmError."""
        if not set(driven) & set(self.joints):
            raise ArmError(f'{self.source}: joint_limits of {", ".join(self.joints)}, expected '
                           f'some of the driven joints, {", ".join(driven)}')

    def said(self, joints: Sequence[Joint]) -> list[str]:
        """Return lines that say what of the file counts for the driven `joints`."""
        limited = [joint for joint in joints if joint.name in self.joints]
        others = len(self.joints) - len(limited)
        lines = [f'{self.source}: limits {", ".join(joint.name for joint in limited)}' + (
            f'; left aside: {others} other joint{"s" * (others > 1)}' if others else '')]
        wider = []
        for joint in limited:
            own, given = stated(joint), self.joints[joint.name]
            wider += [f'{joint.name} {what} {there:g} (URDF {here:g})'
                      for what, here, there, beyond in zip(
                          ('lower', 'upper', 'velocity', 'acceleration'), own, given,
                          (given.lower < own.lower, *(a > b for a, b in zip(given[1:], own[1:]))))
                      if beyond and math.isfinite(there)]
        if wider:
            lines.append(f'{self.source}: wider than the URDF, whose limits count: '
                         f'{", ".join(wider)}')
        if self.scaling:
            lines.append(f"{self.source}: scales MoveIt's plans, no limit: "
                         + ', '.join(f'{key} {value:g}' for key, value in self.scaling.items()))
        return lines


def stated(joint: Joint) -> Bounds:
    """Return what the URDF allows a joint, infinite where it says nothing."""
    ends = (joint.lower, joint.upper) if joint.lower < joint.upper else (-math.inf, math.inf)
    return Bounds(*ends, joint.velocity or math.inf, joint.acceleration or math.inf)


def read_limits(path: Path) -> LimitsFile:
    """Read the limits of joints from a YAML file of MoveIt or of ros2_control.

    Where several nodes limit a joint, the narrowest counts. Raises ArmError, which names file and
    joint, where there are no limits or a value is none.
    """
    try:
        values = read_yaml(read_bytes(path, LARGEST))
    except OSError as error:
        raise ArmError(f'{path}: cannot be read: {error.strerror}') from None
    except ValueError as error:
        raise ArmError(f'{path}: {error}: no joint_limits of MoveIt or ros2_control') from None
    except yaml.constructor.ConstructorError as error:
        raise ArmError(f'{path}: line {error.problem_mark.line + 1}: {error.problem}: expected '
                       f'plain numbers, rad; !degrees is for xacro') from None
    except yaml.YAMLError as error:
        raise ArmError(f'{path}: not YAML: {" ".join(str(error).split())}') from None
    if not isinstance(values, Mapping):
        raise ArmError(f'{path}: found {_short(values)}, expected a mapping with joint_limits as '
                       f'of MoveIt or ros2_control')
    entries: dict[tuple[str | None, str], dict[str, Any]] = {}
    scaling = {}
    for key, value in _leaves(values):
        entry, factor = ENTRY.match(key), SCALING.search(key)
        if entry:
            entries.setdefault((entry['place'], entry['joint']), {})[entry['field']] = value
        elif re.search(r'(^|\.)joint_limits(\.|$)', key):
            raise ArmError(f'{path}: {key}: found {_short(value)}, expected a mapping of limits')
        elif factor:
            scaling[factor[1]] = _number(value, f'{path}: {key}')
    if not entries:
        raise ArmError(f"{path}: no joint_limits, at the top as in MoveIt's or among a node's "
                       f'ros__parameters')
    joints: dict[str, Bounds] = {}
    for (_, joint), given in entries.items():
        bounds = _bounds(given, f'{path}: joint {joint!r}')
        joints[joint] = joints.get(joint, Bounds()).within(bounds)
    return LimitsFile(str(path), joints, scaling)


def _leaves(values: Mapping[Any, Any], above: str = '', depth: int = 0
            ) -> Iterator[tuple[str, Any]]:
    """Yield what is no mapping, and its keys joined with dots."""
    for key, value in values.items():
        if not isinstance(value, Mapping):
            yield f'{above}{key}', value
        elif depth < DEEPEST:
            yield from _leaves(value, f'{above}{key}.', depth + 1)


def _bounds(given: Mapping[str, Any], where: str) -> Bounds:
    """Return what the entries of one joint say; one without `has_..._limits` counts."""
    found = {}
    for what, keys in (('position', ('min_position', 'max_position')),
                       ('velocity', ('max_velocity',)), ('acceleration', ('max_acceleration',)),
                       ('deceleration', ('max_deceleration',))):
        flag = given.get(f'has_{what}_limits', any(key in given for key in keys))
        if not isinstance(flag, bool):
            raise ArmError(f'{where}: has_{what}_limits: {_short(flag)}, expected true or false')
        if flag:
            found[what] = [_number(given.get(key), f'{where}: {key}', what == 'position')
                           for key in keys]
    low, high = found.get('position', (-math.inf, math.inf))
    if not low < high:
        raise ArmError(f'{where}: min_position {low:g}, expected below max_position {high:g}')
    none = [math.inf]
    return Bounds(low, high, *found.get('velocity', none), min(
        *found.get('acceleration', none), *found.get('deceleration', none)))


def _number(value: Any, where: str, any_sign: bool = False) -> float:
    """Return a finite number, above zero unless it may have `any_sign`; raises ArmError."""
    if (isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)
            or not any_sign and value <= 0):
        found = 'nothing' if value is None else _short(value)
        raise ArmError(f'{where}: {found}, expected a number as in 1.5'
                       + (not any_sign) * ', above 0')
    return float(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f'{text[:37]}...'
