# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Learning and telling, in software: the inner loop's weights, alone or with others, refusals."""

from hypothesis import given, settings, strategies as st
import pytest
import torch

from smallbot.few_shot.classifier import in_software
from smallbot.few_shot.inner_loop import adapted, gradient, rates, targets
from smallbot.few_shot.network import NetworkConfig, NetworkError, Statistics

from .conftest import generator, pictures, SMALL, small_model, task

MODEL = small_model()
BY_ITSELF = [one for one in Statistics if not one.transductive]


def learned(statistics=Statistics.TRAINING, updates=None, model=MODEL, queries=None):
    classifier = in_software(model, 5, statistics)
    support, labels, *_ = task()
    classifier.learn(support, labels, updates, queries)
    return classifier


def test_learning_makes_the_weights_of_the_inner_loop():
    support, labels, queries, wanted = task()
    classifier = in_software(MODEL, 5)
    seen = classifier.features(support)
    expected = adapted(seen, targets(5, 2), rates(MODEL.weights['log_rates'], 5))
    written = []
    found = classifier.learn(support, labels,
                             after=lambda number: written.append(classifier.output.weights()))
    assert len(written) == len(found.writes) == 4 and found.reads is None
    for weights, wanted_weights in zip(written, expected, strict=True):
        assert torch.allclose(weights, wanted_weights, rtol=1e-4, atol=1e-6)
    assert [done.cells for done in found.writes] == 4 * [5 * SMALL.features]
    right = (classifier.told(queries).argmax(1) == wanted).float().mean()
    assert right > 0.5
    assert torch.allclose(classifier.told(queries),
                          (classifier.features(queries) @ expected[-1].T).softmax(1))


@pytest.mark.parametrize('updates', range(5))
def test_as_many_updates_are_made_as_asked_for(updates):
    assert torch.equal(learned(updates=updates).output.weights(), (
        adapted_weights() if updates else [torch.zeros(5, SMALL.features)])[updates - 1])


def adapted_weights():
    """Return the weights after each update of the whole loop."""
    classifier, found = in_software(MODEL, 5), []
    support, labels, *_ = task()
    classifier.learn(support, labels, after=lambda _: found.append(classifier.output.weights()))
    return found


def test_before_the_first_update_every_class_is_as_likely():
    told = learned(updates=0).told(task()[2])
    assert torch.equal(told, torch.full((15, 5), 0.2))


def test_every_class_counts_as_much_however_many_examples_it_has():
    """An example shown again is nothing new; one more of another kind is half of its class."""
    support, labels, *_ = task(shots=2)
    uneven = torch.tensor([0, 1, 2, 4, 6, 8])  # two of the first class, one of the others
    classifier = in_software(MODEL, 5)
    classifier.learn(support[uneven], labels[uneven], 1)
    seen = classifier.features(support[uneven])
    logits = torch.zeros(6, 5)
    by_class = torch.stack([
        gradient(logits[own], torch.eye(5)[labels[uneven][own]], seen[own])
        for own in (labels[uneven] == k for k in range(5))]).mean(0)
    rate = rates(MODEL.weights['log_rates'], 5)[0]
    assert torch.allclose(classifier.output.weights(), rate * by_class)
    even, again = in_software(MODEL, 5), in_software(MODEL, 5)
    even.learn(support[::2], labels[::2])
    more = torch.tensor([0, 0, 0, 2, 4, 4, 6, 8])
    again.learn(support[more], labels[more])
    assert torch.allclose(again.output.weights(), even.output.weights(),
                          rtol=1e-4, atol=1e-6)


def test_examples_in_another_order_make_the_same_weights():
    support, labels, *_ = task()
    order = torch.randperm(10, generator=generator(3))
    other = in_software(MODEL, 5)
    other.learn(support[order], labels[order])
    assert torch.allclose(other.output.weights(), learned().output.weights(),
                          rtol=1e-4, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(BY_ITSELF), st.integers(0, 14), st.integers(0, 1000))
def test_an_answer_does_not_depend_on_the_other_queries(statistics, place, seed):
    classifier, queries = learned(statistics), task()[2]
    others = pictures(15, 1, seed + 100)[:, None].float() / 255
    others[place] = queries[place]
    together = classifier.told(queries)
    assert torch.equal(classifier.told(others)[place], together[place])
    assert torch.allclose(classifier.told(queries[place:place + 1])[0], together[place],
                          rtol=1e-4, atol=1e-5)
    assert torch.equal(classifier.told(queries), together)  # nothing is left of having been asked


def test_with_the_batchs_statistics_it_does_depend_on_them():
    support, labels, queries, _ = task()
    classifier = learned(Statistics.BATCH, queries=queries)
    others = torch.cat([queries[:1], pictures(14, 1, 5)[:, None].float() / 255])
    apart = classifier.told(queries)[0] - classifier.told(others)[0]
    assert float(apart.abs().max()) > 0.01
    other = in_software(MODEL, 5, Statistics.BATCH)
    other.learn(support, labels, queries=others)
    assert not torch.allclose(other.output.weights(), classifier.output.weights(), rtol=0.01)


def test_queries_that_are_shown_in_learning_change_nothing_unless_transductive():
    queries = task()[2]
    for statistics in BY_ITSELF:
        assert torch.equal(learned(statistics, queries=queries).output.weights(),
                           learned(statistics).output.weights())


