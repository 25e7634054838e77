# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the chip's measurements show, against the published formulas."""

import numpy as np
import pytest

from smallbot.chip import characterisation as measure
from smallbot.chip.device.laws import HERMES_ONE_DEVICE, HERMES_TWO_DEVICE, IDEAL, LAWS, PCM_LIKE
from smallbot.chip.mapping import place
from smallbot.cli.common.arguments import LAW_NAMES, ROUNDINGS
from smallbot.plots.chip import draw_map
from smallbot.synapses.granularity import ROUNDINGS as KNOWN_ROUNDINGS


@pytest.mark.parametrize('law', [HERMES_TWO_DEVICE, HERMES_ONE_DEVICE, PCM_LIKE],
                         ids=lambda law: law.name)
def test_the_programming_error_is_the_published_one_over_the_whole_range(law):
    found = measure.programming_error(law, 1, points=11)
    sd, published = np.array(found['sd_us']), np.array(found['law_sd_us'])
    assert sd[2:] == pytest.approx(published[2:], rel=0.05)
    assert np.abs(found['mean_us']).max() < 0.12 * published.max()
    assert max(found['unconverged']) < 0.01
    assert min(found['pulses_per_cell'][1:]) > 2 * law.devices_per_polarity


def test_most_devices_converge_in_few_iterations_and_all_but_a_thousandth_in_thirty():
    found = measure.convergence(HERMES_TWO_DEVICE, 1)
    share = found['converged']
    assert share == sorted(share) and share[0] < 0.7 and share[-1] > 0.999
    assert 1 < found['mean_iterations'] < 6


def test_drift_follows_its_state_for_a_year():
    found = measure.drift(HERMES_TWO_DEVICE, 1, points=6)
    kept, law = np.array(found['kept']), np.array(found['law_kept'])
    assert np.allclose(kept, law, atol=0.03)
    assert (np.diff(kept[:, 3:], axis=1) < 0).all()
    assert kept[-1, -1] > kept[3, -1] > kept[0, -1]  # SET drifts least


def test_the_noise_has_a_spectrum_of_one_over_f():
    found = measure.noise_spectrum(HERMES_TWO_DEVICE, 1, samples=64, within=8)
    assert found['exponent'] == pytest.approx(-1.0, abs=0.12)
    ratio = np.array(found['density']) / np.array(found['law_density'])
    assert 0.6 < np.exp(np.log(ratio).mean()) < 1.6
    assert np.log10(found['frequency_hz'][-1] / found['frequency_hz'][0]) > 5


def test_products_age_unless_they_are_corrected_again():
    found = measure.product_error(HERMES_TWO_DEVICE, 1, points=4)
    once, each = np.array(found['once_4']), np.array(found['each_4'])
    assert 0.1 < each[0] < 0.2 and once[0] == pytest.approx(each[0], rel=0.1)
    assert once[-1] > 2 * each[-1] and each[-1] < 2 * each[0]
    ideal = measure.product_error(IDEAL, 1, points=2)
    assert max(ideal['once_4']) < 0.03


def test_stuck_devices_cost_less_than_their_share_would():
    found = measure.fault_tolerance(HERMES_TWO_DEVICE, 1)
    error = dict(zip(found['stuck'], found['error'], strict=True))
    assert error[0.01] < 1.15 * error[0.0] < error[0.1] < 2 * error[0.0]
    assert found['compensated_cells'][-1] > 5 * found['out_of_reach_cells'][-1]


def test_a_map_is_drawn(tmp_path):
    draw_map(place({'a': (300, 100), 'b': (40, 5)}), tmp_path / 'map.png')
    assert (tmp_path / 'map.png').stat().st_size > 10_000


def test_the_command_knows_the_laws_and_roundings_there_are():
    assert set(LAW_NAMES) == set(LAWS) and set(ROUNDINGS) == set(KNOWN_ROUNDINGS)
