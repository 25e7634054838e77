# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from smallbot.arm.kinematics import default_arm
from smallbot.demonstration.samples import Demonstration
from smallbot.demonstration.trial_grid import trial_positions
from smallbot.one_shot.model import load_model
from smallbot.one_shot.trainee import prepare_synapses, Trainee
from smallbot.plots.arm import draw_arm, faces_of
from smallbot.plots.report import draw_report
from smallbot.study.reproduction import Course, readout, reproduction

ARM, MODEL = default_arm(), load_model()
TIME = np.linspace(0, 4, 401)
SHOWN = Demonstration(ARM.driven, TIME, np.stack([0.4 * np.sin(TIME), 0.1 * TIME], 1), 'made up')
PROGRAMMED = {'cells_written': '635', 'cells_total': '63500', 'devices_written': '1270',
              'pulses': 'None', 'energy_uj': '2.5', 'expected_tip_rmse_cm': '1.250'}


def course(arm_path):
    spikes = Trainee(MODEL, prepare_synapses(MODEL, 'software')).trial().spikes.numpy()
    events = np.argwhere(spikes)
    stamps = [int(10 ** 18 + 1e9 * t) for t in np.linspace(0, 4, 801)]
    return Course(demonstration=SHOWN, stamps=stamps, positions=list(arm_path),
                  spikes_before=events, spikes_after=[events[:100], events[100:]],
                  programmed=PROGRAMMED, updates=1, began=10 ** 18, duration=4.0,
                  learn_seconds=0.1, bag='bag', shown='made_up')


def followed():
    """Return what an arm that does exactly what was shown reports at 801 moments."""
    moments = np.linspace(0, 4, 801)
    return np.stack([np.interp(moments, TIME, column) for column in SHOWN.position.T], axis=1)


def test_spikes_are_read_out_as_the_trainee_does():
    record = Trainee(MODEL, prepare_synapses(MODEL, 'software')).trial()
    events = np.argwhere(record.spikes.numpy())
    assert np.allclose(readout(MODEL, events), record.velocity.numpy(), atol=1e-5)
    assert np.abs(readout(MODEL, np.zeros((0, 2), dtype=int))).max() == 0


def test_an_arm_that_does_what_was_shown_has_no_error():
    result = reproduction(MODEL, ARM, course(followed()))
    assert result.report['arm_tip_rmse_cm'] < 0.01
    assert result.report['tip_rmse_cm']['after'] == result.report['tip_rmse_cm']['before']
    assert result.report['tip_rmse_cm']['before']['mean'] > 5
    assert result.report['cells_written'] == {'mean': 635.0, 'fraction': 0.01}
    assert result.report['expected_tip_rmse_cm']['mean'] == 1.25
    assert result.report['pulses'] is None and result.report['energy_uj'] == 2.5
    assert result.report['updates'] == 1 and result.report['bag'] == 'bag'


def test_an_arm_that_stands_still_has_the_error_of_the_whole_way():
    result = reproduction(MODEL, ARM, course(np.repeat(SHOWN.position[:1], 801, 0)))
    path = trial_positions(SHOWN, MODEL.steps)
    tips = ARM.tip(torch.as_tensor(path)).numpy()
    expected = 100 * np.sqrt(((tips[1:] - tips[0]) ** 2).sum(1).mean())
    assert result.report['arm_tip_rmse_cm'] == pytest.approx(expected)


def test_the_report_is_drawn(tmp_path):
    from matplotlib.image import imread
    draw_report(reproduction(MODEL, ARM, course(followed())), tmp_path / 'report.png')
    picture = imread(tmp_path / 'report.png')
    assert picture.shape[0] > 600 and picture.shape[1] > 1000
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 50


def test_the_arm_is_drawn_still_and_moving(tmp_path):
    from matplotlib.image import imread
    result = reproduction(MODEL, ARM, course(followed()))
    draw_arm(result, ARM, tmp_path / 'arm.png')
    picture = imread(tmp_path / 'arm.png')[..., :3]
    amber = np.abs(picture - [0.85, 0.55, 0.1]).max(-1) < 0.15
    assert amber.sum() > 500  # the upper arm and the forearm
    draw_arm(result, ARM, tmp_path / 'arm.gif', frames=4)
    first, last = (_frame(tmp_path / 'arm.gif', number) for number in (0, 2))
    assert (first != last).any(-1).sum() > 500


def _frame(path, number):
    from PIL import Image
    with Image.open(path) as film:
        film.seek(number)
        return np.asarray(film.convert('RGB'))


def test_shapes_keep_their_size_and_place():
    shapes = faces_of(ARM.urdf)
    assert {'base_link', 'body', 'upper_arm', 'forearm'} <= {link for link, _, _ in shapes}
    corners = {link: quads.reshape(-1, 3) for link, quads, _ in shapes[::-1]}
    assert np.allclose(np.ptp(corners['body'], axis=0), [0.38, 0.14, 0.25])
    assert np.allclose(corners['base_link'].max(0)[2], 0.045)
    assert faces_of('<robot name="r"><link name="a"><visual><geometry><mesh '
                    'filename="a.stl"/></geometry></visual></link></robot>') == []
