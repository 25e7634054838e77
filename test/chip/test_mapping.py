# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Matrices over cores: exact counts, sums of regions, convolutions, files."""

from hypothesis import given, settings, strategies as st
import pytest
import torch
from torch.nn import functional

from smallbot.chip.converters import EQUAL
from smallbot.chip.core import Core
from smallbot.chip.device.laws import HERMES_TWO_DEVICE, IDEAL
from smallbot.chip.device.state import ChipError
from smallbot.chip.mapping import cut, im2col, Matrix, place
from smallbot.chip.storage import load_chip, save_chip
from smallbot.synapses.chip import ChipSynapses
from smallbot.synapses.granularity import Granularity

CNN = {'conv1': (9 + 1, 56), 'conv2': (504 + 1, 56), 'conv3': (504 + 1, 56),
       'conv4': (504 + 1, 56), 'readout': (56, 5)}
"""The seed paper's image classifier with 56 filters, biases of the convolutions in a row."""


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def matrix_with(rows=300, columns=270, law=IDEAL, sd=0.2, cores=4, **options):
    weights = (sd * torch.randn(rows, columns, generator=generator(5))).clamp(-1, 1)
    matrix = Matrix(torch.ones(rows), columns, place({'w': (rows, columns)}, cores).regions,
                    generator(), law=law, **options)
    done = matrix.program(weights)
    return matrix, weights, done


def test_the_trainee_takes_one_core_and_255000_devices():
    found = place({'trainee': (255, 250)}, cores=1)
    assert len(found.regions) == 1 and found.devices == 255_000


def test_the_classifier_takes_two_cores_and_342720_devices_its_readout_1120():
    found = place(CNN, cores=2)
    assert found.devices == 342_720
    readout = found.of('readout')
    assert len(readout) == 1 and 4 * readout[0].shape[0] * readout[0].shape[1] == 1_120
    assert len(found.of('conv2')) == 2  # flattened kernels in two parts
    assert {r.core for r in found.regions} == {0, 1}
    assert '342,720 devices' in str(found) and 'conv4' in str(found)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 600), st.integers(1, 600)), min_size=1, max_size=6))
def test_regions_cover_every_matrix_once_and_never_overlap(shapes):
    named = {f'm{k}': shape for k, shape in enumerate(shapes)}
    found = place(named, cores=1000)
    assert found.cells == sum(r * c for r, c in shapes)
    for name, (rows, columns) in named.items():
        covered = torch.zeros(rows, columns, dtype=torch.int)
        for r in found.of(name):
            covered[slice(*r.rows), slice(*r.columns)] += 1
        assert (covered == 1).all()
    for core in {r.core for r in found.regions}:
        used = torch.zeros(256, 256, dtype=torch.int)
        for r in (r for r in found.regions if r.core == core):
            height, width = r.shape
            assert r.at[0] + height <= 256 and r.at[1] + width <= 256
            used[r.at[0]:r.at[0] + height, r.at[1]:r.at[1] + width] += 1
        assert int(used.max()) == 1


def test_a_cut_is_as_equal_as_can_be():
    assert cut(256) == [(0, 256)]
    assert [b - a for a, b in cut(505)] == [252, 253]
    assert [b - a for a, b in cut(700)] == [233, 233, 234]


def test_what_does_not_fit_is_refused_with_what_would_do():
    with pytest.raises(ChipError, match='does not fit on 2 cores.*expected a plan for 9'):
        place({'big': (600, 600)}, 2)
    with pytest.raises(ChipError, match='matrix none of 0 x 5'):
        place({'none': (0, 5)})


def test_the_products_of_regions_are_summed():
    matrix, weights, done = matrix_with()
    assert len(matrix.cores) == 4
    assert done.cells == 300 * 270 and done.devices == 4 * 300 * 270
    x = torch.rand(30, 300, generator=generator(3)) * 2 - 1
    matrix.set_ranges(x)
    error = matrix.read(x) - x @ weights
    largest = float((x @ weights).abs().max())
    assert float(error.abs().max()) < 0.06 * largest
    assert float(error.std()) < 0.02 * largest
    assert torch.allclose(matrix.effective_weights(), weights, atol=0.03)
    assert torch.equal(matrix.intended, weights)


