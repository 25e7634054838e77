# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A batch shared by real processes that talk gloo over the loopback."""

import pytest
import torch

from smallbot.experiment.processes import in_processes
from smallbot.experiment.products import Products
from smallbot.one_shot.model import ModelConfig
from smallbot.outer_loop.configuration import MetaConfig
from smallbot.outer_loop.iteration import outer_loss
from smallbot.outer_loop.run import MetaTraining
from smallbot.outer_loop.tasks import draw_batch

SMALL = MetaConfig(model=ModelConfig(neurons=24, generator_neurons=16, steps=60, inner_rate=3e-3),
                   batch=5, iterations=12, window_range=(20, 40), seed=4, steadiness=1.0,
                   products=Products.FLOAT32, validation_tasks=7)


def leave_gradients(group, directory):
    run = MetaTraining(SMALL, group)
    batch = draw_batch(SMALL, run.arm, run.pens, 0, group.rank, group.size)
    loss, parts = outer_loss(SMALL, run.weights, batch, run.arm, group)
    loss.backward()
    gradients = [value.grad for value in run.weights.values()]
    group.add_up(gradients)
    torch.save((loss.detach(), parts, gradients), directory / f'{group.rank}.pt')
    return 0


def leave_weights(group, directory):
    run = MetaTraining(SMALL, group)
    for _ in range(3):
        run.step()
    seen = run.validate()
    torch.save((seen.tip_cm, [x.detach() for x in run.weights.values()]),
               directory / f'{group.rank}.pt')
    return 0


def left(directory, work, processes):
    directory.mkdir()
    assert in_processes(work, processes, directory) == 0
    return [torch.load(directory / f'{rank}.pt', weights_only=False) for rank in range(processes)]


@pytest.mark.parametrize('processes', [2, 3])
def test_any_number_of_processes_gives_the_gradients_of_one(tmp_path, processes):
    (loss, parts, expected), = left(tmp_path / 'one', leave_gradients, 1)
    results = left(tmp_path / 'more', leave_gradients, processes)
    for other_loss, other_parts, gradients in results:
        assert other_loss == pytest.approx(loss.item(), rel=1e-5)
        assert other_parts == pytest.approx(parts, rel=1e-5)
        for one, other, first in zip(gradients, expected, results[0][2]):
            assert torch.equal(one, first)
            assert other.abs().max() > 0
            assert (one - other).abs().max() < 1e-5 * other.abs().max()


def test_processes_hold_the_same_weights_and_see_the_same_validation(tmp_path):
    (seen, expected), = left(tmp_path / 'one', leave_weights, 1)
    (first_seen, first), (second_seen, second) = left(tmp_path / 'two', leave_weights, 2)
    assert first_seen == second_seen == pytest.approx(seen, rel=1e-3)
    for one, other, alone in zip(first, second, expected):
        assert torch.equal(one, other)
        assert torch.allclose(one, alone, atol=1e-5)
