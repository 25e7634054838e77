# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from smallbot.demonstration.tip_path import joints_of_tip

from .conftest import ARM


@pytest.mark.parametrize('samples', [8, 40, 3000])
def test_a_path_across_the_workspace_is_followed_at_any_rate(samples):
    time = np.linspace(0, 20, samples)
    middle = 0.5 * (ARM.limits.lower + ARM.limits.upper)
    path = middle + (ARM.limits.upper - middle) * np.stack(
        [np.cos(0.3 * time), np.sin(0.5 * time)], axis=1)
    shown = joints_of_tip(time, ARM.tip(torch.as_tensor(path)).numpy(), ARM, 'wide')
    assert np.abs(shown - path).max() < 1e-6
