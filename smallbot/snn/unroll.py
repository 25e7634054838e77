"""A recurrent spiking network over a whole trial, with backpropagation through time by hand.

Autograd through a Python loop of 250 steps keeps a dozen tensors a step and spends most of its
time in bookkeeping. Here the loop is one `torch.autograd.Function`: it keeps the spikes and the
pseudo-derivatives, nothing else, and its backward pass is one loop of the same length.
"""

import torch
from torch import Tensor

from smallbot.snn.neuron import initial_state, NeuronParameters, step


def unroll(current: Tensor, w_rec: Tensor, p: NeuronParameters) -> tuple[Tensor, Tensor]:
    """Run a recurrent population over a trial.

    Parameters: `current` [T, B, N], the input current of each step; `w_rec`, recurrent weights
    from presynaptic (rows) to postsynaptic (columns) neurons: [N, N] shared by the batch, or
    [B, N, N], one network for each sample.

    Returns spikes [T, B, N] (differentiable with the pseudo-derivative) and the
    pseudo-derivatives [T, B, N] (constants).
    Raises ValueError where the shapes do not fit.
    """
    neurons = current.shape[-1]
    shared = w_rec.shape == (neurons, neurons)
    if current.ndim != 3 or not (shared or w_rec.shape == (current.shape[1], neurons, neurons)):
        raise ValueError(
            f'w_rec has shape {tuple(w_rec.shape)} for a current of {tuple(current.shape)}: '
            f'expected [T, B, N] with [N, N] or [B, N, N]')
    return _Unrolled.apply(current, w_rec, p)


def recurrent_current(z: Tensor, w_rec: Tensor) -> Tensor:
    """Return sum_i z_i w_rec[i] for spikes z [B, N]: [B, N]; gathers only the rows that spiked.

    A trainee spikes in 2 % of its neurons a step: with one weight matrix for each sample the
    gather reads 2 % of the memory that a batched product would.
    """
    if w_rec.ndim == 2:
        return z @ w_rec
    sample, neuron = z.nonzero(as_tuple=True)
    return torch.zeros_like(z).index_add_(0, sample, w_rec[sample, neuron])


class _Unrolled(torch.autograd.Function):
    """dL/dv_t = psi_t dL/dz_t + g dL/dv_{t+1}, and dL/dz_t gathers its four consequences.

    A spike z_t acts on the next step through the recurrent weights, the reset and, in ALIF
    neurons, the adaptation; with e_t = dL/da_t:

        dL/dz_t = given_t + w_rec dL/dv_{t+1} - A_t dL/dv_{t+1} + e_{t+1}
        e_t = rho e_{t+1} - beta (psi_t dL/dz_t + z_t dL/dv_{t+1})
    """

    @staticmethod
    def forward(ctx, current, w_rec, p):
        steps, batch, neurons = current.shape
        beta = p.beta_of(neurons, current)
        state = initial_state((batch, neurons), p, current)
        spikes = torch.empty_like(current)
        psi = torch.empty_like(current)
        adaptation = None if beta is None else torch.empty_like(current)
        for t in range(steps):
            total = recurrent_current(state.z, w_rec).add_(current[t])
            state, slope = step(total, state, p, beta)
            spikes[t] = state.z
            psi[t] = slope
            if beta is not None:
                adaptation[t] = state.a
        ctx.save_for_backward(spikes, psi, adaptation, beta, w_rec)
        ctx.p = p
        ctx.mark_non_differentiable(psi)
        return spikes, psi

    @staticmethod
    def backward(ctx, grad_spikes, _):
        spikes, psi, adaptation, beta, w_rec = ctx.saved_tensors
        p = ctx.p
        g, rho, threshold = p.membrane_decay, p.adaptation_decay, p.threshold
        steps = spikes.shape[0]
        transposed = w_rec.mT
        grad_v = torch.empty_like(grad_spikes)
        following = torch.zeros_like(grad_spikes[0])
        grad_a = torch.zeros_like(following)
        for t in range(steps - 1, -1, -1):
            if w_rec.ndim == 2:
                grad_z = torch.addmm(grad_spikes[t], following, transposed)
            else:
                grad_z = torch.baddbmm(
                    grad_spikes[t].unsqueeze(1), following.unsqueeze(1), transposed).squeeze(1)
            if beta is None:
                grad_z.sub_(following, alpha=threshold)
                following = torch.addcmul(g * following, psi[t], grad_z, out=grad_v[t])
            else:
                grad_z.sub_((threshold + beta * adaptation[t]) * following).add_(grad_a)
                through_spike = psi[t] * grad_z
                grad_a = rho * grad_a - beta * (through_spike + spikes[t] * following)
                following = torch.add(through_spike, following, alpha=g, out=grad_v[t])
        grad_w = None
        if ctx.needs_input_grad[1]:
            if w_rec.ndim == 2:
                grad_w = spikes[:-1].flatten(0, 1).T @ grad_v[1:].flatten(0, 1)
            else:
                grad_w = torch.bmm(spikes[:-1].permute(1, 2, 0), grad_v[1:].transpose(0, 1))
        return grad_v, grad_w, None
