# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The file from which an interrupted run goes on as if it had not been interrupted.

Weights, optimiser and configuration, but no model to be used: a run makes that itself. Not here:
what a configuration holds.
"""

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
import io
import json
from pathlib import Path
from typing import Any, NamedTuple
import warnings

import torch
from torch import Tensor

from smallbot.files.bounds import NotNegative, Whole
from smallbot.files.plain import read_json
from smallbot.files.schema import built
from smallbot.files.sealed import BLANK, FORMAT, is_sealed, seal_bytes
from smallbot.files.writing import made_folder, read_bytes, write_atomically
from smallbot.models.weights_file import CardFormat, FORMATS, ModelError, MOVEMENTS

CHECKPOINT = 'checkpoint.pt'
SEALED = b'\nsmallbot-checkpoint-2 sha256 '
"""What stands before the checksum, behind what torch wrote and reads."""
Shapes = dict[str, tuple[int, ...]]


class Checkpoint(NamedTuple):
    """A run between two iterations; the fields are the keys in the file."""

    config: Any
    """The experiment's own, a dataclass."""
    start: dict[str, Any] | None
    """Card of the model that the run went on from."""
    iteration: int
    seconds: float
    """Spent so far, interruptions left out."""
    validations: list[tuple[int, float, float]]
    """Iteration, seconds and the experiment's figure, of each."""
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    """Running average of the weights."""
    optimiser: dict[str, Any]


@dataclass(frozen=True)
class Reached:
    """What a checkpoint says of a run beside tensors."""

    iteration: Whole
    seconds: NotNegative
    validations: tuple[tuple[Whole, NotNegative, NotNegative], ...]
    start: dict[str, Any] | None


def write_checkpoint(state: Checkpoint, directory: Path, form: CardFormat) -> None:
    """Write the checkpoint into `directory`, atomically, a checksum of its bytes at the end.

    `form` is the format of the models that the run makes. Raises WriteError.
    """
    content = io.BytesIO()
    torch.save({**state._asdict(), 'config': json.dumps(asdict(state.config)),
                'start': json.dumps(state.start), FORMAT: form.name}, content)
    write_atomically(made_folder(directory) / CHECKPOINT,
                     seal_bytes(content.getvalue() + SEALED + BLANK.encode() + b'\n'))


def read_checkpoint(directory: Path, form: CardFormat, configured: Callable[[Any, str], Any],
                    shapes: Callable[[Any], Shapes],
                    trained: Callable[[Any], Collection[str]] | None = None) -> Checkpoint:
    """Read the checkpoint in `directory`.

    Parameters: `form`, the format of the models that the run makes; `configured`, which returns
    the configuration of plain values, or raises ModelError in a line that begins with the text
    beside them; `shapes` of the weights of a configuration; `trained`, which of them the optimiser
    moves, in its order (default: all).
    Raises ModelError where there is none, it is another experiment's, is not what was written or
    cannot be used.
    """
    path = directory / CHECKPOINT
    try:
        content = _unsealed(read_bytes(path))
        with warnings.catch_warnings():  # of what is refused then
            warnings.simplefilter('ignore')
            saved = torch.load(io.BytesIO(content), weights_only=True)
        state = Checkpoint(*(saved[key] for key in Checkpoint._fields))
        config, start = (read_json(text.encode()) for text in (state.config, state.start))
        found = saved.get(FORMAT, MOVEMENTS.name)  # which is all that there was, once
    except FileNotFoundError:
        raise ModelError(f'{directory}: no checkpoint ({CHECKPOINT}) to resume from; start '
                         f'without --resume to make one') from None
    except Exception as error:
        reason = getattr(error, 'strerror', None) or (str(error) or repr(error)).splitlines()[0]
        raise ModelError(f'{path}: cannot be read as a checkpoint: {reason}') from None
    if found != form.name:
        other = next((f'of {each.made_by}' for each in FORMATS if each.name == found),
                     f'with format {found!r}')
        raise ModelError(f'{path}: a checkpoint {other}, expected one of {form.made_by}')
    config = configured(config, f'{path}: config')
    reached = built(Reached, {'iteration': state.iteration, 'seconds': state.seconds,
                              'validations': state.validations, 'start': start}, str(path),
                    ModelError)
    expected = shapes(config)
    for name in ('weights', 'average'):
        _check_tensors(getattr(state, name), expected, f'{path}: {name}')
    moved = expected if trained is None else trained(config)
    _check_adam(state.optimiser, [expected[key] for key in moved], f'{path}: optimiser')
    return state._replace(config=config, start=start,
                          validations=[tuple(seen) for seen in reached.validations])


def _unsealed(content: bytes) -> bytes:
    """Return what `SEALED` and a checksum stand behind; earlier versions wrote neither."""
    *before, after = content.rsplit(SEALED, 1)
    if not before:
        return content
    if not is_sealed(content, after[:-1].decode('ascii', 'replace')):
        raise ValueError('damaged, it does not match its checksum')
    return before[0]


def _check_tensors(found: Any, shapes: Shapes, where: str) -> None:
    """Refuse other tensors than those of `shapes`, and numbers that are not finite."""
    if not isinstance(found, dict) or set(found) != set(shapes):
        raise ModelError(f'{where}: expected {", ".join(sorted(shapes))}')
    for key, shape in shapes.items():
        value = found[key]
        if not (isinstance(value, Tensor) and tuple(value.shape) == tuple(shape)
                and value.dtype == torch.float32 and torch.isfinite(value).all()):
            raise ModelError(f'{where}.{key}: expected finite float32 numbers {tuple(shape)}')


def _check_adam(found: Any, shapes: list[tuple[int, ...]], where: str) -> None:
    """Refuse what is not the state of Adam for tensors of `shapes`; it is empty at the start."""
    try:
        states, (group,) = found['state'], found['param_groups']
        if states:
            for number, shape in enumerate(shapes):
                means = {key: states[number][key] for key in ('exp_avg', 'exp_avg_sq')}
                _check_tensors(means, dict.fromkeys(means, shape), f'{where}.{number}')
                if not float(states[number]['step']) >= 0:
                    raise ModelError(f'{where}.{number}.step: expected 0 or more')
        if len(states) not in (0, len(shapes)) or len(group['params']) != len(shapes):
            raise ModelError(f'{where}: expected the state of {len(shapes)} tensors')
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f'{where}: not the state of Adam: {error!r}') from None
