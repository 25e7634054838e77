# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Real processes that talk gloo over the loopback."""

import os

import pytest
import torch

from smallbot.errors import InputError
from smallbot.experiment.processes import in_processes, LostProcess


def refused():
    raise InputError('batch 0: expected more')


def refuse(group):
    group.first(refused)
    return 0


def answer(group):
    assert group.first(lambda: group.rank) == 0
    assert group.any(group.rank == 1) and not group.any(False)
    assert group.total(torch.tensor([1.0, group.rank])).tolist() == [group.size, 1.0]
    return 3 + group.rank


def vanish(group):
    if group.rank == 1:
        os._exit(3)
    group.any(False)
    return 0


def test_bad_input_is_refused_by_all_and_answers_are_the_first_process_s():
    with pytest.raises(InputError, match='batch 0'):
        in_processes(refuse, 2)
    assert in_processes(answer, 2) == 3


def test_a_process_that_vanishes_is_an_error_not_a_long_wait():
    with pytest.raises(LostProcess, match='another process'):
        in_processes(vanish, 2)
