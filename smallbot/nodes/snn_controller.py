"""The trainee on its chip as a lifecycle node: gives its traces, is programmed, plays.

Configured it holds a chip, active it takes updates and moves the arm. Only this node programs
the chip. The control loop has a thread of its own with absolute deadlines on a steady clock;
everything that decides about motion is in `one_shot.playback` and `arm.safety`.
"""

from collections.abc import Sequence
import hashlib
from pathlib import Path
import threading
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

from smallbot.arm.kinematics import Arm
from smallbot.arm.safety import EASE_SPEED, Watchdog, way_is_within
from smallbot.demonstration.samples import check_detail, Demonstration, playing_duration
from smallbot.errors import InputError
from smallbot.nodes.common.arm_commands import (
    controller_joints,
    TrajectoryCommands,
    VelocityCommands,
)
from smallbot.nodes.common.messages import (
    demonstration_or_none,
    from_matrix,
    joint_positions,
    LATCHED,
    RELIABLE,
    STATE,
    status,
    STREAM,
    to_events,
    to_matrix,
)
from smallbot.nodes.common.parameters import declare, model_arm, MODEL_ARM_PARAMETERS, Parameter
from smallbot.nodes.common.spin import run
from smallbot.one_shot.model import DEFAULT_MODEL, load_model
from smallbot.one_shot.playback import Phase, Playback
from smallbot.one_shot.trainee import prepare_synapses, Trainee
from smallbot.synapses.chip import ChipSynapses
from smallbot.synapses.interface import Synapses

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
    'time_scale': Parameter(
        1.0, 'how many times longer than shown a movement is played, where duration is 0; a real '
             'arm needs time to follow', 1.0, 1000.0),
    'correction': Parameter(
        0.0, 'velocity for each rad that the arm is away from where the network wants it, 1/s; 0: '
             'play blindly; 1 suits a real ED-Scorbot', 0.0, 10.0),
    'allow_unlearned': Parameter(False, 'execute even before anything has been learned'),
    'autostart': Parameter(True, 'configure and activate at the start'),
}
PROGRESS_PERIOD = 0.1
"""Time between progress messages while moving, s."""
SETTLING = 10.0
"""Time beyond twice that of the way after which an arm that has not arrived is halted, s."""
RESET, HALT = 'halted; call snn_controller/reset to allow movements again', 'snn_controller/halt'


