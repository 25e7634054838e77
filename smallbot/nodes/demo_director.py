# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Leads a demonstration from beginning to end, through the topics and services a user has.

It shows a movement through one of `nodes.hands`, lets the recorder record, the learner learn and
the controller play, and compares what the arm did with what it was shown.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
import rclpy
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray, Int32MultiArray
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from smallbot.clock import MotionClock
from smallbot.demonstration.formats.options import parsed
from smallbot.demonstration.reading import read_demonstration
from smallbot.demonstration.trial_grid import trial_of
from smallbot.ed_scorbot.convention import CONVENTIONS
from smallbot.ed_scorbot.session import Session
from smallbot.ed_scorbot.settings import Settings
from smallbot.errors import InputError
from smallbot.files.writing import write_json
from smallbot.nodes.common.ending import (
    end_at_once,
    ended,
    leave_within,
    MIDDLEWARE,
    stop_event,
)
from smallbot.nodes.common.guarded import Guarded
from smallbot.nodes.common.messages import (
    from_events,
    is_ok,
    is_withdrawal,
    joint_positions,
    LATCHED,
    nanoseconds,
    number_of,
    Progress,
    STATE,
    STREAM,
    to_demonstration,
    to_progress,
    to_traces,
    values_of,
)
from smallbot.nodes.common.parameters import declare, model_arm, MODEL_ARM_PARAMETERS, Parameter
from smallbot.nodes.common.spin import HostedExecutor
from smallbot.nodes.hands import CommandingHand, DirectorError, GuidingHand, PATIENCE
from smallbot.one_shot.example import shown_by_default
from smallbot.one_shot.model import DEFAULT_MODEL, load_model
from smallbot.one_shot.playback import Phase, TOO_LATE
from smallbot.study.reproduction import Course, reproduction

PARAMETERS = {
    'demonstration_file': Parameter('', 'bag or CSV to show; empty: one that suits the arm'),
    'reading': Parameter(
        '', 'what the file leaves open, as on the command line: --time-unit ms --columns ...'),
    'model': Parameter(DEFAULT_MODEL, 'shipped model, or path of a .safetensors file'),
    **MODEL_ARM_PARAMETERS,
    'report': Parameter('', 'file for the result as JSON; empty: none'),
    'hand': Parameter(
        'guiding', 'how the movement is shown: guiding a simulated arm, or commanding the arm of '
                   'ed_scorbot_driver, which homes, moves and is given back',
        choices=('guiding', 'commanding')),
    'time_scale': Parameter(
        1.0, 'how many times slower than in the file a commanded arm shows the movement', 0.01,
        1000.0),
    'correction': Parameter(
        0.0, 'velocity for each rad that a commanded arm is astray while it shows, 1/s', 0.0,
        10.0),
    'convention': Parameter(
        '2023', 'year of the published signs whose limits a commanded movement must keep',
        choices=tuple(CONVENTIONS)),
}

ATTEMPTS = 3
"""How often a simulated arm is led in all, where the machine was too busy to lead it."""
MOST_STATES = 600_000
"""Messages of one topic kept of a playback: ten minutes at a thousand a second."""


