"""The trainee on its chip as a lifecycle node: gives its traces, is programmed, plays.

Configured it holds a chip, active it takes updates and moves the arm. Only this node programs
the chip. Here are messages, parameters and lifecycle; the chip is `one_shot.chip_care`'s, the
timed loop `one_shot.control_loop`'s, and what decides about motion is in `one_shot.playback` and
`arm.safety`.
"""

from collections.abc import Sequence
from pathlib import Path
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray, Int32MultiArray
from std_srvs.srv import Trigger
import torch
from trajectory_msgs.msg import JointTrajectory

from smallbot.arm.safety import way_is_within
from smallbot.demonstration.samples import Demonstration
from smallbot.demonstration.trial_grid import playing_duration, trial_of
from smallbot.ed_scorbot.measured_servo import lag_and_fastest, time_scale_for
from smallbot.errors import InputError
from smallbot.nodes.common.arm_commands import (
    controller_joints,
    TrajectoryCommands,
    VelocityCommands,
)
from smallbot.nodes.common.guarded import Guarded
from smallbot.nodes.common.messages import (
    from_matrix,
    joint_positions,
    LATCHED,
    RELIABLE,
    STATE,
    status,
    STREAM,
    to_demonstration,
    to_events,
    to_matrix,
)
from smallbot.nodes.common.parameters import declare, model_arm, MODEL_ARM_PARAMETERS, Parameter
from smallbot.nodes.common.spin import run
from smallbot.one_shot.chip_care import ChipCare
from smallbot.one_shot.control_loop import ControlLoop
from smallbot.one_shot.model import DEFAULT_MODEL, load_model
from smallbot.one_shot.playback import Phase, Playback
from smallbot.one_shot.rehearsal import Bounds, DEFAULT_BOUNDS, Expectation, rehearse
from smallbot.one_shot.trainee import Trainee

PARAMETERS = {
    'model': Parameter(DEFAULT_MODEL, 'shipped model, or path of a .safetensors file'),
    'synapses': Parameter('chip', 'what holds the weights', choices=('chip', 'software')),
    'chip_file': Parameter(
        '', 'file of the chip: read if it exists, written after each programming; empty: none'),
    'seed': Parameter(0, 'seed of the devices of a new chip', 0, 2 ** 31),
    **MODEL_ARM_PARAMETERS,
    'command_type': Parameter(
        'velocity', 'what is commanded: velocities on velocity_controller/commands, or short '
                    'trajectories on joint_trajectory_controller/joint_trajectory',
        choices=('velocity', 'trajectory')),
    'command_joints': Parameter(
        '', "joints of the arm's controller in its order, with commas between them, where it has "
            'more than the driven ones: the others get zero, or are held; empty: the driven ones'),
    'control_rate': Parameter(100.0, 'commands a second', 20.0, 1000.0),
    'state_timeout': Parameter(
        0.5, 'age of joint_states beyond which a movement is halted, s', 0.02, 10.0),
    'duration': Parameter(
        0.0, "duration of the playback, s; 0: the demonstration's own, stretched if it must be",
        0.0, 600.0),
    'servo': Parameter(
        'ideal', 'how the arm follows: at once, or as the ED-Scorbot was measured, whose lag is '
                 'then made up for', choices=('ideal', 'ed_scorbot')),
    'time_scale': Parameter(
        1.0, 'how many times longer than shown a movement is played, where duration is 0; 0: as '
             'the servo can follow', 0.0, 1000.0),
    'correction': Parameter(
        0.0, 'velocity for each rad that the arm is away from where the network wants it, 1/s; 0: '
             'play blindly; 1 suits a real ED-Scorbot', 0.0, 10.0),
    'poor_above': Parameter(
        DEFAULT_BOUNDS.above_cm, 'tool-tip error, cm, above which a movement that was rehearsed '
                                 'is too poor to be executed', 0.0, 1000.0),
    'poor_share': Parameter(
        DEFAULT_BOUNDS.share, "the same as share of the movement's extent; the larger of the two "
                              'counts', 0.0, 10.0),
    'allow_poor': Parameter(False, 'execute even what is expected to come out poorly'),
    'allow_unlearned': Parameter(False, 'execute even before anything has been learned'),
    'autostart': Parameter(True, 'configure and activate at the start'),
}
ELSEWHERE = 0.05
"""How far from where it was shown a joint that is not driven is worth a word, rad (m)."""
RESET, HALT = 'halted; call snn_controller/reset to allow movements again', 'snn_controller/halt'


