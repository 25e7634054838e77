# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Simulated arms: ideal, in MuJoCo, or as the real ED-Scorbot was measured.

For the simulator's node and for studies. Begin with `simulated.SimulatedArm`.
"""
