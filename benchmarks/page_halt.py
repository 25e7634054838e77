# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""How long the page takes from the space bar to an arm that is told zero, and what it costs.

Starts the real nodes (controller, learner, simulator: processes over DDS on loopback), the page
and a browser; a movement is played again and again, and halted by the space bar at moments drawn
at random. Times are from the key event in the browser to the first command after which the arm
only gets slower (braking has begun), and to the first zero; braking itself takes what the arm's
acceleration allows. Then the movement is played without a page, with three that only listen, and
with three in browsers on this very machine, and the controller's cadence is read off its
diagnostics. Needs the extras [page] and [test], and chromium.
"""

import argparse
import json
import os
from pathlib import Path
import random
import subprocess
import sys
import tempfile
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'test')]

from page.browsing import CHROMIUM, FLAGS, Looker, playwright  # noqa: E402
from page.program import Program  # noqa: E402

NODES = ('arm_simulator', 'snn_controller', 'one_shot_learner')
ANGLES = np.linspace(0, 2 * np.pi, 150)
STROKE = np.stack([0.12 * np.sin(2 * ANGLES), 0.12 * np.sin(ANGLES), ANGLES / 2], 1).tolist()
KEYS = """addEventListener('keydown', event => {
    if (event.code === 'Space') window.keyAt = performance.timeOrigin + event.timeStamp;
}, {capture: true});"""


class Listener(Node):
    """Hears commands with the time of this machine's clock, and the diagnostics."""

    def __init__(self):
        super().__init__('listener')
        self.commands: list[tuple[float, float]] = []
        """Time, s since 1970, and largest velocity, rad/s."""
        self.cadence: dict[str, str] = {}
        self.phase = ''
        self.create_subscription(Float64MultiArray, 'velocity_controller/commands',
                                 self._command, QoSProfile(depth=100))
        self.create_subscription(DiagnosticArray, '/diagnostics', self._diagnostics, 10)
        self.create_subscription(DiagnosticStatus, 'progress', self._progress, 10)
        self.calls = {name: self.create_client(Trigger, f'snn_controller/{name}')
                      for name in ('execute', 'reset')}

    def _command(self, message: Float64MultiArray) -> None:
        self.commands.append((time.time(), max(map(abs, message.data))))

    def _progress(self, message: DiagnosticStatus) -> None:
        self.phase = message.message

    def _diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == 'snn_controller: playback':
                self.cadence = {pair.key: pair.value for pair in status.values}

    def call(self, name: str) -> bool:
        """Call a service of the controller; returns whether it said yes."""
        future = self.calls[name].call_async(Trigger.Request())
        until(future.done)
        return future.result().success


def until(condition, seconds: float = 30.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit('waited in vain')
        time.sleep(0.002)


def halted(listener: Listener, person: Looker, chance: random.Random) -> tuple[float, float]:
    """Halt a movement by the space bar; returns when braking began and when zero came, s."""
    until(lambda: listener.call('reset'))
    if not listener.call('execute'):
        raise SystemExit('not executed')
    until(lambda: listener.phase == 'playing')
    time.sleep(chance.uniform(0.2, 1.6))
    listener.commands.clear()
    person.page.keyboard.press('Space')
    until(lambda: listener.phase == 'halted')
    until(lambda: listener.commands and listener.commands[-1][1] == 0)
    pressed = 1e-3 * person.page.evaluate('window.keyAt')
    zero = next(at for at, speed in listener.commands if speed == 0 and at > pressed)
    after = [(at, speed) for at, speed in listener.commands if pressed < at <= zero]
    # The last command from which on the speed only falls.
    first = len(after) - 1
    while first > 0 and after[first - 1][1] >= after[first][1]:
        first -= 1
    return after[min(first + 1, len(after) - 1)][0] - pressed, zero - pressed


def cadence(listener: Listener, movements: int) -> dict[str, float]:
    """Play movements; returns lateness of the ticks, ms: worst and median of the worst."""
    late, spread = [], []
    for _ in range(movements):
        until(lambda: listener.call('reset'))
        listener.call('execute')
        until(lambda: listener.phase == 'playing')
        until(lambda: listener.phase in ('done', 'halted'))
        time.sleep(1.3)
        late.append(float(listener.cadence['latest_tick_ms']))
        spread.append(float(listener.cadence['period_sd_ms']))
    return {'latest_tick_ms_median': float(np.median(late)), 'latest_tick_ms': max(late),
            'period_sd_ms': float(np.median(spread)), 'movements': movements}


def main() -> None:
    """Measure, print, and write what was measured."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument('--halts', type=int, default=100)
    options.add_argument('--movements', type=int, default=12)
    options.add_argument('--json', type=Path)
    given = options.parse_args()
    os.environ.update(ROS_DOMAIN_ID=str(random.SystemRandom().randrange(1, 100)),
                      ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST', OMP_NUM_THREADS='1',
                      OMP_WAIT_POLICY='PASSIVE')
    folder = Path(tempfile.mkdtemp())
    nodes = [subprocess.Popen([sys.executable, '-m', f'smallbot.nodes.{name}'],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
             for name in NODES]
    rclpy.init()
    listener = Listener()
    executor = SingleThreadedExecutor()
    executor.add_node(listener)
    threading.Thread(target=executor.spin, daemon=True).start()
    result: dict[str, object] = {}
    program = None
    try:
        until(listener.calls['execute'].service_is_ready)
        program = Program(folder)
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            person = Looker(browser.new_page())
            person.page.add_init_script(KEYS)
            person.open(program.address)
            person.draw(seconds=3.0)
            person.learn()
            chance = random.Random(1)
            found = np.array([halted(listener, person, chance) for _ in range(given.halts)])
            for name, column in zip(('braking', 'zero'), 1e3 * found.T):
                result[f'{name}_ms'] = {'median': float(np.median(column)),
                                        'p99': float(np.percentile(column, 99)),
                                        'max': float(column.max())}
            person.page.close()
            result['no_page'] = cadence(listener, given.movements)
            with program.tab('a') as a, program.tab('b') as b, program.tab('c') as c:
                for tab in (a, b, c):
                    threading.Thread(target=_listen, args=(tab,), daemon=True).start()
                result['three_pages_elsewhere'] = cadence(listener, given.movements)
            pages = [browser.new_page() for _ in range(3)]
            for page in pages:
                page.goto(program.address)
            time.sleep(3)
            result['three_browsers_here'] = cadence(listener, given.movements)
            browser.close()
    finally:
        if program is not None:
            program.end()
        for node in nodes:
            node.terminate()
        rclpy.try_shutdown()
    for name, values in result.items():
        print(name, {key: round(value, 2) for key, value in values.items()})
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + '\n')


def _listen(tab) -> None:
    try:
        while True:
            tab.take()
    except Exception:  # the tab has been closed
        pass


if __name__ == '__main__':
    main()
