# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Checksums of own files.

A JSON file holds the SHA-256 of all else that it holds; a binary one that of its own bytes, with
`BLANK` where the checksum stands. A file without format and checksum is one of an earlier version.
"""

from collections.abc import Mapping
import hashlib
import json
from typing import Any

from smallbot.files.plain import plain

FORMAT, SEAL = 'format', 'sha256'
"""Keys of a sealed mapping."""
BLANK = 8 * 'checksum'
"""What stands for a checksum while it is worked out."""


def digest_of(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of plain values, whatever their order, without that of a checksum."""
    told = {key: value for key, value in values.items() if key != SEAL}
    return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(',', ':')).encode()
                          ).hexdigest()


def sealed(content: Mapping[str, Any], form: str) -> dict[str, Any]:
    """Return `content` as plain values, with format and checksum at the end."""
    values = {key: value for key, value in plain(content).items() if key not in (FORMAT, SEAL)}
    values[FORMAT] = form
    return {**values, SEAL: digest_of(values)}


def unsealed(values: dict[str, Any], form: str) -> dict[str, Any]:
    """Return values without format and checksum; those of an earlier version had none.

    Raises ValueError, in one line, where they are not what was written.
    """
    found = values.get(FORMAT)
    if found is None and SEAL not in values:
        return values
    if found != form:
        raise ValueError(f'format {found!r}, expected {form!r}')
    if values.get(SEAL) != digest_of(values):
        raise ValueError(f'it does not match its checksum: damaged, or changed since it was '
                         f'written; where that was meant, remove the fields "{FORMAT}" and '
                         f'"{SEAL}"')
    return {key: value for key, value in values.items() if key not in (FORMAT, SEAL)}


def seal_bytes(content: bytes) -> bytes:
    """Return bytes that hold `BLANK` once, with the checksum of all of them in its place."""
    before, blank, after = content.partition(BLANK.encode())
    if not blank or BLANK.encode() in after:
        raise ValueError('expected the place of one checksum')
    return before + hashlib.sha256(content).hexdigest().encode() + after


def is_sealed(content: bytes, checksum: str) -> bool:
    """Return whether `checksum`, found in `content`, is the one of its bytes."""
    own = checksum.encode()
    return (len(own) == len(BLANK) and content.count(own) == 1 and hashlib.sha256(
        content.replace(own, BLANK.encode())).hexdigest() == checksum)
