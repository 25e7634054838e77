# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What every experiment on the chip has in common, whatever is learned.

Training: `loop`, `checkpoint`, `processes`, `chance`. Measuring: `conditions`, `workers`,
`figures`. Not here: what a network is shown, what it learns, and what is counted as an error.
"""
