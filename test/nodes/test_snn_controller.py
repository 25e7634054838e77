# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The controller as a process, with an untrained network: what it refuses, how it stops."""

from dataclasses import replace
import math
import signal
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
import numpy as np
import pytest
from std_msgs.msg import Float32MultiArray, Float64MultiArray, Int32MultiArray
import torch

from smallbot.arm.kinematics import default_arm
from smallbot.arm.safety import EASE_SPEED
from smallbot.models.weights_file import save_model
from smallbot.nodes.common.messages import (
    RELIABLE,
    STREAM,
    to_demonstration,
    to_matrix,
    to_trajectory,
    values_of,
)
from smallbot.one_shot.figures import path_rmse_cm
from smallbot.one_shot.model import ArmConfig, load_model, OneShotModel
from smallbot.one_shot.trainee import prepare_synapses, Trainee
from smallbot.synapses.chip import ChipSynapses

from .conftest import JOINTS, wave


def controller(bench, model, arm=None, **parameters):
    """Start arm and controller; returns their processes and a probe that has heard both."""
    arm = arm or bench.start('arm_simulator')
    parameters = {'synapses': 'software', 'allow_unlearned': True, **parameters}
    process = bench.start('snn_controller', model=model, **parameters)
    probe = bench.probe()
    probe.wait(lambda: probe.heard['joint_states'] and probe.heard['eligibility']
               and probe.heard['programmed'] and probe.phase() == 'idle',
               'arm and controller', timeout=30.0)
    return arm, process, probe


def digest(seconds=1.0):
    time, position = wave(seconds)
    return to_demonstration(to_trajectory(JOINTS, time, position), default_arm()).digest


def update(probe, model, delta=None, **labels):
    """Publish an update that fits, but for what is said otherwise, and wait for the answer."""
    model = load_model(model)
    if delta is None:
        delta = np.full((model.n, model.n_in + model.n), 0.01)
        delta[:, model.n_in:] *= 1 - np.eye(model.n)
    labels = {'version': probe.version(), 'demonstration': digest(), **labels}
    count = len(probe.heard['programmed'])
    probe.publish(Float32MultiArray, 'weight_update',
                  to_matrix(delta, 'neuron', 'inputs', **labels), RELIABLE)
    probe.wait(lambda: len(probe.heard['programmed']) > count, 'an answer on programmed')
    return probe.heard['programmed'][-1]


def execute(probe):
    """Call execute until the topics it needs, which cross by themselves, have arrived."""
    def answered():
        answer = probe.call('snn_controller/execute')
        waiting = 'no demonstration yet' in answer.message or 'no fresh' in answer.message
        return None if waiting and not answer.success else answer
    return probe.wait(answered, 'execute to be answered')


def transitions(probe):
    """Return what takes the controller through a transition and says whether it could."""
    client = probe.client(ChangeState, 'snn_controller/change_state', timeout=30.0)

    def change(number):
        future = client.call_async(ChangeState.Request(transition=Transition(id=number)))
        probe.wait(future.done, 'the transition')
        return future.result().success
    return change


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_mid_motion_ends_it_with_zero_velocity(bench, small_model, number):
    _, process, probe = controller(bench, small_model)
    probe.show()
    assert execute(probe).success
    probe.wait_moving()
    process.send(number)
    assert process.exit_code() == 0
    assert 'Traceback' not in process.said
    probe.wait(lambda: probe.commands()[-1] == [0.0, 0.0], 'a last command of zero')
    probe.wait(lambda: probe.speed() == 0.0, 'the arm to stand')
    # braked within the acceleration limit, not cut off
    sent = np.array(probe.commands())
    assert np.abs(np.diff(sent, axis=0)).max() <= 20.0 * 0.05 + 1e-9


def test_killed_in_mid_motion_the_arms_own_watchdog_stops_it(bench, small_model):
    _, process, probe = controller(bench, small_model)
    probe.show()
    assert execute(probe).success
    probe.wait_moving()
    process.send(signal.SIGKILL)
    process.exit_code()
    assert probe.commands()[-1] != [0.0, 0.0], 'a killed process cannot have said goodbye'
    probe.wait(lambda: probe.speed() == 0.0, 'the arm to stop by itself')


