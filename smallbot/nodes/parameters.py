"""The one table of every node's parameters, and its declaration to ROS.

`config/one_shot_demo.yaml` repeats the defaults for users to edit; a test keeps the two equal.
"""

from dataclasses import dataclass
import math
import re
from types import SimpleNamespace
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from smallbot.errors import InputError


class ParameterError(InputError):
    """A node parameter that cannot be used; the message is one line."""


@dataclass(frozen=True)
class Setting:
    """One parameter of a node; its type is that of its default."""

    name: str
    default: Any
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    changeable: bool = False
    """Whether it may be set while the node runs; otherwise it is read-only."""

    def descriptor(self) -> ParameterDescriptor:
        """Return what `ros2 param describe` shows."""
        descriptor = ParameterDescriptor(
            description=self.description, read_only=not self.changeable,
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
        return f'{kind} from {self.low:g} to {self.high:g}'


JOINTS = Setting('joints', ['base', 'shoulder'], 'driven joints, the order of commands')
URDF = Setting('urdf', '', "robot description file (.urdf); empty: the shipped ED-Scorbot's")
TIP = Setting('tip', 'tool_tip', 'link of the robot description that is the tool tip')
MODEL = Setting('model', 'ed_scorbot', 'a shipped model by name, or the path of a .safetensors '
                'file; decides the driven joints')

TABLE: dict[str, tuple[Setting, ...]] = {
    'demo_recorder': (
        JOINTS, URDF, TIP,
        Setting('bag_directory', '.', 'folder in which each recording becomes a rosbag2 (MCAP)'),
        Setting('demonstration_file', '', 'bag or CSV to publish at start in place of a '
                'recording; empty: none'),
    ),
    'one_shot_learner': (
        MODEL, URDF, TIP,
        Setting('acknowledge_timeout', 10.0, 'how long ~/learn waits for the controller to '
                'program the update, s', 0.1, 600.0),
    ),
    'snn_controller': (
        MODEL, URDF, TIP,
        Setting('synapses', 'chip', 'what holds the weights: simulated phase-change memory, or '
                'float32', choices=('chip', 'software')),
        Setting('seed', 0, 'seed of the devices of a fresh chip', 0, 2 ** 31 - 1),
        Setting('chip_file', '', 'file of a named chip: loaded if it exists, saved after each '
                'programming; empty: a fresh chip that is not kept'),
        Setting('autostart', True, 'configure and activate at start'),
        Setting('control_rate', 100.0, 'velocity commands per second', 20.0, 1000.0),
        Setting('state_timeout', 0.5, 'age of joint_states beyond which the arm is stopped and '
                'the controller halts, s', 0.05, 5.0),
        Setting('duration', 0.0, "seconds the movement takes; 0: the demonstration's own, "
                'stretched where the arm needs it', 0.0, 600.0, changeable=True),
        Setting('allow_unlearned', False, 'also execute before the update, to see what the '
                'untaught network does', changeable=True),
    ),
    'arm_simulator': (
        JOINTS, URDF, TIP,
        Setting('physics_rate', 200.0, 'steps of the simulated arm per second', 50.0, 1000.0),
        Setting('state_rate', 100.0, 'joint_states per second, at most physics_rate',
                10.0, 1000.0),
        Setting('command_timeout', 0.5, 'age of a velocity command beyond which the arm brakes '
                'to a stop, s', 0.05, 5.0),
    ),
    'trajectory_display': (
        JOINTS, URDF, TIP,
        Setting('rate', 10.0, 'paths and markers per second', 1.0, 50.0),
        Setting('longest_path', 2000, 'points the reproduced path keeps', 2, 100000),
    ),
    'demo_director': (
        MODEL, URDF, TIP,
        Setting('demonstration', '', 'bag or CSV along which the simulated arm is guided; '
                'required'),
        Setting('patience', 30.0, 'how long a step of the demo may keep it waiting, beyond the '
                "movement's own duration, s", 1.0, 600.0),
    ),
}


def declare(node: Node, name: str) -> SimpleNamespace:
    """Declare the parameters of node `name` and return their values as attributes.

    Raises ParameterError for a value of the wrong type, out of range or not among the choices.
    """
    values = {}
    for setting in TABLE[name]:
        try:
            value = node.declare_parameter(
                setting.name, setting.default, setting.descriptor()).value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            found = re.search(r"to '(.*)' of type|value \((.*)\) for", str(error))
            value = (found.group(1) or found.group(2)) if found else str(error)
            raise ParameterError(f'parameter {setting.name}: {value}, expected '
                                 f'{setting.expected()}') from None
        check(setting, value)
        values[setting.name] = value
    return SimpleNamespace(**values)


def check(setting: Setting, value: Any) -> None:
    """Refuse what a descriptor cannot: other choices, numbers that are not finite."""
    wrong = (setting.choices and value not in setting.choices
             or isinstance(value, float) and not math.isfinite(value)
             or isinstance(setting.default, list) and not value)
    if wrong:
        raise ParameterError(f'parameter {setting.name}: {value!r}, expected '
                             f'{setting.expected()}')
