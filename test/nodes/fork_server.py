# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Starts node processes by fork from one that has imported everything: sooner than `python -m`.

Each is a process of its own with its own ROS context and DDS participant. Only the imports are
shared, 2 to 4 s of a core for each start. Tests of how a node starts from nothing, or with another
environment of Python, do not come here.

As a program it answers JSON lines: `{"start": {...}}` with a pid, `{"poll": pid}` with its exit
code, or null while it runs. It ends with its input.
"""

import atexit
from importlib import import_module
import json
import os
from pathlib import Path
import runpy
import signal
import subprocess
import sys
import threading
import time

NODES = ('arm_simulator', 'ed_scorbot_driver', 'demo_recorder', 'one_shot_learner',
         'snn_controller', 'trajectory_display', 'demo_director')


class ForkServer:
    """Client of one server process."""

    def __init__(self):
        self._lock = threading.Lock()
        environment = dict(os.environ)
        environment.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
        self._server = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env=environment, text=True)

    def start(self, program: list[str], log: Path, environment: dict[str, str]) -> 'Forked':
        """Start `[name or script, argument, ...]` in the folder of its log."""
        log.touch()
        return Forked(self, self.ask({'start': {
            'program': program, 'log': str(log), 'environment': environment}}))

    def ask(self, request: dict) -> int | None:
        with self._lock:
            self._server.stdin.write(json.dumps(request) + '\n')
            self._server.stdin.flush()
            return json.loads(self._server.stdout.readline())

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait(30.0)


class Forked:
    """What of `subprocess.Popen` the tests use, for a process of the server."""

    def __init__(self, server: ForkServer, pid: int):
        self.pid, self.returncode = pid, None
        self._server = server

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.ask({'poll': self.pid})
        return self.returncode

    def wait(self, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def serve() -> dict | None:
    """Answer until the input ends; in a started process, return at once what it is to run."""
    for line in iter(sys.stdin.readline, ''):
        request = json.loads(line)
        if 'poll' in request:
            pid, state = os.waitpid(request['poll'], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(state) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                return request['start']
        print(json.dumps(answer), flush=True)
    return None


def become(program: list[str], log: str, environment: dict[str, str]) -> int:
    """Run a program in this process, as if it had been started alone; returns its exit code."""
    with open(os.devnull) as nothing, open(log, 'wb') as output:
        for number, file in ((0, nothing), (1, output), (2, output)):
            os.dup2(file.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(Path(log).parent)
    sys.argv = list(program)
    if program[0].endswith('.py'):
        runpy.run_path(program[0], run_name='__main__')
        return 0
    return import_module(f'smallbot.nodes.{program[0]}').main()


def leave(code: int) -> None:
    """End as an interpreter does, but for freeing what came from the server: torch crashes."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == '__main__':
    for name in NODES:
        import_module(f'smallbot.nodes.{name}')
    begun = serve()
    if begun is not None:
        leave(become(**begun))
