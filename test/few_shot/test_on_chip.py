# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The network on a chip: as exact as converters are, every pulse accounted, aged, stuck."""

from dataclasses import replace

import pytest
import torch

from smallbot.chip import energy
from smallbot.chip.converters import EQUAL
from smallbot.chip.device.faults import FaultRates
from smallbot.chip.device.laws import IDEAL
from smallbot.chip.device.state import ChipError
from smallbot.chip.mapping import Matrix
from smallbot.few_shot.classifier import in_software
from smallbot.few_shot.model import ImageModel
from smallbot.few_shot.network import (
    Exact,
    features,
    given,
    NetworkConfig,
    NetworkError,
    of_training,
    Statistics,
)
from smallbot.few_shot.on_chip import ChipLayers, layout, on_chip, plan

from .conftest import generator, pictures, SMALL, small_model, task

MODEL = small_model(calibration=64)
PLANS = plan(MODEL, 5)
MONTH = 30 * 86400.0


def chip(seed=3, model=MODEL, plans=PLANS, **options):
    return on_chip(model, plans, 5, generator(seed), **options)


def learned(classifier, updates=None, queries=None):
    support, labels, *_ = task()
    return classifier.learn(support, labels, updates, queries)


def devices_of(core):
    """Return everything that a core's devices hold, and what was intended."""
    tensors = core.to_tensors()[0]
    return {name: value.clone() for name, value in tensors.items()
            if name.startswith('devices.') or name in ('found', 'intended')}


def fixed_cores(classifier):
    return [core for matrix in classifier.layers.matrices.values() for core in matrix.cores]


def in_chip_units(images, model=MODEL, plans=PLANS):
    """Return the features [Q, D] of software, as a chip's layer that learns gets them."""
    return (in_software(model, 5).features(images) / plans.feature_range).clamp(-1, 1)


def difference(found, wanted):
    return float((found - wanted).norm() / wanted.norm())


def test_with_exact_devices_and_equal_converters_eight_bits_are_all_that_is_lost():
    layers = ChipLayers(SMALL, PLANS, {})
    for name, own in PLANS.layers.items():
        matrix = Matrix(own.limits, own.weights.shape[1], layout(SMALL, 5).of(name), generator(),
                        law=IDEAL, converters=EQUAL)
        matrix.program(own.weights)
        matrix.set_ranges(own.vectors)
        layers.matrices[name] = matrix
    for name, own in PLANS.layers.items():
        core, = layers.matrices[name].cores
        rounded = (own.weights / core.row_codes[:, None]).square().sum(0)  # of inputs
        counted = 4 * (core.phase_range / EQUAL.levels) ** 2  # two polarities, two signs
        expected = ((rounded + counted + (core.output_range / 127) ** 2) / 12).sqrt()
        lost = (core.read(own.vectors) - own.vectors @ own.weights).square().mean(0).sqrt()
        # Patches that come often are always rounded the same way, at worst by half a step.
        assert (lost < 3 ** 0.5 * expected).all() and (lost > 0.3 * expected).all(), name
    images, trained = task()[2], given(of_training(SMALL, MODEL.weights))
    exact = Exact(SMALL, MODEL.weights)
    for found, wanted in ((layers.convolve(0, images), exact.convolve(0, images)),
                          (features(SMALL, layers, images, trained),
                           features(SMALL, exact, images, trained))):
        assert difference(found, wanted) < 0.25  # four layers deep, each adds its own


def test_a_chip_of_exact_devices_learns_what_software_learns():
    exact, noisy, software = chip(law=IDEAL), chip(), in_software(MODEL, 5)
    queries = task()[2]
    for classifier in (exact, noisy, software):
        learned(classifier)
    wanted = software.output.weights() * PLANS.feature_range
    wanted.clamp_(-PLANS.weight_limit, PLANS.weight_limit)
    assert difference(exact.output.weights(), wanted) < 0.35
    near, far = (difference(one.features(queries), in_chip_units(queries))
                 for one in (exact, noisy))
    assert near < 0.3 < far < 0.7
    assert float((exact.told(queries) - software.told(queries)).abs().max()) < 0.2


