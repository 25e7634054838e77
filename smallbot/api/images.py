# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Few-shot images: people's own pictures learned and told, and many tasks measured.

What `smallbot few-shot classify` and `smallbot few-shot evaluate` do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallbot.api.asked import bar, conditions_for, model_for, seed_for, whole
from smallbot.errors import InputError
from smallbot.experiment.figures import TEST_SEED
from smallbot.few_shot import evaluation
from smallbot.few_shot.evaluation import ImageConditions
from smallbot.few_shot.images.labelled import LabelledImages
from smallbot.few_shot.images.pictures import Picture, read_picture, read_support, Support
from smallbot.few_shot.images.sources import read_part
from smallbot.few_shot.model import ImageModel, load_image_model
from smallbot.few_shot.own_pictures import EXAMPLES, learn_and_tell, UNKNOWN
from smallbot.synapses.interface import WriteReport

PICTURES = (1, 28)
"""Channels and side of what a network of characters sees."""


@dataclass(frozen=True, repr=False)
class Classification:
    """What was told of pictures."""

    names: tuple[str, ...]
    """Of the classes."""
    probabilities: NDArray[np.float32]
    """[pictures, classes]."""
    pictures: tuple[Picture, ...]
    """As they were and as the network saw them."""
    support: Support
    """What was learned from, and what was left out of it and why."""
    written: tuple[WriteReport, ...]
    """Of each update."""

    @property
    def told(self) -> list[str]:
        """Return the likeliest class of each picture."""
        return [self.names[k] for k in self.probabilities.argmax(1)]

    def __repr__(self) -> str:
        return '<Classification: ' + ', '.join(
            f'{one.name} {name}' for one, name in zip(self.pictures, self.told)) + '>'


@dataclass(frozen=True, repr=False)
class ImageEvaluation:
    """What tasks came to; K tasks."""

    figures: dict[str, Any]
    """Means, spreads and counts under the names of `smallbot few-shot evaluate --json`."""
    tasks: list[evaluation.Told]
    """Each task: what was right after each update, what was told, what was written."""

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Return the share told right in each task after the last update [K], per cent."""
        return 100 * np.array([one.right[-1] for one in self.tasks])

    def __repr__(self) -> str:
        right = self.figures['accuracy'][-1]
        return (f'<ImageEvaluation of {len(self.tasks)} tasks, {self.figures["ways"]}-way '
                f'{self.figures["shots"]}-shot: {right["mean"]:.2f} % right>')


def classify(support: str | Path | None = None, pictures: Sequence[str | Path] | None = None,
             conditions: ImageConditions | None = None, *, model: ImageModel | None = None,
             seed: int = 0) -> Classification:
    """Learn classes from a folder of pictures, and tell others.

    Parameters: `support`, a folder with a folder of 1 to 20 pictures for each of 2 to 20 classes;
    `pictures`, files to be told; without both, those that come with the package. `seed` decides
    the devices. Raises InputError.
    """
    conditions = conditions_for(ImageConditions, conditions)
    model = (load_image_model() if model is None
             else model_for(ImageModel, model, 'load_image_model'))
    network = model.config.network
    if (network.channels, network.side) != PICTURES:
        raise InputError(f'model {model.name}: sees {network.channels} x {network.side} x '
                         f'{network.side}, pictures of characters are 1 x 28 x 28')
    if (support is None) != (pictures is None):
        raise InputError('support and pictures go together; without both, the examples of the '
                         'package are learned and told')
    shown = read_support(support or EXAMPLES)
    asked = [read_picture(path) for path in (
        sorted(UNKNOWN.iterdir()) if pictures is None else pictures)]
    if not asked:
        raise InputError('pictures: none given, expected at least one')
    classifier = evaluation.prepared(model, len(shown.names), conditions, seed_for(seed))
    answers = learn_and_tell(classifier, shown, asked, conditions.age, conditions.recalibrate,
                             conditions.updates)
    return Classification(shown.names, answers.probabilities.numpy(), tuple(asked), shown,
                          answers.learned.writes)


def evaluate_images(model: ImageModel, conditions: ImageConditions | None = None, *,
                    ways: int = 5, shots: int = 5, queries: int = evaluation.QUERIES,
                    tasks: int = 600, data: str | Path | LabelledImages | None = None,
                    part: str = 'all', seed: int = TEST_SEED, processes: int = 1,
                    progress: bool = False) -> ImageEvaluation:
    """Learn and tell tasks of classes that the network never saw, and return what they came to.

    Parameters: `ways` classes of a task, `shots` examples of each to learn from, `queries` to be
    told; `data`, images or their file, None: the characters that come with the package; `part`
    of them: all, training, validation or test; `seed` of tasks and chips; `processes` as in
    `evaluate`. Raises InputError.
    """
    conditions, seed = conditions_for(ImageConditions, conditions), seed_for(seed)
    images = data if isinstance(data, LabelledImages) else read_part(
        None if data is None else Path(data), part)
    model_for(ImageModel, model, 'load_image_model')
    drawn = evaluation.draw(images, whole('ways', ways, 2, 100), whole('shots', shots, 1, 100),
                            whole('queries', queries, 1, 100),
                            whole('tasks', tasks, 1, 100_000), seed)
    made, advance = bar(tasks, progress)
    with made:
        done = evaluation.evaluate(model, images, drawn, conditions, seed, advance, processes)
    return ImageEvaluation(evaluation.summary(model, images, drawn, done, conditions, seed), done)
