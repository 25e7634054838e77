# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Many movements, each learned once, and a chip alone: figures under conditions.

The figures are those of `smallbot evaluate` and `smallbot chip characterise`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallbot.api.asked import bar, conditions_for, model_for, seed_for, whole
from smallbot.arm.kinematics import Arm
from smallbot.chip import characterisation
from smallbot.chip.device.laws import DeviceLaw
from smallbot.demonstration.samples import Demonstration
from smallbot.demonstration.trial_grid import trial_of
from smallbot.errors import InputError
from smallbot.experiment.conditions import law_of
from smallbot.experiment.figures import TEST_SEED
from smallbot.one_shot.families import arm_of_families, Movements
from smallbot.one_shot.model import arm_of, OneShotModel
from smallbot.study import evaluation
from smallbot.study.conditions import Conditions
from smallbot.study.shown_files import movements_of, ShownFile

MOST_TASKS = 10_000


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What movements came to; K movements."""

    figures: dict[str, Any]
    """Means, spreads and counts under the names of `smallbot evaluate --json`."""
    performances: list[evaluation.Performance]
    """Each movement: velocities before and after, error, what was written, what was expected."""

    @property
    def tip_rmse_cm(self) -> NDArray[np.float64]:
        """Return the error of the tool tip of each movement after the update [K], cm."""
        return np.array([one.tip_rmse_cm[1] for one in self.performances])

    def __repr__(self) -> str:
        error = self.figures['tip_rmse_cm']['after']
        return (f'<Evaluation of {len(self.performances)} movements: tool tip '
                f'{error["mean"]:.2f} +- {error["sd"]:.2f} cm off, median '
                f'{error["median"]:.2f}>')


def evaluate(model: OneShotModel, conditions: Conditions | None = None, *,
             movements: str | Sequence[Demonstration] = 'paper', tasks: int | None = None,
             seed: int = TEST_SEED, processes: int = 1, progress: bool = False) -> Evaluation:
    """Learn movements once each, and return what they came to.

    Parameters: `movements`, the family 'paper' or 'pen', or what `demonstrate` returned; `tasks`,
    how many (None: 100 of the paper's family, each drawing, all that are given). Movement k is
    learned on a chip of seed `seed + k`, so that the same seed gives the same figures. More than
    one of `processes` needs a script whose work is under `if __name__ == '__main__':`.
    Raises InputError.
    """
    conditions, seed = conditions_for(Conditions, conditions), seed_for(seed)
    tasks = tasks if tasks is None else whole('tasks', tasks, 1, MOST_TASKS)
    arm = arm_of(model_for(OneShotModel, model, 'load_model').config)
    if isinstance(movements, str):
        family, arm = movements, arm_of_families(arm)
        drawn = evaluation.draw_movements(family, tasks, model.config, arm, seed)
    else:
        family, drawn = 'file', _given(model, arm, movements[:tasks])
    made, advance = bar(len(drawn.start), progress)
    with made:
        done = evaluation.evaluate(model, arm, drawn, conditions, seed, advance, processes)
    return Evaluation({**evaluation.summary(model, done, conditions, seed), 'family': family},
                      done)


def characterise(law: str | DeviceLaw = 'hermes-two-device', seed: int = 0,
                 report: Callable[[str], None] = lambda name: None) -> dict[str, Any]:
    """Return what a chip paper would show of cores with these devices, measured on them.

    Programming error, convergence, drift, noise spectrum, error of products over age and over
    stuck devices, by name, as plain lists (docs/chip.md). `law`: a name, or a law of one's own;
    `report` is called with the name of each measurement that begins. Raises InputError.
    """
    return characterisation.characterise(law_of(law), seed_for(seed), report)


def _given(model: OneShotModel, arm: Arm, shown: Sequence[Demonstration]) -> Movements:
    """Return demonstrations as one batch on the trial's grid; raises InputError without any."""
    for one in shown:
        if not isinstance(one, Demonstration) or one.joints != arm.driven:
            raise InputError(f"movements: expected 'paper', 'pen' or what smallbot.demonstrate"
                             f'(model, ...) returned for model {model.name}, found {one!r:.60}')
    found = movements_of([ShownFile(one.source, one, trial_of(one, arm, model.steps), '')
                          for one in shown], model.config)
    if found is None:
        raise InputError('movements: none given, expected at least one')
    return found
