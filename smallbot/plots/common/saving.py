"""Figures into files, whole or not at all, wherever else files may be written."""

import io
from pathlib import Path

from matplotlib.figure import Figure

from smallbot.errors import InputError
from smallbot.files.writing import write_atomically
from smallbot.plots.common.style import DPI


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the name of `path` ends in, PNG where in none.

    Raises InputError for a format that is unknown, WriteError where it cannot be written.
    """
    form = path.suffix[1:].lower() or 'png'
    known = figure.canvas.get_supported_filetypes()
    if form not in known:
        raise InputError(f'{path}: expected a name that ends in .png, .pdf or .svg')
    content = io.BytesIO()
    figure.savefig(content, dpi=DPI, format=form)
    write_atomically(path, content.getvalue())
