# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""`smallbot arm describe`, and another arm from its URDF to a movement that is evaluated."""

import json

from matplotlib.image import imread
import pytest

from smallbot.one_shot.model import arm_of, load_model
from smallbot.outer_loop import configuration

from .commands import call

SPINNING = """<robot name="my arm"><link name="base"/><link name="a"/><link name="tip"/>
<joint name="spin" type="continuous"><parent link="base"/><child link="a"/><axis xyz="0 0 1"/>
<limit velocity="2" effort="1"/></joint>
<joint name="bend" type="revolute"><parent link="a"/><child link="tip"/><origin xyz="0.3 0 0"/>
<axis xyz="0 1 0"/><limit lower="-3" upper="-0.1" velocity="0.2" effort="1"/></joint></robot>"""
SMALL = """
model: {steps: 60}
balance: {generator_neurons: 40, turns: 30}
closed_form: true
batch: 2
window_range: [20, 40]
validate_every: 0
products: float32
"""


@pytest.fixture
def urdf(tmp_path):
    path = tmp_path / 'my arm.urdf'
    path.write_text(SPINNING)
    return path


def test_describe_says_joints_limits_ends_and_reach(capsys, tmp_path):
    result, picture = tmp_path / 'arm.json', tmp_path / 'arm.png'
    code, out, _ = call(capsys, 'arm', 'describe', 'hobby_arm', '--json', result, '--figure',
                        picture, '--joints', 'shoulder_pan,elbow_flex', '--limits=-1:1,0:1:0.5',
                        '--hold', 'shoulder_lift=0.4')
    assert code == 0
    for words in ('--tip tool_tip: moved by shoulder_pan, shoulder_lift', '--tip jaw',
                  'elbow_flex: 0.000 to 1.000, speed 0.5', 'movements begin at 0.500',
                  'shoulder_lift 0.4', 'reaches 0.', '--limits=-1:1,0:1:0.5'):
        assert words in out, words
    found = json.loads(result.read_text())
    assert found['robot'] == 'hobby_arm' and found['tip'] == 'tool_tip'
    assert [one['joint'] for one in found['driven']] == ['shoulder_pan', 'elbow_flex']
    assert found['held']['shoulder_lift'] == 0.4 and len(found['joints']) == 6
    assert 0.2 < found['reach_m'] < 0.5 and imread(picture).std() > 0.05


