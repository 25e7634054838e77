# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Images with a class each, in memory: what every data set is read into."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
import hashlib

import torch
from torch import Tensor

from smallbot.errors import InputError


class ImageSetError(InputError):
    """A data set cannot be used; the message is one line."""


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images [N, ...] in the order of their classes, and within a class as they were found.

    Raises ImageSetError for fewer than two classes, a name that comes twice and a class of fewer
    than two images: one to learn from and one to tell are the least.
    """

    images: Tensor
    """uint8 [N, H, W], or [N, 3, H, W] in red, green and blue."""
    labels: Tensor
    """int64 [N], 0 to C - 1, not decreasing."""
    names: tuple[str, ...]
    """Of the C classes."""
    source: str
    """The name of the file or folder."""
    understood: str
    """What it was taken for, in words."""

    def __post_init__(self):
        if len(self.names) < 2:
            raise ImageSetError(f'{self.source}: {len(self.names)} class, expected at least 2')
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise ImageSetError(f'{self.source}: two classes are named {twice!r}; give each a '
                                f'name of its own')
        scarce = int(self.counts.argmin())
        if self.counts[scarce] < 2:
            raise ImageSetError(
                f'{self.source}: class {self.names[scarce]!r} has {int(self.counts[scarce])} '
                f'image, expected at least 2, one to learn from and one to tell; leave the class '
                f'out or add to it')

    @cached_property
    def counts(self) -> Tensor:
        """Return how many images each class has, int64 [C]."""
        return torch.bincount(self.labels, minlength=len(self.names))

    @cached_property
    def digest(self) -> str:
        """Return 12 hexadecimal digits of the SHA-256 of images, labels and names.

        It does not depend on how they were stored.
        """
        content = hashlib.sha256(repr((tuple(self.images.shape), self.names)).encode())
        content.update(self.images.reshape(-1).numpy())
        content.update(self.labels.numpy())
        return content.hexdigest()[:12]

    def of_classes(self, classes: Sequence[int], understood: str) -> 'LabelledImages':
        """Return the images of some classes, in increasing order, labelled anew from 0."""
        kept = torch.zeros(len(self.names), dtype=torch.bool)
        kept[torch.as_tensor(classes, dtype=torch.int64)] = True
        rows = kept[self.labels]
        return replace(
            self, images=self.images[rows], labels=(kept.cumsum(0) - 1)[self.labels[rows]],
            names=tuple(name for name, wanted in zip(self.names, kept) if wanted),
            understood=understood)
