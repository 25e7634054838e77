# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The hand-written backward pass against autograd through the same equations, in float64."""

import pytest
import torch

from smallbot.snn import unroll as unrolling
from smallbot.snn.filters import delayed, filtered
from smallbot.snn.neuron import initial_state, NeuronParameters, pseudo_derivative, Reset, step
from smallbot.snn.unroll import unroll


class Spike(torch.autograd.Function):

    @staticmethod
    def forward(ctx, distance, slope):
        ctx.save_for_backward(slope)
        return (distance > 0).to(distance.dtype)

    @staticmethod
    def backward(ctx, grad):
        slope, = ctx.saved_tensors
        return grad * slope, None


def reference(current, w_rec, p):
    """Return spikes and psi by autograd, written independently of `step`."""
    steps, batch, neurons = current.shape
    beta = p.beta_of(neurons, current)
    beta = torch.zeros(neurons, dtype=current.dtype) if beta is None else beta
    v = z = a = refractory = torch.zeros(batch, neurons, dtype=current.dtype)
    spikes, psi = [], []
    for t in range(steps):
        recurrent = (z[:, None] @ w_rec)[:, 0] if w_rec.ndim == 3 else z @ w_rec
        before, a = a, p.adaptation_decay * a + z
        taken = p.threshold + beta * (a if p.reset is Reset.RAISED else before)
        v = p.membrane_decay * v + current[t] + recurrent - taken * z
        distance = v - (p.threshold + beta * a)
        free = (refractory < 0.5).to(v.dtype)
        z = Spike.apply(distance, pseudo_derivative(distance.detach(), p) * free) * free
        refractory = (refractory + p.refractory_steps * z.detach() - 1).clamp(0, 5)
        spikes.append(z)
        triangle = torch.relu(1 - (distance / (p.surrogate_width * p.threshold)).abs())
        psi.append(p.dampening / p.threshold * triangle * (free if p.gated else 1))
    return torch.stack(spikes), torch.stack(psi)


@pytest.mark.parametrize('adaptive_share', [0.0, 0.3, 1.0])
@pytest.mark.parametrize('own_weights', [False, True])
@pytest.mark.parametrize('groups', [1, 2])
@pytest.mark.parametrize('reset', Reset)
def test_gradients_equal_autograds(monkeypatch, adaptive_share, own_weights, groups, reset):
    generator = torch.Generator().manual_seed(3)
    p = NeuronParameters(adaptive_share=adaptive_share, reset=reset)
    steps, batch, neurons, outputs = 60, 3, 20, 4
    if groups == 2:
        monkeypatch.setattr(unrolling, 'CACHE', 2 * 8 * neurons ** 2)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    shape = (batch, neurons, neurons) if own_weights else (neurons, neurons)
    leaves = [(0.3 * x).requires_grad_() for x in (
        normal(steps, batch, neurons), normal(*shape), normal(neurons, outputs))]
    current, w_rec, w_out = leaves
    weights = normal(steps, batch, outputs), normal(neurons), normal(steps)

    def loss(*results):
        return sum((x * weight).sum() for x, weight in zip(results, weights))

    trial = unroll(current, w_rec, w_out, p)
    spikes, _ = reference(current, w_rec, p)
    assert 50 < spikes.sum() == len(trial.events.row) and torch.equal(trial.spikes, spikes)
    expected = spikes @ w_out, spikes.mean((0, 1)), spikes.mean((1, 2))
    for one, other in zip(trial[:3], expected):
        assert torch.allclose(one, other, atol=1e-12)
    ours = torch.autograd.grad(loss(*trial[:3]), leaves)
    theirs = torch.autograd.grad(loss(*expected), leaves)
    for one, other in zip(ours, theirs):
        assert other.abs().max() > 1e-3
        assert (one - other).abs().max() < 1e-12 * other.abs().max()


