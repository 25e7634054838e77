"""A recurrent spiking network over a whole trial, with backpropagation through time by hand.

Autograd through a Python loop of 250 steps keeps a dozen tensors a step and spends most of its
time in bookkeeping. Here the loop is one `torch.autograd.Function`, and what it costs follows
the spikes, of which there are 1 to 2 % a step: forwards, a step reads the rows of the weights
whose neuron spiked and no others; backwards, the gradient of the weights adds up the rows of the
voltages' gradients that follow a spike. Only the voltages' gradients themselves, which are dense,
go through the weights as a dense product. All of it is exact.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from smallbot.snn.neuron import NeuronParameters, pseudo_derivative

CACHE = 6 << 20
"""Bytes of weights that are used again and again at every step of a backward pass. Samples with
weights of their own go through it in groups of this size: 45 networks of 250 neurons at once
take four times as long as in two groups, because 11 MB no longer stay in the cache."""
PASS = 1 << 16
"""Numbers that a pass over a trial takes at a time, few enough to stay in a core's cache."""


class Events(NamedTuple):
    """The spikes of a trial as a list, in order of step, sample and neuron."""

    row: Tensor
    """Step times batch plus sample [E]."""
    neuron: Tensor
    """[E]."""


class Trial(NamedTuple):
    """What a population did in a trial."""

    spikes: Tensor
    """[T, B, N], differentiable with the pseudo-derivative."""
    psi: Tensor
    """Pseudo-derivatives [T, B, N], constants."""
    events: Events
    """The same spikes as a list."""


def unroll(current: Tensor, w_rec: Tensor, p: NeuronParameters) -> Trial:
    """Run a recurrent population over a trial.

    Parameters: `current` [T, B, N], the input current of each step; `w_rec`, recurrent weights
    from presynaptic (rows) to postsynaptic (columns) neurons: [N, N] shared by the batch, or
    [B, N, N], one network for each sample.

    Raises ValueError where the shapes do not fit.
    """
    neurons = current.shape[-1]
    shared = w_rec.shape == (neurons, neurons)
    if current.ndim != 3 or not (shared or w_rec.shape == (current.shape[1], neurons, neurons)):
        raise ValueError(
            f'w_rec has shape {tuple(w_rec.shape)} for a current of {tuple(current.shape)}: '
            f'expected [T, B, N] with [N, N] or [B, N, N]')
    spikes, psi, row, neuron = _Unrolled.apply(current, w_rec, p)
    return Trial(spikes, psi, Events(row, neuron))


def spike_product(trial: Trial, weights: Tensor) -> Tensor:
    """Return the spikes [T, B, N] times `weights` [N, M]: [T, B, M], differentiable in both."""
    return _SpikeProduct.apply(trial.spikes, weights, *trial.events)


def summed(table: Tensor, index: Tensor, row: Tensor, rows: int) -> Tensor:
    """Return [rows, M]: in row r the sum of table[index[e]] over the events e with row[e] = r.

    Parameters: `table` [N, M]; `index` and `row` [E], `row` in ascending order.
    """
    starts = torch.searchsorted(row, torch.arange(rows))
    return embedding_bag(index, table, starts, mode='sum')


