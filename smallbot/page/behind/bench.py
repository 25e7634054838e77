# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A robot without ROS: the controller, its chip and a simulated arm in this process, in real time.

The same controller and the same simulated arm as the nodes have, with threads in place of topics.
"""

from collections.abc import Callable
from dataclasses import replace
import sys
import threading

import numpy as np

from smallbot.arm.kinematics import Arm
from smallbot.clock import steady
from smallbot.demonstration.samples import Demonstration
from smallbot.demonstration.trial_grid import trial_of
from smallbot.ed_scorbot.measured_servo import lag_and_fastest, time_scale_for
from smallbot.errors import InputError
from smallbot.one_shot.chip_care import FirstTrial
from smallbot.one_shot.controller import Controller, Settings
from smallbot.one_shot.learner import Eligibility, movement_update, traces_of
from smallbot.one_shot.model import OneShotModel
from smallbot.page.behind.robot import Motion, Watcher
from smallbot.simulation.commands import SimulatedCommands
from smallbot.simulation.simulated import SimulatedArm

STEP = 0.005
"""Time between steps of the simulated arm, s."""
TEND = 1.0
"""Time between looks at the chip, s."""
SWITCH = 0.0005
"""Python's thread switch interval, s: the control loop must not wait 5 ms for its turn."""
NO_RECORDER = 'there is nothing to record from without the ROS 2 nodes: draw, or choose a file'


class Bench:
    """See `robot.Robot`.

    Parameters: `synapses`, 'chip' or 'software'; `kind` of simulated arm; `seed` of the devices.
    """

    simulated = True

    def __init__(self, model: OneShotModel, arm: Arm, watcher: Watcher, synapses: str = 'chip',
                 kind: str = 'kinematic', seed: int = 0):
        sys.setswitchinterval(SWITCH)
        self._model, self._arm, self._watcher = model, arm, watcher
        self._traces: Eligibility | None = None
        self._version = ''
        self._simulated = SimulatedArm(arm, kind)
        self._commands = SimulatedCommands(self._simulated)
        settings = Settings(synapses=synapses, seed=seed)
        if kind == 'measured':
            lag, fastest = lag_and_fastest(arm.driven)
            settings = replace(settings, lag=tuple(lag), correction=1.0, time_scale=0.0,
                               scale_for=lambda positions, shown: time_scale_for(
                                   positions, shown, lag, fastest))
        self._controller = Controller(settings, self)
        self._controller.configure(model, arm, self._commands)
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=self._every, args=(STEP, self._step), daemon=True,
                             name='simulated arm'),
            threading.Thread(target=self._every, args=(TEND, self._tend), daemon=True,
                             name='care of the chip')]
        self._last = steady()
        self._step()
        self._controller.activate()
        for thread in self._threads:
            thread.start()

    # --- what is asked

    def pose(self) -> np.ndarray:
        """Return where every movable joint is [M], rad."""
        with self._commands.lock:
            return self._simulated.joint_state()[1]

    def as_told(self, shown: Demonstration) -> Demonstration:
        """Return it as it is."""
        return shown

    def offer(self, shown: Demonstration) -> None:
        """Make a movement the demonstration that is current."""
        trial_of(shown, self._arm, self._model.steps)
        self._controller.shown = shown
        self._watcher.demonstrated(shown)

    def learn(self) -> str:
        """Forget, if something was learned, then learn with one update."""
        controller, model = self._controller, self._model
        shown = controller.shown
        if shown is None:
            raise InputError('nothing has been shown yet: draw a movement, or choose one')
        if controller.learned is not None or controller.care.spoiled:
            controller.forget()
        positions = trial_of(shown, self._arm, model.steps)
        delta = movement_update(model, shown.posed(self._arm), positions, self._traces).numpy()
        self._watcher.updated(delta)
        controller.update(delta, {'version': self._version, 'demonstration': shown.digest})
        return f'learned {shown.source} with one update'

    def execute(self, allow_poor: bool) -> str:
        """Play what was learned."""
        controller = self._controller
        controller.settings = replace(controller.settings, allow_poor=allow_poor)
        return controller.execute()

    def halt(self, reason: str) -> str:
        """Brake, and stay halted until `reset`."""
        self._controller.loop.halt(reason)
        self.progressed()
        return 'halted: reset allows movements again'

    def reset(self) -> str:
        """Allow movements again."""
        return self._controller.reset()

    def record(self, action: str) -> str:
        """Refuse: nobody moves this arm."""
        raise InputError(NO_RECORDER)

    def close(self) -> None:
        """Bring the arm to rest and let go of the chip."""
        self._controller.deactivate('the page has ended')
        self._ending.set()
        for thread in self._threads:
            thread.join(1.0)

    # --- the course of things

    def _every(self, period: float, act: Callable[[], None]) -> None:
        due = steady()
        while not self._ending.is_set():
            act()
            due = max(due + period, steady())
            self._ending.wait(due - steady())

    def _step(self) -> None:
        with self._commands.lock:
            now = steady()
            self._simulated.step(now - self._last, now)
            self._last, position = now, self._simulated.position.copy()
        self._controller.loop.state(position)
        self._watcher.moved(int(1e9 * now), position)

    def _tend(self) -> None:
        self._controller.tend()

    # --- what the controller says

    def traced(self, trial: FirstTrial, version: str) -> None:
        """Keep the traces for the learner."""
        self._traces = traces_of(self._model, trial.traces)
        self._version = version
        self._watcher.traced(trial.spikes)

    def programmed(self, ok: bool, text: str, **values: object) -> None:
        """Pass on what an update wrote."""
        if ok and 'cells_written' in values:
            self._watcher.programmed({key: str(value) for key, value in values.items()})

    def progressed(self) -> None:
        """Pass on the phase."""
        loop = self._controller.loop
        with loop.lock:
            playback, now = loop.playback, steady()
            motion = Motion(playback.phase, playback.fraction(now), playback.duration,
                            playback.reason, self._controller.learned or '',
                            int(1e9 * (playback.began or 0)))
        self._watcher.progressed(motion)

    def spiked(self, events: np.ndarray) -> None:
        """Pass on the spikes of a playback."""
        self._watcher.spiked(events)

    def said(self, text: str) -> None:
        """Leave out what is worth a line in a log."""

    finished = delayed = said

    def complained(self, text: str) -> None:
        """Pass on what went wrong."""
        self._watcher.said(text)

    halted = complained
