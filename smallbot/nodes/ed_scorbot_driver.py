# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The real ED-Scorbot over MQTT, with the ROS interface of the simulated arm.

What decides about motion is in `ed_scorbot.session` and what it is made of. A state that has been
measured carries an empty frame_id; one that is repeated while the arm stands, as its controller
says nothing then, carries `last_known`. Where nobody knows how the arm stands, nothing is
published. Joints that are not measured, roll and gripper, are said to be where the description has
them rest. This arm cannot be guided by hand: what it shows are commanded movements.
"""

from collections.abc import Sequence
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from smallbot.clock import steady
from smallbot.ed_scorbot.convention import CONVENTIONS, JOINTS
from smallbot.ed_scorbot.measurement import Measurement
from smallbot.ed_scorbot.network.broker import ACCESS, Broker, broker_of
from smallbot.ed_scorbot.network.mqtt_link import MqttLink
from smallbot.ed_scorbot.session import Phase, Session
from smallbot.ed_scorbot.settings import Settings
from smallbot.errors import InputError
from smallbot.nodes.common.company import Ear, LOOK
from smallbot.nodes.common.guarded import Guarded
from smallbot.nodes.common.messages import (
    is_withdrawal,
    joint_values,
    LATCHED,
    RELIABLE,
    status,
    STREAM,
    to_demonstration,
)
from smallbot.nodes.common.parameters import ARM_PARAMETERS, chosen_arm, declare, Parameter
from smallbot.nodes.common.spin import run

PARAMETERS = {
    **ARM_PARAMETERS,
    'joints': Parameter(['base', 'shoulder'], 'driven joints, in the order of the commands'),
    'broker': Parameter('127.0.0.1', 'host of the MQTT broker'),
    'port': Parameter(1883, 'port of the MQTT broker', 1, 65535),
    **{name: Parameter('', what) for name, what in ACCESS.items()},
    'password': Parameter(
        '', 'as everybody in the ROS graph can read a parameter, rather give password_file, or '
            'SMALLBOT_MQTT_PASSWORD in the environment', secret=True),
    'robot': Parameter('EDScorbot', 'name of the arm, first part of its topics'),
    'client': Parameter('smallbot', 'name under which this driver owns the arm'),
    'convention': Parameter(
        '2023', "year of the published signs and factors that the arm's degrees follow",
        choices=tuple(CONVENTIONS)),
    'hold': Parameter(0.05, 'time each set-point is held, s', 0.02, 0.1),
    'command_timeout': Parameter(
        0.2, 'age of a command beyond which the arm is stopped until reset, s; up to 0.2 its '
             'references stand half a second after the last command', 0.05, 1.0),
    'time_scale': Parameter(
        1.0, 'how many times longer than shown movements are played; the same as in '
             'snn_controller', 1.0, 1000.0),
    'homing_timeout': Parameter(180.0, 'how long the search for home may take, s', 1.0, 600.0),
    'take_over': Parameter(
        False, 'free the arm first where an earlier run of this driver left it owned'),
}
PERIOD = 0.01
"""Time between ticks, s."""
REPEAT = 0.1
"""Time between repetitions of a state that is known but not measured again, s."""
BRAKE = 1.0
"""How long the arm may take to brake before the process ends, s."""
TOLD_TO_END = 'the driver has been told to end'


class EdScorbotDriver(Guarded, Node):
    """Publishes `joint_states`; takes `velocity_controller/commands`."""

    def __init__(self, broker: Broker | None = None, **options):
        """Use `broker` where it is given, else what parameters and environment say."""
        super().__init__('ed_scorbot_driver', **options)
        chosen = declare(self, PARAMETERS)
        self.arm = chosen_arm(chosen, chosen['joints'])
        self._session = Session(self.arm, Settings(
            convention=CONVENTIONS[chosen['convention']], period=PERIOD,
            **{name: chosen[name] for name in (
                'client', 'robot', 'hold', 'command_timeout', 'time_scale', 'homing_timeout',
                'take_over')}))
        broker = broker or broker_of(chosen['broker'], chosen['port'], chosen)
        self._session.offline(f'no connection to broker {broker.where}')
        self._convention = chosen['convention']
        at = dict(zip(self.arm.movable, self.arm.whole(self.arm.home)))
        self._others = {name: float(at[name]) for name in self.arm.movable if name not in JOINTS}
        """Joints that are not measured, and where they count as resting, rad (m)."""
        self._measured: Measurement | None = None
        self._published_at = -np.inf
        self._told: tuple[Phase, str] = (Phase.OFFLINE, '')
        self._published: tuple[Phase, str, str, str] | None = None
        self._late, self._dropped = 0, 0
        self._link = MqttLink(broker, self._session.topics)
        self._warn_of(broker, chosen['password'])
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._states = self.create_publisher(JointState, 'joint_states', STREAM)
        self._phase = self.create_publisher(DiagnosticStatus, '~/phase', LATCHED)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', STREAM)
        self.create_subscription(
            Float64MultiArray, 'velocity_controller/commands', self._on_command, RELIABLE)
        self.create_subscription(
            JointTrajectory, 'demonstration', self._on_demonstration, LATCHED)
        for name, act in (('home', self._session.home), ('reset', self._session.reset),
                          ('release', self._session.release)):
            self.create_service(Trigger, f'~/{name}', self._answering(act))
        self.create_timer(PERIOD, self._tick, clock=clock)
        self.create_timer(1.0, self._diagnose, clock=clock)
        self._ear = Ear(self, self.resolve_topic_name('velocity_controller/commands'),
                        Float64MultiArray)
        self.create_timer(LOOK, self._look_round, clock=clock)

    def stop(self) -> None:
        """Brake, see the last set-point acknowledged, leave the broker.

        The arm stays owned: to disconnect would make it search home with nobody watching.
        """
        self._session.stop(TOLD_TO_END)
        deadline = steady() + BRAKE
        while not self._session.at_rest and steady() < deadline:
            self._tick()
            time.sleep(PERIOD)
        self._link.close()

    def _warn_of(self, broker: Broker, password: str) -> None:
        """Say where the password can be read by others."""
        log = self.get_logger()
        if password:
            log.warning('everybody in the ROS graph can read the parameter password: rather give '
                        'password_file, or SMALLBOT_MQTT_PASSWORD in the environment')
        if broker.in_the_open:
            log.warning(f'user and password go to broker {broker.where} unencrypted: ca_file '
                        f'turns TLS on')

    def on_failure(self, reason: str) -> None:
        """Stop the arm until reset."""
        self._session.stop(reason)

    def _on_command(self, message: Float64MultiArray) -> None:
        velocity = joint_values(message, self.arm.driven, 'velocity command')
        try:
            warning = self._session.command(velocity, steady())
        except ValueError as error:
            if velocity.any():  # a zero that comes too late harms nobody
                self.get_logger().warning(f'dropped: {error}', throttle_duration_sec=1.0)
            return
        if warning:
            self.get_logger().warning(warning, throttle_duration_sec=1.0)

    def _on_demonstration(self, message: JointTrajectory) -> None:
        if is_withdrawal(message, self.arm):
            return  # what the chip has learned may still be played
        shown = to_demonstration(message, self.arm)
        try:
            self._session.consider(shown)
        except InputError as error:
            raise InputError(f'movement refused: {error}') from None

    def _answering(self, act):
        def callback(_, response: Trigger.Response) -> Trigger.Response:
            try:
                response.message, response.success = act(steady()), True
            except InputError as error:
                response.message, response.success = str(error), False
            return response
        return callback

    def _tick(self) -> None:
        session = self._session
        self._hear()
        now = steady()
        for topic, payload in session.step(now):
            self._link.publish(topic, payload)
        measured = session.measurement
        if measured is not None and measured is not self._measured:
            self._measured = measured
            self._publish(measured, now, '')
        elif session.known and measured is not None and now > self._published_at + REPEAT:
            self._publish(Measurement(now, measured.position, np.zeros(len(JOINTS))), now,
                          'last_known')
        self._tell()

    def _hear(self) -> None:
        """Take what the broker has brought, as much as the time until the next tick allows."""
        session, until = self._session, steady() + PERIOD / 2
        for event in self._link.events():
            if event.kind == 'online':
                session.online()
            elif event.kind == 'offline':
                session.offline(event.reason, event.cure)
            else:
                wrong = session.heard(event.topic, event.payload, steady())
                if wrong:
                    self.get_logger().warning(wrong, throttle_duration_sec=5.0)
            if steady() > until:
                return

    def _look_round(self) -> None:
        """Stop while two command in turn."""
        self._ear.look()
        if (both := self._ear.both()) and self._session.phase is Phase.READY:
            self._session.stop(f'{both} command in turn: end one of them')

    def _publish(self, measured: Measurement, now: float, frame: str) -> None:
        self._published_at = now
        # Without those that are not measured, frames would end before the tool tip.
        message = JointState(
            name=[*JOINTS, *self._others],
            position=[*measured.position.tolist(), *self._others.values()],
            velocity=[*measured.velocity.tolist(), *[0.0] * len(self._others)])
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = frame
        self._states.publish(message)

    def _tell(self) -> None:
        """Log and publish what has changed, once."""
        session = self._session
        state = (session.phase, session.stopped, session.trouble, session.refused)
        if state != self._published:
            self._published = state
            self._phase.publish(status(
                'ed_scorbot_driver', session.phase is Phase.READY and not any(state[1:]),
                session.phase.value, stopped=session.stopped, trouble=session.trouble,
                refused=session.refused))
        why = session.stopped or session.trouble
        if (session.phase, why) == self._told:
            return
        self._told = (session.phase, why)
        log = self.get_logger()
        if session.stopped == TOLD_TO_END:
            log.info(f'stopped: {TOLD_TO_END}')
        elif session.stopped:
            cure = '' if 'reset' in why else '; ed_scorbot_driver/reset allows motion again'
            log.error(f'stopped: {why}{cure}')
        else:
            log.info(f'{session.phase.value}: {session.trouble}'.removesuffix(': '))

    def _note_held_up(self) -> None:
        """Say what has come late, and what was too much, since the last time."""
        (late, latest), dropped = self._session.late_steps, self._link.dropped
        if late > self._late and not self._session.stopped:
            self.get_logger().info(
                f'{late - self._late} steps came late in motion, the last after {latest:.2f} s: '
                f'the set-points go on from where they are')
        if dropped > self._dropped:
            self.get_logger().warning(
                f'{dropped - self._dropped} messages on the topics of the arm were too long or '
                f'too many, and not read')
        self._late, self._dropped = late, dropped

    def _diagnose(self) -> None:
        session, now = self._session, steady()
        mover = session.mover(now)
        why = session.stopped or session.trouble or session.refused or (
            mover and f'{mover} commands the arm')
        self._note_held_up()
        if session.phase in (Phase.OFFLINE, Phase.SEEKING):
            self.get_logger().warning(f'{session.phase.value}: {why}', throttle_duration_sec=10.0)
        age = np.inf if session.measurement is None else now - session.measurement.at
        trips = 1e3 * np.array(session.round_trips or [0.0])
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [status(
            'ed_scorbot_driver: arm', session.phase is Phase.READY and not why,
            f'{session.phase.value}: {why}' if why else session.phase.value,
            state='last known' if session.known and age > REPEAT else 'measured',
            state_age_seconds=f'{age:.3f}', convention=self._convention,
            set_points_sent_again=session.resent, answer_mean_ms=f'{trips.mean():.1f}',
            answer_max_ms=f'{trips.max():.1f}', others=mover,
            late_steps=session.late_steps[0], messages_not_read=self._link.dropped)]
        self._diagnostics.publish(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the driver."""
    return run(EdScorbotDriver, arguments)


if __name__ == '__main__':
    raise SystemExit(main())