def test_learning_writes_the_layer_that_learns_and_nothing_else():
    classifier = chip()
    before = [devices_of(core) for core in fixed_cores(classifier)]
    own = devices_of(classifier.output.core)
    learned(classifier)
    classifier.told(task()[2])
    for core, held in zip(fixed_cores(classifier), before, strict=True):
        after = devices_of(core)
        for name in held:
            if name != 'devices.slow':  # the noise that moves on with the clock
                assert torch.equal(after[name], held[name]), name
    after = devices_of(classifier.output.core)
    for name in ('devices.conductance', 'devices.writes', 'intended'):
        assert not torch.equal(after[name], own[name])


def test_an_updates_report_adds_up_with_the_devices_own_counters():
    classifier = chip()
    devices, account = classifier.output.core.devices, classifier.output.core.account
    counted = []

    def count(_=0):
        counted.append((classifier.writes().clone(), devices.pulses.clone(), account.write_energy,
                        account.write_seconds))

    count()
    support, labels, *_ = task()
    found = classifier.learn(support, labels, after=count)
    assert len(found.writes) == 4 and len(counted) == 5
    cells = 5 * SMALL.features
    for done, (writes, pulses, joules, seconds), (more, sent, spent, busy) in zip(
            found.writes, counted[:-1], counted[1:], strict=True):
        written = more - writes
        assert done.devices == int(written.sum())
        assert done.cells == int(written.view(4, cells).any(0).sum())
        assert 0.8 * cells < done.cells <= done.cells_total == cells
        assert done.pulses == int((sent - pulses).sum()) >= done.devices
        assert done.energy_uj == pytest.approx(1e6 * (spent - joules))
        assert done.energy_uj * 1e-6 > done.pulses * min(energy.SET_PULSE, energy.RESET_PULSE)
        assert done.seconds == pytest.approx(busy - seconds) and done.seconds > 0
    assert classifier.devices() == layout(SMALL, 5).devices
    assert len(classifier.writes()) == 4 * cells


def test_a_read_is_paid_for_on_every_core_that_it_needs():
    classifier, queries = chip(), task()[2]
    before = classifier.products()
    assert set(before) == {region.core for region in layout(SMALL, 5).regions}
    seen = classifier.features(queries)
    classifier.answers(seen)
    done = classifier.cost_since(before)
    patches = [side ** 2 for side in SMALL.sides()[1:]]
    assert done.products == len(queries) * (sum(patches) + 1)
    assert done.energy_uj == pytest.approx(1e6 * done.products * energy.READ_ENERGY[4])
    assert done.seconds == pytest.approx(  # all of it on one core, one after another
        done.products * energy.READ_SECONDS[4])
    before = classifier.products()
    found = learned(classifier)
    assert found.reads == classifier.cost_since(before)
    assert found.reads.products == 10 * sum(patches) + 4 * 10  # once each, then by update
    assert 0 < found.seconds


def test_cores_read_at_the_same_time_where_a_matrix_is_cut():
    config = NetworkConfig(filters=32, blocks=3)
    model = small_model(config)
    classifier = chip(model=model, plans=plan(model, 5))
    assert len(layout(config, 5).of('block1')) == 2
    before = classifier.products()
    classifier.features(task()[2][:1])
    done = classifier.cost_since(before)
    assert done.products == 196 + 2 * 49 + 2 * 16
    spent = [count - before[core] for core, count in classifier.products().items()]
    assert done.seconds == pytest.approx(max(spent) * energy.READ_SECONDS[4])


@pytest.mark.parametrize('statistics', [Statistics.TRAINING, Statistics.SUPPORT])
def test_on_exact_devices_an_answer_does_not_depend_on_the_other_queries(statistics):
    classifier, queries = chip(law=IDEAL, statistics=statistics), task()[2]
    learned(classifier)
    together = classifier.told(queries)
    for place in (0, 7, 14):
        others = pictures(15, 1, 100 + place)[:, None].float() / 255
        others[place] = queries[place]
        assert torch.equal(classifier.told(others)[place], together[place])
        alone = classifier.told(queries[place:place + 1])[0]
        assert float((alone - together[place]).abs().max()) < 0.02  # one vector has its own sums


