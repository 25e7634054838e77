# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The whole network on a chip: every layer a matrix of unit cells, as the paper mapped it.

Convolutions are unrolled to matrices, cut where they are taller than a core, and lie with the
layer that learns on the same cores (`chip.mapping.place`). An image is converted to 8-bit inputs
layer by layer. What the paper leaves to the host is in float32 there: sums of the parts of a
matrix, rectification, batch normalisation, the maximum, the softmax and its gradient.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from smallbot.chip import energy
from smallbot.chip.core import Core
from smallbot.chip.device.faults import FaultRates, NO_FAULTS
from smallbot.chip.device.laws import DeviceLaw, HERMES_TWO_DEVICE
from smallbot.chip.device.state import ChipError
from smallbot.chip.mapping import im2col, Map, Matrix, place, Region
from smallbot.few_shot.classifier import Classifier
from smallbot.few_shot.inner_loop import adapted, rates, targets
from smallbot.few_shot.model import ImageModel
from smallbot.few_shot.network import (
    check_ways,
    Exact,
    features,
    given,
    Moments,
    NetworkConfig,
    NetworkError,
    of_training,
    Statistics,
    unrolled,
    Watched,
)
from smallbot.synapses.ageing import parts
from smallbot.synapses.chip import ChipSynapses
from smallbot.synapses.granularity import Granularity
from smallbot.synapses.interface import ReadReport

LEAST_LIMIT = 0.05
"""Of a row, as share of its layer's largest: below it pulses would have too few lengths."""
CLIPPED = 0.9995
"""Share of a layer's inputs, of the calibration images, that the converters hold."""
LEAST = 1e-12
"""Magnitude that scaling to a chip's range can begin with: below it float32 loses digits."""
VECTORS = 2048
"""Inputs of a layer that its columns are calibrated with."""
MOST_CORES = 64
"""The HERMES project chip's (Le Gallo et al., Nature Electronics 2023)."""
WEIGHT_SPREADS = 1.5
"""Largest magnitude of a learned weight, in standard deviations of learned weights. What is beyond
stops there: programming errors grow with the range, and cost more than the few that are cut."""
EXACT_UPDATE = Granularity(rounding='exact')


@lru_cache
def layout(config: NetworkConfig, ways: int) -> Map:
    """Return where the layers lie, on as few cores as it takes.

    Raises ChipError where more are needed than a chip has.
    """
    shapes = config.matrices(ways)
    for cores in range(1, MOST_CORES):
        try:
            return place(shapes, cores)
        except ChipError:
            continue
    return place(shapes, MOST_CORES)


class Plan(NamedTuple):
    """What is known of a layer before it is written, from the calibration images."""

    weights: Tensor
    """In the converters' unit, [rows, columns]."""
    limits: Tensor
    """Largest magnitude of a row, [rows]."""
    input_range: float
    """Input of full scale."""
    vectors: Tensor
    """Inputs such as the layer will have, full scale 1, [V, rows]."""


class Plans(NamedTuple):
    """What is the same for all chips that hold a model."""

    layers: dict[str, Plan]
    """Of all but the one that learns."""
    images: Tensor
    """To calibrate with, [K, C, H, W]."""
    features: Tensor
    """Of the calibration images, [K, D], in the unit of `feature_range`."""
    feature_range: float
    weight_limit: float
    """Largest magnitude of a learned weight, in the converters' unit."""
    like: Tensor
    """A learned layer [ways, D], for the converters' ranges."""


class _Watching(Exact):
    """Exact layers that keep what goes in."""

    def __init__(self, config: NetworkConfig, weights: dict[str, Tensor]):
        super().__init__(config, weights)
        self.seen: dict[str, Tensor] = {}

    def convolve(self, block: int, x: Tensor) -> Tensor:
        self.seen[f'block{block}'] = x
        return super().convolve(block, x)

    def dense(self, x: Tensor) -> Tensor:
        self.seen['hidden'] = x
        return super().dense(x)


