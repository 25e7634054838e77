"""Running nodes so that they can be stopped: the last thing an arm hears is zero.

rclpy's own signal handlers invalidate the context before any clean-up runs, and with it every
publisher. So signals only set an event here; the node's `stop` then still has a living context.
"""

from collections.abc import Callable, Sequence
import signal
import sys
import threading
from typing import Protocol

import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from smallbot.errors import InputError

SPIN = 0.05
"""Longest wait of an executor before it looks whether to stop, s."""
SWITCH = 0.0005
"""Python's thread switch interval, s: a control thread must not wait 5 ms for its turn."""


class Stoppable(Protocol):
    """What every node of smallbot offers beyond `rclpy.node.Node`."""

    threads: int
    """Callbacks that may run at the same time; 1 for all whose callbacks return at once."""

    def stop(self) -> None:
        """Leave everything in order; the context is still valid, the executor no longer spins."""


def executor_for(node: Node, context: Context):
    """Return an executor with as many threads as the node's callbacks need."""
    executor = (SingleThreadedExecutor(context=context) if node.threads == 1
                else MultiThreadedExecutor(node.threads, context=context))
    executor.add_node(node)
    return executor


def run(make_node: Callable[[], Node], name: str, args: Sequence[str] | None = None) -> int:
    """Run one node until SIGINT or SIGTERM; returns the exit code of its process.

    0: asked to stop, or the node set its `exit_code`; 1: a callback failed; 2: bad parameters,
    with one line on stderr. Whatever happens, the node's `stop` runs with a living context.
    """
    asked = threading.Event()
    earlier = {number: signal.signal(number, lambda *_: asked.set())
               for number in (signal.SIGINT, signal.SIGTERM)}
    sys.setswitchinterval(SWITCH)
    try:
        return _run(make_node, name, args, asked)
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _run(make_node: Callable[[], Node], name: str, args: Sequence[str] | None,
         asked: threading.Event) -> int:
    node = executor = None
    try:
        try:
            rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        except RuntimeError as error:  # arguments that ROS does not understand
            print(f'{name}: {str(error).splitlines()[0]}', file=sys.stderr)
            return 2
        try:
            node = make_node()
        except InputError as error:
            print(f'{name}: {error}', file=sys.stderr)
            return 2
        executor = executor_for(node, rclpy.get_default_context())
        while not asked.is_set() and getattr(node, 'exit_code', None) is None:
            executor.spin_once(timeout_sec=SPIN)
        return getattr(node, 'exit_code', None) or 0
    finally:
        if node is not None:
            node.stop()
            if executor is not None:
                executor.shutdown(timeout_sec=1.0)
            node.destroy_node()
        rclpy.try_shutdown()


class NodeHost:
    """Several nodes in one process, each spun by a thread of its own.

    Use as a context manager around nodes that were made with `host.context`::

        with NodeHost(args) as host:
            host.add(ArmSimulator(context=host.context))
            ...

    On leaving, threads end, then every node's `stop` runs, last added first. Installs no signal
    handlers: Ctrl-C stays the caller's KeyboardInterrupt, which leaves the block.
    """

    def __init__(self, args: Sequence[str] | None = None):
        self.context = Context()
        self._args = list(args) if args is not None else []
        self._running: list[tuple[Node, object, threading.Thread]] = []
        self._ending = threading.Event()
        self.failure: BaseException | None = None
        """What a node's callback raised, if one did; that node no longer runs."""

    def __enter__(self) -> 'NodeHost':
        """Initialise the context."""
        rclpy.init(args=self._args, context=self.context,
                   signal_handler_options=SignalHandlerOptions.NO)
        self._switch = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH)
        return self

    def add(self, node: Node) -> Node:
        """Spin `node` from now on; returns it."""
        executor = executor_for(node, self.context)
        thread = threading.Thread(target=self._spin, args=(executor,), daemon=True,
                                  name=node.get_name())
        self._running.append((node, executor, thread))
        thread.start()
        return node

    def _spin(self, executor) -> None:
        try:
            while not self._ending.is_set():
                executor.spin_once(timeout_sec=SPIN)
        except ExternalShutdownException:
            pass
        except Exception as failure:
            self.failure = failure
            raise

    def __exit__(self, *_) -> None:
        """Stop all nodes in order and shut the context down."""
        self._ending.set()
        try:
            for _, _, thread in self._running:
                thread.join(timeout=5.0)
            for node, executor, _ in reversed(self._running):
                node.stop()
                executor.shutdown(timeout_sec=1.0)
            for node, _, _ in reversed(self._running):
                node.destroy_node()
        finally:
            rclpy.try_shutdown(context=self.context)
            sys.setswitchinterval(self._switch)
