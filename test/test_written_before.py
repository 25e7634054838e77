# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What earlier versions wrote is read as it was: a model, a checkpoint, a chip, recordings.

`written_before/` was made at commit a3ebe38, whose code also noted what it did next.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from smallbot.arm.kinematics import default_arm
from smallbot.demonstration.reading import read_demonstration
from smallbot.one_shot.chip_care import ChipCare
from smallbot.one_shot.model import arm_of, load_model
from smallbot.one_shot.trainee import Trainee
from smallbot.outer_loop.run import MetaTraining
from smallbot.synapses.chip import ChipSynapses

HERE = Path(__file__).with_name('written_before')
NEXT = json.loads((HERE / 'what_came_next.json').read_text())


@pytest.fixture
def model():
    return load_model(HERE / 'small.safetensors')


def test_a_model_has_the_same_weights(model):
    assert model.digest == NEXT['digest']
    assert model.card['iterations'] == 2 and len(model.card['meta_training']) > 20


def test_a_checkpoint_goes_on_with_the_same_steps():
    run = MetaTraining.restore(HERE)
    assert run.iteration == 2 and len(run.validations) == 1
    for expected in NEXT['steps']:
        assert list(run.step()) == pytest.approx(expected, rel=1e-4)
    weights = run.model('resumed').weights
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_a_chip_plays_the_same_velocities(model):
    synapses, notes = ChipSynapses.load(HERE / 'small_chip.safetensors')
    assert notes['learned'] == NEXT['shown']
    played = Trainee(model, synapses).trial().velocity
    np.testing.assert_allclose(played.numpy(), NEXT['played'], atol=1e-5)


def test_a_controller_takes_the_chip_up_with_what_it_has_learned(model):
    care = ChipCare(model, arm_of(model.config), file=HERE / 'small_chip.safetensors')
    assert care.learned == care.taught.digest == NEXT['shown']
    assert care.calibrations == 1, 'it has been left alone for years'


@pytest.mark.parametrize('name', ['bag', 'movement.csv'])
def test_a_recording_holds_the_same_movement(name):
    shown = read_demonstration(HERE / name, default_arm())
    time = np.arange(0, 1.0001, 0.01)
    shape = 0.2 * (1 - np.cos(np.pi * time)) / 2
    np.testing.assert_allclose(shown.time, time, atol=1e-6)
    np.testing.assert_allclose(shown.position, np.stack([0.05 + shape, -0.05 - shape], 1),
                               atol=1e-6)
