# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""With what a result was made: the command, as it could be typed again, and versions."""

from collections.abc import Sequence
from importlib import metadata
import platform
import shlex
from typing import Any

OTHERS = ('torch', 'numpy', 'scipy')
"""Distributions whose version a result may depend on."""


class _State:
    command = 'smallbot'


def began(arguments: Sequence[str]) -> None:
    """Note the arguments of the command that runs in this process."""
    _State.command = shlex.join(['smallbot', *arguments])


def made_with() -> dict[str, Any]:
    """Return what stands in every result as `made_with`."""
    from smallbot import __version__

    versions = {'smallbot': __version__, 'python': platform.python_version()}
    for name in OTHERS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {'command': _State.command, 'versions': versions}
