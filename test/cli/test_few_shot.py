# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""`smallbot few-shot` as people call it: their own pictures, tasks of record, small trainings."""

import json
from pathlib import Path
import pickle
import shutil

import numpy as np
from PIL import Image
import pytest

from smallbot.few_shot.images.characters import shipped_characters
from smallbot.few_shot.model import load_image_model
from smallbot.few_shot.own_pictures import EXAMPLES, UNKNOWN

from .commands import call

KEYS = {'accuracy', 'ways', 'shots', 'tasks', 'synapses', 'devices', 'devices_written', 'pulses',
        'energy_uj', 'learn_seconds', 'classify_seconds', 'seed', 'model'}
TRUE = {'1.jpg': 'omega', '2.jpg': 'alpha', '3.jpg': 'psi', '4.jpg': 'delta', '5.png': 'lambda',
        '6.jpg': 'alpha'}
SMALL = """
network: {filters: 8}
classes: 8
support: 2
queries: 2
mixture: [[3, 1, 2]]
all_ways: [2]
validate_every: 2
validation_tasks: 4
products: float32
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys, *arguments):
    """Return the one line that a command was refused with."""
    code, out, err = call(capsys, 'few-shot', *arguments)
    lines = [line for line in err.splitlines() if not line.startswith('left out: ')]
    assert code == 2 and len(lines) == 1 and lines[0].startswith('smallbot few-shot'), (code, err)
    return lines[0]


def test_the_first_command_of_a_newcomer_tells_every_shipped_picture(capsys, here):
    assert call(capsys, 'few-shot', 'classify')[0] == 0
    told = json.loads((here / 'few_shot_out' / 'told.json').read_text())
    assert {one['name']: one['class'] for one in told['pictures']} == TRUE
    assert all(sum(one['probabilities'].values()) == pytest.approx(1) for one in told['pictures'])
    assert told['synapses'] == 'chip' and told['devices'] == 342_720
    assert [update['cells'] <= 280 for update in told['updates']] == [True] * 4
    with Image.open(here / 'few_shot_out' / 'told.png') as picture:
        assert min(picture.size) > 300


def test_an_answer_does_not_depend_on_what_else_is_asked(capsys, here):
    seen = []
    for asked in (['1.jpg'], ['4.jpg', '1.jpg', '3.jpg']):
        code, _, _ = call(capsys, 'few-shot', 'classify', '--synapses', 'software', '--support',
                          EXAMPLES, '--image', *(UNKNOWN / name for name in asked))
        assert code == 0
        told = json.loads((here / 'few_shot_out' / 'told.json').read_text())
        seen += [one['probabilities'] for one in told['pictures'] if one['name'] == '1.jpg']
    assert seen[0] == pytest.approx(seen[1], abs=1e-6)


def test_a_bad_picture_among_good_ones_is_named_and_left_out(capsys, here):
    shutil.copytree(EXAMPLES, here / 'own')
    (here / 'own' / 'alpha' / 'no.png').write_bytes(b'no picture')
    (here / 'bad.png').write_bytes(b'no picture either')
    code, out, err = call(capsys, 'few-shot', 'classify', '--support', here / 'own', '--image',
                          UNKNOWN / '1.jpg', here / 'bad.png')
    assert code == 0 and 'omega' in out
    lines = err.splitlines()
    assert len(lines) == 2 and 'no.png' in lines[0] and 'bad.png' in lines[1]
    assert all(line.startswith('left out: ') for line in lines)
    assert len(json.loads((here / 'few_shot_out' / 'told.json').read_text())['left_out']) == 2


@pytest.mark.parametrize('spoil, said', [
    (lambda own: shutil.rmtree(own / 'alpha') or shutil.rmtree(own / 'delta')
     or shutil.rmtree(own / 'psi') or shutil.rmtree(own / 'omega'), '1 class'),
    (lambda own: [one.unlink() for one in (own / 'psi').iterdir()], 'psi'),
    (lambda own: [one.write_bytes(b'x') for one in (own / 'psi').iterdir()], 'psi')])
def test_a_folder_that_teaches_nothing_is_refused(capsys, here, spoil, said):
    shutil.copytree(EXAMPLES, here / 'own')
    spoil(here / 'own')
    line = refused(capsys, 'classify', '--support', here / 'own', '--image', UNKNOWN / '1.jpg')
    assert said in line
    assert not (here / 'few_shot_out').exists()


def test_the_one_picture_that_is_asked_must_be_one(capsys, here):
    (here / 'bad.png').write_bytes(b'no picture')
    assert 'bad.png' in refused(capsys, 'classify', '--support', EXAMPLES, '--image', 'bad.png')
    assert '--image' in refused(capsys, 'classify', '--support', EXAMPLES)
    assert 'no such' in refused(capsys, 'classify', '--support', 'nowhere', '--image', 'bad.png')


def test_evaluation_says_what_is_promised_and_its_seed_decides_it(capsys, here):
    for name in ('one', 'two'):
        assert call(capsys, 'few-shot', 'evaluate', '--tasks', 4, '--queries', 2, '--shots', 1,
                    '--processes', 1, '--json', here / name)[0] == 0
    one, two = (json.loads((here / name).read_text()) for name in ('one', 'two'))
    assert one.keys() >= KEYS and one['devices'] == 342_720 and not one['transductive']
    assert len(one['accuracy']) == 5 and {'mean', 'ci95'} <= one['accuracy'][0].keys()
    assert one['accuracy'][-1]['mean'] > 60
    assert 280 <= one['devices_written'] <= 1120
    assert one['pulses'] == pytest.approx(sum(u['pulses'] for u in one['each_update']))
    timed = {'learn_seconds', 'classify_seconds', 'made_with', 'sha256'}
    assert all(one[key] == two[key] for key in one.keys() - timed)


def test_baselines_and_figure(capsys, here):
    code, out, _ = call(capsys, 'few-shot', 'evaluate', '--synapses', 'software', '--tasks', 30,
                        '--baselines', '--figure', 'a.png', '--json', 'a.json')
    found = json.loads((here / 'a.json').read_text())
    assert code == 0 and (here / 'a.png').stat().st_size > 10_000
    known = {name: row['accuracy']['mean'] for name, row in found['baselines'].items()}
    assert known['no update'] == 20
    assert known['pixels'] < 85 < known['prototypes']
    assert 'published' in out


def test_a_sweep_over_noise(capsys, here):
    code, out, _ = call(capsys, 'few-shot', 'evaluate', '--tasks', 2, '--sweep', 'noise=0,1',
                        '--figure', 'a.png', '--json', 'a.json', '--processes', 1)
    assert code == 0 and (here / 'a.png').exists()
    points = json.loads((here / 'a.json').read_text())['points']
    assert [point['value'] for point in points] == [0, 1]


def characters(path, classes=20, drawings=6):
    found = shipped_characters()
    first = (found.counts.cumsum(0) - found.counts).numpy()
    rows = (first[:classes, None] + np.arange(drawings)).flatten()
    np.savez(path, images=found.images.numpy()[rows],
             labels=np.arange(classes).repeat(drawings))
    return path


def test_any_npz_with_images_and_labels_is_measured(capsys, here):
    data = characters(here / 'own.npz')
    assert call(capsys, 'few-shot', 'evaluate', '--data', data, '--tasks', 3, '--shots', 1,
                '--queries', 2, '--synapses', 'software', '--json', 'a.json')[0] == 0
    found = json.loads((here / 'a.json').read_text())
    assert found['classes'] == 20 and found['images'] == 'own.npz'


@pytest.mark.parametrize('arrays, said', [
    ({'images': np.zeros((4, 20, 20), np.uint8), 'labels': np.arange(4) // 2}, '20'),
    ({'images': np.zeros((4, 28, 28), np.uint8)}, 'labels'),
    ({'images': np.zeros((4, 28, 28), np.uint8), 'labels': np.zeros(3, int)}, '3'),
    ({'images': np.array([None] * 4), 'labels': np.zeros(4, int)}, 'object')])
def test_other_arrays_are_refused_and_nothing_is_unpickled(capsys, here, arrays, said):
    np.savez('bad.npz', **arrays)
    line = refused(capsys, 'evaluate', '--data', 'bad.npz')
    assert 'bad.npz' in line and said in line


def test_more_is_asked_than_there_is(capsys, here):
    data = characters(here / 'own.npz')
    assert '20' in refused(capsys, 'evaluate', '--data', data, '--ways', 21)
    assert '6' in refused(capsys, 'evaluate', '--data', data, '--shots', 5)
    assert '--updates' in refused(capsys, 'evaluate', '--updates', 5)
    assert '--recalibrate' in refused(capsys, 'evaluate', '--synapses', 'software',
                                      '--recalibrate')
    assert 'smallbot evaluate' in refused(capsys, 'evaluate', '--model', 'ed_scorbot')


def test_training_is_resumed_with_the_same_images_alone(capsys, here):
    data, config = characters(here / 'own.npz', 90, 10), here / 'small.yaml'
    config.write_text(SMALL)
    common = ('few-shot', 'train', '--data', data, '--processes', 1)
    assert call(capsys, *common, '--config', config, '--iterations', 4, '--out', 'a')[0] == 0
    model = load_image_model(here / 'a' / 'omniglot.safetensors')
    assert model.config.network.filters == 8 and model.card['iterations'] == 4
    assert any(path.name.startswith('events.') for path in (here / 'a').iterdir())
    other = characters(here / 'other.npz', 80, 10)
    assert 'other images' in refused(capsys, 'train', '--data', other, '--processes', 1,
                                     '--resume', 'a')
    assert call(capsys, *common, '--resume', 'a')[0] == 0
    assert '--resume' in refused(capsys, 'train', '--data', data, '--out', 'a',
                                 '--config', config)
    assert '--data' in refused(capsys, 'train')


def test_cifar_trains_and_is_measured(capsys, here):
    """On small made files: CIFAR-100 could not be had."""
    from smallbot.few_shot.images.cifar_fs import TEST, TRAINING, VALIDATION

    names, folder = [*TRAINING, *VALIDATION, *TEST], here / 'cifar-100-python'
    folder.mkdir()
    (folder / 'meta').write_bytes(pickle.dumps(
        {b'fine_label_names': [name.encode() for name in sorted(names)]}, 2))
    draw = np.random.default_rng(0)
    for name, each in (('train', 8), ('test', 4)):
        labels = np.repeat(np.arange(100), each)
        (folder / name).write_bytes(pickle.dumps({
            b'data': draw.integers(0, 255, (len(labels), 3072), dtype=np.uint8),
            b'fine_labels': labels.tolist()}, 2))
    config = here / 'small.yaml'
    config.write_text(SMALL.replace('filters: 8', 'filters: 8, hidden: 8'))
    assert call(capsys, 'few-shot', 'train', '--data', folder, '--config', config, '--iterations',
                2, '--processes', 1, '--out', 'a')[0] == 0
    model = Path('a', 'cifar_fs.safetensors')
    assert load_image_model(model).config.network.bias
    assert call(capsys, 'few-shot', 'evaluate', '--model', model, '--data', folder, '--part',
                'test', '--tasks', 1, '--processes', 1)[0] == 0
    assert '--part' in refused(capsys, 'evaluate', '--model', model, '--data', folder)
    assert 'takes' in refused(capsys, 'evaluate', '--data', folder, '--part', 'test')
