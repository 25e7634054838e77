# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A client of an MQTT broker that keeps what came within bounds, and nothing that could not go.

The network has a thread of its own; what it hears waits in a queue. Not here: what the messages
mean, which broker it is (`broker`), what a fault means (`faults`).
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
import queue
import secrets
import socket
import ssl
import sys
import threading
import time

from smallbot.ed_scorbot.network.broker import Broker
from smallbot.ed_scorbot.network.faults import (
    hung_up,
    refused,
    RUNNING,
    subscription_refused,
    unreachable,
)
from smallbot.errors import InputError

CLOSING = 1.0
"""How long a goodbye may take, s."""
KEEPALIVE = 10
"""Silence after which client and broker ask whether the other still lives, s."""
LONGEST = 1 << 17
"""Bytes of the longest message that is kept: a trajectory of some 2500 points. Those that matter
to a driver have 500 at most."""
MOST = 1000
"""Events that wait at most; messages that come then are not kept."""
MOST_BYTES = 1 << 21
"""Bytes of messages that wait at most."""
DENIED = 128
"""Answers to SUBSCRIBE from which on they mean no."""
PAHO_MISSING = ('paho-mqtt is not installed: `pip install paho-mqtt`, or '
                '`apt install python3-paho-mqtt`')


@dataclass(frozen=True)
class Event:
    """What has happened on a link: it came up, went down, or heard a message."""

    kind: str
    """online, offline or message."""
    topic: str = ''
    payload: bytes = b''
    reason: str = ''
    cure: str = ''


def _lasting(client: type) -> type:
    """Return paho's client such that a fault of TLS does not end its thread, as 1.6 lets it."""
    class Lasting(client):

        def loop_read(self, *arguments):
            try:
                return super().loop_read(*arguments)
            except ssl.SSLError:
                with suppress(OSError):  # the other side may be gone
                    self.socket().shutdown(socket.SHUT_RDWR)  # the next read finds the end
                return 0
    return Lasting


class MqttLink:
    """Subscribed to `topics` of a broker for as long as it lives; reconnects by itself.

    A broker that cannot be reached as it was asked for is never tried in another way.
    """

    def __init__(self, broker: Broker, topics: Sequence[str], qos: int = 0):
        """Begin to connect; raises InputError where paho-mqtt or a certificate is missing.

        Messages are published with `qos`; 0 also means that one that cannot go at once is lost
        instead of going later, as a set-point must.
        """
        try:
            import paho.mqtt.client as paho
        except ImportError:
            raise InputError(PAHO_MISSING) from None
        self.where = broker.where
        self.dropped = 0
        """Messages that were too long, or too many, to be kept."""
        self._broker = broker
        self._qos = qos
        self._topics = list(topics)
        # Not SimpleQueue: a signal at the end of its wait makes CPython 3.11 wait for ever.
        self._events: queue.Queue[Event] = queue.Queue()
        self._waiting = 0
        self._lock = threading.Lock()
        self._state = 'none'
        # Debian's and Ubuntu's packages are paho 1.6, which does not know the argument.
        version = getattr(paho, 'CallbackAPIVersion', None)
        self._client = _lasting(paho.Client)(*([version.VERSION2] if version else []),
                                             client_id=f'smallbot-{secrets.token_hex(8)}')
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_socket_open = self._on_socket_open
        self._client.reconnect_delay_set(1, 2)
        encryption = broker.encryption()
        if encryption is not None:
            self._client.tls_set_context(encryption)
        if broker.user:
            self._client.username_pw_set(broker.user, broker.password or None)
        self._client.connect_async(broker.host, broker.port, keepalive=KEEPALIVE)
        self._client.loop_start()

    def events(self) -> Iterator[Event]:
        """Yield what has happened and not been taken yet, oldest first."""
        while (event := self._next(0.0)) is not None:
            yield event

    def wait(self, seconds: float) -> list[Event]:
        """Return what has happened, waiting up to `seconds` for the first of it."""
        first = self._next(seconds)
        return [] if first is None else [first, *self.events()]

    def reach(self, seconds: float, missing: str) -> None:
        """Wait until the broker is there; raises InputError, with why not, after `seconds`.

        `missing` is what to say where nobody answers at all.
        """
        deadline, fault = time.monotonic() + seconds, None
        while (event := self._next(deadline - time.monotonic())) is not None:
            if event.kind == 'online':
                return
            fault = event
        if fault is None or fault.cure == RUNNING:
            raise InputError(missing)
        raise InputError(f'{fault.reason}: {fault.cure}')

    def _next(self, seconds: float) -> Event | None:
        """Return the oldest event, waiting up to `seconds` for it; None: there is none."""
        try:
            event = self._events.get(timeout=max(seconds, 0.0))
        except queue.Empty:
            return None
        with self._lock:
            self._waiting -= len(event.payload)
        return event

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send a message; returns False, and it is forgotten, where there is no connection."""
        if not self._client.is_connected():
            return False
        return self._client.publish(topic, payload, qos=self._qos).rc == 0

    def close(self) -> None:
        """Say goodbye and end the thread; what has been published is on its way before.

        Paho waits for ever where the broker hangs; that is left to a thread that may be lost.
        """
        def end() -> None:
            self._client.disconnect()
            self._client.loop_stop()
        ending = threading.Thread(target=end, daemon=True)
        ending.start()
        ending.join(CLOSING)

    def _offline(self, reason: str, cure: str) -> None:
        self._events.put(Event('offline', reason=reason, cure=cure))

    def _on_connect(self, client, _, __, code, *___) -> None:
        if code != 0:
            self._state = 'refused'
            self._offline(*refused(self._broker, code))
            return
        self._state = 'online'
        client.subscribe([(topic, 0) for topic in self._topics])
        self._events.put(Event('online'))

    def _on_connect_fail(self, *_) -> None:
        # Called where the exception is being handled, which is not handed over.
        self._offline(*unreachable(self._broker, sys.exc_info()[1]))

    def _on_subscribe(self, _, __, ___, codes, *____) -> None:
        if any(getattr(code, 'value', code) >= DENIED for code in codes):
            self._offline(*subscription_refused(self._broker))

    def _on_disconnect(self, *_) -> None:
        before, self._state = self._state, 'none'
        if before == 'online':
            self._offline(f'connection to broker {self.where} lost', RUNNING)
        elif before == 'none':  # refused has been said already
            self._offline(*hung_up(self._broker))

    def _on_message(self, _, __, message) -> None:
        if message.retain:  # nothing of this protocol is retained; what is, is stale
            return
        size = len(message.payload)
        with self._lock:
            if (size > LONGEST or self._waiting + size > MOST_BYTES
                    or self._events.qsize() >= MOST):
                self.dropped += 1
                return
            self._waiting += size
        self._events.put(Event('message', message.topic, bytes(message.payload)))

    def _on_socket_open(self, _, __, sock) -> None:
        if isinstance(sock, socket.socket):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
