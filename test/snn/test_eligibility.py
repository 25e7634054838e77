# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import math

import torch

from smallbot.snn.codes import BinaryCode, clock_spikes, LinearCode, PopulationCode
from smallbot.snn.eligibility import eligibility_traces, eprop_update
from smallbot.snn.neuron import NeuronParameters
from smallbot.snn.unroll import unroll

P = NeuronParameters()
EYE = torch.eye(12, dtype=torch.float64)


def small_network(recurrent):
    generator = torch.Generator().manual_seed(7)
    inputs = (torch.rand(80, 6, generator=generator, dtype=torch.float64) < 0.2).double()
    w_in = torch.randn(6, 12, generator=generator, dtype=torch.float64) * 0.6
    w_rec = torch.randn(12, 12, generator=generator, dtype=torch.float64) * recurrent
    return inputs, w_in, w_rec, torch.randn(80, 12, generator=generator, dtype=torch.float64)


def dense_update(inputs, spikes, psi, signals, rate):
    """Return the update by its definition: one trace for every synapse at every step."""
    g = P.membrane_decay
    previous = torch.cat([torch.zeros_like(spikes[:1]), spikes[:-1]])
    presynaptic = torch.cat([inputs, previous], dim=1)
    trace = torch.zeros(presynaptic.shape[1], spikes.shape[1], dtype=inputs.dtype)
    total = torch.zeros_like(trace)
    for t in range(len(inputs)):
        trace = g * trace + presynaptic[t][:, None]
        total -= rate * signals[t] * psi[t] * trace
    return total


def test_factorised_update_equals_the_dense_definition():
    inputs, w_in, w_rec, signals = small_network(0.2)
    trial = unroll((inputs @ w_in)[:, None], w_rec, EYE, P)
    spikes, psi = trial.output, trial.psi
    eligibility = eligibility_traces(inputs, spikes[:, 0], psi[:, 0], P.membrane_decay)
    delta = eprop_update(eligibility, signals[:, None], 1e-3)[0]
    expected = dense_update(inputs, spikes[:, 0], psi[:, 0], signals, 1e-3)
    assert spikes.sum() > 50 and expected.abs().max() > 1e-4
    assert torch.allclose(delta, expected, atol=1e-15)


def test_eprop_with_the_total_learning_signal_is_backpropagation():
    """dE/dW = sum_t dE/dz^t e^t exactly, when dE/dz^t counts all that the spike brings about.

    Source: Bellec et al. 2020, equation 1. The total dE/dz follows from autograd's gradient G of
    the currents, since G^t = g G^{t+1} + psi^t dE/dz^t.
    """
    inputs, w_in, w_rec, signals = small_network(0.2)
    w_in.requires_grad_()
    w_rec.requires_grad_()
    current = inputs @ w_in
    trial = unroll(current[:, None], w_rec, EYE, P)
    spikes, psi = trial.output, trial.psi
    loss = (spikes[:, 0] * signals).sum()
    along_current, for_in, for_rec = torch.autograd.grad(loss, [current, w_in, w_rec])
    later = torch.cat([along_current[1:], torch.zeros_like(along_current[:1])])
    total = (along_current - P.membrane_decay * later) / psi[:, 0].clamp_min(1e-300)
    eligibility = eligibility_traces(inputs, spikes[:, 0].detach(), psi[:, 0], P.membrane_decay)
    delta = eprop_update(eligibility, total[:, None], 1.0)[0]
    assert spikes.sum() > 50
    for ours, theirs in ((-delta[:6], for_in), (-delta[6:], for_rec)):
        assert theirs.abs().max() > 1e-2
        assert (ours - theirs).abs().max() < 1e-9 * theirs.abs().max()


def test_eprop_points_down_the_loss_of_a_recurrent_network():
    """With recurrence e-prop is an approximation: it must still agree in direction."""
    inputs, w_in, w_rec, signals = small_network(0.05)
    w_rec.requires_grad_()
    trial = unroll((inputs @ w_in)[:, None], w_rec, EYE, P)
    spikes, psi = trial.output, trial.psi
    gradient, = torch.autograd.grad((spikes[:, 0] * signals).sum(), w_rec)
    eligibility = eligibility_traces(inputs, spikes[:, 0].detach(), psi[:, 0], P.membrane_decay)
    delta = eprop_update(eligibility, signals[:, None], 1.0)[0][6:]
    cosine = torch.nn.functional.cosine_similarity(-delta.flatten(), gradient.flatten(), dim=0)
    assert cosine > 0.5


def test_clock_neurons_take_turns_at_a_hundred_hertz():
    spikes = clock_spikes(250, 5, 10, torch.zeros(()))
    assert spikes.sum(0).tolist() == [5.0] * 5
    assert spikes.sum(1).max() == 1
    assert spikes[50:100, 1].nonzero()[:, 0].tolist() == [0, 10, 20, 30, 40]


def test_clock_neurons_that_overlap_spike_one_after_the_other():
    spikes = clock_spikes(250, 25, 2, torch.zeros(()), overlap=2)
    assert spikes[:, 3].nonzero()[:, 0].tolist() == list(range(31, 50, 2))
    assert spikes[10:].sum(1).unique().tolist() == [1.0]


def test_linear_code_is_proportional_to_rates_and_drives():
    code = LinearCode(rate_range=2.0, drive_range=4.0)
    currents = code.encode(torch.tensor([1.0, -2.0]), torch.tensor([1.0, 6.0]))
    assert currents.tolist() == [0.5, -1.0, 0.25, 1.5, 1.0]
    assert len(currents) == code.channels(2)


def test_population_code_peaks_at_the_unit_of_the_value_and_of_the_rate():
    code = PopulationCode(units=9, value_range=(-1.0, 1.0), rate_range=2.0, rate_knee=0.2)
    currents = code.encode(torch.tensor([0.5]), torch.tensor([-2.0]))
    assert currents.shape == (code.channels(1),) == (18,)
    assert currents[:9].argmax() == 6 and math.isclose(float(currents[6]), 1.0)
    assert currents[9:].argmax() == 0 and math.isclose(float(currents[9]), 1.0, rel_tol=1e-5)


def test_population_code_tells_slow_movements_apart():
    code = PopulationCode()
    slow, slower = (code.encode(torch.zeros(1), torch.tensor([v])) for v in (0.1, 0.2))
    assert (slow - slower).abs().max() > 0.1


def test_binary_code_is_the_published_expansion():
    code = BinaryCode()
    values = torch.tensor([-1.0, 0.0, 0.3, 0.99999, 1.5, -2.0])
    bits = code.encode(values[:, None])
    assert bits.shape == (6, code.channels(1)) == (6, 16)
    level = (bits * 2.0 ** torch.arange(15, -1, -1)).sum(1)
    assert level.tolist() == [0, 2 ** 15, int(1.3 * 2 ** 15), 2 ** 16 - 1, 2 ** 16 - 1, 0]
