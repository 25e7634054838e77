# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The processes behind the page: started, started again when they die, ended with it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
import threading
import time
from typing import Any

from smallbot.page.behind.child import Child, Main, Message
from smallbot.page.behind.choice import Chosen

AGAIN = (1.0, 10.0)
"""Shortest and longest time before a process that died is started again, s."""
LIVED = 30.0
"""Time that a process lived after which its death is the first again, s."""
Told = Callable[[str, Message | None], None]


class Behind:
    """`sides`: the functions that run, by name; each is given `chosen`."""

    def __init__(self, sides: dict[str, Main], chosen: Chosen):
        self._sides, self.chosen = sides, chosen
        self._children: dict[str, Child] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told: Told | None = None
        self._ending = threading.Event()
        self._restarting: dict[str, float] = {}
        self._failed: set[str] = set()

    def start(self, loop: asyncio.AbstractEventLoop, told: Told) -> None:
        """Start them; `told` is called in `loop` with what each says, None when it ends."""
        self._loop, self._told = loop, told
        for side in self._sides:
            self._begin(side)

    def ask(self, side: str, message: Message) -> bool:
        """Send what is asked; returns whether somebody is there to do it."""
        child = self._children.get(side)
        return child is not None and child.ask(message)

    def choose(self, model: str) -> bool:
        """Make everything anew with another of the models that may be chosen."""
        if model not in self.chosen.started_with:
            return False
        self.chosen = replace(self.chosen, model=model)
        for side in self._sides:
            threading.Thread(target=self._anew, args=(side,), daemon=True).start()
        return True

    def close(self) -> None:
        """Let them come to rest, and end them."""
        self._ending.set()
        enders = [threading.Thread(target=child.close) for child in self._children.values()]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()

    def _begin(self, side: str) -> None:
        began = time.monotonic()

        def heard(message: Message | None) -> None:
            if message is not None and 'failed' in message:
                self._failed.add(side)
            if self._children.get(side) is child or message is not None:
                self._tell(side, message)
            if message is None and self._children.get(side) is child:
                self._again(side, time.monotonic() - began)

        ready = threading.Event()
        child: Any = None

        def wait_and_hear(message: Message | None) -> None:
            ready.wait()
            heard(message)

        child = self._children[side] = Child(side, self._sides[side], self.chosen, wait_and_hear)
        ready.set()

    def _tell(self, side: str, message: Message | None) -> None:
        if not self._ending.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._told, side, message)

    def _again(self, side: str, lived: float) -> None:
        """Start a side again that died, later each time; not one that refused its input."""
        if self._ending.is_set() or side in self._failed:
            return
        shortest, longest = AGAIN
        wait = shortest if lived > LIVED else min(
            longest, 2 * self._restarting.get(side, shortest / 2))
        self._restarting[side] = wait
        if not self._ending.wait(wait):
            self._begin(side)

    def _anew(self, side: str) -> None:
        child = self._children.pop(side)
        self._tell(side, None)
        child.close()
        if not self._ending.is_set():
            self._begin(side)
