# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Meta-training of the network for few-shot images: MAML on its last layer.

The inner loop changes the dense layer alone and is differentiated through, second-order terms
included. Every iteration passes the images of many classes through the network once, and makes
many tasks of their features: the convolutions cost nearly all the time, the tasks nearly none.
"""

from collections.abc import Iterator
from dataclasses import asdict, replace
import math
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from smallbot.experiment.chance import stream
from smallbot.experiment.checkpoint import read_checkpoint
from smallbot.experiment.figures import VALIDATION_SEED
from smallbot.experiment.loop import Training
from smallbot.experiment.processes import Group
from smallbot.experiment.products import faster_products, Products
from smallbot.few_shot.batches import Batch, draw_batch, kinds_of, scaled
from smallbot.few_shot.configuration import checked, configured, FewShotConfig
from smallbot.few_shot.images.labelled import LabelledImages
from smallbot.few_shot.images.tasks import draw_tasks
from smallbot.few_shot.inner_loop import adapted, rates, targets
from smallbot.few_shot.model import CALIBRATION_SIZE, ImageModel, ImageModelConfig
from smallbot.few_shot.network import (
    check_images,
    EPSILON,
    Exact,
    features,
    given,
    initial_weights,
    Moments,
    NetworkConfig,
    Watched,
)
from smallbot.models.weights_file import IMAGES, ModelError

VALIDATED = ((5, 5), (5, 1))
"""Ways and shots of a validation's tasks, whose error rates are averaged."""

MOMENT_IMAGES = 1000
"""Images of training whose moments batch normalisation takes later on."""


class Validation(NamedTuple):
    """One look at unseen classes, with exact weights and the moments of training."""

    iteration: int
    seconds: float
    """Since the beginning of the run, interruptions left out."""
    error_percent: float
    """Share of queries told wrong after all updates, mean of the kinds of tasks validated."""


class Parts(NamedTuple):
    """What an iteration says of itself."""

    loss: float
    """Cross-entropy, in units of that of a guess."""
    accuracy: float
    """Of the tasks of the mixture's first kind after all updates, per cent."""