def test_stale_joint_states_halt_it_until_reset(bench, small_model):
    arm, _, probe = controller(bench, small_model, state_timeout=0.3, duration=8.0)
    probe.show()
    assert execute(probe).success
    probe.wait_phase('playing')
    arm.send(signal.SIGSTOP)
    probe.wait_phase('halted')
    assert 'stale' in values_of(probe.heard['progress'][-1])['reason']
    probe.wait(lambda: probe.commands()[-1] == [0.0, 0.0], 'zeros')
    assert not probe.call('snn_controller/execute').success
    arm.send(signal.SIGCONT)
    count = len(probe.heard['joint_states'])
    probe.wait(lambda: len(probe.heard['joint_states']) > count + 20, 'joint_states again')
    answer = probe.call('snn_controller/execute')
    assert not answer.success and 'reset' in answer.message, 'it must not resume by itself'
    assert probe.call('snn_controller/reset').success
    assert execute(probe).success
    probe.wait_phase('playing')
    assert probe.call('snn_controller/halt').success
    probe.wait_phase('halted')


def test_it_eases_to_the_start_plays_all_steps_and_falls_silent(bench, small_model):
    _, process, probe = controller(bench, small_model, duration=1.5)
    probe.listen(Int32MultiArray, 'spikes', STREAM)
    probe.listen(DiagnosticArray, '/diagnostics', STREAM)
    probe.show()
    assert not probe.commands(), 'it commands only while executing'
    answer = execute(probe)
    assert answer.success and '1.50 s' in answer.message
    probe.wait_phase('playing')
    easing = len(probe.commands())
    np.testing.assert_allclose(probe.position(), [0.05, -0.05], atol=5e-3)
    refused = probe.call('snn_controller/reset')
    assert not refused.success and 'snn_controller/halt stops it' in refused.message
    probe.wait_phase('done')
    sent = np.array(probe.commands())
    assert np.abs(sent[:easing - 2]).max() <= EASE_SPEED + 1e-9
    assert np.abs(sent[easing:]).max() > 0.05
    probe.wait(lambda: probe.commands()[-1] == [0.0, 0.0], 'zero at the end')
    probe.wait(lambda: 'ticks of 10 ms' in process.said, 'the summary of the control loop')
    progress = values_of(probe.heard['progress'][-1])
    assert float(progress['duration']) == 1.5 and float(progress['fraction']) == 1.0
    played = [pair for message in probe.heard['spikes'] if 'playback' in
              message.layout.dim[0].label for pair in np.reshape(message.data, (-1, 2)).tolist()]
    model = load_model(small_model)
    expected = Trainee(model, prepare_synapses(model, 'software')).trial()
    assert played == expected.spikes.nonzero().tolist(), 'every step, once, in order'
    # what the arm did is the network's velocities integrated, up to limits at both ends and to
    # what a busy machine delays, 0.1 s at half a radian per second
    wanted = model.step_seconds * expected.velocity.sum(0).numpy()
    np.testing.assert_allclose(probe.position() - [0.05, -0.05], wanted, atol=0.05)
    count = len(probe.commands())
    messages = len(probe.heard['joint_states'])
    probe.wait(lambda: len(probe.heard['joint_states']) > messages + 150, '0.75 s')
    settled = len(probe.commands())
    probe.wait(lambda: len(probe.heard['joint_states']) > messages + 250, '0.5 s more')
    assert len(probe.commands()) == settled < count + 60, 'it must fall silent'
    said = [s for m in probe.heard['/diagnostics'] for s in m.status
            if s.name == 'snn_controller: playback']
    assert said[-1].level == DiagnosticStatus.OK


