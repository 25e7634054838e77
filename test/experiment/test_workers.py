# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import os

import pytest

from smallbot.experiment.workers import cores, results


def power(base, exponent):
    if exponent < 0:
        raise ValueError(f'exponent {exponent}')
    return base ** exponent, os.getpid()


@pytest.mark.parametrize('processes', [1, 2])
def test_every_item_is_worked_on_once(processes):
    found = dict(results(power, (3,), [0, 4, 2], processes))
    assert {number: value for number, (value, _) in found.items()} == {0: 1, 1: 81, 2: 9}
    assert (os.getpid() in {worker for _, worker in found.values()}) == (processes == 1)


@pytest.mark.parametrize('processes', [1, 2])
def test_what_a_worker_raises_is_raised(processes):
    with pytest.raises(ValueError, match='exponent -1'):
        list(results(power, (3,), [1, -1], processes))


def test_there_is_a_core_to_work_on():
    assert 1 <= cores() <= os.cpu_count()
