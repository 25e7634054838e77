"""`smallbot meta-train --iterations 0`: a model for an arm in seconds, and what it refuses."""

import json

import pytest

from smallbot.cli.main import main
from smallbot.one_shot.model import load_model
from smallbot.share import share_directory


def call(capsys, *arguments):
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = stop.code
    said = capsys.readouterr()
    return code, said.out, said.err


def test_another_arm_from_its_urdf_to_a_model_that_is_evaluated(capsys, tmp_path):
    result = tmp_path / 'made.json'
    code, out, _ = call(
        capsys, 'meta-train', '--iterations', 0, '--out', tmp_path, '--name', 'three', '--json',
        result, '--urdf', share_directory() / 'urdf' / 'ur5e.urdf', '--tip', 'tool0', '--joints',
        'shoulder_pan_joint,shoulder_lift_joint,elbow_joint', '--limits=-1.5:1.5,-1.5:1.5,-2:2')
    assert code == 0 and 'smallbot evaluate --model' in out
    made = json.loads(result.read_text())
    model = load_model(tmp_path / 'three.safetensors')
    assert made['model'] == str(tmp_path / 'three.safetensors') and len(model.joints) == 3
    code, _, _ = call(capsys, 'evaluate', '--model', made['model'], '--tasks', 3, '--json', result)
    assert code == 0
    assert json.loads(result.read_text())['tip_rmse_cm']['after']['mean'] < 3


@pytest.mark.parametrize(('options', 'said'), [
    (('--start', 'ed_scorbot'), 'leave --start out'),
    (('--config', share_directory() / 'config' / 'meta' / 'seed_paper.yaml'),
     'closed_form: true'),
    (('--seed', 1000), 'kept for the figures'),
    (('--joints', 'base,nobody'), 'nobody')])
def test_what_has_no_closed_form_is_refused_in_one_line(capsys, tmp_path, options, said):
    code, _, err = call(capsys, 'meta-train', '--iterations', 0, '--out', tmp_path, *options)
    assert code == 2 and said in err and len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
