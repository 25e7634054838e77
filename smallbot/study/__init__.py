# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The instrument of record, and what one-shot learning is compared with.

For the command, the nodes' report and `benchmarks/`. Begin with `evaluation`.
"""
