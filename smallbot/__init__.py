# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""One-shot movement learning with spiking networks on phase-change memory.

The names below are the Python API (docs/reference/python_api.md). `import smallbot` loads none of
what they need: each is loaded when it is first asked for.
"""

from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from smallbot.api.images import classify, evaluate_images
    from smallbot.api.making import meta_train
    from smallbot.api.measuring import characterise, evaluate
    from smallbot.api.movements import Chip, demonstrate, learn, play
    from smallbot.errors import InputError
    from smallbot.few_shot.evaluation import ImageConditions
    from smallbot.few_shot.model import load_image_model
    from smallbot.models.weights_file import save_model
    from smallbot.one_shot.model import load_model
    from smallbot.study.conditions import Conditions

    __version__: str

__all__ = ['Chip', 'Conditions', 'ImageConditions', 'InputError', 'characterise', 'classify',
           'demonstrate', 'evaluate', 'evaluate_images', 'learn', 'load_image_model',
           'load_model', 'meta_train', 'play', 'save_model']
_HOMES = {
    'Chip': 'api.movements', 'demonstrate': 'api.movements', 'learn': 'api.movements',
    'play': 'api.movements',
    'characterise': 'api.measuring', 'evaluate': 'api.measuring',
    'meta_train': 'api.making', 'save_model': 'models.weights_file',
    'load_model': 'one_shot.model', 'Conditions': 'study.conditions',
    'classify': 'api.images', 'evaluate_images': 'api.images',
    'load_image_model': 'few_shot.model', 'ImageConditions': 'few_shot.evaluation',
    'InputError': 'errors',
}
"""In which module of the package each name is."""


def __getattr__(name: str) -> Any:
    """Load what a name of the API stands for, once."""
    from importlib import import_module

    if name == '__version__':
        from smallbot.share import version
        found = version()
    elif name in _HOMES:
        found = getattr(import_module(f'smallbot.{_HOMES[name]}'), name)
    else:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Name what can be asked for, loaded or not."""
    return sorted({*globals(), *__all__, '__version__'} - {'Any', 'TYPE_CHECKING'})
