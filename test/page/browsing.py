# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A browser that looks at the page, and somebody who sits before it."""

import shutil

import numpy as np
import pytest

playwright = pytest.importorskip('playwright.sync_api')

CHROMIUM = next((found for name in ('chromium', 'chromium-browser', 'google-chrome')
                 if (found := shutil.which(name))), None)
FLAGS = ['--no-sandbox', '--use-gl=angle', '--use-angle=swiftshader',
         '--enable-unsafe-swiftshader', '--disable-dev-shm-usage']
PATIENCE = 30_000
"""How long a browser waits for what is to be seen, ms: the machine may be busy."""


class Looker:
    """A person at a page."""

    def __init__(self, page):
        self.page = page
        page.set_default_timeout(PATIENCE)
        self.faults: list[str] = []
        """What the browser complained of."""
        self.elsewhere: list[str] = []
        """Requests to other hosts than the page's."""
        page.on('pageerror', lambda error: self.faults.append(str(error)))
        page.on('request', self._requested)

    def _requested(self, request) -> None:
        if '//127.0.0.1:' not in request.url and not request.url.startswith(('data:', 'blob:')):
            self.elsewhere.append(request.url)

    def open(self, address: str) -> None:
        """Go there, and wait until the arm is there."""
        self.page.goto(address)
        self.ready()

    def ready(self) -> None:
        """Wait until something can be drawn."""
        self.enabled('#show-example')

    def button(self, name: str, within: str = 'main'):
        """Return a button by its name."""
        return self.page.locator(within).get_by_role('button', name=name, exact=True)

    def draw(self, size: float = 60, seconds: float = 1.5) -> None:
        """Draw a figure of eight with the mouse."""
        canvas = self.page.get_by_label('Drawing area, the plane of the tool tip')
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        x, y = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
        angles = np.linspace(0, 2 * np.pi, 50)
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        for angle in angles:
            self.page.mouse.move(x + size * np.sin(2 * angle), y - size * np.sin(angle))
            self.page.wait_for_timeout(1000 * seconds / len(angles))
        self.page.mouse.up()
        self.page.locator('#shown-name').filter(has_text='drawing').wait_for()
        self.enabled('#learn-button')

    def learn(self) -> None:
        """Press Learn, and wait for what it says."""
        self.button('Learn').click()
        self.seen('#learn-figures')
        self.enabled('#play-button')

    def phase(self, text: str) -> None:
        """Wait until the page says what the arm does."""
        playwright.expect(self.page.locator('#phase')).to_contain_text(text, timeout=PATIENCE)

    def enabled(self, where: str) -> None:
        """Wait until something can be pressed."""
        playwright.expect(self.page.locator(where)).to_be_enabled(timeout=PATIENCE)

    def seen(self, where: str) -> None:
        """Wait until something is there."""
        playwright.expect(self.page.locator(where)).to_be_visible(timeout=PATIENCE)

    def hidden(self, where: str) -> None:
        """Wait until something is gone."""
        playwright.expect(self.page.locator(where)).to_be_hidden(timeout=PATIENCE)


@pytest.fixture(scope='session')
def chromium():
    """Yield a browser."""
    if CHROMIUM is None:
        pytest.skip('no chromium: apt-get install chromium')
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def look(chromium):
    """Return a function that opens a new tab, for a person."""
    contexts, lookers = [], []

    def opened(**options) -> Looker:
        context = chromium.new_context(viewport={'width': 1280, 'height': 900},
                                       reduced_motion='reduce') if not options else (
            chromium.new_context(**options))
        contexts.append(context)
        lookers.append(Looker(context.new_page()))
        return lookers[-1]

    yield opened
    for looker in lookers:
        assert not looker.faults, looker.faults
        assert not looker.elsewhere, looker.elsewhere
    for context in contexts:
        context.close()
