# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The pages: found from the index, with links that lead somewhere, true to parsers and code."""

import importlib.util
from pathlib import Path
import re
import shlex
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / 'docs'
PAGES = [*sorted(DOCS.rglob('*.md')), ROOT / 'README.md', ROOT / 'CONTRIBUTING.md']
CODE = re.compile(r'^```.*?^```', re.DOTALL | re.MULTILINE)


@pytest.fixture(scope='module')
def generate():
    spec = importlib.util.spec_from_file_location('generate', DOCS / 'reference' / 'generate.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page, language):
    return re.findall(rf'^```{language}\n(.*?)^```', page.read_text(), re.DOTALL | re.MULTILINE)


def links(page):
    """Return what a page links to inside the repository, pictures too, its code left out."""
    text = re.sub(r'`[^`\n]*`', '', CODE.sub('', page.read_text()))
    found = re.findall(r'\]\(([^)\s]+)\)', text)
    return [link for link in found if not re.match(r'https?:', link)]


def anchors(page):
    """Return the anchors of a page's headings, as GitHub and MyST name them."""
    headings = re.findall(r'^#+ (.*)$', CODE.sub('', page.read_text()), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


def test_every_page_is_in_the_index_once():
    index = (DOCS / 'index.md').read_text()
    named = [line for tree in re.findall(r'```\{toctree\}(.*?)```', index, re.DOTALL)
             for line in tree.splitlines() if line and not line.startswith(':')]
    pages = {page.relative_to(DOCS).with_suffix('').as_posix()
             for ending in ('md', 'ipynb') for page in DOCS.rglob(f'*.{ending}')}
    assert len(named) == len(set(named)) and set(named) == pages - {'index'}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_and_pictures_lead_somewhere(page):
    for link in links(page):
        there, _, anchor = link.partition('#')
        target = (page.parent / there).resolve() if there else page
        within = DOCS if page.is_relative_to(DOCS) else ROOT    # rosdoc2 takes docs/ alone
        assert target.exists() and target.is_relative_to(within), link
        if anchor:
            assert anchor in anchors(target), link


def test_the_readme_is_one_that_one_reads():
    assert len((ROOT / 'README.md').read_text().splitlines()) <= 120


def test_pages_made_from_the_code_are_as_the_script_writes_them(generate):
    for name, made in generate.PAGES.items():
        assert (DOCS / 'reference' / name).read_text() == made(), (
            f'{name}: run docs/reference/generate.py')


def test_commands_on_the_pages_have_the_options_that_they_are_given(generate):
    known = re.split(r'^#+ (smallbot.*)$', generate.command_line(), flags=re.MULTILINE)
    options = {verb: set(re.findall(r'`(--[a-z-]+)', text))
               for verb, text in zip(known[1::2], known[2::2])}
    seen = 0
    for page in PAGES:
        for block in blocks(page, ''):
            for line in block.replace('\\\n', ' ').splitlines():
                if not line.startswith('smallbot '):
                    continue
                words = shlex.split(line, comments=True)
                verb = max((one for one in options if f'{" ".join(words)} '.startswith(f'{one} ')),
                           key=len, default=None)
                given = {word.split('=')[0] for word in words if word.startswith('--')}
                assert verb and given <= options[verb], f'{page.name}: {line}'
                seen += 1
    assert seen > 20


@pytest.mark.parametrize('page', [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md',
                                  DOCS / 'reference' / 'python_api.md'],
                         ids=lambda page: page.name)
def test_the_code_on_a_page_runs_as_printed(page):
    for code in blocks(page, 'python'):
        done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True,
                              text=True)
        assert done.returncode == 0, f'{code}\n{done.stderr}'


def test_the_package_is_cited_as_what_it_is():
    yaml = pytest.importorskip('yaml')
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    package = (ROOT / 'package.xml').read_text()
    assert f'<version>{citation["version"]}</version>' in package
    assert f'<license>{citation["license"]}</license>' in package
    assert f'<author>{citation["authors"][0]["name"]}</author>' in package


def test_sphinx_builds_the_pages_without_a_warning(tmp_path):
    for needed in ('sphinx', 'myst_nb', 'furo'):
        pytest.importorskip(needed)
    done = subprocess.run([sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-q', str(DOCS),
                           str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
