# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""How a node's process ends when something that is not ours does not."""

import signal

import pytest

pytest.importorskip('rclpy')


@pytest.mark.parametrize(('busy', 'code'), [(False, 0), (True, -signal.SIGALRM)])
def test_a_node_that_hangs_in_the_middleware_ends_by_itself(bench, busy, code):
    process = bench.start('hanging.py', busy=busy)
    probe = bench.probe()
    probe.wait(lambda: 'running' in process.said, 'the node to run')
    process.send(signal.SIGINT)
    assert process.exit_code() == code, process.said
    assert process.said.index('running') < process.said.index('stopped')
    assert ('the middleware has not ended within' in process.said) == (not busy)
