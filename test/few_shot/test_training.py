# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Meta-training: resumed as if unbroken, of the loss that it says, with the noise of a chip."""

from dataclasses import replace
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from smallbot.experiment.chance import stream
from smallbot.experiment.loop import advance
from smallbot.experiment.products import Products
from smallbot.few_shot.batches import Batch, draw_batch, jittered, kinds_of, scaled
from smallbot.few_shot.configuration import (
    checked,
    CIFAR_TRAINING,
    configured,
    FewShotConfig,
    read_config,
)
from smallbot.few_shot.images.labelled import ImageSetError
from smallbot.few_shot.inner_loop import adapted, rates, targets
from smallbot.few_shot.network import Exact, features, given, NetworkConfig, NetworkError, Watched
from smallbot.few_shot.training import ImageTraining, noisy
from smallbot.models.weights_file import IMAGES, ModelError
from smallbot.outer_loop.configuration import MetaConfig
from smallbot.outer_loop.run import MetaTraining

from .conftest import generator, labelled, SMALL

TINY = FewShotConfig(SMALL, seed=4, iterations=12, classes=8, support=2, queries=2,
                     mixture=((5, 2, 4), (3, 1, 4)), all_ways=(1,), learning_rate=0.01,
                     weight_noise=0.0, read_noise=0.0, validate_every=0, validation_tasks=20,
                     products=Products.FLOAT32)
STILL = {'jitter_turn': 0.0, 'jitter_scale': 0.0, 'jitter_shear': 0.0, 'jitter_shift': 0.0}
SEEN, UNSEEN = labelled(6, 6), labelled(6, 12, 50)


def run(**changed):
    return ImageTraining(replace(TINY, **changed), SEEN, UNSEEN)


def weights_of(run):
    return {key: value.detach().clone() for key, value in run.weights.items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize('changed', [{}, {'weight_noise': 0.05, 'read_noise': 0.02, 'bits': 4}])
def test_resumed_training_equals_unbroken_training_bit_for_bit(tmp_path, changed):
    unbroken = run(**changed)
    for _ in range(6):
        unbroken.step()
    unbroken.validate()
    broken = run(**changed)
    advance(broken, tmp_path, lambda run: run.iteration >= 3, lambda run, parts: None)
    resumed = ImageTraining.restore(tmp_path, SEEN, UNSEEN)
    assert resumed.iteration == 3 and resumed.config == unbroken.config
    for _ in range(3):
        resumed.step()
    assert same(weights_of(resumed), weights_of(unbroken))
    assert same(resumed.average, unbroken.average)
    assert resumed.validate().error_percent == unbroken.validations[-1].error_percent


def test_loss_falls_and_classes_come_to_be_told_apart():
    """Those of training: of six others one cannot expect much."""
    config = replace(TINY, iterations=60, averaging=0.8, turned=False, mirrored=False, classes=6,
                     **STILL)
    images = labelled(6, 12)
    trained = ImageTraining(config, images, images)
    before, parts = trained.validate(), [trained.step() for _ in range(60)]
    losses = [one.loss for one in parts]
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    assert parts[-1].accuracy > parts[0].accuracy
    after = trained.validate()
    assert after.error_percent < 0.5 * before.error_percent
    assert after.iteration == 60 and after.error_percent == trained.measure()
    assert trained.validations == [before, after]


def test_a_guess_has_a_loss_of_one():
    untaught = run(network=replace(SMALL, rate=1e-12))
    loss, parts = untaught.loss()
    assert parts.loss == pytest.approx(1, abs=1e-4)
    assert float(loss.detach()) == parts.loss


@pytest.mark.parametrize('carried', [False, True])
def test_the_loss_is_that_of_the_networks_own_features_and_inner_loop(carried):
    """One task of all the classes, whose order does not matter."""
    trained = run(mixture=((8, 2, 1),), all_ways=(), update_weights=(0.1, 0.2, 0.3, 0.4),
                  carried_moments=carried)
    _, parts = trained.loss()
    batch = draw_batch(trained.config, SEEN, 8, stream(TINY.seed + 1, 1, 1))
    weights = weights_of(trained)
    layers, watched = Exact(SMALL, weights), Watched()
    support = features(SMALL, layers, batch.support.flatten(0, 1), watched)
    queries = features(SMALL, layers, batch.queries.flatten(0, 1),
                       given(watched.moments) if carried else Watched())
    wanted = torch.arange(8).repeat_interleave(2)
    expected = sum(
        share * functional.cross_entropy(queries @ learned.T, wanted) / math.log(8)
        for share, learned in zip(trained.config.update_weights, adapted(
            support, targets(8, 2), rates(weights['log_rates'], 8)), strict=True))
    # Running variances are those of a sample, by 1 / 63 larger where the images are smallest.
    assert parts.loss == pytest.approx(float(expected), rel=0.02)


def test_every_weight_is_trained_but_the_moments_are_measured():
    trained = run(averaging=0.5)
    before = weights_of(trained)
    for _ in range(3):
        trained.step()
    moments = {key for key in before if key.endswith(('.mean', '.variance'))}
    assert {key for key, value in trained.weights.items()
            if not torch.equal(value, before[key])} == set(before) - moments
    model, watched = trained.model('tiny', {}), Watched()
    features(SMALL, Exact(SMALL, model.weights), scaled(SEEN.images), watched)
    for k, own in enumerate(watched.moments):
        for name, expected in own._asdict().items():
            found = model.weights[f'block{k}.{name}']
            assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)


