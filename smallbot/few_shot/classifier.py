# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A classifier that learns its classes from a few examples: the network, in software or on a chip.

The fixed layers make features of an image; the layer that learns is any `Synapses`, and is
rewritten in place at every update, as the robot's trainee is. Make one with `in_software` or
`on_chip.on_chip`.
"""

from collections.abc import Callable
from dataclasses import dataclass
import time

import torch
from torch import Tensor

from smallbot.few_shot.inner_loop import gradient, rates
from smallbot.few_shot.model import ImageModel
from smallbot.few_shot.network import (
    check_images,
    check_ways,
    Exact,
    features,
    given,
    Layers,
    Moments,
    NetworkConfig,
    NetworkError,
    of_training,
    Statistics,
    Watched,
)
from smallbot.synapses.interface import ReadReport, Synapses, WriteReport
from smallbot.synapses.software import SoftwareSynapses

AT_ONCE = 256
"""Images that pass the network together."""


@dataclass(frozen=True)
class Learned:
    """What learning has done."""

    writes: tuple[WriteReport, ...]
    """Of each update."""
    seconds: float
    """From the examples to the last update, computing."""
    reads: ReadReport | None
    """What reading the examples took; None in software."""


class Classifier:
    """A network whose last layer learns `ways` classes.

    Parameters: `log_rates` [updates] of the inner loop; `layers` that make features; `output`
    [ways, D], all zero; `moments` of training images, of each block; `feature_range`, feature of
    full scale for `output`; `statistics`, whose mean and variance normalise.
    Raises NetworkError for fewer than two classes.
    """

    def __init__(self, config: NetworkConfig, log_rates: Tensor, layers: Layers, output: Synapses,
                 moments: list[Moments], feature_range: float = 1.0,
                 statistics: Statistics = Statistics.TRAINING):
        check_ways(output.outputs)
        self.config, self.log_rates = config, log_rates
        self.layers, self.output = layers, output
        self.moments, self.feature_range, self.statistics = moments, feature_range, statistics
        self._support: Tensor | None = None
        self._own: list[Moments] = []
        """Moments of the examples."""

    ways = property(lambda self: self.output.outputs)

    def learn(self, images: Tensor, labels: Tensor, updates: int | None = None,
              queries: Tensor | None = None,
              after: Callable[[int], None] = lambda update: None) -> Learned:
        """Learn from examples [S, C, H, W] of classes `labels` [S], by at most `updates` steps.

        The examples are read once; every class counts as much as any other, however many examples
        it has. `queries` [Q, C, H, W] are needed, and seen, with transductive statistics alone.
        `after` is called with the number of each update when it is written; its time does not
        count. Raises NetworkError for labels and images that do not fit.
        """
        counts = self._counted(images, labels)
        most = len(self.log_rates)
        updates = most if updates is None else updates
        if not 0 <= updates <= most:
            raise NetworkError(f'{updates} updates: expected 0 to {most}')
        if self.statistics.transductive and queries is None:
            raise NetworkError('statistics batch: the queries are needed to learn, too')
        if queries is not None:
            check_images(self.config, queries, 'queries')
        self._support, self._own = images, []
        before, began, spent = self.products(), time.perf_counter(), 0.0
        seen = self._features(images, queries)
        wanted = torch.eye(self.ways)[labels]
        share = 1 / (self.ways * counts[labels])
        steps = rates(self.log_rates, self.ways) * self.feature_range ** 2
        writes = []
        for number, step in enumerate(steps[:updates], start=1):
            change = step * gradient(self.output.matvec(seen), wanted, seen, share)
            writes.append(self.output.update(change))
            paused = time.perf_counter()
            after(number)
            spent += time.perf_counter() - paused
        return Learned(tuple(writes), time.perf_counter() - began - spent,
                       self.cost_since(before))

    def told(self, images: Tensor) -> Tensor:
        """Return the probabilities [Q, ways] of classes for images [Q, C, H, W]."""
        return self.answers(self.features(images)).softmax(-1)

    def features(self, images: Tensor) -> Tensor:
        """Return the features [Q, D] of images to be told, in units of full scale.

        Raises NetworkError for images that do not fit, and where statistics of examples are asked
        for and none were shown.
        """
        check_images(self.config, images, 'queries')
        as_trained = self.statistics is Statistics.TRAINING
        if not as_trained and self._support is None:
            raise NetworkError(f'statistics {self.statistics.value}: show examples first')
        if self.statistics.transductive:
            return self._features(self._support, images, of_queries=True)
        moments = given(self.moments if as_trained else self._own)
        return self._scaled([features(self.config, self.layers, some, moments)
                             for some in images.split(AT_ONCE)])

    def answers(self, seen: Tensor) -> Tensor:
        """Return the logits [Q, ways] for features [Q, D] in units of full scale."""
        return self.output.matvec(seen)

    def forget(self) -> WriteReport:
        """Write the layer that learns back to zero, where it is not."""
        return self.output.restore(torch.zeros(self.ways, self.output.inputs))

    def wait(self, seconds: float) -> None:
        """Let time pass, which changes nothing in software."""
        self.output.wait(seconds)

    def calibrate_reading(self) -> ReadReport | None:
        """Correct nothing: software is exact."""

    def products(self) -> dict[int, int]:
        """Return how many vectors each core of a chip has been read with: here there is none."""
        return {}

    def cost_since(self, before: dict[int, int]) -> ReadReport | None:
        """Return the cost of the reads since `products` returned `before`; None in software."""

    def devices(self) -> int | None:
        """Return how many devices the unit cells in use have; None in software."""
        return None

    def copy(self, generator: torch.Generator) -> 'Classifier':
        """Return an independent classifier in the same state; `generator` is for chips."""
        twin = Classifier(self.config, self.log_rates, self.layers, self.output.copy(),
                          self.moments, self.feature_range, self.statistics)
        twin._support, twin._own = self._support, self._own
        return twin

    def _counted(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return how many examples each class has, [ways]; raises NetworkError."""
        check_images(self.config, images, 'examples')
        if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
            raise NetworkError(f'{len(images)} examples with labels of {labels.dtype} '
                               f'{tuple(labels.shape)}: expected one of torch.int64 for each')
        told = labels.unique().tolist()
        if told != list(range(self.ways)):
            raise NetworkError(f'{len(images)} examples of classes {told}: expected at least one '
                               f'of each of {self.ways} classes, numbered from 0')
        return torch.bincount(labels)

    def _features(self, support: Tensor, queries: Tensor | None, of_queries: bool = False
                  ) -> Tensor:
        """Return features of the examples, or of queries that are normalised with them."""
        config, layers = self.config, self.layers
        if self.statistics is Statistics.TRAINING:
            return self._scaled([features(config, layers, support, given(self.moments))])
        if self.statistics is Statistics.SUPPORT:
            watched = Watched()
            found = features(config, layers, support, watched)
            self._own = watched.moments
            return self._scaled([found])
        both = features(config, layers, torch.cat([support, queries]), Watched())
        return self._scaled([both[len(support):] if of_queries else both[:len(support)]])

    def _scaled(self, found: list[Tensor]) -> Tensor:
        seen = torch.cat(found)
        return seen if self.feature_range == 1 else (seen / self.feature_range).clamp_(-1, 1)


def in_software(model: ImageModel, ways: int, statistics: Statistics = Statistics.TRAINING
                ) -> Classifier:
    """Return a classifier of exact weights for `ways` classes."""
    network = model.config.network
    return Classifier(network, model.weights['log_rates'], Exact(network, model.weights),
                      SoftwareSynapses(torch.zeros(ways, network.features)),
                      of_training(network, model.weights), statistics=statistics)
