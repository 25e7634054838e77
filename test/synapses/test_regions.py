# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Synapses among others on a chip: where they lie, what they are to hold, how they calibrate."""

import pytest
import torch

from smallbot.chip.core import Core
from smallbot.chip.device.laws import IDEAL
from smallbot.chip.device.state import ChipError
from smallbot.chip.mapping import Matrix, place
from smallbot.synapses.chip import ChipSynapses
from smallbot.synapses.granularity import Granularity

INPUTS, OUTPUTS = 40, 6
EXACT = Granularity('exact')


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def analog(count=200, seed=2, rows=INPUTS):
    """Return inputs of every size from 0 to 1, no spikes."""
    return torch.rand(count, rows, generator=generator(seed)).square()


def learned(seed=4, rows=INPUTS):
    return (0.3 * torch.randn(OUTPUTS, rows, generator=generator(seed))).clamp(-1, 1)


def prepared(rows=INPUTS, seed=3, **options):
    """Return synapses that begin with nothing."""
    return ChipSynapses.prepare(torch.zeros(OUTPUTS, rows), None, torch.ones(rows),
                                generator(seed), granularity=EXACT, **options)


def error(synapses, x):
    wanted = x @ synapses.weights().T
    return float((synapses.matvec(x) - wanted).norm() / wanted.norm())


def test_ranges_are_set_for_weights_to_come_where_there_are_none_yet():
    x = analog()
    blind = prepared(inputs=x, law=IDEAL)
    told = prepared(inputs=x, law=IDEAL, to_come=learned())
    assert blind.core.output_range == 1.0  # as a core begins: zeros say nothing
    expected = float((x @ learned().T).abs().max())
    assert told.core.output_range == pytest.approx(1.1 * expected)
    assert not told.weights().any()
    for synapses in (blind, told):
        synapses.update(learned())
    assert error(told, x) < 0.03 < 0.1 < error(blind, x)


def test_ranges_are_set_for_each_part_of_a_cut_matrix():
    x, weights = analog(rows=600), learned(rows=600)
    regions = place({'output': (600, OUTPUTS)}).regions
    synapses = prepared(600, inputs=x, to_come=weights, regions=regions)
    for core, region in zip(synapses.core.cores, regions, strict=True):
        own = slice(*region.rows)
        expected = float((x[:, own] @ weights.T[own]).abs().max())
        assert core.output_range == pytest.approx(1.1 * expected)


def test_regions_lie_where_they_are_told_to():
    layout = place({'other': (200, 200), 'output': (300, OUTPUTS)})
    x, weights = analog(rows=300), learned(rows=300)
    synapses = prepared(300, inputs=x, to_come=weights, regions=layout.of('output'))
    assert isinstance(synapses.core, Matrix)
    assert synapses.core.regions == layout.of('output') != place({'output': (300, 6)}).regions
    assert [(core.rows, core.columns) for core in synapses.core.cores] == [
        region.shape for region in layout.of('output')]
    synapses.update(weights)
    assert error(synapses, x) < 0.2
    assert isinstance(prepared(regions=place({'w': (INPUTS, OUTPUTS)}).regions).core, Core)


def test_regions_on_the_same_core_are_read_one_after_another():
    side_by_side = place({'w': (300, OUTPUTS)}, 1).regions
    assert {region.core for region in side_by_side} == {0}
    one, two = (prepared(300, regions=regions).calibrate()
                for regions in (side_by_side, place({'w': (300, OUTPUTS)}, 2).regions))
    assert one.products == two.products and one.energy_uj == two.energy_uj
    assert one.seconds == pytest.approx(2 * two.seconds)


def test_columns_are_fitted_to_the_inputs_that_were_given_over_and_over():
    synapses = prepared(inputs=analog(), to_come=learned(), calibration=analog(), law=IDEAL)
    synapses.update(learned())
    by_hand, random = synapses.copy(), synapses.copy()
    by_hand.core.calibrate(analog()[torch.arange(1024) % 200])
    random.core.calibrate((analog(1024, 9) < 0.1).float())
    assert synapses.calibrate().products == 1024
    assert torch.equal(synapses.core.scale, by_hand.core.scale)
    assert torch.equal(synapses.core.offset, by_hand.core.offset)
    assert not torch.equal(synapses.core.scale, random.core.scale)


def test_columns_are_right_for_inputs_such_as_they_were_calibrated_with():
    x = analog(400)
    synapses = prepared(inputs=x, to_come=learned(), calibration=x[:200])
    synapses.update(learned())
    synapses.wait(30 * 86400.0)
    aged = error(synapses, x[200:])
    done = synapses.calibrate_reading()
    assert done.products == 1024 and done.energy_uj > 0
    assert error(synapses, x[200:]) < 0.5 * aged


def test_inputs_to_calibrate_with_are_kept_by_copies_and_files(tmp_path):
    synapses = prepared(inputs=analog(), to_come=learned(), calibration=analog(50))
    synapses.update(learned())
    synapses.wait(86400.0)
    synapses.save(tmp_path / 'chip')
    loaded, _ = ChipSynapses.load(tmp_path / 'chip')
    twin = synapses.copy()
    for each in (loaded, twin):
        assert torch.equal(each.calibration, analog(50))
    for each in (synapses, loaded, twin):
        each.calibrate_reading()
    read = synapses.matvec(analog(5))
    for each in (loaded, twin):
        assert torch.equal(each.core.scale, synapses.core.scale)
        assert torch.equal(each.matvec(analog(5)), read)
    plain = prepared()
    plain.save(tmp_path / 'chip')
    assert ChipSynapses.load(tmp_path / 'chip')[0].calibration is None


@pytest.mark.parametrize(('options', 'said'), [
    ({'to_come': torch.ones(OUTPUTS, 7)}, r'weights to come of shape \(6, 7\): expected \(6, 40'),
    ({'to_come': torch.ones(INPUTS, OUTPUTS)}, r'shape \(40, 6\): expected \(6, 40\)'),
    ({'to_come': torch.full((OUTPUTS, INPUTS), torch.nan)}, 'weights to come: expected finite'),
    ({'calibration': torch.ones(5, 7)}, r'calibrate with of shape \(5, 7\): expected \(5, 40\)'),
    ({'calibration': torch.ones(1, INPUTS)}, 'expected at least 2 of 40'),
    ({'calibration': torch.ones(INPUTS)}, 'expected at least 2 of 40'),
    ({'calibration': torch.full((5, INPUTS), torch.inf)}, 'calibrate with: expected finite'),
    ({'regions': place({'w': (41, OUTPUTS)}).regions}, '246 cells up to row 41, column 6'),
    ({'regions': place({'w': (OUTPUTS, INPUTS)}).regions}, 'row 6, column 40: .* of 40 x 6'),
    ({'regions': place({'w': (300, OUTPUTS)}).regions[:1]}, 'up to row 150'),
    ({'regions': ()}, '0 cells up to row 0, column 0'),
])
def test_what_does_not_fit_is_refused_in_one_line(options, said):
    with pytest.raises(ChipError, match=said) as caught:
        prepared(**options)
    assert '\n' not in str(caught.value)


def test_a_matrix_refuses_regions_of_another_one():
    regions = place({'w': (300, OUTPUTS)}).regions
    for rows, columns in ((301, OUTPUTS), (299, OUTPUTS), (300, OUTPUTS + 1)):
        with pytest.raises(ChipError, match=f'expected those of a matrix of {rows} x {columns}'):
            Matrix(torch.ones(rows), columns, regions, generator())
