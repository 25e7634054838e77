# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""All that decides in a controller: what may be played, learned and forgotten, and when it rests.

It is told of services, transitions, messages and exceptions, and says what it does through an
outlet; the node around it knows topics, parameters and lifecycle, and decides nothing. So every
sequence of these can be tried without ROS, on clocks of the test's own.

Whatever comes, the arm is brought to rest by the control loop alone, a halt stays until `reset`
(through deactivation and a new configuration too), and `learned` names the movement whose update
the chip holds, or none.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
import time
from typing import Protocol

import numpy as np

from smallbot.arm.kinematics import Arm
from smallbot.arm.safety import way_is_within
from smallbot.clock import steady
from smallbot.demonstration.samples import Demonstration
from smallbot.demonstration.trial_grid import playing_duration, trial_of
from smallbot.errors import InputError
from smallbot.one_shot.chip_care import ChipCare, FirstTrial
from smallbot.one_shot.control_loop import ArmCommands, ControlLoop, Listener, place_of
from smallbot.one_shot.model import OneShotModel
from smallbot.one_shot.playback import Phase, Playback
from smallbot.one_shot.rehearsal import Bounds, DEFAULT_BOUNDS, Expectation, rehearse
from smallbot.one_shot.trainee import Trainee

RESET, HALT = 'halted; call snn_controller/reset to allow movements again', 'snn_controller/halt'
BRAKING = 'the arm is still braking: try again in a moment'


@dataclass(frozen=True)
class Settings:
    """What a controller is told once."""

    period: float = 0.01
    """Time between commands, s."""
    state_timeout: float = 0.5
    """Age of the arm's state beyond which a movement is halted, s."""
    synapses: str = 'chip'
    seed: int = 0
    chip_file: Path | None = None
    duration: float = 0.0
    """Of the playback, s; 0: the demonstration's own, stretched if it must be."""
    time_scale: float = 1.0
    """How many times longer than shown, where `duration` is 0; 0: as `scale_for` says."""
    correction: float = 0.0
    """As of `Playback`, 1/s."""
    lag: tuple[float, ...] = ()
    """As of `Playback`, s."""
    scale_for: Callable[[np.ndarray, float], float] | None = None
    """How many times longer than shown, s, positions [T + 1, J], rad, suit the arm's servos."""
    bounds: Bounds = DEFAULT_BOUNDS
    allow_poor: bool = False
    allow_unlearned: bool = False


class Outlet(Listener, Protocol):
    """Who is told what a controller does, beside what its loop does."""

    def traced(self, trial: FirstTrial, version: str) -> None:
        """Take the traces of weights of a new version."""

    def programmed(self, ok: bool, text: str, **values: object) -> None:
        """Take what the chip holds or has just been written, or why nothing was."""

    def said(self, text: str) -> None:
        """Take what is worth a line in the log."""

    def complained(self, text: str) -> None:
        """Take what has gone wrong without being the caller's fault."""


