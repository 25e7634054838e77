# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What every function of the API asks of a seed, of counts and of conditions."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from operator import index
from typing import Any, TypeVar

from tqdm import tqdm

from smallbot.errors import InputError
from smallbot.experiment.conditions import ChipConditions
from smallbot.models.weights_file import Model

Kind = TypeVar('Kind', bound=ChipConditions)
OfKind = TypeVar('OfKind', bound=Model)
LARGEST_SEED = 2 ** 63 - 1
FOR_A_CHIP = ('law', 'noise', 'stuck', 'recalibrate')
"""Conditions that exact weights in software know nothing of."""


def model_for(kind: type[OfKind], model: OfKind, source: str) -> OfKind:
    """Return a model; raises InputError for what is none of this kind, which `source` loads."""
    if not isinstance(model, kind):
        raise InputError(f'model {model!r:.60}: expected what smallbot.{source}(...) returns')
    return model


def seed_for(seed: int) -> int:
    """Return a seed; raises InputError for what is no whole number of its range."""
    return whole('seed', seed, 0, LARGEST_SEED)


def whole(name: str, value: int, least: int, most: int) -> int:
    """Return a whole number from `least` to `most`; raises InputError that calls it `name`."""
    try:
        found = index(value)
    except TypeError:
        found = least - 1
    if not least <= found <= most:
        raise InputError(f'{name} {value!r}: expected a whole number from {least} to {most}')
    return found


def conditions_for(kind: type[Kind], conditions: Kind | None) -> Kind:
    """Return conditions, the usual ones for None.

    Raises InputError for those of another experiment, and for a chip's where there is none.
    """
    usual = kind()
    if conditions is None:
        return usual
    if not isinstance(conditions, kind):
        raise InputError(f'conditions {conditions!r}: expected smallbot.{kind.__name__}(...)')
    for name in FOR_A_CHIP:
        if conditions.synapses != 'chip' and getattr(conditions, name) != getattr(usual, name):
            raise InputError(f'{name}={getattr(conditions, name)!r}: exact weights in software '
                             f"have none, use synapses='chip'")
    return conditions


def bar(total: int, shown: bool) -> tuple[AbstractContextManager[Any], Callable[..., None]]:
    """Return a bar of progress, to be entered, and what advances it; silent if not `shown`."""
    made = tqdm(total=total, disable=not shown)
    return made, lambda *_: made.update()
