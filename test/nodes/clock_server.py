# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Publishes `/clock` as a simulator does: at a speed, coarsely, paused, set back or silent."""

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rosgraph_msgs.msg import Clock as ClockMessage
from std_srvs.srv import Trigger

from smallbot.nodes.common.messages import RELIABLE
from smallbot.nodes.common.spin import run


class ClockServer(Node):
    """Goes on at `speed` times real time; `~/pause` pauses and goes on, `~/reset` sets it back."""

    def __init__(self):
        super().__init__('clock_server')
        self.speed = self.declare_parameter('speed', 1.0).value
        rate = self.declare_parameter('rate', 100.0).value
        self.real = Clock(clock_type=ClockType.STEADY_TIME)
        self.last, self.shown, self.paused = self.real.now().nanoseconds, 50 * 10 ** 9, False
        self.publisher = self.create_publisher(ClockMessage, '/clock', RELIABLE)
        self.create_service(Trigger, '~/pause', self.pause)
        self.create_service(Trigger, '~/reset', self.reset)
        self.create_timer(1 / rate, self.tell, clock=self.real)

    def tell(self):
        now = self.real.now().nanoseconds
        if not self.paused:
            self.shown += int(self.speed * (now - self.last))
            message = ClockMessage()
            message.clock.sec, message.clock.nanosec = divmod(self.shown, 10 ** 9)
            self.publisher.publish(message)
        self.last = now

    def pause(self, _, response):
        self.paused = not self.paused
        response.success = True
        return response

    def reset(self, _, response):
        self.shown = 10 ** 9
        response.success = True
        return response

    def stop(self):
        """Leave nothing to be stopped."""


if __name__ == '__main__':
    raise SystemExit(run(ClockServer))
