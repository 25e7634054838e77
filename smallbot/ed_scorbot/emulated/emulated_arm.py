# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""`smallbot ed-scorbot emulate` beside another verb, on a broker of its own where there can be.

Both end with this process, whatever ends it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, ExitStack
import ctypes
import os
from pathlib import Path
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from smallbot.ed_scorbot.network.broker import Broker, ENVIRONMENT
from smallbot.errors import InputError

if TYPE_CHECKING:
    from smallbot.ed_scorbot.on_broker import OnBroker

HOMING = 1.0
"""How long the emulated arm searches home, s."""
STARTED = 20.0
"""How long broker and emulator may take to start, s."""
ENDED = 5.0
"""How long they may take to end, s."""
DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


@contextmanager
def emulated_arm(broker: Broker | None, access: Mapping[str, str],
                 convention: str) -> Iterator['OnBroker']:
    """Run an emulated arm while the block lasts; it has a name of its own on every broker.

    On `broker`, to which it gets `access` as it was given, if there is one; else on a mosquitto
    that is started on a free port of this machine, or, where that is not installed, on the usual
    port. Raises InputError where there is no broker.
    """
    from smallbot.ed_scorbot.on_broker import OnBroker

    with ExitStack() as ending:
        own, environment = broker is None, dict(os.environ)
        if broker is None:
            for name in ENVIRONMENT.values():  # meant for another broker
                environment.pop(name, None)
            program = shutil.which('mosquitto') or shutil.which('mosquitto', path='/usr/sbin')
            broker = Broker(port=_broker(program, ending) if program else 1883)
        arm = OnBroker(broker, f'EDScorbotEmulated{os.getpid()}', convention, emulated=True)
        options = [word for name, value in access.items() if value
                   for word in (f'--{name.replace("_", "-")}', value)]
        emulator = _started(ending, [
            sys.executable, '-m', 'smallbot', 'ed-scorbot', 'emulate', '--broker', broker.host,
            '--port', str(broker.port), '--robot', arm.robot, '--convention', convention,
            '--homing', str(HOMING), *options], subprocess.PIPE, environment)
        said = emulator.stdout.readline()
        if 'is on' not in said:
            where = '' if not own else ('; `apt install mosquitto` brings a broker that is '
                                        'started by itself')
            raise InputError(f'{said.strip() or "the emulator ended"}{where}')
        yield arm


def _broker(program: str, ending: ExitStack) -> int:
    """Start a mosquitto that only this machine reaches; returns its port."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    folder = Path(ending.enter_context(tempfile.TemporaryDirectory()))
    settings = folder / 'mosquitto.conf'
    settings.write_text(f'listener {port} 127.0.0.1\nallow_anonymous true\n')
    broker = _started(ending, [program, '-c', str(settings)], subprocess.DEVNULL)
    deadline = time.monotonic() + STARTED
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(('127.0.0.1', port)) == 0:
                return port
        if broker.poll() is not None or time.monotonic() > deadline:
            raise InputError(f'{program} does not start on port {port}: start a broker yourself '
                             f'and name it by --broker and --port')
        time.sleep(0.02)


def _started(ending: ExitStack, command: list[str], output: int,
             environment: Mapping[str, str] | None = None) -> subprocess.Popen:
    """Start a process that Ctrl-C does not reach, so that the arm can still be stopped."""
    libc = ctypes.CDLL(None)
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, text=True,
        start_new_session=True, env=environment,
        preexec_fn=lambda: libc.prctl(DIE_WITH_PARENT, signal.SIGTERM))

    def end() -> None:
        process.terminate()
        try:
            process.wait(ENDED)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
    ending.callback(end)
    return process
