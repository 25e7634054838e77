"""The hand-written backward pass against autograd through the same equations, in float64."""

import pytest
import torch

from smallbot.snn.filters import delayed, filtered
from smallbot.snn.neuron import initial_state, NeuronParameters, pseudo_derivative, step
from smallbot.snn.unroll import spike_product, unroll


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
    """Return the spikes by autograd, written independently of `step`."""
    steps, batch, neurons = current.shape
    beta = p.beta_of(neurons, current)
    beta = torch.zeros(neurons, dtype=current.dtype) if beta is None else beta
    v = z = a = refractory = torch.zeros(batch, neurons, dtype=current.dtype)
    spikes = []
    for t in range(steps):
        recurrent = (z[:, None] @ w_rec)[:, 0] if w_rec.ndim == 3 else z @ w_rec
        v = p.membrane_decay * v + current[t] + recurrent - (p.threshold + beta * a) * z
        a = p.adaptation_decay * a + z
        distance = v - (p.threshold + beta * a)
        free = (refractory < 0.5).to(v.dtype)
        z = Spike.apply(distance, pseudo_derivative(distance.detach(), p) * free) * free
        refractory = (refractory + p.refractory_steps * z.detach() - 1).clamp(0, 5)
        spikes.append(z)
    return torch.stack(spikes)


@pytest.mark.parametrize('adaptive_share', [0.0, 0.3])
@pytest.mark.parametrize('own_weights', [False, True])
def test_gradients_equal_autograds(adaptive_share, own_weights):
    generator = torch.Generator().manual_seed(3)
    p = NeuronParameters(adaptive_share=adaptive_share)
    steps, batch, neurons = 60, 3, 20

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    current = (0.3 * normal(steps, batch, neurons)).requires_grad_()
    shape = (batch, neurons, neurons) if own_weights else (neurons, neurons)
    w_rec = (0.3 * normal(*shape)).requires_grad_()
    weight = normal(steps, batch, neurons)
    spikes, *_ = unroll(current, w_rec, p)
    expected = reference(current, w_rec, p)
    assert spikes.sum() > 50
    assert torch.equal(spikes, expected)
    ours = torch.autograd.grad((spikes * weight).sum(), [current, w_rec])
    theirs = torch.autograd.grad((expected * weight).sum(), [current, w_rec])
    for one, other in zip(ours, theirs):
        assert other.abs().max() > 1e-3
        assert (one - other).abs().max() < 1e-12 * other.abs().max()


def test_unrolled_equals_repeated_steps():
    generator = torch.Generator().manual_seed(5)
    p = NeuronParameters()
    current = 0.4 * torch.randn(40, 2, 10, generator=generator)
    w_rec = 0.3 * torch.randn(10, 10, generator=generator)
    spikes, psi, _ = unroll(current, w_rec, p)
    state = initial_state((2, 10), p, current)
    for t in range(40):
        state, slope = step(current[t] + state.z @ w_rec, state, p)
        assert torch.equal(state.z, spikes[t])
        assert torch.allclose(slope, psi[t], atol=1e-6)


def test_a_product_with_spikes_and_its_gradients_are_the_dense_ones():
    generator = torch.Generator().manual_seed(1)
    current = torch.randn(40, 3, 10, generator=generator, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(10, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(40, 3, 7, generator=generator, dtype=torch.float64)
    trial = unroll(current, torch.zeros(10, 10, dtype=torch.float64), NeuronParameters())
    ours, theirs = spike_product(trial, weights), trial.spikes @ weights
    assert trial.spikes.sum() > 50
    assert torch.allclose(ours, theirs, atol=1e-12)
    for one, other in zip(torch.autograd.grad((ours * weight).sum(), [current, weights],
                                              retain_graph=True),
                          torch.autograd.grad((theirs * weight).sum(), [current, weights])):
        assert other.abs().max() > 1e-3
        assert torch.allclose(one, other, atol=1e-12)


def test_a_population_that_never_spikes_has_gradients_of_zero():
    current = torch.full((30, 2, 5), 0.01, requires_grad=True)
    w_rec, weights = torch.ones(5, 5, requires_grad=True), torch.ones(5, 3, requires_grad=True)
    trial = unroll(current, w_rec, NeuronParameters())
    spike_product(trial, weights).sum().backward()
    assert trial.spikes.sum() == 0 and current.grad.abs().max() > 0
    assert w_rec.grad.abs().max() == weights.grad.abs().max() == 0


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r'\[N, N\] or \[B, N, N\]'):
        unroll(torch.zeros(5, 2, 4), torch.zeros(3, 4, 4), NeuronParameters())


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