def plan(model: ImageModel, ways: int) -> Plans:
    """Return how a model is to lie on a chip, from its calibration images.

    Raises NetworkError for fewer than two ways, and where a layer has nothing to hold.
    """
    check_ways(ways)
    config, weights = model.config.network, model.weights
    images, labels = model.calibration
    watching = _Watching(config, weights)
    h = features(config, watching, images, given(of_training(config, weights)))
    generator = torch.Generator().manual_seed(0)  # which inputs, not what noise
    plans = {}
    for name, x in watching.seen.items():
        full = _positive(_range(x), model, f'inputs of {name}')
        vectors = (im2col(x, config.kernel, config.stride, config.padding, bias=True)
                   if name != 'hidden' else torch.cat([x, torch.ones(len(x), 1)], dim=1))
        vectors = vectors[torch.randperm(len(vectors), generator=generator)[:VECTORS]]
        vectors[:, :-1] = (vectors[:, :-1] / full).clamp_(-1, 1)
        matrix = unrolled(config, weights, name)
        matrix[:-1] *= full
        limits = matrix.abs().amax(1)
        largest = _positive(float(limits.max()), model, f'weights of {name}')
        plans[name] = Plan(matrix, limits.clamp(min=LEAST_LIMIT * largest), full, vectors)
    full = (max(1.0, _range(h[:, :-1])) if config.bias
            else _positive(_range(h), model, 'features'))
    learned = _learned(config, weights, h, labels, ways) * full
    limit = _positive(WEIGHT_SPREADS * float(learned.std()), model, 'weights that are learned')
    return Plans(plans, images, (h / full).clamp(-1, 1), full, limit,
                 learned[0].clamp(-limit, limit))


def _positive(largest: float, model: ImageModel, what: str) -> float:
    """Return the largest magnitude of something, or raise NetworkError where a chip cannot."""
    if not LEAST <= largest <= 1 / LEAST:
        raise NetworkError(f'model {model.name}: {what} of up to {largest:g}, as its calibration '
                           f'images have it: expected {LEAST:g} to {1 / LEAST:g}; '
                           f'{model.card_format.made_by} makes others')
    return largest


def _range(x: Tensor) -> float:
    ordered = x.abs().flatten().sort().values
    return float(ordered[int(CLIPPED * (len(ordered) - 1))])


def _learned(config: NetworkConfig, weights: dict[str, Tensor], h: Tensor, labels: Tensor,
             ways: int) -> Tensor:
    """Return what the inner loop makes of calibration images, [tasks, ways, D]."""
    generator = torch.Generator().manual_seed(0)
    classes = [h[labels == label] for label in labels.unique()]
    found = []
    for _ in range(64):
        chosen = torch.randint(len(classes), (ways,), generator=generator)
        seen = torch.stack([classes[int(c)][0] for c in chosen])
        found.append(adapted(seen, targets(ways, 1), rates(weights['log_rates'], ways))[-1])
    return torch.stack(found)


class ChipLayers:
    """The layers that the inner loop leaves alone, on cores of phase-change memory."""

    def __init__(self, config: NetworkConfig, plans: Plans, matrices: dict[str, Matrix]):
        self.config, self.plans, self.matrices = config, plans, matrices

    def convolve(self, block: int, x: Tensor) -> Tensor:
        """Return what block number `block` convolves x [B, C, H, W] to, biases added."""
        name, config = f'block{block}', self.config
        x = (x / self.plans.layers[name].input_range).clamp_(-1, 1)
        return self.matrices[name].convolve(x, config.kernel, config.stride, config.padding,
                                            bias=True)

    def dense(self, x: Tensor) -> Tensor:
        """Return the products of the hidden layer for x [B, pooled], biases added."""
        x = (x / self.plans.layers['hidden'].input_range).clamp_(-1, 1)
        return self.matrices['hidden'].read(torch.cat([x, torch.ones(len(x), 1)], dim=1))


