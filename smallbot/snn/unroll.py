# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A recurrent spiking network over a whole trial, with backpropagation through time by hand.

Autograd through a Python loop of 250 steps keeps a dozen tensors a step and spends most of its
time in bookkeeping. Here the loop is one `torch.autograd.Function`, and what it costs follows
the spikes, of which there are 1 to 2 % a step: forwards, a step reads the rows of the weights
whose neuron spiked and no others; backwards, the gradient of the weights adds up the rows of the
voltages' gradients that follow a spike. Only the voltages' gradients themselves, which are dense,
go through the weights as a dense product. All of it is exact; that product alone can be taken in
bfloat16, at twice the speed where the processor has it.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from smallbot.snn.neuron import NeuronParameters, pseudo_derivative, pseudo_slope, Reset

CACHE = 6 << 20
"""Bytes of weights that are used again and again at every step of a backward pass. Samples with
weights of their own go through it in groups of this size: 45 networks of 250 neurons at once
take four times as long as in two groups, because 11 MB do not stay in the cache."""
PASS = 1 << 16
"""Numbers that a pass over a trial takes at a time, few enough to stay in a core's cache."""


class Events(NamedTuple):
    """The spikes of a trial as a list, in order of step, sample and neuron."""

    row: Tensor
    """Step times batch plus sample [E]."""
    neuron: Tensor
    """[E]."""


class Trial(NamedTuple):
    """What a population did in a trial; the first three are differentiable, `psi` if asked."""

    output: Tensor
    """Spikes times the output weights [T, B, M]."""
    rate: Tensor
    """Spikes a step of each neuron, mean over steps and batch [N]."""
    by_step: Tensor
    """Spikes a neuron at each step, mean over neurons and batch [T]."""
    psi: Tensor
    """Pseudo-derivatives for eligibility traces [T, B, N], gated as the population's are."""
    events: Events

    @property
    def spikes(self) -> Tensor:
        """Return the spikes [T, B, N], each 0 or 1."""
        spikes = torch.zeros_like(self.psi)
        spikes.flatten(0, 1)[self.events.row, self.events.neuron] = 1
        return spikes


def unroll(current: Tensor, w_rec: Tensor, w_out: Tensor, p: NeuronParameters,
           products: torch.dtype | None = None, through_psi: bool = False) -> Trial:
    """Run a recurrent population over a trial.

    Parameters: `current` [T, B, N], the input current of each step; `w_rec`, recurrent weights
    from presynaptic (rows) to postsynaptic (columns) neurons: [N, N] shared by the batch, or
    [B, N, N], one network for each sample; `w_out` [N, M]; `products`, torch.bfloat16 for shared
    weights whose backward products need no more precision than that, 8 bits; `through_psi`,
    whether the pseudo-derivatives returned are differentiable too.

    Raises ValueError where the shapes do not fit.
    """
    neurons = current.shape[-1]
    shared = w_rec.shape == (neurons, neurons)
    if current.ndim != 3 or not (shared or w_rec.shape == (current.shape[1], neurons, neurons)):
        raise ValueError(
            f'w_rec has shape {tuple(w_rec.shape)} for a current of {tuple(current.shape)}: '
            f'expected [T, B, N] with [N, N] or [B, N, N]')
    if w_out.ndim != 2 or len(w_out) != neurons:
        raise ValueError(f'w_out has shape {tuple(w_out.shape)} for {neurons} neurons: '
                         f'expected [N, M]')
    output, rate, by_step, psi, row, neuron = _Unrolled.apply(current, w_rec, w_out, p, products,
                                                              through_psi)
    return Trial(output, rate, by_step, psi, Events(row, neuron))


def summed(table: Tensor, index: Tensor, row: Tensor, rows: int) -> Tensor:
    """Return [rows, M]: in row r the sum of table[index[e]] over the events e with row[e] = r.

    Parameters: `table` [N, M]; `index` and `row` [E], `row` in ascending order.
    """
    starts = torch.searchsorted(row, torch.arange(rows))
    return embedding_bag(index, table, starts, mode='sum')


