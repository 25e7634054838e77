# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A process that follows trajectories as ros2_control's joint_trajectory_controller does.

What that controller's source says: a goal must name every joint, once, have positions and
velocities for all, times that increase and an end at rest, or it is dropped. A new one replaces
the old at the next cycle. A zero stamp means now; from the state commanded last
(`interpolate_from_desired_state`) a cubic leads to the first point, cubics lead on, and after the
last point its position is held. The joints are ideal, until `~/block`.
"""

import sys

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from smallbot.nodes.common.messages import from_trajectory, RELIABLE, STREAM
from smallbot.nodes.common.spin import run

PERIOD = 0.005


def cubic(start, end, since, span):
    """Return position and velocity `since` s after `start`, on the way of `span` s to `end`."""
    share = since / span
    (p, v), (q, w) = start, end
    position = ((1 + 2 * share) * (1 - share) ** 2 * p + share * (1 - share) ** 2 * span * v
                + share ** 2 * (3 - 2 * share) * q + share ** 2 * (share - 1) * span * w)
    velocity = (6 * share * (1 - share) * (q - p) / span
                + (1 - share) * (1 - 3 * share) * v + share * (3 * share - 2) * w)
    return position, velocity


class TrajectoryFollower(Node):
    """Follows `joint_trajectory_controller/joint_trajectory`, publishes `joint_states`."""

    def __init__(self):
        super().__init__('trajectory_follower')
        self.joints = self.declare_parameter('joints', ['base', 'shoulder']).value
        at = self.declare_parameter('at', [0.0] * len(self.joints)).value
        self.state = np.array(at), np.zeros(len(at))
        self.new = self.points = self.shown = None
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.publisher = self.create_publisher(JointState, 'joint_states', STREAM)
        self.create_subscription(JointTrajectory, 'joint_trajectory_controller/joint_trajectory',
                                 self.take, RELIABLE)
        self.create_service(Trigger, '~/block', self.block)
        self.create_timer(PERIOD, self.cycle, clock=self.steady)

    def take(self, message):
        time, position = from_trajectory(message)
        velocity = np.array([point.velocities for point in message.points])
        order = [list(message.joint_names).index(joint) for joint in self.joints
                 if joint in message.joint_names]
        stamp = message.header.stamp
        if (sorted(message.joint_names) != sorted(self.joints) or velocity.shape != position.shape
                or not len(time) or (np.diff(time) <= 0).any() or time[0] <= 0
                or (np.abs(velocity[-1]) > 1e-7).any() or stamp.sec or stamp.nanosec):
            self.get_logger().error('goal dropped')
            return
        self.new = time, position[:, order], velocity[:, order]

    def cycle(self):
        now = self.steady.now().nanoseconds * 1e-9
        if self.new is not None:
            time, position, velocity = self.new
            self.new = None
            self.points = (np.append(now, now + time), np.vstack([self.state[0], position]),
                           np.vstack([self.state[1], velocity]))
        if self.points is not None:
            time, position, velocity = self.points
            at = np.searchsorted(time, now + PERIOD, side='right') - 1
            if at >= len(time) - 1:
                self.state = position[-1], velocity[-1]
            else:
                self.state = cubic((position[at], velocity[at]),
                                   (position[at + 1], velocity[at + 1]),
                                   now + PERIOD - time[at], time[at + 1] - time[at])
        position, velocity = self.shown or self.state
        message = JointState(name=self.joints, position=position.tolist(),
                             velocity=velocity.tolist())
        message.header.stamp = self.get_clock().now().to_msg()
        self.publisher.publish(message)

    def block(self, _, response):
        self.shown = self.state[0], np.zeros_like(self.state[1])
        response.success = True
        return response

    def stop(self):
        pass


if __name__ == '__main__':
    sys.exit(run(TrajectoryFollower))
