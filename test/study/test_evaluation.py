# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
import torch

from smallbot.arm.kinematics import default_arm
from smallbot.demonstration.csv_file import write_csv
from smallbot.demonstration.drawings import pen_trials
from smallbot.demonstration.samples import Demonstration
from smallbot.experiment.conditions import ConditionsError
from smallbot.experiment.figures import spread
from smallbot.one_shot.families import from_positions
from smallbot.one_shot.figures import tip_rmse_cm
from smallbot.one_shot.learner import learning_signals, weight_update
from smallbot.one_shot.model import load_model
from smallbot.one_shot.trainee import prepare_synapses, Trainee
from smallbot.study.conditions import Conditions
from smallbot.study.evaluation import (
    draw_movements,
    evaluate,
    EvaluationError,
    learn_once,
    summary,
)
from smallbot.study.on_arm import Execution
from smallbot.study.shown_files import movements_of, read_folder

ARM = default_arm()
MODEL = load_model()
CELLS = int(MODEL.config.synapse_mask().sum())
CHIP = Conditions()


def movements(count, family='paper', seed=1000):
    return draw_movements(family, count, MODEL.config, ARM, seed)


@pytest.mark.parametrize('synapses', ['software', 'chip'])
def test_one_update_teaches_a_movement(synapses):
    conditions = Conditions(synapses=synapses)
    done = evaluate(MODEL, ARM, movements(4), conditions, 1000)
    result = summary(MODEL, done, conditions, 1000)
    error = result['tip_rmse_cm']
    assert error['before']['mean'] > 30
    assert error['after']['mean'] < error['before']['mean'] / 3
    assert result['updates'] == 1 and result['tasks'] == 4
    assert 0 < result['cells_written']['fraction'] < 1
    assert result['cells_written']['fraction'] == result['cells_written']['mean'] / CELLS


def test_files_that_show_other_joints_elsewhere_count_in_that_pose(tmp_path):
    path = movements(1).path()[0].numpy()
    at = np.linspace(0, 5, len(path))
    for name, elbow in (('bent', 1.0), ('straight', 0.0)):
        rows = ''.join(f'{t},{b},{s},{elbow}\n' for t, (b, s) in zip(at, path))
        (tmp_path / f'{name}.csv').write_text(f'time,base,shoulder,elbow\n{rows}')
    both = movements_of(read_folder(tmp_path, None, MODEL.config, ARM), MODEL.config)
    conditions = Conditions('software', execution=Execution('kinematic', 1.0))
    bent, straight = evaluate(MODEL, ARM, both, conditions, 1)
    (held,) = evaluate(MODEL, ARM.holding({'elbow': 1.0}), both.chosen([1]), conditions, 1)
    alone = evaluate(MODEL, ARM, both.chosen([0]), conditions, 1)[0]
    for one, other in ((bent, alone), (straight, evaluate(MODEL, ARM, both.chosen([1]),
                                                          conditions, 1)[0])):
        assert one.tip_rmse_cm == other.tip_rmse_cm
        assert one.arm_tip_rmse_cm == other.arm_tip_rmse_cm
    assert bent.tip_rmse_cm[0] != pytest.approx(straight.tip_rmse_cm[0], rel=0.01)
    assert np.allclose(bent.after, straight.after, atol=1e-5) == (MODEL.config.watches == 'joints')


@pytest.mark.parametrize('synapses', ['software', 'chip'])
def test_a_rehearsal_says_what_is_to_come_and_changes_nothing(synapses):
    one = movements(1)
    done = learn_once(MODEL, ARM, one, Trainee(MODEL, prepare_synapses(MODEL, synapses, 3)))
    trainee = Trainee(MODEL, prepare_synapses(MODEL, synapses, 3))
    before = trainee.trial()
    signals = learning_signals(MODEL, MODEL.config.watched(ARM, one.path()))
    trainee.program(weight_update(MODEL, before.eligibility, signals)[0])
    trainee.synapses.wait(300.0)
    assert np.array_equal(trainee.trial().velocity.numpy(), done.after), 'as without a rehearsal'
    error, expected = done.tip_rmse_cm[1], done.expected
    assert expected.extent_cm > 30 and not expected.refusal()
    if synapses == 'software':
        assert expected.network_rmse_cm == pytest.approx(error, abs=1e-3)
        assert expected.tip_rmse_cm == pytest.approx(error, abs=0.05)
    else:
        assert expected.network_rmse_cm != pytest.approx(error, abs=1e-9), 'noise of its own'
        assert expected.tip_rmse_cm == pytest.approx(error, abs=2.0)