class Director(Guarded, Node):
    """Leads the other nodes; `direct` blocks and spins this node by itself."""

    def __init__(self, tell: Callable[[str], None] = print, **options):
        super().__init__('demo_director', **options)
        self.tell = tell
        chosen = declare(self, PARAMETERS)
        self.report_file = Path(chosen['report']) if chosen['report'] else None
        self.model = load_model(chosen['model'])
        self.arm = model_arm(chosen, self.model)
        file = chosen['demonstration_file']
        self.shown = (read_demonstration(file, self.arm, parsed(chosen['reading'])) if file
                      else shown_by_default(self.model.config, self.arm))
        trial_of(self.shown, self.arm, self.model.steps)
        self.course = Course(shown=Path(self.shown.source).stem)
        self.position: np.ndarray | None = None
        """Of the driven joints [J], rad, as last heard."""
        self._progress: Progress | None = None
        self._failure = ''
        self._executing = self._leaving = False
        self._interrupted: Callable[[], bool] = lambda: False
        self._executor = HostedExecutor(context=self.context)
        self._executor.add_node(self)
        if chosen['hand'] == 'guiding':
            self._hand = GuidingHand(self, self, self.shown)
        else:
            # Before anything moves; the driver checks what it then sees recorded.
            Session(self.arm, Settings(CONVENTIONS[chosen['convention']],
                                       time_scale=chosen['time_scale'])).consider(self.shown)
            self._hand = CommandingHand(self, self, self.shown, self.arm, self.model.steps,
                                        chosen['time_scale'], chosen['correction'])
        self.create_subscription(JointState, 'joint_states', self._on_state, STATE)
        self.create_subscription(JointTrajectory, 'demonstration', self._on_demonstration, LATCHED)
        self.create_subscription(DiagnosticStatus, 'programmed', self._on_programmed, LATCHED)
        self.create_subscription(DiagnosticStatus, 'progress', self._on_progress, LATCHED)
        self.create_subscription(Int32MultiArray, 'spikes', self._on_spikes, STREAM)
        self.create_subscription(Float32MultiArray, 'eligibility', self._on_eligibility, LATCHED)
        self._calls = {name: self.create_client(Trigger, name) for name in (
            'demo_recorder/start', 'demo_recorder/stop', 'one_shot_learner/learn',
            'snn_controller/forget', 'snn_controller/execute', 'snn_controller/halt',
            'snn_controller/reset',
            *self._hand.SERVICES)}

    def stop(self) -> None:
        """Halt the arm if it is being moved."""
        self._leaving = True
        if self._executing:
            self._executing = False
            future = self._calls['snn_controller/halt'].call_async(Trigger.Request())
            self._executor.spin_until_future_complete(future, timeout_sec=1.0)
        self._hand.stop()

    @property
    def owns_arm(self) -> bool:
        """Return whether a real arm has to be given back."""
        return self._hand.owns

    def whereabouts(self) -> str:
        """Return what has become of the arm after `stop`."""
        return self._hand.whereabouts()

    def give_back(self) -> None:
        """Give back an arm that was stopped on the way; raises DirectorError where it cannot be.

        Its controller then makes it search home: whoever calls this has seen that it may move.
        """
        self._leaving = True
        self._hand.give_back()

    def direct(self, interrupted: Callable[[], bool] = lambda: False) -> Course:
        """Lead the whole demonstration; raises DirectorError where a step fails.

        `interrupted` is asked while waiting; when it says so the arm is halted and
        KeyboardInterrupt raised.
        """
        self._interrupted = interrupted
        tell = self.tell
        for name, client in self._calls.items():
            self.wait(client.service_is_ready, PATIENCE,
                      f'service {name}: is {name.split("/")[0]} running?')
        self.wait(lambda: self._progress is not None
                  and self.course.spikes_before is not None, PATIENCE,
                  'eligibility and progress: is snn_controller active?')
        if self._progress.demonstration:
            tell('0/5 forget  the chip has learned before: initial weights')
            self.course.programmed = {}
            self.course.updates = 0
            self.course.spikes_before = None
            self.call('snn_controller/forget')
            self.wait(lambda: self.course.spikes_before is not None, PATIENCE,
                      'new traces after snn_controller/forget')
        self._hand.to_start()
        self.call('demo_recorder/start')
        self._hand.show()
        self.course.demonstration = None
        said = self.call('demo_recorder/stop')
        self.course.bag = said.split('; bag ')[1] if '; bag ' in said else ''
        self.wait(lambda: self.course.demonstration is not None, PATIENCE,
                  'the demonstration from demo_recorder')
        tell('3/5 learn   learning signals, then one update of the chip')
        began = time.monotonic()
        said = self.call('one_shot_learner/learn')
        self.course.learn_seconds = time.monotonic() - began
        tell(f'            {said}')
        self.wait(lambda: bool(self.course.programmed), PATIENCE, 'the programmed message')
        for again in reversed(range(ATTEMPTS)):
            played = self._play()
            if played.phase is Phase.DONE:
                break
            if self._hand.owns or not again or not played.reason.startswith(TOO_LATE):
                raise DirectorError(f'the controller halted: {played.reason}')
            tell(f'            halted, {played.reason}; once more')
            self.wait(self._reset, PATIENCE, 'the arm to stand')
        self.pause(0.2)
        self._executing = False
        self.course.began, self.course.duration = played.began, played.duration
        self._hand.finish()
        return self.course

    def _play(self) -> Progress:
        """Have what was learned executed; returns how it ended."""
        self.course.stamps, self.course.positions, self.course.spikes_after = [], [], []
        self._progress = None
        self._executing = True
        self.tell(f'4/5 execute {self.call("snn_controller/execute")}')
        self.wait(lambda: self._is(Phase.PLAYING, Phase.DONE, Phase.HALTED), 2 * PATIENCE,
                  'the arm to reach the start of the playback')
        self.wait(lambda: self._is(Phase.DONE, Phase.HALTED), PATIENCE + self._progress.duration,
                  'the end of the playback')
        return self._progress

    def _reset(self) -> bool:
        """Allow movements again; False while the arm still brakes."""
        try:
            self.call('snn_controller/reset')
        except DirectorError:
            return False
        return True

    def _is(self, *phases: Phase) -> bool:
        return self._progress is not None and self._progress.phase in phases

    def on_failure(self, reason: str) -> None:
        """End the demonstration at the next look, as a step that failed."""
        self._failure = reason

    def call(self, name: str) -> str:
        """Call a service; returns its message, raises DirectorError where it says no."""
        future = self._calls[name].call_async(Trigger.Request())
        self.wait(future.done, PATIENCE, f'an answer of {name}')
        answer = future.result()
        if not answer.success:
            raise DirectorError(f'{name}: {answer.message}')
        return answer.message

    def wait(self, condition: Callable[[], Any], seconds: float, what: str) -> None:
        """Spin until `condition`; raises DirectorError when `seconds` pass without it."""
        deadline = time.monotonic() + seconds
        while not condition():
            self._check()
            if time.monotonic() > deadline:
                raise DirectorError(f'waited {seconds:.0f} s in vain for {what}')
            self._executor.spin_once(timeout_sec=0.02)

    def pause(self, seconds: float) -> None:
        """Let `seconds` of the arm's time pass, spinning."""
        passing = MotionClock(time.monotonic, self.ros_time)
        deadline = passing.now + seconds
        while passing.look() < deadline:
            self._check()
            self._executor.spin_once(timeout_sec=0.02)

    def _check(self) -> None:
        """Raise what ends the demonstration now: an interruption, or an arm in trouble."""
        if self._leaving:
            return
        if self._interrupted():
            self.stop()
            raise KeyboardInterrupt
        trouble = self._failure or self._hand.trouble()
        if trouble:
            raise DirectorError(trouble)

    def _on_state(self, message: JointState) -> None:
        position = joint_positions(message, self.arm.driven)
        if position is None:
            return
        self.position = position
        if self._executing and len(self.course.stamps) < MOST_STATES:
            self.course.stamps.append(nanoseconds(message.header.stamp))
            self.course.positions.append(position)

    def _on_demonstration(self, message: JointTrajectory) -> None:
        self.course.demonstration = (None if is_withdrawal(message, self.arm) else
                                     to_demonstration(message, self.arm))

    def _on_programmed(self, message: DiagnosticStatus) -> None:
        values = values_of(message)
        if is_ok(message) and 'cells_written' in values:
            for name in ('cells_written', 'cells_total'):
                number_of(values, name)
            self.course.programmed = values
            self.course.updates += 1

    def _on_progress(self, message: DiagnosticStatus) -> None:
        self._progress = to_progress(message)

    def _on_eligibility(self, message: Float32MultiArray) -> None:
        """Read the spikes before the update off the traces: a trace steps up at each spike."""
        matrix, _ = to_traces(message, self.model)
        trace = matrix[:, self.model.n + self.model.n_in:]
        grown = trace[1:] - self.model.config.trainee.membrane_decay * trace[:-1]
        self.course.spikes_before = np.argwhere(grown > 0.5)

    def _on_spikes(self, message: Int32MultiArray) -> None:
        events, labels = from_events(message, self.model)
        kept = self.course.spikes_after
        if 'playback' in labels and self._executing and len(kept) < MOST_STATES:
            self.course.spikes_after.append(events)


def main(arguments: Sequence[str] | None = None) -> int:
    """Lead the demonstration once: 0 done or interrupted, 1 a step failed, 2 bad input."""
    end_at_once()
    return ended(_lead(arguments))


def _lead(arguments: Sequence[str] | None) -> int:
    director, code = None, 1
    try:
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        director = Director()
        stopped = stop_event()
        course = director.direct(stopped.is_set)
        result = reproduction(director.model, director.arm, course)
        print(result.headline(), flush=True)
        if director.report_file is not None:
            write_json(director.report_file, result.report)
        code = 0
    except (InputError, ParameterException) as error:
        print(' '.join(str(error).split()), file=sys.stderr)
        code = 2
    except DirectorError as error:
        print(f'demo_director: {error}', file=sys.stderr)
    except KeyboardInterrupt:
        code = 0
    finally:
        if director is not None:
            director.stop()
            leave_within(MIDDLEWARE, code)
            director.destroy_node()
        rclpy.try_shutdown()
    return code


if __name__ == '__main__':
    raise SystemExit(main())