def test_updates_that_do_not_fit_are_refused_and_never_applied(bench, small_model):
    _, _, probe = controller(bench, small_model)
    probe.show()
    execute(probe)
    probe.wait_phase('done')
    version = probe.version()
    model = load_model(small_model)
    wrong = np.zeros((model.n, model.n))
    nan = np.zeros((model.n, model.n_in + model.n))
    nan[3, 4] = math.nan
    for case, said in (({'version': 'other'}, 'version'), ({'demonstration': 'other'}, 'other'),
                       ({'delta': wrong}, 'expected'), ({'delta': nan}, 'finite')):
        answer = update(probe, small_model, **case)
        assert answer.level == DiagnosticStatus.ERROR, case
        assert said in answer.message and 'refused' in answer.message
    assert probe.version() == version
    answer = update(probe, small_model)
    assert answer.level == DiagnosticStatus.OK
    written = values_of(answer)
    assert int(written['cells_written']) == model.n * (model.n_in + model.n) - model.n
    assert written['version'] == version and written['demonstration'] == digest()
    assert float(written['update_seconds']) < 1.0
    again = update(probe, small_model)
    assert again.level == DiagnosticStatus.ERROR and 'forget' in again.message
    traces = len(probe.heard['eligibility'])
    assert probe.call('snn_controller/forget').success
    probe.wait(lambda: len(probe.heard['eligibility']) > traces, 'new traces')
    assert probe.version() != version
    late = bench.probe()
    late.wait(lambda: late.heard['eligibility'] and late.heard['programmed']
              and late.heard['progress'], 'the latched topics')
    assert [d.size for d in late.heard['eligibility'][-1].layout.dim] == [
        model.steps, 2 * model.n + model.n_in]
    assert late.version() == probe.version() == late.programmed()['version']
    assert list(probe.heard['eligibility'][-1].data) == list(probe.heard['eligibility'][0].data)


def test_it_refuses_to_start_where_it_must(bench, small_model):
    _, _, probe = controller(bench, small_model, allow_unlearned=False, duration=0.05)
    answer = probe.call('snn_controller/execute')
    assert not answer.success and 'demonstration' in answer.message
    probe.show()
    probe.wait(lambda: 'learned' in probe.call('snn_controller/execute').message,
               'a refusal of what has not been learned')
    assert update(probe, small_model).level == DiagnosticStatus.OK
    answer = probe.call('snn_controller/execute')
    assert not answer.success and 'too short' in answer.message
    assert 'needs 0.' in answer.message, 'it must name the duration that would do'
    probe.show(seconds=2.0)
    probe.wait(lambda: 'has learned' in probe.call('snn_controller/execute').message,
               'a refusal of another demonstration than the one learned')
    assert not probe.commands()


def test_a_poor_movement_is_foreseen_and_not_executed(bench, small_model):
    _, process, probe = controller(bench, small_model)
    probe.show()
    probe.wait(lambda: execute(probe).success, 'an unlearned execution, of which nothing is said')
    assert 'expected_tip_rmse_cm' not in probe.programmed()
    probe.wait_phase('done')
    answer = update(probe, small_model)
    assert answer.level == DiagnosticStatus.OK
    expected = float(values_of(answer)['expected_tip_rmse_cm'])
    count = len(probe.commands())
    answer = probe.call('snn_controller/execute')
    assert not answer.success
    assert f'expected to be {expected:.1f} cm off' in answer.message
    assert 'forget and learn again' in answer.message and '\n' not in answer.message
    assert all(command == [0.0, 0.0] for command in probe.commands()[count:])
    assert probe.call('snn_controller/forget').success
    probe.wait(lambda: 'expected_tip_rmse_cm' not in probe.programmed(), 'nothing to be expected')


