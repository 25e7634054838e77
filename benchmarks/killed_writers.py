# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Kill processes that write one file, and count what is half, lost or left.

    python benchmarks/killed_writers.py [--kills 200]

Two processes replace a file of 1 MB all the time, of bytes that are all the same, and are killed
together at a random moment. Then the file is read, and everything beside it counted: before, and
after, the next write.
"""

import argparse
from collections import Counter
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
import tempfile
import time

from smallbot.files.writing import write_atomically

CODE = """
from pathlib import Path
from smallbot.files.writing import write_atomically
print(flush=True)
while True:
    for k in range(256):
        write_atomically(Path('x'), bytes([k]) * 1_000_000)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kills', type=int, default=200)
    args = parser.parse_args()
    chance, found = random.Random(0), Counter()
    for _ in range(args.kills):
        with tempfile.TemporaryDirectory(dir='.') as folder:
            both = [subprocess.Popen([sys.executable, '-c', CODE], cwd=folder,
                                     stdout=subprocess.PIPE) for _ in range(2)]
            for process in both:
                process.stdout.readline()
            time.sleep(chance.uniform(0, 0.1))
            for process in both:
                process.send_signal(signal.SIGKILL)
                process.communicate()
            path = Path(folder, 'x')
            content = path.read_bytes() if path.exists() else None
            whole = content is None or len(content) == 1_000_000 and len(set(content)) == 1
            found['half'] += not whole
            found['not there yet'] += content is None
            found['something beside it'] += len(set(os.listdir(folder)) - {'x'})
            write_atomically(path, b'last')
            found['beside it after the next write'] += len(set(os.listdir(folder)) - {'x'})
    print(f'{args.kills} kills of two writers: ' + ', '.join(
        f'{name} {found[name]}' for name in ('half', 'not there yet', 'something beside it',
                                             'beside it after the next write')))


if __name__ == '__main__':
    main()
