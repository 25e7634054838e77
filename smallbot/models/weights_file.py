# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A model as files: weights and the card beside them, for whatever experiment it is of.

A model is two files of one name: `NAME.safetensors` with the weights and `NAME.json`, its card:
the configuration that gives the weights their meaning, how they were made and what they reached.
Not here: what a configuration holds. Each experiment has a class of `Model` for that.
"""

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
import hashlib
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from smallbot.errors import InputError
from smallbot.files.plain import read_json
from smallbot.files.sealed import FORMAT, SEAL, unsealed
from smallbot.files.writing import file_name, made_folder, read_bytes, write_atomically, write_json

MODELS = Path(__file__).resolve().parent
"""Folder of the models that come with the package."""
ENDING = '.safetensors'
WEIGHTS = 'weights_sha256'
"""Key of the card that says whose weights it is about."""
LARGEST_CARD = 2 ** 26
"""Bytes."""


class ModelError(InputError):
    """A model file or configuration that cannot be used; the message is one line."""


class CardFormat(NamedTuple):
    """What a card says it is, and the commands that go with it."""

    name: str
    """The text in the card."""
    used_by: str
    made_by: str


MOVEMENTS = CardFormat('smallbot-model-1', '`smallbot demo` and `smallbot evaluate`',
                       '`smallbot meta-train`')
IMAGES = CardFormat('smallbot-images-1', '`smallbot few-shot`', '`smallbot few-shot train`')
FORMATS = (MOVEMENTS, IMAGES)


class Configuration(Protocol):
    """What gives weights their meaning: a dataclass that says how they are shaped."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each weight tensor."""


@dataclass(frozen=True, repr=False)
class Model:
    """A configuration, its weights and its card; an experiment's own class says what it reads."""

    config: Configuration
    weights: dict[str, Tensor]
    """float32, named and shaped as `config.shapes` says."""
    name: str = 'unnamed'
    card: dict[str, Any] = field(default_factory=dict)
    """How the weights were made and the figures they reached."""

    card_format: ClassVar[CardFormat]

    @classmethod
    def configured(cls, values: Any, where: str) -> Configuration:
        """Return the configuration that a card holds as `values`.

        Raises ModelError, in one line that begins with `where`, for what is none.
        """
        raise NotImplementedError

    def __post_init__(self) -> None:
        """Refuse weights that do not fit the configuration."""
        shapes = self.config.shapes()
        if set(shapes) != set(self.weights):
            raise ModelError(f'model {self.name}: weights {sorted(self.weights)}, '
                             f'expected {sorted(shapes)}')
        for key, shape in shapes.items():
            if tuple(self.weights[key].shape) != shape:
                raise ModelError(f'model {self.name}: weight {key} has shape '
                                 f'{tuple(self.weights[key].shape)}, expected {shape}')
            if self.weights[key].dtype != torch.float32:
                raise ModelError(f'model {self.name}: weight {key} is of '
                                 f'{self.weights[key].dtype}, expected torch.float32')
            if not torch.isfinite(self.weights[key]).all():
                raise ModelError(f'model {self.name}: weight {key} is not finite')

    def __repr__(self) -> str:
        """Return what tells it from others; the weights and a URDF would fill pages."""
        return f'<{type(self).__name__} {self.name} ({self.digest})>'

    @cached_property
    def weights_sha256(self) -> str:
        """Return the SHA-256 of names and values of all weights."""
        found = hashlib.sha256()
        for key in sorted(self.weights):
            found.update(key.encode() + self.weights[key].contiguous().numpy().tobytes())
        return found.hexdigest()

    @property
    def digest(self) -> str:
        """Return 12 hexadecimal digits that differ where the weights do, whatever the name."""
        return self.weights_sha256[:12]


Kind = TypeVar('Kind', bound=Model)


def save_model(model: Model, directory: str | Path) -> Path:
    """Write `NAME.safetensors` and `NAME.json` into `directory`; returns the former's path.

    Raises InputError for a name that leads out of it, WriteError where they cannot be written.
    """
    directory = Path(directory)
    path = directory / f'{file_name(model.name, "model")}{ENDING}'
    made_folder(directory)
    weights = {key: value.contiguous() for key, value in model.weights.items()}
    write_atomically(path, safetensors.torch.save(weights))
    write_card(path.with_suffix('.json'), {
        'name': model.name, 'config': asdict(model.config), **model.card,
        WEIGHTS: model.weights_sha256}, model.card_format)
    return path