def test_allowed_to_be_poor_it_plays_and_the_arm_does_what_was_expected(bench, small_model):
    _, _, probe = controller(bench, small_model, allow_poor=True)
    probe.show()
    probe.wait(lambda: execute(probe).success, 'the demonstration to arrive')
    probe.wait_phase('done')
    expected = float(values_of(update(probe, small_model))['expected_tip_rmse_cm'])
    since = len(probe.heard['joint_states'])
    assert execute(probe).success
    probe.wait_phase('playing')
    probe.wait_phase('done')
    began = int(values_of(probe.heard['progress'][-1])['began'])
    states = list(probe.heard['joint_states'])[since:]
    stamps = [1e-9 * (m.header.stamp.sec * 10 ** 9 + m.header.stamp.nanosec - began)
              for m in states]
    reached = [[m.position[list(m.name).index(joint)] for joint in JOINTS] for m in states]
    at = np.linspace(0, 1, 101)[1:]
    arm, (times, shown) = default_arm(), wave(1.0)
    tips = [arm.tip(torch.as_tensor(np.stack([np.interp(at, given, column) for column in
                                              np.transpose(path)], axis=1)))
            for given, path in ((stamps, reached), (times, shown))]
    assert float(path_rmse_cm(*tips)) == pytest.approx(expected, abs=1.5)


def test_lifecycle_without_autostart_and_deactivating_halts(bench, small_model):
    bench.start('arm_simulator')
    bench.start('snn_controller', model=small_model, synapses='software', allow_unlearned=True,
                autostart=False)
    probe = bench.probe()
    change = transitions(probe)
    assert change(Transition.TRANSITION_CONFIGURE)
    answer = probe.call('snn_controller/execute')
    assert not answer.success and 'not active' in answer.message
    assert not probe.heard['eligibility']
    assert change(Transition.TRANSITION_ACTIVATE)
    probe.wait(lambda: probe.heard['eligibility'] and probe.heard['joint_states'], 'traces')
    probe.show()
    assert execute(probe).success
    probe.wait_moving()
    assert change(Transition.TRANSITION_DEACTIVATE)
    probe.wait(lambda: probe.commands()[-1] == [0.0, 0.0], 'a last command of zero')
    probe.wait(lambda: probe.speed() == 0.0, 'the arm to stand')
    assert change(Transition.TRANSITION_CLEANUP)
    assert change(Transition.TRANSITION_CONFIGURE)


def test_halted_and_deactivated_it_brakes_without_a_jump_and_stays_halted(bench, small_model):
    """An arm that can only brake slowly is still braking when it is deactivated."""
    model, slow = load_model(small_model), 0.4
    gentle = replace(model.config, arm=ArmConfig(acceleration=(slow, slow)))
    path = save_model(OneShotModel(gentle, model.weights, 'gentle'), bench.folder)
    _, _, probe = controller(bench, path)
    change = transitions(probe)
    probe.show(start=(0.5, -0.5))
    assert execute(probe).success
    probe.wait(lambda: probe.commands() and max(map(abs, probe.commands()[-1])) > 0.19,
               'the way to the start')
    assert probe.call('snn_controller/halt').success
    assert change(Transition.TRANSITION_DEACTIVATE)
    probe.wait(lambda: probe.commands()[-1] == [0.0, 0.0], 'zeros')
    sent = np.array(probe.commands())
    assert np.abs(np.diff(sent, axis=0)).max() <= slow * 0.05 + 1e-9
    assert change(Transition.TRANSITION_ACTIVATE)
    answer = probe.call('snn_controller/execute')
    assert not answer.success and 'halted (snn_controller/halt)' in answer.message
    assert probe.programmed()['demonstration'] == ''
    assert change(Transition.TRANSITION_DEACTIVATE)
    assert change(Transition.TRANSITION_CLEANUP) and change(Transition.TRANSITION_CONFIGURE)
    assert change(Transition.TRANSITION_ACTIVATE)
    probe.wait(lambda: probe.phase() == 'halted', 'a halt that a new configuration does not end')
    assert probe.call('snn_controller/reset').success


