# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The page as one more client of real nodes."""

import signal
import time

import numpy as np
import pytest

pytest.importorskip('starlette')
pytest.importorskip('uvicorn')
pytest.importorskip('websockets')

from page.program import Program
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from smallbot.nodes.common.messages import to_demonstration, to_trajectory

from .conftest import JOINTS, LATCHED, wave

AS_A_DRIVER = ('-r', '__node:=some_driver')
ANGLES = np.linspace(0, 2 * np.pi, 150)
EIGHT = np.stack([0.12 * np.sin(2 * ANGLES), 0.12 * np.sin(ANGLES), ANGLES / 2], 1).tolist()


def lab(bench, simulator=(), **parameters):
    """Start controller, learner and arm; returns a probe."""
    bench.start('arm_simulator', *simulator)
    bench.start('snn_controller', **parameters)
    bench.start('one_shot_learner')
    probe = bench.probe()
    probe.wait(lambda: probe.heard['eligibility'] and probe.heard['joint_states'], 'the nodes')
    return probe


@pytest.fixture
def page(bench):
    """Return a function that starts the page beside a probe's nodes."""
    programs = []

    def started(probe) -> Program:
        space = probe.node.get_namespace().strip('/')
        programs.append(Program(bench.folder, '--namespace', space))
        return programs[-1]

    yield started
    for program in programs:
        if program.popen.poll() is None:
            assert program.end() == 0, program.log.read_text()


def learned(tab) -> None:
    tab.until(lambda state: state.get('ready') and state['mode'] == 'ros')
    assert tab.ask('draw', points=EIGHT)['ok']
    answer = tab.ask('learn')
    assert answer['ok'], answer


def test_draw_learn_play(bench, page):
    probe = lab(bench)
    program = page(probe)
    with program.tab('a') as tab:
        learned(tab)
        tab.until(lambda state: state['learned'])
        assert tab.state['learned']['digest'] == tab.state['shown']['digest']
        assert 0 < tab.state['learned']['expected_cm'] < 5
        assert tab.state['simulated'] is True
        assert tab.ask('play')['ok']
        tab.until(lambda state: state['phase'] == 'playing')
        tab.until(lambda state: state['played'])
        assert tab.state['played']['arm_tip_rmse_cm'] < 6
        assert len(tab.poses) > 10
        assert len(tab.poses[-1]) == 5 or len(tab.poses[-1]) == 7
        # Learned once more: it forgets first.
        assert tab.ask('learn')['ok']


def test_halt(bench, page):
    probe = lab(bench)
    with page(probe).tab('a') as tab:
        learned(tab)
        tab.ask('play')
        probe.wait_moving()
        assert tab.ask('halt')['ok']
        probe.wait_phase('halted')
        probe.wait(lambda: not any(probe.commands()[-1]), 'zero')
        assert not tab.ask('play')['ok']
        deadline = time.monotonic() + 10
        while not tab.ask('reset')['ok']:
            assert time.monotonic() < deadline
        tab.until(lambda state: state['phase'] == 'idle')


def test_a_real_arm_is_halted_when_the_page_goes_away(bench, page):
    probe = lab(bench, AS_A_DRIVER, duration=30.0)
    program = page(probe)
    with program.tab('watcher') as watcher:
        with program.tab('driver') as tab:
            learned(tab)
            assert tab.state['simulated'] is False
            assert tab.ask('play')['ok']
            probe.wait_phase('playing')
        began = time.monotonic()
        probe.wait_phase('halted')
        assert 1.5 < time.monotonic() - began < 6
        assert any('gone away' in text for text in watcher.told) or watcher.take()


def test_an_arm_that_the_page_moves_is_halted_when_the_program_dies(bench, page):
    probe = lab(bench, duration=30.0)
    program = page(probe)
    with program.tab('a') as tab:
        learned(tab)
        assert tab.ask('play')['ok']
        probe.wait_phase('playing')
        program.end(signal.SIGKILL)
        probe.wait_phase('halted')


def test_ctrl_c_halts_what_the_page_moves(bench, page):
    probe = lab(bench, duration=30.0)
    program = page(probe)
    with program.tab('a') as tab:
        learned(tab)
        assert tab.ask('play')['ok']
        probe.wait_phase('playing')
        assert program.end() == 0
        probe.wait_phase('halted')


def test_a_recording_is_shown_and_takes_the_place_of_the_drawing(bench, page):
    probe = lab(bench)
    bench.start('demo_recorder')
    probe.client(Trigger, 'demo_recorder/start')
    program = page(probe)
    with program.tab('a') as tab:
        tab.until(lambda state: state.get('ready') and state['mode'] == 'ros')
        tab.ask('draw', points=EIGHT)
        tab.until(lambda state: state['shown'])
        drawn = tab.state['shown']['digest']
        answer = tab.ask('record', action='start')
        assert answer['ok'], answer
        time_, position = wave(1.5)
        probe.publish(JointTrajectory, 'guide', to_trajectory(JOINTS, time_, position))
        probe.wait(lambda: np.abs(probe.position() - position[-1]).max() < 5e-3, 'the arm')
        answer = tab.ask('record', action='stop')
        assert answer['ok'], answer
        tab.until(lambda state: state['shown'] and state['shown']['digest'] != drawn)
        # Who comes now must hear the recording, and not the drawing.
        late = bench.probe()
        late.listen(JointTrajectory, 'demonstration', LATCHED)
        late.wait(lambda: late.heard['demonstration'], 'the demonstration')
        time.sleep(0.5)
        from smallbot.arm.kinematics import default_arm
        digests = [to_demonstration(message, default_arm()).digest
                   for message in late.heard['demonstration']]
        assert digests == [tab.state['shown']['digest']]


def test_what_is_missing_is_said(bench, page):
    bench.start('arm_simulator')
    bench.start('snn_controller')
    probe = bench.probe()
    probe.wait(lambda: probe.heard['eligibility'], 'the controller')
    with page(probe).tab('a') as tab:
        tab.until(lambda state: state.get('ready') and 'one_shot_learner' in state['trouble'])
        answer = tab.ask('draw', points=EIGHT)
        assert answer['ok']
        assert 'one_shot_learner is not running' in tab.ask('learn')['text']


def test_without_nodes_the_arm_is_simulated_here(bench, page):
    probe = bench.probe()
    with page(probe).tab('a') as tab:
        tab.until(lambda state: state.get('ready'))
        assert tab.state['mode'] == 'library'
        assert tab.ask('draw', points=EIGHT)['ok']
        assert not probe.heard['velocity_controller/commands']


def test_another_commander_is_named(bench, page):
    probe = lab(bench)
    with page(probe).tab('a') as tab:
        learned(tab)
        probe.publish(Float64MultiArray, 'velocity_controller/commands',
                      Float64MultiArray(data=[0.0, 0.0]), 10)
        deadline = time.monotonic() + 10
        while (answer := tab.ask('play'))['ok']:
            tab.ask('halt')
            tab.ask('reset')
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert 'probe' in answer['text'] or 'halted' in answer['text']
