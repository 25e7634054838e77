# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The loop around a run of training: steps, validations, checkpoints, and the end that is planned.

Not here: what is learned. An experiment makes its own class of `Training` for that.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
import math
from pathlib import Path
import time
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from smallbot.experiment.checkpoint import Checkpoint, write_checkpoint
from smallbot.experiment.processes import Group
from smallbot.models.weights_file import CardFormat

CHECKPOINT_SECONDS = 60.0
"""Between two checkpoints of a run that goes on."""


class Settings(Protocol):
    """What of an experiment's configuration the loop goes by."""

    iterations: int
    """Of the whole schedule."""
    learning_rate: float
    """Adam's at the start."""
    averaging: float
    """Share that a running average of the weights keeps at each iteration."""
    gradient_clip: float
    """Largest norm of the gradient; 0: any."""
    validate_every: int
    """Iterations between two validations; 0: none."""


def cosine(rate: float, iteration: int, iterations: int) -> float:
    """Return a learning rate that falls from `rate` along half a cosine to a hundredth of it."""
    fraction = min(1.0, iteration / iterations)
    return rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fraction)))


class Training(ABC):
    """The state of a run: weights, optimiser and the iteration it has reached.

    `step` advances it by one iteration; `save` and `take_up` interrupt and resume it so that the
    same numbers come out as from an unbroken run. In a group of processes each holds the same
    state and takes a share of every batch: the numbers are those of one process, but for the
    order in which floats are added up.
    """

    card_format: ClassVar[CardFormat]
    """Of the models that it makes."""
    validation: ClassVar[type]
    """Named tuple of a validation: `iteration`, `seconds` and the experiment's figure."""

    def __init__(self, config: Settings, group: Group, weights: dict[str, Tensor],
                 start: dict[str, Any] | None = None, trained: Collection[str] | None = None):
        """Begin with copies of `weights`, those named by `trained` (default: all) to be moved.

        `start` is the card of the model that they are of, if they are of one.
        """
        self.config = config
        self.group = group
        self.start = start
        """Card of the model that this run went on from."""
        self.iteration = 0
        self.settled = True
        """Whether the state is whole; for a moment in `step` it is neither before nor after."""
        self.seconds = 0.0
        """Spent so far, interruptions left out."""
        self.validations: list[Any] = []
        self.weights = {key: value.detach().clone() for key, value in weights.items()}
        self.average = {key: value.clone() for key, value in self.weights.items()}
        """Running average of the weights, or the weights themselves (`averaging`)."""
        self.trained = [self.weights[key].requires_grad_()
                        for key in (weights if trained is None else trained)]
        self.optimiser = torch.optim.Adam(self.trained, lr=config.learning_rate)

    @abstractmethod
    def loss(self) -> tuple[Tensor, Any]:
        """Return the loss of this iteration, differentiable in the weights, and its parts.

        In a group the loss is that of the whole batch, its gradients are those of the share.
        """

    @abstractmethod
    def measure(self) -> float:
        """Return the experiment's figure of the average as it is, on what is not trained with.

        The same in every process of a group.
        """

    def validate(self) -> Any:
        """Measure the run as it is, and note it."""
        with torch.no_grad():
            figure = self.measure()
        self.validations.append(self.validation(self.iteration, self.seconds, figure))
        return self.validations[-1]

    def learning_rate(self, iteration: int) -> float:
        """Return Adam's rate at an iteration."""
        return cosine(self.config.learning_rate, iteration, self.config.iterations)

    def descend(self) -> None:
        """Let the optimiser take its step."""
        self.optimiser.step()

    def limits(self) -> dict[str, Tensor]:
        """Return the largest magnitudes of weights that have one, by name: here of none."""
        return {}

    def step(self) -> Any:
        """Run one iteration; returns the parts of its loss.

        An exception that comes from outside while `settled` leaves the state as it was before.
        """
        for settings in self.optimiser.param_groups:
            settings['lr'] = self.learning_rate(self.iteration)
        loss, parts = self.loss()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.group.add_up([value.grad for value in self.trained])
        if self.config.gradient_clip:
            torch.nn.utils.clip_grad_norm_(self.trained, self.config.gradient_clip)
        self.settled = False
        self.descend()
        with torch.no_grad():
            self._limit(self.weights)
            for key, value in self.weights.items():
                self.average[key].lerp_(value, 1 - self.config.averaging)
            # A mean of limits is rounded, now and then to beyond them.
            self._limit(self.average)
        self.iteration += 1
        self.settled = True
        return parts

    def _limit(self, weights: dict[str, Tensor]) -> None:
        for key, limit in self.limits().items():
            weights[key].clamp_(-limit, limit)

    def save(self, directory: Path) -> None:
        """Write the checkpoint into `directory`, atomically; only the first process does."""
        if not self.group.leads:
            return
        write_checkpoint(Checkpoint(
            self.config, self.start, self.iteration, self.seconds,
            [tuple(seen) for seen in self.validations],
            {key: value.detach() for key, value in self.weights.items()}, self.average,
            self.optimiser.state_dict()), directory, self.card_format)

    def take_up(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint of such a run."""
        self.config, self.start = saved.config, saved.start
        self.iteration, self.seconds = saved.iteration, saved.seconds
        self.validations = [self.validation(*seen) for seen in saved.validations]
        with torch.no_grad():
            for key, value in saved.weights.items():
                self.weights[key].copy_(value)
                self.average[key].copy_(saved.average[key])
        self.optimiser.load_state_dict(saved.optimiser)


def advance(run: Training, directory: Path, until: Callable[[Any], bool],
            report: Callable[[Any, Any], None],
            checkpoint_seconds: float = CHECKPOINT_SECONDS) -> None:
    """Advance `run` until `until` says so in any of its processes, with checkpoints.

    Validates as configured, before `report`, which gets the run and the parts of a step. Whatever
    ends it, the checkpoint in `directory` is written last; to stop it, let `until` return True,
    which is asked between iterations, or raise an exception while the run is `settled`.
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


def _validate_if_due(run: Training) -> None:
    every, reached = run.config.validate_every, run.iteration
    due = every and reached and (reached % every == 0 or reached == run.config.iterations)
    if due and not (run.validations and run.validations[-1].iteration == reached):
        run.validate()


def planned_iterations(rehearsal: Training, minutes: float, trials: int = 5) -> int:
    """Return how many iterations fit into `minutes` here, measured on a run that is thrown away.

    The plan is fixed before training begins, because the learning rate follows it: a run that is
    interrupted and resumed comes out as one that was not.
    """
    rehearsal.step()

    def seconds(of: Callable[[], object]) -> float:
        began = time.perf_counter()
        of()
        return time.perf_counter() - began

    needed = sum(seconds(rehearsal.step) for _ in range(trials)) / trials
    if rehearsal.config.validate_every:
        needed += seconds(rehearsal.validate) / rehearsal.config.validate_every
    return rehearsal.group.first(lambda: max(1, int(60 * minutes / needed)))
