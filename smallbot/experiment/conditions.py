# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Under which conditions a network learns and answers: what of its synapses is asked for.

Not here: what is learned, and what else an experiment may vary. It has a class of its own, made
from `ChipConditions`.
"""

from dataclasses import dataclass, field, replace
import math
from numbers import Real
from typing import Any, ClassVar, TypeVar

from smallbot.chip.device.faults import FaultRates
from smallbot.chip.device.laws import DeviceLaw, LAWS, scaled
from smallbot.errors import InputError
from smallbot.synapses.granularity import Granularity

SYNAPSES = ('chip', 'software')
ON_A_CHIP = ('noise', 'stuck', 'age', 'step')
"""What may be swept of a chip alone."""
Kind = TypeVar('Kind', bound='ChipConditions')


class ConditionsError(InputError):
    """Conditions that cannot be had; the message is one line."""


def law_of(law: str | DeviceLaw) -> DeviceLaw:
    """Return a law, or the one of that name; raises ConditionsError where there is none."""
    if isinstance(law, DeviceLaw):
        return law
    if not isinstance(law, str) or law not in LAWS:
        raise ConditionsError(f'law {law!r}: expected one of {", ".join(LAWS)}')
    return LAWS[law]


@dataclass(frozen=True)
class ChipConditions:
    """What synapses learn and play; the defaults are those of the figures."""

    synapses: str = 'chip'
    """'chip' or 'software'."""
    age: float = 300.0
    """Seconds between learning and what is measured."""
    recalibrate: bool = False
    """Whether the columns are calibrated once more, just before what is measured."""
    law: str | DeviceLaw = 'hermes-two-device'
    """Of the devices: a name in `smallbot.chip.device.laws.LAWS`, or a law of one's own."""
    noise: float = 1.0
    """Factor on the law's programming error, drift exponents and 1/f noise."""
    stuck: float = 0.0
    """Share of stuck devices, half in SET and half in RESET."""
    granularity: Granularity = field(default_factory=Granularity)

    bounds: ClassVar[dict[str, tuple[float, float]]] = {
        'noise': (0, math.inf), 'stuck': (0, 1), 'age': (0, math.inf)}
    """Least and largest value of each field that is a number and can be swept."""

    def __post_init__(self) -> None:
        """Refuse what is out of bounds."""
        if self.synapses not in SYNAPSES:
            raise ConditionsError(f'synapses {self.synapses!r}: expected one of '
                                  f'{", ".join(SYNAPSES)}')
        law_of(self.law)
        for name, (low, high) in self.bounds.items():
            value = getattr(self, name)
            if not (isinstance(value, Real) and low <= value <= high and math.isfinite(value)):
                most = f' to {high}' if math.isfinite(high) else ''
                raise ConditionsError(f'{name} {value!r}: expected a finite number from '
                                      f'{low}{most}')

    @classmethod
    def swept(cls) -> tuple[str, ...]:
        """Return what a sweep may vary."""
        return *cls.bounds, 'step'

    def at(self: Kind, axis: str, value: float) -> Kind:
        """Return these conditions with one of `swept` at another value."""
        if axis not in self.swept():
            raise ConditionsError(f'{axis!r}: expected one of {", ".join(self.swept())}')
        if self.synapses != 'chip' and axis in ON_A_CHIP:
            raise ConditionsError(f'{axis}: exact weights in software have none; use '
                                  f'--synapses chip')
        if axis == 'step':
            return replace(self, granularity=replace(self.granularity, step=value))
        return replace(self, **{axis: value})

    def chip_options(self) -> dict[str, Any]:
        """Return what `ChipSynapses.prepare` is to be told beside weights."""
        return {'law': scaled(law_of(self.law), self.noise),
                'faults': FaultRates(devices=self.stuck), 'granularity': self.granularity}

    def to_mapping(self) -> dict[str, Any]:
        """Return what a report says of them, as plain values."""
        said = {'age_seconds': self.age}
        if self.synapses == 'chip':
            said.update(law=law_of(self.law).name, noise=self.noise, stuck_devices=self.stuck,
                        rounding=self.granularity.rounding, step=self.granularity.step,
                        recalibrated=self.recalibrate)
        return said
