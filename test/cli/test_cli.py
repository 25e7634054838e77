# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import json
import math
import subprocess
import sys

from matplotlib.image import imread
import numpy as np
import pytest

from smallbot.demonstration.bag import write_bag
from smallbot.share import share_directory

from .commands import call


def test_evaluate_prints_and_writes_the_contracted_figures(capsys, tmp_path):
    result = tmp_path / 'result.json'
    code, out, _ = call(capsys, 'evaluate', '--tasks', 3, '--json', result)
    assert code == 0
    figures = json.loads(result.read_text())
    assert figures['tasks'] == 3 and figures['updates'] == 1 and figures['seed'] == 2000
    assert figures['synapses'] == 'chip' and figures['model'] == 'ed_scorbot'
    for when in ('before', 'after'):
        assert set(figures['tip_rmse_cm'][when]) == {'mean', 'sd', 'median', 'ci95'}
    assert set(figures['velocity_rmse']) == {'base', 'shoulder'}
    assert set(figures['velocity_rmse']['base']) == {'mean', 'sd'}
    for key in ('devices_written', 'energy_uj', 'learn_seconds'):
        assert figures[key] > 0
    assert f'{figures["tip_rmse_cm"]["after"]["mean"]:.2f}' in out


def test_evaluate_takes_other_devices_stuck_ones_and_roundings(capsys, tmp_path):
    result = tmp_path / 'result.json'
    figures = {}
    for name, options in (('usual', ()), ('stuck', ('--stuck', 0.1)),
                          ('exact', ('--rounding', 'exact')),
                          ('one', ('--law', 'hermes-one-device'))):
        code, out, _ = call(capsys, 'evaluate', '--tasks', 1, '--json', result, *options)
        assert code == 0 and 'pulses' in out
        figures[name] = json.loads(result.read_text())
    assert figures['usual']['pulses'] > figures['usual']['devices_written'] > 0
    assert figures['stuck']['cells_compensated'] > 0 == figures['usual']['cells_compensated']
    assert figures['exact']['cells_written']['mean'] > figures['usual']['cells_written']['mean']
    assert figures['one']['law'] == 'hermes-one-device'


def test_chip_characterise_leaves_a_figure_and_its_numbers(capsys, tmp_path):
    code, out, _ = call(capsys, 'chip', 'characterise', '--law', 'ideal', '--out', tmp_path / 'x',
                        '--json', tmp_path / 'same.json')
    assert code == 0 and 'characterise.png' in out
    numbers = json.loads((tmp_path / 'x' / 'characterise.json').read_text())
    assert json.loads((tmp_path / 'same.json').read_text()) == numbers
    assert numbers['law'] == 'ideal' and max(numbers['product_error']['once_4']) < 0.03
    assert (tmp_path / 'x' / 'characterise.png').stat().st_size > 50_000


def test_chip_benchmark_reports_the_contracted_figures(capsys, tmp_path):
    result = tmp_path / 'speed.json'
    code, out, _ = call(capsys, 'chip', 'benchmark', '--json', result)
    assert code == 0 and 'programming all cells' in out
    speed = json.loads(result.read_text())
    assert speed['matvec_us']['batch_90'] > speed['matvec_us']['batch_1'] > 0
    assert speed['program_seconds'] > 0


def test_evaluate_sweeps_and_draws(capsys, tmp_path):
    result, figure = tmp_path / 'sweep.json', tmp_path / 'sweep.png'
    code, out, _ = call(capsys, 'evaluate', '--tasks', 2, '--sweep', 'cells=0,0.05', '--json',
                        result, '--figure', figure, '--processes', 1)
    assert code == 0 and '95 % interval' in out
    none, some = json.loads(result.read_text())['points']
    assert (none['value'], some['value']) == (0, 0.05)
    assert none['cells_written']['mean'] == 0 < some['cells_written']['fraction'] <= 0.05
    assert none['tip_rmse_cm']['after']['mean'] > some['tip_rmse_cm']['after']['mean']
    assert imread(figure).std() > 0.05


def test_evaluate_draws_its_movements(capsys, tmp_path):
    figure = tmp_path / 'errors.png'
    code, out, _ = call(capsys, 'evaluate', '--tasks', 3, '--synapses', 'software', '--figure',
                        figure, '--arm', 'kinematic')
    assert code == 0 and '95 % of the mean' in out
    assert imread(figure).std() > 0.05


