"""The demonstration with every node in one process, over real DDS."""

from collections.abc import Callable
import os
from pathlib import Path
import sys

import rclpy
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from smallbot.nodes.arm_simulator import ArmSimulator
from smallbot.nodes.demo_director import Director, DirectorError
from smallbot.nodes.demo_recorder import DemoRecorder
from smallbot.nodes.one_shot_learner import OneShotLearner
from smallbot.nodes.snn_controller import SnnController
from smallbot.nodes.spin import Hosted, stop_event
from smallbot.nodes.trajectory_display import TrajectoryDisplay
from smallbot.one_shot.on_arm import Execution
from smallbot.one_shot.reproduction import Reproduction, reproduction


def run_demo(demonstration: Path | None, model: str, synapses: str, duration: float | None,
             seed: int, out: Path, tell: Callable[[str], None],
             execution: Execution) -> Reproduction | None:
    """Run the demonstration; returns None, with the reason on stderr, where a step failed.

    The nodes live in a namespace of this process, so that a second demonstration or an arm on
    the same network is not disturbed.
    """
    stopped = stop_event()
    space = f'/smallbot_demo_{os.getpid()}'
    rclpy.init(args=['--ros-args', '-r', f'__ns:={space}', '--log-level', 'warn'],
               signal_handler_options=SignalHandlerOptions.NO)

    def given(**values):
        return {'parameter_overrides': [Parameter(name, value=value)
                                        for name, value in values.items()]}

    try:
        # First what may not be there, so that nothing needs to be stopped.
        simulator = ArmSimulator(**given(model=execution.model))
        nodes = [
            SnnController(**given(model=model, synapses=synapses, seed=seed,
                                  duration=float(duration or 0.0),
                                  time_scale=execution.time_scale,
                                  correction=execution.correction)),
            OneShotLearner(**given(model=model)),
            DemoRecorder(**given(bag_directory=str(out))),
            TrajectoryDisplay(),
            simulator,
        ]
        director = Director(tell, **given(
            demonstration_file=str(demonstration or ''), model=model))
        with Hosted(nodes) as hosted:
            try:
                course = director.direct(lambda: stopped.is_set() or bool(hosted.failures))
            except DirectorError as error:
                print(f'smallbot demo: {error}', file=sys.stderr)
                return None
            except KeyboardInterrupt:
                reason = hosted.failures[0] if hosted.failures else 'interrupted'
                print(f'smallbot demo: {reason}; the arm has been stopped', file=sys.stderr)
                return None
            finally:
                director.stop()
        return reproduction(director.model, director.arm, course, synapses, execution.model, seed)
    finally:
        rclpy.try_shutdown()
