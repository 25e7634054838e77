# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The verbs of the few-shot images: `smallbot few-shot` and its parts."""
