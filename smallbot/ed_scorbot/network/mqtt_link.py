"""A client of an MQTT broker that loses nothing that came and keeps nothing that could not go.

The network has a thread of its own; what it hears waits in a queue. Not here: what the messages
mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import queue
import socket
import threading

from smallbot.errors import InputError

CLOSING = 1.0
"""How long a goodbye may take, s."""
KEEPALIVE = 10
"""Silence after which client and broker ask whether the other still lives, s."""
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


class MqttLink:
    """Subscribed to `topics` of a broker for as long as it lives; reconnects by itself."""

    def __init__(self, host: str, port: int, topics: Sequence[str], qos: int = 0):
        """Begin to connect; raises InputError where paho-mqtt is missing.

        Messages are published with `qos`; 0 also means that one that cannot go at once is lost
        instead of going later, as a set-point must.
        """
        try:
            import paho.mqtt.client as paho
        except ImportError:
            raise InputError(PAHO_MISSING) from None
        self.where = f'{host}:{port}'
        self._qos = qos
        self._topics = list(topics)
        # Not SimpleQueue: a signal at the end of its wait makes CPython 3.11 wait for ever.
        self._events: queue.Queue[Event] = queue.Queue()
        # Debian's and Ubuntu's packages are paho 1.6, which does not know the argument.
        version = getattr(paho, 'CallbackAPIVersion', None)
        self._client = paho.Client(*([version.VERSION2] if version else []))
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_socket_open = self._on_socket_open
        self._client.reconnect_delay_set(1, 2)
        try:
            self._client.connect_async(host, port, keepalive=KEEPALIVE)
        except ValueError as error:
            raise InputError(f'broker {self.where}: {error}') from None
        self._client.loop_start()

    def events(self) -> list[Event]:
        """Return what has happened since the last call, oldest first."""
        found = []
        while True:
            try:
                found.append(self._events.get_nowait())
            except queue.Empty:
                return found

    def wait(self, seconds: float) -> list[Event]:
        """Return what has happened, waiting up to `seconds` for the first of it."""
        try:
            first = self._events.get(timeout=max(seconds, 0.0))
        except queue.Empty:
            return []
        return [first, *self.events()]

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

    def _on_connect(self, client, _, __, code, *___) -> None:
        if code != 0:
            self._events.put(Event('offline', reason=f'broker {self.where} refuses: {code}'))
            return
        client.subscribe([(topic, 0) for topic in self._topics])
        self._events.put(Event('online'))

    def _on_disconnect(self, *_) -> None:
        self._events.put(Event('offline', reason=f'connection to broker {self.where} lost'))

    def _on_message(self, _, __, message) -> None:
        if not message.retain:  # nothing of this protocol is retained; what is, is stale
            self._events.put(Event('message', message.topic, bytes(message.payload)))

    def _on_socket_open(self, _, __, sock) -> None:
        if isinstance(sock, socket.socket):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
