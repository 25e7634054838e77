# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The movement that an arm is shown where nothing else is asked for."""

import torch

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.reading import read_demonstration
from smallbot.demonstration.samples import Demonstration
from smallbot.demonstration.trial_grid import shortest_duration
from smallbot.one_shot.families import brownian, BROWNIAN_WINDOW
from smallbot.one_shot.model import ModelConfig
from smallbot.share import default_demonstration

SEED = 3
"""Of the movement that is drawn for another arm; no figure uses it."""


def shown_by_default(config: ModelConfig, arm: Arm) -> Demonstration:
    """Return the shipped pen stroke for the shipped arm, for another a movement of its own.

    That is one of the paper's family, as slow as the arm needs. Raises NoMovementError.
    """
    if not config.arm.urdf and set(arm.driven) == {'base', 'shoulder'}:
        return read_demonstration(default_demonstration(), arm)
    drawn = brownian(1, config.steps, config.step_seconds, arm,
                     torch.Generator().manual_seed(SEED), min(BROWNIAN_WINDOW, config.steps))
    path = drawn.path()[0].double().numpy()
    seconds = max(config.trial_seconds, shortest_duration(path, arm.limits), 0.5)
    return Demonstration(arm.driven, torch.linspace(0, seconds, len(path)).double().numpy(), path,
                         f'a movement drawn for {arm.name}')
