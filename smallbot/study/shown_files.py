# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A folder of demonstrations: what each file was understood as and came to, or why it was refused.

Also what one demonstration is expected to come to, before anything is started for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.formats.lerobot import is_data_set
from smallbot.demonstration.formats.options import Reading
from smallbot.demonstration.reading import is_recording, PLAIN, read_demonstration
from smallbot.demonstration.samples import Demonstration
from smallbot.demonstration.storage.bag_files import is_bag
from smallbot.demonstration.trial_grid import trial_of
from smallbot.errors import InputError
from smallbot.one_shot.families import from_positions, Movements
from smallbot.one_shot.learner import movement_update
from smallbot.one_shot.model import ModelConfig, OneShotModel
from smallbot.one_shot.playback import Playback
from smallbot.one_shot.rehearsal import Expectation, rehearse
from smallbot.one_shot.trainee import prepare_synapses, Trainee
from smallbot.study.evaluation import EvaluationError, Performance
from smallbot.study.on_arm import PERIOD


@dataclass(frozen=True)
class ShownFile:
    """One file of a folder: a movement, or why there is none."""

    name: str
    shown: Demonstration | None
    positions: np.ndarray | None
    """On the trial's grid [T + 1, J], rad."""
    refused: str
    """In one line; empty: it was not."""


def read_folder(folder: Path, tasks: int | None, config: ModelConfig, arm: Arm,
                reading: Reading = PLAIN) -> list[ShownFile]:
    """Read the demonstrations in a folder, in order of name, `tasks` at most.

    Bad ones do not end it. A folder that is itself one recording is read as such. Raises
    EvaluationError where there is nothing to read.
    """
    if not folder.is_dir():
        raise EvaluationError(f'demonstrations {folder}: not a folder; --family file needs '
                              f'--demonstrations DIR with CSV files or bags')
    is_one = is_bag(folder) and (folder / 'metadata.yaml').is_file() or is_data_set(folder)
    found = [folder] if is_one else sorted(
        path for path in folder.iterdir() if is_recording(path))
    if not found:
        raise EvaluationError(f'demonstrations {folder}: no CSV file, no bag and no LeRobot data '
                              f'set in it')
    files = []
    for path in found[:tasks]:
        try:
            shown = read_demonstration(path, arm, reading)
            files.append(ShownFile(path.name, shown, trial_of(shown, arm, config.steps), ''))
        except InputError as error:
            files.append(ShownFile(path.name, None, None, str(error)))
    return files


def movements_of(files: list[ShownFile], config: ModelConfig) -> Movements | None:
    """Return the movements of the files that were not refused, in their order; None without."""
    read = [file for file in files if not file.refused]
    if not read:
        return None
    movements = from_positions(torch.as_tensor(np.stack([file.positions for file in read])),
                               config.step_seconds)
    return movements._replace(held=tuple(file.shown.held for file in read))


def rows_of(files: list[ShownFile], done: Mapping[int, Performance]) -> list[dict[str, Any]]:
    """Return what became of each file, for JSON; `done` by number among those not refused.

    `refused` says why a file was; `poor` why its rehearsal expects too little of it.
    """
    rows, number = [], 0
    for file in files:
        row: dict[str, Any] = {'file': file.name}
        if file.refused:
            rows.append({**row, 'refused': file.refused})
            continue
        row['understood'] = file.shown.understood
        if number in done:
            performance = done[number]
            before, after = performance.tip_rmse_cm
            row.update(tip_rmse_cm={'before': before, 'after': after},
                       expected_tip_rmse_cm=performance.expected.tip_rmse_cm,
                       arm_tip_rmse_cm=performance.arm_tip_rmse_cm,
                       poor=performance.expected.poor())
        rows.append(row)
        number += 1
    return rows


def foreseen(model: OneShotModel, arm: Arm, positions: np.ndarray, duration: float
             ) -> Expectation:
    """Return what a movement is expected to come to, learned in software and played in `duration`.

    Parameters: `positions` [T + 1, J], rad, on the trial's grid; `duration`, s.
    """
    trainee = Trainee(model, prepare_synapses(model, 'software', 0))
    trainee.program(movement_update(model, arm, positions, trainee.trial().eligibility))
    playback = Playback(arm.limits, model.steps, model.step_seconds, PERIOD)
    return rehearse(trainee, positions, arm, duration, playback)
