# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Chips in files: phase-change memory keeps what it was taught, so a chip has to as well.

One safetensors file holds every device, the clock, the correction and the state of the generator:
a chip that is loaded goes on exactly as the one that was saved. Its checksum is that of all bytes.
"""

import json
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import load, save
from torch import Tensor

from smallbot.chip.core import Core
from smallbot.chip.device.state import ChipError
from smallbot.chip.mapping import Matrix
from smallbot.files.plain import plain, read_json
from smallbot.files.sealed import BLANK, FORMAT, is_sealed, SEAL, seal_bytes
from smallbot.files.writing import read_bytes, write_atomically

_FORMAT, _UNSEALED = 'smallbot-chip-3', 'smallbot-chip-2'
"""As written, and that of an earlier version, which had no checksum."""
_KINDS = {'core': Core, 'matrix': Matrix}


def save_chip(array: Core | Matrix, path: str | Path, more: dict[str, Tensor] | None = None,
              settings: dict[str, Any] | None = None) -> None:
    """Write a core, or a matrix on several, to `path`, whole or not at all.

    `more` and `settings` are kept beside it for the owner: tensors and plain values (JSON).
    Raises WriteError.
    """
    tensors, values = array.to_tensors()
    kept = {f'array.{name}': tensor.contiguous() for name, tensor in tensors.items()}
    kept.update({f'more.{name}': tensor.contiguous() for name, tensor in (more or {}).items()})
    kind = next(name for name, made in _KINDS.items() if isinstance(array, made))
    header = {FORMAT: _FORMAT, 'kind': kind, 'array': json.dumps(plain(values)),
              'settings': json.dumps(plain(settings or {})), SEAL: BLANK}
    write_atomically(Path(path), seal_bytes(save(kept, header)))


def load_chip(path: str | Path) -> tuple[Core | Matrix, dict[str, Tensor], dict[str, Any]]:
    """Return the core or matrix, tensors and values that `save_chip` wrote.

    Raises ChipError where there is no such file, it is not a chip's or not what was written.
    """
    try:
        content = read_bytes(Path(path))
        header, tensors = _header(content), load(content)
    except FileNotFoundError:
        raise ChipError(f'chip {path}: no such file') from None
    except OSError as error:
        raise ChipError(f'chip {path}: cannot be read: {error.strerror}') from None
    except (ValueError, KeyError, safetensors.SafetensorError) as error:
        raise ChipError(f'chip {path}: cannot be read: {" ".join(str(error).split())}') from None
    form, sealed = header.get(FORMAT), header.get(SEAL)
    if form not in (_FORMAT, _UNSEALED):
        raise ChipError(f'chip {path}: format {form!r}, expected {_FORMAT!r}; remove the file to '
                        f'begin with a new chip')
    if (sealed is None) != (form == _UNSEALED) or sealed and not is_sealed(content, sealed):
        raise ChipError(f'chip {path}: damaged, it does not match its checksum; take a copy of '
                        f'it, or remove it to begin with a new chip')
    found: dict[str, dict[str, Tensor]] = {'array': {}, 'more': {}}
    for name, tensor in tensors.items():
        owner, _, rest = name.partition('.')
        found.setdefault(owner, {})[rest] = tensor
    try:
        array = _KINDS[header['kind']].from_tensors(found['array'],
                                                    read_json(header['array'].encode()))
        return array, found['more'], read_json(header['settings'].encode())
    except (KeyError, ValueError) as error:
        raise ChipError(f'chip {path}: {error}') from None


def _header(content: bytes) -> dict[str, str]:
    """Return the metadata of a safetensors file, text by text; raises ValueError."""
    size = int.from_bytes(content[:8], 'little')
    if not 2 <= size <= len(content) - 8:
        raise ValueError('it is no safetensors file')
    header = read_json(content[8:8 + size])
    told = header.get('__metadata__', {}) if isinstance(header, dict) else None
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise ValueError('it is no safetensors file')
    return told
