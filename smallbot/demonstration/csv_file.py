# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Demonstrations written as CSV: a line of names, `time` first, and a line for each sample."""

from pathlib import Path

import numpy as np

from smallbot.demonstration.samples import Demonstration, DemonstrationError
from smallbot.files.writing import write_atomically


def write_csv(demonstration: Demonstration, path: Path) -> None:
    """Write `time` and joints as CSV, s and rad to six decimals, whole or not at all.

    Raises DemonstrationError where the file cannot be written.
    """
    lines = [','.join(['time', *demonstration.joints])]
    lines += [','.join(f'{value:.6f}' for value in row)
              for row in np.column_stack([demonstration.time, demonstration.position])]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, ('\n'.join(lines) + '\n').encode())
    except OSError as error:
        raise DemonstrationError(f'{path}: cannot be written: {error.strerror}') from None
