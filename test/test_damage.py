# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Own files that are not what was written are refused in one line; none is read as good.

`benchmarks/flipped_bits.py` does the same ten thousand times.
"""

import importlib.util
import json
from pathlib import Path
import random

import pytest

from smallbot.errors import InputError
from smallbot.files.plain import read_json, read_yaml
from smallbot.files.sealed import unsealed
from smallbot.files.writing import write_json
from smallbot.models.weights_file import save_model
from smallbot.one_shot.model import load_model, OneShotModel

ROOT = Path(__file__).resolve().parents[1]
KINDS = ('card', 'weights', 'chip', 'checkpoint')


@pytest.fixture(scope='module')
def flipped():
    spec = importlib.util.spec_from_file_location('flipped', ROOT / 'benchmarks/flipped_bits.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def made(flipped, tmp_path_factory):
    return flipped.made(tmp_path_factory.mktemp('made'))


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.filterwarnings('ignore')
def test_no_flipped_bit_and_no_cut_is_read_as_good(flipped, made, kind):
    assert set(made) == set(KINDS)
    for damage, found in flipped.tried(*made[kind], 150, 30, random.Random(kind)).items():
        good = found['refused in one line'] + found['read right']
        assert good == found.total(), (damage, found)
        assert found['read right'] < 10


def test_files_of_one_kind_are_none_of_another(made):
    for kind, (path, read) in made.items():
        before = path.read_bytes()
        for other in set(KINDS) - {kind}:
            path.write_bytes(made[other][0].read_bytes())
            with pytest.raises(InputError) as caught:
                read(path)
            assert '\n' not in str(caught.value)
        path.write_bytes(before)
        read(path)


def test_weights_beside_the_card_of_another_model_are_refused(made, tmp_path):
    model = load_model(made['weights'][0])
    other = OneShotModel(model.config, {key: value.clone() for key, value in
                                        model.weights.items()}, 'other')
    other.weights['readout'][0, 0] += 1e-6
    path = save_model(other, tmp_path)
    card = path.with_suffix('.json').read_bytes()
    path.with_suffix('.json').write_bytes(made['card'][0].read_bytes())
    with pytest.raises(InputError, match='does not hold the weights') as caught:
        load_model(path)
    assert '\n' not in str(caught.value)
    path.with_suffix('.json').write_bytes(card)
    assert load_model(path).digest == other.digest


def test_a_card_that_was_changed_by_hand_says_how_to_mean_it(made, tmp_path):
    path = save_model(load_model(made['weights'][0]), tmp_path)
    card = json.loads(path.with_suffix('.json').read_text())
    card['made_by'] = 'hand'
    path.with_suffix('.json').write_text(json.dumps(card))
    with pytest.raises(InputError, match='remove the fields "format" and "sha256"'):
        load_model(path)
    del card['format'], card['sha256']
    path.with_suffix('.json').write_text(json.dumps(card))
    assert load_model(path).card['made_by'] == 'hand'


@pytest.mark.parametrize(('field', 'value', 'said'), [
    ('steps', 1, 'steps 1: expected at least 2'),
    ('neurons', 10 ** 12, 'neurons 1000000000000: expected at most'),
    ('joints', 'base', "joints: expected a list, found 'base'"),
    ('joints', [], 'joints []: expected at least 1'),
    ('joints', ['a\nb', 'c'], 'joints.0'),
    ('arm.lower', [float('nan'), 0], 'config.arm.lower.0 nan: expected a finite number'),
    ('arm.velocity', [-1.0, 1], 'arm.velocity.0 -1.0: expected at least 0'),
    ('arm.held', [1], 'arm.held: expected a mapping'),
    ('step_seconds', float('inf'), 'step_seconds inf: expected a finite number'),
    ('trainee.tau_m', 0, 'trainee.tau_m 0: expected above 0'),
    ('trainee.gated', 1, 'trainee.gated: 1 is not of type bool'),
    ('code.value_range', [1.0, 1.0], 'value_range 1.0 to 1.0'),
    ('coding', 'morse', 'coding'),
    ('arm', None, 'arm'),
])
def test_every_field_of_a_card_is_bounded_and_named(made, tmp_path, field, value, said):
    path = save_model(load_model(made['weights'][0]), tmp_path)
    card = json.loads(path.with_suffix('.json').read_text())
    *way, last = field.split('.')
    holder = card['config']
    for step in way:
        holder = holder[step]
    holder[last] = value
    path.with_suffix('.json').write_text(json.dumps(card))
    with pytest.raises(InputError) as caught:
        load_model(path)
    assert said in str(caught.value) and '\n' not in str(caught.value)
    assert 'small.json' in str(caught.value)


@pytest.mark.parametrize(('text', 'said'), [
    ('[' * 100_000, 'nested'), ('[' * 40 + ']' * 40, 'nested deeper than 32'),
    ('{"a": 1, "a": 2}', "'a' comes twice"), ('{"a": [1, 1e999]}', 'a.1 inf: expected a finite'),
    ('{"a": NaN}', 'a nan'), ('\xff', 'not text'), ('', 'Expecting value'),
])
def test_json_is_read_strictly(text, said):
    with pytest.raises(ValueError, match=said) as caught:
        read_json(text.encode('latin-1'))
    assert len(str(caught.value)) < 200 and '\n' not in str(caught.value)


@pytest.mark.parametrize(('text', 'said'), [
    ('[' * 1000, 'nested deeper than 32'), ('&a {b: *a}', 'nested deeper than 32'),
    ('a: 1\nb: 2\na: 3', "line 3: 'a' comes twice"), ('\xff', 'not text'),
    ('a: &a [0,0,0,0,0,0,0,0,0,0]\n' + ''.join(
        f'{new}: &{new} [{",".join(10 * ["*" + old])}]\n'
        for old, new in zip('abcdefgh', 'bcdefghi')), 'more than'),
])
def test_yaml_is_read_strictly(text, said):
    with pytest.raises(ValueError, match=said):
        read_yaml(text.encode('latin-1'))


def test_results_carry_a_checksum(tmp_path):
    write_json(tmp_path / 'x', {'b': [1, 2.5, None], 'a': 'ä', 3: float('nan')})
    text = (tmp_path / 'x').read_bytes()
    assert unsealed(read_json(text), 'smallbot-result-1') == {
        'b': [1, 2.5, None], 'a': 'ä', '3': None}
    with pytest.raises(ValueError, match='checksum'):
        unsealed(read_json(text.replace(b'2.5', b'2.6')), 'smallbot-result-1')
