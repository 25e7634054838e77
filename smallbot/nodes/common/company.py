# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Who else publishes where one node is expected to: two must not lead, or speak for, one arm.

Whoever has a publisher is known from the graph, within a tenth of a second. Who really speaks is
heard by an ear of its own that is open only where the graph knows more than one, by the publisher
that a message names: rclpy of Kilted and later says it, before that nobody counts as speaking.
Not here: what is done about it.
"""

from collections.abc import Callable
import time

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import JointState

from smallbot.nodes.common.messages import STATE

LOOK = 0.1
"""Time between two looks, s."""
WITHIN = 1.0
"""Time without being heard after which another is gone, s."""
ALIVE = 2.5
"""The same for a node that says once a second that it lives, s."""
MOST = 500
"""Messages listened to at a look."""


class Ear:
    """Hears who publishes on a topic, while there are several who could."""

    def __init__(self, node: Node, topic: str, kind: type,
                 counts: Callable[[object], bool] = lambda message: True,
                 clock: Callable[[], float] = time.monotonic):
        self.topic = topic
        self._node, self._kind, self._counts, self._clock = node, kind, counts, clock
        self._listener: Node | None = None
        self._subscription = None
        self._names: dict[bytes, str] = {}
        self._heard: dict[bytes, float] = {}
        self._last = b''
        self._mixed_at, self._mixed = -WITHIN, ('', '')

    def look(self) -> None:
        """Take what has been published since the last look."""
        infos = self._node.get_publishers_info_by_topic(self.topic)
        if len(infos) < 2:
            self.close()
            return
        if self._listener is None:
            self._listener = Node(f'{self._node.get_name()}_ear', context=self._node.context,
                                  namespace=self._node.get_namespace(), enable_rosout=False,
                                  use_global_arguments=False, start_parameter_services=False)
            # Never given to an executor: what is there is taken below.
            self._subscription = self._listener.create_subscription(
                self._kind, self.topic, lambda message: None, STATE)
        self._names = {bytes(info.endpoint_gid): named(info) for info in infos}
        now = self._clock()
        heard = self._subscription.handle
        with heard:
            for _ in range(MOST):
                taken = heard.take_message(self._kind, False)
                if taken is None:
                    break
                self._hear(*taken, now)

    def _hear(self, message, info: dict, now: float) -> None:
        gid = (info.get('publisher_gid') or {}).get('data')
        if gid is None or not self._counts(message):
            return
        if gid != self._last and now - self._heard.get(gid, -WITHIN) < WITHIN:
            # Heard before and after another: that one has not taken its place.
            self._mixed_at = now
            self._mixed = tuple(sorted(_name(self._names, one) for one in (gid, self._last)))
        self._heard[gid], self._last = now, gid

    def both(self) -> str:
        """Return the two who speak in turn; empty: there is one at most."""
        if self._clock() - self._mixed_at >= WITHIN:
            return ''
        one, other = self._mixed
        return f'two nodes named {one}' if one == other else f'{one} and {other}'

    def voices(self, name: str, within: float) -> int:
        """Return how many nodes of that full name have been heard in the last so many seconds."""
        now = self._clock()
        return sum(now - at < within and _name(self._names, gid) == name
                   for gid, at in self._heard.items())

    def close(self) -> None:
        """Stop listening and forget."""
        if self._listener is not None:
            self._listener.destroy_node()
        self._listener = self._subscription = None
        self._heard, self._last, self._mixed_at = {}, b'', -WITHIN


class Rivals:
    """Who else has a publisher where only this node should, at work or not.

    A node of the same name that was killed stays in the graph for 20 s. If it speaks on
    `/diagnostics`, where each of us does once a second, it lives.
    """

    def __init__(self, node: Node, topic: str, clock: Callable[[], float] = time.monotonic):
        self.topic = topic
        self._node, self._clock = node, clock
        self._self = named_node(node.get_name(), node.get_namespace())
        self._pulse = Ear(node, '/diagnostics', DiagnosticArray, clock=clock)
        self._twin_since: float | None = None

    def names(self) -> list[str]:
        """Return who else, by name; empty: nobody."""
        found = [named(info) for info in self._node.get_publishers_info_by_topic(self.topic)]
        others = sorted({name for name in found if name != self._self})
        if found.count(self._self) < 2:
            self._twin_since = None
            self._pulse.close()
            return others
        now = self._clock()
        self._twin_since = now if self._twin_since is None else self._twin_since
        self._pulse.look()
        if now - self._twin_since < ALIVE or self._pulse.voices(self._self, ALIVE) != 1:
            others.append(f'another {self._self}')
        return others

    def close(self) -> None:
        """Stop listening."""
        self._pulse.close()


class Company:
    """Who disturbs a controller: others that command the arm, or that say where it is."""

    def __init__(self, node: Node, commands: str, states: str, joints: tuple[str, ...]):
        """`joints` are those of which one alone may say on topic `states` where they are."""
        self._joints = joints
        self._rivals = Rivals(node, commands)
        self._states = Ear(node, states, JointState, self._tells)

    def look(self) -> str:
        """Return in a line who disturbs and what to do about it; empty: nobody."""
        found = []
        if names := self._rivals.names():
            found.append(f'{" and ".join(names)} can also command on {self._rivals.topic}: end '
                         f'it, two must not lead one arm')
        self._states.look()
        if both := self._states.both():
            found.append(f'{both} both say on {self._states.topic} where '
                         f'{", ".join(self._joints)} are: end one of them')
        return '; '.join(found)

    def _tells(self, message: JointState) -> bool:
        return not set(self._joints).isdisjoint(message.name)

    def close(self) -> None:
        """Stop listening."""
        self._rivals.close()
        self._states.close()


def named(info) -> str:
    """Return the full name of the node that an endpoint of the graph belongs to."""
    return named_node(info.node_name, info.node_namespace)


def named_node(name: str, namespace: str) -> str:
    """Return the full name of a node."""
    return f'{namespace.rstrip("/")}/{name}'


def _name(names: dict[bytes, str], gid: bytes) -> str:
    """Return who publishes under an identity; the graph's may be longer."""
    found = [name for own, name in names.items() if own[:len(gid)] == gid]
    return found[0] if found else 'a node that has gone'
