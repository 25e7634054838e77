import numpy as np
import pytest
import torch

from smallbot.arm.demonstration import Demonstration, write_csv
from smallbot.arm.kinematics import default_arm
from smallbot.one_shot.evaluation import (
    draw_movements,
    evaluate,
    EvaluationError,
    learn_once,
    spread,
    strongest,
    summary,
    tip_rmse_cm,
)
from smallbot.one_shot.families import from_positions
from smallbot.one_shot.model import load_model
from smallbot.one_shot.trainee import prepare_synapses, Trainee

ARM = default_arm()
MODEL = load_model()


def movements(count, family='paper', seed=1000):
    return draw_movements(family, count, MODEL.config, ARM, seed)


@pytest.mark.parametrize('synapses', ['software', 'chip'])
def test_one_update_teaches_a_movement(synapses):
    done = evaluate(MODEL, ARM, movements(4), synapses, 1000)
    result = summary(MODEL, done, synapses, 1000)
    error = result['tip_rmse_cm']
    assert error['before']['mean'] > 30
    assert error['after']['mean'] < error['before']['mean'] / 3
    assert result['updates'] == 1 and result['tasks'] == 4
    assert 0 < result['cells_written']['fraction'] < 1
    assert result['cells_written']['fraction'] == result['cells_written']['mean'] / 63_500


def test_the_same_seed_gives_the_same_figures_and_another_chip_others():
    one, two, other = (evaluate(MODEL, ARM, movements(1), 'chip', seed)[0].tip_rmse_cm
                       for seed in (5, 5, 6))
    assert one == two != other


def test_the_share_of_cells_is_kept():
    done = evaluate(MODEL, ARM, movements(1), 'chip', 0, cells=0.05)[0]
    assert 0 < done.written.cells <= 0.05 * 63_500
    untouched = evaluate(MODEL, ARM, movements(1), 'software', 0, cells=0.0)[0]
    assert untouched.written.cells == 0
    assert untouched.tip_rmse_cm[0] == untouched.tip_rmse_cm[1]


def test_the_strongest_changes_are_kept():
    delta = torch.tensor([[0.1, -0.5], [0.3, 0.0]])
    assert strongest(delta, 0.5, 4).tolist() == [[0.0, -0.5], [pytest.approx(0.3), 0.0]]
    assert strongest(delta, 0.0, 4).abs().max() == 0


def test_a_perfect_playback_has_no_error_and_a_still_arm_its_whole_way():
    one = movements(3)
    assert tip_rmse_cm(one.velocity, one, ARM).max() < 1e-4
    still = tip_rmse_cm(torch.zeros_like(one.velocity), one, ARM)
    way = ARM.tip(one.positions().double()) - ARM.tip(one.start[:, None].double())
    assert torch.allclose(still, 100 * way.square().sum(-1).mean(1).sqrt())


def test_families_are_drawn_as_asked(tmp_path):
    assert movements(70, 'pen').velocity.shape == (70, 250, 2)
    time = np.linspace(0, 2, 201)
    path = np.stack([0.3 * np.sin(time), 0.2 * time], axis=1)
    write_csv(Demonstration(ARM.driven, time, path, ''), tmp_path / 'a.csv')
    drawn = draw_movements('file', 10, MODEL.config, ARM, 0, tmp_path)
    assert drawn.velocity.shape == (1, 250, 2)
    assert torch.allclose(drawn.positions()[0, -1].double(), torch.as_tensor(path[-1]), atol=1e-5)


@pytest.mark.parametrize('made', ['missing', 'empty'])
def test_a_folder_without_demonstrations_is_refused(tmp_path, made):
    folder = tmp_path if made == 'empty' else tmp_path / 'no'
    said = 'no CSV file' if made == 'empty' else 'not a folder'
    with pytest.raises(EvaluationError, match=said):
        draw_movements('file', 3, MODEL.config, ARM, 0, folder)


def test_an_aged_chip_plays_something_else_and_recovers_nothing_by_itself():
    one = movements(1)
    young, old = (learn_once(MODEL, ARM, one, Trainee(MODEL, prepare_synapses(MODEL, 'chip', 3)),
                             age=age) for age in (300.0, 3e7))
    assert not np.array_equal(young.after, old.after)
    assert old.tip_rmse_cm[1] > young.tip_rmse_cm[1]


def test_spread_is_that_of_a_sample():
    assert spread([1.0, 2.0, 6.0]) == {'mean': 3.0, 'sd': pytest.approx(np.sqrt(7)), 'median': 2.0}
    assert spread([2.0]) == {'mean': 2.0, 'sd': 0.0, 'median': 2.0}


def test_the_grid_of_a_trial_is_the_movements():
    positions = torch.zeros(1, 251, 2)
    positions[0, :, 0] = torch.linspace(0, 1, 251)
    assert torch.allclose(from_positions(positions, 0.01).velocity[0, :, 0],
                          torch.full((250,), 0.4), atol=1e-4)
