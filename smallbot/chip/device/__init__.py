# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""One phase-change-memory device: its laws, its noise, its faults and how it is programmed.

For `chip` and for whoever chooses a law or faults. Begin with `laws.DeviceLaw`.
"""
