# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Say which Python files do not begin with the lines about copyright and licence; add them.

    python test/license_lines.py [--add]

Files without a line of code have none. `make lint` runs it.
"""

import argparse
from pathlib import Path
import re
import subprocess

from smallbot.license import APACHE_2, HOLDER

ROOT = Path(__file__).resolve().parents[1]
YEAR = 2026
"""In which a file without the lines is taken to be written."""
LINES = APACHE_2.file_headers[0].format(copyright=f'Copyright {YEAR} {HOLDER}')
FOUND = re.compile(
    r'(#!.*\n)?# Copyright \d{4}(-\d{4})? ' + HOLDER + '\n'
    + ''.join(f'# {line}\n' for line in LINES.splitlines()[1:]))


def without() -> list[Path]:
    """Return the Python files of the repository, also those not yet added, without the lines."""
    listed = subprocess.run(
        ['git', 'ls-files', '--cached', '--others', '--exclude-standard', '*.py'], cwd=ROOT,
        capture_output=True, text=True, check=True).stdout.splitlines()
    files = [ROOT / name for name in listed if (ROOT / name).is_file()]
    return [path for path in files if (text := path.read_text()) and not FOUND.match(text)]


def added(text: str) -> str:
    """Return a file's text with the lines, below the line that says what runs it."""
    head, rest = '', text
    if text.startswith('#!'):
        head, _, rest = text.partition('\n')
        head += '\n'
    return head + ''.join(f'# {line}\n' for line in LINES.splitlines()) + rest


def main() -> int:
    """Return 1 where lines are missing still."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--add', action='store_true', help='write them where they are missing')
    add = parser.parse_args().add
    for path in (missing := without()):
        if add:
            path.write_text(added(path.read_text()))
        else:
            print(f'{path.relative_to(ROOT)}: no lines about copyright and licence; '
                  f'python test/license_lines.py --add writes them')
    return int(bool(missing) and not add)


if __name__ == '__main__':
    raise SystemExit(main())