def test_expected_and_reached_errors_stand_beside_each_other():
    performed = evaluate(MODEL, ARM, movements(4), CHIP, 1000)
    found = summary(MODEL, performed, CHIP, 1000)
    expected = [p.expected.tip_rmse_cm for p in performed]
    assert found['expected_tip_rmse_cm'] == spread(expected)
    assert found['expected_correlation'] == pytest.approx(
        np.corrcoef(expected, [p.tip_rmse_cm[1] for p in performed])[0, 1])
    assert summary(MODEL, performed[:2], CHIP, 1000)['expected_correlation'] is None


def test_a_rehearsal_knows_how_an_arm_will_be_played():
    blind = Conditions('software', execution=Execution('measured', None, 1.0))
    (done,) = evaluate(MODEL, ARM, movements(1), blind, 1000)
    assert done.arm_time_scale > 1
    assert done.expected.tip_rmse_cm < done.tip_rmse_cm[1] + 2


def test_the_same_seed_gives_the_same_figures_and_another_chip_others():
    one, two, other = (evaluate(MODEL, ARM, movements(1), CHIP, seed)[0].tip_rmse_cm
                       for seed in (5, 5, 6))
    assert one == two != other


def test_the_share_of_cells_is_kept():
    done = evaluate(MODEL, ARM, movements(1), Conditions(cells=0.05), 0)[0]
    assert 0 < done.written.cells <= 0.05 * CELLS
    untouched = evaluate(MODEL, ARM, movements(1), Conditions('software', cells=0.0), 0)[0]
    assert untouched.written.cells == 0
    assert untouched.tip_rmse_cm[0] == untouched.tip_rmse_cm[1]


def test_a_perfect_playback_has_no_error_and_a_still_arm_its_whole_way():
    one = movements(3)
    assert tip_rmse_cm(one.velocity, one, ARM).max() < 1e-4
    still = tip_rmse_cm(torch.zeros_like(one.velocity), one, ARM)
    way = ARM.tip(one.positions().double()) - ARM.tip(one.start[:, None].double())
    assert torch.allclose(still, 100 * way.square().sum(-1).mean(1).sqrt())


def test_families_are_drawn_as_asked(tmp_path):
    assert movements(70, 'pen').velocity.shape == (70, 250, 2)
    assert movements(None).velocity.shape == (100, 250, 2)
    time = np.linspace(0, 2, 201)
    path = np.stack([0.3 * np.sin(time), 0.2 * time], axis=1)
    write_csv(Demonstration(ARM.driven, time, path, ''), tmp_path / 'a.csv')
    drawn = movements_of(read_folder(tmp_path, 10, MODEL.config, ARM), MODEL.config)
    assert drawn.velocity.shape == (1, 250, 2)
    assert torch.allclose(drawn.positions()[0, -1].double(), torch.as_tensor(path[-1]), atol=1e-5)


@pytest.mark.parametrize(('seed', 'split', 'count'), [
    (1000, 'validation', 52), (2000, 'test', 59), (3000, 'test', 59)])
def test_pen_strokes_are_each_drawing_of_the_seeds_split_once(seed, split, count):
    drawn = movements(None, 'pen', seed)
    assert sorted(drawn.drawing.tolist()) == list(range(count))
    shown = drawn.path() - drawn.start[:, None]
    kept = torch.as_tensor(pen_trials(split, 250, ARM))[drawn.drawing]
    assert torch.allclose(shown.double(), kept, atol=1e-4)


def test_a_drawing_that_is_drawn_twice_counts_once():
    performed = evaluate(MODEL, ARM, movements(2, 'pen', 2000), Conditions('software'), 2000)
    twice = [*performed, replace(performed[0], tip_rmse_cm=(40.0, 9.0))]
    found = summary(MODEL, twice, Conditions('software'), 2000)
    first, second = (p.tip_rmse_cm[1] for p in performed)
    by_drawing = sorted([(first + 9.0) / 2, second])
    assert found['tip_rmse_cm']['after']['mean'] == pytest.approx(np.mean(by_drawing))
    assert found['tip_rmse_cm']['after']['ci95'] == pytest.approx(spread(by_drawing)['ci95'])
    assert found['tasks'] == 3 and found['drawings'] == 2


@pytest.mark.parametrize('made', ['missing', 'empty'])
def test_a_folder_without_demonstrations_is_refused(tmp_path, made):
    folder = tmp_path if made == 'empty' else tmp_path / 'no'
    said = 'no CSV file' if made == 'empty' else 'not a folder'
    with pytest.raises(EvaluationError, match=said):
        read_folder(folder, 3, MODEL.config, ARM)


