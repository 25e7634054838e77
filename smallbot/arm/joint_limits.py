# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What joints are allowed; a file of its own so that the emulated arm starts without torch."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class JointLimits:
    """Limits of joints, each array [J]; rad and seconds (m for prismatic joints)."""

    lower: np.ndarray
    upper: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
