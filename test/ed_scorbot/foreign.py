# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Anyone else on the arm's topics: what he may send, and what must be so whatever he sends.

For the tests, and for `benchmarks/foreign_messages.py`, which tries many.
"""

from dataclasses import replace
import json
import pickle
import random

import numpy as np

from smallbot.ed_scorbot.convention import JOINTS
from smallbot.ed_scorbot.session import Phase, Session
from smallbot.ed_scorbot.wire import read_message, Signal, WireError
from smallbot.errors import InputError

from .bench import Bench

TOPICS = ('metainfo', 'EDScorbot/commands', 'EDScorbot/moved')
LATEST = 5.0
"""How late a message may come, s."""
JUMP = 0.105
"""Longest way between two set-points, s at full speed: half as much again as is planned."""
MEMORY = 60_000
"""Bytes that a session may come to, whatever it has heard."""


def _value(source: random.Random, depth: int = 0):
    kinds = [None, True, 0, -1, 1e308, 10 ** 400, float('nan'), float('inf'), '', 'smallbot',
             '\ud800', 'a\nb\x1b[31m\x00', 'x' * 5000, source.uniform(-400, 400)]
    if depth > 3 or source.random() < 0.6:
        return source.choice(kinds)
    if source.random() < 0.5:
        return [_value(source, depth + 1) for _ in range(source.randrange(8))]
    names = ('signal', 'client', 'id', 'joints', 'minimum', 'maximum', 'content', 'coordinates',
             'point', 'trajectory', 'points', 'name', 'error')
    return {source.choice(names): _value(source, depth + 1) for _ in range(source.randrange(6))}


def _deep(source: random.Random) -> bytes:
    layers = source.choice((50, 300, 331, 400, 600, 990, 5000))
    inside = b'[' * layers + b']' * layers
    return source.choice((b'%s', b'{"signal":%s}',
                          b'{"signal":8,"trajectory":{"points":{"a":%s}}}',
                          b'{"content":{"coordinates":{"a":%s}}}', b'{"signal":2,"joints":%s}',
                          b'{"client":%s,"content":{"coordinates":[1,2,3,4]}}')) % inside


def _plausible(source: random.Random) -> tuple[str, bytes]:
    """Return a message as client or controller could have sent it, with anybody's name."""
    client = {'id': source.choice(('smallbot', 'smallbot', 'browser', ''))}
    numbers = [source.uniform(-160, 160) * source.choice((1, 1, 0.01, 1e6)) for _ in range(7)]
    topic = source.choice(TOPICS)
    if topic == 'metainfo':
        content = {'signal': source.choice((1, 2)), 'name': 'EDScorbot', 'joints': [
            {'minimum': low, 'maximum': low + source.uniform(0, 300)} for low in numbers]}
    elif topic == 'EDScorbot/moved':
        content = {'client': client, 'content': {'coordinates': numbers}, 'error': False}
    else:
        content = {'signal': source.randint(1, 13), 'client': client,
                   'point': {'coordinates': numbers},
                   'trajectory': {'points': [{'coordinates': numbers}]}}
    return topic, json.dumps(content).encode()


def message(source: random.Random) -> tuple[str, bytes]:
    """Return a topic and what somebody sends there."""
    topic = source.choice((*TOPICS, *TOPICS, 'elsewhere'))
    kind = source.randrange(6)
    if kind == 0:
        return topic, source.randbytes(source.choice((0, 1, 20, 3000)))
    if kind == 1:
        return topic, _deep(source)
    if kind == 2:
        return topic, json.dumps(_value(source)).encode()
    if kind == 3:
        topic, payload = _plausible(source)
        where = source.randrange(len(payload))
        return topic, payload[:where] + source.randbytes(1) + payload[where + 1:]
    return _plausible(source)


