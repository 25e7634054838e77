"""A simulated arm: follows velocity commands, can be guided or pushed, stops by itself."""

from collections.abc import Sequence

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from smallbot.demonstration.samples import from_joint_states
from smallbot.errors import InputError
from smallbot.nodes.common.guarded import Guarded
from smallbot.nodes.common.messages import from_trajectory, joint_values, RELIABLE, STREAM
from smallbot.nodes.common.parameters import (
    ARM_OF,
    ARM_PARAMETERS,
    chosen_arm,
    declare,
    Parameter,
)
from smallbot.nodes.common.spin import run
from smallbot.simulation.simulated import MODELS, SimulatedArm

PARAMETERS = {
    **ARM_PARAMETERS,
    **ARM_OF,
    'joints': Parameter(['base', 'shoulder'], 'driven joints, in the order of the commands'),
    'model': Parameter(
        'kinematic', 'what the joints are: ideal, bodies in MuJoCo, or as the real ED-Scorbot was '
                     'measured', choices=tuple(MODELS)),
    'rate': Parameter(200.0, 'rate of the simulation and of joint_states, Hz', 100.0, 1000.0),
    'command_timeout': Parameter(
        0.5, 'age of a command beyond which the arm brakes, s', 0.01, 10.0),
}


class ArmSimulator(Guarded, Node):
    """Publishes `joint_states`; takes `velocity_controller/commands`, `guide`, `push`."""

    def __init__(self, **options):
        super().__init__('arm_simulator', **options)
        chosen = declare(self, PARAMETERS)
        arm = chosen_arm(chosen, chosen['joints'])
        self.arm = SimulatedArm(arm, chosen['model'], chosen['command_timeout'])
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._last = self._now()
        self._states = self.create_publisher(JointState, 'joint_states', STREAM)
        self.create_subscription(
            Float64MultiArray, 'velocity_controller/commands', self._on_command, RELIABLE)
        self.create_subscription(JointTrajectory, 'guide', self._on_guide, RELIABLE)
        self.create_subscription(Float64MultiArray, 'push', self._on_push, RELIABLE)
        self.create_service(Trigger, '~/home', self._on_home)
        self.create_service(Trigger, '~/reset', self._on_reset)
        self.create_timer(1 / chosen['rate'], self._tick, clock=self._steady)

    def stop(self) -> None:
        """Stand still."""
        self.arm.reset()

    def _now(self) -> float:
        return self._steady.now().nanoseconds * 1e-9

    def _on_command(self, message: Float64MultiArray) -> None:
        self.arm.command(joint_values(message, self.arm.arm.driven, 'velocity command'),
                         self._now())

    def _on_guide(self, message: JointTrajectory) -> None:
        try:
            time, position = from_trajectory(message)
            if len(time) < 2:
                raise InputError(f'guide of {len(time)} points, expected at least 2')
            shown = from_joint_states(time, message.joint_names, position, self.arm.arm,
                                      'topic guide')
            self.arm.guide(shown.time, shown.position, self._now(), shown.held)
        except ValueError as error:
            raise InputError(f'not guided: {error}') from None

    def _on_push(self, message: Float64MultiArray) -> None:
        try:
            self.arm.push(joint_values(message, self.arm.arm.driven, 'push'), self._now())
        except ValueError as error:
            raise InputError(f'not pushed: {error}') from None

    def _on_home(self, _, response: Trigger.Response) -> Trigger.Response:
        self.arm.home()
        response.success, response.message = True, 'going to zero at 0.2 rad/s'
        return response

    def _on_reset(self, _, response: Trigger.Response) -> Trigger.Response:
        self.arm.reset()
        response.success, response.message = True, 'standing still'
        return response

    def _tick(self) -> None:
        now, stamp = self._now(), self.get_clock().now()
        self.arm.step(now - self._last, now)
        self._last = now
        names, position, velocity = self.arm.joint_state()
        message = JointState(name=list(names), position=position.tolist(),
                             velocity=velocity.tolist())
        message.header.stamp = stamp.to_msg()
        self._states.publish(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the simulated arm."""
    return run(ArmSimulator, arguments)


if __name__ == '__main__':
    raise SystemExit(main())