def read_model(kind: type[Kind], name: str | Path) -> Kind:
    """Load a shipped model by name, or any model by the path of its `.safetensors` file.

    Raises ModelError where there is none, it is of another kind, its card and weights do not fit,
    or either is not what was written.
    """
    try:
        path = _weights_path(name, kind.card_format)
        card_path = path.with_suffix('.json')
        card = _card(card_path)
        weights = safetensors.torch.load(read_bytes(path))
        _refuse_others(card, kind.card_format, f'model {name}: {card_path.name}')
        # Fields first: who has changed one by hand is told what is wrong with it.
        config = kind.configured(card['config'], f'{card_path.name}: config')
        called = file_name(card.get('name', path.stem), f'{card_path.name}: name')
        model = kind(config, weights, called, {
            key: value for key, value in card.items()
            if key not in ('name', 'config', WEIGHTS, FORMAT, SEAL)})
        unsealed(card, kind.card_format.name)
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f'model {name}: cannot be read: {error.strerror}') from None
    except (ValueError, safetensors.SafetensorError) as error:
        raise ModelError(f'model {name}: cannot be read: {" ".join(str(error).split())}'
                         ) from None
    if card.get(WEIGHTS, model.weights_sha256) != model.weights_sha256:
        raise ModelError(f'model {name}: {path.name} does not hold the weights that '
                         f'{card_path.name} is about: damaged, or of another model')
    return model


def read_card(path: Path, form: CardFormat) -> dict[str, Any]:
    """Return what a model's card holds, without format and checksum.

    Raises OSError and, in one line, ValueError where it is none or not what was written.
    """
    return unsealed(_card(path), form.name)


def weights_of(path: Path, form: CardFormat) -> str:
    """Return the digest of the weights of a model that was written to `path`, .safetensors."""
    return read_card(path.with_suffix('.json'), form)[WEIGHTS][:12]


def write_card(path: Path, card: dict[str, Any], form: CardFormat) -> None:
    """Write a model's card, with format and checksum."""
    write_json(path, card, form.name)


def shipped_models(form: CardFormat) -> list[str]:
    """Return the names of the models of a format that come with the package."""
    found = []
    for path in MODELS.glob(f'*{ENDING}'):
        with suppress(OSError, ValueError):  # of a card that is damaged or missing
            if _card(path.with_suffix('.json')).get(FORMAT) == form.name:
                found.append(path.stem)
    return sorted(found)


def _card(path: Path) -> dict[str, Any]:
    """Return all that a model's card holds."""
    try:
        card = read_json(read_bytes(path, LARGEST_CARD))
    except ValueError as error:
        raise ValueError(f'{path.name}: {error}') from None
    if not isinstance(card, dict) or 'config' not in card:
        raise ValueError(f'{path.name} has no field "config"')
    return card


def _refuse_others(card: dict[str, Any], wanted: CardFormat, where: str) -> None:
    """Refuse the card of another experiment's model."""
    for form in FORMATS:
        if form != wanted and form.name == card.get(FORMAT):
            raise ModelError(f'{where} is the card of a model for {form.used_by}, expected one '
                             f'for {wanted.used_by}; {wanted.made_by} makes them')


def _weights_path(name: str | Path, form: CardFormat) -> Path:
    """Return the path of a model's weights, with a card beside it; raises ModelError."""
    path = Path(name)
    if path.suffix != ENDING and not path.exists():
        path = MODELS / f'{name}{ENDING}'
    elif path.suffix != ENDING:
        raise ModelError(f'model {name}: expected the path of a {ENDING} file')
    for part in (path, path.with_suffix('.json')):
        if not part.is_file():
            raise ModelError(f'model {name}: no file {part}; shipped models: '
                             f'{", ".join(shipped_models(form))}; {form.made_by} makes others')
    return path
