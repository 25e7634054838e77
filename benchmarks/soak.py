# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Wears the nodes in, each a process of its own over DDS, and looks at what grows.

    python benchmarks/soak.py [--cycles 100] [--minutes 60] [--json FILE]

A cycle shows a short movement through `guide`, records it, learns it, plays it and forgets it;
then one movement is learned and played over and over. After every cycle and once a minute /proc
tells memory (resident), threads and open files of each process. The cadence is the time between
commands while a movement is played, from the clock of the controller as they leave it. Prints the
tables of docs: the beginning is after the third cycle, when everything has been loaded.
"""

import argparse
from collections.abc import Callable
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')

from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
import rclpy  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Float32MultiArray, Float64MultiArray  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from smallbot.arm.kinematics import default_arm  # noqa: E402
from smallbot.files.writing import write_json  # noqa: E402
from smallbot.nodes.common.messages import (  # noqa: E402
    joint_positions,
    LATCHED,
    RELIABLE,
    STATE,
    STREAM,
    to_trajectory,
)

NODES = {'snn_controller': ['allow_poor:=true'], 'one_shot_learner': [],
         'demo_recorder': ['bag_directory:={folder}/bags'], 'trajectory_display': [],
         'arm_simulator': []}
WARM = 3
"""Cycles after which the beginning is taken."""
SHORT, LONG = 1.2, 5.0
"""Durations of the movements that are forgotten, and of the one that is played on, s."""
PATIENCE = 60.0
"""How long to wait for anything, s."""
ARM = default_arm()


def movement(seconds: float, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return time [S], s, and positions [S, 2], rad, there in even numbers and back in odd."""
    time_ = np.arange(0, seconds + 1e-9, 0.01)
    way = (1 - np.cos(np.pi * time_ / seconds)) / 2
    way = way if number % 2 == 0 else 1 - way
    return time_, np.stack([0.05 + 0.3 * way, 0.3 * np.sin(np.pi * way) - 0.05], axis=1)


def taken(pid: int) -> dict[str, float]:
    """Return what a process holds: memory, MB, threads and open files."""
    status = dict(line.split(':', 1) for line in Path(f'/proc/{pid}/status').read_text(
        ).splitlines() if ':' in line)
    return {'memory': int(status['VmRSS'].split()[0]) / 1024, 'threads': int(status['Threads']),
            'files': len(os.listdir(f'/proc/{pid}/fd'))}


