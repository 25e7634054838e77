# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A model of images as files: the same when read again, refused where it is damaged."""

from dataclasses import replace
import json
import random

import pytest
import torch

from smallbot.errors import InputError
from smallbot.few_shot.classifier import in_software
from smallbot.few_shot.model import ImageModel, ImageModelConfig, load_image_model
from smallbot.few_shot.network import NetworkConfig, NetworkError
from smallbot.models.weights_file import ModelError, save_model
from smallbot.one_shot.model import load_model

from .conftest import SMALL, small_model, task


@pytest.fixture
def path(tmp_path):
    return save_model(small_model(), tmp_path)


def card_of(path, **changed):
    """Change fields of a card, those of its network by `network__name`."""
    card = json.loads(path.with_suffix('.json').read_text())
    for name, value in changed.items():
        *way, last = name.split('__')
        holder = card
        for step in way:
            holder = holder[step]
        holder[last] = value
    path.with_suffix('.json').write_text(json.dumps(card))


def test_a_model_that_was_saved_tells_the_same(path):
    model, again = small_model(), load_image_model(path)
    assert (again.config, again.name, again.card) == (model.config, 'small', {'seed': 1})
    assert again.digest == model.digest
    told = []
    support, labels, queries, _ = task()
    for one in (model, again):
        classifier = in_software(one, 5)
        classifier.learn(support, labels)
        told.append(classifier.told(queries))
    assert torch.equal(*told)
    images, labels = again.calibration
    assert images.shape == (8, 1, 28, 28) and labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_each_experiment_refuses_the_others_model(path):
    with pytest.raises(ModelError, match='`smallbot few-shot`, expected one for `smallbot demo`'):
        load_model(path)
    with pytest.raises(ModelError, match='`smallbot few-shot train` makes them') as caught:
        load_image_model('ed_scorbot')
    assert '\n' not in str(caught.value)


def test_no_flipped_bit_and_no_cut_is_read_as_good(path):
    chance, good = random.Random(1), load_image_model(path).digest
    for damaged in (path, path.with_suffix('.json')):
        content = damaged.read_bytes()
        for number in range(120):
            changed = bytearray(content)
            changed[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            if number % 4 == 0:
                changed = changed[:chance.randrange(len(content))]
            damaged.write_bytes(changed)
            try:
                found = load_image_model(path)
            except InputError as error:
                assert '\n' not in str(error)
            else:  # a blank in the card
                assert found.digest == good and damaged.suffix == '.json'
                assert found.config == small_model().config and found.card == {'seed': 1}
        damaged.write_bytes(content)
    assert load_image_model(path).digest == good


@pytest.mark.parametrize(('changed', 'said'), [
    ({'config__network__filters': 9}, r'has shape \(8, '),
    ({'config__network__filters': 0}, 'network.filters 0: expected at least 1'),
    ({'config__network__stride': 0}, 'network.stride 0'),
    ({'config__network__side': 8}, 'leave nothing of an image of side 8'),
    ({'config__network__rate': -1.0}, 'network.rate -1'),
    ({'config__network__bias': 1}, 'network.bias'),
    ({'config__network__blocks': 100_000}, '100000 blocks'),
    ({'config__network': 'large'}, 'network'),
    ({'config__calibration': 7}, 'calibration 7: expected an even number from 4'),
    ({'config__calibration': 10}, r'calibration has shape \(8, 1, 28, 28\), expected \(10, '),
    ({'config__more': 1}, "unknown field 'more'"),
    ({'seed': 2}, 'does not match its checksum|remove the fields'),
    ({'name': '../up'}, 'name'),
])
def test_a_card_that_was_changed_is_refused_in_one_line(path, changed, said):
    card_of(path, **changed)
    with pytest.raises(InputError, match=said) as caught:
        load_image_model(path)
    assert '\n' not in str(caught.value) and 'small' in str(caught.value)


def test_weights_that_do_not_fit_the_network_are_refused():
    model = small_model()
    with pytest.raises(ModelError, match='weights .* expected'):
        ImageModel(replace(model.config, network=replace(SMALL, hidden=4)), model.weights)
    with pytest.raises(ModelError, match='log_rates is not finite'):
        ImageModel(model.config, {**model.weights, 'log_rates': torch.full((4,), torch.nan)})
    for calibration in (2, 7, 5000):
        with pytest.raises(NetworkError, match=f'calibration {calibration}: expected an even'):
            ImageModelConfig(NetworkConfig(), calibration)
