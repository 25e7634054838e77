# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""One movement on one chip: demonstrated, learned with one update, played as often as one likes.

Not here: many movements (`measuring`), a model (`making`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from smallbot.api.asked import conditions_for, model_for, seed_for
from smallbot.arm.kinematics import Arm
from smallbot.demonstration.formats.options import parsed
from smallbot.demonstration.formats.recording import Recording
from smallbot.demonstration.reading import judged, read_demonstration
from smallbot.demonstration.samples import Demonstration, DemonstrationError
from smallbot.demonstration.trial_grid import trial_of
from smallbot.errors import InputError
from smallbot.one_shot.example import shown_by_default
from smallbot.one_shot.families import from_positions, joint_path, Movements
from smallbot.one_shot.figures import path_rmse_cm, velocity_rmse
from smallbot.one_shot.model import arm_of, OneShotModel
from smallbot.one_shot.trainee import learn as learn_once, Trainee, TrialRecord
from smallbot.study.conditions import Conditions
from smallbot.study.on_arm import executed
from smallbot.synapses.interface import WriteReport

Array = NDArray[Any]
Floats = NDArray[np.float64]
Weights = NDArray[np.float32]


class Chip:
    """A chip that holds a model's trainee, an hour after it was programmed and calibrated once.

    Parameters: `conditions`, what of the chip, of its one update and of the time after it is asked
    for; with `synapses='software'` exact weights stand for a chip. `seed` decides the devices and
    all their noise. Raises InputError.
    """

    def __init__(self, model: OneShotModel, conditions: Conditions | None = None,
                 seed: int = 0) -> None:
        self.model = model_for(OneShotModel, model, 'load_model')
        self.conditions = conditions_for(Conditions, conditions)
        self.seed = seed_for(seed)
        self.arm = arm_of(model.config)
        """The model's arm: kinematics, names and limits of its joints."""
        self.trainee = Trainee(model, self.conditions.fresh_synapses(model, self.seed))
        """The network on its synapses, for what is not offered here."""

    def wait(self, seconds: float) -> None:
        """Let time pass, s: devices drift. Raises InputError for what is no time."""
        self.trainee.synapses.wait(seconds)

    def calibrate(self) -> None:
        """Calibrate the columns for the plays to come, as a controller does at rest."""
        self.trainee.synapses.calibrate_reading()

    def forget(self) -> WriteReport:
        """Write the initial weights again where an update has changed them: it may learn anew.

        Time is not turned back, devices stay as old as they are.
        """
        return self.trainee.forget()

    def __repr__(self) -> str:
        return (f'<Chip: model {self.model.name}, {self.conditions.synapses}, seed {self.seed}, '
                f'{"one update" if self.trainee.updates else "nothing learned"}>')


@dataclass(frozen=True, repr=False)
class Played:
    """What a trainee has played, beside what was demonstrated; T steps, J joints, N neurons."""

    joints: tuple[str, ...]
    time: Floats
    """[T], s of nominal time: the end of each step of the trial."""
    velocity: Floats
    """[T, J], rad/s of nominal time."""
    position: Floats
    """[T, J], rad."""
    demonstrated: Floats
    """The same, as demonstrated."""
    tip: Floats
    """Tool tip [T, 3], m."""
    demonstrated_tip: Floats
    """The same, as demonstrated."""
    spikes: NDArray[np.bool_]
    """[T, N]."""
    tip_rmse_cm: float
    """Error of the tool tip, as in `smallbot.one_shot.figures`."""
    velocity_rmse: dict[str, float]
    """By joint, rad/s."""
    arm_position: Floats | None = None
    """What the arm of `Conditions.execution` made of it, [T, J], rad; None: none was asked for."""
    arm_tip_rmse_cm: float | None = None
    """That arm's error."""

    def __repr__(self) -> str:
        arm = '' if self.arm_tip_rmse_cm is None else f', the arm {self.arm_tip_rmse_cm:.2f} cm'
        return f'<Played: tool tip {self.tip_rmse_cm:.2f} cm off{arm}>'


@dataclass(frozen=True, repr=False)
class Learned:
    """One update, and what it was made from."""

    before: Played
    """What the trainee played before it."""
    written: WriteReport
    """Cells, devices, pulses, energy and time of the update."""
    signals: Weights
    """Learning signals [T, N]."""
    update: Weights
    """What the weights [N, N_in + N] were to change by."""

    def __repr__(self) -> str:
        return (f'<Learned: {self.written.cells} of {self.written.cells_total} cells written, '
                f'tool tip {self.before.tip_rmse_cm:.2f} cm off before>')


def demonstrate(model: OneShotModel,
                movement: str | Path | Sequence[Sequence[float]] | Array | None = None,
                time: float | Sequence[float] | Array | None = None, reading: str = ''
                ) -> Demonstration:
    """Return a movement of the model's arm, checked as every recording is.

    Parameters: `movement`, a file (CSV, rosbag2, LeRobot data set), or joint positions [S, J],
    rad, of the driven joints in their order, with `time`, the stamps [S], s, or the duration of
    samples at one rate; None: the example that comes with the package. `reading`, what a file
    leaves open, in the command's words, as `--time-unit ms --angle-unit deg`.
    Raises InputError, one line that says what is wrong, where, and how to mend it.
    """
    arm = arm_of(model_for(OneShotModel, model, 'load_model').config)
    if movement is None:
        return shown_by_default(model.config, arm)
    if isinstance(movement, str | Path):
        return read_demonstration(movement, arm, parsed(reading))
    try:
        position = np.asarray(movement, dtype=float)
        stamps = np.asarray(np.nan if time is None else time, dtype=float)
    except (TypeError, ValueError) as error:
        raise DemonstrationError(f'array: expected numbers: {error}') from None
    if position.ndim != 2 or position.shape[1] != len(arm.driven):
        raise DemonstrationError(f'array of shape {position.shape}: expected [S, '
                                 f'{len(arm.driven)}], the joints {", ".join(arm.driven)}, rad')
    if time is None:
        raise DemonstrationError('array: time is missing, give the duration or the stamps, s')
    if stamps.ndim == 0:
        if not 0 < stamps < np.inf:
            raise DemonstrationError(f'array: time {time!r}: expected a duration above 0 s')
        stamps = np.linspace(0.0, float(stamps), len(position))
    if stamps.shape != position.shape[:1]:
        raise DemonstrationError(f'array: {len(position)} samples with time of shape '
                                 f'{stamps.shape}: expected a duration, or a stamp for each, s')
    return judged(Recording('array', 'array', arm.driven, stamps, position, 's, rad'), arm,
                  parsed(reading))


def learn(chip: Chip, shown: Demonstration) -> Learned:
    """Show a movement to a chip, update it once, and let the conditions' time pass.

    The update writes at most `conditions.cells` of the cells; then `conditions.age` s go by, 300
    unless said otherwise, and with `conditions.recalibrate` the columns are calibrated.
    Raises InputError for a movement that is not this arm's or more than a trial holds, and for a
    second update before `Chip.forget`.
    """
    if chip.trainee.updates:
        raise InputError('this chip has had its one update: chip.forget() first, or take another '
                         'Chip')
    arm, movement = _on_grid(chip, shown)
    done = learn_once(chip.trainee, chip.model.config.watched(arm, movement.path())[0],
                      chip.conditions.cells)
    chip.wait(chip.conditions.age)
    if chip.conditions.recalibrate:
        chip.calibrate()
    return Learned(_beside(chip, arm, movement, done.before), done.written,
                   done.signals.numpy(), done.delta.numpy())


def play(chip: Chip, shown: Demonstration) -> Played:
    """Let a chip play what it holds now, from the start of `shown`, and compare the two.

    No two plays are the same: reads are noisy. The arm of `conditions.execution`, where one is
    asked for, follows. Raises InputError for a movement that is not this arm's or more than a
    trial holds.
    """
    arm, movement = _on_grid(chip, shown)
    return _beside(chip, arm, movement, chip.trainee.trial(), on_arm=True)


def _on_grid(chip: Chip, shown: Demonstration) -> tuple[Arm, Movements]:
    """Return the arm as it was shown, and the movement on the trial's grid, a batch of one."""
    if not isinstance(shown, Demonstration):
        raise InputError(f'{type(shown).__name__} for a movement: expected what '
                         f'smallbot.demonstrate(model, ...) returns')
    if shown.joints != chip.arm.driven:
        raise InputError(f'{shown.source}: a movement of {", ".join(shown.joints)}, but model '
                         f'{chip.model.name} drives {", ".join(chip.arm.driven)}: '
                         f'smallbot.demonstrate(model, ...) with this model')
    path = torch.as_tensor(trial_of(shown, chip.arm, chip.model.steps))
    return shown.posed(chip.arm), from_positions(path[None], chip.model.step_seconds)


def _beside(chip: Chip, arm: Arm, movement: Movements, trial: TrialRecord, on_arm: bool = False
            ) -> Played:
    """Return a trial beside the movement that was shown."""
    wanted, step = movement.positions()[0].double(), movement.step_seconds
    reached = joint_path(movement.start, trial.velocity[None], step)[0].double()
    wrong = velocity_rmse(trial.velocity.numpy(), movement.velocity[0].numpy())
    tips = {'tip': arm.tip(reached), 'demonstrated_tip': arm.tip(wanted)}
    followed, error = None, None
    if on_arm and chip.conditions.execution is not None:
        path = movement.path()[0].double().numpy()
        execution = chip.conditions.execution.suited(arm, path, len(wanted) * step)
        followed = executed(arm, execution, path[0], trial.velocity.numpy(), step)
        error = _error(arm.tip(torch.as_tensor(followed)), tips['demonstrated_tip'])
    return Played(
        joints=arm.driven, time=np.full(len(wanted), step).cumsum(),
        velocity=trial.velocity.double().numpy(), position=reached.numpy(),
        demonstrated=wanted.numpy(), spikes=trial.spikes.numpy(),
        tip_rmse_cm=_error(*tips.values()), **{key: tip.numpy() for key, tip in tips.items()},
        velocity_rmse=dict(zip(arm.driven, map(float, wrong))),
        arm_position=followed, arm_tip_rmse_cm=error)


def _error(reached: Tensor, wanted: Tensor) -> float:
    return float(path_rmse_cm(reached, wanted))
