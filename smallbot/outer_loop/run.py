# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A run of the outer loop: learn to learn a movement from one demonstration with one update.

Iteration after iteration, with validations and checkpoints in between, to the model at the end.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from smallbot.demonstration.drawings import pen_trials
from smallbot.experiment.figures import VALIDATION_SEED
from smallbot.experiment.loop import cosine, Training
from smallbot.experiment.processes import Group
from smallbot.experiment.products import faster_products, Products
from smallbot.models.weights_file import ModelError, MOVEMENTS
from smallbot.one_shot.families import brownian
from smallbot.one_shot.figures import tip_rmse_cm
from smallbot.one_shot.model import arm_of, initial_weights, OneShotModel
from smallbot.outer_loop.checkpoint import read_checkpoint
from smallbot.outer_loop.closed_form import closed_form
from smallbot.outer_loop.configuration import (
    checked,
    going_on,
    MetaConfig,
    Schedule,
)
from smallbot.outer_loop.iteration import attempt, Iteration, outer_loss
from smallbot.outer_loop.tasks import Batch, draw_batch

TARGET_CM = 2.5
"""Mean error on the validation tasks, in software, whose time is logged: a product figure."""


class Validation(NamedTuple):
    """One look at unseen movements, with exact weights."""

    iteration: int
    seconds: float
    """Since the beginning of the run, interruptions left out."""
    tip_cm: float
    """Mean `tip_rmse_cm` after one update."""


def learning_rate(config: MetaConfig, iteration: int) -> float:
    """Return Adam's rate at an iteration."""
    if config.schedule is Schedule.STEPS:
        return config.learning_rate * config.decay ** (iteration // config.decay_every)
    return cosine(config.learning_rate, iteration, config.iterations)


class MetaTraining(Training):
    """A run on movements; each step is an outer iteration."""

    card_format = MOVEMENTS
    validation = Validation
    config: MetaConfig

    def __init__(self, config: MetaConfig, group: Group | None = None,
                 start: OneShotModel | None = None):
        """Begin with the networks of `start` (`going_on`), or as configured.

        That is in closed form, which takes seconds, or with random weights.
        """
        group = group or Group()
        if start is None and config.closed_form:
            start = group.first(lambda: closed_form(config.balance, config.model, config.seed))
        if start is not None:
            config = going_on(config, start)
        if config.products is Products.FASTER:
            config = replace(config, products=group.first(faster_products))
        config = checked(config)
        if config.batch < group.size:
            raise ModelError(f'batch {config.batch}: expected at least one task for each of '
                             f'{group.size} processes')
        weights = start.weights if start is not None else initial_weights(
            config.model, torch.Generator().manual_seed(config.seed))
        super().__init__(config, group, weights, start and {'name': start.name, **start.card})
        self.arm = arm_of(config.model)
        self.pens = None
        if config.pen_share > 0:
            self.pens = torch.as_tensor(pen_trials('train', config.model.steps, self.arm),
                                        dtype=torch.float32)

    def learning_rate(self, iteration: int) -> float:
        """Return Adam's rate at an iteration."""
        return learning_rate(self.config, iteration)

    def loss(self) -> tuple[Tensor, Iteration]:
        """Return the outer loss of this process's share of the batch, and its parts."""
        batch = draw_batch(self.config, self.arm, self.pens, self.iteration, self.group.rank,
                           self.group.size)
        return outer_loss(self.config, self.weights, batch, self.arm, self.group)

    def descend(self) -> None:
        """Let the optimiser take its step, and some weights only a share of it."""
        held = [(part, part.detach().clone(), rate) for part, rate in self._slower() if rate != 1]
        self.optimiser.step()
        with torch.no_grad():
            for part, before, rate in held:
                part.copy_(torch.lerp(before, part, rate))

    def limits(self) -> dict[str, Tensor]:
        """Return what a chip can hold of the trainee's weights, if it is to."""
        return {'trainee': self.config.model.weight_limits()} if self.config.clip_to_chip else {}

    def _slower(self) -> list[tuple[Tensor, float]]:
        """Return the weights that have a learning rate of their own, as share of the others'."""
        config, trainee = self.config, self.weights['trainee'].detach()
        n_in = config.model.clock_neurons
        return [(trainee[:, :n_in], config.clock_rate), (trainee[:, n_in:], config.recurrent_rate),
                (self.weights['readout'].detach(), config.readout_rate)]

    def measure(self) -> float:
        """Return the mean error, cm, on unseen movements, with exact weights."""
        config, model = self.config, self.config.model
        tasks = brownian(config.validation_tasks, model.steps, model.step_seconds, self.arm,
                         torch.Generator().manual_seed(VALIDATION_SEED))
        mine = tasks.chosen(slice(self.group.rank, None, self.group.size))
        error = torch.zeros(())
        if len(mine.start):
            tried = attempt(config, self.average, Batch(mine, len(tasks.start)), self.arm)
            error = tip_rmse_cm(tried.velocity, mine, self.arm).sum()
        return float(self.group.total(error.float()) / len(tasks.start))

    def seconds_to(self, tip_cm: float) -> float | None:
        """Return the time of the first validation at or below `tip_cm`; None before it."""
        return next((v.seconds for v in self.validations if v.tip_cm <= tip_cm), None)

    def model(self, name: str) -> OneShotModel:
        """Return the model as it is now."""
        weights = {key: value.clone() for key, value in self.average.items()}
        weights['trainee'] *= self.config.model.synapse_mask()
        if not self.config.generator_autapses:
            weights['generator_rec'].fill_diagonal_(0)
        card = {'made_by': 'smallbot meta-train', 'seed': self.config.seed,
                'iterations': self.iteration, 'training_seconds': round(self.seconds, 1),
                'processes': self.group.size,
                f'seconds_to_{TARGET_CM:g}_cm_in_software': self.seconds_to(TARGET_CM),
                'meta_training': {key: value for key, value in asdict(self.config).items()
                                  if key != 'model'}}
        if self.start:
            card['started_from'] = self.start
        return OneShotModel(self.config.model, weights, name, card)

    @classmethod
    def restore(cls, directory: Path, group: Group | None = None) -> 'MetaTraining':
        """Read the checkpoint in `directory`; the first process of a group reads it for all.

        Raises ModelError where there is none or it cannot be used.
        """
        group = group or Group()
        saved = group.first(lambda: read_checkpoint(directory))
        run = cls(replace(saved.config, closed_form=False), group)
        run.take_up(saved)
        return run
