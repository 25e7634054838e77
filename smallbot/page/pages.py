# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Several pages, one driver: who looks, who drives, and who has gone away.

Pure: it is told the time and what happens. A page is a tab of a browser, by an identity that
outlives a reload. Not here: connections, and what driving is.
"""

from dataclasses import dataclass

from smallbot.errors import InputError

AWAY = 2.0
"""Time without a word from a page after which it has gone away, s."""
FORGOTTEN = 600.0
"""Time after which the number of a page that has gone is forgotten, s."""


class DrivenError(InputError):
    """Another page drives; `answer` says which and for how long."""

    def __init__(self, who: str, since: float):
        super().__init__(f'{who} drives')
        self.answer = {'asked': {'who': who, 'since': round(since, 1)}}


@dataclass
class Page:
    """A tab of a browser."""

    number: int
    heard: float
    """When it said something last, s."""
    connections: int = 0

    @property
    def name(self) -> str:
        """Return what it is called on every page."""
        return f'page {self.number}'


class Pages:
    """Times are s, by a steady clock."""

    def __init__(self):
        self._pages: dict[str, Page] = {}
        self._last = 0
        self._driver: str | None = None
        self._since = 0.0

    def join(self, client: str, now: float) -> Page:
        """Take in a connection of a page."""
        for gone in [name for name, page in self._pages.items()
                     if not page.connections and now - page.heard > FORGOTTEN]:
            del self._pages[gone]
        if client not in self._pages:
            self._last += 1
            self._pages[client] = Page(self._last, now)
        page = self._pages[client]
        page.connections += 1
        page.heard = now
        return page

    def leave(self, client: str) -> None:
        """Take note that a connection has ended; its page may come back."""
        if client in self._pages:
            self._pages[client].connections -= 1

    def heard(self, client: str, now: float) -> None:
        """Take note that a page is there."""
        if client in self._pages:
            self._pages[client].heard = now

    @property
    def present(self) -> int:
        """Return how many pages look on."""
        return sum(page.connections > 0 for page in self._pages.values())

    @property
    def driver(self) -> str | None:
        """Return the identity of the page that drives; None: nobody does."""
        return self._driver

    def name(self, client: str | None) -> str | None:
        """Return what a page is called; None for none."""
        page = self._pages.get(client or '')
        return page.name if page else None

    def drive(self, client: str, now: float, take: bool = False) -> str | None:
        """Let a page drive; returns the identity of the one that drove, where it is taken over.

        Raises DrivenError where another drives, is there, and is not to be taken over.
        """
        before = self._driver
        if before == client:
            return None
        if before is not None and not take and not self.away(now):
            raise DrivenError(self._pages[before].name, now - self._since)
        self._driver, self._since = client, now
        return before

    def release(self, client: str) -> None:
        """Let nobody drive, if this page does."""
        if self._driver == client:
            self._driver = None

    def away(self, now: float) -> bool:
        """Return whether the page that drives has gone away."""
        page = self._pages.get(self._driver or '')
        return page is not None and now - page.heard > AWAY
