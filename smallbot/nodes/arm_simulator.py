# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A simulated arm: follows velocity commands, can be guided or pushed, stops by itself."""

from collections.abc import Sequence

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from smallbot.arm.safety import Watchdog
from smallbot.clock import MotionClock, steady
from smallbot.demonstration.samples import from_joint_states
from smallbot.errors import InputError
from smallbot.nodes.common.company import Ear, LOOK
from smallbot.nodes.common.guarded import Guarded
from smallbot.nodes.common.messages import (
    from_trajectory,
    joint_values,
    RELIABLE,
    status,
    STREAM,
)
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
        self._motion = MotionClock(steady, self.ros_time)
        """The time that the arm moves by: simulated, where that is asked for."""
        self._last: float | None = None
        """Time of the tick before, s; None: there was none."""
        self._commanded = Watchdog(chosen['command_timeout'])
        """A dead-man in real time, beside the arm's own in its time."""
        real = Clock(clock_type=ClockType.STEADY_TIME)
        self._states = self.create_publisher(JointState, 'joint_states', STREAM)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', STREAM)
        commands = self.create_subscription(
            Float64MultiArray, 'velocity_controller/commands', self._on_command, RELIABLE)
        self._ear = Ear(self, commands.topic_name, Float64MultiArray)
        self._rivals = ''
        """Who commands in turn; empty: one at most."""
        self._refused = ''
        self._stood_still = 0.0
        self.create_subscription(JointTrajectory, 'guide', self._on_guide, RELIABLE)
        self.create_subscription(Float64MultiArray, 'push', self._on_push, RELIABLE)
        self.create_service(Trigger, '~/home', self._on_home)
        self.create_service(Trigger, '~/reset', self._on_reset)
        self.create_timer(1 / chosen['rate'], self._tick, clock=real)
        self.create_timer(LOOK, self._look_round, clock=real)
        self.create_timer(1.0, self._diagnose, clock=real)

    def stop(self) -> None:
        """Stand still."""
        self.arm.reset()

    def _now(self) -> float:
        return self._motion.look()

    def _on_command(self, message: Float64MultiArray) -> None:
        if self._rivals:
            raise InputError(f'{self._rivals} command in turn: end one of them')
        self.arm.command(joint_values(message, self.arm.arm.driven, 'velocity command'),
                         self._now())
        self._commanded.feed(steady())

    def _on_guide(self, message: JointTrajectory) -> None:
        try:
            time, position = from_trajectory(message)
            if len(time) < 2:
                raise InputError(f'guide of {len(time)} points, expected at least 2')
            shown = from_joint_states(time, message.joint_names, position, self.arm.arm,
                                      'topic guide')
            self.arm.guide(shown.time, shown.position, self._now(), shown.held)
        except ValueError as error:
            raise self._refused_for(f'not guided: {error}') from None

    def _on_push(self, message: Float64MultiArray) -> None:
        try:
            self.arm.push(joint_values(message, self.arm.arm.driven, 'push'), self._now())
        except ValueError as error:
            raise self._refused_for(f'not pushed: {error}') from None

    def _refused_for(self, text: str) -> InputError:
        """Return why a hand is refused, and say it in the diagnostics too."""
        self._refused = text
        self._diagnose()
        return InputError(text)

    def _look_round(self) -> None:
        """Brake while two command in turn."""
        self._ear.look()
        before, self._rivals = self._rivals, self._ear.both()
        if self._rivals != before:
            self.get_logger().error(f'{self._rivals} command in turn: braking until one is gone'
                                    if self._rivals else 'one alone commands again')
            if self._rivals:
                self.arm.brake()
            self._diagnose()

    def _diagnose(self) -> None:
        arm = self.arm
        doing = ('guided' if arm.guided else 'going home' if arm.homing else
                 'standing' if arm.command_age.expired(self._now()) else 'commanded')
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [status(
            'arm_simulator: arm', not self._rivals,
            f'{self._rivals} command in turn' if self._rivals else doing,
            company=self._rivals or 'none', refused_last=self._refused or 'nothing',
            stood_still_seconds=f'{arm.stood_still:.3f}')]
        self._diagnostics.publish(message)

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
        if self._commanded.expired(steady()) and not self.arm.command_age.expired(now):
            self.arm.brake()
        self.arm.step(0.0 if self._last is None else now - self._last, now)
        self._last = now
        if self.arm.stood_still > self._stood_still:
            self.get_logger().warning(
                f'late by {self.arm.stood_still - self._stood_still:.2f} s, busy or suspended: '
                f'the arm goes on from where it was', throttle_duration_sec=1.0)
            self._stood_still = self.arm.stood_still
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