def test_evaluate_on_an_arm_adds_what_the_arm_did(capsys, tmp_path):
    result = tmp_path / 'result.json'
    code, out, _ = call(capsys, 'evaluate', '--tasks', 2, '--synapses', 'software', '--arm',
                        'measured', '--time-scale', 4, '--correction', 1, '--json', result)
    assert code == 0 and 'on the arm, cm' in out and 'measured, time scale 4' in out
    found = json.loads(result.read_text())
    assert found['arm'] == 'measured' and found['time_scale'] == 4 and found['correction'] == 1
    assert set(found['arm_tip_rmse_cm']) == {'mean', 'sd', 'median', 'ci95'}
    assert found['arm_tip_rmse_cm']['mean'] < found['tip_rmse_cm']['after']['mean'] + 1


def test_evaluate_gives_the_measured_arm_the_time_that_it_needs(capsys, tmp_path):
    result = tmp_path / 'result.json'
    code, out, _ = call(capsys, 'evaluate', '--tasks', 2, '--synapses', 'software', '--arm',
                        'measured', '--json', result)
    assert code == 0 and 'on average, what it can follow, correction 1' in out
    found = json.loads(result.read_text())
    assert 1 < found['time_scale'] < 8 and found['time_scale_chosen']
    assert found['arm_tip_rmse_cm']['mean'] < found['tip_rmse_cm']['after']['mean'] + 1


def test_evaluate_takes_a_folder_of_demonstrations(capsys, tmp_path):
    from smallbot.share import share_directory
    shipped = share_directory() / 'config' / 'demonstrations'
    result = tmp_path / 'result.json'
    code, _, _ = call(capsys, 'evaluate', '--family', 'file', '--demonstrations', shipped,
                      '--synapses', 'software', '--json', result)
    assert code == 0 and json.loads(result.read_text())['tasks'] == 5


def test_evaluate_goes_on_after_bad_files_and_lists_them(capsys, tmp_path):
    folder, result, figure = tmp_path / 'shown', tmp_path / 'r.json', tmp_path / 'r.png'
    folder.mkdir()
    good = [(t / 50, 0.4 * math.sin(t / 30), 0.2 * math.cos(t / 25)) for t in range(120)]
    for name, rows in (('a', good), ('b', [(t, 0, 0) for t, _, _ in good]),
                       ('c', [(t, q, -p) for t, p, q in good]), ('d', [(0, 0, 0)])):
        (folder / f'{name}.csv').write_text('time,base,shoulder\n' + ''.join(
            f'{t},{p},{q}\n' for t, p, q in rows))
    code, out, err = call(capsys, 'evaluate', '--demonstrations', folder, '--synapses',
                          'software', '--json', result, '--figure', figure, '--processes', 1)
    assert code == 1 and '2 of 4 files are bad' in out and 'refused: ' in err
    rows = json.loads(result.read_text())['files']
    assert [row['file'] for row in rows] == ['a.csv', 'b.csv', 'c.csv', 'd.csv']
    assert 'nothing moves' in rows[1]['refused'] and '1 sample' in rows[3]['refused']
    assert rows[0]['tip_rmse_cm']['after'] < 3 and rows[2]['poor'] == ''
    assert imread(figure).std() > 0.05
    (folder / 'a.csv').unlink(), (folder / 'c.csv').unlink()
    code, _, _ = call(capsys, 'evaluate', '--demonstrations', folder, '--json', result)
    assert code == 1 and json.loads(result.read_text())['tasks'] == 0


def test_what_a_recording_leaves_open_is_told_by_options(capsys, tmp_path):
    (tmp_path / 'a.csv').write_text('clock;A1;A2\n' + ''.join(
        f'{20 * t};{20 * math.sin(t / 30):.3f};{9 * math.cos(t / 25):.3f}\n'.replace('.', ',')
        for t in range(120)))
    code, out, _ = call(
        capsys, 'evaluate', '--demonstrations', tmp_path, '--synapses', 'software', '--time-unit',
        'ms', '--angle-unit', 'deg', '--columns', 'clock=time,A1=base,A2=shoulder')
    assert code == 0 and 'CSV (semicolons, decimal commas)' in out and '2.38 s' in out


