# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch

from smallbot.experiment.products import Products
from smallbot.models.weights_file import ModelError
from smallbot.outer_loop.configuration import load_config
from smallbot.outer_loop.run import learning_rate, MetaTraining
from smallbot.share import share_directory
from smallbot.snn.neuron import Reset

from .conftest import weights_after


def test_the_papers_configuration_is_the_papers():
    config = load_config(share_directory() / 'config' / 'meta' / 'seed_paper.yaml')
    assert config.model.generator_inputs == 53 and config.model.generator_neurons == 800
    assert (config.batch, config.iterations) == (90, 100_000)
    assert config.first_trial and not config.generator_autapses
    assert config.products is Products.FLOAT32 and config.model.generator.reset is Reset.RAISED
    assert learning_rate(config, 99_999) == pytest.approx(2.03e-4, rel=0.01)
    small = replace(config, batch=2, model=replace(config.model, generator_neurons=20, neurons=15))
    run = MetaTraining(small)
    before = weights_after(run)
    run.step()
    for key, value in before.items():
        assert not torch.equal(value, run.weights[key].detach()), key


@pytest.mark.parametrize(('text', 'said'), [
    ('batch: 0', 'batch 0'), ('batches: 3', "unknown field 'batches'"), ('- 1', 'mapping'),
    ('batch: [', 'not YAML'), ('window_range: [90, 30]', 'window_range'),
    ('pen_share: 2.0', 'pen_share'),
    ('schedule: linear', 'cosine, steps'), ('model: {coding: morse}', 'population, binary'),
    ('model: {steps: x}', 'steps'),
    ('{model: {steps: 40}, window_range: [20, 40]}', 'validate_every: 0'),
])
def test_bad_configurations_are_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / 'config.yaml'
    path.write_text(text)
    with pytest.raises(ModelError, match=said) as caught:
        load_config(path)
    assert '\n' not in str(caught.value)
