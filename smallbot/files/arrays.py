# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""NPZ files that are read without trusting them: never unpickled, and bounded.

What an array claims to be is read from its header before any of it is unpacked, so that a few
bytes cannot become gigabytes.
"""

from collections.abc import Collection
import io
import lzma
import math
from pathlib import Path
import struct
import tokenize
import zipfile
import zlib

import numpy as np

from smallbot.errors import in_one_line, InputError
from smallbot.files.writing import read_bytes

LARGEST = 2 ** 29
"""Bytes of the file, and of all arrays that are read from it."""
MOST_MEMBERS = 1000
"""Arrays of a file."""
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0}
# What zipfile and numpy raise for files that are damaged or made to do damage.
_DAMAGE = (ValueError, TypeError, KeyError, SyntaxError, EOFError, OSError, RuntimeError,
           RecursionError, MemoryError, OverflowError, zipfile.BadZipFile, zlib.error,
           lzma.LZMAError, struct.error, tokenize.TokenError)


def read_arrays(path: Path, names: Collection[str], error: type[ValueError] = InputError
                ) -> dict[str, np.ndarray]:
    """Return those of the arrays `names` that an NPZ file has.

    Raises `error`, in one line, where it cannot be read, is no NPZ file, holds Python objects
    under one of the names, an array twice, or more than `LARGEST` bytes.
    """
    try:
        content = read_bytes(path, LARGEST)
    except OSError as wrong:
        raise error(f'{path}: {wrong.strerror}; expected an NPZ file') from None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if len(members) > MOST_MEMBERS:
                raise error(f'{path}: {len(members)} arrays, expected at most {MOST_MEMBERS}')
            found: dict[str, np.ndarray] = {}
            for member in members:
                name = member.filename.removesuffix('.npy')
                if name in names and name != member.filename:
                    if name in found:
                        raise error(f'{path}: {name} is there twice')
                    taken = sum(array.nbytes for array in found.values())
                    found[name] = _read(archive, member, f'{path}: {name}', LARGEST - taken,
                                        error)
            return found
    except error:
        raise
    except _DAMAGE as wrong:
        raise error(f'{path}: no NPZ file ({in_one_line(wrong)}); write it with '
                    f'numpy.savez_compressed') from None


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str, most: int,
          error: type[ValueError]) -> np.ndarray:
    try:
        with archive.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            if version not in _HEADERS:
                raise ValueError(f'version {version} of the NPY format, expected 1.0 or 2.0')
            shape, _, kind = _HEADERS[version](stream)
            begin = stream.tell()
            if kind.hasobject:
                raise error(f'{where}: holds Python objects, which are never unpickled; expected '
                            f'numbers or text, as numpy.savez_compressed writes them of arrays '
                            f'without dtype=object')
            count = math.prod(shape)
            size = count * kind.itemsize
            if min(shape, default=0) < 0 or max(count, size) > most:
                raise error(f'{where}: {kind} {list(shape)}, expected at most {LARGEST} bytes in '
                            f'all arrays')
            if size != member.file_size - begin:
                raise ValueError(f'{size} bytes by its header, {member.file_size - begin} in the '
                                 f'file')
        with archive.open(member) as stream:
            array = np.lib.format.read_array(stream, allow_pickle=False)
            stream.read(1)  # at the end the checksum is compared
    except error:
        raise
    except _DAMAGE as wrong:
        raise error(f'{where}: damaged ({in_one_line(wrong)[:200]}); write it again with '
                    f'numpy.savez_compressed') from None
    return array