def test_what_it_says_next_and_what_meta_train_prints_run_as_printed(capsys, tmp_path, urdf,
                                                                     monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = call(capsys, 'arm', 'describe', urdf.name)
    assert code == 0 and 'none' in out
    assert out.splitlines()[-1].strip() == (
        "smallbot demo --urdf 'my arm.urdf' --tip tip --joints spin,bend")
    (tmp_path / 'small.yaml').write_text(SMALL)
    code, out, err = call(capsys, 'meta-train', '--config', 'small.yaml', '--urdf', urdf.name,
                          '--joints', 'spin,bend', '--iterations', 0, '--out', 'my models')
    assert code == 0
    assert 'spin turns without end: -pi to pi is taken' in err
    assert 'movements begin at spin 0, bend -1.55' in err
    assert "smallbot evaluate --model 'my models/my_arm.safetensors' --seed 1000" in out
    code, out, _ = call(capsys, 'evaluate', '--model', 'my models/my_arm.safetensors', '--seed',
                        1000, '--tasks', 2, '--arm', 'kinematic', '--json', 'e.json')
    assert code == 0 and 'model my_arm' in out
    found = json.loads((tmp_path / 'e.json').read_text())
    assert found['time_scale'] > 1.2, 'bend is slow'
    assert found['arm_tip_rmse_cm']['mean'] < found['tip_rmse_cm']['after']['mean'] + 1


def test_limits_of_a_file_are_said_and_go_into_the_model(capsys, tmp_path, urdf, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'small.yaml').write_text(SMALL)
    (tmp_path / 'my limits.yaml').write_text(
        'joint_limits: {bend: {max_position: -1, min_position: -2, max_acceleration: 0.5}}')
    given = ['--joint-limits', 'my limits.yaml']
    code, out, _ = call(capsys, 'arm', 'describe', urdf.name, *given, '--json', 'arm.json')
    assert code == 0 and 'my limits.yaml: limits bend' in out
    assert 'acceleration 20 (default)' in out and 'acceleration 0.5 (my limits.yaml)' in out
    assert out.splitlines()[-1].endswith("--joint-limits 'my limits.yaml'")
    driven = json.loads((tmp_path / 'arm.json').read_text())['driven']
    assert [one['acceleration_from'] for one in driven] == ['default', 'my limits.yaml']
    code, _, err = call(capsys, 'meta-train', '--config', 'small.yaml', '--urdf', urdf.name,
                        '--joints', 'spin,bend', *given, '--iterations', 0, '--out', 'models')
    assert code == 0 and 'bend 0.5 (as given)' in err
    limits = arm_of(load_model('models/my_arm.safetensors').config).limits
    assert limits.acceleration.tolist() == [20, 0.5]
    assert (limits.lower[1], limits.upper[1]) == (-2, -1)


def test_an_arm_that_rests_away_from_zero_is_trained(capsys, tmp_path, urdf):
    (tmp_path / 'small.yaml').write_text(SMALL)
    code, out, _ = call(capsys, 'meta-train', '--config', tmp_path / 'small.yaml', '--urdf', urdf,
                        '--joints', 'spin,bend', '--iterations', 1, '--processes', 1,
                        '--out', tmp_path / 'out')
    assert code == 0 and (tmp_path / 'out' / 'my_arm.safetensors').exists()


@pytest.mark.parametrize(('arguments', 'said'), [
    (['arm', 'describe', 'nowhere.urdf'], 'nowhere.urdf: cannot be read'),
    (['arm', 'describe', 'ur5e', '--tip', 'hand'], "no link 'hand'"),
    (['arm', 'describe', 'ur5e', '--joints', 'elbow_joint', '--limits=-9:1'], "beyond the URDF's"),
    (['arm', 'describe', 'ur5e', '--limits=wide'], 'LOW:HIGH'),
    (['arm', 'describe', 'ur5e', '--hold', 'elbow_joint'], 'JOINT=POSITION'),
    (['arm', 'describe', 'ur5e', '--figure', 'arm.jpg'], 'ends in .png'),
    (['meta-train', '--iterations', '0', '--urdf', 'hobby_arm', '--joints', 'pan,lift'],
     "no movable joint 'pan'"),
    (['meta-train', '--iterations', '0', '--urdf', 'ur5e', '--joints', 'elbow_joint',
      '--limits=-1:1,-1:1'], '2 limits for 1 joints'),
    (['meta-train', '--iterations', '0', '--name', 'a/b'], 'expected the name of a file'),
    (['demo', '--joints', 'a,b'], '--joints goes with --urdf'),
    (['demo', '--joint-limits', __file__], '--joint-limits goes with --urdf'),
    (['arm', 'describe', 'ur5e', '--joint-limits', 'a.yaml'], 'a.yaml: cannot be read'),
    (['meta-train', '--start', 'ur5e', '--joint-limits', __file__], 'leave --joint-limits out'),
    (['demo', '--urdf', 'ur5e', '--model', 'ur5e'], 'leave one out'),
    (['demo', '--model', 'ur5e', '--arm', 'measured'], 'is an ED-Scorbot'),
    (['evaluate', '--model', 'hobby_arm', '--arm', 'measured'], 'is an ED-Scorbot'),
])
def test_bad_arms_end_with_2_and_one_line_that_says_why(capsys, tmp_path, monkeypatch, arguments,
                                                        said):
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capsys, *arguments)
    assert code == 2 and said in err.strip().splitlines()[-1] and 'Traceback' not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(('name', 'joints'), [('ur5e', 3), ('hobby_arm', 4)])
def test_the_shipped_models_of_other_arms_learn(capsys, tmp_path, name, joints):
    model = load_model(name)
    assert len(model.joints) == joints and arm_of(model.config).name == name
    code, _, _ = call(capsys, 'evaluate', '--model', name, '--tasks', 3, '--json',
                      tmp_path / 'e.json', '--processes', 1)
    assert code == 0
    assert json.loads((tmp_path / 'e.json').read_text())['tip_rmse_cm']['after']['mean'] < 1


def test_the_name_of_a_robot_becomes_that_of_a_file():
    config = configuration.with_arm(configuration.MetaConfig(), 'hobby_arm',
                                    ('shoulder_pan', 'elbow_flex'))
    assert configuration.robot_name(config) == 'hobby_arm' and config.model.arm.tip == 'tool_tip'
