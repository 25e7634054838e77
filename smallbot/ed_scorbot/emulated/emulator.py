# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""An ED-Scorbot's controller without the arm: what it hears, says and does, and its quirks.

Pure: messages and the time come in, messages go out. Behaviour from the source of the
controller of November 2023; joints as they were measured. Not here: the network
(`mqtt_link`), the search for the home switches in detail.
"""

from collections.abc import Collection
from dataclasses import dataclass
import math

import numpy as np

from smallbot.ed_scorbot.convention import CENTRE, Convention, JOINTS
from smallbot.ed_scorbot.measured_servo import MeasuredServo
from smallbot.ed_scorbot.wire import (
    Message,
    METAINFO,
    metainfo,
    moved,
    ON_WIRE,
    read_message,
    reply,
    Signal,
    WireError,
)

MOVE_SECONDS = 2.0
"""What a MOVE_TO_POINT takes whatever time it asks for, s."""
TURNAROUND = 0.002
"""From the last `moved` of a trajectory until another is taken, s: an assumption, the code has
such a gap."""
RANGES = ((155, -155), (-60, 110), (-145, 80), (-90, 90), (-180, 180), (-180, 180))
"""Minimum and maximum that the real controller sends, degrees of 2023, the base swapped."""


@dataclass
class _Motion:
    client: str
    points: list[tuple[np.ndarray, float]]
    """Degrees [4] and seconds, those still to come."""
    until: float


class EmulatedController:
    """Takes messages by `heard`, moves on by `step`; both return (topic, payload) to publish."""

    def __init__(self, convention: Convention, homing_seconds: float, name: str = 'EDScorbot',
                 misbehaviour: Collection[str] = (), seed: int = 0, now: float = 0.0):
        """Stand anywhere, owned by nobody.

        The search for home takes 4 s in the published simulator, up to two minutes in reality.
        """
        self.convention = convention
        self.name = name
        self.homing_seconds = homing_seconds
        self.misbehaviour = frozenset(misbehaviour)
        self.commands, self.moved = f'{name}/commands', f'{name}/moved'
        """Topics."""
        self.owner = 'somebody_else' if 'owned' in self.misbehaviour else ''
        self.dead = ''
        """What has made the controller crash; empty: nothing."""
        self.trajectories = self.ignored = self.disturbed_homings = 0
        """Counts of trajectories and moves: begun, not taken, taken while searching home."""
        self.servo = MeasuredServo()
        self._random = np.random.default_rng(seed)
        self.servo.place(CENTRE + self._random.integers(-4000, 4000, 4))
        self._motion: _Motion | None = None
        self._free_at = -math.inf
        self._cancel = False
        self._homings: list[tuple[float, str]] = []
        self._to_say: list[tuple[float, str, bytes]] = []
        self._measurements = 0
        self._now = now

    @property
    def homing(self) -> bool:
        """Return whether the arm searches its home switches."""
        return bool(self._homings)

    @property
    def moving(self) -> bool:
        """Return whether a trajectory or a move is under way."""
        return self._motion is not None

    @property
    def topics(self) -> tuple[str, ...]:
        """Return what the controller subscribes to."""
        return (METAINFO, self.commands, self.moved)

    def start(self) -> list[tuple[str, bytes]]:
        """Return what the controller says once at its start; it is not retained."""
        return [] if 'silent' in self.misbehaviour else [(METAINFO, self._metainfo())]

    def heard(self, topic: str, payload: bytes, now: float) -> list[tuple[str, bytes]]:
        """Take a message; its own replies come back to it too."""
        said = self.step(now)
        if self.dead or 'silent' in self.misbehaviour or topic == self.moved:
            return said
        try:
            message = read_message(payload)
        except WireError as error:
            self.dead = f'{topic}: {error}'  # an exception that nothing catches, as documented
            return said
        if topic == METAINFO:
            if message.signal is Signal.GET_METAINFO:
                said.append((METAINFO, self._metainfo()))
            return said
        return said + self._command(message)

    def _command(self, message: Message) -> list[tuple[str, bytes]]:
        client, signal = message.client, message.signal
        if signal is Signal.CHECK_STATUS:
            return [(self.commands, reply(Signal.STATUS))]
        if signal is Signal.CONNECT and not self.owner:
            self.owner = client
            self._search_home(client)
            return [(self.commands, reply(Signal.CONNECTED, client))]
        if signal is Signal.DISCONNECT:
            owned, self.owner = self.owner == client, '' if self.owner == client else self.owner
            self._search_home('')
            return [(self.commands, reply(Signal.DISCONNECTED, client))] if owned else []
        if client != self.owner or not self.owner:
            return []
        if signal is Signal.CANCEL_TRAJECTORY:
            self._cancel = True
            return [(self.commands, reply(Signal.CANCELED_TRAJECTORY, client))]
        if signal in (Signal.MOVE_TO_POINT, Signal.APPLY_TRAJECTORY):
            self._begin(message)
        return []

    def _begin(self, message: Message) -> None:
        single = message.signal is Signal.MOVE_TO_POINT
        skipped = 'skips' in self.misbehaviour and (self.trajectories + self.ignored) % 10 == 9
        if self._motion or self._now < self._free_at or (single and self._cancel) or skipped:
            self.ignored += 1
            return
        if any(len(point) <= len(JOINTS) for point in message.points):
            self.dead = f'{self.commands}: a point of fewer than 5 coordinates'
            return
        self.trajectories += 1
        self.disturbed_homings += self.homing
        points = [(np.nan_to_num(np.array(point[:len(JOINTS)])),
                   MOVE_SECONDS if single else max(point[-1], 0.0) * 1e-3)
                  for point in message.points]
        self._motion = _Motion(message.client, points, self._now)
        self._next_point()

    def _next_point(self) -> None:
        motion = self._motion
        if self._cancel or not motion.points:
            self._cancel = False
            self._motion = None
            self._free_at = self._now + TURNAROUND
            return
        degrees, seconds = motion.points.pop(0)
        self.servo.reference = self.convention.reference(degrees)
        motion.until = self._now + seconds

    def step(self, now: float) -> list[tuple[str, bytes]]:
        """Move on to the time `now`, s."""
        said = []
        while not self.dead:
            due = min([*(at for at, _ in self._homings), *(at for at, _, _ in self._to_say),
                       self._motion.until if self._motion else math.inf])
            if due > now:
                break
            self._advance(due)
            if self._motion and self._motion.until <= due:
                late = 1.2 if 'late' in self.misbehaviour else 0.0
                self._to_say.append((due + late, self.moved, self._measure()))
                self._next_point()
            for at, client in [homing for homing in self._homings if homing[0] <= due]:
                self._homings.remove((at, client))
                self._found_home(client)
            said += [(topic, payload) for at, topic, payload in self._to_say if at <= due]
            self._to_say = [later for later in self._to_say if later[0] > due]
        self._advance(now)
        return said

    def _advance(self, now: float) -> None:
        """Let the joints follow until `now`; they do so whether the controller lives or not."""
        elapsed, self._now = max(0.0, now - self._now), max(now, self._now)
        if not elapsed:
            return
        if self._homings and not self._motion:
            left = max(max(at for at, _ in self._homings) - self._now, 0.0)
            way = CENTRE - self.servo.counts
            self.servo.place(self.servo.counts + way * elapsed / (elapsed + left))
        else:
            self.servo.step(elapsed)

    def _search_home(self, client: str) -> None:
        self._homings.append((self._now + self.homing_seconds, client))

    def _found_home(self, client: str) -> None:
        self.servo.place(np.full(4, CENTRE))
        if 'never-homes' not in self.misbehaviour:
            self._to_say.append((self._now, self.commands, reply(Signal.HOME_SEARCHED, client)))

    def _measure(self) -> bytes:
        counts = self.servo.counts
        if 'wrong-sign' in self.misbehaviour:
            counts[0] = 2 * CENTRE - counts[0]
        if 'wrong-home' in self.misbehaviour:
            counts[1] += 8 * 131
        degrees = self.convention.measured(counts)
        self._measurements += 1
        if ('nan' in self.misbehaviour and self._measurements % 3 == 0
                or 'blind' in self.misbehaviour and self._measurements > 100):
            degrees = np.full(4, math.nan)
        # never written by the controller: whatever the memory held
        rest = self._random.choice([0.0, math.nan, 6.9e-310, -1.2e287], ON_WIRE - len(JOINTS))
        return moved(self._motion.client, degrees, rest)

    def _metainfo(self) -> bytes:
        turned = self.convention.reference_per_degree[0] > 0
        ranges = [(-high, -low) for low, high in RANGES[1:]] if turned else RANGES[1:]
        return metainfo(self.name, [RANGES[0], *ranges])
