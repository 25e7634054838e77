# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Kinds of values that a user gives as text: what each takes, and one line where it does not.

Every option of every verb has a kind, or choices. A kind is an argument type: called with the
text it returns the value, or raises ArgumentTypeError with the text and what was expected. Paths
are looked at on the spot, so that no command computes for minutes towards a file that cannot be
written. Nothing heavy is imported.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
import os
from pathlib import Path
import re
from typing import Any

from smallbot.paths import unmakeable, unreadable, unwritable
from smallbot.share import share_directory

FIGURES = ('.png', '.pdf', '.svg')
"""Endings of pictures that do not move."""
MOST_PROCESSES = max(8, 4 * (os.cpu_count() or 1))
"""Processes that may be asked for."""
FILE_NAME = 200
"""Bytes of a name of a file, which leaves some for its ending."""
WORD, LINE = 60, 200
"""Characters of a value, and of a path, that are said of what was refused."""


class Kind:
    """One kind of value; `expected` says it in words."""

    expected = ''
    names_path = False
    """Whether the text is a path, which is said without quotation marks where that is clear."""

    def __call__(self, text: str) -> Any:
        """Return the value that `text` says; raises ArgumentTypeError."""
        raise NotImplementedError

    def refused(self, text: str, why: str = '') -> argparse.ArgumentTypeError:
        """Return what to raise for `text`; `why` where that is not `expected`."""
        named = said(text, self.names_path)
        return argparse.ArgumentTypeError(f'{named}: {why or "expected " + self.expected}')


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number from `low` to `high`."""

    low: int
    high: int

    @property
    def expected(self) -> str:
        """Return the bounds in words."""
        return f'a whole number, at least {self.low} and at most {self.high}'

    def __call__(self, text: str) -> int:
        """Return the number."""
        try:
            value = int(text)
        except ValueError:
            raise self.refused(text) from None
        if not self.low <= value <= self.high:
            raise self.refused(text)
        return value


@dataclass(frozen=True)
class Real(Kind):
    """A finite number from `low` (or `above` it) to `high`."""

    low: float
    high: float
    above: bool = False

    @property
    def expected(self) -> str:
        """Return the bounds in words."""
        least = f'above {self.low:g}' if self.above else f'at least {self.low:g}'
        return f'a number, {least} and at most {self.high:g}'

    def __call__(self, text: str) -> float:
        """Return the number."""
        try:
            value = float(text)
        except ValueError:
            raise self.refused(text) from None
        if not self.low <= value <= self.high or self.above and value == self.low:
            raise self.refused(text)
        return value


@dataclass(frozen=True)
class Name(Kind):
    """A name of `longest` characters at most, all of them printable and none of `without`."""

    of: str
    longest: int = 200
    without: str = ''

    @property
    def expected(self) -> str:
        """Return what a name is in words."""
        free = f', without {" ".join(self.without)}' if self.without else ''
        return f'the name of {self.of}, 1 to {self.longest} printable characters{free}'

    def __call__(self, text: str) -> str:
        """Return the name."""
        if (not 0 < len(text) <= self.longest or not text.isprintable() or text != text.strip()
                or set(text) & set(self.without)):
            raise self.refused(text)
        return text


class FileName(Name):
    """What a file may be named, its folder and its ending left out."""

    def __init__(self):
        """Take no dot in front, which hides a file."""
        super().__init__('a file', FILE_NAME, '/\\')

    def __call__(self, text: str) -> str:
        """Return the name."""
        if text.startswith('.') or len(text.encode(errors='replace')) > self.longest:
            raise self.refused(text, 'expected the name of a file, without a dot in front')
        return super().__call__(text)


class Host(Kind):
    """A computer in the network."""

    expected = 'the name of a host or its address'

    def __call__(self, text: str) -> str:
        """Return name or address."""
        labels = text.removesuffix('.').split('.')
        if not re.fullmatch(r'[\w.:%-]{1,253}', text) or not all(
                0 < len(label) <= 63 for label in labels):
            raise self.refused(text)
        try:
            text.encode('idna')
        except UnicodeError:
            raise self.refused(text) from None
        return text


@dataclass(frozen=True)
class Listed(Kind):
    """Values of one kind with commas between them, `most` at most, none twice where `once`."""

    of: Kind
    most: int = 100
    once: bool = False

    @property
    def expected(self) -> str:
        """Return what it is a list of in words."""
        return f'1 to {self.most} values with commas between them, each {self.of.expected}'

    def __call__(self, text: str) -> tuple:
        """Return the values."""
        words = text.split(',')
        if len(words) > self.most or self.once and len(set(words)) < len(words):
            raise self.refused(text, self.once * 'each only once: ' + f'expected {self.expected}')
        return tuple(self.of(word) for word in words)


@dataclass(frozen=True)
class Parsed(Kind):
    """What the function `made_by` makes of a text; `expected` is what it takes, in words.

    The function raises ValueError where it takes the text not.
    """

    made_by: Callable[[str], Any]
    expected: str

    def __call__(self, text: str) -> Any:
        """Return what was made."""
        try:
            return self.made_by(text)
        except ValueError:
            raise self.refused(text) from None


@dataclass(frozen=True)
class InputPath(Kind):
    """A file that is there, with `folder` a folder, with None either; no pipe and no device."""

    folder: bool | None = False
    names_path = True

    def __call__(self, text: str) -> Path:
        """Return the path."""
        if not text:
            raise self.refused(text, 'expected a path')
        if why := unreadable(Path(text), self.folder):
            raise self.refused(text, why)
        return Path(text)


@dataclass(frozen=True)
class NamedInput(Kind):
    """A name of what comes with the package, or an input file; the text itself is returned.

    `shipped` says from the name whether it is; what starts with one of `prefixes`, and a name
    after it, is neither. A path is one that has a folder or one of the `endings`.
    """

    of: str
    endings: tuple[str, ...]
    shipped: Callable[[str], bool] | None = None
    prefixes: tuple[str, ...] = ()
    names_path = True

    @property
    def expected(self) -> str:
        """Return what there is in words."""
        return f'the name of {self.of}, or its file'

    def __call__(self, text: str) -> str:
        """Return the text."""
        for prefix in self.prefixes:
            if text.startswith(prefix):
                if not re.fullmatch(r'[/~A-Za-z0-9_]{0,200}', text.removeprefix(prefix)):
                    raise self.refused(text, f'expected a name of ROS after {prefix}')
                return text
        if not text or not text.isprintable() and not os.path.lexists(text):
            raise self.refused(text)
        path = Path(text)
        is_path = path.name != text or path.suffix in self.endings
        if not is_path:
            Name(self.of)(text)
            if len(text.encode()) > FILE_NAME:
                raise self.refused(text)
            is_path = self.shipped is None and os.path.lexists(path)
        if is_path or not self._comes_along(text):
            if why := unreadable(path):
                raise self.refused(text, why)
        return text

    def _comes_along(self, name: str) -> bool:
        return self.shipped is None or self.shipped(name)


@dataclass(frozen=True)
class OutputFile(Kind):
    """A file to be written, whose folder exists, with one of the `endings` where there are any."""

    endings: tuple[str, ...] = ()
    names_path = True

    def __call__(self, text: str) -> Path:
        """Return the path."""
        path = Path(text)
        if not text:
            raise self.refused(text, 'expected a file')
        if self.endings and path.suffix not in self.endings:
            raise self.refused(text, f'expected a name that ends in {" or ".join(self.endings)}')
        if why := unwritable(path):
            raise self.refused(text, why)
        return path


class OutputFolder(Kind):
    """A folder that takes files, or can be made."""

    names_path = True

    def __call__(self, text: str) -> Path:
        """Return the path."""
        if not text:
            raise self.refused(text, 'expected a folder')
        if why := unmakeable(Path(text)):
            raise self.refused(text, why)
        return Path(text)


def said(text: str, plain: bool = False) -> str:
    """Return a value as it is said in a line: whole if short, and printable in any case."""
    if plain and len(text) <= LINE and re.fullmatch(r'\S+', text) and text.isprintable():
        return text
    return repr(text if len(text) <= WORD else f'{text[:WORD - 20]}...{text[-17:]}')


SEED = Whole(0, 2 ** 63 - 1)
PROCESSES = Whole(1, MOST_PROCESSES)
PORT = Whole(1, 65535)
MODEL = NamedInput('a model that is shipped', ('.safetensors',))
ROBOT = NamedInput('a robot that is shipped', ('.urdf', '.xacro'),
                   lambda name: (share_directory() / 'urdf' / f'{name}.urdf').is_file(),
                   ('topic:', 'node:'))