def held_by_a_chip(common, seed=1, **changed):
    weights = weights_of(run())
    weights['block1.weight'] *= torch.linspace(0.1, 2, 72).view(1, 8, 3, 3)
    weights['block1.bias'] = torch.linspace(-0.5, 1, 8)
    return weights, noisy(replace(TINY, **changed), weights, common, generator(seed))


def test_noise_is_scaled_to_the_rows_that_devices_are_scaled_to():
    for common, changed in ((True, {'weight_noise': 0.1}), (False, {'read_noise': 0.1})):
        found = []
        for seed in range(200):
            weights, held = held_by_a_chip(common, seed, **changed)
            found.append(held['block1.weight'] - weights['block1.weight'])
        spread = torch.stack(found).std(0).flatten(1)  # [outputs, rows]
        limits = weights['block1.weight'].flatten(1).abs().amax(0)
        assert torch.allclose(spread.mean(0), 0.1 * limits, rtol=0.1)
        biases = held['block1.bias'] - weights['block1.bias']
        assert 0.03 < float(biases.std()) < 0.3  # a row of its own, of which 1 is the largest
        for key in ('log_rates', 'block1.mean', 'block1.variance'):
            assert held[key] is weights[key]


def test_programming_errors_are_common_to_examples_and_queries_and_reads_are_not():
    for common in (True, False):
        own, others = ('weight_noise', 'read_noise')[::1 if common else -1]
        _, held = held_by_a_chip(common, **{own: 0.1})
        weights, other = held_by_a_chip(common, **{others: 0.1})
        assert not torch.equal(held['block1.weight'], weights['block1.weight'])
        assert torch.equal(other['block1.weight'], weights['block1.weight'])


def test_four_bits_are_sixteen_steps_of_a_row_and_right_in_the_mean():
    found = []
    for seed in range(400):
        weights, held = held_by_a_chip(True, seed, bits=4)
        found.append(held['block1.weight'])
    limits = weights['block1.weight'].abs().amax(0, keepdim=True)
    step = limits / 8
    for one in found[:5]:
        levels = one / step
        assert torch.allclose(levels, levels.round(), atol=1e-3)
        assert levels.min() > -8.001 and levels.max() < 7.001
        assert float(((one - weights['block1.weight']) / step).abs().max()) < 1.001
    mean = (torch.stack(found).mean(0) - weights['block1.weight']) / step
    inside = weights['block1.weight'] < 7 * step
    assert float(mean[inside].abs().max()) < 5 * 0.5 / 400 ** 0.5
    assert held_by_a_chip(False, bits=4)[1]['block1.weight'].equal(weights['block1.weight'])


def test_gradients_pass_through_noise_and_rounding():
    trained = run(bits=4, weight_noise=0.05)
    loss, _ = trained.loss()
    loss.backward()
    assert all(torch.isfinite(value.grad).all() and value.grad.any()
               for value in trained.trained)


def contents(images):
    """Return images [..., C, H, W] as bytes, each."""
    return [one.contiguous().numpy().tobytes() for one in images.flatten(0, -4)]


def test_a_turned_or_mirrored_image_is_one_of_another_class():
    config = replace(TINY, classes=48, **STILL)
    assert kinds_of(config) == 8
    batch = draw_batch(config, SEEN, 48, generator())
    assert batch.support.shape == batch.queries.shape == (48, 2, 1, 28, 28)
    originals = scaled(SEEN.images).view(6, 6, 1, 28, 28)
    kinds = {}
    for turns in range(4):
        for mirrored in (False, True):
            turned = (originals.flip(4) if mirrored else originals).rot90(turns, (3, 4))
            for number, images in enumerate(turned):
                kinds.update(dict.fromkeys(contents(images[None]), (number, turns, mirrored)))
    assert len(kinds) == 6 * 8 * 6
    shown = [{kinds[one] for one in contents(images[None])}
             for images in torch.cat(list(batch), 1)]
    assert all(len(own) == 1 for own in shown)  # a class is of one kind,
    assert len(set().union(*shown)) == 48  # and every kind is a class of its own
    assert len(set(contents(torch.cat(list(batch), 1)))) == 48 * 4


