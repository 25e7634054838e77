# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the same movements come to without the learning signal generator.

A baseline takes a model, its arm, the movements to learn and others to tune itself on, and
returns what it plays of each. All run in software, with exact weights.

- `none`: the trainee as it is, without any update;
- `e-prop K`: K updates of plain e-prop from the true error (`plain_eprop`), of the synapses that
  the model's own update changes; `e-prop K all` of all synapses; `e-prop K random` of all synapses
  of a trainee with random weights and readout, so that nothing at all is meta-learned;
- `dmp W`: a dynamic movement primitive with W weights a joint (`movement_primitive`).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from smallbot.arm.kinematics import Arm
from smallbot.errors import InputError
from smallbot.experiment.figures import spread
from smallbot.one_shot.families import Movements
from smallbot.one_shot.figures import tip_rmse_cm
from smallbot.one_shot.model import initial_weights, OneShotModel
from smallbot.one_shot.trainee import prepare_synapses, Trainee
from smallbot.study.movement_primitive import MISSING, movement_primitives, WEIGHTS
from smallbot.study.plain_eprop import best_rate, plain_eprop, PlainEprop

UPDATES = (1, 3, 10, 100)
"""Updates of plain e-prop that are compared."""


class Outcome(NamedTuple):
    """What a baseline made of movements."""

    velocity: Tensor
    """Played [B, T, J], rad/s of nominal time."""
    said: dict[str, Any]
    """What the baseline chose for itself, as plain values."""


Baseline = Callable[[OneShotModel, Arm, Movements, Movements], Outcome]
"""Takes model, arm, the movements to learn and the movements to tune on, which are others."""


def no_update(model: OneShotModel, arm: Arm, movements: Movements, tuning: Movements) -> Outcome:
    """Play the trainee as it is."""
    velocity = Trainee(model, prepare_synapses(model, 'software')).trial().velocity
    return Outcome(velocity.repeat(len(movements.start), 1, 1), {})


def eprop(model: OneShotModel, arm: Arm, movements: Movements, tuning: Movements,
          how: PlainEprop, random: bool = False) -> Outcome:
    """Learn by plain e-prop with the rate that is best on `tuning`.

    `random`: the trainee's weights and readout are those with which meta-training begins.
    """
    if random:
        fresh = initial_weights(model.config, torch.Generator().manual_seed(0))
        kept = {key: fresh[key] for key in ('trainee', 'readout')}
        model = replace(model, weights={**model.weights, **kept})
    found = best_rate(model, arm, tuning, how)
    return Outcome(plain_eprop(model, movements, found.rate, how),
                   {'rate': found.rate, 'tuning_tip_rmse_cm': found.tip_rmse_cm,
                    'updates': how.updates})


def dmp(model: OneShotModel, arm: Arm, movements: Movements, tuning: Movements, weights: int
        ) -> Outcome:
    """Fit a dynamic movement primitive to each movement."""
    return Outcome(movement_primitives(movements, weights), {'weights_per_joint': weights})


BASELINES: dict[str, Baseline] = {
    'none': no_update,
    **{f'e-prop {count}': partial(eprop, how=PlainEprop(count)) for count in UPDATES},
    **{f'e-prop {count} all': partial(eprop, how=PlainEprop(count, every_synapse=True))
       for count in UPDATES},
    **{f'e-prop {count} random': partial(eprop, how=PlainEprop(count, every_synapse=True),
                                         random=True) for count in UPDATES},
    **{f'dmp {count}': partial(dmp, weights=count) for count in WEIGHTS},
}
"""All baselines by name."""


def compared(model: OneShotModel, arm: Arm, movements: Movements, tuning: Movements, name: str
             ) -> dict[str, Any] | None:
    """Return the figures of the baseline `name` under their contracted names.

    None where the library it needs is not installed.
    """
    try:
        velocity, said = BASELINES[name](model, arm, movements, tuning)
    except InputError as error:
        if not str(error).startswith(MISSING):
            raise
        return None
    errors = tip_rmse_cm(velocity, movements, arm)
    return {'tip_rmse_cm': spread(errors, movements.drawing), **said}
