# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The lines about copyright and licence that every Python file begins with.

ROS's `ament_copyright` finds them here, by an entry point in setup.py; it knows the long form
alone by itself. `test/license_lines.py` writes them.
"""

from typing import NamedTuple


class License(NamedTuple):
    """What `ament_copyright` is told of a licence; {copyright} stands for the first line."""

    name: str
    spdx: str
    file_headers: tuple[str, ...]
    license_files: tuple[str, ...] = ()
    contributing_files: tuple[str, ...] = ()


HOLDER = 'The smallbot founders'
APACHE_2 = License('Apache License, Version 2.0 (SPDX)', 'Apache-2.0',
                   ('{copyright}\nSPDX-License-Identifier: Apache-2.0\n',))
