# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from smallbot.snn.neuron import initial_state, NeuronParameters, pseudo_derivative, Reset, step
from smallbot.snn.unroll import unroll


def run(currents, p, beta=None):
    state = initial_state((1, 1), p, torch.zeros(()))
    voltages, spikes = [], []
    for current in currents:
        state, _ = step(torch.full((1, 1), current), state, p, beta)
        voltages.append(float(state.v))
        spikes.append(int(state.z))
    return voltages, spikes


def test_membrane_decays_with_its_time_constant():
    p = NeuronParameters(threshold=10.0)
    voltages, _ = run([1.0] + [0.0] * 20, p)
    assert voltages[20] == pytest.approx(math.exp(-20 / 20), rel=1e-6)


def test_a_spike_takes_the_threshold_off_and_silences_for_four_more_steps():
    p = NeuronParameters(threshold=0.6)
    voltages, spikes = run([5.0] + [0.0] * 9, p)
    assert spikes == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert voltages[1] == pytest.approx(5.0 * p.membrane_decay - 0.6, rel=1e-6)


def test_adaptation_raises_the_threshold_by_beta_and_forgets_slowly():
    p = NeuronParameters(threshold=1.0, adaptive_share=1.0, refractory_steps=0)
    beta = p.beta_of(1, torch.zeros(()))
    _, spikes = run([1.5] + [0.0] * 3 + [2.0], p, beta)
    assert spikes == [1, 0, 0, 0, 0]
    _, without = run([1.5] + [0.0] * 3 + [2.0], p)
    assert without[-1] == 1


# Two spikes of an ALIF neuron of the generator, 1.3 + 1.6 a, worked out on paper from the
# published code's recursion: at each step a decays and takes up the spike before, and that spike
# takes the threshold with this a from the voltage. g = 0.95122942, rho = 0.99833472.
#   step 1: a = 1, A = 2.9;                   v = 2 g - 2.9
#   step 5: a = rho^4 = 0.99335551, A = 2.889369: v = g^4 (2 g - 2.9) + 6
#   step 6: a = rho^5 + 1 = 1.99170129, A = 4.486722
CURRENTS = [2.0, 0.0, 0.0, 0.0, 0.0, 6.0, 0.0, 0.0]
PUBLISHED = [2.0, -0.99754115, -0.94889049, -0.90261256, -0.85859163, 5.18328238, 0.44376865,
             0.42212580]


def test_a_spike_takes_the_threshold_that_it_has_raised_as_in_the_published_code():
    p = NeuronParameters(threshold=1.3, adaptive_share=1.0)
    voltages, spikes = run(CURRENTS, p, p.beta_of(1, torch.zeros(())))
    assert voltages == pytest.approx(PUBLISHED, abs=2e-6)
    assert spikes == [1, 0, 0, 0, 0, 1, 0, 0]


def test_an_unrolled_neuron_is_as_far_from_its_threshold_as_in_the_published_code():
    # A wide pseudo-derivative shows at every step how far the voltage is from the threshold.
    p = NeuronParameters(threshold=1.3, adaptive_share=1.0, surrogate_width=10.0, gated=False)
    currents, none = torch.tensor(CURRENTS).double(), torch.zeros(1, 1, dtype=torch.float64)
    psi = unroll(currents[:, None, None], none, none, p).psi[:, 0, 0]
    distance = 13.0 * (1 - psi / (0.3 / 1.3))
    assert distance[1].item() == pytest.approx(2.9 - PUBLISHED[1], abs=1e-7)
    assert distance[6].item() == pytest.approx(4.48672207 - PUBLISHED[6], abs=1e-7)


def test_models_of_before_take_the_threshold_that_was_crossed():
    p = NeuronParameters(threshold=1.3, adaptive_share=1.0, reset=Reset.CROSSED)
    voltages, _ = run(CURRENTS, p, p.beta_of(1, torch.zeros(())))
    assert voltages[1] == pytest.approx(2 * math.exp(-1 / 20) - 1.3, rel=1e-6)


def test_adaptive_neurons_are_the_last_share_of_a_population():
    beta = NeuronParameters(adaptive_share=0.3).beta_of(10, torch.zeros(()))
    assert beta.tolist() == pytest.approx([0.0] * 7 + [1.6] * 3)


def test_pseudo_derivative_is_a_triangle_over_the_threshold():
    p = NeuronParameters(threshold=0.6)
    peak = 0.3 / 0.6
    distances = torch.tensor([0.0, 0.3, -0.3, 0.6, -0.7])
    expected = torch.tensor([peak, peak / 2, peak / 2, 0.0, 0.0])
    assert torch.allclose(pseudo_derivative(distances, p), expected)
    wide = pseudo_derivative(distances, NeuronParameters(threshold=0.6, surrogate_width=2.0))
    expected = torch.tensor([peak, 0.75 * peak, 0.75 * peak, peak / 2, peak * 5 / 12])
    assert torch.allclose(wide, expected)
