# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Models of two experiments as files: each is read by its own, and refused by the other."""

from dataclasses import dataclass
import json
from typing import ClassVar

import pytest
import torch

from smallbot.files.bounds import Size
from smallbot.files.schema import built
from smallbot.models.weights_file import (
    CardFormat,
    IMAGES,
    Model,
    ModelError,
    MOVEMENTS,
    read_card,
    read_model,
    save_model,
    shipped_models,
    write_card,
)
from smallbot.one_shot.model import load_model


@dataclass(frozen=True)
class Sizes:
    filters: Size = 3

    def shapes(self):
        return {'kernel': (self.filters, 2), 'bias': (self.filters,)}


@dataclass(frozen=True)
class Classifier(Model):
    card_format: ClassVar[CardFormat] = IMAGES

    @classmethod
    def configured(cls, values, where):
        return built(Sizes, values, where, ModelError)


@pytest.fixture
def model():
    return Classifier(Sizes(), {'kernel': torch.ones(3, 2), 'bias': torch.zeros(3)}, 'small',
                      {'seed': 7})


@pytest.fixture
def path(model, tmp_path):
    return save_model(model, tmp_path)


def test_what_was_saved_is_read(model, path):
    again = read_model(Classifier, path)
    assert (again.config, again.name, again.card) == (Sizes(), 'small', {'seed': 7})
    assert again.digest == model.digest
    assert all(torch.equal(again.weights[key], value) for key, value in model.weights.items())


def test_each_experiment_says_whose_command_another_ones_model_is_for(path):
    for read, own, other in ((load_model, 'smallbot evaluate', path),
                             (lambda name: read_model(Classifier, name), 'smallbot few-shot',
                              'ed_scorbot')):
        with pytest.raises(ModelError, match=f'expected one for .*`{own}`') as caught:
            read(other)
        assert 'is the card of a model for `smallbot' in str(caught.value)
        assert '\n' not in str(caught.value)


def test_a_format_that_nobody_knows_is_refused(path):
    card = json.loads(path.with_suffix('.json').read_text())
    path.with_suffix('.json').write_text(json.dumps({**card, 'format': 'smallbot-images-9'}))
    with pytest.raises(ModelError, match="'smallbot-images-9', expected 'smallbot-images-1'"):
        read_model(Classifier, path)


@pytest.mark.parametrize(('weights', 'said'), [
    ({'kernel': torch.ones(3, 2)}, r"weights \['kernel'\]"),
    ({'kernel': torch.ones(2, 3), 'bias': torch.zeros(3)}, r'kernel has shape \(2, 3\)'),
    ({'kernel': torch.ones(3, 2).double(), 'bias': torch.zeros(3)}, 'kernel is of torch.float64'),
    ({'kernel': torch.ones(3, 2), 'bias': torch.full((3,), torch.nan)}, 'bias is not finite'),
])
def test_weights_that_do_not_fit_are_refused(weights, said):
    with pytest.raises(ModelError, match=said):
        Classifier(Sizes(), weights)


def test_a_card_can_be_added_to_and_stays_sealed(model, path):
    card_path = path.with_suffix('.json')
    write_card(card_path, {**read_card(card_path, IMAGES), 'figures': {'accuracy': 0.5}}, IMAGES)
    assert read_model(Classifier, path).card == {'seed': 7, 'figures': {'accuracy': 0.5}}
    with pytest.raises(ValueError, match='expected'):
        read_card(card_path, MOVEMENTS)


def test_the_shipped_models_of_an_experiment_are_its_own():
    assert {'ed_scorbot', 'hobby_arm', 'ur5e'} <= set(shipped_models(MOVEMENTS))
    assert not set(shipped_models(MOVEMENTS)) & set(shipped_models(IMAGES))
    with pytest.raises(ModelError, match='`smallbot few-shot train` makes others') as caught:
        read_model(Classifier, 'no_such_model')
    assert 'ed_scorbot' not in str(caught.value)
