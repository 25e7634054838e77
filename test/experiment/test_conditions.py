# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
from dataclasses import dataclass
import math
from typing import ClassVar

import pytest
import torch

from smallbot.experiment.conditions import ChipConditions, ConditionsError
from smallbot.synapses.chip import ChipSynapses
from smallbot.synapses.granularity import Granularity


@dataclass(frozen=True)
class Dimmed(ChipConditions):
    """Conditions of an experiment that may also be dimmed."""

    light: float = 1.0
    bounds: ClassVar[dict[str, tuple[float, float]]] = {**ChipConditions.bounds, 'light': (0, 1)}


def test_what_is_swept_is_what_was_asked_for():
    assert ChipConditions().at('stuck', 0.1) == ChipConditions(stuck=0.1)
    assert ChipConditions().at('step', 0.5).granularity == Granularity(step=0.5)
    assert Dimmed('software').at('light', 0.5) == Dimmed('software', light=0.5)
    with pytest.raises(ConditionsError, match='expected one of noise, stuck, age, step$'):
        ChipConditions().at('light', 1.0)


@pytest.mark.parametrize('axis', ['noise', 'stuck', 'age', 'step'])
def test_nothing_of_a_chip_is_swept_in_software(axis):
    with pytest.raises(ConditionsError, match=f'{axis}: exact weights in software have none'):
        ChipConditions('software').at(axis, 0.5)


@pytest.mark.parametrize(('field', 'value', 'said'), [
    ('age', -1.0, 'from 0$'), ('age', math.inf, 'finite'), ('noise', math.nan, 'finite'),
    ('stuck', 2.0, 'from 0 to 1$'), ('light', 1.5, 'from 0 to 1$'), ('law', 'mine', 'ideal')])
def test_conditions_that_cannot_be_had_are_refused(field, value, said):
    with pytest.raises(ConditionsError, match=f'{field} .*{said}'):
        Dimmed(**{field: value})


def test_a_chip_is_made_as_the_conditions_say():
    def chip(**asked):
        return ChipSynapses.prepare(
            torch.full((6, 20), 0.5), None, torch.ones(20), torch.Generator().manual_seed(0),
            **ChipConditions(**asked).chip_options())

    probe = torch.eye(20)
    exact = chip(law='ideal', noise=0.0, granularity=Granularity('exact'))
    assert exact.granularity.rounding == 'exact'
    wrong = [float((made.matvec(probe) - 0.5).square().mean().sqrt())
             for made in (exact, chip(), chip(noise=3.0), chip(stuck=0.3))]
    assert wrong[0] < wrong[1] < min(wrong[2:])


def test_a_report_names_a_chip_s_conditions_only_where_there_is_a_chip():
    assert ChipConditions('software').to_mapping() == {'age_seconds': 300.0}
    said = ChipConditions(stuck=0.1, recalibrate=True).to_mapping()
    assert (said['stuck_devices'], said['recalibrated'], said['law']) == (
        0.1, True, 'hermes-two-device')
