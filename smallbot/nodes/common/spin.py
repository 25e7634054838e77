# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Running nodes so that they can be stopped: the last thing an arm hears is zero.

rclpy's own signal handlers invalidate the context before any clean-up runs, and with it every
publisher. So signals only set an event here; a node's `stop` then still has a living context.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
import sys
import threading
import time

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from smallbot.errors import InputError
from smallbot.nodes.common.ending import (
    end_at_once,
    ended,
    leave_within,
    MIDDLEWARE,
    stop_event,
)
from smallbot.nodes.common.guarded import Guarded

try:  # half the work for each message, which counts where nodes share an interpreter
    from rclpy.experimental import EventsExecutor as HostedExecutor
except ImportError:  # Humble, and Jazzy before 7.1.4
    from rclpy.executors import SingleThreadedExecutor as HostedExecutor

SPIN = 0.05
"""Longest wait of an executor before it looks whether to stop, s."""
MOST_FAILURES = 20
"""Failures of the middleware one after another, none of them a callback's, that end a node."""


def spin(node: Guarded, executor: SingleThreadedExecutor, ending: Callable[[], bool]) -> None:
    """Spin a node until `ending`.

    What fails outside its callbacks, as an answer to somebody who has gone, is reported and gone
    on from; raised when it does not cease.
    """
    failures = 0
    while not ending():
        try:
            executor.spin_once(timeout_sec=SPIN)
            failures = 0
        except Exception as error:
            failures += 1
            if failures > MOST_FAILURES or not node.context.ok():
                raise
            node.failed('executor', error)


def run(make_node: Callable[[], Guarded], arguments: Sequence[str] | None = None) -> int:
    """Run one node until SIGINT or SIGTERM; returns the exit code of its process.

    0: asked to stop; 2: arguments or parameters that cannot be used, with one line on stderr.
    Signals that come before the node is made end the process at once, as nothing moves yet.
    Whatever happens, the node's `stop` runs with a living context; what then hangs in the
    middleware is left after 3 s.
    """
    end_at_once()
    return ended(_run(make_node, arguments))


def _run(make_node: Callable[[], Guarded], arguments: Sequence[str] | None) -> int:
    node = None
    executor = None
    code = 1  # of an exception that nobody catches
    try:
        try:
            rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        except RuntimeError as error:  # ROS arguments that rcl does not understand
            print(str(error).splitlines()[0], file=sys.stderr)
            return 2
        try:
            node = make_node()
        except InputError as error:
            print(' '.join(str(error).split()), file=sys.stderr)
            return 2
        asked = stop_event()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        spin(node, executor, asked.is_set)
        code = 0
        return code
    finally:
        if node is not None:
            node.stop()
            leave_within(MIDDLEWARE, code)
            if executor is not None:
                executor.shutdown(timeout_sec=1.0)
            node.destroy_node()
        rclpy.try_shutdown()


class Onlooker:
    """A node that looks at what runs, and is spun only while it waits."""

    def __init__(self, node: Node, executor: SingleThreadedExecutor):
        self.node = node
        self._executor = executor

    def wait(self, seconds: float, done: Callable[[], object] = lambda: False) -> bool:
        """Spin for `seconds`, or until `done`; returns whether it is."""
        deadline = time.monotonic() + seconds
        while not done() and time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=SPIN)
        return bool(done())


@contextmanager
def onlooker(name: str) -> Iterator[Onlooker]:
    """Yield an onlooker with a context of its own; signals stay as they are."""
    context = Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = Node(name, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield Onlooker(node, executor)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


class Hosted:
    """Several nodes in one process, each spun by a thread of its own while the block lasts.

    The caller initialises and shuts down rclpy. On leaving, the threads end first, then every
    node is stopped and destroyed, in the order given.
    """

    def __init__(self, nodes: Sequence[Guarded]):
        self.failures: list[str] = []
        """What ended a node, with the node's name; what its callbacks raise does not."""
        self._ending = threading.Event()
        self._nodes = list(nodes)
        self._executors = []
        self._threads = []
        for node in self._nodes:
            executor = HostedExecutor(context=node.context)
            executor.add_node(node)
            self._executors.append(executor)
            self._threads.append(threading.Thread(
                target=self._spin, args=(node, executor), daemon=True, name=node.get_name()))

    def __enter__(self) -> 'Hosted':
        """Start the threads."""
        for thread in self._threads:
            thread.start()
        return self

    def _spin(self, node: Guarded, executor: HostedExecutor) -> None:
        try:
            spin(node, executor, self._ending.is_set)
        except Exception as failure:  # reported to whoever leads; the block then ends
            self.failures.append(f'{node.get_name()}: {failure!r}')

    def __exit__(self, *_) -> None:
        """End the threads, stop the nodes, destroy them."""
        self._ending.set()
        for thread in self._threads:
            thread.join(timeout=5.0)
        for node in self._nodes:
            node.stop()
        for node, executor in zip(self._nodes, self._executors):
            executor.shutdown(timeout_sec=1.0)
            node.destroy_node()
