# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""CIFAR-FS: the 100 classes of CIFAR-100 for few-shot learning, 32 x 32 pixels in colour.

The images are A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009), in
the published python format; the split of the classes is L. Bertinetto et al., "Meta-learning with
differentiable closed-form solvers", ICLR (2019). The format is a pickle, which can run programs:
it is read by an unpickler that knows lists, mappings, numbers, text and arrays, and no function.
"""

from dataclasses import dataclass
import io
from pathlib import Path
import pickle
import pickletools
from typing import Any

import numpy as np
import torch

from smallbot.errors import in_one_line
from smallbot.few_shot.images.labelled import ImageSetError, LabelledImages
from smallbot.files.writing import read_bytes

SIDE = 32
"""Of an image, pixels."""
FOLDER = 'cifar-100-python'
LARGEST_FILE = 2 ** 28
"""Bytes; the published `train` has 155,249,918."""
TRAINING = tuple("""
    apple aquarium_fish bear bee bottle bowl boy bridge bus can castle caterpillar chair clock
    cloud cockroach couch cup dinosaur dolphin elephant forest girl hamster house kangaroo
    keyboard lawn_mower lion lizard lobster mountain mouse mushroom oak_tree orange orchid
    palm_tree pear pine_tree plate porcupine possum rabbit raccoon ray road seal shrew skunk
    skyscraper snake spider squirrel streetcar sunflower tank tiger train trout tulip turtle
    willow_tree wolf""".split())
VALIDATION = tuple("""
    beaver beetle butterfly camel cattle crab crocodile flatfish lamp maple_tree motorcycle
    otter sea shark television tractor""".split())
TEST = tuple("""
    baby bed bicycle chimpanzee fox leopard man pickup_truck plain poppy rocket rose snail
    sweet_pepper table telephone wardrobe whale woman worm""".split())
_PUBLISHED = (f'expected one of the published python format: https://www.cs.toronto.edu/~kriz/'
              f'cifar.html, {FOLDER}.tar.gz')
# Of protocols 0 to 2, what plain values and arrays are written with. What is not here would make
# objects of classes, or look something up outside the file.
_OPCODES = frozenset("""
    PROTO STOP MARK POP POP_MARK PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET NONE NEWTRUE
    NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 STRING BINSTRING SHORT_BINSTRING UNICODE
    BINUNICODE LIST EMPTY_LIST APPEND APPENDS DICT EMPTY_DICT SETITEM SETITEMS TUPLE EMPTY_TUPLE
    TUPLE1 TUPLE2 TUPLE3 GLOBAL REDUCE BUILD""".split())
_MOST_TUPLES = 10_000
"""As a key, tuples within each other are hashed as deep as the stack of C allows, or deeper."""
_MOST_REMEMBERED = 2_000_000
"""Places of a pickle's memo, which is as long as its highest number says."""


@dataclass(frozen=True)
class CifarFs:
    """The 64, 16 and 20 classes for training, validation and test, by name, 600 images each."""

    training: LabelledImages
    """Images uint8 [N, 3, 32, 32]; as the others."""
    validation: LabelledImages
    test: LabelledImages


def read_cifar_fs(folder: Path) -> CifarFs:
    """Return CIFAR-FS from the folder `cifar-100-python`, with `train`, `test` and `meta`.

    Both files of images are joined, as few-shot learning divides by class. Raises ImageSetError,
    in one line, where the folder or a file is missing, is no such pickle, would run something or
    has other classes than the 100.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageSetError(f'{folder}: no such folder, expected {FOLDER} with the files train, '
                            f'test and meta')
    names = _class_names(folder / 'meta')
    parts = [_images_of(folder / name, len(names)) for name in ('train', 'test')]
    images, labels = (np.concatenate(both) for both in zip(*parts))
    del parts
    return CifarFs(*(_part(images, labels, names, chosen, folder, part) for chosen, part in (
        (TRAINING, 'training'), (VALIDATION, 'validation'), (TEST, 'test'))))


def _part(images: np.ndarray, labels: np.ndarray, names: list[str], chosen: tuple[str, ...],
          folder: Path, part: str) -> LabelledImages:
    """Return the images of the classes `chosen`, in that order."""
    place = np.full(len(names), -1)
    for k, name in enumerate(chosen):
        place[names.index(name)] = k
    rows = np.flatnonzero(place[labels] >= 0)
    rows = rows[np.argsort(place[labels[rows]], kind='stable')]
    return LabelledImages(
        torch.from_numpy(images[rows]), torch.from_numpy(place[labels[rows]].astype(np.int64)),
        chosen, folder.resolve().name,
        f'{len(rows)} images of the {len(chosen)} classes of CIFAR-FS for {part}')


def _class_names(path: Path) -> list[str]:
    names = _field(_unpickled(path), 'fine_label_names', path)
    if isinstance(names, list):
        names = [name.decode(errors='backslashreplace') if isinstance(name, bytes) else name
                 for name in names]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ImageSetError(f'{path}: fine_label_names is no list of names, {_PUBLISHED}')
    expected = {*TRAINING, *VALIDATION, *TEST}
    for what, wrong in (('no class', expected - set(names)), ('a class', set(names) - expected)):
        if wrong:
            raise ImageSetError(f'{path}: {what} {in_one_line(min(wrong))[:80]!r}, expected the '
                                f'100 classes of CIFAR-100; {_PUBLISHED}')
    if len(names) != len(expected):
        raise ImageSetError(f'{path}: {len(names)} names, expected {len(expected)}')
    return names


def _images_of(path: Path, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images uint8 [N, 3, 32, 32] and labels int64 [N] of one file."""
    content = _unpickled(path)
    pixels, labels = (_field(content, name, path) for name in ('data', 'fine_labels'))
    size = 3 * SIDE ** 2
    if not isinstance(pixels, _Array) or pixels.values is None or (
            pixels.values.ndim != 2 or pixels.values.shape[1] != size):
        raise ImageSetError(f'{path}: data is no array uint8 [N, {size}], {_PUBLISHED}')
    if not isinstance(labels, list) or len(labels) != len(pixels.values):
        raise ImageSetError(f'{path}: fine_labels is no list of {len(pixels.values)} numbers, as '
                            f'many as images; {_PUBLISHED}')
    for label in labels:
        if type(label) is not int or not 0 <= label < classes:
            raise ImageSetError(f'{path}: fine_labels has {in_one_line(repr(label))[:80]}, '
                                f'expected numbers from 0 to {classes - 1}')
    return pixels.values.reshape(-1, 3, SIDE, SIDE), np.array(labels, np.int64)


