# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Characters drawn by hand, 28 x 28: from an NPZ file or Omniglot's folders, split by alphabet.

Omniglot: B. M. Lake, R. Salakhutdinov, J. B. Tenenbaum, "Human-level concept learning through
probabilistic program induction", Science 350 (2015). The 90 characters of the three test
alphabets come with the package, so that it can be measured without a download.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
import errno
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops
import torch

from smallbot.errors import in_one_line
from smallbot.few_shot.images.labelled import ImageSetError, LabelledImages
from smallbot.files.arrays import read_arrays
from smallbot.files.writing import read_bytes

SIDE = 28
"""Of an image, pixels."""
DRAWN_SIDE = 105
"""Of a picture in Omniglot's folders, pixels."""
LARGEST_PICTURE = 2 ** 20
"""Bytes of one of those; they have some 200."""
LONGEST_NAME = 100
"""Letters of a class's name that are kept."""
TEST_FILE = Path(__file__).with_name('omniglot_test.npz')
TEST = ('Asomtavruli_(Georgian)', 'Futurama', 'Greek')
"""Alphabets for figures; neither training nor the choice of models sees them."""
VALIDATION = ('Malay_(Jawi_-_Arabic)', 'N_Ko', 'Tagalog')
"""Alphabets by which settings and weights are chosen."""
PARTS = ('training', 'validation', 'test')
_ARRAYS = ('images', 'labels', 'label_names', 'groups', 'character', 'character_alphabet',
           'alphabet_names')


@dataclass(frozen=True, eq=False)
class Characters(LabelledImages):
    """Images [N, 28, 28] of characters, ink bright (255) and paper dark (0)."""

    groups: tuple[str, ...] | None = None
    """The alphabet of each class, where it is known."""

    def of_classes(self, classes: Sequence[int], understood: str) -> 'Characters':
        """Return the images of some classes, in increasing order, labelled anew from 0."""
        chosen = super().of_classes(classes, understood)
        if self.groups is None:
            return chosen
        return replace(chosen, groups=tuple(self.groups[k] for k in sorted(set(classes))))


@dataclass(frozen=True)
class Split:
    """Alphabets for training, for validation and for test; none is in two of them."""

    training: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self):
        names = [name for part in PARTS for name in getattr(self, part)]
        for name in names:
            if names.count(name) > 1:
                raise ImageSetError(f'alphabet {name!r} is in the split twice, expected once')

    def chosen(self, characters: Characters, part: str) -> Characters:
        """Return the characters of `part`: training, validation or test.

        Raises ValueError for another part, ImageSetError where alphabets of it are missing.
        """
        if part not in PARTS:
            raise ValueError(f'part {part!r}: expected one of {", ".join(PARTS)}')
        alphabets = getattr(self, part)
        groups = _groups_with(characters, alphabets)
        classes = [k for k, group in enumerate(groups) if group in alphabets]
        if not classes:
            raise ImageSetError(f'{characters.source}: no alphabet for {part} in the split')
        return characters.of_classes(
            classes, f'{characters.understood}; of these the {len(classes)} classes for {part}')


def split_by_group(characters: Characters, validation: Iterable[str] = VALIDATION,
                   test: Iterable[str] = TEST) -> Split:
    """Return the split in which all alphabets that are not named are for training.

    Raises ImageSetError where the alphabets of the classes are not known, a named one is not
    there or is named twice, or none is left for training.
    """
    validation, test = tuple(validation), tuple(test)
    groups = _groups_with(characters, validation + test)
    training = tuple(sorted(set(groups) - set(validation) - set(test)))
    if not training:
        raise ImageSetError(f'{characters.source}: no alphabet is left for training')
    return Split(training, validation, test)


def shipped_characters() -> Characters:
    """Return the 90 characters of the alphabets `TEST`, 20 drawers each, as shipped."""
    return read_characters(TEST_FILE)


def read_characters(path: Path) -> Characters:
    """Return the characters of an NPZ file, or of a folder `alphabet/character/drawer.png`.

    The file has `images` [N, 28, 28], with one channel more or not: whole numbers 0 to 255, truth
    values, or real numbers 0 to 1. Their classes are in `labels` [N], whole numbers or text,
    where `label_names` [C] and `groups` [C] (alphabets) may say what a number stands for; or in
    `character` [N] with `character_alphabet` [C] and `alphabet_names`. Classes are in the order
    of their labels. Pictures in folders are 105 x 105, and the classes in the order of the names.
    Where paper is brighter than ink, by the median of all pixels, images are inverted.

    Raises ImageSetError, in one line, for anything else.
    """
    path = Path(path)
    return _from_folder(path) if path.is_dir() else _from_arrays(path)