def test_the_examples_statistics_are_theirs():
    trained, own = learned(), learned(Statistics.SUPPORT)
    queries = task()[2]
    assert not torch.allclose(trained.features(queries), own.features(queries), atol=0.01)
    support, labels, *_ = task(seed=8)
    before = own.features(queries)
    own.learn(support, labels)
    assert not torch.allclose(own.features(queries), before, atol=0.01)


def test_more_queries_than_pass_at_once_are_all_told():
    many = pictures(300, 1, 3)[:, None].float() / 255
    classifier = learned()
    told = classifier.told(many)
    assert told.shape == (300, 5)
    assert torch.allclose(told.sum(1), torch.ones(300))
    assert torch.allclose(told[290:], classifier.told(many[290:]), rtol=1e-4, atol=1e-5)
    assert classifier.told(many[:0]).shape == (0, 5)


def test_what_was_learned_is_forgotten():
    classifier = learned()
    assert classifier.forget().cells == 5 * SMALL.features
    assert not classifier.output.weights().any()
    assert classifier.forget().cells == 0
    support, labels, *_ = task()
    classifier.learn(support, labels)
    assert torch.equal(classifier.output.weights(), learned().output.weights())


def test_a_copy_learns_by_itself():
    first = learned(Statistics.SUPPORT)
    twin, queries = first.copy(generator()), task()[2]
    before = first.told(queries)
    assert torch.equal(twin.told(queries), before)
    support, labels, *_ = task(seed=8)
    twin.forget()
    twin.learn(support, labels)
    assert torch.equal(first.told(queries), before)
    assert not torch.allclose(twin.told(queries), before, atol=0.01)


def test_software_has_no_devices_no_reads_and_no_age():
    classifier, queries = learned(), task()[2]
    before = classifier.told(queries)
    classifier.wait(1e8)
    assert torch.equal(classifier.told(queries), before)
    assert classifier.devices() is classifier.calibrate_reading() is None
    assert classifier.cost_since(classifier.products()) is None


def test_a_network_with_a_hidden_layer_and_a_bias_learns_as_well():
    config = NetworkConfig(side=32, channels=3, filters=6, hidden=10, bias=True)
    classifier = in_software(small_model(config), 5)
    support, labels, queries, wanted = task(config=config)
    classifier.learn(support, labels)
    seen = classifier.features(support)
    assert classifier.output.inputs == 11 and (seen[:, -1] == 1).all()
    expected = adapted(seen, targets(5, 2), rates(classifier.log_rates, 5))[-1]
    assert torch.allclose(classifier.output.weights(), expected, rtol=1e-4, atol=1e-6)
    assert (classifier.output.weights()[:, -1] != 0).all()
    assert (classifier.told(queries).argmax(1) == wanted).float().mean() > 0.2


def support_of(**changed):
    support, labels, *_ = task()
    return {'images': support, 'labels': labels, **changed}


@pytest.mark.parametrize(('changed', 'said'), [
    ({'updates': 5}, '5 updates: expected 0 to 4'), ({'updates': -1}, '-1 updates'),
    ({'labels': torch.arange(5).repeat(2) - 1}, r'classes \[-1, 0, 1, 2, 3\]: expected at least'),
    ({'labels': torch.arange(10) % 4}, r'classes \[0, 1, 2, 3\]: .* one of each of 5 classes'),
    ({'labels': torch.arange(10) % 6}, r'classes \[0, 1, 2, 3, 4, 5\]'),
    ({'labels': torch.arange(5)}, r'10 examples with labels of torch.int64 \(5,\)'),
    ({'labels': torch.arange(10) / 2}, 'labels of torch.float32'),
    ({'images': torch.zeros(10, 1, 32, 32)}, r'examples: .* \(1, 32, 32\), the .* \(1, 28, 28\)'),
    ({'images': torch.zeros(10, 3, 28, 28)}, r'\(3, 28, 28\)'),
    ({'images': torch.zeros(10, 28, 28)}, r'\(28, 28\)'),
    ({'images': torch.zeros(10, 1, 28, 28, dtype=torch.uint8)}, 'torch.uint8'),
    ({'images': torch.zeros(0, 1, 28, 28), 'labels': torch.zeros(0, dtype=torch.int64)},
     r'0 examples of classes \[\]'),
    ({'queries': torch.zeros(3, 1, 32, 32)}, r'queries: .* \(1, 32, 32\)'),
])
def test_examples_that_do_not_fit_are_refused_before_anything_is_learned(changed, said):
    classifier, queries = learned(Statistics.SUPPORT), task()[2]
    before = classifier.told(queries)
    with pytest.raises(NetworkError, match=said) as caught:
        classifier.learn(**support_of(**changed))
    assert '\n' not in str(caught.value)
    assert torch.equal(classifier.told(queries), before)


def test_statistics_without_what_they_are_of_are_refused():
    for statistics in (Statistics.SUPPORT, Statistics.BATCH):
        with pytest.raises(NetworkError, match=f'{statistics.value}: show examples first'):
            in_software(MODEL, 5, statistics).told(task()[2])
    classifier = in_software(MODEL, 5, Statistics.BATCH)
    with pytest.raises(NetworkError, match='the queries are needed to learn, too'):
        classifier.learn(**support_of())
    with pytest.raises(NetworkError, match='show examples first'):
        classifier.told(task()[2])


def test_queries_that_do_not_fit_and_a_single_class_are_refused():
    with pytest.raises(NetworkError, match=r'queries: images of .* \(1, 32, 32\)'):
        learned().told(torch.zeros(2, 1, 32, 32))
    with pytest.raises(NetworkError, match='1 ways: expected at least 2'):
        in_software(MODEL, 1)
