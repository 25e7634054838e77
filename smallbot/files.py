"""Files that are either whole or not there."""

import json
import os
from pathlib import Path
import tempfile
from typing import Any


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader or a crash never meets half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'wb') as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_json(path: Path, content: Any) -> None:
    """Write plain values to `path` as indented JSON, whole or not at all."""
    write_atomically(path, (json.dumps(content, indent=2) + '\n').encode())
