# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A movement of the default arm for these tests."""

import numpy as np

from smallbot.arm.kinematics import default_arm

ARM = default_arm()
TIME = np.linspace(0, 3, 301)
"""s."""
PATH = np.stack([0.5 * np.sin(TIME), 0.3 * np.cos(2 * TIME) - 0.3], axis=1)
"""rad."""
