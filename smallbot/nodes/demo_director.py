"""Leads a demonstration from beginning to end, through the topics and services a user has.

It guides the simulated arm as a person's hand would, lets the recorder record, the learner
learn and the controller play, and compares what the arm did with what it was shown.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
import sys
import time

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray, Int32MultiArray
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from smallbot.arm.demonstration import check_detail, read_demonstration
from smallbot.errors import InputError
from smallbot.files import write_json
from smallbot.nodes.messages import (
    from_matrix,
    is_ok,
    joint_positions,
    LATCHED,
    nanoseconds,
    RELIABLE,
    STATE,
    STREAM,
    to_demonstration,
    to_trajectory,
    values_of,
)
from smallbot.nodes.parameters import declare, model_arm, MODEL_ARM_PARAMETERS, Parameter
from smallbot.nodes.spin import stop_event
from smallbot.one_shot.model import DEFAULT_MODEL, load_model
from smallbot.one_shot.reproduction import Course, reproduction
from smallbot.share import share_directory

PARAMETERS = {
    'demonstration_file': Parameter('', 'bag or CSV to show; empty: one of those shipped'),
    'model': Parameter(DEFAULT_MODEL, 'shipped model, or path of a .safetensors file'),
    **MODEL_ARM_PARAMETERS,
    'report': Parameter('', 'file for the result as JSON; empty: none'),
}
DEFAULT_DEMONSTRATION = 'greek_60_drawer_18.csv'
PATIENCE = 20.0
"""How long to wait for other nodes to appear or answer, s."""
SETTLED = 5e-3
"""Distance at which a guided arm counts as there, rad: one with whole references gives way by
half of one."""


class DirectorError(RuntimeError):
    """A step of the demonstration that did not work; the message says which and what to try."""


class Director(Node):
    """Leads the other nodes; `direct` blocks and spins this node by itself."""

    def __init__(self, tell: Callable[[str], None] = print, **options):
        super().__init__('demo_director', **options)
        self._tell = tell
        chosen = declare(self, PARAMETERS)
        self.report_file = Path(chosen['report']) if chosen['report'] else None
        self.model = load_model(chosen['model'])
        self.arm = model_arm(chosen, self.model)
        self.file = chosen['demonstration_file'] or str(
            share_directory() / 'config' / 'demonstrations' / DEFAULT_DEMONSTRATION)
        self.shown = read_demonstration(self.file, self.arm)
        check_detail(self.shown, self.arm, self.model.steps)
        self.course = Course(shown=Path(self.file).stem)
        self._position: np.ndarray | None = None
        self._progress: tuple[str, dict[str, str]] = ('', {})
        self._executing = False
        self._interrupted: Callable[[], bool] = lambda: False
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self)
        self._guide = self.create_publisher(JointTrajectory, 'guide', RELIABLE)
        self.create_subscription(JointState, 'joint_states', self._on_state, STATE)
        self.create_subscription(JointTrajectory, 'demonstration', self._on_demonstration, LATCHED)
        self.create_subscription(DiagnosticStatus, 'programmed', self._on_programmed, LATCHED)
        self.create_subscription(DiagnosticStatus, 'progress', self._on_progress, LATCHED)
        self.create_subscription(Int32MultiArray, 'spikes', self._on_spikes, STREAM)
        self.create_subscription(Float32MultiArray, 'eligibility', self._on_eligibility, LATCHED)
        self._calls = {name: self.create_client(Trigger, name) for name in (
            'demo_recorder/start', 'demo_recorder/stop', 'one_shot_learner/learn',
            'snn_controller/forget', 'snn_controller/execute', 'snn_controller/halt')}

    def stop(self) -> None:
        """Halt the arm if it is being played on."""
        if self._executing:
            self._executing = False
            future = self._calls['snn_controller/halt'].call_async(Trigger.Request())
            self._executor.spin_until_future_complete(future, timeout_sec=1.0)

    def direct(self, interrupted: Callable[[], bool] = lambda: False) -> Course:
        """Lead the whole demonstration; raises DirectorError where a step fails.

        `interrupted` is asked while waiting; when it says so the arm is halted and
        KeyboardInterrupt raised.
        """
        self._interrupted = interrupted
        tell, shown = self._tell, self.shown
        self._wait(lambda: self._position is not None, PATIENCE,
                   'joint_states: is arm_simulator, or the driver of the arm, running?')
        for name, client in self._calls.items():
            self._wait(client.service_is_ready, PATIENCE,
                       f'service {name}: is {name.split("/")[0]} running?')
        self._wait(lambda: self._progress[0] and self.course.spikes_before is not None, PATIENCE,
                   'eligibility and progress: is snn_controller active?')
        if self._progress[1].get('demonstration'):
            tell('0/5 forget  the chip has learned before: initial weights')
            self.course.programmed = {}
            self.course.updates = 0
            self.course.spikes_before = None
            self._call('snn_controller/forget')
            self._wait(lambda: self.course.spikes_before is not None, PATIENCE,
                       'new traces after snn_controller/forget')
        self._wait(lambda: self._guide.get_subscription_count() > 0, PATIENCE,
                   'a simulated arm that listens to topic guide')
        first = shown.position[0]
        tell(f'1/5 guide   taking the arm to the start of {Path(shown.source).name}')
        self._guide.publish(
            to_trajectory(shown.joints, np.array([0.0, 0.5]), np.stack([first] * 2)))
        far = np.abs(self._position - first).max()
        self._wait(lambda: np.abs(self._position - first).max() < SETTLED, PATIENCE + 6 * far,
                   'the arm to reach the start: does the guide message fit its joints?')
        self._pause(0.4)
        tell(f'2/5 record  {shown.duration:.1f} s of {", ".join(shown.joints)}')
        self._call('demo_recorder/start')
        self._guide.publish(to_trajectory(shown.joints, shown.time, shown.position))
        self._pause(shown.duration + 0.1)
        last = shown.position[-1]
        self._wait(lambda: np.abs(self._position - last).max() < SETTLED, PATIENCE,
                   'the arm to reach the end of the demonstration')
        self._pause(0.1)
        self.course.demonstration = None
        said = self._call('demo_recorder/stop')
        self.course.bag = said.split('; bag ')[1] if '; bag ' in said else ''
        self._wait(lambda: self.course.demonstration is not None, PATIENCE,
                   'the demonstration from demo_recorder')
        tell('3/5 learn   learning signals, then one update of the chip')
        began = time.monotonic()
        said = self._call('one_shot_learner/learn')
        self.course.learn_seconds = time.monotonic() - began
        tell(f'            {said}')
        self._wait(lambda: bool(self.course.programmed), PATIENCE, 'the programmed message')
        self._progress = ('', {})
        self._executing = True
        said = self._call('snn_controller/execute')
        tell(f'4/5 execute {said}')
        self._wait(lambda: self._progress[0] in ('playing', 'done', 'halted'), 2 * PATIENCE,
                   'the arm to reach the start of the playback')
        self._wait(lambda: self._progress[0] in ('done', 'halted'),
                   PATIENCE + float(self._progress[1]['duration']), 'the end of the playback')
        phase, values = self._progress
        if phase == 'halted':
            raise DirectorError(f'the controller halted: {values.get("reason")}')
        self._pause(0.2)
        self._executing = False
        self.course.began = int(values['began'])
        self.course.duration = float(values['duration'])
        return self.course

    def _call(self, name: str) -> str:
        """Call a service; returns its message, raises DirectorError where it says no."""
        future = self._calls[name].call_async(Trigger.Request())
        self._wait(future.done, PATIENCE, f'an answer of {name}')
        answer = future.result()
        if not answer.success:
            raise DirectorError(f'{name}: {answer.message}')
        return answer.message

    def _wait(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Spin until `condition`; raises DirectorError when `seconds` pass without it."""
        deadline = time.monotonic() + seconds
        while not condition():
            self._check_interrupted()
            if time.monotonic() > deadline:
                raise DirectorError(f'waited {seconds:.0f} s in vain for {what}')
            self._executor.spin_once(timeout_sec=0.02)

    def _pause(self, seconds: float) -> None:
        """Let `seconds` of the arm's time pass, spinning."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._check_interrupted()
            self._executor.spin_once(timeout_sec=0.02)

    def _check_interrupted(self) -> None:
        if self._interrupted():
            self.stop()
            raise KeyboardInterrupt

    def _on_state(self, message: JointState) -> None:
        position = joint_positions(message, self.arm.driven)
        if position is None:
            return
        self._position = position
        if self._executing:
            self.course.stamps.append(nanoseconds(message.header.stamp))
            self.course.positions.append(position)

    def _on_demonstration(self, message: JointTrajectory) -> None:
        self.course.demonstration = to_demonstration(message, self.arm)

    def _on_programmed(self, message: DiagnosticStatus) -> None:
        values = values_of(message)
        if is_ok(message) and 'cells_written' in values:
            self.course.programmed = values
            self.course.updates += 1

    def _on_progress(self, message: DiagnosticStatus) -> None:
        self._progress = (message.message, values_of(message))

    def _on_eligibility(self, message: Float32MultiArray) -> None:
        """Read the spikes before the update off the traces: a trace steps up at each spike."""
        matrix, _ = from_matrix(message)
        trace = matrix[:, self.model.n + self.model.n_in:]
        grown = trace[1:] - self.model.config.trainee.membrane_decay * trace[:-1]
        self.course.spikes_before = np.argwhere(grown > 0.5)

    def _on_spikes(self, message: Int32MultiArray) -> None:
        events, labels = from_matrix(message)
        if 'playback' in labels and self._executing:
            self.course.spikes_after.append(events)


def main(arguments: Sequence[str] | None = None) -> int:
    """Lead the demonstration once: 0 done or interrupted, 1 a step failed, 2 bad input."""
    stopped = stop_event()
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    director = None
    try:
        director = Director()
        course = director.direct(stopped.is_set)
        result = reproduction(director.model, director.arm, course)
        print(result.headline(), flush=True)
        if director.report_file is not None:
            write_json(director.report_file, result.report)
        return 0
    except (InputError, ParameterException) as error:
        print(' '.join(str(error).split()), file=sys.stderr)
        return 2
    except DirectorError as error:
        print(f'demo_director: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        if director is not None:
            director.stop()
            director.destroy_node()
        rclpy.try_shutdown()


if __name__ == '__main__':
    raise SystemExit(main())