@pytest.mark.parametrize('adaptive_share', [0.0, 0.3])
@pytest.mark.parametrize('gated', [True, False])
@pytest.mark.parametrize('own_weights', [False, True])
def test_gradients_through_the_pseudo_derivatives_equal_autograds(
        adaptive_share, gated, own_weights):
    generator = torch.Generator().manual_seed(4)
    p = NeuronParameters(adaptive_share=adaptive_share, gated=gated)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    leaves = [(0.3 * normal(*shape)).requires_grad_() for shape in (
        (40, 2, 12), (2, 12, 12) if own_weights else (12, 12))]
    weight, other = normal(40, 2, 12), normal(40, 2, 12)
    trial = unroll(*leaves, torch.eye(12, dtype=torch.float64), p, through_psi=True)
    spikes, psi = reference(*leaves, p)
    assert torch.allclose(trial.psi, psi, atol=1e-12) and torch.equal(trial.output, spikes)
    ours, theirs = (torch.autograd.grad((z * weight).sum() + (h * other).sum(), leaves)
                    for z, h in ((trial.output, trial.psi), (spikes, psi)))
    for mine, expected in zip(ours, theirs):
        assert expected.abs().max() > 1e-3
        assert (mine - expected).abs().max() < 1e-12 * expected.abs().max()


@pytest.mark.parametrize('adaptive_share', [0.0, 0.3])
def test_backward_products_in_bfloat16_change_gradients_by_less_than_a_percent(adaptive_share):
    generator = torch.Generator().manual_seed(3)
    p = NeuronParameters(adaptive_share=adaptive_share)
    leaves = [(0.3 * torch.randn(*shape, generator=generator)).requires_grad_()
              for shape in ((60, 8, 40), (40, 40), (40, 10))]
    weight = torch.randn(60, 8, 10, generator=generator)
    exact, close = (torch.autograd.grad((unroll(*leaves, p, products).output * weight).sum(),
                                        leaves) for products in (None, torch.bfloat16))
    for one, other in zip(close[:2], exact[:2]):
        assert 0 < (one - other).norm() < 0.01 * other.norm()
    assert torch.equal(close[2], exact[2])


@pytest.mark.parametrize('refractory_steps', [0, 1, 2, 5])
@pytest.mark.parametrize('adaptive_share', [0.0, 0.4])
@pytest.mark.parametrize('reset', Reset)
def test_unrolled_equals_repeated_steps(refractory_steps, adaptive_share, reset):
    generator = torch.Generator().manual_seed(5)
    p = NeuronParameters(refractory_steps=refractory_steps, adaptive_share=adaptive_share,
                         reset=reset)
    current = 0.4 * torch.randn(40, 2, 10, generator=generator, dtype=torch.float64)
    w_rec = 0.3 * torch.randn(10, 10, generator=generator, dtype=torch.float64)
    trial = unroll(current, w_rec, torch.zeros(10, 1, dtype=torch.float64), p)
    state, beta = initial_state((2, 10), p, current), p.beta_of(10, current)
    assert trial.spikes.sum() > 20
    for t in range(40):
        state, slope = step(current[t] + state.z @ w_rec, state, p, beta)
        assert torch.equal(state.z, trial.spikes[t])
        assert torch.allclose(slope, trial.psi[t], atol=1e-12)


def test_a_population_that_never_spikes_has_gradients_of_zero():
    current = torch.full((30, 2, 5), 0.01, requires_grad=True)
    w_rec, w_out = torch.ones(5, 5, requires_grad=True), torch.ones(5, 3, requires_grad=True)
    trial = unroll(current, w_rec, w_out, NeuronParameters())
    trial.output.sum().backward()
    assert trial.spikes.sum() == trial.rate.sum() == 0 and current.grad.abs().max() > 0
    assert w_rec.grad.abs().max() == w_out.grad.abs().max() == 0


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r'\[N, N\] or \[B, N, N\]'):
        unroll(torch.zeros(5, 2, 4), torch.zeros(3, 4, 4), torch.zeros(4, 1), NeuronParameters())
    with pytest.raises(ValueError, match=r'\[N, M\]'):
        unroll(torch.zeros(5, 2, 4), torch.zeros(4, 4), torch.zeros(3, 1), NeuronParameters())


def test_filter_is_the_recursion_and_its_gradient_the_reverse():
    generator = torch.Generator().manual_seed(2)
    signal = torch.randn(30, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    result = filtered(signal, 0.9)
    state = torch.zeros(4, dtype=torch.float64)
    for t in range(30):
        state = 0.9 * state + signal[t]
        assert torch.allclose(result[t], state)
    assert torch.autograd.gradcheck(lambda x: filtered(x, 0.9), signal)


def test_delay_shifts_by_one_step():
    assert delayed(torch.tensor([1.0, 2.0, 3.0])).tolist() == [0.0, 1.0, 2.0]
