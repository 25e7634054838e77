# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The network: sizes that the paper counts, features that torch's own modules make, places."""

from hypothesis import given as given_, settings, strategies as st
import pytest
import torch
from torch import nn

from smallbot.chip.device.state import ChipError
from smallbot.chip.mapping import im2col
from smallbot.few_shot.network import (
    CIFAR_FS,
    EPSILON,
    Exact,
    features,
    given,
    initial_weights,
    moments_of,
    NetworkConfig,
    NetworkError,
    of_training,
    OMNIGLOT,
    Statistics,
    unrolled,
    Watched,
)
from smallbot.few_shot.on_chip import layout

from .conftest import generator, pictures, SMALL, small_model

HIDDEN = NetworkConfig(side=32, channels=3, filters=6, hidden=10, bias=True)


def as_modules(config, weights):
    """Return the same network made of torch.nn, up to the maximum."""
    blocks = []
    for k in range(config.blocks):
        convolution = nn.Conv2d(config.filters if k else config.channels, config.filters,
                                config.kernel, config.stride, config.padding)
        convolution.load_state_dict({name: weights[f'block{k}.{name}']
                                     for name in ('weight', 'bias')})
        normalisation = nn.BatchNorm2d(config.filters, EPSILON, affine=False)
        normalisation.running_mean = weights[f'block{k}.mean']
        normalisation.running_var = weights[f'block{k}.variance']
        blocks += [convolution, nn.ReLU(), normalisation]
    return nn.Sequential(*blocks, nn.MaxPool2d(config.pool, 1), nn.Flatten())


def test_the_network_for_characters_takes_two_cores_and_342720_devices():
    found = layout(OMNIGLOT, 5)
    assert (found.cores, found.cells, found.devices) == (2, 85_680, 342_720)
    output, = found.of('output')
    assert 4 * output.shape[0] * output.shape[1] == 1_120
    assert OMNIGLOT.sides() == [28, 14, 7, 4, 2] and OMNIGLOT.features == 56
    assert layout(OMNIGLOT, 20).cores == 2


def test_the_second_network_has_a_hidden_layer_a_bias_and_needs_more_cores():
    assert CIFAR_FS.sides() == [32, 16, 8, 4, 2] and CIFAR_FS.final_side == 1
    assert (CIFAR_FS.pooled, CIFAR_FS.features) == (256, 257)
    assert CIFAR_FS.matrices(5) == {
        'block0': (28, 256), 'block1': (2305, 256), 'block2': (2305, 256),
        'block3': (2305, 256), 'hidden': (257, 256), 'output': (257, 5)}
    found = layout(CIFAR_FS, 5)
    cells = sum(rows * columns for rows, columns in CIFAR_FS.matrices(5).values())
    assert found.devices == 4 * cells and found.cores == 33
    assert {region.core for region in found.regions} == set(range(33))
    with pytest.raises(ChipError, match='does not fit on 64 cores'):
        layout(NetworkConfig(filters=512), 5)


@pytest.mark.parametrize('config', [SMALL, OMNIGLOT, HIDDEN])
def test_features_are_those_of_torchs_own_modules(config):
    model = small_model(config)
    images = pictures(3, 4, 9, config).view(-1, config.channels, config.side, config.side) / 255
    with torch.no_grad():
        expected = as_modules(config, model.weights).eval()(images)
        if config.hidden:
            dense = nn.Linear(config.pooled, config.hidden)
            dense.load_state_dict({name: model.weights[f'hidden.{name}']
                                   for name in ('weight', 'bias')})
            expected = torch.cat([dense(expected).relu(), torch.ones(len(images), 1)], 1)
    found = features(config, Exact(config, model.weights), images,
                     given(of_training(config, model.weights)))
    assert found.shape == (12, config.features) and found.std() > 0.1
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_normalising_by_a_batchs_own_moments_is_what_torch_does_in_training():
    model = small_model()
    images = pictures(4, 5, 9)[:, None] / 255
    watched = Watched()
    found = features(SMALL, Exact(SMALL, model.weights), images, watched)
    with torch.no_grad():
        expected = as_modules(SMALL, model.weights).train()(images)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert len(watched.moments) == SMALL.blocks
    again = features(SMALL, Exact(SMALL, model.weights), images, given(watched.moments))
    assert torch.equal(again, found)


def test_moments_are_mean_and_variance_over_images_and_places():
    x = torch.randn(5, 3, 4, 4, generator=generator())
    mean, variance = moments_of(x)
    flat = x.transpose(0, 1).flatten(1)
    assert torch.allclose(mean, flat.mean(1))
    assert torch.allclose(variance, flat.square().mean(1) - flat.mean(1) ** 2)


def test_a_layer_unrolled_multiplies_patches_to_the_convolution():
    weights = initial_weights(HIDDEN, generator())
    weights['block0.bias'] = torch.randn(6, generator=generator(2))
    x = torch.rand(2, 3, 32, 32, generator=generator(3))
    product = im2col(x, 3, 2, 1, bias=True) @ unrolled(HIDDEN, weights, 'block0')
    expected = Exact(HIDDEN, weights).convolve(0, x)
    assert torch.allclose(product.view(2, 256, 6).transpose(1, 2).reshape(2, 6, 16, 16),
                          expected, rtol=1e-4, atol=1e-5)
    assert unrolled(HIDDEN, weights, 'hidden').shape == HIDDEN.matrices(5)['hidden']


@settings(max_examples=60, deadline=None)
@given_(st.integers(1, 40), st.integers(1, 6), st.integers(1, 5), st.integers(1, 3),
        st.integers(0, 2), st.integers(1, 3), st.integers(0, 4))
def test_what_a_configuration_says_of_its_shapes_is_so_or_it_is_refused(
        side, blocks, kernel, stride, padding, pool, hidden):
    try:
        config = NetworkConfig(side=side, filters=2, blocks=blocks, kernel=kernel, stride=stride,
                               padding=padding, pool=pool, hidden=hidden)
    except NetworkError as error:
        assert str(side) in str(error) and '\n' not in str(error)
        return
    weights = initial_weights(config, generator())
    assert {key: tuple(value.shape) for key, value in weights.items()} == config.shapes()
    for layer, shape in config.matrices(3).items():
        if layer != 'output':
            assert tuple(unrolled(config, weights, layer).shape) == shape
    found = features(config, Exact(config, weights), torch.rand(2, 1, side, side),
                     given(of_training(config, weights)))
    assert found.shape == (2, config.features)


def test_weights_begin_with_a_variance_of_two_over_fan_in():
    weights = initial_weights(OMNIGLOT, generator())
    assert float(weights['block1.weight'].std()) == pytest.approx((2 / 504) ** 0.5, rel=0.02)
    assert not weights['block1.bias'].any() and (weights['block1.variance'] == 1).all()
    assert torch.allclose(weights['log_rates'].exp(), torch.tensor(OMNIGLOT.rate))
    assert torch.equal(weights['block0.weight'],
                       initial_weights(OMNIGLOT, generator())['block0.weight'])


def test_of_the_statistics_that_of_the_batch_alone_is_transductive():
    assert [one for one in Statistics if one.transductive] == [Statistics.BATCH]
