# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The frames of an arm on tf, where nobody else publishes them.

robot_state_publisher does it for whoever has it; it is known by the description that it latches.
Without tf2_msgs nothing can be published, and that is said. Not here: the description itself,
which controllers wait for: a driver has its own.
"""

from collections.abc import Mapping
import time

from geometry_msgs.msg import TransformStamped
import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from scipy.spatial.transform import Rotation

from smallbot.arm.description import Joint
from smallbot.arm.kinematics import Arm
from smallbot.nodes.common.messages import LATCHED, STREAM

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # not among the ROS 2 packages of PyPI
    TFMessage = None

WAIT = 3.0
"""How long robot_state_publisher may take to appear, s."""
SPACING = 1 / 30
"""Least time between two messages, s."""
DESCRIPTION = 'robot_description'
MISSING = ("nobody publishes the arm's frames: RViz shows paths, and no arm; start the launch "
           'with robot_state_publisher:=true, or the publisher that the driver of the arm brings')
INSTALL = '; where tf2_msgs is installed, trajectory_display publishes the frames by itself'


def transforms(arm: Arm, named: Mapping[str, float], moving: bool, stamp
               ) -> list[TransformStamped]:
    """Return the transforms of the joints that move, or of those that do not.

    Parameters: `named`, positions of joints, rad (m); those that lack, as the gripper's where a
    driver measures none, are where the description has them rest. `stamp` is a Time message.
    """
    description = arm.description
    found = []
    for joint in description.joints:
        if joint.moves != moving:
            continue
        at = 0.0
        if moving:
            leader, factor, offset = description.leader(joint.name)
            at = factor * named.get(leader, arm.resting(leader)) + offset
        found.append(_transform(joint, at, stamp))
    return found


def _transform(joint: Joint, at: float, stamp) -> TransformStamped:
    matrix = joint.origin @ joint.motion(at)
    made = TransformStamped(child_frame_id=joint.child)
    made.header.frame_id, made.header.stamp = joint.parent, stamp
    shift, turn = made.transform.translation, made.transform.rotation
    shift.x, shift.y, shift.z = (float(value) for value in matrix[:3, 3])
    turn.x, turn.y, turn.z, turn.w = (
        float(value) for value in Rotation.from_matrix(matrix[:3, :3]).as_quat())
    return made


class Frames:
    """Publishes `tf` and `tf_static`, in the node's namespace, while nobody else has an arm's."""

    def __init__(self, node: Node, arm: Arm):
        """`look` is to be called from time to time, `moved` with every state."""
        self._node, self._arm = node, arm
        self._began, self._told_at, self._said = time.monotonic(), -np.inf, False
        self._publishers: list[Publisher] = []

    def look(self) -> None:
        """Begin, or leave it to who publishes a description."""
        node = self._node
        others = node.count_publishers(node.resolve_topic_name(DESCRIPTION))
        if others:
            for publisher in self._publishers:
                node.destroy_publisher(publisher)
            self._publishers, self._began = [], time.monotonic()
        elif time.monotonic() < self._began + WAIT or self._publishers:
            return
        elif TFMessage is None:
            if not self._said:
                node.get_logger().info(MISSING + INSTALL)
            self._said = True
        else:
            self._publishers = [node.create_publisher(TFMessage, 'tf', STREAM),
                                node.create_publisher(TFMessage, 'tf_static', LATCHED)]
            self._publishers[1].publish(TFMessage(transforms=transforms(
                self._arm, {}, False, node.get_clock().now().to_msg())))
            node.get_logger().info('nobody else publishes the frames of the arm: tf is published '
                                   'here')

    def moved(self, names, positions, stamp) -> None:
        """Publish where the joints of a state are, not too often."""
        now = time.monotonic()
        if not self._publishers or now < self._told_at + SPACING:
            return
        self._told_at = now
        named = {name: at for name, at in zip(names, positions) if np.isfinite(at)}
        self._publishers[0].publish(TFMessage(transforms=transforms(
            self._arm, named, True, stamp)))
