# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""How figures are told apart and summed up: seeds that are kept for them, the spread of a result.

Not here: what is measured. Each experiment says that of its own.
"""

import math
from typing import Any

import numpy as np
from scipy.special import stdtrit

from smallbot.errors import InputError

TEST_SEED = 2000
"""Seed of the figures of record."""
VALIDATION_SEED = 1000
"""Seed by which models are chosen; training uses neither."""


def check_training_seed(seed: int) -> None:
    """Refuse to train with a seed of the figures; raises InputError."""
    if seed in (VALIDATION_SEED, TEST_SEED):
        raise InputError(f'seed {seed}: kept for the figures, training must not use it')


def spread(values: Any, of: Any = None) -> dict[str, Any]:
    """Return mean, s.d. (of the sample), median and the mean's 95 % confidence interval.

    `of`, where given, says what each value is of: what stands for the same thing several times
    counts once, with its mean. The interval is Student's; None for a single value.
    """
    values = np.asarray(values, dtype=float)
    if of is not None:
        _, place, times = np.unique(np.asarray(of), return_inverse=True, return_counts=True)
        values = np.bincount(place, weights=values) / times
    count, mean = len(values), float(values.mean())
    sd = float(values.std(ddof=min(1, count - 1)))
    interval = None
    if count > 1:
        half = float(stdtrit(count - 1, 0.975)) * sd / math.sqrt(count)
        interval = [mean - half, mean + half]
    return {'mean': mean, 'sd': sd, 'median': float(np.median(values)), 'ci95': interval}
