"""A run of the outer loop: learn to learn a movement from one demonstration with one update.

Iteration after iteration, with validations and checkpoints in between, to the model at the end.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
import math
from pathlib import Path
import time
from typing import NamedTuple

import torch

from smallbot.demonstration.drawings import pen_trials
from smallbot.experiment.figures import VALIDATION_SEED
from smallbot.experiment.processes import Group
from smallbot.models.weights_file import ModelError
from smallbot.one_shot.families import brownian
from smallbot.one_shot.figures import tip_rmse_cm
from smallbot.one_shot.model import arm_of, initial_weights, OneShotModel
from smallbot.outer_loop.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from smallbot.outer_loop.closed_form import closed_form
from smallbot.outer_loop.configuration import (
    checked,
    going_on,
    MetaConfig,
    Products,
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
    fraction = min(1.0, iteration / config.iterations)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fraction)))


def faster_products() -> Products:
    """Return the numbers in which this processor multiplies faster."""
    has = any(getattr(torch.cpu, name, bool)()
              for name in ('_is_avx512_bf16_supported', '_is_amx_tile_supported'))
    return Products.BFLOAT16 if has else Products.FLOAT32


class MetaTraining:
    """The state of a run: weights, optimiser and the iteration it has reached.

    `step` advances it by one outer iteration; `save` and `restore` interrupt and resume it so
    that the same numbers come out as from an unbroken run. In a group of processes each holds
    the same state and takes a share of every batch: the numbers are those of one process, but
    for the order in which floats are added up.
    """

    def __init__(self, config: MetaConfig, group: Group | None = None,
                 start: OneShotModel | None = None):
        """Begin with the networks of `start` (`going_on`), or as configured.

        That is in closed form, which takes seconds, or with random weights.
        """
        self.group = group or Group()
        if start is None and config.closed_form:
            start = self.group.first(
                lambda: closed_form(config.balance, config.model, config.seed))
        self.start = start and {'name': start.name, **start.card}
        """Card of the model that this run went on from."""
        if start is not None:
            config = going_on(config, start)
        if config.products is Products.FASTER:
            config = replace(config, products=self.group.first(faster_products))
        self.config = checked(config)
        if config.batch < self.group.size:
            raise ModelError(f'batch {config.batch}: expected at least one task for each of '
                             f'{self.group.size} processes')
        self.arm = arm_of(config.model)
        self.iteration = 0
        self.settled = True
        """Whether the state is whole; for a moment in `step` it is neither before nor after."""
        self.seconds = 0.0
        """Spent so far, interruptions left out."""
        self.validations: list[Validation] = []
        weights = start.weights if start is not None else initial_weights(
            config.model, torch.Generator().manual_seed(config.seed))
        self.weights = {key: value.clone().requires_grad_() for key, value in weights.items()}
        self.average = {key: value.detach().clone() for key, value in self.weights.items()}
        """Running average of the weights, or the weights themselves (`averaging`)."""
        self.optimiser = torch.optim.Adam(self.weights.values(), lr=config.learning_rate)
        self.pens = None
        if config.pen_share > 0:
            self.pens = torch.as_tensor(pen_trials('train', config.model.steps, self.arm),
                                        dtype=torch.float32)

    def step(self) -> Iteration:
        """Run one outer iteration.

        An exception that comes from outside while `settled` leaves the state as it was before.
        """
        config = self.config
        for settings in self.optimiser.param_groups:
            settings['lr'] = learning_rate(config, self.iteration)
        batch = draw_batch(config, self.arm, self.pens, self.iteration, self.group.rank,
                           self.group.size)
        loss, parts = outer_loss(config, self.weights, batch, self.arm, self.group)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.group.add_up([value.grad for value in self.weights.values()])
        if config.gradient_clip:
            torch.nn.utils.clip_grad_norm_(list(self.weights.values()), config.gradient_clip)
        held = [(part, part.detach().clone(), rate) for part, rate in self._slower() if rate != 1]
        self.settled = False
        self.optimiser.step()
        with torch.no_grad():
            for part, before, rate in held:
                part.copy_(torch.lerp(before, part, rate))
        limit = config.model.weight_limits() if config.clip_to_chip else math.inf
        with torch.no_grad():
            self.weights['trainee'].clamp_(-limit, limit)
            for key, value in self.weights.items():
                self.average[key].lerp_(value, 1 - config.averaging)
            # A mean of limits is rounded, now and then to beyond them.
            self.average['trainee'].clamp_(-limit, limit)
        self.iteration += 1
        self.settled = True
        return parts

    def _slower(self) -> list[tuple[torch.Tensor, float]]:
        """Return the weights that have a learning rate of their own, as share of the others'."""
        config, trainee = self.config, self.weights['trainee'].detach()
        n_in = config.model.clock_neurons
        return [(trainee[:, :n_in], config.clock_rate), (trainee[:, n_in:], config.recurrent_rate),
                (self.weights['readout'].detach(), config.readout_rate)]

    @torch.no_grad()
    def validate(self) -> Validation:
        """Measure the run as it is on unseen movements, with exact weights, and note it."""
        config, model = self.config, self.config.model
        tasks = brownian(config.validation_tasks, model.steps, model.step_seconds, self.arm,
                         torch.Generator().manual_seed(VALIDATION_SEED))
        mine = tasks.chosen(slice(self.group.rank, None, self.group.size))
        error = torch.zeros(())
        if len(mine.start):
            tried = attempt(config, self.average, Batch(mine, len(tasks.start)), self.arm)
            error = tip_rmse_cm(tried.velocity, mine, self.arm).sum()
        error = self.group.total(error.float()) / len(tasks.start)
        self.validations.append(Validation(self.iteration, self.seconds, float(error)))
        return self.validations[-1]

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

    def save(self, directory: Path) -> None:
        """Write the checkpoint into `directory`, atomically; only the first process does."""
        if not self.group.leads:
            return
        write_checkpoint(Checkpoint(
            self.config, self.start, self.iteration, self.seconds,
            [tuple(seen) for seen in self.validations],
            {key: value.detach() for key, value in self.weights.items()}, self.average,
            self.optimiser.state_dict()), directory)

    @classmethod
    def restore(cls, directory: Path, group: Group | None = None) -> 'MetaTraining':
        """Read the checkpoint in `directory`; the first process of a group reads it for all.

        Raises ModelError where there is none or it cannot be used.
        """
        group = group or Group()
        saved = group.first(lambda: read_checkpoint(directory))
        run = cls(replace(saved.config, closed_form=False), group)
        run.config, run.start = saved.config, saved.start
        run.iteration, run.seconds = saved.iteration, saved.seconds
        run.validations = [Validation(*seen) for seen in saved.validations]
        with torch.no_grad():
            for key, value in saved.weights.items():
                run.weights[key].copy_(value)
                run.average[key].copy_(saved.average[key])
        run.optimiser.load_state_dict(saved.optimiser)
        return run