def _from_arrays(path: Path) -> Characters:
    arrays = read_arrays(path, _ARRAYS, ImageSetError)
    key = 'labels' if 'labels' in arrays else 'character'
    for wanted, shown in (('images', 'images'), (key, 'labels')):
        if wanted not in arrays:
            raise ImageSetError(f'{path}: no array {shown}, expected images [N, {SIDE}, {SIDE}] '
                                f'and labels [N]')
    images, form = _as_bytes(arrays['images'], path)
    labels = arrays[key]
    if labels.dtype.kind not in 'biuUS' or labels.ndim != 1:
        raise ImageSetError(f'{path}: {key} {labels.dtype} {list(labels.shape)}, expected whole '
                            f'numbers or text [N]')
    if len(labels) != len(images):
        raise ImageSetError(f'{path}: {len(images)} images and {len(labels)} {key}, expected as '
                            f'many of both')
    found, index = np.unique(labels, return_inverse=True)
    names, groups = _names(arrays, found, path)
    inverted = _dark_on_light(images, path)
    return _ordered(255 - images if inverted else images, index, names, groups, path,
                    f'{form}, {_ink(inverted)}')


def _as_bytes(images: np.ndarray, path: Path) -> tuple[np.ndarray, str]:
    """Return images [N, 28, 28], uint8, and what they were."""
    expected = f'expected uint8 [N, {SIDE}, {SIDE}], 0 to 255'
    shape = list(images.shape)
    if images.ndim == 4:
        images = images.squeeze(3 if shape[3] == 1 else 1 if shape[1] == 1 else ())
    if images.shape[1:] != (SIDE, SIDE) or images.dtype.kind not in 'biuf':
        raise ImageSetError(f'{path}: images {images.dtype} {shape}, {expected}; resize them by '
                            f'area averaging, one channel')
    if not len(images):
        raise ImageSetError(f'{path}: images {shape}, there are none')
    low, high = images.min(), images.max()
    form = str(images.dtype)
    if images.dtype.kind == 'f':
        if not np.isfinite(low) or not np.isfinite(high):
            raise ImageSetError(f'{path}: images hold numbers that are not finite, expected 0 '
                                f'to 1; leave those images out')
        if low < 0 or high > 1:
            raise ImageSetError(f'{path}: images {form} from {low:g} to {high:g}, expected real '
                                f'numbers from 0 to 1, or uint8 from 0 to 255; scale or convert '
                                f'them')
        scaled = np.multiply(images, 255, dtype=np.promote_types(images.dtype, np.float32))
        return np.rint(scaled).astype(np.uint8), f'{form}, 0 to 1'
    if low < 0 or high > 255:
        raise ImageSetError(f'{path}: images {form} from {low} to {high}, {expected}')
    if high <= 1:  # of two levels, which would be as good as black in 255
        return images.astype(np.uint8) * np.uint8(255), f'{form}, 0 and 1'
    return images.astype(np.uint8, copy=False), form


def _names(arrays: dict[str, np.ndarray], labels: np.ndarray, path: Path
           ) -> tuple[list[str], list[str] | None]:
    """Return names and alphabets of the classes with the `labels` that were found."""
    if 'labels' in arrays:
        names = _looked_up(arrays, 'label_names', labels, path)
        groups = _looked_up(arrays, 'groups', labels, path)
        return names or [_text(label) for label in labels], groups
    alphabets = _looked_up(arrays, 'character_alphabet', labels, path, 'iu')
    if alphabets is None:
        return [f'character {label}' for label in labels], None
    groups = _looked_up(arrays, 'alphabet_names', np.array(alphabets), path)
    if groups is None:
        groups = [f'alphabet {number}' for number in alphabets]
    # As Omniglot's folders are named: its characters are numbered within their alphabet.
    every = arrays['character_alphabet']
    ranks = [int((every[:label] == every[label]).sum()) + 1 for label in labels]
    return [f'{group}/character{rank:02d}' for group, rank in zip(groups, ranks)], groups


def _looked_up(arrays: dict[str, np.ndarray], name: str, numbers: np.ndarray, path: Path,
               kinds: str = 'US') -> list | None:
    """Return the entries of an array at `numbers`, as text or numbers; None: no such array."""
    if name not in arrays:
        return None
    table = arrays[name]
    if table.ndim != 1 or table.dtype.kind not in kinds:
        raise ImageSetError(f'{path}: {name} {table.dtype} {list(table.shape)}, expected '
                            f'{"text" if kinds == "US" else "whole numbers"} [C]')
    outside = numbers if numbers.dtype.kind not in 'biu' else numbers[
        (numbers < 0) | (numbers >= len(table))]
    if len(outside):
        raise ImageSetError(f'{path}: {name} has {len(table)} entries and none for '
                            f'{_text(outside[0])!r}, expected numbers from 0 to {len(table) - 1}')
    found = table[numbers.astype(np.int64)]
    return [_text(one) for one in found] if kinds == 'US' else found.tolist()


