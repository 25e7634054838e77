# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the browser is sent: small, whole, from nowhere else, and put in as text."""

import gzip
from html.parser import HTMLParser
from pathlib import Path
import re

import pytest

import smallbot.page

STATIC = Path(smallbot.page.__file__).with_name('static')
OWN = sorted(path for path in STATIC.rglob('*') if path.is_file() and 'vendor' not in path.parts)
SCRIPTS = [path for path in OWN if path.suffix == '.js']
MOST_LINES = 300


def packed(paths) -> int:
    """Return the size of files as they are sent, bytes."""
    return sum(len(gzip.compress(path.read_bytes(), 6)) for path in paths)


class Page(HTMLParser):
    """Ids, references to ids, headings and addresses of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.references, self.headings, self.addresses = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note what is of interest."""
        values = dict(attrs)
        if 'id' in values:
            self.ids.append(values['id'])
        for name in ('for', 'aria-labelledby', 'aria-describedby'):
            self.references += (values.get(name) or '').split()
        self.addresses += [values[name] for name in ('src', 'href') if name in values]
        if re.fullmatch('h[1-6]', tag):
            self.headings.append(int(tag[1]))


@pytest.fixture(scope='module')
def page():
    """Return the page, read."""
    return Page((STATIC / 'index.html').read_text())


def test_first_sight_is_small_and_the_whole_is_not_large():
    assert packed(OWN) < 60e3
    assert packed(path for path in STATIC.rglob('*') if path.is_file()) < 400e3


def test_nothing_comes_from_another_host(page):
    assert all(re.match('/static/|#', address) for address in page.addresses)
    for path in OWN:
        hosts = set(re.findall(r'https?://[^\s\'"`$)]+', path.read_text()))
        assert hosts <= {'http://www.w3.org/2000/svg'}, path


def test_every_file_that_is_named_is_there(page):
    for address in page.addresses:
        if address.startswith('/static/'):
            assert (STATIC / address.removeprefix('/static/')).is_file(), address
    for path in STATIC.rglob('*.js'):
        for name in re.findall(r'(?:from|import|import\()\s*[\'"](\.[^\'"]+)[\'"]',
                               path.read_text()):
            assert (path.parent / name).is_file(), f'{path}: {name}'


def test_every_id_is_once_and_whatever_is_looked_for_is_there(page):
    assert len(page.ids) == len(set(page.ids))
    made = {'unknown', *(f'sheet-{number}' for number in range(1, 6))}
    assert set(page.references) <= set(page.ids)
    for path in SCRIPTS:
        used = re.findall(r'(?:byId|say|confirmed|getElementById)\(\s*\'([\w-]+)\'',
                          path.read_text())
        assert set(used) <= set(page.ids) | made, path


def test_headings_go_down_by_one(page):
    assert page.headings[0] == 1
    assert all(later <= earlier + 1 for earlier, later in zip(page.headings, page.headings[1:]))


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.relative_to(STATIC).as_posix())
def test_what_others_have_named_is_put_in_as_text_and_a_file_is_one_idea(path):
    text = path.read_text()
    assert not re.search(r'innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(', text)
    assert len(text.splitlines()) <= MOST_LINES
    assert max(map(len, text.splitlines())) <= 99


def test_three_comes_with_its_licence_and_where_it_is_from():
    vendored = STATIC / 'vendor' / 'three'
    assert 'MIT License' in (vendored / 'LICENSE').read_text()
    version = re.search(r'three\.js ([\d.]+)', (vendored / 'README.md').read_text())[1]
    revision = re.search(r'"(\d{3})"', (vendored / 'three.core.min.js').read_text())[1]
    assert version.split('.')[1] == revision
