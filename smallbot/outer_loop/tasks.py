# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The tasks of an outer iteration: movements to learn, and the noise of a chip for each.

What is drawn depends on seed, iteration and task alone, not on the processes that share them.
"""

from collections.abc import Callable
import math
from typing import NamedTuple

import torch
from torch import Tensor

from smallbot.arm.kinematics import Arm
from smallbot.experiment.chance import stream
from smallbot.one_shot.families import brownian, from_positions, Movements, place
from smallbot.outer_loop.configuration import MetaConfig
from smallbot.outer_loop.stand_in import Draw, EXACT, INITIAL_AGES, StandIn


class Batch(NamedTuple):
    """One process's share of an outer iteration: tasks, and the chance of their synapses."""

    movements: Movements
    tasks: int
    """Of the whole iteration, all shares together."""
    draw: Draw = Draw()
    stand_in: StandIn = EXACT
    """What becomes of the weights of all of them."""


def augmented_pens(pens: Tensor, count: int, step_seconds: float, arm: Arm,
                   generator: torch.Generator) -> Movements:
    """Draw pen strokes, turned, stretched, mirrored, sometimes drawn backwards.

    Parameters: `pens` [D, T + 1, 2], rad, relative to their first point.
    """
    def uniform(low, high, *shape):
        return low + (high - low) * torch.rand(*shape, generator=generator)

    path = pens[torch.randint(len(pens), (count,), generator=generator)]
    reverse = uniform(0, 1, count) < 0.3
    path = torch.where(reverse[:, None, None], path.flip(1), path)
    path = path - path[:, :1]
    angle = uniform(0, 2 * math.pi, count)
    size = uniform(0.5, 1.15, count, 2)
    size[:, 1] *= (uniform(0, 1, count) < 0.5) * 2.0 - 1.0
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    path = (path * size[:, None]) @ turn.mT
    return from_positions(place(path, arm, generator), step_seconds)


def draw_tasks(config: MetaConfig, arm: Arm, pens: Tensor | None, generator: torch.Generator
               ) -> Movements:
    """Draw the movements of an iteration: Brownian ones from zero and from anywhere, pens."""
    model = config.model
    strokes = round(config.pen_share * config.batch) if pens is not None else 0
    parts = []
    walks = config.batch - strokes
    wandering = int(config.anywhere_share * walks)
    low, high = config.window_range
    for anywhere, count in ((False, walks - wandering), (True, wandering)):
        if count:
            window = int(torch.randint(low, high + 1, (), generator=generator))
            window = high if not anywhere and torch.rand((), generator=generator) < 0.5 else window
            parts.append(brownian(count, model.steps, model.step_seconds, arm, generator,
                                  window, anywhere))
    if strokes:
        parts.append(augmented_pens(pens, strokes, model.step_seconds, arm, generator))
    return Movements(torch.cat([p.start for p in parts]),
                     torch.cat([p.velocity for p in parts]), model.step_seconds)


def draw_batch(config: MetaConfig, arm: Arm, pens: Tensor | None, iteration: int,
               rank: int = 0, size: int = 1) -> Batch:
    """Draw the share of process `rank` of `size` in the tasks of an iteration, and their noise.

    Every process draws all tasks, which is quick, and the noise of its own, from a generator for
    each task: whatever the number of processes, an iteration has the same tasks and noise.
    """
    general = stream(config.seed, iteration + 1)
    tasks = draw_tasks(config, arm, pens, general)
    mine = tasks.chosen(slice(rank, None, size))
    model, stand_in = config.model, config.stand_in_at(iteration)
    chances = [stream(config.seed, iteration + 1, task + 1) for task in range(config.batch)]
    plastic = (model.plastic_rows, model.neurons)

    def of_each(draw: Callable[..., Tensor]) -> Tensor:
        return torch.stack([draw(plastic, generator=chance) for chance in chances[rank::size]])

    begun = adapted = rounding = stuck = held = None
    age = INITIAL_AGES[0]
    if stand_in.noisy:
        begun = torch.randn(model.synapse_mask().T.shape, generator=general)
        adapted = of_each(torch.randn)
    if stand_in.rounding_step > 0:
        rounding = of_each(torch.rand)
    if stand_in.stuck_cells > 0:
        shape = model.synapse_mask().T.shape
        stuck = torch.rand(shape, generator=general) < stand_in.stuck_cells
        held = 2 * torch.rand(shape, generator=general) - 1
    if stand_in.drift > 0:
        low, high = (math.log(bound) for bound in INITIAL_AGES)
        age = math.exp(low + (high - low) * float(torch.rand((), generator=general)))
    return Batch(mine, config.batch, Draw(begun, adapted, rounding, stuck, held, age),
                 stand_in)