@pytest.mark.parametrize(('arguments', 'said'), [
    (['evaluate', '--family', 'pen', '--demonstrations', '.'], 'goes with --family file'),
    (['demo', '--columns', 'base'], 'expected COLUMN=joint'),
    (['demo', '--rate', '0'], 'above 0'),
    (['evaluate', '--tasks', '0'], 'at least 1'),
    (['evaluate', '--tasks', 'many'], 'whole number'),
    (['evaluate', '--cells', '1.5'], 'at most 1'),
    (['evaluate', '--arm', 'wooden'], "invalid choice: 'wooden'"),
    (['evaluate', '--time-scale', '2'], '--time-scale and --correction go with --arm'),
    (['evaluate', '--arm', 'mujoco', '--time-scale', '0'], 'at least 1'),
    (['evaluate', '--age', '-1'], 'at least 0'),
    (['evaluate', '--age', 'nan'], 'expected a number'),
    (['evaluate', '--seed', '-1'], 'at least 0'),
    (['evaluate', '--model', 'nobody'], 'shipped models: ed_scorbot'),
    (['evaluate', '--family', 'file'], '--demonstrations DIR'),
    (['evaluate', '--stuck', '2'], 'at most 1'),
    (['evaluate', '--law', 'magic'], 'hermes-two-device'),
    (['evaluate', '--step', '0'], 'at least 1e-06'),
    (['evaluate', '--noise', 'inf'], 'expected a number'),
    (['evaluate', '--sweep', 'colour=1,2'], 'noise, stuck, age, cells, step'),
    (['evaluate', '--sweep', 'stuck=0,2'], 'at most 1'),
    (['evaluate', '--sweep', 'noise=1', '--synapses', 'software'], 'use --synapses chip'),
    (['evaluate', '--same-chip', '--synapses', 'software'], '--same-chip goes with'),
    (['evaluate', '--figure', '/nowhere/a.png'], '--figure /nowhere/a.png'),
    (['chip'], 'required: what'),
    (['chip', 'characterise', '--out', '/dev/null'], 'expected a folder'),
    (['evaluate', '--json', '/nowhere/a.json'], 'a folder that exists'),
    (['meta-train', '--seed', '2000'], 'kept for the figures'),
    (['meta-train', '--config', '/nowhere.yaml'], 'cannot be read'),
    (['meta-train', '--resume', '/nowhere'], '--resume /nowhere: cannot be read: no such'),
    (['meta-train', '--minutes', '0'], 'above 0'),
    (['demo', '--demonstration', '/nowhere.csv'], 'no such file'),
    (['demo', '--duration', '0'], 'above 0'),
    (['demo', '--model', 'nobody'], 'shipped models: ed_scorbot'),
    (['nonsense'], 'invalid choice'),
    ([], 'required'),
])
def test_bad_arguments_end_with_2_and_one_line_that_says_why(capsys, tmp_path, monkeypatch,
                                                             arguments, said):
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capsys, *arguments)
    assert code == 2
    assert said in err.strip().splitlines()[-1]
    assert 'Traceback' not in err
    assert list(tmp_path.iterdir()) == []


BAD_DEMONSTRATIONS = {
    'nan': ('time,base,shoulder\n0,0,0\n1,nan,0\n2,0,0', 'base is nan'),
    'backwards': ('time,base,shoulder\n0,0,0\n1,0,0\n0.5,0,0', 'does not increase'),
    'limits': ('time,base,shoulder\n0,0,0\n1,0,-1.4', 'outside its limits'),
    'one sample': ('time,base,shoulder\n0,0,0', 'expected at least 2'),
    'unknown joint': ('time,base,shoulder,knee\n0,0,0,0\n1,0,0,0', "'knee' is unknown"),
    'undriven joint': ('time,base,shoulder,elbow\n0,0,0,0\n1,0,0,1', "'elbow' moves"),
    'nothing moves': ('time,base,shoulder\n0,.1,.3\n1,.1,.3\n2,.1,.3', 'nothing moves'),
    'millimetres': ('time,x,y,z\n0,900,0,400\n1,890,50,400', '--length-unit says the unit (mm'),
    'nanoseconds': ('time,base,shoulder\n0,0,0\n1000000000,.2,.1', '--time-unit'),
    'faster than a trial holds': ('time,base,shoulder\n' + '\n'.join(
        f'{t / 200},{0.175 * math.sin(8 * math.pi * t / 200):.6f},.3' for t in range(601)),
        'at most 4 of its 12 repetitions'),
    'out of reach': ('time,x,y,z\n0,.9,0,.4\n1,2,0,.4', 'out of reach'),
    'detail': ('time,base,shoulder\n' + '\n'.join(
        f'{t / 50},{0.2 * (t % 2)},0' for t in range(2000)), 'jumps to and fro'),
    'too much': ('time,base,shoulder\n' + '\n'.join(
        f'{t / 5},{0.3 * (t // 2 % 2)},{0.3 * ((t + 1) // 2 % 2)}' for t in range(2000)),
        'more movement than one trial'),
}