class SnnController(Guarded, LifecycleNode):
    """See the table of topics and services in the README."""

    def __init__(self, **options):
        super().__init__('snn_controller', **options)
        self._chosen = declare(self, PARAMETERS)
        if self._chosen['chip_file'] and self._chosen['synapses'] != 'chip':
            raise InputError('snn_controller: parameter chip_file goes with synapses: chip')
        if 0 < self._chosen['time_scale'] < 1:
            raise InputError(f'snn_controller: parameter time_scale: {self._chosen["time_scale"]},'
                             f' expected 0 or at least 1')
        torch.set_num_threads(1)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._active = False
        self._care: ChipCare | None = None
        self._loop: ControlLoop | None = None
        self._servo: tuple[np.ndarray, np.ndarray] | None = None
        """Lag [J], s, and fastest speed [J], rad/s; None: it follows at once."""
        self._demonstration: Demonstration | None = None
        self._heard: JointState | None = None
        self._trouble = ''
        if self._chosen['autostart']:
            for transition in (self.trigger_configure, self.trigger_activate):
                if transition() is not TransitionCallbackReturn.SUCCESS:
                    raise InputError(f'snn_controller: {self._trouble or "could not start"}')

    def on_configure(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Load the model, prepare or load the chip, open the topics.

        InputError (a model or chip file that cannot be used) is logged: FAILURE, unconfigured.
        """
        chosen = self._chosen
        try:
            model = load_model(chosen['model'])
            self.arm = model_arm(chosen, model)
            joints = controller_joints(chosen['command_joints'], self.arm.driven)
            if chosen['servo'] == 'ed_scorbot':
                self._servo = lag_and_fastest(self.arm.driven)
            file = Path(chosen['chip_file']) if chosen['chip_file'] else None
            found = file is not None and file.exists()
            period = 1 / chosen['control_rate']
            playback = Playback(self.arm.limits, model.steps, model.step_seconds, period,
                                chosen['correction'], self._servo[0] if self._servo else ())

            def rehearsed(trainee: Trainee, shown: Demonstration) -> Expectation:
                positions = trial_of(shown, self.arm, model.steps)
                duration, _ = self._duration(shown, positions)
                return rehearse(trainee, positions, shown.posed(self.arm), duration, playback)

            self._care = ChipCare(model, self.arm, chosen['synapses'], chosen['seed'], file,
                                  rehearse=rehearsed)
        except InputError as error:
            self._trouble = str(error)
            if not chosen['autostart']:
                self.get_logger().error(self._trouble)
            return TransitionCallbackReturn.FAILURE
        if found:
            learned = self._care.learned
            self.get_logger().info(f'chip {file}: ' + (
                f'it has learned {learned}' if learned else 'nothing learned yet'))
        self._tell_calibrated(self._care.calibrations > 0)
        if chosen['command_type'] == 'velocity':
            self._commands = VelocityCommands(self, self.arm, joints)
        else:
            self._commands = TrajectoryCommands(self, self.arm, joints, period)
        self._loop = ControlLoop(playback, self._commands, period, chosen['state_timeout'], self)
        self._traces = self.create_publisher(Float32MultiArray, 'eligibility', LATCHED)
        self._programmed = self.create_publisher(DiagnosticStatus, 'programmed', LATCHED)
        self._spikes = self.create_publisher(Int32MultiArray, 'spikes', STREAM)
        self._progress = self.create_publisher(DiagnosticStatus, 'progress', LATCHED)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', STREAM)
        self._own = [
            self.create_subscription(JointState, 'joint_states', self._on_state, STATE),
            self.create_subscription(JointTrajectory, 'demonstration', self._on_demonstration,
                                     LATCHED),
            self.create_subscription(Float32MultiArray, 'weight_update', self._on_update,
                                     RELIABLE),
        ]
        self._offered = [self.create_service(Trigger, f'~/{name}', self._guarded(act))
                          for name, act in (('execute', self._execute), ('halt', self._halt),
                                            ('forget', self._forget), ('reset', self._reset))]
        self._timer = self.create_timer(1.0, self._diagnose, clock=self._steady)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run the trial that gives the traces, then start the control loop."""
        self._active = True
        self._publish_trial()
        self._tell_weights('initial weights' if self._care.learned is None else
                           f'this chip has learned demonstration {self._care.learned}')
        self._loop.start()
        self.progressed()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Halt the arm, wait until it has been sent zeros, end the control loop."""
        self._loop.stop('deactivated')
        self._active = False
        self._loop.playback.reset()
        return super().on_deactivate(state)

    def on_cleanup(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Let go of topics and chip; a chip without a file is lost."""
        self._close()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Stop and let go of everything."""
        self.stop()
        self._close()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Stop and let go of everything after a transition that failed; unconfigured again."""
        self.stop()
        self._close()
        return TransitionCallbackReturn.SUCCESS

    def on_failure(self, reason: str) -> None:
        """Halt the arm until reset."""
        if self._loop is not None:
            self._halt(f'internal error: {reason}')

    def stop(self) -> None:
        """Stop the arm, acknowledged; called before the process ends."""
        if self._active:
            self._loop.stop('shut down')
            self._active = False

    def _close(self) -> None:
        if self._care is None:
            return
        self.destroy_timer(self._timer)
        for service in self._offered:
            self.destroy_service(service)
        for subscription in self._own:
            self.destroy_subscription(subscription)
        for publisher in (self._commands.publisher, self._traces, self._programmed, self._spikes,
                          self._progress, self._diagnostics):
            self.destroy_publisher(publisher)
        self._care = self._loop = None

    # --- the chip

    def _tend(self) -> None:
        """Look after a chip at rest."""
        with self._loop.lock:
            if self._active and not self._loop.playback.moving and self._loop.at_rest:
                self._tell_calibrated(self._care.tend())

    def _tell_calibrated(self, done: bool) -> None:
        if done:
            self.get_logger().info('the chip has drifted: columns calibrated')

    def _keep_chip(self) -> None:
        """Write the chip to `chip_file`, if there is one."""
        try:
            self._care.save()
        except OSError as error:
            self.get_logger().error(f'chip {self._care.file} not saved: {error}')

    def _publish_trial(self) -> None:
        """Run a trial on the chip as it is; publish its traces and spikes."""
        trial, version = self._care.first_trial(), self._care.version
        self._traces.publish(to_matrix(
            trial.traces, 'step', 'pseudo-derivatives, input traces, recurrent traces',
            version=version, model=self._care.model.digest))
        self._spikes.publish(to_events(trial.spikes, trial=version))
        self._keep_chip()

    def _tell_weights(self, text: str) -> None:
        """Publish what the chip holds when no update has just been written."""
        self._programmed.publish(status(
            'snn_controller', True, text, version=self._care.version,
            demonstration=self._care.learned or '', **self._expected()))

    def _expected(self) -> dict[str, str]:
        """Return what a status says of the rehearsal, if there was one."""
        expected = self._care.expected
        return {'expected_tip_rmse_cm': f'{expected.tip_rmse_cm:.3f}'} if expected else {}

    def _on_update(self, message: Float32MultiArray) -> None:
        if not self._active:
            return
        labels = {}
        try:
            delta, labels = from_matrix(message)
            written, seconds = self._program(delta, labels)
        except InputError as error:
            self._programmed.publish(status('snn_controller', False, f'update refused: {error}',
                                            version=labels.get('version', '')))
            raise
        share = written.cells / written.cells_total
        self._programmed.publish(status(
            'snn_controller', True,
            f'one update wrote {written.cells} of {written.cells_total} cells '
            f'({100 * share:.1f} %)',
            version=labels['version'], demonstration=self._care.learned,
            cells_written=written.cells, cells_total=written.cells_total,
            devices_written=written.devices, pulses=written.pulses,
            energy_uj=written.energy_uj, update_seconds=seconds, **self._expected()))

    def _program(self, delta: np.ndarray, labels: dict[str, str]):
        care, shown = self._care, self._demonstration
        care.check_update(delta, labels.get('version'), labels.get('demonstration'), shown)
        with self._loop.lock:
            if self._loop.playback.moving:
                raise InputError('a movement is being played: wait for its end, or halt')
            began = time.perf_counter()
            written = care.program(delta, shown)
        self._keep_chip()
        return written, time.perf_counter() - began

    # --- messages in

    def _on_state(self, message: JointState) -> None:
        watched = self._commands.watched
        pose = joint_positions(message, watched)
        if pose is None:
            self.get_logger().warning(
                f'joint_states without finite positions of {", ".join(watched)}; it has '
                f'{", ".join(message.name)}', throttle_duration_sec=5.0)
            return
        self._loop.state(pose)
        self._heard = message

    def _on_demonstration(self, message: JointTrajectory) -> None:
        self._demonstration = to_demonstration(message, self.arm)

    # --- services

    def _guarded(self, act):
        def callback(_, response: Trigger.Response) -> Trigger.Response:
            try:
                if not self._active:
                    raise InputError('snn_controller is not active: `ros2 lifecycle set '
                                     'snn_controller activate`')
                response.message, response.success = act(), True
            except InputError as error:
                response.message, response.success = str(error), False
                self.get_logger().warning(str(error))
            return response
        return callback

    def _execute(self) -> str:
        care, loop = self._care, self._loop
        shown = self._demonstration or care.taught
        with loop.lock:
            if loop.playback.phase is Phase.HALTED:
                raise InputError(f'halted ({loop.playback.reason}): call snn_controller/reset')
            if loop.playback.moving:
                raise InputError('a movement is under way already')
            if shown is None:
                raise InputError('no demonstration yet on topic demonstration: it says where to '
                                 'start and how long to play')
            if care.learned is None and not self._chosen['allow_unlearned']:
                raise InputError('nothing has been learned yet: call one_shot_learner/learn')
            if care.learned is not None and care.learned != shown.digest:
                raise InputError(f'the chip has learned {care.learned}, the demonstration is now '
                                 f'{shown.digest}: forget and learn, or publish the learned one')
            if care.expected is not None and not self._chosen['allow_poor']:
                poor = care.expected.refusal(
                    Bounds(self._chosen['poor_above'], self._chosen['poor_share']))
                if poor:
                    raise InputError(poor)
            age, stale = loop.state_age()
            if stale:
                raise InputError(f'no fresh message on joint_states (the last {age:.1f} s ago): '
                                 f'is the driver or the simulator running?')
            positions = trial_of(shown, self.arm, care.model.steps)
            duration, how = self._duration(shown, positions)
            start = np.clip(shown.position[0], self.arm.limits.lower, self.arm.limits.upper)
            position = loop.position()
            if not way_is_within(position, start, self.arm.limits):
                raise InputError(f'the way from {np.round(position, 3).tolist()} to the '
                                 f'start {np.round(start, 3).tolist()} rad leaves the joint '
                                 f'limits: move the arm inside them first')
            care.make_ready()
            loop.play(start, duration, care.trainee)
        self.progressed()
        return (f'going to the start, then playing for {duration:.2f} s{how}'
                f'{self._elsewhere(shown)}')

    def _elsewhere(self, shown: Demonstration) -> str:
        """Return what to say of joints that are not driven and not where they were shown."""
        at = dict(zip(self._heard.name, self._heard.position)) if self._heard else {}
        moved = [f'{name} is at {at[name]:.2f} rad, was shown at {held:.2f}'
                 for name, held in shown.held.items()
                 if name in at and not abs(at[name] - held) < ELSEWHERE]
        return f'; {", ".join(moved)}: the tool tip goes elsewhere' if moved else ''

    def _duration(self, shown: Demonstration, positions: np.ndarray) -> tuple[float, str]:
        """Return how long trial `positions` are played, s, and what is said of the choice."""
        scale, limits = self._chosen['time_scale'], self.arm.limits
        wanted = self._chosen['duration'] or (scale * shown.duration if scale > 1 else None)
        duration, stretched = playing_duration(shown, positions, limits, wanted)
        how = f', stretched from {shown.duration:.2f} s for the arm' if stretched else ''
        if scale == 0 and self._servo and wanted is None:
            scale = time_scale_for(positions, shown.duration, *self._servo)
            if scale * shown.duration > duration:
                duration, _ = playing_duration(shown, positions, limits, scale * shown.duration)
                how = f', {scale:.1f} times as long as shown, which the arm can follow'
        return duration, how

    def _halt(self, reason: str = HALT) -> str:
        with self._loop.lock:
            self._loop.playback.halt(reason)
        self.progressed()
        return RESET

    def _reset(self) -> str:
        with self._loop.lock:
            try:
                self._loop.playback.reset()
            except ValueError as error:
                raise InputError(str(error)) from None
        self.progressed()
        return 'ready'

    def _forget(self) -> str:
        with self._loop.lock:
            if self._loop.playback.moving:
                raise InputError('a movement is being played: wait for its end, or halt')
            written = self._care.forget()
            self._publish_trial()
        self._tell_weights('forgotten: initial weights')
        return f'initial weights restored, {written.cells} cells written'

    # --- what the control loop says

    def progressed(self) -> None:
        """Publish the phase, and how much of a movement has been played."""
        with self._loop.lock:
            playback = self._loop.playback
            now = time.monotonic()
            began = ''
            if playback.phase in (Phase.PLAYING, Phase.DONE) and playback.began is not None:
                began = self.get_clock().now().nanoseconds - int((now - playback.began) * 1e9)
            message = status(
                'snn_controller', playback.phase is not Phase.HALTED, playback.phase.value,
                fraction=f'{playback.fraction(now):.3f}', reason=playback.reason, began=began,
                duration=f'{playback.duration:.6f}',
                demonstration=self._care.learned or '')
        self._progress.publish(message)

    def spiked(self, events: np.ndarray) -> None:
        """Publish the spikes [E, 2] of a playback."""
        self._spikes.publish(to_events(events, playback=self._care.version))

    def halted(self, text: str) -> None:
        """Log why the loop has halted by itself."""
        self.get_logger().error(text)

    def finished(self, text: str) -> None:
        """Log how well time was kept."""
        self.get_logger().info(text)

    def _diagnose(self) -> None:
        self._tend()
        (age, stale), playback = self._loop.state_age(), self._loop.playback
        fine = not stale and playback.phase is not Phase.HALTED
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [status(
            'snn_controller: playback', fine,
            f'{playback.phase.value} {playback.reason}'.strip()
            if fine or playback.reason else 'no fresh joint_states',
            joint_states_age_seconds=f'{age:.3f}', learned=self._care.learned or 'nothing',
            version=self._care.version, synapses=self._chosen['synapses'], **self._expected(),
            **self._loop.cadence.values())]
        self._diagnostics.publish(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the controller."""
    return run(SnnController, arguments)


if __name__ == '__main__':
    raise SystemExit(main())