def test_an_aged_chip_plays_something_else_and_recovers_nothing_by_itself():
    one = movements(1)
    young, old = (learn_once(MODEL, ARM, one, Trainee(MODEL, prepare_synapses(MODEL, 'chip', 3)),
                             age=age) for age in (300.0, 3e7))
    assert not np.array_equal(young.after, old.after)
    assert old.tip_rmse_cm[1] > young.tip_rmse_cm[1]


def test_spread_is_that_of_a_sample():
    found = spread([1.0, 2.0, 6.0])
    assert (found['mean'], found['median']) == (3.0, 2.0)
    assert found['sd'] == pytest.approx(np.sqrt(7))
    assert found['ci95'] == pytest.approx([3 - 4.302653 * np.sqrt(7 / 3),
                                           3 + 4.302653 * np.sqrt(7 / 3)])
    assert spread([1.0, 3.0, 6.0], of=[5, 5, 2]) == spread([6.0, 2.0])
    assert spread([2.0]) == {'mean': 2.0, 'sd': 0.0, 'median': 2.0, 'ci95': None}


def test_the_number_of_processes_changes_nothing():
    alone, shared = (evaluate(MODEL, ARM, movements(3), CHIP, 7, processes=n) for n in (1, 2))
    assert [p.tip_rmse_cm for p in alone] == [p.tip_rmse_cm for p in shared]
    assert [p.written[:5] for p in alone] == [p.written[:5] for p in shared]


def test_one_chip_learns_and_forgets_one_movement_after_another():
    drawn = movements(3)
    reached = {}
    done = evaluate(MODEL, ARM, drawn, Conditions(same_chip=True), 7,
                    lambda number, performance: reached.update({number: performance}))
    assert [reached[k] for k in range(3)] == done
    alone = evaluate(MODEL, ARM, drawn, CHIP, 7)
    assert done[0].tip_rmse_cm == alone[0].tip_rmse_cm
    assert [p.updates for p in done] == [1, 1, 1]
    assert done[2].tip_rmse_cm[0] > 20 > done[2].tip_rmse_cm[1]


def test_forgetting_restores_the_initial_weights_and_no_other_cell():
    trainee = Trainee(MODEL, prepare_synapses(MODEL, 'chip', 3))
    initial = trainee.synapses.weights()
    written = learn_once(MODEL, ARM, movements(1), trainee).written
    restored = trainee.forget()
    assert torch.equal(trainee.synapses.weights(), initial)
    assert 0 < restored.cells < 1.01 * written.cells
    assert trainee.forget().cells == 0


def test_forgetting_calibrates_a_chip_that_has_grown_ten_times_as_old():
    trainee = Trainee(MODEL, prepare_synapses(MODEL, 'chip', 3))
    core = trainee.synapses.core
    first = core.scale
    trainee.synapses.wait(9 * 3600.0)
    trainee.forget()
    assert core.scale is first and core.calibrated_at == 3600.0
    trainee.synapses.wait(1.0)
    trainee.forget()
    assert core.scale.median() > 1.05 * first.median()
    assert core.calibrated_at == core.now
    assert not trainee.synapses.calibration_due()


def test_devices_without_noise_come_close_to_software_and_noisy_ones_do_not():
    drawn = movements(4)
    exact, noisy = (np.mean([p.tip_rmse_cm[1] for p in evaluate(
        MODEL, ARM, drawn, Conditions(noise=noise), 3)]) for noise in (0.0, 6.0))
    assert exact < noisy


def test_an_old_chip_is_better_for_being_calibrated():
    month = Conditions(age=30 * 86400.0)
    drawn = movements(4)
    old, mended = (np.mean([p.tip_rmse_cm[1] for p in evaluate(MODEL, ARM, drawn, each, 3)])
                   for each in (month, replace(month, recalibrate=True)))
    assert mended < old


def test_the_share_of_cells_is_bounded_and_can_be_swept_in_software_too():
    assert Conditions('software').at('cells', 0.5) == Conditions('software', cells=0.5)
    with pytest.raises(ConditionsError, match='cells 1.5: expected a finite number from 0 to 1'):
        Conditions(cells=1.5)
    with pytest.raises(ConditionsError, match='expected one of .*cells, step$'):
        Conditions().at('law', 1.0)


def test_the_grid_of_a_trial_is_the_movements():
    positions = torch.zeros(1, 251, 2)
    positions[0, :, 0] = torch.linspace(0, 1, 251)
    assert torch.allclose(from_positions(positions, 0.01).velocity[0, :, 0],
                          torch.full((250,), 0.4), atol=1e-4)