class SnnController(LifecycleNode):
    """See the table of topics and services in the README."""

    def __init__(self, **options):
        super().__init__('snn_controller', **options)
        self._chosen = declare(self, PARAMETERS)
        if self._chosen['chip_file'] and self._chosen['synapses'] != 'chip':
            raise InputError('snn_controller: parameter chip_file goes with synapses: chip')
        torch.set_num_threads(1)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._lock = threading.RLock()
        self._loop: threading.Thread | None = None
        self._ending = threading.Event()
        self._active = False
        self._trainee: Trainee | None = None
        self._playback: Playback | None = None
        self._demonstration: Demonstration | None = None
        self._pose: np.ndarray | None = None
        self._state_age = Watchdog(self._chosen['state_timeout'])
        self._learned: str | None = None
        self._taught: Demonstration | None = None
        self._version = ''
        self._aged_at = 0.0
        self._arrival_by = 0.0
        self._trouble = ''
        self._ticks = _Ticks()
        self._events: list[tuple[int, int]] = []
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
            self._trainee = Trainee(model, self._synapses(model))
        except InputError as error:
            self._trouble = str(error)
            if not chosen['autostart']:
                self.get_logger().error(self._trouble)
            return TransitionCallbackReturn.FAILURE
        self._playback = Playback(self.arm.limits, model.steps, model.step_seconds,
                                  1 / chosen['control_rate'], chosen['correction'])
        if chosen['command_type'] == 'velocity':
            self._commands = VelocityCommands(self, self.arm, joints)
        else:
            self._commands = TrajectoryCommands(self, self.arm, joints,
                                                1 / chosen['control_rate'])
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
        self._tell_weights('initial weights' if self._learned is None else
                           f'this chip has learned demonstration {self._learned}')
        self._ending.clear()
        self._loop = threading.Thread(target=self._control, daemon=True, name='control loop')
        self._loop.start()
        self._tell_progress()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Halt the arm, wait until it has been sent zeros, end the control loop."""
        self._end_motion('deactivated')
        self._active = False
        self._playback.reset()
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

    def stop(self) -> None:
        """Stop the arm, acknowledged; called before the process ends."""
        if self._active:
            self._end_motion('shut down')
            self._active = False

    def _close(self) -> None:
        if self._trainee is None:
            return
        self.destroy_timer(self._timer)
        for service in self._offered:
            self.destroy_service(service)
        for subscription in self._own:
            self.destroy_subscription(subscription)
        for publisher in (self._commands.publisher, self._traces, self._programmed, self._spikes,
                          self._progress, self._diagnostics):
            self.destroy_publisher(publisher)
        self._trainee = self._playback = None
        self._learned = self._taught = None

    # --- the chip

    def _synapses(self, model):
        """Return the chip of `chip_file` if there is one, else fresh synapses."""
        chosen = self._chosen
        path = Path(chosen['chip_file']) if chosen['chip_file'] else None
        if path is not None and path.exists():
            synapses, notes = ChipSynapses.load(path)
            if notes.get('weights') != model.digest:
                raise InputError(f'chip {path} was made for model {notes.get("model")!r} with '
                                 f'weights {notes.get("weights")}, not {model.name!r} with '
                                 f'{model.digest}: choose another chip_file')
            self._learned = notes.get('learned')
            self._taught = _shown_in(notes, self.arm, path)
            synapses.wait(max(0.0, time.time() - float(notes.get('saved', time.time()))))
            self._refit(synapses)
            self._aged_at = time.monotonic()
            taught = f'it has learned {self._learned}' if self._learned else 'nothing learned yet'
            self.get_logger().info(f'chip {path}: {taught}')
            return synapses
        self._aged_at = time.monotonic()
        return prepare_synapses(model, chosen['synapses'], chosen['seed'])

    def _age(self) -> None:
        """Let the devices drift by the time that has passed since the last call."""
        now = time.monotonic()
        self._trainee.synapses.wait(now - self._aged_at)
        self._aged_at = now

    def _tend(self) -> None:
        """Look after a chip at rest."""
        with self._lock:
            if self._active and not self._playback.moving:
                self._age()
                self._refit(self._trainee.synapses)

    def _refit(self, synapses: Synapses) -> None:
        """Calibrate the columns where the chip has drifted: after the update for reading alone."""
        if self._learned is None and synapses.calibration_due():
            synapses.calibrate()
        elif self._learned is not None and synapses.reading_aged():
            synapses.calibrate_reading()
        else:
            return
        self.get_logger().info('the chip has drifted: columns calibrated')

    def _keep_chip(self) -> None:
        """Write the chip and what it has learned to `chip_file`, if there is one."""
        if not self._chosen['chip_file']:
            return
        path = Path(self._chosen['chip_file'])
        model = self._trainee.model
        notes = {'model': model.name, 'weights': model.digest, 'learned': self._learned,
                 'saved': time.time()}
        if self._taught is not None:
            notes.update(time=self._taught.time.tolist(), position=self._taught.position.tolist())
        try:
            self._trainee.synapses.save(path, notes)
        except OSError as error:
            self.get_logger().error(f'chip {path} not saved: {error}')

    def _publish_trial(self) -> None:
        """Run a trial on the chip as it is; publish its traces and spikes."""
        self._age()
        record = self._trainee.trial()
        traces = torch.cat([record.eligibility.psi, record.eligibility.presynaptic], 1).numpy()
        # New at every trial, also where a trial repeats itself: a version allows one update.
        self._version = hashlib.sha256(
            traces.tobytes() + time.time_ns().to_bytes(16, 'big')).hexdigest()[:12]
        self._traces.publish(to_matrix(
            traces, 'step', 'pseudo-derivatives, input traces, recurrent traces',
            version=self._version, model=self._trainee.model.digest))
        self._spikes.publish(to_events(np.argwhere(record.spikes.numpy()), trial=self._version))
        self._keep_chip()

    def _tell_weights(self, text: str) -> None:
        """Publish what the chip holds when no update has just been written."""
        self._programmed.publish(status('snn_controller', True, text, version=self._version,
                                        demonstration=self._learned or ''))

    def _on_update(self, message: Float32MultiArray) -> None:
        if not self._active:
            return
        labels = {}
        try:
            delta, labels = from_matrix(message)
            written, seconds = self._program(delta, labels)
        except InputError as error:
            self.get_logger().error(f'update refused: {error}')
            self._programmed.publish(status('snn_controller', False, f'update refused: {error}',
                                            version=labels.get('version', '')))
            return
        share = written.cells / written.cells_total
        self._programmed.publish(status(
            'snn_controller', True,
            f'one update wrote {written.cells} of {written.cells_total} cells '
            f'({100 * share:.1f} %)',
            version=labels['version'], demonstration=self._learned, cells_written=written.cells,
            cells_total=written.cells_total, devices_written=written.devices,
            pulses=written.pulses, energy_uj=written.energy_uj, update_seconds=seconds))

    def _program(self, delta: np.ndarray, labels: dict[str, str]):
        model = self._trainee.model
        if delta.shape != (model.n, model.n_in + model.n):
            raise InputError(f'it is {delta.shape[0]} x {delta.shape[1]}, expected {model.n} x '
                             f'{model.n_in + model.n} for model {model.name}')
        if self._learned is not None:
            raise InputError(f'demonstration {self._learned} has been learned already, with the '
                             f'one update there is: call snn_controller/forget first')
        if labels.get('version') != self._version:
            raise InputError(f'it is for weights of version {labels.get("version")}, these are '
                             f'{self._version}: learn again from the traces published last')
        shown = self._demonstration.digest if self._demonstration is not None else None
        if labels.get('demonstration') != shown:
            raise InputError(f'it is for demonstration {labels.get("demonstration")}, here it is '
                             f'{shown}: learn again')
        with self._lock:
            if self._playback.moving:
                raise InputError('a movement is being played: wait for its end, or halt')
            began = time.perf_counter()
            self._age()
            written = self._trainee.program(torch.from_numpy(delta.copy()))
            self._trainee.rewind()
        self._learned, self._taught = shown, self._demonstration
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
        with self._lock:
            self._pose = pose
            self._state_age.feed(time.monotonic())

    def _on_demonstration(self, message: JointTrajectory) -> None:
        self._demonstration = demonstration_or_none(message, self.arm, self.get_logger())

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
        shown = self._demonstration or self._taught
        with self._lock:
            if self._playback.phase is Phase.HALTED:
                raise InputError(f'halted ({self._playback.reason}): call snn_controller/reset')
            if self._playback.moving:
                raise InputError('a movement is under way already')
            if shown is None:
                raise InputError('no demonstration yet on topic demonstration: it says where to '
                                 'start and how long to play')
            if self._learned is None and not self._chosen['allow_unlearned']:
                raise InputError('nothing has been learned yet: call one_shot_learner/learn')
            if self._learned is not None and self._learned != shown.digest:
                raise InputError(f'the chip has learned {self._learned}, the demonstration is now '
                                 f'{shown.digest}: forget and learn, or publish the learned one')
            age = self._state_age.age(time.monotonic())
            if self._state_age.expired(time.monotonic()):
                raise InputError(f'no fresh message on joint_states (the last {age:.1f} s ago): '
                                 f'is the driver or the simulator running?')
            positions = check_detail(shown, self.arm, self._trainee.model.steps)
            scale = self._chosen['time_scale']
            wanted = self._chosen['duration'] or (scale * shown.duration if scale > 1 else None)
            duration, stretched = playing_duration(shown, positions, self.arm.limits, wanted)
            start = np.clip(shown.position[0], self.arm.limits.lower, self.arm.limits.upper)
            position = self._commands.driven(self._pose)
            if not way_is_within(position, start, self.arm.limits):
                raise InputError(f'the way from {np.round(position, 3).tolist()} to the '
                                 f'start {np.round(start, 3).tolist()} rad leaves the joint '
                                 f'limits: move the arm inside them first')
            self._age()
            # The first read works the drift out, 20 ms that the control loop does not have.
            synapses = self._trainee.synapses
            synapses.matvec(torch.zeros(1, synapses.inputs))
            self._trainee.rewind()
            self._steps = 0
            self._events = []
            self._ticks = _Ticks()
            far = float(np.abs(start - position).max())
            self._arrival_by = time.monotonic() + 2 * far / EASE_SPEED + SETTLING
            self._playback.start(start, duration, self._advance)
        self._tell_progress()
        longer = f', stretched from {shown.duration:.2f} s for the arm' if stretched else ''
        return f'going to the start, then playing for {duration:.2f} s{longer}'

    def _advance(self) -> np.ndarray:
        began = time.perf_counter()
        velocity, spiked = self._trainee.step()
        self._ticks.stepped(time.perf_counter() - began)
        self._events.extend((self._steps, int(neuron)) for neuron in spiked)
        self._steps += 1
        return velocity

    def _halt(self) -> str:
        with self._lock:
            self._playback.halt(HALT)
        self._tell_progress()
        return RESET

    def _reset(self) -> str:
        with self._lock:
            try:
                self._playback.reset()
            except ValueError as error:
                raise InputError(str(error)) from None
        self._tell_progress()
        return 'ready'

    def _forget(self) -> str:
        with self._lock:
            if self._playback.moving:
                raise InputError('a movement is being played: wait for its end, or halt')
            self._age()
            written = self._trainee.forget()
            self._learned = self._taught = None
            self._publish_trial()
        self._tell_weights('forgotten: initial weights')
        return f'initial weights restored, {written.cells} cells written'

    # --- the control loop

    def _control(self) -> None:
        """Tick with absolute deadlines; a late tick is not made up for by a burst."""
        period = 1 / self._chosen['control_rate']
        deadline = time.monotonic()
        told = 0.0
        while not self._ending.is_set():
            now = time.monotonic()
            before = self._playback.phase
            try:
                self._tick(now - deadline)
            except Exception as error:  # whatever fails in here must not leave the arm moving
                self.get_logger().error(f'control loop: {error!r}')
                with self._lock:
                    self._playback.halt(f'internal error: {error!r}')
            changed = self._playback.phase is not before
            if changed or (self._playback.moving and now - told > PROGRESS_PERIOD):
                self._tell_progress()
                told = now
                if changed and self._playback.phase is Phase.DONE:
                    self.get_logger().info(self._ticks.summary(period))
            deadline += period
            if deadline < time.monotonic():
                deadline = time.monotonic()
            self._ending.wait(max(0.0, deadline - time.monotonic()))

    def _tick(self, late: float) -> None:
        with self._lock:
            # Read under the lock: a state received while waiting for it must not seem to come
            # from the future, which the watchdog takes for a clock gone wrong.
            now = time.monotonic()
            playback = self._playback
            if playback.moving and self._state_age.expired(now):
                playback.halt(f'joint_states stale for {self._state_age.age(now):.2f} s')
                self.get_logger().error(f'halted: {playback.reason}; call snn_controller/reset '
                                        f'when they are back')
            if playback.phase is Phase.EASING and now > self._arrival_by:
                playback.halt('the arm has not arrived at the start')
                self.get_logger().error(f'halted: {playback.reason}; does it follow '
                                        f'{self._commands.publisher.topic_name}?')
            pose = self._pose
            if pose is None or playback.moving and not self._commands.ready(pose, now):
                return
            if playback.moving and (trouble := self._commands.trouble(pose, now)):
                playback.halt(trouble)
                self.get_logger().error(f'halted: {trouble}; does it follow '
                                        f'{self._commands.publisher.topic_name}?')
            command = playback.command(now, self._commands.driven(pose))
            events, self._events = self._events, []
            if playback.phase is Phase.PLAYING:
                self._ticks.ticked(now, late)
        if command is None:
            self._commands.rest()
        else:
            self._commands.send(command, now)
        if events:
            self._spikes.publish(to_events(np.array(events), playback=self._version))

    def _end_motion(self, reason: str) -> None:
        """Brake, end the loop, and say so until it is acknowledged."""
        if self._playback.moving:
            self._playback.halt(reason)
            deadline = time.monotonic() + 1.0
            while time.monotonic() < deadline and not self._at_rest():
                time.sleep(0.01)
        self._ending.set()
        if self._loop is not None and self._loop is not threading.current_thread():
            self._loop.join(timeout=2.0)
        self._commands.end(time.monotonic())

    def _at_rest(self) -> bool:
        with self._lock:
            return self._playback.at_rest

    # --- telling

    def _tell_progress(self) -> None:
        with self._lock:
            playback = self._playback
            now = time.monotonic()
            began = ''
            if playback.phase in (Phase.PLAYING, Phase.DONE) and playback.began is not None:
                began = self.get_clock().now().nanoseconds - int((now - playback.began) * 1e9)
            message = status(
                'snn_controller', playback.phase is not Phase.HALTED, playback.phase.value,
                fraction=f'{playback.fraction(now):.3f}', reason=playback.reason, began=began,
                duration=f'{playback.duration:.6f}',
                demonstration=self._learned or '')
        self._progress.publish(message)

    def _diagnose(self) -> None:
        self._tend()
        now = time.monotonic()
        age = self._state_age.age(now)
        fine = not self._state_age.expired(now) and self._playback.phase is not Phase.HALTED
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [status(
            'snn_controller: playback', fine,
            f'{self._playback.phase.value} {self._playback.reason}'.strip()
            if fine or self._playback.reason else 'no fresh joint_states',
            joint_states_age_seconds=f'{age:.3f}', learned=self._learned or 'nothing',
            version=self._version, synapses=self._chosen['synapses'], **self._ticks.values())]
        self._diagnostics.publish(message)


class _Ticks:
    """How well the control loop kept its time during a playback."""

    def __init__(self):
        self._at: list[float] = []
        self._late: list[float] = []
        self._steps: list[float] = []

    def ticked(self, at: float, late: float) -> None:
        self._at.append(at)
        self._late.append(late)

    def stepped(self, seconds: float) -> None:
        self._steps.append(seconds)

    def values(self) -> dict[str, str]:
        if len(self._late) < 2 or not self._steps:
            return {}
        periods = 1e3 * np.diff(self._at)
        return {'ticks': str(len(self._late)),
                'period_mean_ms': f'{periods.mean():.3f}',
                'period_sd_ms': f'{periods.std():.3f}',
                'period_max_ms': f'{periods.max():.2f}',
                'latest_tick_ms': f'{1e3 * max(self._late):.2f}',
                'network_step_p99_ms': f'{1e3 * np.percentile(self._steps, 99):.3f}'}

    def summary(self, period: float) -> str:
        values = self.values()
        if not values:
            return 'nothing played'
        return (f'{values["ticks"]} ticks of {1e3 * period:g} ms, measured '
                f'{values["period_mean_ms"]} +- {values["period_sd_ms"]} ms, the latest '
                f'{values["latest_tick_ms"]} ms late; network step '
                f'{values["network_step_p99_ms"]} ms (99th percentile)')


def _shown_in(notes: dict, arm: Arm, path: Path) -> Demonstration | None:
    if notes.get('learned') is None:
        return None
    try:
        shown = Demonstration(arm.driven, np.array(notes['time'], dtype=float),
                              np.array(notes['position'], dtype=float), f'chip {path}')
    except (KeyError, TypeError, ValueError):
        shown = None
    if shown is None or shown.digest != notes['learned']:
        raise InputError(f'chip {path}: it does not hold the demonstration {notes["learned"]} '
                         f'that it has learned')
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the controller."""
    return run(SnnController, arguments)


if __name__ == '__main__':
    raise SystemExit(main())
