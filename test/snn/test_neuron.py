import math

import pytest
import torch

from smallbot.snn.neuron import initial_state, NeuronParameters, pseudo_derivative, step


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
