# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The URDF of a robot that runs: latched on a topic, or the parameter of a node.

robot_state_publisher has it as both. Not here: what the URDF says.
"""

import os

from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.client import Client
from rclpy.exceptions import NameValidationException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy
from rclpy.validate_full_topic_name import validate_full_topic_name
from std_msgs.msg import String

from smallbot.arm.description import ArmError
from smallbot.nodes.common.messages import LATCHED
from smallbot.nodes.common.spin import Onlooker, onlooker

NAME, PUBLISHER = 'robot_description', 'robot_state_publisher'
"""The topic, which is also the parameter, and the node that has it."""
WAIT = 5.0
"""How long it may take to be heard, s; a node of this network is found within a second."""
AGAIN = 1.0
"""After how long a node is asked again, s: an answer is lost where the node that is asked has
not yet found who asks."""


def published_description(topic: str, seconds: float = WAIT) -> tuple[str, str]:
    """Return the text that is latched on `topic`, and where it came from.

    Where nothing is, it is the parameter of the robot_state_publisher beside the topic. Empty:
    /robot_description. Raises ArmError after `seconds` without either.
    """
    topic = _full(topic or NAME, 'topic')
    beside = f'{topic.rpartition("/")[0]}/{PUBLISHER}'
    heard: list[String] = []
    with onlooker('smallbot_description') as looking:
        looking.node.create_subscription(String, topic, heard.append, LATCHED)
        client = _client(looking.node, beside)
        if looking.wait(seconds, lambda: heard):
            return heard[-1].data, f'topic:{topic}'
        text = _asked(looking, client, seconds) if client.service_is_ready() else None
        if text:
            return text, f'node:{beside}'
        raise ArmError(f'topic:{topic}: {_why_silent(looking.node, topic, seconds)}, nor has a '
                       f'node {beside} the parameter {NAME}; {_instead(looking.node)}')


def parameter_description(name: str, seconds: float = WAIT) -> tuple[str, str]:
    """Return the parameter robot_description of the node `name`, and where it came from.

    Empty: /robot_state_publisher. Raises ArmError where it is not told within `seconds`.
    """
    name = _full(name or PUBLISHER, 'node')
    with onlooker('smallbot_description') as looking:
        client = _client(looking.node, name)
        if not looking.wait(seconds, client.service_is_ready):
            raise ArmError(f'node:{name}: no such node in {_domain()} after {seconds:g} s; '
                           f'{_instead(looking.node)}')
        text = _asked(looking, client, seconds)
        if not text:
            why = 'no answer' if text is None else f'its parameter {NAME} is not set'
            raise ArmError(f'node:{name}: {why}; {_instead(looking.node)}')
    return text, f'node:{name}'


def _full(name: str, what: str) -> str:
    """Return a name that begins at the root; raises ArmError where it cannot be one."""
    full = '/' + name.strip('/')
    try:
        validate_full_topic_name(full)
    except NameValidationException as error:
        why = str(error).splitlines()[0].partition(': ')[2].rstrip(':')
        raise ArmError(f'{what}:{name}: expected the name of a {what}: {why}') from None
    return full


def _client(node: Node, name: str) -> Client:
    return node.create_client(GetParameters, f'{name}/get_parameters')


def _asked(looking: Onlooker, client: Client, seconds: float) -> str | None:
    """Return the text that a node has, empty where it has none; None: no answer."""
    for _ in range(max(1, round(seconds / AGAIN))):
        answer = client.call_async(GetParameters.Request(names=[NAME]))
        if looking.wait(AGAIN, answer.done):
            values = answer.result().values
            return values[0].string_value if values and (
                values[0].type == ParameterType.PARAMETER_STRING) else ''
        client.remove_pending_request(answer)
    return None


def _why_silent(node: Node, topic: str, seconds: float) -> str:
    for found in node.get_publishers_info_by_topic(topic):
        if found.topic_type != 'std_msgs/msg/String':
            return f'{found.node_name} publishes {found.topic_type}, not std_msgs/msg/String'
        if found.qos_profile.durability != DurabilityPolicy.TRANSIENT_LOCAL:
            return (f'{found.node_name} publishes it without transient local durability, so that '
                    f'who comes later does not hear it')
    return f'nothing was published there in {_domain()} within {seconds:g} s'


def _instead(node: Node) -> str:
    """Return what may be done instead: topics that are there, else what to run."""
    others = [f'topic:{name}' for name, kinds in node.get_topic_names_and_types()
              if name.rpartition('/')[2] == NAME and 'std_msgs/msg/String' in kinds
              and node.count_publishers(name)]
    if others:
        return f'there is {", ".join(sorted(others))}'
    return (f"start the robot's driver, or `ros2 run {PUBLISHER} {PUBLISHER} arm.urdf`; with "
            f'ROS_DOMAIN_ID as it has')


def _domain() -> str:
    return f'domain {os.environ.get("ROS_DOMAIN_ID") or 0}'
