# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The trainee on its chip as a lifecycle node: gives its traces, is programmed, plays.

Configured it holds a chip, active it takes updates and moves the arm. Only this node programs
the chip. Here are messages, parameters and lifecycle; everything is decided in
`one_shot.controller`.
"""

from collections.abc import Sequence
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.publisher import Publisher
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.timer import Timer
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray, Int32MultiArray
from std_srvs.srv import Trigger
import torch
from trajectory_msgs.msg import JointTrajectory

from smallbot.demonstration.samples import Demonstration
from smallbot.ed_scorbot.measured_servo import lag_and_fastest, time_scale_for
from smallbot.errors import InputError
from smallbot.nodes.common.arm_commands import (
    controller_joints,
    TrajectoryCommands,
    VelocityCommands,
)
from smallbot.nodes.common.company import Company, LOOK
from smallbot.nodes.common.guarded import Guarded
from smallbot.nodes.common.messages import (
    from_matrix,
    joint_positions,
    LATCHED,
    nanoseconds,
    one_line,
    RELIABLE,
    STATE,
    status,
    STREAM,
    to_events,
    to_matrix,
)
from smallbot.nodes.common.parameters import declare, model_arm, MODEL_ARM_PARAMETERS, Parameter
from smallbot.nodes.common.shown import Shown, shown_in
from smallbot.nodes.common.spin import run
from smallbot.one_shot.chip_care import FirstTrial
from smallbot.one_shot.controller import Controller, Settings
from smallbot.one_shot.model import DEFAULT_MODEL, load_model
from smallbot.one_shot.playback import Phase
from smallbot.one_shot.rehearsal import Bounds, DEFAULT_BOUNDS

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
OTHER_CLOCK = 1.0
"""How far the stamps of joint states may be from this machine's clock without a word, s."""


