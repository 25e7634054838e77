# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The demonstration with every node in one process, over real DDS."""

from collections.abc import Callable
import os
from pathlib import Path
import sys

import rclpy
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from smallbot.demonstration.formats.options import Reading, text_of
from smallbot.demonstration.reading import PLAIN
from smallbot.ed_scorbot.on_broker import OnBroker
from smallbot.nodes.arm_simulator import ArmSimulator
from smallbot.nodes.common.ending import stop_event
from smallbot.nodes.common.spin import Hosted
from smallbot.nodes.demo_director import Director
from smallbot.nodes.demo_recorder import DemoRecorder
from smallbot.nodes.ed_scorbot_driver import EdScorbotDriver
from smallbot.nodes.hands import DirectorError
from smallbot.nodes.one_shot_learner import OneShotLearner
from smallbot.nodes.snn_controller import SnnController
from smallbot.nodes.trajectory_display import TrajectoryDisplay
from smallbot.study.on_arm import Execution
from smallbot.study.reproduction import Reproduction, reproduction

STATE_TIMEOUT = 1.0
"""Age of the states of a real arm beyond which the controller halts, s: its driver stops it
sooner, and says why."""
EMULATED_TIMEOUT = 1.0
"""Age of a command beyond which an emulated arm stops, s: it harms nobody, and the machine may be
busy."""


def run_demo(demonstration: Path | None, model: str, synapses: str, duration: float | None,
             seed: int, out: Path, tell: Callable[[str], None], execution: Execution,
             real: OnBroker | None = None, may_search_home: Callable[[], bool] = lambda: False,
             allow_poor: bool = False, reading: Reading = PLAIN) -> Reproduction | None:
    """Run the demonstration; returns None, with the reason on stderr, where a step failed.

    Without a `demonstration` the arm of the model is shown what suits it.

    The nodes live in a namespace of this process, so that a second demonstration or an arm on
    the same network is not disturbed. With `real` the arm there is commanded instead of a
    simulated one guided; it shows and plays at the time scale of `execution`. Where that ends
    before its time, the arm is given back, which makes it search home, if `may_search_home`
    says so, and else stays as it is. `allow_poor` as of `snn_controller`.
    """
    stopped = stop_event()
    space = f'/smallbot_demo_{os.getpid()}'
    rclpy.init(args=['--ros-args', '-r', f'__ns:={space}', '--log-level', 'warn'],
               signal_handler_options=SignalHandlerOptions.NO)

    def given(**values):
        return {'parameter_overrides': [Parameter(name, value=value)
                                        for name, value in values.items()]}

    def ended(director: Director, reason: str) -> None:
        print(f'smallbot demo: {reason}', file=sys.stderr, flush=True)
        if real is not None:
            _farewell(director, may_search_home, tell)

    try:
        # First what may not be there, so that nothing needs to be stopped.
        if real is None:
            arm = ArmSimulator(**given(model=execution.model, arm_of=model))
            servo = 'ed_scorbot' if execution.model == 'measured' else 'ideal'
            playing = {'time_scale': execution.time_scale or 0.0, 'servo': servo,
                       'duration': float(duration or 0.0)}
            showing = {}
        else:
            timeout = {'command_timeout': EMULATED_TIMEOUT} if real.emulated else {}
            arm = EdScorbotDriver(real.broker, **given(
                robot=real.robot, convention=real.convention, take_over=real.take_over,
                **timeout))
            playing = {'state_timeout': STATE_TIMEOUT, 'servo': 'ed_scorbot'}
            showing = {'hand': 'commanding', 'time_scale': execution.time_scale,
                       'correction': execution.correction, 'convention': real.convention}
        nodes = [
            SnnController(**given(model=model, synapses=synapses, seed=seed,
                                  correction=execution.correction, allow_poor=allow_poor,
                                  **playing)),
            OneShotLearner(**given(model=model)),
            DemoRecorder(**given(bag_directory=str(out), arm_of=model)),
            TrajectoryDisplay(**given(arm_of=model)),
            arm,
        ]
        director = Director(tell, **given(
            demonstration_file=str(demonstration or ''), model=model, reading=text_of(reading),
            **showing))
        with Hosted(nodes) as hosted:
            try:
                course = director.direct(lambda: stopped.is_set() or bool(hosted.failures))
            except DirectorError as error:
                director.stop()
                ended(director, str(error))
                return None
            except KeyboardInterrupt:
                reason = hosted.failures[0] if hosted.failures else 'interrupted'
                ended(director, f'{reason}; {director.whereabouts()}')
                return None
            finally:
                director.stop()
        return reproduction(director.model, director.arm, course, synapses, execution.model, seed,
                            emulated=real is not None and real.emulated)
    finally:
        rclpy.try_shutdown()


def _farewell(director: Director, may_search_home: Callable[[], bool],
              tell: Callable[[str], None]) -> None:
    """Give an arm back that was stopped on the way, or say what keeps it."""
    if not director.owns_arm:
        return
    if not may_search_home():
        tell('the arm stays owned: --take-over frees it in the next run')
        return
    try:
        director.give_back()
    except DirectorError as error:
        tell(f'the arm was not given back: {error}')
