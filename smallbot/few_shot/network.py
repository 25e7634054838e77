# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The network that sees: blocks of convolution, ReLU and batch normalisation, and their weights.

Four blocks of 3 x 3 convolution with stride 2, rectification and batch normalisation without
parameters of its own, a maximum over 2 x 2 with stride 1, and a dense layer on the features that
are left (Ortner et al. 2025, Methods; order and padding of its published code). The dense layer
begins at zero for every class, so that any number of classes can be told apart: a row shared by
all of them would cancel in the softmax (Ye and Chao, ICLR 2022). It is learned in `inner_loop`.

Who convolves is left open: `Exact` here, the chip in `on_chip`. Normalisation, rectification and
pooling are the host's in either case.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from smallbot.errors import InputError
from smallbot.files.bounds import Positive, Size, Steps

EPSILON = 1e-3
"""Added to variances (the published code's framework does so)."""


class NetworkError(InputError):
    """A network, its weights or images that do not fit it; the message is one line."""


class Statistics(str, Enum):
    """Whose mean and variance batch normalisation takes."""

    TRAINING = 'training'
    """Those of images of training: an image is classified by itself."""
    SUPPORT = 'support'
    """Those of the task's own examples: an image is still classified by itself."""
    BATCH = 'batch'
    """Those of examples and queries together, as published: transductive, an answer depends on
    the other queries."""

    @property
    def transductive(self) -> bool:
        """Return whether the answer to a query depends on the others."""
        return self is Statistics.BATCH


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network; the defaults are those for characters (Ortner et al. 2025)."""

    side: Size = 28
    """Height and width of an image, pixels."""
    channels: Size = 1
    filters: Size = 56
    """Of every block."""
    blocks: Size = 4
    kernel: Size = 3
    stride: Size = 2
    padding: Steps = 1
    pool: Size = 2
    """Side of the maximum at the end."""
    hidden: Steps = 0
    """Neurons of a rectified dense layer before the one that learns; 0: none."""
    bias: bool = False
    """Whether the layer that learns has a bias for each class."""
    rate: Positive = 0.3
    """Inner learning rate alpha that meta-training begins with (0.1 throughout in the paper)."""
    updates: Size = 4
    """Of the inner loop at most."""

    def __post_init__(self):
        if self.final_side < 1:
            raise NetworkError(f'{self.blocks} blocks and a maximum over {self.pool}: leave '
                               f'nothing of an image of side {self.side}')

    def sides(self) -> list[int]:
        """Return the side of an image and of what each block makes of it."""
        sides = [self.side]
        for _ in range(self.blocks):
            sides.append((sides[-1] + 2 * self.padding - self.kernel) // self.stride + 1)
        return sides

    @property
    def final_side(self) -> int:
        """Return the side after the maximum."""
        return self.sides()[-1] - self.pool + 1

    @property
    def pooled(self) -> int:
        """Return how many numbers the blocks and the maximum leave of an image."""
        return self.filters * self.final_side ** 2

    @property
    def features(self) -> int:
        """Return D, how many inputs the layer that learns has, its bias included."""
        return (self.hidden or self.pooled) + self.bias

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each tensor of the weights."""
        found: dict[str, tuple[int, ...]] = {}
        for k in range(self.blocks):
            inputs = self.filters if k else self.channels
            found |= {f'block{k}.weight': (self.filters, inputs, self.kernel, self.kernel),
                      f'block{k}.bias': (self.filters,), f'block{k}.mean': (self.filters,),
                      f'block{k}.variance': (self.filters,)}
        if self.hidden:
            found |= {'hidden.weight': (self.hidden, self.pooled), 'hidden.bias': (self.hidden,)}
        return found | {'log_rates': (self.updates,)}

    def matrices(self, ways: int) -> dict[str, tuple[int, int]]:
        """Return rows (a last one of biases included) and columns of every layer, unrolled."""
        found = {f'block{k}': ((self.filters if k else self.channels) * self.kernel ** 2 + 1,
                               self.filters) for k in range(self.blocks)}
        if self.hidden:
            found['hidden'] = (self.pooled + 1, self.hidden)
        return found | {'output': (self.features, ways)}


OMNIGLOT = NetworkConfig()
CIFAR_FS = NetworkConfig(side=32, channels=3, filters=256, hidden=256, bias=True)
"""The paper's second network."""