def test_it_does_not_move_beside_another_that_commands_or_says_where_the_arm_is(
        bench, small_model):
    _, process, probe = controller(bench, small_model, duration=20.0)
    probe.listen(DiagnosticArray, '/diagnostics', STREAM)
    probe.show()
    assert execute(probe).success
    probe.wait_phase('playing')
    other = probe.node.create_publisher(Float64MultiArray, 'velocity_controller/commands',
                                        RELIABLE)
    probe.wait_phase('halted')
    reason = values_of(probe.heard['progress'][-1])['reason']
    assert f'{probe.node.get_namespace()}/probe can also command' in reason
    assert probe.call('snn_controller/reset').success
    answer = probe.call('snn_controller/execute')
    assert not answer.success and '/probe can also command' in answer.message
    probe.node.destroy_publisher(other)
    probe.wait(lambda: 'alone again' in process.said, 'the other to be gone')
    assert execute(probe).success
    probe.wait_phase('playing')
    second = bench.start('arm_simulator', '-r', '__node:=second_arm')
    probe.wait_phase('halted')
    reason = values_of(probe.heard['progress'][-1])['reason']
    assert '/arm_simulator and ' in reason and '/second_arm both say on' in reason
    probe.wait(lambda: any('second_arm' in values_of(one).get('company', '')
                           for message in probe.heard['/diagnostics'] for one in message.status),
               'both named in /diagnostics')
    second.end()
    assert probe.call('snn_controller/reset').success
    probe.wait(lambda: execute(probe).success, 'motion to be allowed again')


def test_a_named_chip_plays_on_after_its_controller_was_killed(bench, small_model):
    chip = bench.folder / 'my.chip'
    options = {'synapses': 'chip', 'chip_file': str(chip), 'allow_unlearned': False,
               'allow_poor': True}
    arm, process, probe = controller(bench, small_model, **options)
    probe.show()
    probe.wait(lambda: 'learned' in probe.call('snn_controller/execute').message,
               'the demonstration to arrive')
    assert update(probe, small_model).level == DiagnosticStatus.OK
    process.send(signal.SIGKILL)
    process.exit_code()
    probe.close()
    synapses, notes = ChipSynapses.load(chip)
    synapses.save(chip, notes | {'saved': notes['saved'] - 435.0})
    _, again, late = controller(bench, small_model, arm, **options)
    late.wait(lambda: 'the chip has drifted: columns calibrated' in again.said,
              'a calibration, seven minutes and a half after the update', timeout=30.0)
    assert late.programmed()['demonstration'] == digest()
    assert float(late.programmed()['expected_tip_rmse_cm']) > 0, 'rehearsed as it is taken up'
    answer = execute(late)
    assert answer.success, f'it knows what it has learned, and no more is needed: {answer}'
    late.wait_phase('done')


def test_a_chip_that_waited_for_days_is_calibrated_before_it_learns(bench, small_model):
    model, chip = load_model(small_model), bench.folder / 'my.chip'
    synapses = prepare_synapses(model, 'chip', 1)
    synapses.save(chip, {'model': model.name, 'weights': model.digest,
                         'saved': time.time() - 3 * 86400.0})
    _, process, probe = controller(bench, small_model, synapses='chip', chip_file=str(chip))
    assert 'the chip has drifted: columns calibrated' in process.said
    kept, _ = ChipSynapses.load(chip)
    assert kept.core.calibrated_at == pytest.approx(3600 + 3 * 86400, abs=60)
    assert not kept.calibration_due()


def test_a_chip_of_other_weights_under_the_same_name_is_refused(bench, small_model):
    model, chip = load_model(small_model), bench.folder / 'my.chip'
    prepare_synapses(model, 'chip', 1).save(chip, {'model': model.name, 'weights': 'feedfeedfeed'})
    before = chip.read_bytes()
    process = bench.start('snn_controller', model=small_model, chip_file=str(chip))
    assert process.exit_code() == 2
    assert f"with weights feedfeedfeed, not 'small' with {model.digest}" in process.said
    assert len(process.said.strip().splitlines()) == 1 and chip.read_bytes() == before


def test_a_model_that_is_not_there_ends_it_with_one_line_and_code_2(bench):
    process = bench.start('snn_controller', model='nobody')
    assert process.exit_code() == 2
    (line,) = process.said.strip().splitlines()
    assert line.startswith('snn_controller: model nobody')
