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
from smallbot.chip.devices import ChipError
from smallbot.files import write_atomically

_FORMAT = 'smallbot-core-2'


def save_core(core: Core, path: str | Path, more: dict[str, Tensor] | None = None,
              settings: dict[str, Any] | None = None) -> None:
    """Write a core to `path`, whole or not at all.

    `more` and `settings` are kept beside it for the owner: tensors and plain values (JSON).
    """
    tensors, values = core.to_tensors()
    kept = {f'core.{name}': tensor.contiguous() for name, tensor in tensors.items()}
    kept.update({f'more.{name}': tensor.contiguous() for name, tensor in (more or {}).items()})
    header = {'format': _FORMAT, 'core': json.dumps(values),
              'settings': json.dumps(settings or {})}
    write_atomically(Path(path), save(kept, header))


def load_core(path: str | Path) -> tuple[Core, dict[str, Tensor], dict[str, Any]]:
    """Return the core, tensors and values that `save_core` wrote.

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
        raise ChipError(f'chip {path}: format {header.get("format")!r}, expected {_FORMAT!r}')
    found: dict[str, dict[str, Tensor]] = {'core': {}, 'more': {}}
    for name, tensor in tensors.items():
        owner, _, rest = name.partition('.')
        found.setdefault(owner, {})[rest] = tensor
    try:
        core = Core.from_tensors(found['core'], json.loads(header['core']))
    except (ChipError, KeyError, json.JSONDecodeError) as error:
        raise ChipError(f'chip {path}: {error}') from None
    return core, found['more'], json.loads(header['settings'])
