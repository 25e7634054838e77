# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""One demonstration without ROS, faster than real time: shown, recorded, learned, played.

The controller of `snn_controller` and its control loop drive the arm of `arm_simulator`, on one
clock that is moved on here; what is recorded is read and kept as `demo_recorder` does. Not here:
nodes, messages and their delays, a real arm.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
import sys
import time

import numpy as np

from smallbot.demonstration.bag import new_bag
from smallbot.demonstration.formats.messages import State
from smallbot.demonstration.reading import from_states
from smallbot.demonstration.samples import Demonstration
from smallbot.demonstration.trial_grid import trial_of
from smallbot.ed_scorbot.measured_servo import lag_and_fastest, time_scale_for
from smallbot.errors import InputError
from smallbot.one_shot.chip_care import FirstTrial
from smallbot.one_shot.control_loop import SteppedLoop
from smallbot.one_shot.controller import Controller, Settings
from smallbot.one_shot.learner import movement_update, traces_of
from smallbot.one_shot.model import arm_of, OneShotModel
from smallbot.one_shot.playback import Phase
from smallbot.simulation.commands import SimulatedCommands
from smallbot.simulation.simulated import SETTLED, SimulatedArm
from smallbot.study.on_arm import Execution, PERIOD
from smallbot.study.reproduction import Course, Reproduction, reproduction

STATES = 5_000_000
"""Time between two states of the arm, ns: the simulator's default."""
TICKS = round(PERIOD * 1e9)
"""Time between two ticks of the control loop, ns; a whole number of states."""
LOOKS = 1_000_000_000
"""Time between two looks at the chip, ns."""
HAND = 60.0
"""How long a hand may take to where it leads the arm, beyond the movement itself, s."""
REST = 0.4
"""How long the arm stands before a movement is shown, s."""
BESIDE = 0.2
"""How long it is recorded before and after a movement, and watched after one was played, s."""


class StepError(InputError):
    """A step of the demonstration that did not work; the message says why and what to try."""

    code = 1


