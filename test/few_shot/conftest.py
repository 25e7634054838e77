# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A network small enough to be put on a chip anew in every test, and pictures for it."""

import torch
from torch.nn import functional

from smallbot.few_shot.images.labelled import LabelledImages
from smallbot.few_shot.model import ImageModel, ImageModelConfig
from smallbot.few_shot.network import (
    Exact,
    features,
    initial_weights,
    NetworkConfig,
    Watched,
)

SMALL = NetworkConfig(filters=8, blocks=4)


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def pictures(classes, each, seed=1, config=SMALL):
    """Return uint8 images [classes * each, H, W] or [..., C, H, W], class by class.

    A class is a few blots at places of its own, an image of it these blots shaken a little.
    """
    source, side = generator(seed), config.side
    coarse = torch.randn(classes, 1, config.channels, 6, 6, generator=source)
    coarse = coarse + 0.25 * torch.randn(classes, each, config.channels, 6, 6, generator=source)
    smooth = functional.interpolate(coarse.flatten(0, 1), size=(side, side), mode='bilinear')
    images = ((smooth - 0.4) * 400).clamp(0, 255).to(torch.uint8)
    return images[:, 0] if config.channels == 1 else images


def labelled(classes, each, seed=1, config=SMALL):
    return LabelledImages(pictures(classes, each, seed, config),
                          torch.arange(classes).repeat_interleave(each),
                          tuple(f'class {k}' for k in range(classes)), 'made', 'blots')


def small_model(config=SMALL, seed=1, calibration=8):
    """Return a model of random weights, whose moments are those of its calibration images."""
    weights = initial_weights(config, generator(seed))
    weights['log_rates'] += torch.tensor([0.3, -0.1, -0.2, -0.3])[:config.updates]
    for key in weights:
        if key.endswith('.bias'):
            weights[key] = 0.1 * torch.randn(weights[key].shape, generator=generator(seed + 1))
    images = pictures(calibration // 2, 2, seed + 2, config).float() / 255
    weights['calibration'] = images.view(calibration, config.channels, config.side, config.side)
    watched = Watched()
    features(config, Exact(config, weights), weights['calibration'], watched)
    for k, (mean, variance) in enumerate(watched.moments):
        weights[f'block{k}.mean'], weights[f'block{k}.variance'] = mean, variance
    return ImageModel(ImageModelConfig(config, calibration), weights, 'small', {'seed': seed})


def task(ways=5, shots=2, queries=3, seed=7, config=SMALL):
    """Return support [S, C, H, W] with labels [S], and queries with theirs, 0 to 1."""
    images = pictures(ways, shots + queries, seed, config).float() / 255
    images = images.view(ways, shots + queries, config.channels, config.side, config.side)
    labels = torch.arange(ways)
    return (images[:, :shots].flatten(0, 1), labels.repeat_interleave(shots),
            images[:, shots:].flatten(0, 1), labels.repeat_interleave(queries))
