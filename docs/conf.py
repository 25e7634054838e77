# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""How Sphinx builds these pages: `make docs`, or rosdoc2 with `rosdoc2.yaml`."""

from importlib.util import find_spec
from pathlib import Path
import sys

from sphinx.ext.autodoc.mock import _MockObject

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from smallbot import __version__  # noqa: E402

project = 'smallbot'
author = 'The smallbot founders'
version = release = __version__
# Notebooks are shown as they were committed; the tests run them. ROS's build farm parses pages
# alone: there they are files to load down.
if find_spec('myst_nb'):
    extensions = ['myst_nb']
    source_suffix = {'.md': 'myst-nb', '.ipynb': 'myst-nb'}
    nb_execution_mode = 'off'
    rosdoc2_settings = {'allow_other_extensions': True}
else:
    extensions = ['myst_parser']
    source_suffix = {'.md': 'markdown'}
    suppress_warnings = ['toc.not_readable']
extensions += ['sphinx.ext.autodoc', 'sphinx.ext.mathjax']
# rosdoc2 lays these beside the pages; their links are those of the repository.
exclude_patterns = ['README.md', 'CONTRIBUTING.md']
myst_enable_extensions = ['dollarmath']
myst_heading_anchors = 3
# The docstrings' single backquotes are code.
default_role = 'code'
# ROS's build farm installs nothing that is imported: it is mocked, and types joined by | too.
autodoc_mock_imports = [name for name in (
    'annotated_types', 'backports', 'lz4', 'matplotlib', 'mujoco', 'numpy', 'PIL', 'pydantic',
    'rosbags', 'safetensors', 'scipy', 'torch', 'tqdm', 'yaml') if find_spec(name) is None]
_MockObject.__or__ = _MockObject.__ror__ = lambda self, _: self
autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
# By the name that the code has for them; written out they fill lines.
autodoc_type_aliases = {name: name for name in ('Floats', 'Weights', 'NDArray')}
html_theme = 'furo'
html_title = f'smallbot {version}'
# Without the internet no page of others can be looked at; those of smallbot are.
linkcheck_ignore = [r'https?://']