class ImageTraining(Training):
    """A run on images; each process draws its own classes, and gradients are averaged.

    Batch normalisation takes the moments of a process's own images, so that the number of
    processes is a setting: a run comes out the same only with the same number.
    """

    card_format = IMAGES
    validation = Validation

    def __init__(self, config: FewShotConfig, images: LabelledImages, unseen: LabelledImages,
                 group: Group | None = None, start: ImageModel | None = None):
        """Begin with the network of `start`, or random weights.

        Parameters: `images` to train with, `unseen` to validate with.

        Raises ModelError, ImageSetError or NetworkError where images and configuration do not fit.
        """
        group = group or Group()
        if start is not None:
            config = replace(config, network=start.config.network)
        if config.products is Products.FASTER:
            config = replace(config, products=group.first(faster_products))
        if config.images not in ('', images.digest):
            raise ModelError(f'{images.source}: other images ({images.digest}) than those the run '
                             f'began with ({config.images}); give it the same --data')
        config = checked(replace(config, images=images.digest))
        own = config.classes // group.size
        for some in (images, unseen):
            check_images(config.network, scaled(some.images[:1]), some.source)
        _check_classes(config, images, own)
        weights = initial_weights(config.network, torch.Generator().manual_seed(config.seed))
        if start is not None:
            weights = {key: start.weights[key] for key in weights}
        super().__init__(config, group, weights, start and {'name': start.name, **start.card},
                         _trained(config.network))
        self.images, self.unseen = images, unseen
        self.own_classes = own
        rows = torch.randperm(len(images.images), generator=stream(config.seed + 1))
        self._for_moments = scaled(images.images[rows[:MOMENT_IMAGES].sort().values])
        self._validated = [(shots, draw_tasks(
            unseen.counts, ways, shots, 5, config.validation_tasks,
            torch.Generator().manual_seed(VALIDATION_SEED))) for ways, shots in VALIDATED]

    def loss(self) -> tuple[Tensor, Parts]:
        """Return the loss of this process's own tasks, divided by the number of processes."""
        config = self.config
        chance = stream(config.seed + 1, self.iteration + 1, self.group.rank + 1)
        batch = draw_batch(config, self.images, self.own_classes, chance)
        seen, asked = _features_of(config, self.weights, batch, chance)
        total, parts = 0.0, None
        for answers, wanted, ways in _answers(config, self.weights, seen, asked, chance):
            total = total + sum(
                weight * functional.cross_entropy(one.flatten(0, -2), wanted)
                for weight, one in zip(config.update_weights, answers)) / math.log(ways)
            if parts is None:
                right = answers[-1].detach().flatten(0, -2).argmax(-1) == wanted
                parts = 100 * float(right.float().mean())
        total = total / (len(config.mixture) + len(config.all_ways))
        return total / self.group.size, Parts(float(total.detach()), parts)

    @torch.no_grad()
    def moments(self) -> list[Moments]:
        """Return the moments of images of training, neither jittered nor turned, of each block.

        A running average over batches would hold what jitter and noise add to a variance, and
        two points of accuracy less.
        """
        watched = Watched()
        features(self.config.network, Exact(self.config.network, self.average), self._for_moments,
                 watched)
        return watched.moments

    def measure(self) -> float:
        """Return the share of queries told wrong, per cent."""
        network = self.config.network
        layers, trained = Exact(network, self.average), self.moments()
        mine = scaled(self.unseen.images).chunk(self.group.size)
        share = [torch.zeros(0, network.features) for _ in mine]
        if self.group.rank < len(mine):
            share[self.group.rank] = torch.cat([
                features(network, layers, some, given(trained))
                for some in mine[self.group.rank].split(500)])
        known = self._gathered(share, [len(part) for part in mine])
        wrong = []
        for shots, tasks in self._validated:
            support, queries = (known[rows.flatten(1)] for rows in tasks.rows(self.unseen.counts))
            ways = tasks.classes.shape[1]
            learned = adapted(support, targets(ways, shots),
                              rates(self.average['log_rates'], ways))[-1]
            told = (queries @ learned.transpose(1, 2)).argmax(-1)
            right = torch.arange(ways).repeat_interleave(queries.shape[1] // ways)
            wrong.append(100 * float((told != right).float().mean()))
        return sum(wrong) / len(wrong)

    def _gathered(self, share: list[Tensor], lengths: list[int]) -> Tensor:
        """Return the features of all processes, one after another."""
        whole = torch.zeros(sum(lengths), self.config.network.features)
        if self.group.rank < len(share):
            begin = sum(lengths[:self.group.rank])
            whole[begin:begin + lengths[self.group.rank]] = share[self.group.rank]
        return self.group.total(whole)

    def model(self, name: str, split: dict[str, Any]) -> ImageModel:
        """Return the model as it is now; `split` says in the card what it was trained with."""
        chosen = draw_tasks(self.images.counts, min(CALIBRATION_SIZE // 2,
                                                    len(self.images.counts)), 1, 1, 1,
                            stream(self.config.seed + 1))
        rows = torch.cat(chosen.rows(self.images.counts), dim=-1)[0].flatten()
        weights = {key: value.detach().clone() for key, value in self.average.items()}
        for k, moments in enumerate(self.moments()):
            weights[f'block{k}.mean'], weights[f'block{k}.variance'] = moments
        weights['calibration'] = scaled(self.images.images[rows])
        card = {'made_by': 'smallbot few-shot train', 'seed': self.config.seed,
                'iterations': self.iteration, 'training_seconds': round(self.seconds, 1),
                'processes': self.group.size, 'images': split,
                'validations': [seen._asdict() for seen in self.validations[-3:]],
                'training': {key: value for key, value in asdict(self.config).items()
                             if key != 'network'}}
        if self.start:
            card['started_from'] = self.start
        config = ImageModelConfig(self.config.network, len(rows))
        return ImageModel(config, weights, name, card)

    @classmethod
    def restore(cls, directory: Path, images: LabelledImages, unseen: LabelledImages,
                group: Group | None = None) -> 'ImageTraining':
        """Read the checkpoint in `directory`; the first process of a group reads it for all.

        Raises ModelError where there is none or it cannot be used.
        """
        group = group or Group()
        saved = group.first(lambda: read_checkpoint(
            directory, IMAGES, configured, lambda config: config.network.shapes(),
            lambda config: _trained(config.network)))
        run = cls(saved.config, images, unseen, group)
        run.take_up(saved)
        return run


def _trained(config: NetworkConfig) -> list[str]:
    """Return the names of the weights that the optimiser moves."""
    return [key for key in config.shapes() if not key.endswith(('.mean', '.variance'))]


def _check_classes(config: FewShotConfig, images: LabelledImages, own: int) -> None:
    """Refuse images of fewer classes than each process draws; raises ModelError."""
    most = max(ways for ways, _, _ in config.mixture)
    if own < most:
        raise ModelError(f'classes {config.classes}: leaves {own} for each process, expected at '
                         f'least the {most} ways of mixture; take more classes or fewer '
                         f'--processes')
    there = kinds_of(config) * len(images.counts)
    if there < own:
        raise ModelError(f'{images.source}: {there} classes to train with, turned and mirrored '
                         f'ones counted: expected at least {own}')


def noisy(config: FewShotConfig, weights: dict[str, Tensor], common: bool,
          generator: torch.Generator) -> dict[str, Tensor]:
    """Return the fixed layers' weights as a chip of its own would hold them.

    With `common` programming errors and rounding are added, else what a read adds.
    """
    found = dict(weights)
    sd = config.weight_noise if common else config.read_noise
    bits = config.bits if common else 0
    if not sd and not bits:
        return found
    for key, value in weights.items():
        if not key.endswith(('.weight', '.bias')):
            continue
        held = value.detach()
        limit = held.abs().amax(0, keepdim=True) if held.ndim > 1 else held.abs().amax()
        change = torch.zeros_like(held)
        if bits:
            step = (limit / 2 ** (bits - 1)).clamp(min=1e-12)
            chance = torch.rand(held.shape, generator=generator)
            most = 2 ** (bits - 1)
            levels = (held / step + chance).floor().clamp_(-most, most - 1)
            change = levels * step - held
        if sd:
            change = change + sd * limit * torch.randn(held.shape, generator=generator)
        found[key] = value + change
    return found


def _features_of(config: FewShotConfig, weights: dict[str, Tensor], batch: Batch,
                 generator: torch.Generator) -> tuple[Tensor, ...]:
    """Return the features [C, support, D] and [C, queries, D]."""
    weights = noisy(config, weights, True, generator)
    found, moments = [], None
    for images in batch:
        own = noisy(config, weights, False, generator)
        x = images.flatten(0, 1)
        with torch.autocast('cpu', torch.bfloat16,
                            enabled=config.products is Products.BFLOAT16):
            x, seen = _trained_features(config.network, own, x, moments)
        moments = seen if config.carried_moments else None
        found.append(x.float().view(*images.shape[:2], -1))
    return tuple(found)


def _trained_features(network: NetworkConfig, weights: dict[str, Tensor], x: Tensor,
                      moments: list[Moments] | None) -> tuple[Tensor, list[Moments]]:
    """Return `network.features`, fused to be fast, and the moments that normalised.

    Without `moments` they are the batch's own.
    """
    layers = Exact(network, weights)
    of_batch = moments is None
    moments = [Moments(torch.zeros(network.filters), torch.zeros(network.filters))
               for _ in range(network.blocks)] if of_batch else moments
    x = x.contiguous(memory_format=torch.channels_last)
    for k in range(network.blocks):
        x = functional.relu(layers.convolve(k, x))
        x = functional.batch_norm(x, *moments[k], training=of_batch, momentum=1.0, eps=EPSILON)
    x = functional.max_pool2d(x, network.pool, 1).flatten(1)
    if network.hidden:
        x = functional.relu(layers.dense(x))
    return (functional.pad(x, (0, 1), value=1.0) if network.bias else x), moments


def _answers(config: FewShotConfig, weights: dict[str, Tensor], seen: Tensor, asked: Tensor,
             generator: torch.Generator) -> Iterator[tuple[list[Tensor], Tensor, int]]:
    """Yield logits [T, ways * queries, ways] after each update, labels and ways of some tasks."""
    classes, there = seen.shape[:2]
    kinds = [(classes, shots, 1) for shots in config.all_ways]
    for ways, shots, count in (*config.mixture, *kinds):
        chosen = torch.rand(count, classes, generator=generator).argsort(1)[:, :ways]
        first = torch.randint(there - shots + 1, (count, 1, 1), generator=generator)
        taken = first + torch.arange(shots)
        support = seen[chosen[:, :, None], taken].flatten(1, 2)
        queries = asked[chosen].flatten(1, 2)
        learned = adapted(support, targets(ways, shots), rates(weights['log_rates'], ways))
        wanted = torch.arange(ways).repeat_interleave(config.queries).repeat(count)
        yield [queries @ one.transpose(1, 2) for one in learned], wanted, ways
