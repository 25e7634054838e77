"""Node `arm_simulator`: an arm that exists only as numbers, in the place of a driver.

Subscribes `velocity_controller/commands` (Float64MultiArray, rad/s, in the order of `joints`)
and `guide` (JointTrajectory: a person's hand that takes the arm along); publishes `joint_states`.
Services `~/home` (all joints to zero at 0.2 rad/s) and `~/reset` (stand still, let go).
Commands that stop coming are no commands: the arm brakes after `command_timeout`.
"""

import sys
import time

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from smallbot.arm.kinematics import Arm, urdf_path
from smallbot.arm.simulated import KinematicArm
from smallbot.errors import InputError
from smallbot.nodes.messages import COMMAND, EVENTS, trajectory_arrays
from smallbot.nodes.parameters import declare
from smallbot.nodes.spin import run
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

LONGEST_STEP = 0.05
"""Longest time the arm moves on at once after a pause of the process, s."""


class ArmSimulator(Node):
    """Moves a KinematicArm on by the measured time and publishes what it does."""

    threads = 1

    def __init__(self, **options):
        """Take `options` of rclpy.node.Node; raises InputError for bad parameters."""
        super().__init__('arm_simulator', **options)
        settings = declare(self, 'arm_simulator')
        arm = Arm.from_urdf(settings.urdf or urdf_path(), settings.joints, settings.tip)
        self._arm = KinematicArm(arm, settings.command_timeout)
        self._stepped = time.monotonic()
        self._every = max(1, round(settings.physics_rate / settings.state_rate))
        self._ticks = 0
        self._was_commanded = False
        self._states = self.create_publisher(JointState, 'joint_states', EVENTS)
        self.create_subscription(Float64MultiArray, 'velocity_controller/commands',
                                 self._on_command, COMMAND)
        self.create_subscription(JointTrajectory, 'guide', self._on_guide, EVENTS)
        self.create_service(Trigger, '~/home', self._on_home)
        self.create_service(Trigger, '~/reset', self._on_reset)
        self.create_timer(1 / settings.physics_rate, self._step,
                          clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f'{arm.name}: simulating {", ".join(arm.driven)} at '
                               f'{settings.physics_rate:g} Hz')

    def stop(self) -> None:
        """Nothing to leave in order: without this node there is no arm."""

    def _step(self) -> None:
        now = time.monotonic()
        self._arm.step(min(now - self._stepped, LONGEST_STEP), now)
        self._stepped = now
        expired = self._arm.command_age.expired(now)
        if expired and self._was_commanded and abs(self._arm.velocity).max() > 0:
            self.get_logger().warning('velocity commands have ceased: the arm brakes')
        self._was_commanded = not expired
        self._ticks += 1
        if self._ticks % self._every == 0:
            names, position, velocity = self._arm.joint_state()
            message = JointState(name=list(names), position=position.tolist(),
                                 velocity=velocity.tolist())
            message.header.stamp = self.get_clock().now().to_msg()
            self._states.publish(message)

    def _on_command(self, message: Float64MultiArray) -> None:
        try:
            self._arm.command(message.data, time.monotonic())
        except ValueError as error:
            self.get_logger().warning(f'dropped: {error}', throttle_duration_sec=1.0)

    def _on_guide(self, message: JointTrajectory) -> None:
        driven = self._arm.arm.driven
        try:
            at, position = trajectory_arrays(message, 'guide')
            missing = [joint for joint in driven if joint not in message.joint_names]
            if missing:
                raise InputError(f'guide: no joint {missing[0]!r} among '
                                 f'{", ".join(message.joint_names)}')
            columns = [list(message.joint_names).index(joint) for joint in driven]
            self._arm.guide(at, position[:, columns], time.monotonic())
        except ValueError as error:
            self.get_logger().error(f'dropped: {error}')

    def _on_home(self, _, response: Trigger.Response) -> Trigger.Response:
        self._arm.home()
        response.success, response.message = True, 'on the way to all joints at zero'
        return response

    def _on_reset(self, _, response: Trigger.Response) -> Trigger.Response:
        self._arm.reset()
        response.success, response.message = True, 'standing still'
        return response


def main(args: list[str] | None = None) -> int:
    """Run the node; returns the exit code."""
    return run(ArmSimulator, 'arm_simulator', args)


if __name__ == '__main__':
    sys.exit(main())