class Robot:
    """A simulated arm and the controller that drives it, on one clock that `advance` moves on.

    Parameters: `execution`, of which `lag` is the arm's own; `synapses`, 'chip' or 'software',
    whose devices `seed` decides; `duration`, s, and `allow_poor` as of `Settings`; `warn` is told
    what has gone wrong. It is the outlet of its controller.
    """

    def __init__(self, model: OneShotModel, execution: Execution, synapses: str = 'chip',
                 seed: int = 0, duration: float | None = None, allow_poor: bool = False,
                 warn: Callable[[str], None] = lambda text: print(text, file=sys.stderr)):
        self.model, self.execution = model, execution
        self.arm = arm_of(model.config)
        self.simulated = SimulatedArm(self.arm, execution.model)
        self.course = Course()
        """What has been seen so far; its stamps are of `steady`."""
        self._warn = warn
        self._now, self._since_1970 = 0, time.time_ns()
        self._heard: list[State] | None = None
        """What is being recorded; None: nothing is."""
        self._velocities: list[np.ndarray] = []
        self._watching = False
        self._trial: tuple[FirstTrial, str] | None = None
        servo = lag_and_fastest(self.arm.driven) if execution.model == 'measured' else None
        self.controller = Controller(
            Settings(PERIOD, synapses=synapses, seed=seed, duration=duration or 0.0,
                     time_scale=execution.time_scale or 0.0, correction=execution.correction,
                     lag=tuple(servo[0]) if servo else (),
                     scale_for=servo and (lambda positions, shown: time_scale_for(
                         positions, shown, *servo)),
                     allow_poor=allow_poor),
            self, self.steady, self.wall, self._loop_of)
        self.controller.configure(model, self.arm, SimulatedCommands(self.simulated))
        self.controller.activate()

    # --- time

    def steady(self) -> float:
        """Return the time since the beginning, s."""
        return self._now * 1e-9

    def wall(self) -> int:
        """Return the time since 1970, ns."""
        return self._since_1970 + self._now

    def advance(self, seconds: float) -> None:
        """Let time pass: the arm moves, tells its state, and the control loop ticks."""
        until = self._now + round(seconds * 1e9)
        while self._now < until:
            self._step()

    def _step(self) -> None:
        self._now += STATES
        now, controller = self.steady(), self.controller
        self.simulated.step(STATES * 1e-9, now)
        position = self.simulated.position
        controller.loop.state(position)
        if self._heard is not None:
            names, positions, velocities = self.simulated.joint_state()
            self._heard.append(State(self.wall(), self.wall(), list(names), positions))
            self._velocities.append(velocities)
        if self._watching:
            self.course.stamps.append(self._now)
            self.course.positions.append(position)
        if self._now % TICKS == 0 and controller.loop.running:
            controller.loop.turn(0.0)
        if self._now % LOOKS == 0:
            controller.tend()

    def _loop_of(self, *given, **others) -> SteppedLoop:
        return SteppedLoop(*given, **others, pause=self.advance)

    # --- what a person does

    def lead(self, shown: Demonstration) -> None:
        """Take the arm to where a movement begins; raises StepError."""
        first = shown.position[0]
        self._guide(replace(shown, time=np.array([0.0, 0.5]), position=np.stack([first] * 2)))
        self.advance(REST)

    def record(self, shown: Demonstration, folder: Path | None = None) -> Demonstration:
        """Show a movement, and return what was recorded of it; `folder` keeps it as a bag.

        Where no bag can be written, that is said, and the movement goes on. Raises StepError
        where what was recorded is refused.
        """
        self._heard, self._velocities = [], []
        try:
            self.advance(BESIDE)
            self._guide(shown)
            self.advance(BESIDE)
            heard = self._heard
        finally:
            self._heard = None
        self.course.bag = self._kept(heard, folder)
        try:
            recorded = from_states(heard, self.arm, source='the simulated arm')
        except InputError as error:
            raise StepError(str(error)) from None
        self.course.shown, self.course.demonstration = Path(shown.source).stem, recorded
        self.controller.shown = recorded
        return recorded

    def learn(self) -> str:
        """Take the one update from what was recorded; returns what it wrote, raises StepError."""
        began = time.monotonic()
        shown, (trial, version) = self.controller.shown, self._trial
        self.course.spikes_before = trial.spikes
        try:
            positions = trial_of(shown, self.arm, self.model.steps)
            delta = movement_update(self.model, shown.posed(self.arm), positions,
                                    traces_of(self.model, trial.traces))
            self.controller.update(delta.numpy(), {'version': version,
                                                   'demonstration': shown.digest})
        except InputError as error:
            raise StepError(str(error)) from None
        self.course.learn_seconds = time.monotonic() - began
        written = self.course.programmed
        return (f'{written["cells_written"]} of {written["cells_total"]} cells written, in '
                f'{self.course.learn_seconds:.3f} s')

    def execute(self) -> str:
        """Begin to play what was learned; returns what will happen, raises StepError."""
        course = self.course
        course.stamps, course.positions, course.spikes_after = [], [], []
        try:
            said = self.controller.execute()
        except InputError as error:
            raise StepError(str(error)) from None
        self._watching = True
        return said

    def play(self) -> None:
        """Let time pass until the movement has been played; raises StepError where it halts."""
        playback = self.controller.loop.playback
        while playback.moving:
            self._step()
        if playback.phase is Phase.HALTED:
            raise StepError(f'the controller halted: {playback.reason}')
        self.advance(BESIDE)
        self._watching = False
        self.course.began, self.course.duration = round(playback.began * 1e9), playback.duration

    def _guide(self, shown: Demonstration) -> None:
        """Move the arm as a hand does, until it is where the movement ends."""
        self.simulated.guide(shown.time, shown.position, self.steady(), shown.held)
        last = shown.position[-1]
        until = self.steady() + shown.duration + HAND
        while self.simulated.guided or np.abs(self.simulated.position - last).max() >= SETTLED:
            if self.steady() > until:
                raise StepError('the simulated arm does not get to '
                                f'{np.round(last, 3).tolist()} rad')
            self._step()

    def _kept(self, heard: list[State], folder: Path | None) -> str:
        """Write a bag; returns where it is, empty: there is none."""
        if folder is None:
            return ''
        try:
            bag = new_bag(folder)
            for state, velocities in zip(heard, self._velocities):
                bag.add(state.received, state.stamp, state.names, state.positions, velocities)
            bag.close()
            return str(bag.path)
        except InputError as error:
            self._warn(f'no bag, {error}')
            return ''

    # --- what the controller says

    def traced(self, trial: FirstTrial, version: str) -> None:
        """Keep the traces that an update is made from."""
        self._trial = trial, version

    def programmed(self, ok: bool, text: str, **values: object) -> None:
        """Keep what an update wrote."""
        if ok and 'cells_written' in values:
            self.course.programmed = {name: str(value) for name, value in values.items()}
            self.course.updates += 1

    def spiked(self, events: np.ndarray) -> None:
        """Keep the spikes [E, 2] of a playback."""
        self.course.spikes_after.append(events)

    def progressed(self) -> None:
        """Do nothing: the playback can be asked."""

    def said(self, text: str) -> None:
        """Do nothing: it goes to a log elsewhere."""

    finished = said

    def complained(self, text: str) -> None:
        """Warn."""
        self._warn(text)

    halted = delayed = complained


def demonstrate(robot: Robot, shown: Demonstration, folder: Path | None = None,
                tell: Callable[[str], None] = print) -> Reproduction:
    """Show a movement to a robot, have it learned with one update and played; compare.

    `folder` keeps what was recorded as a bag. Raises StepError.
    """
    tell(f'1/5 guide   taking the arm to the start of {Path(shown.source).name}')
    robot.lead(shown)
    tell(f'2/5 record  {shown.duration:.1f} s of {", ".join(shown.joints)}')
    robot.record(shown, folder)
    tell('3/5 learn   learning signals, then one update of the chip')
    tell(f'            {robot.learn()}')
    tell(f'4/5 execute {robot.execute()}')
    robot.play()
    settings = robot.controller.settings
    return reproduction(robot.model, robot.arm, robot.course, settings.synapses,
                        robot.execution.model, settings.seed)
