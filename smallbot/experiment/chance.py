# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Random numbers that depend on their key alone, not on what was drawn before or elsewhere."""

import numpy as np
import torch


def stream(*key: int) -> torch.Generator:
    """Return the generator of random numbers that belongs to a seed, an iteration, a task.

    Only the first number of `key` may be 0: a key is the same with zeros after it.
    """
    return torch.Generator().manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