def test_without_turns_mirrored_images_are_of_the_same_class():
    config = replace(TINY, classes=6, turned=False, support=3, queries=3, **STILL)
    assert kinds_of(config) == 1
    batch = draw_batch(config, SEEN, 6, generator())
    originals = set(contents(scaled(SEEN.images)[None]))
    mirrored = set(contents(scaled(SEEN.images).flip(3)[None]))
    found = set(contents(torch.cat(list(batch), 1)))
    assert found <= originals | mirrored
    assert found & originals and found & mirrored
    plain = draw_batch(replace(config, mirrored=False), SEEN, 6, generator())
    assert set(contents(torch.cat(list(plain), 1))) <= originals


def test_jitter_moves_each_image_by_itself_and_none_without():
    images = scaled(SEEN.images)[:4]
    assert jittered(replace(TINY, **STILL), images, generator()) is images
    same_one = images[:1].expand(3, -1, -1, -1)
    for name in STILL:
        moved = jittered(replace(TINY, **{**STILL, name: 0.1}), same_one, generator())
        assert moved.shape == same_one.shape and not torch.equal(moved[0], moved[1]), name
        assert float((moved - same_one).abs().mean()) < 0.2
    shifted = jittered(replace(TINY, **{**STILL, 'jitter_shift': 1e-9}), images, generator())
    assert torch.allclose(shifted, images, atol=1e-4)


def test_a_batch_is_the_same_for_the_same_seed():
    first, again, other = (draw_batch(TINY, SEEN, 8, generator(seed)) for seed in (1, 1, 2))
    assert isinstance(first, Batch) and all(map(torch.equal, first, again))
    assert not torch.equal(first.support, other.support)


def test_a_model_is_the_average_with_images_to_calibrate_with():
    trained = run(averaging=0.5)
    for _ in range(3):
        trained.step()
    model = trained.model('tiny', {'source': 'made'})
    assert all(torch.equal(model.weights[key], value) for key, value in trained.average.items()
               if not key.endswith(('.mean', '.variance')))
    assert not torch.equal(model.weights['block0.weight'], trained.weights['block0.weight'])
    images, labels = model.calibration
    assert len(images) == model.config.calibration == 12
    known = contents(scaled(SEEN.images)[None])
    places = torch.tensor([known.index(one) for one in contents(images[None])])
    assert len(places.unique()) == 12
    own = SEEN.labels[places].view(6, 2)
    assert torch.equal(own[:, 0], own[:, 1]) and len(own[:, 0].unique()) == 6
    assert labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert (model.card['iterations'], model.card['seed']) == (3, 4)
    assert model.card['images'] == {'source': 'made'}
    before = model.weights['block0.weight'].clone()
    trained.step()
    assert torch.equal(model.weights['block0.weight'], before)


def test_the_second_networks_training_makes_a_step():
    small = replace(CIFAR_TRAINING, classes=6, support=2, queries=2, mixture=((5, 2, 2),),
                    all_ways=(2,), validate_every=0, validation_tasks=2,
                    network=replace(CIFAR_TRAINING.network, filters=4, hidden=6))
    config = small.network
    images = labelled(6, 12, 3, config)
    trained = ImageTraining(small, images, images)
    before = weights_of(trained)
    trained.step()
    assert all(not torch.equal(value, before[key]) for key, value in weights_of(trained).items()
               if not key.endswith(('.mean', '.variance')))
    assert 0 <= trained.validate().error_percent <= 100


