# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Figures and reports: they read results and compute nothing.

For the command and `benchmarks/`. Begin with `report`.
"""

import logging
import warnings

# Where it cannot keep its settings, which nothing here needs, it says so in many lines.
logging.getLogger('matplotlib').setLevel(logging.ERROR)
# Names in scripts that no installed font has are drawn as boxes, which is seen and needs no lines.
warnings.filterwarnings('ignore', 'Glyph .* missing from', UserWarning)
