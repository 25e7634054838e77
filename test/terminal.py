# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Commands run as on a terminal, and what their bars of progress look like."""

import fcntl
import os
from pathlib import Path
import pty
import re
import struct
import subprocess
import termios

ROOT = Path(__file__).parents[1]
BAR = re.compile(r'\d+ %\|.*\|.*\d\d:\d\d, (\d\d:\d\d|\?) left')
LEFT = re.compile(r', \d\d:\d\d left')


def environment():
    return {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}


def on_a_terminal(arguments, folder, **more):
    """Run a command whose standard error is a terminal; returns code, what it said, its output."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 110, 0, 0))
    with subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE, stderr=theirs,
                          env={**environment(), **more}) as process:
        os.close(theirs)
        said = b''
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the terminal is nobody's any more
                break
            if not part:
                break
            said += part
        out = process.stdout.read().decode()
    os.close(ours)
    return process.returncode, said.decode(), out