def _field(content: dict, name: str, path: Path) -> Any:
    for key in (name.encode(), name):
        if key in content:
            return content[key]
    raise ImageSetError(f'{path}: no {name}, {_PUBLISHED}')


class _Array:
    """An array as a pickle describes it, made here of the bytes and nothing else."""

    __slots__ = ('values',)

    def __init__(self):
        self.values: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, by_column, content = state
        if not isinstance(kind, _Kind) or kind.code not in ('u1', b'u1'):
            raise ValueError('an array of other numbers than uint8')
        self.values = np.frombuffer(content, np.uint8).reshape(
            shape, order='F' if by_column else 'C')


class _Kind:
    """A type of numbers, of which a pickle says its code and what follows of it."""

    __slots__ = ('code',)

    def __init__(self, code: Any):
        self.code = code

    def __setstate__(self, state: Any) -> None:
        """Take no more of it: uint8 has no order of bytes."""


class _Made:
    """What stands in a pickle for a function of numpy; it has no fields that one could set."""

    __slots__ = ()


class _ArrayType(_Made):
    """Stands for numpy.ndarray, which is only named."""


class _NewArray(_Made):
    """Stands for numpy's _reconstruct, of which all arguments are overruled later."""

    def __call__(self, *ignored: Any) -> _Array:
        return _Array()


class _NewKind(_Made):
    """Stands for numpy.dtype."""

    def __call__(self, code: Any, *ignored: Any) -> _Kind:
        return _Kind(code)


class _Bytes(_Made):
    """Stands for _codecs.encode, with which Python 3 writes bytes."""

    def __call__(self, text: str, encoding: str) -> bytes:
        if encoding != 'latin1':
            raise ValueError('bytes that are not written in latin1')
        return text.encode('latin1')


_KNOWN = {'numpy ndarray': _ArrayType, 'numpy dtype': _NewKind, '_codecs encode': _Bytes,
          'numpy.core.multiarray _reconstruct': _NewArray,
          'numpy._core.multiarray _reconstruct': _NewArray}


class _Unpickler(pickle.Unpickler):
    """Makes plain values and arrays; every other name has been refused before."""

    def find_class(self, module: str, name: str) -> Any:
        return _KNOWN[f'{module} {name}']()


def _unpickled(path: Path) -> dict:
    """Return the mapping that a pickle holds, arrays in it as `_Array`."""
    try:
        content = read_bytes(path, LARGEST_FILE)
    except OSError as wrong:
        raise ImageSetError(f'{path}: {wrong.strerror}, {_PUBLISHED}') from None
    try:
        _check(content, path)
        found = _Unpickler(io.BytesIO(content), encoding='bytes').load()
    except ImageSetError:
        raise
    except Exception as wrong:  # a pickle can make its reader raise anything
        raise ImageSetError(f'{path}: no such pickle ({in_one_line(wrong)[:120]}), {_PUBLISHED}'
                            ) from None
    if not isinstance(found, dict):
        raise ImageSetError(f'{path}: a pickle of {type(found).__name__}, {_PUBLISHED}')
    return found


def _check(content: bytes, path: Path) -> None:
    """Go through a pickle without making anything of it; raises ImageSetError or ValueError."""
    tuples = 0
    for opcode, argument, _ in pickletools.genops(content):
        name = opcode.name
        if name == 'GLOBAL' and argument not in _KNOWN:
            raise ImageSetError(f'{path}: refused, as it would run '
                                f'{in_one_line(argument).replace(" ", ".")[:80]}; {_PUBLISHED}')
        if name not in _OPCODES:
            raise ImageSetError(f'{path}: refused, as it makes use of {name}; {_PUBLISHED}')
        tuples += name.startswith('TUPLE')
        if tuples > _MOST_TUPLES or name.endswith('PUT') and argument > _MOST_REMEMBERED:
            raise ValueError('more in it than in any published one')
