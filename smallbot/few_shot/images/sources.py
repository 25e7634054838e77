# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Data sets by part: which classes a network is trained, validated and tested with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from smallbot.few_shot.images.characters import (
    Characters,
    read_characters,
    shipped_characters,
    split_by_group,
    TEST,
    VALIDATION,
)
from smallbot.few_shot.images.cifar_fs import read_cifar_fs
from smallbot.few_shot.images.labelled import ImageSetError, LabelledImages

PARTS = ('all', 'training', 'validation', 'test')
EVERY = 10
"""Where classes have no alphabets, one in so many is for validation."""


class Parts(NamedTuple):
    """What training needs."""

    training: LabelledImages
    validation: LabelledImages
    said: dict[str, Any]
    """Of the split, for the card."""


def is_cifar(path: Path) -> bool:
    """Return whether a path is the folder of CIFAR-100 as published."""
    return path.is_dir() and (path / 'meta').is_file()


def read_part(path: Path | None, part: str = 'all') -> LabelledImages:
    """Return the classes of a part of a data set: an NPZ file, Omniglot's or CIFAR-100's folder.

    Without a path: the characters that come with the package, which are all for test.
    Raises ImageSetError.
    """
    if path is None:
        if part not in ('all', 'test'):
            raise ImageSetError(f'part {part}: the characters that come with the package are all '
                                f'for test; give others with --data')
        return shipped_characters()
    if is_cifar(path):
        if part == 'all':
            raise ImageSetError(f'{path}: choose a part of CIFAR-FS with --part test, validation '
                                f'or training')
        return getattr(read_cifar_fs(path), part)
    characters = read_characters(path)
    return characters if part == 'all' else split_by_group(characters).chosen(characters, part)


def read_for_training(path: Path) -> Parts:
    """Return images to train and to validate with; raises ImageSetError.

    Omniglot's alphabets are split as in `characters`, CIFAR-100 as CIFAR-FS; of other images one
    class in ten is for validation.
    """
    if is_cifar(path):
        found = read_cifar_fs(path)
        parts = found.training, found.validation
        split: dict[str, Any] = {'split': 'CIFAR-FS'}
    else:
        characters = read_characters(path)
        parts, split = _of_characters(characters)
    training, validation = parts
    return Parts(training, validation, {
        'source': training.source, 'training_classes': len(training.names),
        'training_digest': training.digest, 'validation_classes': len(validation.names), **split})


def _of_characters(characters: Characters
                   ) -> tuple[tuple[LabelledImages, LabelledImages], dict[str, Any]]:
    if characters.groups is not None and set(VALIDATION + TEST) <= set(characters.groups):
        split = split_by_group(characters)
        return ((split.chosen(characters, 'training'), split.chosen(characters, 'validation')),
                {'training': list(split.training), 'validation': list(split.validation),
                 'test': list(split.test)})
    numbers: Sequence[int] = range(len(characters.names))
    kept = [number for number in numbers if number % EVERY == 0]
    if len(kept) < 5:
        raise ImageSetError(f'{characters.source}: {len(numbers)} classes, expected at least '
                            f'{4 * EVERY + 1}, one in {EVERY} being for validation')
    rest = [number for number in numbers if number % EVERY]
    said = f'{characters.understood}; one class in {EVERY} is for validation'
    return ((characters.of_classes(rest, said), characters.of_classes(kept, said)),
            {'split': f'one class in {EVERY} for validation'})
