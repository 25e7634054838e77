# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Node parameters: declared with description and range, refused in one line.

Each node file has the table of its own parameters; `config/one_shot_demo.yaml` repeats the
defaults for users to edit, and a test keeps the two equal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math
import re
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from smallbot.arm.kinematics import Arm, urdf_path
from smallbot.errors import InputError
from smallbot.one_shot.model import arm_of, load_model, OneShotModel


class ParameterError(InputError):
    """A node parameter that cannot be used; the message is one line."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a node, read-only once the node runs; its type is that of its default."""

    default: Any
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    """Whether no text may repeat its value."""

    def descriptor(self) -> ParameterDescriptor:
        """Return what `ros2 param describe` shows."""
        descriptor = ParameterDescriptor(
            description=self.description, read_only=True,
            additional_constraints=f'one of {", ".join(self.choices)}' if self.choices else '')
        if self.low is not None and self.high is not None:
            if isinstance(self.default, float):
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=self.low, to_value=self.high, step=0.0)]
            else:
                descriptor.integer_range = [
                    IntegerRange(from_value=int(self.low), to_value=int(self.high), step=1)]
        return descriptor

    def expected(self) -> str:
        """Return in words what a value has to be."""
        if self.choices:
            return f'one of {", ".join(self.choices)}'
        kind = {bool: 'true or false', int: 'a whole number', float: 'a decimal number as in 1.0',
                str: 'text', list: 'a list of names'}[type(self.default)]
        if self.low is None:
            return kind
        low, high = ((f'{self.low:g}', f'{self.high:g}') if isinstance(self.default, float)
                     else (self.low, self.high))
        return f'{kind}, from {low} to {high}'

    def fits(self, value: Any) -> bool:
        """Return whether a value is more than of the right type and in range."""
        if self.choices:
            return value in self.choices
        if isinstance(self.default, float):
            return math.isfinite(value)
        return bool(value) or not isinstance(self.default, list)


def declare(node: Node, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """Declare the parameters of a node and return their values by name.

    Raises ParameterError for a value of the wrong type, out of range or not among the choices.
    """
    values = {}
    for name, parameter in parameters.items():
        where = f'{node.get_name()}: parameter {name}'
        try:
            value = node.declare_parameter(name, parameter.default, parameter.descriptor()).value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            found = re.search(r"to '(.*)' of type|value \((.*)\) for", str(error))
            given = (found.group(1) or found.group(2)) if found else str(error)
            if parameter.secret:
                given = 'what is given is not repeated here'
            raise ParameterError(f'{where}: {given}, expected {parameter.expected()}') from None
        if not parameter.fits(value):
            raise ParameterError(f'{where}: {value!r}, expected {parameter.expected()}')
        values[name] = value
    return values


ARM_PARAMETERS = {
    'urdf': Parameter('', 'robot description: a file, or the name of one that comes with the '
                          'package; empty: ed_scorbot'),
    'tip': Parameter('tool_tip', 'link whose origin is the tool tip'),
}
"""What every node that knows an arm is told of it."""
ARM_OF = {
    'arm_of': Parameter('', 'shipped model, or path of a .safetensors file, whose arm it is, with '
                            'its joints, limits and tool tip, where no urdf is given; empty: as '
                            'said by urdf, joints and tip'),
}
"""What a node without a model may be told instead, so that it need not be told more."""
MODEL_ARM_PARAMETERS = {
    'urdf': Parameter('', 'robot description: a file, or the name of one that comes with the '
                          'package; empty: the arm and the limits of the model'),
    'tip': Parameter('tool_tip', 'link whose origin is the tool tip, where urdf is given'),
}
"""What a node that has a model is told of its arm."""


def chosen_arm(values: Mapping[str, Any], joints: Sequence[str]) -> Arm:
    """Return the arm that `ARM_PARAMETERS` among `values` describe, driven by `joints`.

    Without a description it may be that of a model, `ARM_OF`. Raises ArmError for a description
    and ModelError for a model that cannot be used.
    """
    if values.get('arm_of') and not values['urdf']:
        return arm_of(load_model(values['arm_of']).config)
    return Arm.from_urdf(urdf_path(values['urdf']), joints, values['tip'])


def model_arm(values: Mapping[str, Any], model: OneShotModel) -> Arm:
    """Return the arm that `model` was made for, unless `values` name another description.

    Raises ArmError for a description that cannot be used.
    """
    if not values['urdf']:
        return arm_of(model.config)
    return Arm.from_urdf(urdf_path(values['urdf']), model.joints, values['tip'])
