# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the same tasks come to without the inner loop, in software.

- `pixels`: the class of the nearest example, by the distance of the pixels;
- `prototypes`: the class whose mean of features is nearest (Snell et al., NeurIPS 2017), on the
  features of the same network;
- `ridge`: ridge regression on the features (Bertinetto et al., ICLR 2019), with the penalty that
  is best on other tasks;
- `no update`: the layer that learns as it begins, a guess.

`PAPER` holds what is published of the same network, which was measured otherwise.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from smallbot.experiment.figures import spread
from smallbot.few_shot.batches import scaled
from smallbot.few_shot.classifier import in_software
from smallbot.few_shot.images.labelled import LabelledImages
from smallbot.few_shot.images.tasks import Tasks
from smallbot.few_shot.model import ImageModel

BASELINES = ('pixels', 'prototypes', 'ridge', 'no update')
PENALTIES = tuple(10.0 ** k for k in range(-2, 4))
"""Of ridge regression, per mean square of a feature."""


class Published(NamedTuple):
    """A figure of others, and how it differs from ours."""

    what: str
    accuracy: float
    """Per cent."""
    differs: str


PAPER = (
    Published('published checkpoint, 5-way 5-shot, 4 updates', 98.3,
              'classes of its training, statistics of the batch (transductive), software'),
    Published('published checkpoint, 5-way 1-shot, 4 updates', 90.8,
              'unseen characters of the 20 one-shot runs, transductive, software'),
    Published('the same, 4-bit weights and stochastic 4-bit updates, 5-shot', 94.1,
              'classes of its training, transductive, software'),
)
"""Ortner et al. 2025: the 56-filter checkpoint run again; the article has bar charts alone."""


def compared(model: ImageModel, images: LabelledImages, tasks: Tasks, tuning: Tasks, name: str
             ) -> dict[str, Any]:
    """Return what a baseline comes to: `accuracy` in per cent, and what it chose for itself.

    `tuning`, other tasks of the same ways and shots, for what is to be chosen.
    """
    ways = tasks.classes.shape[1]
    if name == 'no update':
        right = torch.full((len(tasks.classes),), 1 / ways)
        return {'accuracy': spread(100 * right.numpy())}
    pixels = scaled(images.images).flatten(1)
    if name == 'pixels':
        return {'accuracy': spread(100 * _right(_nearest, pixels, images, tasks).numpy())}
    known = in_software(model, ways).features(scaled(images.images))
    if name == 'prototypes':
        return {'accuracy': spread(100 * _right(_prototypes, known, images, tasks).numpy())}
    penalty = max(PENALTIES, key=lambda penalty: float(
        _right(_ridge, known, images, tuning, penalty).mean()))
    right = _right(_ridge, known, images, tasks, penalty)
    return {'accuracy': spread(100 * right.numpy()), 'penalty': penalty}


def _right(how, known: Tensor, images: LabelledImages, tasks: Tasks, *options) -> Tensor:
    """Return the share of queries told right of each task, [T]."""
    support, queries = tasks.rows(images.counts)
    wanted = torch.arange(support.shape[1]).repeat_interleave(queries.shape[2])
    return torch.stack([
        (how(known[own], known[asked].flatten(0, 1), *options) == wanted).float().mean()
        for own, asked in zip(support, queries)])


def _nearest(support: Tensor, queries: Tensor) -> Tensor:
    """Return the classes told, [Q], for examples [ways, shots, D] and queries [Q, D]."""
    return torch.cdist(queries, support.flatten(0, 1)).argmin(1) // support.shape[1]


def _prototypes(support: Tensor, queries: Tensor) -> Tensor:
    return torch.cdist(queries, support.mean(1)).argmin(1)


def _ridge(support: Tensor, queries: Tensor, penalty: float) -> Tensor:
    ways, shots, size = support.shape
    seen = torch.nn.functional.pad(support.flatten(0, 1), (0, 1), value=1.0)
    wanted = 2 * torch.eye(ways).repeat_interleave(shots, dim=0) - 1
    weight = penalty * support.square().mean()
    inner = seen @ seen.T + weight * torch.eye(len(seen))
    weights = seen.T @ torch.linalg.solve(inner, wanted)
    return (torch.nn.functional.pad(queries, (0, 1), value=1.0) @ weights).argmax(1)