class Controller:
    """Between two transitions it is unconfigured, inactive or active; all else needs it active.

    Parameters: `settings`; `outlet`; `clock`, steady, s; `wall`, ns since 1970; `loop_of`, what
    makes the timed loop; `course`, s, the clock by which movements go, None: the steady one.
    """

    def __init__(self, settings: Settings, outlet: Outlet, clock: Callable[[], float] = steady,
                 wall: Callable[[], int] = time.time_ns,
                 loop_of: Callable[..., ControlLoop] = ControlLoop,
                 course: Callable[[], float] | None = None):
        self.settings = settings
        self.active = False
        self.arm: Arm | None = None
        self.care: ChipCare | None = None
        """None: unconfigured."""
        self.loop: ControlLoop | None = None
        self.shown: Demonstration | None = None
        """What was demonstrated last, and not refused; None: nothing."""
        self._halted = ''
        """Why it was halted before it was configured anew."""
        self._outlet = outlet
        self._clock, self._wall, self._loop_of = clock, wall, loop_of
        self._course = course

    # --- transitions

    def configure(self, model: OneShotModel, arm: Arm, commands: ArmCommands) -> None:
        """Take a chip into care; raises InputError where its file cannot be used."""
        self.cleanup()
        chosen = self.settings
        file = chosen.chip_file
        found = file is not None and file.exists()
        playback = Playback(arm.limits, model.steps, model.step_seconds, chosen.period,
                            chosen.correction, chosen.lag)

        def rehearsed(trainee: Trainee, shown: Demonstration) -> Expectation:
            positions = trial_of(shown, arm, model.steps)
            duration, _ = self._duration(shown, positions)
            return rehearse(trainee, positions, shown.posed(arm), duration, playback)

        self.arm = arm
        care = ChipCare(model, arm, chosen.synapses, chosen.seed, file, self._clock, self._wall,
                        rehearsed)
        if self._halted:
            playback.phase, playback.reason = Phase.HALTED, self._halted
        self.loop = self._loop_of(playback, commands, chosen.period, chosen.state_timeout,
                                  self._outlet, self._clock, course=self._course,
                                  joints=arm.driven)
        self.care = care
        if found:
            self._outlet.said(f'chip {file}: ' + (
                f'it has learned {care.learned}' if care.learned else
                care.spoiled or 'nothing learned yet'))
        self._tell_calibrated(care.calibrations > 0)

    def activate(self) -> None:
        """Run the trial that gives the traces, then start the control loop."""
        self._show_trial()
        self.tell_weights()
        self.loop.start()
        self.active = True
        self._outlet.progressed()

    def deactivate(self, reason: str = 'deactivated') -> None:
        """Bring the arm to rest, then end the control loop; what moved is halted."""
        if self.active:
            self.active = False
            self.loop.stop(reason)

    def cleanup(self) -> None:
        """Let go of the chip, which is lost without a file; a halt stays."""
        self.deactivate()
        if self.loop is not None:
            playback = self.loop.playback
            self._halted = playback.reason if playback.phase is Phase.HALTED else ''
            if self.learned is not None:
                self._outlet.programmed(True, 'the chip has been let go', version='',
                                        demonstration='')
        self.care = self.loop = None

    # --- the chip

    @property
    def learned(self) -> str | None:
        """Return the digest of the movement whose update the chip holds; None: there is none."""
        return self.care.learned if self.care is not None else None

    def tend(self) -> None:
        """Look after a chip at rest."""
        with self.loop.lock:
            if not self.active or self.loop.playback.moving or not self.loop.at_rest:
                return
            try:
                with self._halting('the care of the chip'):
                    self._tell_calibrated(self.care.tend())
            except InputError as error:
                self._outlet.complained(str(error))

    def update(self, delta: np.ndarray, labels: dict[str, str]) -> None:
        """Take the one update [N, N_in + N] with its labels; raises InputError."""
        care, shown = self.care, self.shown
        with self._halting('an update'):
            self._require_active()
            care.check_update(delta, labels.get('version'), labels.get('demonstration'), shown)
            with self.loop.lock:
                self._require_rest()
                began = time.perf_counter()
                written = care.program(delta, shown)
                self._keep_chip()
                seconds = time.perf_counter() - began
        share = written.cells / written.cells_total
        self._outlet.programmed(
            True, f'one update wrote {written.cells} of {written.cells_total} cells '
                  f'({100 * share:.1f} %)',
            version=care.version, demonstration=care.learned or '',
            cells_written=written.cells, cells_total=written.cells_total,
            devices_written=written.devices, pulses=written.pulses,
            energy_uj=written.energy_uj, update_seconds=seconds, **self.expected())

    def forget(self) -> str:
        """Write the initial weights again and show their traces; raises InputError."""
        with self._halting('forgetting'):
            self._require_active()
            with self.loop.lock:
                self._require_rest()
                try:
                    written = self.care.forget()
                    self._show_trial()
                finally:
                    self.tell_weights('forgotten: initial weights')
        return f'initial weights restored, {written.cells} cells written'

    def tell_weights(self, text: str = '') -> None:
        """Say what the chip holds when no update has just been written."""
        care = self.care
        self._outlet.programmed(
            not care.spoiled,
            care.spoiled or text or ('initial weights' if care.learned is None else
                                     f'this chip has learned demonstration {care.learned}'),
            version=care.version, demonstration=care.learned or '', **self.expected())

    def expected(self) -> dict[str, str]:
        """Return what a status says of the rehearsal, if there was one."""
        expected = self.care.expected
        return {'expected_tip_rmse_cm': f'{expected.tip_rmse_cm:.3f}'} if expected else {}

    def _show_trial(self) -> None:
        """Run a trial on the chip as it is; tell its traces and spikes, keep the chip."""
        trial = self.care.first_trial()
        self._outlet.traced(trial, self.care.version)
        self._keep_chip()

    def _keep_chip(self) -> None:
        """Write the chip to its file, if there is one; a spoiled one would be of no use there."""
        if self.care.spoiled:
            return
        try:
            self.care.save()
        except (OSError, InputError) as error:
            self._outlet.complained(f'chip {self.care.file} not saved: {error}')

    def _tell_calibrated(self, done: bool) -> None:
        if done:
            self._outlet.said('the chip has drifted: columns calibrated')

    # --- motion

    def execute(self) -> str:
        """Begin to play what was learned; returns what will happen, or raises InputError."""
        with self._halting('execute'):
            self._require_active()
            with self.loop.lock:
                return self._execute()

    def halt(self) -> str:
        """Brake, and stay halted until `reset`."""
        self._require_active()
        self.loop.halt(HALT)
        self._outlet.progressed()
        return RESET

    def reset(self) -> str:
        """Allow movements again; raises InputError while the arm moves or still brakes."""
        self._require_active()
        with self.loop.lock:
            if self.loop.playback.moving:
                raise InputError('a movement is under way and nothing is halted: '
                                 'snn_controller/halt stops it')
            try:
                self.loop.playback.reset()
            except ValueError as error:
                raise InputError(str(error)) from None
        self._outlet.progressed()
        return 'ready'

    def _execute(self) -> str:
        care, loop, chosen, limits = self.care, self.loop, self.settings, self.arm.limits
        shown = self.shown or care.taught
        if loop.playback.phase is Phase.HALTED:
            raise InputError(f'halted ({loop.playback.reason}): call snn_controller/reset')
        if loop.company:
            raise InputError(loop.company)
        if loop.playback.moving:
            raise InputError('a movement is under way already')
        if not loop.at_rest:
            raise InputError(BRAKING)
        if not loop.heard:
            raise InputError(f'nobody subscribes to {loop.topic}, so the arm would not move: '
                             f"start the arm's controller, or give the topic it listens to")
        loop.time()
        if loop.motion.standing:
            raise InputError('use_sim_time is true, and the time on /clock stands still: start '
                             'the simulation, or let it go on')
        if shown is None:
            raise InputError('no demonstration yet on topic demonstration: it says where to '
                             'start and how long to play')
        care.check_whole()
        if care.learned is None and not chosen.allow_unlearned:
            raise InputError('nothing has been learned yet: call one_shot_learner/learn')
        if care.learned is not None and care.learned != shown.digest:
            raise InputError(f'the chip has learned {care.learned}, the demonstration is now '
                             f'{shown.digest}: forget and learn, or publish the learned one')
        if care.learned is not None and not chosen.allow_poor:
            if care.unrehearsed:
                raise InputError(f'what it would come to is not known, as the rehearsal broke '
                                 f'off ({care.unrehearsed}): forget and learn again; allow_poor '
                                 f'plays it nonetheless')
            if poor := care.expected and care.expected.refusal(chosen.bounds):
                raise InputError(poor)
        age, stale = loop.state_age()
        if stale:
            lacking = f'; {loop.lacking}' if loop.lacking else ''
            raise InputError(f'no fresh message on joint_states (the last {age:.1f} s '
                             f'ago{lacking}): is the driver or the simulator running?')
        positions = trial_of(shown, self.arm, care.model.steps)
        duration, how = self._duration(shown, positions)
        start = np.clip(shown.position[0], limits.lower, limits.upper)
        position = loop.position()
        if not way_is_within(position, start, limits):
            raise InputError(f'the way from {np.round(position, 3).tolist()} to the '
                             f'start {np.round(start, 3).tolist()} rad leaves the joint '
                             f'limits: move the arm inside them first')
        care.make_ready()
        loop.play(start, duration, care.trainee)
        self._outlet.progressed()
        return f'going to the start, then playing for {duration:.2f} s{how}'

    def _duration(self, shown: Demonstration, positions: np.ndarray) -> tuple[float, str]:
        """Return how long trial `positions` are played, s, and what is said of the choice."""
        chosen, limits = self.settings, self.arm.limits
        scale = chosen.time_scale
        wanted = chosen.duration or (scale * shown.duration if scale > 1 else None)
        duration, stretched = playing_duration(shown, positions, limits, wanted)
        how = f', stretched from {shown.duration:.2f} s for the arm' if stretched else ''
        if scale == 0 and chosen.scale_for is not None and wanted is None:
            scale = chosen.scale_for(positions, shown.duration)
            if scale * shown.duration > duration:
                duration, _ = playing_duration(shown, positions, limits, scale * shown.duration)
                how = f', {scale:.1f} times as long as shown, which the arm can follow'
        return duration, how

    def _require_active(self) -> None:
        if not self.active:
            raise InputError('snn_controller is not active: `ros2 lifecycle set snn_controller '
                             'activate`')

    def _require_rest(self) -> None:
        """Refuse what would keep the loop from its ticks while the arm moves."""
        if self.loop.playback.moving:
            raise InputError('a movement is being played: wait for its end, or halt')
        if not self.loop.at_rest:
            raise InputError(BRAKING)

    @contextmanager
    def _halting(self, what: str) -> Iterator[None]:
        """Turn an exception in `what` that nobody foresaw into a halt and an InputError."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            self.loop.fail(what, error)
            raise InputError(f'halted, internal error: {what}: {place_of(error)}') from error
