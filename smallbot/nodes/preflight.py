# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What a launch was given and where it is to run, looked at before anything is started.

A launch file that fails between two nodes leaves the first ones behind, so everything that can be
known before is asked here: packages, arguments by the nodes' own tables, the parameter file, and
who runs already. Nothing of `launch` is imported. Not here: what is started (launch/).
"""

from collections.abc import Collection, Mapping
import difflib
import importlib
import os
from pathlib import Path
from typing import Any, NamedTuple

from ament_index_python.packages import get_package_prefix, PackageNotFoundError
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.exceptions import InvalidNamespaceException
from rclpy.validate_namespace import validate_namespace
from sensor_msgs.msg import JointState
import yaml

from smallbot.arm.kinematics import Arm, urdf_path
from smallbot.errors import InputError
from smallbot.nodes.common.company import ALIVE, named, named_node
from smallbot.nodes.common.messages import STATE
from smallbot.nodes.common.parameters import Parameter
from smallbot.nodes.common.spin import onlooker
from smallbot.one_shot.model import arm_of, load_model

NODES = ('arm_simulator', 'ed_scorbot_driver', 'demo_recorder', 'one_shot_learner',
         'snn_controller', 'trajectory_display', 'demo_director')
EVERY_NODE = ('use_sim_time', 'qos_overrides', 'start_type_description_service')
"""Parameters that every ROS node has beside its own."""
KNOWN_AFTER = 1.5
"""Time after which whoever runs is in the graph, s."""


class Argument(NamedTuple):
    """An argument of a launch file and the text it was given."""

    name: str
    text: str


def table(node: str) -> Mapping[str, Parameter]:
    """Return the parameters that a node of ours has."""
    return importlib.import_module(f'smallbot.nodes.{node}').PARAMETERS


def value(argument: Argument, parameter: Parameter) -> Any:
    """Return what a launch argument says, of the parameter's type; InputError where it does not.

    A parameter's list is not taken: no argument sets one.
    """
    kind = type(parameter.default)
    try:
        found = ({'true': True, 'false': False}[argument.text] if kind is bool
                 else kind(argument.text))
    except (KeyError, ValueError):
        found = None
    in_range = found is not None and parameter.fits(found) and (
        parameter.low is None or parameter.low <= found <= parameter.high)
    if not in_range:
        shown = 'what is given is not repeated here' if parameter.secret else argument.text
        raise InputError(f'{argument.name}:={shown}, expected {parameter.expected()}')
    return found


def values(node: str, given: Mapping[str, Argument]) -> dict[str, Any]:
    """Return values of a node's parameters by name; InputError where an argument is bad."""
    known = table(node)
    return {name: value(argument, known[name]) for name, argument in given.items()}


def check_namespace(namespace: str) -> None:
    """Refuse what cannot be a namespace; raises InputError."""
    try:
        validate_namespace(f'/{namespace.strip("/")}')
    except InvalidNamespaceException:
        raise InputError(f'namespace:={namespace}, expected letters, digits and underscores, a '
                         f'digit never first, / between the parts') from None


def check_parameters(path: str) -> None:
    """Refuse a file of parameters that no node would take what it says from; raises InputError."""
    where = f'params_file:={path}'
    try:
        written = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise InputError(f'{where}: it cannot be read ({error.strerror}); copy '
                         f'config/one_shot_demo.yaml of the package and change that') from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f'{where}: it is not YAML: {" ".join(str(error).split())}') from None
    if not isinstance(written, dict):
        raise InputError(f'{where}: expected names of nodes, and ros__parameters below each')
    for node, said in _nodes_in(written, ''):
        name = node.rpartition('/')[2]
        if name not in NODES:
            continue
        own = table(name)
        for parameter in said:
            plain = str(parameter).partition('.')[0]
            if plain not in own and plain not in EVERY_NODE:
                near = difflib.get_close_matches(plain, own, 1)
                raise InputError(f'{where}: {name} has no parameter {plain!r}'
                                 + (f'; is it {near[0]}?' if near else ''))


def _nodes_in(written: Mapping, above: str) -> list[tuple[str, Mapping]]:
    """Return names of nodes and their parameters; namespaces may stand above one another."""
    found = []
    for key, below in written.items():
        if not isinstance(below, dict):
            continue
        if 'ros__parameters' in below and isinstance(below['ros__parameters'] or {}, dict):
            found.append((f'{above}{key}', below['ros__parameters'] or {}))
        found += _nodes_in({name: inner for name, inner in below.items()
                            if name != 'ros__parameters'}, f'{above}{key}/')
    return found


def check_programs(wanted: Collection[tuple[str, str, str]]) -> None:
    """Refuse what is not installed, all of it in one line; raises InputError.

    `wanted`: package, executable, and the argument that does without ('': none does).
    """
    missing = {}
    for package, executable, without in wanted:
        try:
            there = os.access(Path(get_package_prefix(package), 'lib', package, executable),
                              os.X_OK)
        except PackageNotFoundError:
            there = False
        if not there:
            missing[package if without else f'{package}/{executable}'] = without
    if missing:
        does_without = ' '.join(filter(None, missing.values()))
        verb = 'is' if len(missing) == 1 else 'are'
        raise InputError(f'{" and ".join(missing)} {verb} not installed: nothing was started; '
                         + (f'{does_without} does without, or install with rosdep'
                            if all(missing.values()) else 'build the package anew with colcon'))


def shown_arm(model: str, urdf: str = '') -> Arm:
    """Return the arm of a model, with another description where `urdf` names one.

    Raises InputError for a model or a description that cannot be used.
    """
    arm = arm_of(config := load_model(model).config)
    return Arm.from_urdf(urdf_path(urdf), config.joints, config.arm.tip) if urdf else arm


def check_company(namespace: str, nodes: Collection[str], brings_arm: bool) -> None:
    """Refuse to start beside nodes of the same names, or a second arm; raises InputError.

    Listens for a moment, longer where somebody is in the graph: who was killed stays there for
    20 s and says nothing. `brings_arm`: whether what is to be started says where the arm is.
    """
    inside = f'/{namespace.strip("/")}'.rstrip('/')
    spoken, states = set(), []
    with onlooker('smallbot_launch') as looking:
        node = looking.node
        node.create_subscription(
            DiagnosticArray, '/diagnostics',
            lambda said: spoken.update(one.name.partition(':')[0] for one in said.status), STATE)
        topic = node.create_subscription(JointState, f'{inside}/joint_states', states.append,
                                         STATE).topic_name

        def twins() -> set[str]:
            return {named_node(*full) for full in node.get_node_names_and_namespaces()
                    if full[0] in nodes and full[1].rstrip('/') == inside}

        def arms() -> set[str]:
            return {named(info) for info in node.get_publishers_info_by_topic(topic)
                    if brings_arm}

        looking.wait(KNOWN_AFTER)
        if twins() or arms():
            looking.wait(ALIVE, lambda: all(
                name.rpartition('/')[2] in spoken for name in twins()) and (states or not arms()))
        alive = sorted(name for name in twins() if name.rpartition('/')[2] in spoken)
        moved = sorted(arms()) if states else []
    if not alive and not moved:
        return
    said = [f'{" and ".join(moved)} already says on {topic} where the arm is, and a second arm '
            f'beside it would make two publishers of one arm'] if moved else []
    if others := [name for name in alive if name not in moved]:
        said.append(f'{", ".join(others)} {"is" if len(others) == 1 else "are"} running already')
    raise InputError(f'{"; ".join(said)}: end what was started before, or keep them apart with '
                     f'namespace:=... or another ROS_DOMAIN_ID')
