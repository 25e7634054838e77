# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the checkpoint of meta-training holds: a configuration of movements' networks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smallbot.experiment import checkpoint
from smallbot.experiment.checkpoint import Checkpoint
from smallbot.files.schema import built
from smallbot.models.weights_file import ModelError, MOVEMENTS
from smallbot.one_shot.model import as_trained
from smallbot.outer_loop.configuration import MetaConfig


def read_checkpoint(directory: Path) -> Checkpoint:
    """Read the checkpoint in `directory`, an old one too, with a `MetaConfig`.

    Raises ModelError where there is none, it is not what was written or cannot be used.
    """
    return checkpoint.read_checkpoint(directory, MOVEMENTS, _configured,
                                      lambda config: config.model.shapes())


def _configured(values: Any, where: str) -> MetaConfig:
    if not isinstance(values, Mapping) or 'model' not in values:
        raise ModelError(f'{where}: expected a mapping with "model"')
    return built(MetaConfig, {**values, 'model': as_trained(values['model'])}, where, ModelError)
