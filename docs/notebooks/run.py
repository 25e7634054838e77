# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Run the notebooks of this folder anew, and write them with what came out.

    python docs/notebooks/run.py [NAME.ipynb ...]

A test runs them too, and compares.
"""

from base64 import b64decode, b64encode
import io
import os
from pathlib import Path
import sys
from tempfile import TemporaryDirectory

import nbformat
from PIL import Image

from smallbot.files.writing import write_atomically

COLOURS = 64
"""Of a picture, so that a notebook is small."""
FOLDER = Path(__file__).resolve().parent
KERNEL = {'kernelspec': {'display_name': 'Python 3', 'language': 'python', 'name': 'python3'}}
"""All that is kept of a notebook's metadata: what a run adds differs from machine to machine."""


def executed(path: Path) -> nbformat.NotebookNode:
    """Return a notebook with the outputs of a run in a folder of its own.

    Raises CellExecutionError where a cell does.
    """
    from nbclient import NotebookClient
    from traitlets.config import Config

    notebook = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as folder:
        kernel = Config({'KernelManager': {'transport': 'ipc', 'ip': f'{folder}/kernel'}})
        # The package of this checkout, on one thread, without the profile of whoever runs it.
        NotebookClient(notebook, config=kernel, kernel_name='python3', timeout=300,
                       coalesce_streams=True, resources={'metadata': {'path': folder}}).execute(
            env={**os.environ, 'PYTHONPATH': str(FOLDER.parents[1]), 'OMP_NUM_THREADS': '1',
                 'IPYTHONDIR': folder})
    return plain(notebook)


def plain(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a notebook without what differs from run to run, its pictures in few colours."""
    notebook.metadata = nbformat.from_dict(KERNEL)
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f'cell-{number}', nbformat.from_dict({})
        for output in cell.get('outputs', ()):
            output.get('metadata', {}).clear()
            if 'image/png' in output.get('data', {}):
                output.data = nbformat.from_dict({'image/png': smaller(output.data['image/png'])})
    return notebook


def smaller(picture: str) -> str:
    """Return a PNG, in base64, with a palette of `COLOURS`."""
    made = io.BytesIO()
    Image.open(io.BytesIO(b64decode(picture))).convert('RGB').quantize(COLOURS).save(
        made, 'png', optimize=True)
    return b64encode(made.getvalue()).decode()


def main(names: list[str]) -> None:
    """Run the notebooks that are named, or all."""
    for path in map(Path, names) if names else sorted(FOLDER.glob('*.ipynb')):
        notebook = executed(path)
        write_atomically(path, f'{nbformat.writes(notebook)}\n'.encode())
        print(f'{path.name}: {path.stat().st_size / 1000:.0f} kB')


if __name__ == '__main__':
    main(sys.argv[1:])