def test_regions_on_other_cores_are_written_at_the_same_time():
    shapes = {'a': (250, 250), 'b': (250, 250)}
    regions = place(shapes, 2).regions
    alone = Core(torch.ones(250), 250, generator())
    seconds = alone.program(torch.full((250, 250), 0.3)).seconds
    both = Matrix(torch.ones(500), 250, place({'c': (500, 250)}, 2).regions, generator())
    assert {r.core for r in both.regions} == {r.core for r in regions} == {0, 1}
    assert both.program(torch.full((500, 250), 0.3)).seconds < 1.2 * seconds


def test_nothing_is_written_when_one_region_refuses():
    matrix, weights, _ = matrix_with()
    pulses = matrix.cores[0].devices.pulses.clone()
    spoiled = weights.clone()
    spoiled[-1, -1] = 1.5
    with pytest.raises(ChipError, match='1.5'):
        matrix.program(spoiled)
    with pytest.raises(ChipError, match='expected'):
        matrix.program(weights[:-1])
    assert torch.equal(matrix.cores[0].devices.pulses, pulses)


def test_a_convolution_is_the_software_one_up_to_the_converters():
    kernels = 0.2 * torch.randn(6, 3, 3, 3, generator=generator(2))
    bias = 0.2 * torch.randn(6, generator=generator(3))
    matrix = Matrix(torch.ones(28), 6, place({'conv': (28, 6)}).regions, generator(), law=IDEAL,
                    converters=EQUAL)
    matrix.program(torch.cat([kernels.flatten(1).T, bias[None]]))
    images = torch.rand(4, 3, 9, 7, generator=generator(4))
    expected = functional.conv2d(images, kernels, bias, stride=2, padding=1)
    matrix.set_ranges(im2col(images, 3, stride=2, padding=1, bias=True))
    found = matrix.convolve(images, 3, stride=2, padding=1, bias=True)
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) < 0.06 * float(expected.abs().max())
    with pytest.raises(ChipError, match='27 rows, expected the 28'):
        matrix.convolve(images, 3)


def test_a_matrix_on_several_cores_survives_its_file_bit_for_bit(tmp_path):
    matrix, _, _ = matrix_with(law=HERMES_TWO_DEVICE)
    matrix.wait(50.0)
    save_chip(matrix, tmp_path / 'chip', settings={'of': 'a test'})
    loaded, _, settings_ = load_chip(tmp_path / 'chip')
    assert settings_ == {'of': 'a test'} and loaded.regions == matrix.regions
    x = torch.rand(5, 300, generator=generator(3))
    for _ in range(2):
        assert torch.equal(loaded.read(x), matrix.read(x))
        loaded.wait(100.0)
        matrix.wait(100.0)
    twin = matrix.copy()
    assert torch.equal(twin.read(x), matrix.read(x))
    twin.program(torch.zeros(300, 270))
    assert not torch.equal(twin.effective_weights(), matrix.effective_weights())


def test_synapses_larger_than_a_core_lie_on_two():
    weights = 0.1 * torch.randn(300, 200, generator=generator(1))
    synapses = ChipSynapses.prepare(weights, None, torch.full((200,), 0.5), generator(2),
                                    granularity=Granularity('exact'))
    assert isinstance(synapses.core, Matrix)
    x = (torch.rand(20, 200, generator=generator(3)) < 0.1).float()
    error = synapses.matvec(x) - x @ weights.T
    assert float(error.norm() / (x @ weights.T).norm()) < 0.3
    done = synapses.update(torch.full((300, 200), 0.01))
    assert done.cells == 60_000 and done.pulses > 60_000
    with pytest.raises(ChipError, match='does not fit on 1 core'):
        ChipSynapses.prepare(weights, None, torch.full((200,), 0.5), generator(2), cores=1)