class ChipClassifier(Classifier):
    """A classifier on a chip, as `on_chip` prepares it.

    Its moments are those of the calibration images as this chip convolves them: they take up what
    is left of the columns' errors.
    """

    layers: ChipLayers
    output: ChipSynapses

    def wait(self, seconds: float) -> None:
        """Let `seconds` pass: all devices drift."""
        super().wait(seconds)
        for matrix in self.layers.matrices.values():
            matrix.wait(seconds)

    def calibrate_reading(self) -> ReadReport:
        """Correct the columns of all layers, and measure the moments of training once more."""
        before = self.products()
        for name, matrix in self.layers.matrices.items():
            matrix.calibrate(self.layers.plans.layers[name].vectors)
        if self.output.weights().any():
            self.output.calibrate_reading()
        self.measure_moments()
        return self.cost_since(before)

    def measure_moments(self) -> None:
        """Take the moments as the chip convolves now: of calibration images, and of examples."""
        self.moments = self._moments_of(self.layers.plans.images)
        if self._own:
            self._own = self._moments_of(self._support)

    def _moments_of(self, images: Tensor) -> list[Moments]:
        watched = Watched()
        features(self.config, self.layers, images, watched)
        return watched.moments

    def devices(self) -> int:
        """Return how many devices the unit cells in use have."""
        return layout(self.config, self.ways).devices

    def writes(self) -> Tensor:
        """Return how often each device of the layer that learns was written."""
        return torch.cat([core.devices.writes.flatten() for core, _ in parts(self.output.core, 0)])

    def copy(self, generator: torch.Generator) -> 'ChipClassifier':
        """Return an independent chip in the same state, with its own noise."""
        layers = ChipLayers(self.config, self.layers.plans, {
            name: matrix.copy(generator) for name, matrix in self.layers.matrices.items()})
        twin = ChipClassifier(self.config, self.log_rates, layers, self.output.copy(generator),
                              self.moments, self.feature_range, self.statistics)
        twin._support, twin._own = self._support, self._own
        return twin

    def products(self) -> dict[int, int]:
        """Return how many vectors each core of the chip has been read with so far."""
        found: dict[int, int] = {}
        for array, region in self._arrays():
            found[region.core] = found.get(region.core, 0) + array.account.products
        return found

    def cost_since(self, before: dict[int, int]) -> ReadReport:
        """Return the cost of the reads since `products` returned `before`."""
        done = {core: count - before[core] for core, count in self.products().items()}
        total, phases = sum(done.values()), self._arrays()[0][0].phases
        return ReadReport(total, max(done.values()) * energy.READ_SECONDS[phases],
                          1e6 * total * energy.READ_ENERGY[phases])

    def _arrays(self) -> list[tuple[Core, Region]]:
        """Return every part of a core that a layer uses, and where it lies."""
        places = layout(self.config, self.ways)
        found = [pair for name, matrix in self.layers.matrices.items()
                 for pair in zip(matrix.cores, places.of(name), strict=True)]
        own = [core for core, _ in parts(self.output.core, 0)]
        return found + list(zip(own, places.of('output'), strict=True))


def on_chip(model: ImageModel, plans: Plans, ways: int, generator: torch.Generator,
            statistics: Statistics = Statistics.TRAINING, age: float = 3600.0,
            law: DeviceLaw = HERMES_TWO_DEVICE, faults: FaultRates = NO_FAULTS,
            granularity: Granularity = EXACT_UPDATE) -> ChipClassifier:
    """Return a chip that holds a model, was left for `age` s and calibrated once.

    `plans` are `plan`'s for as many `ways`; `generator` is kept by the chip for all noise to come.
    Raises ChipError where the model does not fit on a chip.
    """
    config = model.config.network
    regions = layout(config, ways)
    matrices = {}
    for name, own in plans.layers.items():
        matrix = Matrix(own.limits, own.weights.shape[1], regions.of(name), generator, law=law,
                        faults=faults)
        matrix.program(own.weights)
        matrix.set_ranges(own.vectors)
        matrix.wait(age)
        matrices[name] = matrix
    output = ChipSynapses.prepare(
        torch.zeros(ways, config.features), None,
        torch.full((config.features,), plans.weight_limit), generator, age, law, granularity,
        plans.features, regions=regions.of('output'), to_come=plans.like,
        calibration=plans.features, faults=faults)
    classifier = ChipClassifier(
        config, model.weights['log_rates'], ChipLayers(config, plans, matrices), output,
        of_training(config, model.weights), plans.feature_range, statistics)
    classifier.calibrate_reading()
    return classifier