class SnnController(Guarded, LifecycleNode):
    """See the table of topics and services in docs/reference/ros_interface.md."""

    def __init__(self, **options):
        super().__init__('snn_controller', **options)
        self._chosen = chosen = declare(self, PARAMETERS)
        if chosen['chip_file'] and chosen['synapses'] != 'chip':
            raise InputError('snn_controller: parameter chip_file goes with synapses: chip')
        if 0 < chosen['time_scale'] < 1:
            raise InputError(f'snn_controller: parameter time_scale: {chosen["time_scale"]}, '
                             f'expected 0 or at least 1')
        torch.set_num_threads(1)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._servo: tuple[np.ndarray, np.ndarray] | None = None
        """Lag [J], s, and fastest speed [J], rad/s; None: it follows at once."""
        self._controller: Controller | None = None
        self._company: Company | None = None
        self._heard: JointState | None = None
        self._shown: Shown | None = None
        """What is demonstrated now; None: nothing."""
        self._taught: Shown | None = None
        """What was demonstrated when the chip learned it; None: not heard."""
        self._own: list = []
        """Publishers, subscriptions, services and timers between configuring and cleaning up."""
        self._trouble = ''
        if chosen['autostart']:
            for transition in (self.trigger_configure, self.trigger_activate):
                if transition() is not TransitionCallbackReturn.SUCCESS:
                    raise InputError(f'snn_controller: {self._trouble or "could not start"}')

    def on_configure(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Load the model, prepare or load the chip, open the topics.

        InputError (a model or chip file that cannot be used) is logged: FAILURE, unconfigured.
        """
        chosen = self._chosen
        try:
            self._configure()
        except InputError as error:
            self._close()
            self._trouble = str(error)
            if not chosen['autostart']:
                self.get_logger().error(self._trouble)
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        chosen = self._chosen
        model = load_model(chosen['model'])
        self.arm = arm = model_arm(chosen, model)
        joints = controller_joints(chosen['command_joints'], arm.driven)
        if chosen['servo'] == 'ed_scorbot':
            self._servo = lag_and_fastest(arm.driven)
        period = 1 / chosen['control_rate']
        if self._controller is None:
            self._controller = Controller(self._settings(period), self, course=self.ros_time)
        if chosen['command_type'] == 'velocity':
            self._commands = VelocityCommands(self, arm, joints)
        else:
            self._commands = TrajectoryCommands(self, arm, joints, period)
        self._traces = self.create_publisher(Float32MultiArray, 'eligibility', LATCHED)
        self._programmed = self.create_publisher(DiagnosticStatus, 'programmed', LATCHED)
        self._spikes = self.create_publisher(Int32MultiArray, 'spikes', STREAM)
        self._progress = self.create_publisher(DiagnosticStatus, 'progress', LATCHED)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', STREAM)
        self._own = [self._commands.publisher, self._traces, self._programmed, self._spikes,
                     self._progress, self._diagnostics]
        self._controller.configure(model, arm, self._commands)
        states = self.create_subscription(JointState, 'joint_states', self._on_state, STATE)
        self._company = Company(self, self._commands.topic, states.topic_name,
                                self._commands.watched)
        self._own += [
            states,
            self.create_subscription(JointTrajectory, 'demonstration', self._on_demonstration,
                                     LATCHED),
            self.create_subscription(Float32MultiArray, 'weight_update', self._on_update,
                                     RELIABLE),
            *(self.create_service(Trigger, f'~/{name}', self._guarded(act)) for name, act in (
                ('execute', self._execute), ('halt', self._controller.halt),
                ('forget', self._controller.forget), ('reset', self._controller.reset))),
            self.create_timer(1.0, self._diagnose, clock=self._steady),
            self.create_timer(LOOK, self._look_round, clock=self._steady)]

    def _settings(self, period: float) -> Settings:
        chosen, servo = self._chosen, self._servo
        return Settings(
            period=period, state_timeout=chosen['state_timeout'], synapses=chosen['synapses'],
            seed=chosen['seed'],
            chip_file=Path(chosen['chip_file']) if chosen['chip_file'] else None,
            duration=chosen['duration'], time_scale=chosen['time_scale'],
            correction=chosen['correction'], lag=tuple(servo[0]) if servo else (),
            scale_for=servo and (lambda positions, shown: time_scale_for(positions, shown,
                                                                         *servo)),
            bounds=Bounds(chosen['poor_above'], chosen['poor_share']),
            allow_poor=chosen['allow_poor'], allow_unlearned=chosen['allow_unlearned'])

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run the trial that gives the traces, then start the control loop."""
        self._controller.activate()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Halt the arm, wait until it has been sent zeros, end the control loop."""
        self._controller.deactivate()
        return super().on_deactivate(state)

    def on_cleanup(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Let go of topics and chip; a chip without a file is lost."""
        self._close()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Stop and let go of everything."""
        self._close()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Stop and let go of everything after a transition that failed: unconfigured."""
        self._close()
        return TransitionCallbackReturn.SUCCESS

    def on_failure(self, reason: str) -> None:
        """Halt the arm until reset."""
        if self._controller is not None and self._controller.loop is not None:
            self._controller.loop.halt(f'internal error: {reason}')
            self.progressed()

    def stop(self) -> None:
        """Stop the arm, acknowledged; called before the process ends."""
        if self._controller is not None:
            self._controller.deactivate('shut down')

    def _close(self) -> None:
        """Come to rest, let go of the chip and of every topic, service and timer."""
        if self._controller is not None:
            self._controller.cleanup()
            self._controller.shown = self._shown = None  # what is latched then is heard anew
        if self._company is not None:
            self._company.close()
        self._company = None
        for made in reversed(self._own):
            for kind, destroy in ((Publisher, self.destroy_publisher),
                                  (Subscription, self.destroy_subscription),
                                  (Service, self.destroy_service), (Timer, self.destroy_timer)):
                if isinstance(made, kind):
                    destroy(made)
        self._own = []

    # --- messages in

    def _on_state(self, message: JointState) -> None:
        watched, loop = self._commands.watched, self._controller.loop
        try:
            pose = joint_positions(message, watched)
        except InputError as error:
            loop.lacking = f'the last one was dropped: {error}'
            raise
        if pose is None:
            named = set(message.name[:len(message.position)])
            missing = ', '.join(name for name in watched if name not in named)
            loop.lacking = one_line(f'the last one lacks {missing}; it has '
                                    f'{", ".join(message.name)}')
            if loop.state_age()[1]:  # not where another publisher has them
                self.get_logger().warning(f'joint_states: {loop.lacking}',
                                          throttle_duration_sec=5.0)
            return
        loop.lacking = ''
        loop.state(pose)
        self._heard = message

    def _on_demonstration(self, message: JointTrajectory) -> None:
        shown = shown_in(message, self.arm, self.get_clock().now().nanoseconds)
        self._shown = shown
        self._controller.shown = shown.demonstration if shown is not None else None

    def _on_update(self, message: Float32MultiArray) -> None:
        if not self._controller.active:
            return
        labels = {}
        try:
            delta, labels = from_matrix(message)
            shown = self._shown
            self._controller.update(delta, labels)
            self._taught = shown
        except InputError as error:
            shown = self._shown
            self.programmed(False, f'update refused: {error}', version=labels.get('version', ''),
                            shown=shown.digest if shown is not None else '')
            raise

    # --- services

    def _guarded(self, act):
        def callback(_, response: Trigger.Response) -> Trigger.Response:
            try:
                response.message, response.success = act(), True
            except InputError as error:
                response.message, response.success = str(error), False
                self.get_logger().warning(str(error))
            return response
        return callback

    def _execute(self) -> str:
        said, controller = self._controller.execute(), self._controller
        elsewhere = self._elsewhere(controller.shown or controller.care.taught)
        return f'{said}; {self._named()}{elsewhere}'

    def _named(self) -> str:
        """Return which movement is played: what the chip has learned, or else what is shown."""
        learned = self._controller.learned
        for shown, counts in ((self._shown, learned is None), (self._taught, False)):
            if shown is not None and (counts or shown.digest == learned):
                return shown.named()
        taught = self._controller.care.taught if self._controller.care is not None else None
        return (f'the movement of {taught.duration:.2f} s that the chip had learned before'
                if taught is not None else 'no movement')

    def _elsewhere(self, shown: Demonstration) -> str:
        """Return what to say of joints that are not driven and not where they were shown."""
        at = dict(zip(self._heard.name, self._heard.position)) if self._heard else {}
        moved = [f'{name} is at {at[name]:.2f} rad, was shown at {held:.2f}'
                 for name, held in shown.held.items()
                 if name in at and not abs(at[name] - held) < ELSEWHERE]
        return f'; {", ".join(moved)}: the tool tip goes elsewhere' if moved else ''

    # --- what the controller says

    def progressed(self) -> None:
        """Publish the phase, and how much of a movement has been played."""
        loop = self._controller.loop
        with loop.lock:
            playback, now, began = loop.playback, loop.time(), ''
            if playback.phase in (Phase.PLAYING, Phase.DONE) and playback.began is not None:
                began = self.get_clock().now().nanoseconds - int((now - playback.began) * 1e9)
            message = status(
                'snn_controller', playback.phase is not Phase.HALTED, playback.phase.value,
                fraction=f'{playback.fraction(now):.3f}', reason=playback.reason, began=began,
                duration=f'{playback.duration:.6f}', put_off_seconds=f'{playback.late:.3f}',
                demonstration=self._controller.learned or '', movement=self._named())
        self._progress.publish(message)

    def spiked(self, events: np.ndarray) -> None:
        """Publish the spikes [E, 2] of a playback."""
        self._spikes.publish(to_events(events, playback=self._controller.care.version))

    def traced(self, trial: FirstTrial, version: str) -> None:
        """Publish the traces and the spikes of a trial."""
        self._traces.publish(to_matrix(
            trial.traces, 'step', 'pseudo-derivatives, input traces, recurrent traces',
            version=version, model=self._controller.care.model.digest))
        self._spikes.publish(to_events(trial.spikes, trial=version))

    def programmed(self, ok: bool, text: str, **values: object) -> None:
        """Publish what the chip holds, or why an update was refused."""
        self._programmed.publish(status('snn_controller', ok, text, **values))

    def said(self, text: str) -> None:
        """Log what is worth a line."""
        self.get_logger().info(text)

    finished = said

    def complained(self, text: str) -> None:
        """Log what has gone wrong."""
        self.get_logger().error(text)

    halted = complained

    def delayed(self, text: str) -> None:
        """Log what was done about a tick that came late, not too often."""
        self.get_logger().warning(text, throttle_duration_sec=1.0)

    def _look_round(self) -> None:
        """Notice others that command the arm or say where it is."""
        if self._company is None:
            return
        loop, before = self._controller.loop, self._controller.loop.company
        loop.company = self._company.look()
        if loop.company != before:
            text = f'{loop.company}; no movement meanwhile' if loop.company else 'alone again'
            if loop.playback.moving:
                self.get_logger().warning(text)
            else:
                self.get_logger().info(text)
            self._diagnose()

    def _diagnose(self) -> None:
        if self._company is None:
            return
        controller, loop = self._controller, self._controller.loop
        controller.tend()
        (age, stale), playback = loop.state_age(), loop.playback
        fine = not stale and playback.phase is not Phase.HALTED and not loop.company
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [status(
            'snn_controller: playback', fine,
            f'{playback.phase.value} {playback.reason or loop.company}'.strip()
            if fine or playback.reason or loop.company else 'no fresh joint_states',
            joint_states_age_seconds=f'{age:.3f}', joint_states_clock=self._other_clock(),
            company=loop.company or 'none', learned=controller.learned or 'nothing',
            spoiled=controller.care.spoiled or 'no', version=controller.care.version,
            synapses=self._chosen['synapses'], **controller.expected(),
            **loop.cadence.values())]
        self._diagnostics.publish(message)

    def _other_clock(self) -> str:
        """Return what to say of the clock that stamps joint states: no motion goes by it."""
        if self._heard is None:
            return 'not heard'
        behind = 1e-9 * (self.get_clock().now().nanoseconds
                         - nanoseconds(self._heard.header.stamp)) - self._loop_age()
        return ('ours' if abs(behind) < OTHER_CLOCK else
                f'{behind:.1f} s behind ours, which no motion goes by')

    def _loop_age(self) -> float:
        age, _ = self._controller.loop.state_age()
        return age if np.isfinite(age) else 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the controller."""
    return run(SnnController, arguments)


if __name__ == '__main__':
    raise SystemExit(main())
