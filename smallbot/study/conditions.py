# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Under which conditions movements are learned: what of a chip, an update and an arm is asked for.

Not here: the movements, and what was reached.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from smallbot.experiment.conditions import ChipConditions
from smallbot.one_shot.model import OneShotModel
from smallbot.one_shot.trainee import prepare_synapses
from smallbot.study.on_arm import Execution
from smallbot.synapses.interface import Synapses


@dataclass(frozen=True)
class Conditions(ChipConditions):
    """What a movement is learned on and how; `age` is the time from the update to the playback."""

    cells: float = 1.0
    """Largest share of the cells that the update may write (`sparse_update`)."""
    same_chip: bool = False
    """Whether one chip learns all movements, each forgotten before the next; else each movement
    has a chip of its own."""
    execution: Execution | None = None
    """The arm that plays what was learned; None: none."""

    bounds: ClassVar[dict[str, tuple[float, float]]] = {**ChipConditions.bounds, 'cells': (0, 1)}

    def fresh_synapses(self, model: OneShotModel, seed: int) -> Synapses:
        """Return synapses that hold the model's initial weights; `seed` decides the devices."""
        options = self.chip_options() if self.synapses == 'chip' else {}
        return prepare_synapses(model, self.synapses, seed, **options)

    def to_mapping(self) -> dict[str, Any]:
        """Return what a report says of them, as plain values."""
        said = {**super().to_mapping(), 'cells_allowed': self.cells}
        if self.synapses == 'chip':
            said['same_chip'] = self.same_chip
        if self.execution is not None:
            said.update(arm=self.execution.model, correction=self.execution.correction,
                        time_scale_chosen=self.execution.time_scale is None)
        return said
