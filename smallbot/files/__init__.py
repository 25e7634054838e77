# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Files: written whole or not at all, sealed, held by one process, checked by a schema.

Knows nothing of robots, networks and chips, nor of what the files are for.
"""
