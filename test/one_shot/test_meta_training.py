from dataclasses import replace

import pytest
import torch

from smallbot.one_shot.meta_training import (
    draw_batch,
    load_config,
    meta_train,
    MetaConfig,
    MetaTraining,
    outer_loss,
)
from smallbot.one_shot.model import ModelConfig, ModelError

SMALL = MetaConfig(model=ModelConfig(neurons=24, generator_neurons=16, steps=60, inner_rate=3e-3),
                   batch=6, iterations=12, window_range=(20, 40), seed=4)


def weights_after(run):
    return {key: value.detach().clone() for key, value in run.weights.items()}


def test_resumed_training_equals_unbroken_training(tmp_path):
    unbroken = MetaTraining(SMALL)
    for _ in range(6):
        unbroken.step()
    broken = MetaTraining(SMALL)
    meta_train(broken, tmp_path, lambda run: run.iteration >= 3, lambda run, parts: None)
    resumed = MetaTraining.restore(tmp_path)
    assert resumed.iteration == 3 and resumed.config == unbroken.config
    for _ in range(3):
        resumed.step()
    for key, value in weights_after(unbroken).items():
        assert torch.equal(value, resumed.weights[key].detach()), key


def test_outer_gradients_reach_every_weight_and_lower_the_loss():
    config = replace(SMALL, input_noise=0.0, recurrent_noise=0.0, dead_band=0.0)
    run = MetaTraining(config)
    batch = draw_batch(config, run.arm, run.pens, iteration=0)

    def loss():
        return outer_loss(config, run.weights, batch, run.arm)[0]

    first = loss()
    first.backward()
    for key, value in run.weights.items():
        assert value.grad is not None and value.grad.abs().max() > 0, key
    for _ in range(120):
        run.optimiser.zero_grad()
        loss().backward()
        run.optimiser.step()
    assert loss() < 0.8 * first


def test_recurrent_weights_gain_no_self_connection_on_the_model():
    run = MetaTraining(SMALL)
    run.step()
    trainee = run.model('m').weights['trainee']
    assert trainee[:, SMALL.model.clock_neurons:].diagonal().abs().max() == 0


def test_a_checkpoint_that_is_missing_or_broken_is_refused(tmp_path):
    with pytest.raises(ModelError, match='no checkpoint'):
        MetaTraining.restore(tmp_path)
    (tmp_path / 'checkpoint.pt').write_bytes(b'no checkpoint')
    with pytest.raises(ModelError, match='cannot be read') as caught:
        MetaTraining.restore(tmp_path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(('text', 'said'), [
    ('batch: 0', 'batch 0'), ('batches: 3', "unknown field 'batches'"), ('- 1', 'mapping'),
    ('batch: [', 'not YAML'), ('window_range: [90, 30]', 'window_range'),
    ('pen_share: 2.0', 'pen_share'), ('model: {steps: x}', 'steps'),
])
def test_bad_configurations_are_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / 'config.yaml'
    path.write_text(text)
    with pytest.raises(ModelError, match=said) as caught:
        load_config(path)
    assert '\n' not in str(caught.value)
