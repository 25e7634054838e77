"""Under which conditions movements are learned: what of a chip, an update and an arm is asked for.

Not here: the movements, and what was reached.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from smallbot.chip.device.faults import FaultRates
from smallbot.chip.device.laws import LAWS, scaled
from smallbot.errors import InputError
from smallbot.one_shot.model import OneShotModel
from smallbot.one_shot.trainee import prepare_synapses
from smallbot.study.on_arm import Execution
from smallbot.synapses.granularity import Granularity
from smallbot.synapses.interface import Synapses

ON_A_CHIP = ('age', 'recalibrate', 'law', 'noise', 'stuck', 'granularity', 'same_chip')
"""Fields that mean nothing in software."""
SWEPT = ('noise', 'stuck', 'age', 'cells', 'step')
"""What a sweep may vary."""


class ConditionsError(InputError):
    """Conditions that cannot be had; the message is one line."""


@dataclass(frozen=True)
class Conditions:
    """What a movement is learned on and how; the defaults are those of the figures."""

    synapses: str = 'chip'
    """'chip' or 'software'."""
    cells: float = 1.0
    """Largest share of the cells that the update may write (`sparse_update`)."""
    age: float = 300.0
    """Seconds between the update and the playback."""
    recalibrate: bool = False
    """Whether the columns are calibrated once more, just before the playback."""
    law: str = 'hermes-two-device'
    """Name of the devices' law, in `smallbot.chip.device.laws.LAWS`."""
    noise: float = 1.0
    """Factor on the law's programming error, drift exponents and 1/f noise."""
    stuck: float = 0.0
    """Share of stuck devices, half in SET and half in RESET."""
    granularity: Granularity = field(default_factory=Granularity)
    same_chip: bool = False
    """Whether one chip learns all movements, each forgotten before the next; else each movement
    has a chip of its own."""
    execution: Execution | None = None
    """The arm that plays what was learned; None: none."""

    def __post_init__(self):
        if self.law not in LAWS:
            raise ConditionsError(f'law {self.law!r}: expected one of {", ".join(LAWS)}')
        for name, low, high in (('cells', 0, 1), ('age', 0, float('inf')),
                                ('noise', 0, float('inf')), ('stuck', 0, 1)):
            value = getattr(self, name)
            if not low <= value <= high or value == float('inf'):
                most = '' if high == float('inf') else f' to {high}'
                raise ConditionsError(f'{name} {value}: expected a finite number from {low}{most}')

    def fresh_synapses(self, model: OneShotModel, seed: int) -> Synapses:
        """Return synapses that hold the model's initial weights; `seed` decides the devices."""
        if self.synapses != 'chip':
            return prepare_synapses(model, self.synapses, seed)
        return prepare_synapses(
            model, 'chip', seed, law=scaled(LAWS[self.law], self.noise),
            faults=FaultRates(devices=self.stuck), granularity=self.granularity)

    def at(self, axis: str, value: float) -> 'Conditions':
        """Return these conditions with one of `SWEPT` at another value."""
        if axis == 'step':
            return replace(self, granularity=replace(self.granularity, step=value))
        if axis not in SWEPT:
            raise ConditionsError(f'{axis!r}: expected one of {", ".join(SWEPT)}')
        if self.synapses != 'chip' and axis != 'cells':
            raise ConditionsError(f'{axis}: exact weights in software have none; use '
                                  f'--synapses chip')
        return replace(self, **{axis: value})

    def to_mapping(self) -> dict[str, Any]:
        """Return what a report says of them, as plain values."""
        said = {'age_seconds': self.age, 'cells_allowed': self.cells}
        if self.synapses == 'chip':
            said.update(law=self.law, noise=self.noise, stuck_devices=self.stuck,
                        rounding=self.granularity.rounding, step=self.granularity.step,
                        recalibrated=self.recalibrate, same_chip=self.same_chip)
        if self.execution is not None:
            said.update(arm=self.execution.model, correction=self.execution.correction,
                        time_scale_chosen=self.execution.time_scale is None)
        return said