def check_images(config: NetworkConfig, images: Tensor, what: str) -> None:
    """Refuse images that are not float32 [N, C, H, W] as the network takes; NetworkError."""
    expected = config.channels, config.side, config.side
    if tuple(images.shape[1:]) != expected or images.dtype != torch.float32:
        raise NetworkError(f'{what}: images of {images.dtype} {tuple(images.shape[1:])}, the '
                           f'network takes torch.float32 {expected}')


def check_ways(ways: int) -> None:
    """Refuse to tell fewer than two classes apart; raises NetworkError."""
    if ways < 2:
        raise NetworkError(f'{ways} ways: expected at least 2 classes to tell apart')


def initial_weights(config: NetworkConfig, generator: torch.Generator) -> dict[str, Tensor]:
    """Draw the weights that meta-training begins with: Gaussian of variance 2 / fan-in."""
    found = {}
    for key, shape in config.shapes().items():
        if key.endswith('.weight'):
            spread = math.sqrt(2 / math.prod(shape[1:]))
            found[key] = spread * torch.randn(shape, generator=generator)
        else:
            found[key] = torch.zeros(shape)
        if key.endswith('.variance'):
            found[key] += 1
    found['log_rates'] += math.log(config.rate)
    return found


def unrolled(config: NetworkConfig, weights: dict[str, Tensor], layer: str) -> Tensor:
    """Return a layer as a matrix [rows, columns], rows as `chip.mapping.im2col` makes them."""
    weight = weights[f'{layer}.weight']
    return torch.cat([weight.flatten(1), weights[f'{layer}.bias'][:, None]], dim=1).T.contiguous()


class Layers(Protocol):
    """Who multiplies with the weights that the inner loop leaves alone."""

    def convolve(self, block: int, x: Tensor) -> Tensor:
        """Return what block number `block` convolves x [B, C, H, W] to, biases added."""

    def dense(self, x: Tensor) -> Tensor:
        """Return the products of the hidden layer for x [B, pooled], biases added."""


class Exact:
    """Layers in float32."""

    def __init__(self, config: NetworkConfig, weights: dict[str, Tensor]):
        self.config, self.weights = config, weights

    def convolve(self, block: int, x: Tensor) -> Tensor:
        """Return what block number `block` convolves x [B, C, H, W] to, biases added."""
        return functional.conv2d(x, self.weights[f'block{block}.weight'],
                                 self.weights[f'block{block}.bias'], self.config.stride,
                                 self.config.padding)

    def dense(self, x: Tensor) -> Tensor:
        """Return the products of the hidden layer for x [B, pooled], biases added."""
        return functional.linear(x, self.weights['hidden.weight'], self.weights['hidden.bias'])


class Moments(NamedTuple):
    """What a batch normalisation subtracts and divides by, each [F]."""

    mean: Tensor
    variance: Tensor


Normalise = Callable[[int, Tensor], Moments]
"""Returns the moments for a block's number and what is to be normalised, [B, F, H, W]."""


def moments_of(x: Tensor) -> Moments:
    """Return the moments over a batch [B, F, H, W]."""
    return Moments(*reversed(torch.var_mean(x, (0, 2, 3), unbiased=False)))


def of_training(config: NetworkConfig, weights: dict[str, Tensor]) -> list[Moments]:
    """Return the moments that training has left, of each block."""
    return [Moments(weights[f'block{k}.mean'], weights[f'block{k}.variance'])
            for k in range(config.blocks)]


def given(moments: list[Moments]) -> Normalise:
    """Return what normalises every batch by the same moments."""
    return lambda block, x: moments[block]


class Watched:
    """Normalises a batch by its own moments, and keeps them."""

    def __init__(self):
        self.moments: list[Moments] = []

    def __call__(self, block: int, x: Tensor) -> Moments:
        """Return the moments of x [B, F, H, W]."""
        self.moments.append(moments_of(x))
        return self.moments[-1]


def features(config: NetworkConfig, layers: Layers, images: Tensor, moments: Normalise) -> Tensor:
    """Return the features [B, D] of images [B, C, H, W], 0 to 1 (with the bias's 1, if any)."""
    x = images
    for k in range(config.blocks):
        x = functional.relu(layers.convolve(k, x))
        mean, variance = moments(k, x)
        x = (x - mean[:, None, None]) * (variance + EPSILON).rsqrt()[:, None, None]
    x = functional.max_pool2d(x, config.pool, 1).flatten(1)
    if config.hidden:
        x = functional.relu(layers.dense(x))
    return functional.pad(x, (0, 1), value=1.0) if config.bias else x
