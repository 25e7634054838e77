"""The real ED-Scorbot over MQTT, with the ROS interface of the simulated arm.

What decides about motion is in `ed_scorbot.session` and what it is made of. A state that has been
measured carries an empty frame_id; one that is repeated while the arm stands, as its controller
says nothing then, carries `last_known`. Where nobody knows how the arm stands, nothing is
published. This arm cannot be guided by hand: what it shows are commanded movements.
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

from smallbot.ed_scorbot.convention import CONVENTIONS, JOINTS
from smallbot.ed_scorbot.mqtt_link import MqttLink
from smallbot.ed_scorbot.session import Measurement, Phase, Session, Settings
from smallbot.errors import InputError
from smallbot.nodes.common.messages import demonstration_or_none, LATCHED, RELIABLE, status, STREAM
from smallbot.nodes.common.parameters import ARM_PARAMETERS, chosen_arm, declare, Parameter
from smallbot.nodes.common.spin import run

PARAMETERS = {
    **ARM_PARAMETERS,
    'joints': Parameter(['base', 'shoulder'], 'driven joints, in the order of the commands'),
    'broker': Parameter('127.0.0.1', 'host of the MQTT broker'),
    'port': Parameter(1883, 'port of the MQTT broker', 1, 65535),
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


class EdScorbotDriver(Node):
    """Publishes `joint_states`; takes `velocity_controller/commands`."""

    def __init__(self, **options):
        super().__init__('ed_scorbot_driver', **options)
        chosen = declare(self, PARAMETERS)
        self.arm = chosen_arm(chosen, chosen['joints'])
        self._session = Session(self.arm, Settings(
            convention=CONVENTIONS[chosen['convention']], period=PERIOD,
            **{name: chosen[name] for name in (
                'client', 'robot', 'hold', 'command_timeout', 'time_scale', 'homing_timeout',
                'take_over')}))
        self._session.offline(f'no connection to broker {chosen["broker"]}:{chosen["port"]}')
        self._convention = chosen['convention']
        self._measured: Measurement | None = None
        self._published_at = -np.inf
        self._told: tuple[Phase, str] = (Phase.OFFLINE, '')
        self._published: tuple[Phase, str, str, str] | None = None
        self._link = MqttLink(chosen['broker'], chosen['port'], self._session.topics)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
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
        self.create_timer(PERIOD, self._tick, clock=steady)
        self.create_timer(1.0, self._diagnose, clock=steady)

    def stop(self) -> None:
        """Brake, see the last set-point acknowledged, leave the broker.

        The arm stays owned: to disconnect would make it search home with nobody watching.
        """
        self._session.stop(TOLD_TO_END)
        deadline = time.monotonic() + BRAKE
        while not self._session.at_rest and time.monotonic() < deadline:
            self._tick()
            time.sleep(PERIOD)
        self._link.close()

    def _on_command(self, message: Float64MultiArray) -> None:
        try:
            warning = self._session.command(list(message.data), time.monotonic())
        except ValueError as error:
            if not message.data or any(message.data):  # a zero that comes too late harms nobody
                self.get_logger().warning(f'dropped: {error}', throttle_duration_sec=1.0)
            return
        if warning:
            self.get_logger().warning(warning, throttle_duration_sec=1.0)

    def _on_demonstration(self, message: JointTrajectory) -> None:
        shown = demonstration_or_none(message, self.arm, self.get_logger())
        if shown is None:
            return
        try:
            self._session.consider(shown)
        except InputError as error:
            self.get_logger().error(f'movement refused: {error}')

    def _answering(self, act):
        def callback(_, response: Trigger.Response) -> Trigger.Response:
            try:
                response.message, response.success = act(time.monotonic()), True
            except InputError as error:
                response.message, response.success = str(error), False
            return response
        return callback

    def _tick(self) -> None:
        session = self._session
        for event in self._link.events():
            if event.kind == 'online':
                session.online()
            elif event.kind == 'offline':
                session.offline(event.reason)
            else:
                wrong = session.heard(event.topic, event.payload, time.monotonic())
                if wrong:
                    self.get_logger().warning(wrong, throttle_duration_sec=5.0)
        now = time.monotonic()
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

    def _publish(self, measured: Measurement, now: float, frame: str) -> None:
        self._published_at = now
        message = JointState(name=list(JOINTS), position=measured.position.tolist(),
                             velocity=measured.velocity.tolist())
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

    def _diagnose(self) -> None:
        session, now = self._session, time.monotonic()
        why = session.stopped or session.trouble or session.refused
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
            answer_max_ms=f'{trips.max():.1f}')]
        self._diagnostics.publish(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the driver."""
    return run(EdScorbotDriver, arguments)


if __name__ == '__main__':
    raise SystemExit(main())
