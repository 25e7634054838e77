# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The page as a program in a process of its own, and a browser's end of its socket."""

from contextlib import contextmanager
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from websockets.sync.client import connect


class Tab:
    """A page's end of its socket."""

    def __init__(self, socket):
        self._socket = socket
        self._number = 0
        self.state: dict = {}
        self.told: list[str] = []
        self.poses: list = []

    def send(self, do: str, **more) -> int:
        """Ask something; returns the number that its answer will have."""
        self._number += 1
        self._socket.send(json.dumps({'do': do, 'id': self._number, **more}))
        return self._number

    def take(self) -> dict:
        """Take one message, and keep what it says."""
        try:
            message = json.loads(self._socket.recv(timeout=30))
        except TimeoutError:
            raise AssertionError(f'nothing was heard any more; {self.state}, {self.told}'
                                 ) from None
        self.state = message.get('state', self.state)
        self.told += [message['told']] if 'told' in message else []
        self.poses += [message['pose']] if 'pose' in message else []
        return message

    def answer(self, number: int) -> dict:
        """Return the answer of a number."""
        while (message := self.take()).get('answer') != number:
            pass
        return message

    def ask(self, do: str, **more) -> dict:
        """Ask something; returns the answer."""
        return self.answer(self.send(do, **more))

    def until(self, condition) -> None:
        """Take messages until the state is as wanted."""
        while not condition(self.state):
            self.take()

    def raw(self, text: str) -> None:
        """Send a text as it is."""
        self._socket.send(text)


class Program:
    """`smallbot page` in a process of its own."""

    def __init__(self, folder: Path, *options: str, port: int = 0,
                 environment: dict[str, str] | None = None):
        self._told = folder / f'page_{time.monotonic_ns()}.json'
        self.log = folder / f'page_{time.monotonic_ns()}.log'
        with self.log.open('w') as log:
            self.popen = subprocess.Popen(
                [sys.executable, '-m', 'smallbot', 'page', '--no-browser', '--port', str(port),
                 '--json', str(self._told), *options], stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True, env={**os.environ, **(environment or {}),
                                             'OMP_NUM_THREADS': '1'})
        deadline = time.monotonic() + 30
        while not self._told.exists():
            assert self.popen.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)
        told = json.loads(self._told.read_text())
        self.address, self.port = told['address'], told['port']

    @contextmanager
    def tab(self, name: str):
        """Yield a page that looks on, without a browser."""
        host = f'127.0.0.1:{self.port}'
        with connect(f'ws://{host}/live?client={name}', max_size=None,
                     additional_headers={'origin': f'http://{host}'}) as socket:
            yield Tab(socket)

    def children(self) -> list[int]:
        """Return the processes behind the page."""
        tasks = Path(f'/proc/{self.popen.pid}/task').iterdir()
        found = [int(child) for task in tasks
                 for child in (task / 'children').read_text().split()]
        return [child for child in found
                if b'spawn_main' in Path(f'/proc/{child}/cmdline').read_bytes()]

    def end(self, number: int = signal.SIGINT) -> int:
        """End it; returns its exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        try:
            return self.popen.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            raise
