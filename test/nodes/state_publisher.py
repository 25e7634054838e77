# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Stands in for robot_state_publisher: has a robot's description as it does, or as others do."""

from pathlib import Path

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Int32, String

from smallbot.nodes.common.spin import run


class StatePublisher(Node):
    """Publishes the text of the file `urdf` as `publishing` says, or has it as a parameter."""

    def __init__(self):
        super().__init__('robot_state_publisher')
        text = Path(self.declare_parameter('urdf', '').value).read_text()
        how = self.declare_parameter('publishing', 'latched').value
        self.declare_parameter('robot_description', text if how != 'latched' else '')
        if how == 'not':
            return
        durability = (DurabilityPolicy.VOLATILE if how == 'once'
                      else DurabilityPolicy.TRANSIENT_LOCAL)
        kind = Int32 if how == 'numbers' else String
        publisher = self.create_publisher(kind, 'robot_description',
                                          QoSProfile(depth=1, durability=durability))
        publisher.publish(Int32() if how == 'numbers' else String(data=text))

    def stop(self) -> None:
        """Leave nothing to be stopped."""


if __name__ == '__main__':
    raise SystemExit(run(StatePublisher))
