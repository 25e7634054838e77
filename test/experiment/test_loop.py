# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A run of the smallest kind: a line fitted through points that each iteration draws."""

from dataclasses import dataclass, field, replace
from itertools import count
from typing import NamedTuple

import pytest
import torch

from smallbot.experiment.chance import stream
from smallbot.experiment.checkpoint import read_checkpoint
from smallbot.experiment.loop import advance, cosine, planned_iterations, Training
from smallbot.experiment.processes import Group
from smallbot.files.schema import built
from smallbot.models.weights_file import IMAGES, ModelError
from smallbot.outer_loop.run import MetaTraining


@dataclass(frozen=True)
class Line:

    def shapes(self):
        return {'slope': (2,), 'centre': (2,), 'height': (1,)}


@dataclass(frozen=True)
class Config:
    model: Line = field(default_factory=Line)
    iterations: int = 30
    learning_rate: float = 0.1
    averaging: float = 0.0
    gradient_clip: float = 1.0
    validate_every: int = 10
    seed: int = 3


class Seen(NamedTuple):
    iteration: int
    seconds: float
    error: float


class Fit(Training):
    card_format = IMAGES
    validation = Seen
    trained_weights = ('slope', 'height')

    def __init__(self, config=Config(), group=None):
        super().__init__(config, group or Group(),
                         {'slope': torch.zeros(2), 'centre': torch.zeros(2),
                          'height': torch.zeros(1)}, trained=self.trained_weights)

    def loss(self):
        x = torch.randn(8, 2, generator=stream(self.config.seed, self.iteration + 1))
        self.weights['centre'].lerp_(x.mean(0), 0.1)
        wrong = x @ self.weights['slope'] + self.weights['height'] - x.sum(1) - 0.5
        loss = wrong.square().mean()
        return loss, loss.item()

    def measure(self):
        return float((self.average['slope'] - 1).abs().max())

    @classmethod
    def saved(cls, directory):
        return read_checkpoint(directory, IMAGES,
                               lambda values, where: built(Config, values, where, ModelError),
                               lambda config: config.model.shapes(),
                               lambda config: cls.trained_weights)

    @classmethod
    def restore(cls, directory):
        saved = cls.saved(directory)
        run = cls(saved.config)
        run.take_up(saved)
        return run


class Steep(Fit):

    def limits(self):
        return {'slope': torch.tensor([0.25, 9.0])}


def run_to(run, directory, iteration):
    advance(run, directory, lambda run: run.iteration >= iteration, lambda run, parts: None)
    return run


def test_a_run_learns_validates_as_configured_and_tells_of_every_step(tmp_path):
    told = []
    run = Fit()
    advance(run, tmp_path, lambda run: run.iteration >= 25,
            lambda run, parts: told.append((run.iteration, parts)))
    assert [number for number, _ in told] == list(range(1, 26)) and told[-1][1] < told[0][1]
    assert [seen.iteration for seen in run.validations] == [10, 20]
    assert all(seen.error < 0.5 for seen in run.validations)
    assert 0 < run.validations[0].seconds < run.seconds


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(tmp_path):
    unbroken = run_to(Fit(Config(averaging=0.5)), tmp_path / 'unbroken', 30)
    run_to(Fit(Config(averaging=0.5)), tmp_path / 'broken', 13)
    run = Fit.restore(tmp_path / 'broken')
    assert run.iteration == 13 and run.validations[0].iteration == 10 and run.seconds > 0
    run_to(run, tmp_path / 'broken', 30)
    for held, other in ((run.weights, unbroken.weights), (run.average, unbroken.average)):
        assert all(torch.equal(held[key], other[key]) for key in held)
    assert [seen.error for seen in run.validations] == [s.error for s in unbroken.validations]


def test_whatever_ends_a_run_leaves_a_checkpoint(tmp_path):
    run = Fit()

    def report(run, parts):
        if run.iteration == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        advance(run, tmp_path, lambda run: False, report)
    assert Fit.saved(tmp_path).iteration == 4


def test_weights_and_their_average_stay_within_limits():
    run = Steep(Config(averaging=0.5))
    for _ in range(30):
        run.step()
    for weights in (run.weights, run.average):
        assert weights['slope'][0] == 0.25 and weights['slope'][1] > 0.5


def test_a_learning_rate_falls_along_half_a_cosine():
    assert [cosine(2e-3, k, 100) for k in (0, 50, 100, 200)] == pytest.approx(
        [2e-3, 2e-3 * 0.505, 2e-5, 2e-5])


def test_a_plan_counts_steps_and_a_share_of_a_validation(monkeypatch):
    clock = count(step=0.5)
    monkeypatch.setattr('smallbot.experiment.loop.time.perf_counter', lambda: next(clock))
    assert planned_iterations(Fit(), 1.0) == int(60 / (0.5 + 0.5 / 10))
    assert planned_iterations(Fit(Config(validate_every=0)), 1.0) == 120
    assert planned_iterations(Fit(), 1e-9) == 1


def test_the_checkpoint_of_another_experiment_is_refused_with_its_command(tmp_path):
    run_to(Fit(), tmp_path, 1)
    with pytest.raises(ModelError, match='`smallbot few-shot train`, expected one of '
                                         '`smallbot meta-train`') as caught:
        MetaTraining.restore(tmp_path)
    assert '\n' not in str(caught.value)


def test_another_number_of_tensors_than_is_trained_is_refused(tmp_path):
    run_to(Fit(), tmp_path, 2)
    with pytest.raises(ModelError, match='optimiser'):
        read_checkpoint(tmp_path, IMAGES, lambda values, where: built(Config, values, where),
                        lambda config: config.model.shapes())
    with pytest.raises(ModelError, match='weights: expected height'):
        read_checkpoint(tmp_path, IMAGES, lambda values, where: built(Config, values, where),
                        lambda config: {'height': (1,)})


def test_the_last_iteration_is_validated_too(tmp_path):
    run = Fit(replace(Config(), iterations=7, validate_every=5))
    run_to(run, tmp_path, 7)
    assert [seen.iteration for seen in run.validations] == [5, 7]
