# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The real ED-Scorbot: its conventions and messages, a session with it, and its emulator.

For its driver and for simulations of it. Begin with `session.Session`.
"""
