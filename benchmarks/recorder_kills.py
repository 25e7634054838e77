# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Kills recorders at random moments of a recording, and looks at what they leave.

`python benchmarks/recorder_kills.py --kills 200 [--out FILE.json]`, with ROS 2.

Several recorders at once hear joint states at 100 Hz and are ended with SIGKILL, each at a moment
of its own within `--longest` s after `start`. What each leaves is read by smallbot, by the
`rosbags` library, which refuses an MCAP file that does not end with a footer, and, where it is
installed, by `mcap`. The loss is the time from the last state published before the kill to
the last in the bag.
"""

import argparse
import json
import os
from pathlib import Path
import random
import signal
import sys
import tempfile
import time

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'test' / 'nodes')]
RATE = 100
"""States a second."""


def read_by_all(bag: Path) -> tuple[dict[str, str], list[float]]:
    """Return why readers refuse a bag, by their names, and the stamps in it, s."""
    from rosbags.rosbag2 import Reader
    from rosbags.typesys import get_typestore, Stores

    from smallbot.demonstration.storage.bag_files import read_bag_files

    refused, stamps = {}, []
    store = get_typestore(Stores.LATEST)
    try:
        messages, _, remarks, _ = read_bag_files(bag, lambda *_: True)
        for message in messages:
            state = store.deserialize_cdr(message.content, message.kind)
            stamps.append(state.header.stamp.sec + 1e-9 * state.header.stamp.nanosec)
        if remarks:
            refused['smallbot'] = '; '.join(remarks)
    except Exception as error:
        refused['smallbot'] = repr(error)
    try:
        with Reader(bag) as reader:
            count = sum(1 for _ in reader.messages())
        if count != len(stamps):
            refused['rosbags'] = f'{count} messages, not {len(stamps)}'
    except Exception as error:
        refused['rosbags'] = repr(error)
    try:
        from mcap.reader import make_reader
    except ImportError:
        return refused, stamps
    try:
        with (bag / f'{bag.name}.mcap').open('rb') as stream:
            count = sum(1 for _ in make_reader(stream, validate_crcs=True).iter_messages())
        if count != len(stamps):
            refused['mcap'] = f'{count} messages, not {len(stamps)}'
    except Exception as error:
        refused['mcap'] = repr(error)
    return refused, stamps


class Round:
    """Recorders that hear the same joint states, each in a namespace and folder of its own."""

    def __init__(self, server, node, executor, folder: Path, count: int):
        from sensor_msgs.msg import JointState
        from std_srvs.srv import Trigger

        self.executor, self.kind = executor, JointState
        self.folders, self.processes, self.clients, self.publishers = [], [], [], []
        for number in range(count):
            space = f'k{random.SystemRandom().randrange(10 ** 9)}'
            self.folders.append(folder / f'{number}')
            self.folders[-1].mkdir(parents=True)
            self.processes.append(server.start(
                ['demo_recorder', '--ros-args', '-r', f'__ns:=/{space}', '-p',
                 f'bag_directory:={self.folders[-1] / "bags"}'], self.folders[-1] / 'log',
                dict(os.environ)))
            self.clients.append(node.create_client(Trigger, f'/{space}/demo_recorder/start'))
            self.publishers.append(node.create_publisher(JointState, f'/{space}/joint_states', 50))
        self._request = Trigger.Request()

    def wait(self, done, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, 'waited in vain'
            self.executor.spin_once(timeout_sec=0.01)

    def kill_at(self, moments: list[float]) -> list[tuple[Path, float]]:
        """Start all, kill each at its moment, s; returns its folder and its last state, s."""
        self.wait(lambda: all(c.service_is_ready() for c in self.clients)
                  and all(p.get_subscription_count() for p in self.publishers))
        time.sleep(0.3)
        answers = [client.call_async(self._request) for client in self.clients]
        self.wait(lambda: all(answer.done() for answer in answers))
        began, ended, last = time.monotonic(), {}, 0.0
        while len(ended) < len(moments):
            now = time.monotonic() - began
            for number, (moment, process) in enumerate(zip(moments, self.processes)):
                if number in ended:
                    continue
                if now >= moment:
                    process.send_signal(signal.SIGKILL)
                    ended[number] = last
                    continue
                message = self.kind(name=['base', 'shoulder'], position=[0.1 * now, -0.1 * now])
                message.header.stamp.sec = 1 + int(now)
                message.header.stamp.nanosec = int(now % 1 * 1e9)
                self.publishers[number].publish(message)
            last = now
            time.sleep(max(0.0, 1 / RATE - (time.monotonic() - began - now)))
        for process in self.processes:
            process.wait(30.0)
        return [(self.folders[number], 1 + ended[number]) for number in range(len(moments))]

    def close(self, node) -> None:
        for client in self.clients:
            node.destroy_client(client)
        for publisher in self.publishers:
            node.destroy_publisher(publisher)


def main() -> int:
    """Kill, read, print and return whether all could be read and little was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kills', type=int, default=200)
    parser.add_argument('--at-once', type=int, default=5)
    parser.add_argument('--longest', type=float, default=3.0, help='s')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--out', type=Path)
    options = parser.parse_args()
    os.environ.update(ROS_DOMAIN_ID=str(random.SystemRandom().randint(1, 100)),
                      ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST', OMP_NUM_THREADS='1',
                      PYTHONPATH=os.pathsep.join(filter(None, [
                          str(ROOT), os.environ.get('PYTHONPATH')])))
    from fork_server import ForkServer
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    rng = random.Random(options.seed)
    losses, refused, none = [], [], 0
    server = ForkServer()
    rclpy.init()
    node = rclpy.create_node('killer')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    with tempfile.TemporaryDirectory() as scratch:
        while len(losses) + none < options.kills:
            count = min(options.at_once, options.kills - len(losses) - none)
            folder = Path(scratch, str(len(losses) + none))
            each = Round(server, node, executor, folder, count)
            moments = [rng.uniform(0.02, options.longest) for _ in range(count)]
            for (place, last), moment in zip(each.kill_at(moments), moments):
                bags = sorted((place / 'bags').iterdir()) if (place / 'bags').is_dir() else []
                if len(bags) != 1:
                    none += 1
                    refused.append({'bags': f'{len(bags)}', 'moment': moment})
                    continue
                why, stamps = read_by_all(bags[0])
                if why:
                    refused.append({**why, 'moment': moment})
                losses.append(last - max(stamps, default=1.0))
            each.close(node)
            print(f'{len(losses) + none} kills, {len(refused)} refused, worst loss '
                  f'{max(losses, default=0):.3f} s', flush=True)
    server.close()
    rclpy.shutdown()
    result = {'kills': options.kills, 'refused': refused, 'no_bag': none,
              'loss_s': {'median': float(np.median(losses)), 'worst': max(losses)}
              if losses else {}}
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + '\n')
    return int(bool(refused) or max(losses, default=9) > 0.5)


if __name__ == '__main__':
    raise SystemExit(main())
