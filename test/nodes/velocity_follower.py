# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A process that takes velocities as ros2_control's forward_command_controller does.

A message of another number of values than it has joints is dropped. It can be slow, by `share`
of what it is told, have a joint that is stuck, and begin late.
"""

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from smallbot.nodes.common.messages import RELIABLE, STREAM
from smallbot.nodes.common.spin import run

PERIOD, DEAD_MAN = 0.005, 0.5


class VelocityFollower(Node):
    """Follows `velocity_controller/commands`, or another `topic`; publishes `joint_states`."""

    def __init__(self):
        super().__init__('velocity_follower')
        self.joints = self.declare_parameter('joints', ['base', 'shoulder']).value
        self.share = np.full(len(self.joints), self.declare_parameter('share', 1.0).value)
        stuck = self.declare_parameter('stuck', '').value
        if stuck:
            self.share[self.joints.index(stuck)] = 0.0
        topic = self.declare_parameter('topic', 'velocity_controller/commands').value
        self.real = Clock(clock_type=ClockType.STEADY_TIME)
        self.position, self.velocity = np.zeros(len(self.joints)), np.zeros(len(self.joints))
        self.last = self.told = self.now()
        self.publisher = self.create_publisher(JointState, 'joint_states', STREAM)
        self.create_subscription(Float64MultiArray, topic, self.take, RELIABLE)
        self.create_timer(PERIOD, self.cycle, clock=self.real)

    def now(self):
        return self.real.now().nanoseconds * 1e-9

    def take(self, message):
        if len(message.data) != len(self.joints):
            self.get_logger().error(f'command size ({len(message.data)}) does not match number '
                                    f'of interfaces ({len(self.joints)})')
            return
        self.velocity, self.told = np.array(message.data), self.now()

    def cycle(self):
        now = self.now()
        if now - self.told > DEAD_MAN:
            self.velocity = np.zeros_like(self.velocity)
        self.position = self.position + self.share * self.velocity * (now - self.last)
        self.last = now
        message = JointState(name=self.joints, position=self.position.tolist(),
                             velocity=(self.share * self.velocity).tolist())
        message.header.stamp = self.get_clock().now().to_msg()
        self.publisher.publish(message)

    def stop(self):
        """Stand still."""


if __name__ == '__main__':
    raise SystemExit(run(VelocityFollower))
