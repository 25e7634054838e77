# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Who else speaks on an ED-Scorbot's topics: its controller obeys whoever uses the owner's name.

Everybody hears everything there, also what he has said himself. So a request that is heard and
was not sent from here is another's, even under our own name. Pure. Not here: what follows from
it (`session`).
"""

import math

from smallbot.ed_scorbot.wire import shown

ECHOED = 10.0
"""How long what was sent from here may take to be heard here, also more than once, s."""
GONE = 2.0
"""Time without a message of another client's after which it counts as gone, s."""


class Others:
    """See above; times are those of the caller's steady clock, s."""

    def __init__(self, client: str):
        """Nobody has been heard beside `client`, which is ours."""
        self._client = client
        self._sent: dict[bytes, float] = {}
        self._moving, self._moved_at = '', -math.inf

    def sent(self, payload: bytes, now: float) -> None:
        """Note a request that goes out from here."""
        self._sent.pop(payload, None)
        self._sent[payload] = now  # the oldest stay first
        while now - self._sent[next(iter(self._sent))] > ECHOED:
            del self._sent[next(iter(self._sent))]

    def echo(self, payload: bytes, now: float) -> bool:
        """Return whether a request that is heard is one of ours."""
        return now - self._sent.get(payload, -math.inf) <= ECHOED

    def named(self, client: str) -> str:
        """Return in words who calls himself `client`."""
        return (f'another driver under our own name {client!r}' if client == self._client
                else f'client {shown(client)}')

    def moves(self, client: str, now: float) -> None:
        """Note that another, who calls himself `client`, commands or moves the arm."""
        self._moving, self._moved_at = self.named(client), now

    def mover(self, now: float) -> str:
        """Return in words who else moves the arm at present; empty: nobody has been heard."""
        return self._moving if 0 <= now - self._moved_at < GONE else ''