class _Unrolled(torch.autograd.Function):
    """dL/dv_t = psi_t dL/dz_t + g dL/dv_{t+1}, and dL/dz_t gathers its four consequences.

    A spike z_t acts on the output, and on the next step through the recurrent weights, the reset
    and, in ALIF neurons, the adaptation; with e_t = dL/da_t:

        dL/dz_t = w_out dL/do_t + w_rec dL/dv_{t+1} - A dL/dv_{t+1} + e_{t+1}
        e_t = rho e_{t+1} - beta (psi_t dL/dz_t + r_t)

    The reset takes A = A_{t+1}, raised by this spike, and r_t = z_{t-1} dL/dv_t; or it takes
    A = A_t, the threshold crossed, and r_t = z_t dL/dv_{t+1} (`Reset`). A loss that depends on
    the psi returned adds dpsi_t/dv_t dL/dpsi_t to psi_t dL/dz_t.
    """

    @staticmethod
    def forward(ctx, current, w_rec, w_out, p, products, through_psi):
        steps, batch, neurons = current.shape
        lif = neurons - p.adaptive(neurons)
        own = w_rec.ndim == 3
        table = w_rec.flatten(0, 1) if own else w_rec
        distance = current.new_empty(current.shape)
        resting = current.new_tensor(p.threshold)
        bars = current.new_full((steps, batch, neurons - lif), p.threshold)
        bar = current.new_full((batch, neurons), p.threshold)
        beta = p.beta_of(neurons, current)
        blocked = torch.zeros_like(bar)
        v = torch.zeros_like(bar)
        flat_bar, flat_blocked, flat_v = (x.view(-1) for x in (bar, blocked, v))
        samples = torch.arange(batch)
        spiked = []
        for t, (entering, gap) in enumerate(zip(current.unbind(), distance.unbind())):
            torch.add(entering, v, alpha=p.membrane_decay, out=v)
            if t:
                sample, neuron, index = spiked[-1]
                taken = flat_bar[index]
                if p.refractory_steps > 1:
                    flat_blocked.index_fill_(0, index, torch.inf)
                    if t >= p.refractory_steps:
                        flat_blocked.index_fill_(0, spiked[t - p.refractory_steps][2], 0)
                if lif < neurons:
                    adapted = bar[:, lif:]
                    adapted.lerp_(resting, 1 - p.adaptation_decay)
                    flat_bar.index_add_(0, index, beta[neuron])
                    bars[t] = adapted
                    if p.reset is Reset.RAISED:
                        taken = flat_bar[index]
                flat_v.index_add_(0, index, taken, alpha=-1)
                starts = torch.searchsorted(sample, samples)
                v.add_(embedding_bag(index if own else neuron, table, starts, mode='sum'))
            torch.sub(v, bar, out=gap)
            sample, neuron = (gap > blocked).nonzero(as_tuple=True)
            spiked.append((sample, neuron, torch.add(neuron, sample, alpha=neurons)))
        counts = torch.tensor([len(sample) for sample, _, _ in spiked])
        first = torch.arange(0, steps * batch, batch).repeat_interleave(counts)
        row = first + torch.cat([sample for sample, _, _ in spiked])
        neuron = torch.cat([neuron for _, neuron, _ in spiked])
        slope = pseudo_slope(distance, p) if through_psi else None
        for part in distance.split(max(1, PASS // (batch * neurons))):
            pseudo_derivative(part, p, out=part)
        shown = None if p.gated else distance.clone()
        psi = _silenced(distance, row * neurons + neuron, p.refractory_steps)
        if shown is None:
            shown = psi
        rate = torch.bincount(neuron, minlength=neurons).to(psi.dtype) / (steps * batch)
        by_step = counts.to(psi.dtype) / (batch * neurons)
        output = summed(w_out, neuron, row, steps * batch).view(steps, batch, -1)
        if through_psi:
            slope.mul_(shown > 0)
        ctx.save_for_backward(psi, bars, w_rec, w_out, row, neuron, slope)
        ctx.p, ctx.products = p, products
        ctx.mark_non_differentiable(*(() if through_psi else (shown,)), row, neuron)
        return output, rate, by_step, shown, row, neuron

    @staticmethod
    def backward(ctx, grad_output, grad_rate, grad_by_step, grad_psi, *_):
        psi, bars, w_rec, w_out, row, neuron, slope = ctx.saved_tensors
        shown = None if slope is None else slope * grad_psi
        steps, batch, neurons = psi.shape
        own = w_rec.ndim == 3
        every = grad_rate / (steps * batch) + grad_by_step[:, None] / (batch * neurons)
        grad_v = psi.new_empty((steps + 1, batch, neurons))
        grad_v[steps] = 0
        lif = neurons - bars.shape[2]
        adapting = torch.zeros_like(bars)
        adapting.flatten(0, 1)[row[neuron >= lif], neuron[neuron >= lif] - lif] = 1
        matrix = w_rec[0].numel() * w_rec.element_size()
        part = max(1, CACHE // matrix) if own else batch
        for first in range(0, batch, part):
            of = slice(first, first + part)
            grad_z = psi.new_empty(psi[0, of].shape)
            gather = _gathering(grad_output[:, of], every, w_rec[of] if own else w_rec, w_out,
                                ctx.products, grad_z)
            _voltage_gradients(gather, grad_z, psi[:, of], bars[:, of], adapting[:, of], ctx.p,
                               grad_v[:, of], None if shown is None else shown[:, of])
        key, order = neuron.sort(stable=True)
        caused = row[order]
        grad_out = summed(grad_output.flatten(0, 1), caused, key, neurons)
        if own:
            key, order = (row % batch * neurons + neuron).sort(stable=True)
            caused = row[order]
        grad_rec = summed(grad_v.flatten(0, 1), caused + batch, key, w_rec.shape[:-1].numel())
        return grad_v[:steps], grad_rec.view_as(w_rec), grad_out, None, None, None


def _gathering(grad_output: Tensor, every: Tensor, w_rec: Tensor, w_out: Tensor,
               products: torch.dtype | None, grad_z: Tensor) -> Callable[[int, Tensor], None]:
    """Return what writes into `grad_z` [B, N] all that reaches dL/dz_t through weights.

    It takes t and dL/dv_{t+1}; `every` [T, N] is a gradient that all spikes of a neuron at a
    step share.
    """
    out, transposed = w_out.T, w_rec.mT
    if w_rec.ndim == 3:
        row = grad_z.unsqueeze(1)

        def gather(t, following):
            torch.addmm(every[t], grad_output[t], out, out=grad_z)
            row.baddbmm_(following.unsqueeze(1), transposed)
    elif products is None:
        def gather(t, following):
            torch.addmm(every[t], grad_output[t], out, out=grad_z)
            grad_z.addmm_(following, transposed)
    else:
        given = grad_output.to(products)
        weights = torch.cat([w_rec, w_out], dim=1).to(products).T
        both = torch.empty(len(grad_z), len(weights), dtype=products)
        through_rec, through_out = both.split([len(w_rec), w_out.shape[1]], dim=1)
        product = torch.empty_like(grad_z, dtype=products)

        def gather(t, following):
            through_rec.copy_(following)
            through_out.copy_(given[t])
            torch.mm(both, weights, out=product)
            torch.add(every[t], product, out=grad_z)
    return gather


def _voltage_gradients(gather: Callable[[int, Tensor], None], grad_z: Tensor, psi: Tensor,
                       bars: Tensor, z: Tensor, p: NeuronParameters, grad_v: Tensor,
                       shown: Tensor | None) -> None:
    """Write dL/dv of all steps but the one beyond the last into `grad_v` [T + 1, B, N].

    Parameters: `gather`, which writes into `grad_z`; `psi` [T, B, N]; `bars` and `z`, thresholds
    and spikes of the ALIF neurons, the last ones; `shown` [T, B, N], what comes through the psi
    returned, or None.
    """
    steps, _, neurons = psi.shape
    lif = neurons - bars.shape[2]
    raised = p.reset is Reset.RAISED
    grad_a = torch.zeros_like(grad_z[:, lif:])
    for t in range(steps - 1, -1, -1):
        following, result = grad_v[t + 1], grad_v[t]
        gather(t, following)
        if lif == neurons:
            grad_z.sub_(following, alpha=p.threshold)
            torch.mul(following, p.membrane_decay, out=result).addcmul_(psi[t], grad_z)
            if shown is not None:
                result.add_(shown[t])
            continue
        later = following[:, lif:]
        grad_z[:, :lif].sub_(following[:, :lif], alpha=p.threshold)
        taken = bars[min(t + raised, steps - 1)]
        grad_z[:, lif:].addcmul_(taken, later, value=-1).add_(grad_a)
        grad_z.mul_(psi[t])
        if shown is not None:
            grad_z.add_(shown[t])
        torch.add(grad_z, following, alpha=p.membrane_decay, out=result)
        grad_a.mul_(p.adaptation_decay).sub_(grad_z[:, lif:], alpha=p.beta)
        if not raised:
            grad_a.addcmul_(z[t], later, value=-p.beta)
        elif t:
            grad_a.addcmul_(z[t - 1], result[:, lif:], value=-p.beta)


def _silenced(psi: Tensor, place: Tensor, refractory_steps: int) -> Tensor:
    """Set `psi` [T, B, N] to 0, in place, where the neurons that spiked at `place` are silent."""
    flat, step = psi.view(-1), psi[0].numel()
    for steps in range(1, refractory_steps):
        later = place + steps * step
        flat.index_fill_(0, later[:torch.searchsorted(later, flat.numel())], 0)
    return psi
