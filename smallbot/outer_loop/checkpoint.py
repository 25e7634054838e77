"""The file from which an interrupted run goes on as if it had not been interrupted.

Weights, optimiser and configuration, but no model to be used: `MetaTraining.model` makes that.
"""

from dataclasses import asdict
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from smallbot.files import write_atomically
from smallbot.one_shot.model import as_trained, from_mapping, ModelError
from smallbot.outer_loop.configuration import MetaConfig

CHECKPOINT = 'checkpoint.pt'


class Checkpoint(NamedTuple):
    """A run between two iterations; the fields are the keys in the file."""

    config: MetaConfig
    start: dict[str, Any] | None
    """Card of the model that the run went on from."""
    iteration: int
    seconds: float
    """Spent so far, interruptions left out."""
    validations: list[tuple[int, float, float]]
    """Iteration, seconds and error, cm, of each."""
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    """Running average of the weights."""
    optimiser: dict[str, Any]


def write_checkpoint(state: Checkpoint, directory: Path) -> None:
    """Write the checkpoint into `directory`, atomically."""
    directory.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    torch.save({**state._asdict(), 'config': json.dumps(asdict(state.config)),
                'start': json.dumps(state.start)}, content)
    write_atomically(directory / CHECKPOINT, content.getvalue())


def read_checkpoint(directory: Path) -> Checkpoint:
    """Read the checkpoint in `directory`.

    Raises ModelError where there is none or it cannot be used.
    """
    path = directory / CHECKPOINT
    try:
        saved = torch.load(path, weights_only=True)
        state = Checkpoint(*(saved[key] for key in Checkpoint._fields))
        config, start = json.loads(state.config), json.loads(state.start)
        config['model'] = as_trained(config['model'])
    except FileNotFoundError:
        raise ModelError(f'{directory}: no checkpoint ({CHECKPOINT}) to resume from; start '
                         f'without --resume to make one') from None
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f'{path}: cannot be read as a checkpoint: {reason}') from None
    return state._replace(config=from_mapping(MetaConfig, config, f'{path}: config'), start=start)