def test_queries_change_neither_moments_nor_weights_unless_transductive():
    queries = task()[2]
    for statistics in Statistics:
        found = []
        for asked in (queries, pictures(4, 1, 9)[:, None].float() / 255):
            classifier = chip(statistics=statistics)
            learned(classifier, queries=asked)
            weights = classifier.output.weights()
            features_of_one = classifier.copy(generator(5)).features(queries[:1])
            classifier.told(asked)
            assert torch.equal(classifier.output.weights(), weights)
            assert torch.equal(classifier.copy(generator(5)).features(queries[:1]),
                               features_of_one)
            found.append(weights)
        assert torch.equal(*found) != statistics.transductive


def test_on_exact_devices_the_batchs_statistics_make_answers_depend_on_the_others():
    classifier, queries = chip(law=IDEAL, statistics=Statistics.BATCH), task()[2]
    learned(classifier, queries=queries)
    others = torch.cat([queries[:1], pictures(14, 1, 5)[:, None].float() / 255])
    apart = classifier.told(queries)[0] - classifier.told(others)[0]
    assert float(apart.abs().max()) > 0.02


def test_the_same_seed_is_the_same_chip_and_another_one_is_not():
    first, again, other = chip(4), chip(4), chip(5)
    told = []
    for classifier in (first, again, other):
        learned(classifier)
        told.append(classifier.told(task()[2]))
    assert torch.equal(told[0], told[1]) and not torch.equal(told[0], told[2])


def test_a_copy_has_its_own_devices_and_its_own_noise():
    first = chip()
    learned(first)
    twin, queries = first.copy(generator(8)), task()[2]
    own = devices_of(first.output.core)
    assert torch.equal(twin.output.weights(), first.output.weights())
    assert not torch.equal(twin.copy(generator(9)).told(queries), twin.told(queries))
    twin.forget()
    twin.wait(1e6)
    for name, value in devices_of(first.output.core).items():
        assert torch.equal(value, own[name]), name
    assert first.output.core.now == 3600 and twin.output.core.now == 3600 + 1e6


def test_waiting_ages_every_core_of_the_chip():
    classifier, queries = chip(), task()[2]
    learned(classifier)
    before = [core.effective_weights() for core in fixed_cores(classifier)]
    classifier.wait(MONTH)
    for core, held in zip(fixed_cores(classifier), before, strict=True):
        assert core.now == 3600 + MONTH
        assert 0.3 < core.effective_weights().norm() / held.norm() < 0.9
    assert classifier.output.core.now == 3600 + MONTH
    assert torch.isfinite(classifier.told(queries)).all()


def error(classifier, images):
    """Return how far features are off software's on the average of five copies' noise."""
    return sum(difference(classifier.copy(generator(seed)).features(images),
                          in_chip_units(images)) for seed in range(5)) / 5


def test_calibrating_costs_reads_and_brings_features_of_an_aged_chip_nearer():
    classifier, images = chip(), MODEL.weights['calibration']
    learned(classifier)
    fresh = error(classifier, images)
    classifier.wait(MONTH)
    aged = error(classifier, images)
    kept = [devices_of(core)['devices.conductance'] for core in fixed_cores(classifier)]
    before = classifier.products()
    done = classifier.calibrate_reading()
    assert done == classifier.cost_since(before)
    vectors = sum(len(own.vectors) for own in PLANS.layers.values())
    patches = sum(side ** 2 for side in SMALL.sides()[1:])
    assert done.products == vectors + len(images) * patches + 1024  # columns, moments, the output
    assert done.energy_uj > 0 and done.seconds > 0
    assert error(classifier, images) < 0.8 * aged
    assert error(classifier, images) < 1.5 * fresh
    for core, held in zip(fixed_cores(classifier), kept, strict=True):
        assert torch.equal(core.devices.conductance, held)


