# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What a path that a user names must be, asked before anything is done with it.

Each function returns what was expected instead, in words, or nothing where the path will do. They
change nothing, and wait for nothing: no pipe and no device is read.
"""

import errno
import os
from pathlib import Path
import stat
import tempfile

LOOKED_AT = 1000
"""Most entries of a folder that are looked at."""


def unreadable(path: Path, folder: bool | None = False) -> str:
    """Return why a path is no input: a file, or with `folder` a folder; None: either will do.

    A folder in which a pipe or a device lies will not do either: whoever reads it would wait.
    """
    wanted = {False: 'a file', True: 'a folder', None: 'a file or folder'}[folder]
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        return f'cannot be read: {_reason(error)}'
    if stat.S_ISDIR(mode):
        if folder is False:
            return f'a folder, expected {wanted}'
        return _odd_entry(path)
    if not stat.S_ISREG(mode):
        return f'{_sort(mode)}, expected {wanted}'
    if folder:
        return 'a file, expected a folder'
    return '' if os.access(path, os.R_OK) else 'cannot be read: permission denied'


def unwritable(path: Path) -> str:
    """Return why no file can be written to a path; a plain file that is there will be replaced.

    Pipes and devices will do: who writes into a pipe waits for a reader, for a while.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = None
    except (OSError, ValueError) as error:
        return f'cannot be written: {_reason(error)}'
    if mode is not None and stat.S_ISDIR(mode):
        return 'a folder, expected a file'
    if mode is not None and stat.S_ISSOCK(mode):
        return 'a socket, expected a file'
    if mode is not None and not os.access(path, os.W_OK):
        return 'cannot be written: permission denied'
    if mode is not None and not stat.S_ISREG(mode):
        return ''
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        return 'expected a file in a folder that exists'
    return _takes_no_files(folder)


def unmakeable(path: Path) -> str:
    """Return why a path is no folder into which files can be written, nor can become one."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        there = path.absolute()
        while not os.path.lexists(there):
            there = there.parent
        if not there.is_dir():
            return 'expected a folder'
        return _takes_no_files(there)
    except NotADirectoryError:
        return 'expected a folder, found a file on the way to it'
    except (OSError, ValueError) as error:
        return f'expected a folder: {_reason(error)}'
    return _takes_no_files(path) if stat.S_ISDIR(mode) else f'{_sort(mode)}, expected a folder'


def _odd_entry(folder: Path) -> str:
    """Return what lies in a folder that no reader may open."""
    seen = 0
    try:
        for place, _, names in os.walk(folder):
            for name in names:
                seen += 1
                if seen > LOOKED_AT:
                    return ''
                path = Path(place, name)
                if path.exists() and not path.is_file():
                    return (f'{path.relative_to(folder)} in it is '
                            f'{_sort(path.stat().st_mode)}, expected files')
    except OSError as error:
        return f'cannot be read: {_reason(error)}'
    return '' if os.access(folder, os.R_OK | os.X_OK) else 'cannot be read: permission denied'


def _takes_no_files(folder: Path) -> str:
    """Return why no file can be made in a folder, found out with one that has no name."""
    try:
        os.close(os.open(folder, getattr(os, 'O_TMPFILE', 0) | os.O_WRONLY, 0o600))
        return ''
    except OSError as error:
        # Some file systems know no nameless files; a folder that takes none says so below.
        if error.errno in (errno.EROFS, errno.ENOSPC, errno.EDQUOT):
            return f'the folder takes no files: {_reason(error)}'
    try:
        with tempfile.TemporaryFile(dir=folder, prefix='.smallbot.'):
            return ''
    except OSError as error:
        return f'the folder takes no files: {_reason(error)}'


def _sort(mode: int) -> str:
    for is_it, word in ((stat.S_ISREG, 'a file'), (stat.S_ISDIR, 'a folder'),
                        (stat.S_ISFIFO, 'a pipe'), (stat.S_ISSOCK, 'a socket')):
        if is_it(mode):
            return word
    return 'a device'


def _reason(error: OSError | ValueError) -> str:
    words = getattr(error, 'strerror', None) or str(error)
    return words[:1].lower() + words[1:]
