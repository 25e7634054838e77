# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from smallbot.experiment.loop import advance
from smallbot.models.weights_file import ModelError
from smallbot.outer_loop.run import MetaTraining

from .conftest import SMALL, weights_after


def test_resumed_training_equals_unbroken_training(tmp_path):
    unbroken = MetaTraining(SMALL)
    for _ in range(6):
        unbroken.step()
    broken = MetaTraining(SMALL)
    advance(broken, tmp_path, lambda run: run.iteration >= 3, lambda run, parts: None)
    resumed = MetaTraining.restore(tmp_path)
    assert resumed.iteration == 3 and resumed.config == unbroken.config
    for _ in range(3):
        resumed.step()
    for key, value in weights_after(unbroken).items():
        assert torch.equal(value, resumed.weights[key].detach()), key


def test_a_checkpoint_that_is_missing_or_broken_is_refused(tmp_path):
    with pytest.raises(ModelError, match='no checkpoint'):
        MetaTraining.restore(tmp_path)
    (tmp_path / 'checkpoint.pt').write_bytes(b'no checkpoint')
    with pytest.raises(ModelError, match='cannot be read') as caught:
        MetaTraining.restore(tmp_path)
    assert '\n' not in str(caught.value)
