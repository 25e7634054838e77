"""One phase-change-memory device: its laws, its noise, its faults and how it is programmed.

For `chip` and for whoever chooses a law or faults. Begin with `laws.DeviceLaw`.
"""
