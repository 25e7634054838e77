# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What an arm is and what it may do: kinematics from URDF, limits, safety.

Any room may import it; it imports none. Begin with `kinematics.Arm`, then `safety.Gate`.
"""
