# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Stands in for a node whose middleware does not come back from shutting down."""

from collections import deque
from itertools import repeat
import time

from rclpy.node import Node

from smallbot.nodes.common.guarded import Guarded
from smallbot.nodes.common.spin import run


class Hanging(Guarded, Node):
    """Hangs when it is destroyed, with or without the interpreter in its hands."""

    def __init__(self):
        super().__init__('hanging')
        self._busy = self.declare_parameter('busy', False).value
        print('running', flush=True)

    def stop(self) -> None:
        """Say that all is stopped."""
        print('stopped', flush=True)

    def destroy_node(self) -> None:
        """Never return; busy, no other thread gets its turn."""
        if self._busy:
            deque(repeat(0), maxlen=0)
        while True:
            time.sleep(1.0)


if __name__ == '__main__':
    raise SystemExit(run(Hanging))
