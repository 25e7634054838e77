"""Chips in files: phase-change memory keeps what it was taught, so a chip has to as well.

One safetensors file holds every device, the clock, the correction and the state of the generator:
a chip that is loaded goes on exactly as the one that was saved.
"""

import json
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import save
from torch import Tensor

from smallbot.chip.core import Core
from smallbot.chip.device.state import ChipError
from smallbot.chip.mapping import Matrix
from smallbot.files import write_atomically

_FORMAT = 'smallbot-chip-2'
_KINDS = {'core': Core, 'matrix': Matrix}


def save_chip(array: Core | Matrix, path: str | Path, more: dict[str, Tensor] | None = None,
              settings: dict[str, Any] | None = None) -> None:
    """Write a core, or a matrix on several, to `path`, whole or not at all.

    `more` and `settings` are kept beside it for the owner: tensors and plain values (JSON).
    """
    tensors, values = array.to_tensors()
    kept = {f'array.{name}': tensor.contiguous() for name, tensor in tensors.items()}
    kept.update({f'more.{name}': tensor.contiguous() for name, tensor in (more or {}).items()})
    kind = next(name for name, made in _KINDS.items() if isinstance(array, made))
    header = {'format': _FORMAT, 'kind': kind, 'array': json.dumps(values),
              'settings': json.dumps(settings or {})}
    write_atomically(Path(path), save(kept, header))


def load_chip(path: str | Path) -> tuple[Core | Matrix, dict[str, Tensor], dict[str, Any]]:
    """Return the core or matrix, tensors and values that `save_chip` wrote.

    Raises ChipError where there is no such file or it is not a chip's.
    """
    try:
        with safetensors.safe_open(path, framework='pt') as opened:
            header = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}
    except FileNotFoundError:
        raise ChipError(f'chip {path}: no such file') from None
    except (OSError, safetensors.SafetensorError) as error:
        raise ChipError(f'chip {path}: cannot be read: {error}') from None
    if header.get('format') != _FORMAT:
        raise ChipError(f'chip {path}: format {header.get("format")!r}, expected {_FORMAT!r}; '
                        f'remove the file to begin with a new chip')
    found: dict[str, dict[str, Tensor]] = {'array': {}, 'more': {}}
    for name, tensor in tensors.items():
        owner, _, rest = name.partition('.')
        found.setdefault(owner, {})[rest] = tensor
    try:
        array = _KINDS[header['kind']].from_tensors(found['array'], json.loads(header['array']))
    except (ChipError, KeyError, json.JSONDecodeError) as error:
        raise ChipError(f'chip {path}: {error}') from None
    return array, found['more'], json.loads(header['settings'])