def meta_train(run: MetaTraining, directory: Path, until: Callable[[MetaTraining], bool],
               report: Callable[[MetaTraining, Iteration], None],
               checkpoint_seconds: float = 60.0) -> None:
    """Advance `run` until `until` says so in any of its processes, with checkpoints.

    Validates as configured, before `report`. Whatever ends it, the checkpoint in `directory` is
    written last; to stop it, let `until` return True, which is asked between iterations, or raise
    an exception while the run is `settled`.
    """
    began, before = time.monotonic(), run.seconds
    written = began
    try:
        _validate_if_due(run)
        while not run.group.any(until(run)):
            parts = run.step()
            run.seconds = before + time.monotonic() - began
            _validate_if_due(run)
            report(run, parts)
            if time.monotonic() - written > checkpoint_seconds:
                run.save(directory)
                written = time.monotonic()
            run.seconds = before + time.monotonic() - began
    finally:
        run.save(directory)


def _validate_if_due(run: MetaTraining) -> None:
    every, reached = run.config.validate_every, run.iteration
    due = every and reached and (reached % every == 0 or reached == run.config.iterations)
    if due and not (run.validations and run.validations[-1].iteration == reached):
        run.validate()


def planned_iterations(config: MetaConfig, minutes: float, group: Group | None = None,
                       start: OneShotModel | None = None, trials: int = 5) -> int:
    """Return how many iterations fit into `minutes` here, measured on a run that is thrown away.

    `start` as in `MetaTraining`.
    The plan is fixed before training begins, because the learning rate follows it: a run that is
    interrupted and resumed comes out as one that was not.
    """
    rehearsal = MetaTraining(config, group, start)
    rehearsal.step()

    def seconds(of: Callable[[], object]) -> float:
        began = time.perf_counter()
        of()
        return time.perf_counter() - began

    needed = sum(seconds(rehearsal.step) for _ in range(trials)) / trials
    if config.validate_every:
        needed += seconds(rehearsal.validate) / config.validate_every
    return rehearsal.group.first(lambda: max(1, int(60 * minutes / needed)))
