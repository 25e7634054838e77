# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Models made from Python: in closed form, and trained in the outer loop."""

from dataclasses import replace

import pytest
import torch

import smallbot
from smallbot.cli.main import main
from smallbot.one_shot.model import ModelConfig
from smallbot.outer_loop.configuration import MetaConfig
from smallbot.outer_loop.run import MetaTraining

SMALL = MetaConfig(model=ModelConfig(neurons=24, generator_neurons=16, steps=60, inner_rate=3e-3),
                   batch=6, window_range=(20, 40), validate_every=0)
HOBBY = ['shoulder_pan', 'shoulder_lift', 'elbow_flex']


def test_a_model_in_closed_form_is_the_commands(tmp_path):
    made = smallbot.meta_train('hobby_arm', HOBBY, tip='tool_tip', seed=3,
                               limits=[(-1.5, 1.5), (-1, 1, 2.0), (-1.2, 1.2)])
    assert main(['meta-train', '--iterations', '0', '--urdf', 'hobby_arm', '--joints',
                 ','.join(HOBBY), '--tip', 'tool_tip', '--seed', '3',
                 '--limits=-1.5:1.5,-1:1:2,-1.2:1.2', '--out', str(tmp_path)]) == 0
    told = smallbot.load_model(tmp_path / 'hobby_arm.safetensors')
    assert (made.name, made.digest, made.config) == (told.name, told.digest, told.config)
    path = smallbot.save_model(replace(made, name='mine'), tmp_path / 'models')
    assert smallbot.load_model(path).digest == made.digest


def test_training_takes_the_steps_of_a_run(tmp_path):
    seen = []
    made = smallbot.meta_train(config=SMALL, iterations=3, seed=4, name='small',
                               report=lambda iteration, parts: seen.append((iteration,
                                                                            parts.loss)),
                               out=tmp_path / 'run')
    run = MetaTraining(replace(SMALL, seed=4, iterations=3))
    wanted = [(run.iteration + 1, run.step().loss) for _ in range(3)]
    assert seen == [(number, pytest.approx(loss)) for number, loss in wanted]
    for key, value in run.model('small').weights.items():
        assert torch.allclose(made.weights[key], value), key
    assert made.name == 'small'
    assert MetaTraining.restore(tmp_path / 'run').iteration == 3
    with pytest.raises(smallbot.InputError, match='holds a checkpoint already'):
        smallbot.meta_train(config=SMALL, iterations=3, out=tmp_path / 'run')
    onwards = smallbot.meta_train(config=SMALL, iterations=1, start=made)
    assert onwards.digest != made.digest and onwards.card['started_from']['name'] == 'small'


@pytest.mark.parametrize('asked, said', [
    ({'urdf': 'hoby_arm'}, 'hoby_arm'),
    ({'urdf': 'hobby_arm', 'joints': 'shoulder_pan'}, "joints 'shoulder_pan': expected a list"),
    ({'urdf': 'hobby_arm', 'joints': ['shoulder']}, "'shoulder'"),
    ({'urdf': 'hobby_arm', 'joints': HOBBY, 'limits': [(1, -1)] * 3}, r'limits \(1, -1\): expec'),
    ({'urdf': 'hobby_arm', 'joints': HOBBY, 'limits': [3, 3, 3]}, 'limits 3: expected'),
    ({'urdf': 'hobby_arm', 'joints': HOBBY, 'limits': [(-1, 1)]}, '1 limits for 3 joints'),
    ({'seed': 2000}, 'seed 2000: kept for the figures'),
    ({'iterations': -1}, 'iterations -1: expected a whole number from 0'),
    ({'config': 'nowhere.yaml'}, r'nowhere\.yaml: cannot be read'),
    ({'config': SMALL}, 'iterations=0 makes a model in closed form'),
    ({'start': smallbot.load_model(), 'urdf': 'hobby_arm', 'iterations': 1}, 'start: its arm is'),
])
def test_what_cannot_be_is_said_in_a_line(asked, said):
    with pytest.raises(smallbot.InputError, match=said) as found:
        smallbot.meta_train(**asked)
    assert '\n' not in str(found.value)
