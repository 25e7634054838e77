# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Few-shot tasks: nothing twice, everything equally often, the same from the same seed."""

from hypothesis import given, settings, strategies as st
import pytest
import torch

from smallbot.few_shot.images.labelled import ImageSetError
from smallbot.few_shot.images.tasks import draw_tasks


@st.composite
def requests(draw):
    """Return counts of images, ways, shots, queries and tasks that go together, and a seed."""
    shots, queries = draw(st.integers(1, 5)), draw(st.integers(0, 6))
    counts = draw(st.lists(st.integers(shots + queries, 30), min_size=1, max_size=40))
    ways = draw(st.integers(1, len(counts)))
    return counts, ways, shots, queries, draw(st.integers(1, 20)), draw(st.integers(0, 99))


def drawn(counts, ways, shots, queries, tasks, seed):
    return draw_tasks(counts, ways, shots, queries, tasks, torch.Generator().manual_seed(seed))


def all_different(numbers) -> bool:
    return bool((numbers.sort(-1).values.diff(dim=-1) > 0).all())


@settings(max_examples=60, deadline=None)
@given(requests())
def test_nothing_comes_twice_and_all_of_it_is_there(request):
    counts, ways, shots, queries, tasks, _ = request
    found = drawn(*request)
    assert found.classes.shape == (tasks, ways) and all_different(found.classes)
    assert found.examples.shape == (tasks, ways, shots + queries)
    assert all_different(found.examples)
    assert found.classes.min() >= 0 and found.classes.max() < len(counts)
    of_class = torch.tensor(counts)[found.classes].unsqueeze(-1)
    assert (found.examples >= 0).all() and (found.examples < of_class).all()
    support, queried = found.rows(counts)
    assert support.shape == (tasks, ways, shots) and queried.shape == (tasks, ways, queries)
    assert all_different(torch.cat([support, queried], -1).flatten(1))
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    assert (labels[support] == found.classes.unsqueeze(-1)).all()
    assert (labels[queried] == found.classes.unsqueeze(-1)).all()


@settings(max_examples=40, deadline=None)
@given(requests())
def test_the_same_seed_gives_the_same_tasks_and_more_begin_with_them(request):
    counts, ways, shots, queries, tasks, seed = request
    first, more = drawn(*request), drawn(counts, ways, shots, queries, tasks + 7, seed)
    again = drawn(*request)
    assert torch.equal(first.classes, again.classes)
    assert torch.equal(first.examples, again.examples)
    assert torch.equal(first.classes, more.classes[:tasks])
    assert torch.equal(first.examples, more.examples[:tasks])


def test_other_seeds_give_other_tasks_and_a_generator_goes_on():
    request = [20] * 30, 5, 1, 5, 10
    assert not torch.equal(drawn(*request, 0).classes, drawn(*request, 1).classes)
    generator = torch.Generator().manual_seed(0)
    both = [draw_tasks(*request, generator).classes for _ in range(2)]
    assert not torch.equal(*both)


def test_every_class_and_example_is_equally_likely_at_every_place():
    """Within five standard deviations of a binomial distribution, of 20,000 tasks."""
    counts = torch.tensor([6, 9, 7, 8, 6, 20])
    found = drawn(counts, 3, 2, 3, 20_000, 0)
    for way in range(3):
        often = torch.bincount(found.classes[:, way], minlength=6)
        assert ((often - 20_000 / 6).abs() < 5 * (20_000 * 1 / 6 * 5 / 6) ** 0.5).all()
    for k, count in enumerate(counts.tolist()):
        of_class = found.examples[found.classes == k]
        expected, spread = len(of_class) / count, len(of_class) / count * (1 - 1 / count)
        for place in range(5):
            often = torch.bincount(of_class[:, place], minlength=count)
            assert ((often - expected).abs() < 5 * spread ** 0.5).all()


def test_too_few_classes_or_examples_say_how_many_there_are():
    with pytest.raises(ImageSetError, match='20 ways: there are 19 classes'):
        drawn([20] * 19, 20, 1, 1, 1, 0)
    with pytest.raises(ImageSetError,
                       match='5 shots and 15 queries: class 1 has 19 images, expected'):
        drawn([20, 19, 20], 2, 5, 15, 1, 0)
    for wrong in ([0, 1, 1, 1], [2, 0, 1, 1], [2, 1, -1, 1], [2, 1, 1, 0]):
        with pytest.raises(ValueError, match='at least one of each'):
            drawn([20] * 5, *wrong, 0)