def _text(label: np.generic) -> str:
    """Return a label as a name of printable letters."""
    plain = label.item()
    text = plain.decode(errors='backslashreplace') if isinstance(plain, bytes) else str(plain)
    return in_one_line(text)[:LONGEST_NAME]


def _from_folder(path: Path) -> Characters:
    """Return Omniglot's published folders, each picture resized to 28 x 28.

    Ink is made bright first, and what it covers of an area then averaged by Pillow's box filter:
    windows are whole pixels, 3 or 4 a side (105 / 28 = 3.75), rounded along either axis. The
    levels that come of it are those of `omniglot_test.npz`.
    """
    images, index, names, groups = [], [], [], []
    for alphabet in _folders(path):
        for character in _folders(alphabet):
            pictures = [one for one in _entries(character) if one.suffix.lower() == '.png']
            if pictures:
                images += map(_drawn, pictures)
                index += [len(names)] * len(pictures)
                names.append(in_one_line(f'{alphabet.name}/{character.name}'))
                groups.append(in_one_line(alphabet.name))
    if not images:
        raise ImageSetError(f'{path}: no pictures, expected the folders of Omniglot, '
                            f'alphabet/character/drawer.png; name the folder with the alphabets, '
                            f'such as images_background')
    both = np.stack(images)
    inverted = _dark_on_light(both[:, 0], path)
    return _ordered(both[:, int(inverted)], np.array(index), names, groups, path,
                    f'pictures {DRAWN_SIDE} x {DRAWN_SIDE}, {_ink(inverted)}')


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder by name; hidden files are left out."""
    try:
        return sorted(one for one in folder.iterdir() if not one.name.startswith('.'))
    except OSError as wrong:
        raise ImageSetError(f'{folder}: cannot be read: {wrong.strerror}') from None


def _folders(folder: Path) -> list[Path]:
    return [one for one in _entries(folder) if one.is_dir()]


def _drawn(path: Path) -> np.ndarray:
    """Return a picture as it is and inverted, uint8 [2, 28, 28]."""
    try:
        with Image.open(io.BytesIO(read_bytes(path, LARGEST_PICTURE)), formats=['PNG']) as found:
            if found.size != (DRAWN_SIDE, DRAWN_SIDE) or found.mode not in ('1', 'L', 'P'):
                raise ImageSetError(
                    f'{path}: {found.mode} {found.width} x {found.height}, expected black and '
                    f'white, {DRAWN_SIDE} x {DRAWN_SIDE}, as Omniglot is published')
            grey = found.convert('L')
    except ImageSetError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as wrong:
        why = (wrong.strerror if isinstance(wrong, OSError) and wrong.errno in errno.errorcode
               else 'no PNG picture, or damaged')
        raise ImageSetError(f'{path}: {why}; extract the archive again') from None
    return np.stack([np.asarray(one.resize((SIDE, SIDE), Image.Resampling.BOX))
                     for one in (grey, ImageChops.invert(grey))])


def _dark_on_light(images: np.ndarray, path: Path) -> bool:
    """Return whether paper, which is most of a picture, is bright: by the median of all pixels."""
    # In parts, because numpy counts in a copy of eight times the size.
    pixels = sum(np.bincount(images[k:k + 10_000].reshape(-1), minlength=256)
                 for k in range(0, len(images), 10_000))
    if (pixels > 0).sum() == 1:
        raise ImageSetError(f'{path}: all pixels are alike, nothing is drawn')
    return bool(np.searchsorted(pixels.cumsum(), images.size / 2) > 127)


def _ink(inverted: bool) -> str:
    return 'dark ink on light paper, inverted' if inverted else 'bright ink on dark paper'


def _ordered(images: np.ndarray, index: np.ndarray, names: list[str], groups: list[str] | None,
             path: Path, form: str) -> Characters:
    """Return the images by class; `index` [N] is each one's, `form` says what they were."""
    order = np.argsort(index, kind='stable')
    alphabets = f' in {len(set(groups))} alphabets' if groups else ''
    return Characters(
        torch.from_numpy(images[order]), torch.from_numpy(index[order].astype(np.int64)),
        tuple(names), os.path.basename(os.path.abspath(path)),
        f'{len(images)} images of {len(names)} classes{alphabets}, {form}',
        None if groups is None else tuple(groups))


def _groups_with(characters: Characters, wanted: Iterable[str]) -> tuple[str, ...]:
    """Return the alphabets of the classes; raises ImageSetError where one of `wanted` is not."""
    if characters.groups is None:
        raise ImageSetError(f'{characters.source}: the alphabets of its classes are not known; '
                            f'expected an array groups [C], or character_alphabet [C] and '
                            f'alphabet_names')
    missing = [name for name in wanted if name not in characters.groups]
    if missing:
        raise ImageSetError(f'{characters.source}: no alphabet {missing[0]!r}; there are '
                            f'{", ".join(sorted(set(characters.groups)))}')
    return characters.groups
