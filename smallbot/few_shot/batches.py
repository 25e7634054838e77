# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What an iteration of training sees: images of many classes, turned, mirrored and jittered."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from smallbot.few_shot.configuration import FewShotConfig
from smallbot.few_shot.images.labelled import LabelledImages
from smallbot.few_shot.images.tasks import draw_tasks


class Batch(NamedTuple):
    """Images of one process, class by class."""

    support: Tensor
    """[C, support, channels, H, W], 0 to 1."""
    queries: Tensor
    """[C, queries, channels, H, W]."""


def scaled(images: Tensor) -> Tensor:
    """Return uint8 images [N, H, W] or [N, channels, H, W] as float32 [N, channels, H, W]."""
    return (images if images.ndim == 4 else images[:, None]).float() / 255


def kinds_of(config: FewShotConfig) -> int:
    """Return how many classes each class of the images makes."""
    return (4 if config.turned else 1) * (2 if config.turned and config.mirrored else 1)


def draw_batch(config: FewShotConfig, images: LabelledImages, classes: int,
               generator: torch.Generator) -> Batch:
    """Return the images of `classes` classes, turned and mirrored ones being other classes.

    Raises ImageSetError where there are not as many, or not enough images in one.
    """
    kinds, per = kinds_of(config), config.support + config.queries
    task = draw_tasks(images.counts.repeat_interleave(kinds), classes, config.support,
                      config.queries, 1, generator)
    kind = task.classes[0] % kinds
    counts = images.counts
    first = counts.cumsum(0) - counts
    rows = first[task.classes[0] // kinds][:, None] + task.examples[0]
    x = scaled(images.images[rows.flatten()])
    kind = kind.repeat_interleave(per)
    if not config.turned and config.mirrored:
        flip = torch.rand(len(x), generator=generator) < 0.5
    else:
        flip = kind >= 4
    x[flip] = x[flip].flip(3)
    for turns in (1, 2, 3):
        chosen = kind % 4 == turns
        x[chosen] = x[chosen].rot90(turns, (2, 3))
    x = jittered(config, x, generator).view(classes, per, *x.shape[1:])
    return Batch(x[:, :config.support], x[:, config.support:])


def jittered(config: FewShotConfig, x: Tensor, generator: torch.Generator) -> Tensor:
    """Return images [N, channels, H, W], each with a small affine map of its own."""
    drawn = torch.randn(6, len(x), generator=generator)
    if not any((config.jitter_turn, config.jitter_scale, config.jitter_shear,
                config.jitter_shift)):
        return x
    turn, shear = config.jitter_turn * drawn[0], config.jitter_shear * drawn[1]
    wide, high = (config.jitter_scale * drawn[2:4]).exp()
    across, down = config.jitter_shift * drawn[4:]
    cosine, sine = turn.cos(), turn.sin()
    maps = torch.stack([torch.stack([cosine * wide, shear - sine * high, across], 1),
                        torch.stack([sine * wide, cosine * high, down], 1)], 1)
    grid = functional.affine_grid(maps, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)
