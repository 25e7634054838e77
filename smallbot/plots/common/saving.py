# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Figures into files, whole or not at all, wherever else files may be written."""

import io
from pathlib import Path
from typing import IO

from matplotlib.figure import Figure

from smallbot.errors import InputError
from smallbot.files.writing import write_atomically
from smallbot.plots.common.style import DPI

Destination = Path | IO[bytes]
"""Where a figure goes: a file, or a stream such as BytesIO."""


def save_figure(figure: Figure, path: Destination) -> None:
    """Write a figure in the format that the name of `path` ends in, PNG where in none.

    Into a stream it is written as PNG. Raises InputError for a format that is unknown, WriteError
    where it cannot be written.
    """
    if not isinstance(path, Path):
        figure.savefig(path, dpi=DPI, format='png')
        return
    form = path.suffix[1:].lower() or 'png'
    known = figure.canvas.get_supported_filetypes()
    if form not in known:
        raise InputError(f'{path}: expected a name that ends in .png, .pdf or .svg')
    content = io.BytesIO()
    figure.savefig(content, dpi=DPI, format=form)
    write_atomically(path, content.getvalue())