class _SpikeProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx, spikes, weights, row, neuron):
        ctx.save_for_backward(weights, row, neuron)
        steps, batch, _ = spikes.shape
        return summed(weights, neuron, row, steps * batch).view(steps, batch, -1)

    @staticmethod
    def backward(ctx, grad):
        weights, row, neuron = ctx.saved_tensors
        grad_spikes = grad @ weights.T if ctx.needs_input_grad[0] else None
        key, order = neuron.sort(stable=True)
        grad_weights = summed(grad.flatten(0, 1), row[order], key, len(weights))
        return grad_spikes, grad_weights, None, None


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
        lif = neurons - p.adaptive(neurons)
        own = w_rec.ndim == 3
        table = w_rec.flatten(0, 1) if own else w_rec
        distance = current.new_empty(current.shape)
        bars = current.new_full((steps, batch, neurons - lif), p.threshold)
        resting = current.new_tensor(p.threshold)
        bar = current.new_full((batch, neurons), p.threshold)
        flat_bar = bar.view(-1)
        blocked = torch.zeros_like(bar)
        flat_blocked = blocked.view(-1)
        samples = torch.arange(batch)
        v = current.new_zeros(batch, neurons)
        flat_v = v.view(-1)
        spiked = []
        for t, (entering, gap) in enumerate(zip(current.unbind(), distance.unbind())):
            torch.add(entering, v, alpha=p.membrane_decay, out=v)
            if t:
                sample, neuron, index = spiked[-1]
                flat_v.index_add_(0, index, flat_bar[index], alpha=-1)
                starts = torch.searchsorted(sample, samples)
                v.add_(embedding_bag(index if own else neuron, table, starts, mode='sum'))
                if p.refractory_steps > 1:
                    flat_blocked.index_fill_(0, index, torch.inf)
                    if t >= p.refractory_steps:
                        flat_blocked.index_fill_(0, spiked[t - p.refractory_steps][2], 0)
                if lif < neurons:
                    adapted = bar[:, lif:]
                    adapted.lerp_(resting, 1 - p.adaptation_decay)
                    rising = index[neuron >= lif]
                    flat_bar.index_add_(0, rising, flat_bar.new_full((len(rising),), p.beta))
                    bars[t] = adapted
            torch.sub(v, bar, out=gap)
            sample, neuron = (gap > blocked).nonzero(as_tuple=True)
            spiked.append((sample, neuron, torch.add(neuron, sample, alpha=neurons)))
        counts = torch.tensor([len(sample) for sample, _, _ in spiked])
        first = torch.arange(0, steps * batch, batch).repeat_interleave(counts)
        row = first + torch.cat([sample for sample, _, _ in spiked])
        neuron = torch.cat([neuron for _, neuron, _ in spiked])
        place = row * neurons + neuron
        spikes = current.new_zeros(current.shape)
        spikes.view(-1).index_fill_(0, place, 1)
        for part in distance.split(max(1, PASS // (batch * neurons))):
            pseudo_derivative(part, p, out=part)
        psi = _silenced(distance, place, p.refractory_steps)
        ctx.save_for_backward(spikes, psi, bars, w_rec, row, neuron)
        ctx.p = p
        ctx.mark_non_differentiable(psi, row, neuron)
        return spikes, psi, row, neuron

    @staticmethod
    def backward(ctx, grad_spikes, *_):
        spikes, psi, bars, w_rec, row, neuron = ctx.saved_tensors
        steps, batch, neurons = spikes.shape
        own = w_rec.ndim == 3
        grad_v = grad_spikes.new_empty(grad_spikes.shape)
        part = max(1, CACHE // w_rec[0].nbytes) if own else batch
        for first in range(0, batch, part):
            of = slice(first, first + part)
            _voltage_gradients(grad_spikes[:, of], spikes[:, of], psi[:, of], bars[:, of],
                               w_rec[of] if own else w_rec, ctx.p, grad_v[:, of])
        grad_w = None
        if ctx.needs_input_grad[1]:
            last = torch.searchsorted(row, (steps - 1) * batch)
            row, neuron = row[:last], neuron[:last]
            key = row % batch * neurons + neuron if own else neuron
            key, order = key.sort(stable=True)
            grad_w = summed(grad_v.flatten(0, 1), row[order] + batch, key,
                            w_rec.shape[:-1].numel()).view_as(w_rec)
        return grad_v, grad_w, None


def _voltage_gradients(grad_spikes: Tensor, spikes: Tensor, psi: Tensor, bars: Tensor,
                       w_rec: Tensor, p: NeuronParameters, grad_v: Tensor) -> None:
    """Write dL/dv [T, B, N] into `grad_v`; all that goes in as in `_Unrolled`."""
    g, rho, beta = p.membrane_decay, p.adaptation_decay, p.beta
    _, batch, neurons = spikes.shape
    lif = neurons - p.adaptive(neurons)
    following = grad_spikes.new_zeros(batch, neurons)
    grad_z = torch.empty_like(following)
    grad_a = torch.zeros_like(following[:, lif:])
    transposed = w_rec.mT
    for given, slope, bar, z, result in zip(*(
            reversed(x.unbind()) for x in (grad_spikes, psi, bars, spikes, grad_v))):
        if w_rec.ndim == 3:
            torch.baddbmm(given.unsqueeze(1), following.unsqueeze(1), transposed,
                          out=grad_z.unsqueeze(1))
        else:
            torch.addmm(given, following, transposed, out=grad_z)
        if lif == neurons:
            grad_z.sub_(following, alpha=p.threshold)
            following = torch.mul(following, g, out=result).addcmul_(slope, grad_z)
            continue
        later = following[:, lif:]
        grad_z[:, :lif].sub_(following[:, :lif], alpha=p.threshold)
        grad_z[:, lif:].addcmul_(bar, later, value=-1).add_(grad_a)
        grad_z.mul_(slope)
        grad_a.mul_(rho).sub_(grad_z[:, lif:], alpha=beta)
        grad_a.addcmul_(z[:, lif:], later, value=-beta)
        following = torch.add(grad_z, following, alpha=g, out=result)


def _silenced(psi: Tensor, place: Tensor, refractory_steps: int) -> Tensor:
    """Set `psi` [T, B, N] to 0, in place, where the neurons that spiked at `place` are silent."""
    flat, step = psi.view(-1), psi[0].numel()
    for steps in range(1, refractory_steps):
        later = place + steps * step
        flat.index_fill_(0, later[:torch.searchsorted(later, flat.numel())], 0)
    return psi
