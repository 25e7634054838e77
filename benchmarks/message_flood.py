# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Floods a running node with messages, and asks it meanwhile for an answer.

    python benchmarks/message_flood.py --node arm_simulator --topic velocity_controller/commands

Says how many messages went out, how long each answer took, what the node's memory came to, and
how long it took to end on SIGINT.
"""

import argparse
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

KINDS = {'joint_states': JointState(name=['base', 'shoulder'], position=[0.0, 0.1, 0.2]),
         'velocity_controller/commands': Float64MultiArray(data=[0.0] * 3)}


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f'/proc/{pid}/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--node', default='arm_simulator')
    parser.add_argument('--topic', default='velocity_controller/commands', choices=KINDS)
    parser.add_argument('--service', default='reset')
    parser.add_argument('--count', type=int, default=1_000_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / 'log', 'wb') as log:
        running = subprocess.Popen([sys.executable, '-m', f'smallbot.nodes.{chosen.node}'],
                                   stdout=log, stderr=log, cwd=folder)
        rclpy.init()
        node = Node('flood')
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        client = node.create_client(Trigger, f'{chosen.node}/{chosen.service}')
        while not client.wait_for_service(1.0) and running.poll() is None:
            pass
        message = KINDS[chosen.topic]
        publisher = node.create_publisher(type(message), chosen.topic, 10)
        before, answers, future, asked = memory_mb(running.pid), [], None, 0.0
        began = time.monotonic()
        for number in range(chosen.count):
            publisher.publish(message)
            if number % 1000 == 0:
                executor.spin_once(timeout_sec=0)
                if future is None or future.done():
                    if future is not None:
                        answers.append(time.monotonic() - asked)
                    future, asked = client.call_async(Trigger.Request()), time.monotonic()
        took = time.monotonic() - began
        after, sent = memory_mb(running.pid), time.monotonic()
        running.send_signal(signal.SIGINT)
        code = running.wait(30)
        print(f'{chosen.node}: {chosen.count} messages on {chosen.topic} in {took:.0f} s, '
              f'{len(answers)} answers, the slowest after {max(answers, default=-1):.2f} s; '
              f'{before:.0f} MB before, {after:.0f} MB after; ended with {code} after '
              f'{time.monotonic() - sent:.2f} s; log of {(Path(folder) / "log").stat().st_size} '
              f'bytes')
    return 0 if code == 0 and answers else 1


if __name__ == '__main__':
    sys.exit(main())
