# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What a folder of a run holds: results that verbs wrote as JSON, and pictures.

A folder that `demo`, `meta-train` or `few-shot` left, or one into which results and figures were
written by `--json` and `--figure`. What lies deeper is not looked at.
"""

from pathlib import Path
from typing import Any, NamedTuple

from smallbot.errors import InputError
from smallbot.files.plain import read_json
from smallbot.files.sealed import FORMAT, unsealed
from smallbot.files.writing import read_bytes, RESULT

PICTURES = {'.png': 'image/png', '.gif': 'image/gif', '.jpg': 'image/jpeg', '.jpeg': 'image/jpeg',
            '.svg': 'image/svg+xml', '.webp': 'image/webp'}
"""Endings of pictures, and what they are."""
LARGEST_RESULT, LARGEST_PICTURE = 2 ** 24, 2 ** 23
"""Bytes of a file."""
LARGEST = 20 * 2 ** 20
"""Bytes of all pictures together: what is to be mailed must not be larger than is delivered."""
MOST = 60
"""Files of either kind."""


class ReportError(InputError):
    """A folder that no report can be made of; the message is one line."""


class Result(NamedTuple):
    """What one verb wrote."""

    name: str
    """Of its file."""
    values: dict[str, Any]


class Picture(NamedTuple):
    """A picture as it lies in the folder."""

    name: str
    kind: str
    """Such as image/png."""
    content: bytes


class Folder(NamedTuple):
    """All that a report is made of."""

    results: list[Result]
    pictures: list[Picture]
    left_out: list[str]
    """A line for each file that is not in the report, and why."""


def read_folder(folder: Path) -> Folder:
    """Return what a folder holds, by name.

    Raises ReportError where no result of this package is in it, or one is damaged.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise ReportError(f'{folder}: cannot be read: {error.strerror}') from None
    found = Folder([], [], [])
    for path in paths:
        if path.suffix.lower() == '.json':
            _take_result(path, found)
        elif path.suffix.lower() in PICTURES:
            _take_picture(path, found)
    if not found.results:
        why = f'; {found.left_out[0]}' if found.left_out else ''
        raise ReportError(
            f'{folder}: no result of smallbot in it{why}; expected the --out folder of demo, '
            f'meta-train or few-shot, or one with files of --json')
    return found


def _take_result(path: Path, found: Folder) -> None:
    try:
        values = read_json(read_bytes(path, LARGEST_RESULT))
    except (OSError, ValueError) as error:
        found.left_out.append(f'{path.name}: {getattr(error, "strerror", None) or error}')
        return
    if not isinstance(values, dict) or values.get(FORMAT) != RESULT:
        return  # a model's card, or something of the user's own
    try:
        values = unsealed(values, RESULT)
    except ValueError as error:
        raise ReportError(f'{path}: {error}') from None
    if len(found.results) == MOST:
        found.left_out.append(f'{path.name}: one of more than {MOST} results')
    else:
        found.results.append(Result(path.name, values))


def _take_picture(path: Path, found: Folder) -> None:
    try:
        content = read_bytes(path, LARGEST_PICTURE)
    except OSError as error:
        found.left_out.append(f'{path.name}: {error.strerror}')
        return
    taken = sum(len(picture.content) for picture in found.pictures)
    if len(found.pictures) == MOST or taken + len(content) > LARGEST:
        found.left_out.append(f'{path.name}: too much to be mailed')
    else:
        found.pictures.append(Picture(path.name, PICTURES[path.suffix.lower()], content))
