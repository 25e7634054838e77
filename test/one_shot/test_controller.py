# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Whatever a controller is told, in whatever order: 500 sequences of 50 steps."""

from controller_machine import ControllerMachine
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test


def test_no_sequence_makes_a_jump_ends_a_latch_or_plays_what_is_not_reported():
    run_state_machine_as_test(ControllerMachine, settings=settings(
        max_examples=500, stateful_step_count=50, deadline=None, database=None,
        derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)))
    assert ControllerMachine.totals['moved'] > 100
