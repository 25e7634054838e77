"""Figures and reports: they read results and compute nothing.

For the command and `benchmarks/`. Begin with `report`.
"""

import logging

# Where it cannot keep its settings, which nothing here needs, it says so in many lines.
logging.getLogger('matplotlib').setLevel(logging.ERROR)
