# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The inner loop: gradient descent on the cross-entropy, whatever the order of the classes."""

import pytest
import torch
from torch.nn import functional

from smallbot.few_shot.inner_loop import adapted, gradient, RATE_WAYS, rates, targets

from .conftest import generator


def drawn(ways=5, shots=3, size=7, tasks=(), seed=1):
    """Return features [*tasks, ways * shots, size], what is wanted of them and four rates."""
    seen = torch.randn(*tasks, ways * shots, size, generator=generator(seed))
    return seen, targets(ways, shots), torch.tensor([0.5, 0.3, 0.2, 0.1])


def by_autograd(seen, wanted, steps):
    """Return the weights after each step down the mean cross-entropy of one task."""
    weights, found = torch.zeros(wanted.shape[1], seen.shape[1], requires_grad=True), []
    for step in steps:
        loss = functional.cross_entropy(seen @ weights.T, wanted.argmax(1))
        slope, = torch.autograd.grad(loss, weights)
        weights = (weights - step * slope).detach().requires_grad_()
        found.append(weights.detach())
    return found


@pytest.mark.parametrize('ways', [2, 5, 20])
def test_it_is_gradient_descent_on_the_cross_entropy(ways):
    seen, wanted, steps = drawn(ways)
    found = adapted(seen, wanted, steps)
    assert len(found) == 4 and not torch.equal(found[0], found[3])
    for one, expected in zip(found, by_autograd(seen, wanted, steps), strict=True):
        assert torch.allclose(one, expected, rtol=1e-4, atol=1e-6)


def test_it_is_the_gradient_step_by_step():
    seen, wanted, steps = drawn()
    weights = torch.zeros(5, 7)
    for step, expected in zip(steps, adapted(seen, wanted, steps), strict=True):
        weights = weights + step * gradient(seen @ weights.T, wanted, seen)
        assert torch.equal(weights, expected)


def test_the_first_update_is_the_delta_rule_of_a_guess():
    """dw_lk = alpha (y_l - 1 / ways) h_k, averaged (Ortner et al. 2025, equation 3)."""
    seen, wanted, steps = drawn(4, 1)
    by_hand = torch.zeros(4, 7)
    for h, y in zip(seen, wanted, strict=True):
        by_hand += steps[0] * torch.outer(y - 1 / 4, h) / 4
    assert torch.allclose(adapted(seen, wanted, steps)[0], by_hand)


def test_many_tasks_at_once_are_each_by_itself():
    seen, wanted, steps = drawn(tasks=(3, 2))
    for k, together in enumerate(adapted(seen, wanted, steps)):
        for task in ((0, 0), (2, 1)):
            assert torch.allclose(together[task], adapted(seen[task], wanted, steps)[k])


def test_classes_in_another_order_give_the_same_rows_in_that_order():
    seen, wanted, steps = drawn()
    order = torch.tensor([3, 0, 4, 1, 2])
    for one, other in zip(adapted(seen, wanted, steps), adapted(seen, wanted[:, order], steps)):
        assert torch.allclose(other, one[order])
    shuffled = torch.randperm(len(seen), generator=generator(4))
    assert torch.allclose(adapted(seen[shuffled], wanted[shuffled], steps)[3],
                          adapted(seen, wanted, steps)[3])


def test_a_share_counts_an_example_as_often_as_it_says():
    seen, wanted, _ = drawn(2, 2)
    logits = torch.randn(4, 2, generator=generator(3))
    repeated = torch.tensor([0, 1, 2, 2, 3, 3])  # those of the second class twice
    share = torch.tensor([1, 1, 2, 2]) / 6
    assert torch.allclose(gradient(logits, wanted, seen, share),
                          gradient(logits[repeated], wanted[repeated], seen[repeated]))
    even = torch.full((4,), 1 / 4)
    assert torch.allclose(gradient(logits, wanted, seen, even),
                          gradient(logits, wanted, seen))


def test_rates_grow_with_the_ways_so_that_the_first_update_does_not_shrink():
    log_rates = torch.tensor([-1.0, -2.0])
    assert torch.allclose(rates(log_rates, RATE_WAYS), log_rates.exp())
    assert torch.allclose(rates(log_rates, 4 * RATE_WAYS), 4 * log_rates.exp())


def test_the_weights_can_be_differentiated_by_features_and_rates():
    """Second order included: the slope is that of central differences."""
    seen, wanted, steps = (x.double() for x in drawn(3, 2, 4))

    def last(seen, steps):
        return adapted(seen, wanted, steps)[-1].square().sum()

    inputs = seen.requires_grad_(), steps.requires_grad_()
    slopes = torch.autograd.grad(last(*inputs), inputs)
    ways = [torch.randn(x.shape, generator=generator(k)).double() for k, x in enumerate(inputs)]
    along = sum((slope * way).sum() for slope, way in zip(slopes, ways))
    up, down = (last(*(x.detach() + sign * 1e-6 * way for x, way in zip(inputs, ways)))
                for sign in (1, -1))
    assert float(along) == pytest.approx(float(up - down) / 2e-6, rel=1e-6)
