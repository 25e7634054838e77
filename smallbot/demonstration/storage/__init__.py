# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What lies in files, as it lies there: tables of text, messages of bags, words for units.

Nothing here knows an arm or a movement; what is understood from it is `demonstration.reading`'s.
"""
