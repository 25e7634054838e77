# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Few-shot tasks: some classes, some examples of each to learn from, others to be told."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from smallbot.few_shot.images.labelled import ImageSetError


@dataclass(frozen=True, eq=False)
class Tasks:
    """T tasks of so many ways; the first `shots` examples of a class are the support."""

    classes: Tensor
    """int64 [T, ways], none twice in a task."""
    examples: Tensor
    """int64 [T, ways, shots + queries], numbers within the class, none twice."""
    shots: int

    def rows(self, counts: Sequence[int] | Tensor) -> tuple[Tensor, Tensor]:
        """Return where support [T, ways, shots] and queries [T, ways, queries] are, int64.

        `counts` [C] are the images of each class, of all images in the order of their classes.
        """
        counts = torch.as_tensor(counts, dtype=torch.int64)
        rows = (counts.cumsum(0) - counts)[self.classes].unsqueeze(-1) + self.examples
        return rows[..., :self.shots], rows[..., self.shots:]


def draw_tasks(counts: Sequence[int] | Tensor, ways: int, shots: int, queries: int, tasks: int,
               generator: torch.Generator) -> Tasks:
    """Return tasks of classes and examples that are drawn evenly, in random order.

    `counts` [C] are the images of each class. The same state of the generator gives the same
    tasks, and more of them begin with these. Raises ImageSetError where there are fewer classes
    than ways, or fewer examples in a class than shots and queries together; ValueError for fewer
    than one way, shot or task or a negative number of queries.
    """
    if min(ways, shots, tasks) < 1 or queries < 0:
        raise ValueError(f'{tasks} tasks of {ways} ways, {shots} shots and {queries} queries, '
                         f'expected at least one of each, queries aside')
    counts = torch.as_tensor(counts, dtype=torch.int64)
    examples = shots + queries
    if len(counts) < ways:
        raise ImageSetError(f'{ways} ways: there are {len(counts)} classes, expected at most as '
                            f'many ways')
    scarce = int(counts.argmin())
    if counts[scarce] < examples:
        raise ImageSetError(f'{shots} shots and {queries} queries: class {scarce} has '
                            f'{int(counts[scarce])} images, expected at most as many of both '
                            f'together')
    # A row of numbers for each task, so that its draws do not depend on how many there are.
    numbers = torch.rand(tasks, 2 * ways * (1 + examples), dtype=torch.float64,
                         generator=generator)
    classes = _distinct(numbers[:, :2 * ways], torch.full((tasks,), len(counts)))
    chosen = _distinct(numbers[:, 2 * ways:].reshape(tasks, ways, 2 * examples), counts[classes])
    return Tasks(classes, chosen, shots)


def _distinct(numbers: Tensor, of: Tensor) -> Tensor:
    """Return K different whole numbers below `of` [...], in random order, int64 [..., K].

    `numbers` [..., 2 K] are even in 0 to 1: K of them choose (R. W. Floyd's algorithm, in J.
    Bentley, "Programming pearls: a sample of brilliance", Commun. ACM 30, 1987), K put in order.
    """
    count = numbers.shape[-1] // 2
    chosen = torch.empty(*of.shape, count, dtype=torch.int64)
    for k in range(count):
        last = of - count + k
        one = (numbers[..., k] * (last + 1)).long()
        taken = (chosen[..., :k] == one.unsqueeze(-1)).any(-1)
        chosen[..., k] = torch.where(taken, last, one)
    return chosen.gather(-1, numbers[..., count:].argsort(-1))