class Attack:
    """A session in use while somebody sends what he likes, and the network repeats and delays.

    What is wrong is counted by its kind in `faults`; only the session hears the stranger, as the
    arm's own controller ends with the first message that is none.
    """

    def __init__(self, bench: Bench, source: random.Random):
        self.bench, self.faults, self.sent = bench, [], 0
        self._source = source
        self._late: list[tuple[float, str, bytes]] = []
        self._last = None
        session = bench.session
        step = session.step

        def watched(now):
            out = step(now)
            for topic, payload in out:
                self._look(topic, payload)
                if source.random() < 0.1:
                    self._late.append((now + source.uniform(0, LATEST), topic, payload))
            return out
        session.step = watched

    def _fault(self, what: str) -> None:
        self.faults.append(what)

    def _look(self, topic: str, payload: bytes) -> None:
        """Check what leaves the driver."""
        session = self.bench.session
        if topic == 'metainfo':
            return
        asked = read_message(payload)
        if asked.signal is Signal.CONNECT:
            self._last = None
        if asked.signal is not Signal.APPLY_TRAJECTORY:
            return
        convention = session.settings.convention
        at = convention.position(np.array(asked.points[0][:len(JOINTS)]))
        whole = 2 * np.radians(1 / np.abs(convention.reference_per_degree))
        if (at > session.limits.upper + whole).any() or (at < session.limits.lower - whole).any():
            self._fault('a set-point beyond the limits')
        if self._last is not None and (
                np.abs(at - self._last) > session.limits.velocity * JUMP + whole).any():
            self._fault('a jump of the set-points')
        self._last = at

    def _hear(self, topic: str, payload: bytes) -> None:
        self.sent += 1
        try:
            said = self.bench.session.heard(topic, payload, self.bench.now)
            said.encode()
            if '\n' in said or len(said) > 300:
                self._fault('a text that is no line')
        except Exception as error:
            self._fault(f'{type(error).__name__} ends the driver')

    def run(self, seconds: float, rate: float, command) -> None:
        """Go on for `seconds`, with about `rate` of the stranger's messages in each 10 ms."""
        bench, source = self.bench, self._source
        for _ in range(round(100 * seconds)):
            for _ in range(source.randrange(round(2 * rate) + 1)):
                what = message(source)
                if source.random() < 0.3:
                    self._late.append((bench.now + source.uniform(0, LATEST), *what))
                else:
                    self._hear(*what)
            for late in [late for late in self._late if late[0] <= bench.now]:
                self._late.remove(late)
                self._hear(*late[1:])
            self._use()
            try:
                bench.tick(command)
            except WireError as error:
                raise AssertionError('the driver sends what cannot be read') from error
        session = bench.session
        for text in (session.trouble, session.stopped, session.refused, session.mover(bench.now)):
            if '\n' in text or len(text) > 400 or not text.isascii():
                self._fault('a text that is no line')
        step = session.__dict__.pop('step')
        if len(pickle.dumps(session)) > MEMORY:
            self._fault('a session that grows')
        session.step = step

    def _use(self) -> None:
        """Do now and then what a user may."""
        act = self._source.choice(('reset', 'home', 'release', *[''] * 300))
        if act:
            try:
                getattr(self.bench.session, act)(self.bench.now)
            except InputError:
                pass

    def recover(self) -> None:
        """Leave the arm alone, then bring it back to use as the driver's texts say."""
        bench = self.bench
        self._late.clear()
        bench.session.__dict__.pop('step')
        for _ in range(12):
            bench.run(3.0, [0.0, 0.0])
            if bench.session.phase is Phase.READY and not bench.session.stopped:
                return
            if 'take_over:=true' in bench.session.trouble:  # what the text says to do
                bench.session = Session(bench.session.arm, replace(
                    bench.session.settings, take_over=True))
                bench.session.online()
            for act in ('reset', 'home'):
                try:
                    getattr(bench.session, act)(bench.now)
                except InputError:
                    pass
        self._fault(f'no way back: {bench.session.phase.value}')
