# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import json

import pytest
import torch

from smallbot.files.schema import built
from smallbot.models.weights_file import ModelError, save_model
from smallbot.one_shot.model import initial_weights, load_model, ModelConfig, OneShotModel
from smallbot.snn.neuron import Reset

SMALL = ModelConfig(neurons=20, generator_neurons=12, steps=50)


def small_model(name='small'):
    return OneShotModel(SMALL, initial_weights(SMALL, torch.Generator().manual_seed(0)), name)


def test_the_papers_sizes_give_its_counts():
    config = ModelConfig(generator_neurons=800)
    shapes = config.shapes()
    assert config.generator_inputs == 53
    assert shapes['trainee'] == (250, 255)
    assert sum(a * b for a, b in (shapes['generator_in'], shapes['generator_rec'],
                                  shapes['generator_out'])) == 882_400
    assert int(config.synapse_mask().sum()) == 63_500


def test_saved_and_loaded_models_are_equal(tmp_path):
    model = small_model()
    loaded = load_model(save_model(model, tmp_path))
    assert loaded.config == model.config and loaded.name == 'small'
    assert all(torch.equal(loaded.weights[key], value) for key, value in model.weights.items())


def test_a_card_from_before_there_were_two_resets_has_the_one_there_was(tmp_path):
    path = save_model(small_model(), tmp_path)
    assert load_model(path).config.generator.reset is Reset.RAISED
    card = json.loads(path.with_suffix('.json').read_text())
    for population in ('trainee', 'generator'):
        del card['config'][population]['reset']
    for later in ('format', 'sha256', 'weights_sha256'):
        del card[later]
    path.with_suffix('.json').write_text(json.dumps(card))
    assert load_model(path).config.generator.reset is Reset.CROSSED
    assert built(ModelConfig, {}, 'file').generator.reset is Reset.RAISED


def test_no_neuron_drives_itself():
    recurrent = small_model().weights['trainee'][:, SMALL.clock_neurons:]
    assert recurrent.diagonal().abs().max() == 0 and recurrent.abs().max() > 0


def test_the_shipped_model_loads_and_says_how_it_was_made():
    model = load_model()
    assert model.joints == ('base', 'shoulder')
    assert model.card['closed_form'] and model.card['seed'] == 2
    assert model.card['figures']['digest'] == model.digest
    assert model.card['figures']['software']['tip_rmse_cm']['after']['mean'] < 1


@pytest.mark.parametrize(('damage', 'said'), [
    (lambda card: card.pop('config'), 'no field "config"'),
    (lambda card: card['config'].update(neurons=21), 'expected'),
    (lambda card: card['config'].update(neurones=20), "unknown field 'neurones'"),
    (lambda card: card['config'].update(neurons='many'), 'not of type int'),
])
def test_a_card_that_does_not_fit_is_refused_in_one_line(tmp_path, damage, said):
    path = save_model(small_model(), tmp_path)
    card = json.loads(path.with_suffix('.json').read_text())
    damage(card)
    path.with_suffix('.json').write_text(json.dumps(card))
    with pytest.raises(ModelError, match=said) as caught:
        load_model(path)
    assert '\n' not in str(caught.value)


def test_an_unknown_model_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(ModelError, match='shipped models: .*ed_scorbot'):
        load_model('no_such_model')
    (tmp_path / 'broken.safetensors').write_bytes(b'nonsense')
    (tmp_path / 'broken.json').write_text('{"config": {}}')
    with pytest.raises(ModelError, match='cannot be read'):
        load_model(tmp_path / 'broken.safetensors')


def test_configurations_refuse_what_they_do_not_know():
    with pytest.raises(ModelError, match='expected a mapping'):
        built(ModelConfig, [1], 'file', ModelError)
    made = built(ModelConfig, {'trainee': {'threshold': 1}, 'joints': ['a', 'b']}, 'file')
    assert made.trainee.threshold == 1.0 and made.joints == ('a', 'b')
