# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Fifty arms that nobody has: from a URDF to a movement that is learned.

Kinematics against yourdfpy. On two of them `nodes/test_hosted_demo.py` runs the demo.
"""

import math

import numpy as np
import pytest
from random_arms import random_urdf
import torch

from smallbot.arm.description import read_description
from smallbot.arm.kinematics import Arm
from smallbot.arm.workspace import workspace
from smallbot.cli.main import main
from smallbot.experiment.loop import advance
from smallbot.one_shot.example import shown_by_default
from smallbot.one_shot.families import brownian
from smallbot.one_shot.model import arm_of, load_model, ModelConfig
from smallbot.outer_loop.closed_form import Balance, closed_form
from smallbot.outer_loop.configuration import MetaConfig, said_of_arm, with_arm
from smallbot.outer_loop.run import MetaTraining
from smallbot.study.conditions import Conditions
from smallbot.study.evaluation import draw_movements, evaluate

ARMS = range(50)
TINY = MetaConfig(
    model=ModelConfig(neurons=20, generator_neurons=16, steps=60, inner_rate=3e-3), batch=2,
    iterations=3, window_range=(20, 40), validate_every=0, pen_share=0.0)
SMALL = Balance(generator_neurons=60, turns=30)


@pytest.mark.parametrize('number', ARMS)
def test_kinematics_are_those_of_yourdfpy(number, tmp_path):
    yourdfpy = pytest.importorskip('yourdfpy', reason='needs yourdfpy: pip install yourdfpy')
    text, driven, tip = random_urdf(number)
    (tmp_path / 'arm.urdf').write_text(text)
    theirs = yourdfpy.URDF.load(str(tmp_path / 'arm.urdf'), load_meshes=False,
                                build_scene_graph=True)
    arm = Arm.from_urdf(text, driven, tip)
    random = np.random.default_rng(1000 + number)
    low, high = (np.nan_to_num(x, posinf=3, neginf=-3)
                 for x in (arm.limits.lower, arm.limits.upper))
    for positions in random.uniform(low, high, (3, len(driven))):
        at = dict(zip(arm.movable, arm.whole(positions)))
        theirs.update_cfg([at[name] for name in theirs.actuated_joint_names])
        frames = arm.frames(positions)
        for link, frame in frames.items():
            assert np.allclose(theirs.get_transform(link, arm.root), frame, rtol=0, atol=1e-9)
        assert np.allclose(frames[tip][:3, 3], arm.tip(torch.as_tensor(positions)), rtol=0,
                           atol=1e-9)


@pytest.mark.parametrize('number', ARMS)
def test_it_is_described_made_and_learns_a_movement_within_its_limits(number, tmp_path):
    text, driven, tip = random_urdf(number)
    config = with_arm(TINY, text, driven, tip)
    arm = arm_of(config.model)
    assert any(link == tip for link, _ in read_description(text).ends())
    assert workspace(arm, 64).farthest > 0 and said_of_arm(config)
    if number % 5:
        run = MetaTraining(config)
        advance(run, tmp_path, lambda run: run.iteration >= 3, lambda run, parts: None)
        model = run.model('tiny')
    else:
        model = closed_form(SMALL, config.model, on_chips=False)
    movements = draw_movements('paper', 1, model.config, arm, 1000)
    shown = shown_by_default(model.config, arm)
    for path in (movements.path()[0].numpy(), shown.position):
        assert (path >= arm.limits.lower - 1e-5).all() and (path <= arm.limits.upper + 1e-5).all()
        assert (np.ptp(path, axis=0) > 0).all(), 'every joint moves'
    learned, = evaluate(model, arm, movements, Conditions('software'), 0)
    before, after = learned.tip_rmse_cm
    assert math.isfinite(after)
    assert number % 5 or after < 0.5 * before, 'a closed form learns at once'


def test_the_command_describes_and_makes_one(tmp_path):
    text, driven, tip = random_urdf(7)
    (tmp_path / 'arm.urdf').write_text(text)
    assert main(['arm', 'describe', str(tmp_path / 'arm.urdf'), '--tip', tip, '--figure',
                 str(tmp_path / 'arm.png')]) == 0
    (tmp_path / 'small.yaml').write_text(
        'model: {steps: 60}\nbalance: {generator_neurons: 40, turns: 30}\nclosed_form: true\n'
        'window_range: [20, 40]\nvalidate_every: 0\n')
    assert main(['meta-train', '--iterations', '0', '--config', str(tmp_path / 'small.yaml'),
                 '--urdf', str(tmp_path / 'arm.urdf'), '--tip', tip, '--joints', ','.join(driven),
                 '--out', str(tmp_path)]) == 0
    model = load_model(tmp_path / 'arm_7.safetensors')
    assert model.joints == driven
    arm = arm_of(model.config)
    assert len(brownian(3, 60, 0.01, arm, torch.Generator().manual_seed(0)).start) == 3