@pytest.mark.parametrize('case', BAD_DEMONSTRATIONS)
def test_a_bad_demonstration_ends_with_2_and_leaves_nothing(capsys, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    text, said = BAD_DEMONSTRATIONS[case]
    (tmp_path / 'shown.csv').write_text(text + '\n')
    code, _, err = call(capsys, 'demo', '--demonstration', 'shown.csv')
    assert code == 2 and len(err.strip().splitlines()) == 1
    assert 'shown.csv' in err and said in err
    assert [p.name for p in tmp_path.iterdir()] == ['shown.csv']


@pytest.mark.parametrize('kind', ['empty bag', 'folder', 'text file'])
def test_what_is_no_demonstration_ends_with_2(capsys, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    shown = tmp_path / 'shown'
    if kind == 'empty bag':
        write_bag(shown, [], ['base', 'shoulder'], np.zeros((0, 2)))
    elif kind == 'folder':
        shown.mkdir()
    else:
        shown.write_text('hello')
    code, _, err = call(capsys, 'demo', '--demonstration', 'shown')
    assert code == 2 and len(err.strip().splitlines()) == 1 and 'shown' in err
    assert [p.name for p in tmp_path.iterdir()] == ['shown']


def test_a_duration_too_short_for_the_arm_is_refused_with_one_that_would_do(capsys, tmp_path,
                                                                            monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a.csv').write_text('time,base,shoulder\n0,0,0\n1,0.5,0\n2,1,0\n')
    code, _, err = call(capsys, 'demo', '--demonstration', 'a.csv', '--duration', '0.1')
    assert code == 2 and 'the arm needs 0.3' in err


SMALL = """
model: {neurons: 24, generator_neurons: 16, steps: 60}
batch: 4
window_range: [20, 40]
iterations: 4
"""


def test_meta_training_makes_a_model_that_can_be_evaluated(capsys, tmp_path):
    (tmp_path / 'small.yaml').write_text(SMALL)
    out, result = tmp_path / 'run', tmp_path / 'result.json'
    code, said, _ = call(capsys, 'meta-train', '--config', tmp_path / 'small.yaml', '--out', out,
                         '--name', 'small', '--json', result)
    assert code == 0 and 'smallbot evaluate --model' in said
    assert json.loads(result.read_text())['iterations'] == 4
    assert list(out.glob('events.out.tfevents.*'))
    code, said, _ = call(capsys, 'evaluate', '--model', out / 'small.safetensors', '--tasks', 2,
                         '--synapses', 'software')
    assert code == 0 and 'model small' in said
    code, _, err = call(capsys, 'meta-train', '--config', tmp_path / 'small.yaml', '--out', out)
    assert code == 2 and '--resume' in err


def test_every_verb_explains_itself(capsys):
    for verb in ('demo', 'evaluate', 'meta-train', 'doctor'):
        code, out, _ = call(capsys, verb, '--help')
        assert code == 0 and '--seed' in out and '--json' in out
    assert call(capsys, '--version')[0] == 0


def test_doctor_finds_what_is_needed(capsys, tmp_path):
    result = tmp_path / 'doctor.json'
    code, out, _ = call(capsys, 'doctor', '--listen', 0, '--json', result)
    assert code == 0 and 'all that is needed is here' in out
    levels = {finding['level'] for finding in json.loads(result.read_text())['findings']}
    assert 'FAIL' not in levels


def test_help_is_quick_because_nothing_heavy_is_imported():
    code = ('import sys; from smallbot.cli.main import parser; parser(); '
            'print([m for m in ("torch", "matplotlib", "scipy", "rclpy") if m in sys.modules])')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


def test_everything_but_the_nodes_works_without_ros():
    code = ('import sys\n'
            'class NoRos:\n'
            '    def find_spec(self, name, path=None, target=None):\n'
            '        if name.split(".")[0] in ("rclpy", "std_msgs", "sensor_msgs", "launch"):\n'
            '            raise ImportError(name)\n'
            'sys.meta_path.insert(0, NoRos())\n'
            'import smallbot.study.evaluation, smallbot.outer_loop.run\n'
            'import smallbot.one_shot.playback, smallbot.plots.report, smallbot.cli.main\n'
            'print("fine", sorted(m for m in sys.modules if m.startswith("rcl")))')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'fine []'


@pytest.mark.parametrize(('options', 'words'), [
    (['--emulate'], '--emulate goes with --arm ed_scorbot'),
    (['--broker', 'arm.local'], '--broker goes with --arm ed_scorbot'),
    (['--arm', 'measured', '--take-over'], '--take-over goes with --arm ed_scorbot'),
    (['--arm', 'ed_scorbot', '--port', 1, '--yes'], 'no MQTT broker at 127.0.0.1:1'),
    (['--arm', 'ed_scorbot', '--port', 70000], '70000'),
])
def test_a_demo_with_options_that_do_not_fit_ends_with_2(capsys, tmp_path, options, words):
    if '--yes' in options:
        pytest.importorskip('paho.mqtt.client', reason='needs paho-mqtt: pip install paho-mqtt')
    code, _, err = call(capsys, 'demo', '--out', tmp_path / 'out', *options)
    assert code == 2 and words in err
    assert not (tmp_path / 'out' / 'report.json').exists()


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