def test_calibrating_measures_the_examples_own_statistics_too():
    classifier, queries = chip(statistics=Statistics.SUPPORT), task()[2]
    learned(classifier)
    software = in_software(MODEL, 5, Statistics.SUPPORT)
    learned(software)
    wanted = software.features(queries) / PLANS.feature_range
    classifier.wait(MONTH)
    aged = difference(classifier.features(queries), wanted.clamp(-1, 1))
    before = classifier.products()
    classifier.calibrate_reading()
    vectors = sum(len(own.vectors) for own in PLANS.layers.values())
    images = len(MODEL.weights['calibration']) + len(task()[0])
    patches = sum(side ** 2 for side in SMALL.sides()[1:])
    assert classifier.cost_since(before).products == vectors + images * patches + 1024
    assert difference(classifier.features(queries), wanted.clamp(-1, 1)) < 0.9 * aged


def test_stuck_devices_are_found_made_up_for_and_counted():
    sound, stuck = chip(), chip(faults=FaultRates(devices=0.05))
    images = MODEL.weights['calibration']
    for core in fixed_cores(stuck) + [stuck.output.core]:
        assert int((core.devices.fault != 0).sum()) > 0
        assert not (core.found.bool() & (core.devices.fault == 0)).any()
    writes = learned(stuck).writes
    assert sum(done.compensated for done in writes) > 0
    assert all(done.compensated == 0 for done in learned(sound).writes)
    assert error(sound, images) < error(stuck, images) < 0.8
    broken = chip(faults=FaultRates(devices=0.5))
    assert error(broken, images) > error(stuck, images)


def test_a_hidden_layer_and_a_bias_lie_on_the_chip_as_well():
    config = NetworkConfig(side=32, channels=3, filters=6, hidden=10, bias=True)
    model = small_model(config, calibration=64)
    plans = plan(model, 5)
    classifier = chip(model=model, plans=plans, law=IDEAL)
    support, labels, queries, _ = task(config=config)
    assert classifier.devices() == layout(config, 5).devices
    seen = classifier.features(queries)
    assert torch.allclose(seen[:, -1], torch.tensor(1 / plans.feature_range))
    assert difference(seen, in_chip_units(queries, model, plans)) < 0.3
    classifier.learn(support, labels)
    assert (classifier.output.weights()[:, -1] != 0).any()


def test_rows_have_limits_of_their_own_but_none_too_small_for_pulses():
    for own in PLANS.layers.values():
        assert (own.weights.abs().amax(1) <= own.limits).all()
        assert own.limits.min() >= 0.0499 * own.limits.max()
        assert own.vectors[:, :-1].abs().max() <= 1 and (own.vectors[:, -1] == 1).all()
    assert PLANS.features.abs().max() == 1 and PLANS.like.shape == (5, SMALL.features)
    assert PLANS.like.abs().max() == PLANS.weight_limit
    again = plan(MODEL, 5)
    assert torch.equal(again.like, PLANS.like)
    assert all(torch.equal(again.layers[name].vectors, own.vectors)
               for name, own in PLANS.layers.items())


@pytest.mark.parametrize(('changed', 'said'), [
    ({'calibration': torch.zeros(64, 1, 28, 28)}, 'inputs of block0 of up to 0'),
    ({'block3.weight': torch.zeros(8, 8, 3, 3), 'block3.bias': torch.zeros(8)},
     'weights of block3 of up to 0'),
    ({'log_rates': torch.full((4,), -200.0)}, 'weights that are learned of up to 0'),
    ({'log_rates': torch.full((4,), 200.0)}, 'weights that are learned of up to nan'),
    ({'block0.variance': torch.full((8,), -2.0)}, 'inputs of block1 of up to nan'),
])
def test_a_model_that_a_chip_cannot_hold_is_refused_in_one_line(changed, said):
    model = ImageModel(MODEL.config, {**MODEL.weights, **changed}, 'odd')
    with pytest.raises(NetworkError, match=f'model odd: {said}.*few-shot train. makes') as caught:
        plan(model, 5)
    assert '\n' not in str(caught.value)


def test_a_single_class_other_ways_and_too_large_a_network_are_refused():
    with pytest.raises(NetworkError, match='1 ways: expected at least 2'):
        plan(MODEL, 1)
    with pytest.raises(ChipError, match=r'weights to come of shape \(5, 8\): expected \(3, 8\)'):
        on_chip(MODEL, PLANS, 3, generator())
    large = replace(SMALL, filters=600)
    with pytest.raises(ChipError, match='does not fit on 64 cores'):
        layout(large, 5)