class Soak:
    """Leads the nodes from outside, as a user would."""

    def __init__(self, folder: Path):
        self.space = f'/soak_{os.getpid()}'
        self.node = Node('soak', namespace=self.space)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self.processes = {name: subprocess.Popen(
            [sys.executable, '-m', f'smallbot.nodes.{name}', '--ros-args', '-r',
             f'__ns:={self.space}', '--log-level', 'warn',
             *(part for given in parameters
               for part in ('-p', given.format(folder=folder)))], cwd=folder)
            for name, parameters in NODES.items()}
        self.position: np.ndarray | None = None
        self.phase, self.reason, self.traces = '', '', 0
        self._sent: list[int] = []
        self.courses: list[np.ndarray] = []
        """Of every playback the times between commands, s."""
        self.halts: list[str] = []
        self._guide = self.node.create_publisher(JointTrajectory, 'guide', RELIABLE)
        self.node.create_subscription(JointState, 'joint_states', self._on_state, STATE)
        self.node.create_subscription(DiagnosticStatus, 'progress', self._on_progress, LATCHED)
        self.node.create_subscription(Float32MultiArray, 'eligibility', self._on_traces, LATCHED)
        self.node.create_subscription(Float64MultiArray, 'velocity_controller/commands',
                                      self._on_command, STREAM)
        self._clients = {name: self.node.create_client(Trigger, name) for name in (
            'demo_recorder/start', 'demo_recorder/stop', 'one_shot_learner/learn',
            'snn_controller/execute', 'snn_controller/forget', 'snn_controller/reset')}
        self._wait(lambda: all(client.service_is_ready() for client in self._clients.values())
                   and self._guide.get_subscription_count() and self.traces, 'the nodes')

    def _on_state(self, message: JointState) -> None:
        self.position = joint_positions(message, ARM.driven)

    def _on_progress(self, message: DiagnosticStatus) -> None:
        self.phase = message.message
        self.reason = {pair.key: pair.value for pair in message.values}.get('reason', '')

    def _on_traces(self, _) -> None:
        self.traces += 1

    def _on_command(self, _, info: dict) -> None:
        if self.phase == 'playing':
            self._sent.append(info['source_timestamp'])

    def _wait(self, done: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while not done():
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise SystemExit(f'{name} ended with {process.returncode}')
            if time.monotonic() > deadline:
                raise SystemExit(f'waited in vain for {what}')
            self._executor.spin_once(timeout_sec=0.05)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self._wait(lambda: time.monotonic() > until, 'time to pass', seconds + 1)

    def call(self, name: str) -> Trigger.Response:
        future = self._clients[name].call_async(Trigger.Request())
        self._wait(future.done, name)
        return future.result()

    def must(self, name: str) -> None:
        answer = self.call(name)
        if not answer.success:
            raise SystemExit(f'{name}: {answer.message}')

    def show(self, seconds: float, number: int) -> None:
        """Record a movement that the arm is guided through."""
        time_, path = movement(seconds, number)

        def there(pose: np.ndarray) -> bool:
            return self.position is not None and np.abs(self.position - pose).max() < 5e-3
        self._guide.publish(to_trajectory(ARM.driven, np.array([0.0, 0.5]),
                                          np.stack([path[0]] * 2)))
        self._wait(lambda: there(path[0]), 'the arm at the start')
        self._pause(0.2)
        self.must('demo_recorder/start')
        self._guide.publish(to_trajectory(ARM.driven, time_, path))
        self._pause(seconds)
        self._wait(lambda: there(path[-1]), 'the arm at the end')
        self.must('demo_recorder/stop')

    def learn(self) -> None:
        """Learn what was shown, once the learner has the traces too."""
        def learned() -> bool:
            answer = self.call('one_shot_learner/learn')
            return answer.success or self._pause(0.1)
        self._wait(learned, 'the update')

    def play(self) -> None:
        """Play what was learned; keeps the cadence."""
        self.phase, self._sent = '', []
        self.must('snn_controller/execute')
        self._wait(lambda: self.phase in ('done', 'halted'), 'the end of the playback')
        if self.phase == 'halted':  # as on a machine that has other things to do
            self.halts.append(self.reason)
            print(f'halted: {self.reason}', flush=True)
            self._wait(lambda: self.call('snn_controller/reset').success or self._pause(0.1),
                       'the end of braking')
        else:
            self.courses.append(np.diff(self._sent) * 1e-9)

    def forget(self) -> None:
        """Forget it and wait for the traces of the initial weights."""
        before = self.traces
        self.must('snn_controller/forget')
        self._wait(lambda: self.traces > before, 'new traces')

    def taken(self) -> dict[str, dict[str, float]]:
        return {name: taken(process.pid) for name, process in self.processes.items()}

    def end(self) -> dict[str, int]:
        """End the nodes; returns their exit codes."""
        for process in self.processes.values():
            process.send_signal(signal.SIGINT)
        return {name: process.wait(30.0) for name, process in self.processes.items()}


def cadence(courses: list[np.ndarray]) -> dict[str, float]:
    """Return median, 99th percentile and longest time between commands, ms."""
    times = 1000 * np.concatenate(courses)
    return {'p50': float(np.median(times)), 'p99': float(np.percentile(times, 99)),
            'worst': float(times.max())}


def tables(result: dict) -> str:
    """Return what is for docs."""
    moments = {name: result[name] for name in ('begin', 'cycled', 'played') if name in result}
    lines = ['| process | ' + ' | '.join(f'{what}, {moment}' for what in (
        'memory, MB', 'threads', 'open files') for moment in moments) + ' |',
        '|---' * (1 + 3 * len(moments)) + '|']
    for name in NODES:
        lines.append(f'| `{name}` | ' + ' | '.join(
            f'{taken[name][what]:.{1 if what == "memory" else 0}f}'
            for what in ('memory', 'threads', 'files') for taken in moments.values()) + ' |')
    lines += ['', '| time between commands, ms | p50 | p99 | worst |', '|---|---|---|---|']
    for name, of in result['cadence'].items():
        lines.append(f'| {name} | {of["p50"]:.2f} | {of["p99"]:.2f} | {of["worst"]:.2f} |')
    return '\n'.join(lines)


def main() -> int:
    """Soak, and print what grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--cycles', type=int, default=100)
    parser.add_argument('--minutes', type=float, default=60.0)
    parser.add_argument('--json', type=Path)
    options = parser.parse_args()
    os.environ['ROS_DOMAIN_ID'] = str(random.SystemRandom().randint(1, 100))
    os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, [
        str(ROOT), os.environ.get('PYTHONPATH')]))
    rclpy.init()
    result: dict = {'cycles': options.cycles, 'minutes': options.minutes, 'each': []}
    with tempfile.TemporaryDirectory(prefix='smallbot_soak_') as scratch:
        soak = Soak(Path(scratch))
        began = time.monotonic()

        def note(what: str) -> None:
            held = soak.taken()
            result['each'].append({'what': what, 'seconds': time.monotonic() - began, **held})
            print(f'{time.monotonic() - began:7.1f} s {what:12}', *(
                f'{name} {of["memory"]:.1f} MB {of["threads"]:.0f}/{of["files"]:.0f}'
                for name, of in held.items()), flush=True)
        try:
            for number in range(options.cycles):
                soak.show(SHORT, number)
                soak.learn()
                soak.play()
                soak.forget()
                note(f'cycle {number + 1}')
                if number == min(WARM, options.cycles) - 1:
                    result['begin'] = soak.taken()
            result['cycled'] = soak.taken()
            some = max(len(soak.courses) // 10, 1)
            result['cadence'] = {f'first {some} cycles': cadence(soak.courses[:some]),
                                 f'last {some} cycles': cadence(soak.courses[-some:])}
            if options.minutes > 0:
                soak.show(LONG, 0)
                soak.learn()
                soak.courses, until = [], time.monotonic() + 60 * options.minutes
                minute = time.monotonic()
                while time.monotonic() < until:
                    soak.play()
                    if time.monotonic() > minute:
                        note(f'play {len(soak.courses)}')
                        minute += 60
                result['played'], result['plays'] = soak.taken(), len(soak.courses)
                some = max(len(soak.courses) // 10, 1)
                result['cadence'] |= {f'first {some} plays': cadence(soak.courses[:some]),
                                      f'last {some} plays': cadence(soak.courses[-some:])}
        finally:
            codes = soak.end()
        result['exit_codes'], result['halts'] = codes, soak.halts
    rclpy.shutdown()
    print(tables(result))
    if options.json:
        write_json(options.json, result)
    print(f'\n{len(result["halts"])} playbacks halted; exit codes {codes}')
    return int(any(codes.values()))


if __name__ == '__main__':
    raise SystemExit(main())
