# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A real MQTT broker of the tests' own, and the emulated arm on it."""

import os
from pathlib import Path
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _wait_for(condition, what: str, timeout: float = 15.0):
    """Return the first true value of `condition`."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f'waited {timeout:g} s in vain for {what}'
        time.sleep(0.005)
    return value


@pytest.fixture
def wait_for():
    """Return a function that waits for a condition."""
    return _wait_for


class Broker:
    """A mosquitto on a free port of 127.0.0.1."""

    def __init__(self, folder: Path):
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            self.port = probe.getsockname()[1]
        self._configuration = folder / 'mosquitto.conf'
        self._configuration.write_text(f'listener {self.port} 127.0.0.1\nallow_anonymous true\n')
        self._program = shutil.which('mosquitto') or shutil.which('mosquitto', path='/usr/sbin')
        self._popen = None
        self.start()

    def start(self) -> None:
        self._popen = subprocess.Popen(
            [self._program, '-c', str(self._configuration)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait_for(self._answers, 'mosquitto')

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(('127.0.0.1', self.port)) == 0

    def send(self, number: int) -> None:
        self._popen.send_signal(number)

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait()


@pytest.fixture
def broker(tmp_path):
    pytest.importorskip('paho.mqtt.client', reason='needs paho-mqtt: pip install paho-mqtt')
    if not (shutil.which('mosquitto') or shutil.which('mosquitto', path='/usr/sbin')):
        pytest.skip('needs a broker: apt install mosquitto')
    made = Broker(tmp_path)
    yield made
    made.send(signal.SIGCONT)
    made.kill()


class Emulator:
    """`smallbot ed-scorbot emulate` in a process of its own."""

    def __init__(self, port: int, folder: Path, *options: str, number: int = 0):
        self.trace, self._log = folder / f'trace_{number}.csv', folder / f'emulator_{number}.log'
        environment = dict(os.environ)
        environment.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
        environment['PYTHONPATH'] = os.pathsep.join(
            filter(None, [str(ROOT), environment.get('PYTHONPATH')]))
        with self._log.open('wb') as output:
            self.popen = subprocess.Popen(
                [sys.executable, '-m', 'smallbot', 'ed-scorbot', 'emulate', '--port', str(port),
                 '--trace', str(self.trace), *options],
                stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=folder)
        _wait_for(lambda: 'is on' in self.said or self.popen.poll() is not None, 'the emulator')
        assert self.popen.poll() is None, self.said

    @property
    def said(self) -> str:
        return self._log.read_text(errors='replace')

    def rows(self) -> list[list[float]]:
        """Return time, homing, references [4] and counters [4] of every whole line so far."""
        lines = self.trace.read_text().split('\n')[1:-1]
        return [[float(x) for x in line.split(',')] for line in lines]

    def end(self, number: int = signal.SIGINT) -> int:
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.send_signal(number)
        return self.popen.wait(10.0)


@pytest.fixture
def emulator(broker, tmp_path):
    """Return a function that starts an emulated arm on the broker, home found in half a second."""
    started = []

    def start(*options: str) -> Emulator:
        if '--homing' not in options:
            options = (*options, '--homing', '0.5')
        started.append(Emulator(broker.port, tmp_path, *options, number=len(started)))
        return started[-1]

    yield start
    for one in started:
        one.end()
