# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""People's own pictures, learned and told: what `smallbot few-shot classify` does."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from smallbot.few_shot.classifier import Classifier, Learned
from smallbot.few_shot.images.pictures import Picture, Support

_SHIPPED = Path(__file__).resolve().parent / 'images' / 'examples'
EXAMPLES, UNKNOWN = _SHIPPED / 'support', _SHIPPED / 'unknown'
"""Pictures that come with the package: five classes to learn, and others to tell."""


@dataclass(frozen=True)
class Answers:
    """What was told of pictures."""

    names: tuple[str, ...]
    """Of the classes."""
    probabilities: Tensor
    """[pictures, ways]."""
    learned: Learned

    def likeliest(self, picture: int) -> list[tuple[str, float]]:
        """Return classes and probabilities for a picture, the likeliest first."""
        order = self.probabilities[picture].argsort(descending=True)
        return [(self.names[k], float(self.probabilities[picture, k])) for k in order]


def learn_and_tell(classifier: Classifier, support: Support, pictures: list[Picture],
                   age: float = 300.0, recalibrate: bool = False, updates: int | None = None
                   ) -> Answers:
    """Learn the classes of `support`, let `age` s pass, and tell the pictures.

    `classifier` has as many ways as there are classes, and has learned nothing yet.
    """
    examples = [(number, one) for number, own in enumerate(support.pictures) for one in own]
    shown = torch.stack([one.image for _, one in examples])[:, None]
    asked = torch.stack([one.image for one in pictures])[:, None]
    labels = torch.tensor([number for number, _ in examples])
    learned = classifier.learn(shown, labels, updates, asked)
    classifier.wait(age)
    if recalibrate:
        classifier.calibrate_reading()
    return Answers(support.names, classifier.told(asked), learned)
