"""How Sphinx builds these pages: `make docs`, or rosdoc2 with `rosdoc2.yaml`."""

from pathlib import Path
import sys

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from smallbot import __version__  # noqa: E402

project = 'smallbot'
author = 'The smallbot founders'
version = release = __version__
extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.mathjax']
source_suffix = {'.md': 'markdown'}
myst_enable_extensions = ['dollarmath']
myst_heading_anchors = 3
# The docstrings' single backquotes are code.
default_role = 'code'
autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
html_theme = 'furo'
html_title = f'smallbot {version}'
# Without the internet no page of others can be looked at; those of smallbot are.
linkcheck_ignore = [r'https?://']