@pytest.mark.parametrize(('changed', 'said'), [
    ({'mixture': ((1, 2, 4),)}, 'mixture with 1 ways: expected at least 2'),
    ({'mixture': ((9, 2, 4),)}, 'mixture with 9 ways: expected at most the 8 of classes'),
    ({'mixture': ((5, 3, 4),)}, 'mixture with 3 shots: expected at most the 2 of support'),
    ({'mixture': ()}, 'mixture'), ({'mixture': ((5, 2, 0),)}, 'mixture'),
    ({'all_ways': (3,)}, r'all_ways \(3,\): expected at most the 2 of support'),
    ({'update_weights': (0.5, 0.5)}, '2 update_weights: expected one for each of 4 updates'),
    ({'update_weights': (0.0, 0.0, 0.0, 0.0)}, 'expected one above 0'),
    ({'classes': 1}, 'classes 1: expected at least 2'), ({'queries': 0}, 'queries 0'),
    ({'bits': 17}, 'bits 17'), ({'jitter_turn': float('nan')}, 'jitter_turn nan'),
    ({'weight_noise': -0.1}, 'weight_noise -0.1'),
    ({'learning_rate': 0.0}, 'learning_rate 0'), ({'seed': -1}, 'seed -1'),
])
def test_configurations_that_make_no_sense_are_refused_in_one_line(changed, said):
    with pytest.raises(ModelError, match=said) as caught:
        checked(replace(TINY, **changed), 'here')
    assert str(caught.value).startswith('here') and '\n' not in str(caught.value)


@pytest.mark.parametrize(('text', 'said'), [
    ('classes: 0', 'classes 0'), ('clases: 3', "unknown field 'clases'"), ('- 1', 'mapping'),
    ('network: {side: 8}', 'leave nothing of an image of side 8'),
    ('network: 3', 'network'), ('products: int8', 'float32, bfloat16, faster'),
    ('mixture: [[5, 5]]', 'mixture'), ('mixture: [', 'YAML|expected'), ('seed: x', 'seed'),
    ('network: {updates: 2}', '4 update_weights: expected one for each of 2 updates'),
])
def test_files_of_configurations_are_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / 'config.yaml'
    path.write_text(text)
    with pytest.raises(ModelError, match=said) as caught:
        read_config(path, TINY)
    assert str(path) in str(caught.value) and '\n' not in str(caught.value)


def test_a_file_changes_the_fields_that_it_names(tmp_path):
    path = tmp_path / 'config.yaml'
    path.write_text('classes: 7\nnetwork: {filters: 5}\nmixture: [[3, 1, 2]]\n')
    assert read_config(path, TINY) == replace(
        TINY, classes=7, network=replace(SMALL, filters=5), mixture=((3, 1, 2),))
    assert configured({}, 'x') == FewShotConfig()


def test_images_that_do_not_fit_are_refused_in_one_line():
    wide = labelled(6, 12, config=NetworkConfig(side=32))
    for images, unseen, changed, error, said in (
            (wide, UNSEEN, {}, NetworkError, r'made: .* \(1, 32, 32\), .* \(1, 28, 28\)'),
            (SEEN, wide, {}, NetworkError, r'made: .* \(1, 32, 32\), .* \(1, 28, 28\)'),
            (SEEN, UNSEEN, {'classes': 49}, ModelError, '48 classes to train with, turned and '),
            (SEEN, labelled(4, 12), {}, ImageSetError, '5 ways: there are 4 classes'),
            (SEEN, labelled(6, 6), {}, ImageSetError, '5 shots and 5 queries'),
            (SEEN, UNSEEN, {'images': 'abc'}, ModelError, 'other images .* give it the same')):
        with pytest.raises(error, match=said) as caught:
            ImageTraining(replace(TINY, **changed), images, unseen)
        assert '\n' not in str(caught.value)
    with pytest.raises(ImageSetError, match='4 shots and 4 queries'):
        run(support=4, queries=4).step()


def test_a_run_goes_on_with_its_own_images_and_its_own_checkpoint(tmp_path):
    with pytest.raises(ModelError, match='no checkpoint'):
        ImageTraining.restore(tmp_path, SEEN, UNSEEN)
    run().save(tmp_path)
    with pytest.raises(ModelError, match='other images .* than those the run began with'):
        ImageTraining.restore(tmp_path, labelled(6, 6, 9), UNSEEN)
    with pytest.raises(ModelError, match='a checkpoint of `smallbot few-shot train`') as caught:
        MetaTraining.restore(tmp_path)
    assert '\n' not in str(caught.value)
    small = replace(MetaConfig().model, neurons=10, generator_neurons=10, steps=60)
    MetaTraining(MetaConfig(model=small, batch=2, window_range=(20, 40))).save(tmp_path)
    with pytest.raises(ModelError, match=f'expected one of {IMAGES.made_by}') as caught:
        ImageTraining.restore(tmp_path, SEEN, UNSEEN)
    assert '\n' not in str(caught.value)


def test_the_configuration_of_the_second_run_is_one():
    path = Path(__file__).parents[2] / 'config' / 'few_shot' / 'second.yaml'
    config = read_config(path, FewShotConfig())
    assert config.carried_moments and config.iterations == 2000
    assert config.mixture == FewShotConfig().mixture
