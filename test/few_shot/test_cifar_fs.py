# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""CIFAR-FS from small files in the published format, and from pickles that would do harm."""

import os
import pickle
import struct

import numpy as np
import pytest
import torch

from smallbot.few_shot.images.cifar_fs import read_cifar_fs, TEST, TRAINING, VALIDATION
from smallbot.few_shot.images.labelled import ImageSetError

NAMES = sorted({*TRAINING, *VALIDATION, *TEST})
CHANCE = np.random.default_rng(0)


def part(each, order='C'):
    """Return the content of `train` or `test`: `each` images of every class, mixed."""
    labels = CHANCE.permutation(np.repeat(np.arange(100), each))
    pixels = CHANCE.integers(0, 256, (len(labels), 3072)).astype(np.uint8, order=order)
    pixels[:, 0], pixels[:, 1024] = labels, np.arange(len(labels)) % 256
    return {b'filenames': [b'x.png'] * len(labels), b'batch_label': b'training batch 1 of 1',
            b'fine_labels': labels.tolist(), b'coarse_labels': [0] * len(labels),
            b'data': pixels}


META = {b'fine_label_names': [name.encode() for name in NAMES], b'coarse_label_names': [b'fish']}
TRAIN, REST = part(3), part(1)


@pytest.fixture
def folder(tmp_path):
    for name, content in (('train', TRAIN), ('test', REST), ('meta', META)):
        (tmp_path / name).write_bytes(pickle.dumps(content, 2))
    return tmp_path


def text(words: bytes) -> bytes:
    return b'U' + bytes([len(words)]) + words


def as_python_2(content, kind=b'numpy.core.multiarray'):
    """Return a part as Python 2 pickled it: bytes as they are, numpy's older module."""
    data, labels = content[b'data'], content[b'fine_labels']
    raw = data.tobytes('A')
    array = (b'c' + kind + b'\n_reconstruct\nq\x01(cnumpy\nndarray\nq\x02K\x00\x85' + text(b'b')
             + b'tR(K\x01J' + struct.pack('<i', len(data)) + b'M\x00\x0c\x86cnumpy\ndtype\n('
             + text(b'u1') + b'K\x00K\x01tR(K\x03' + text(b'|')
             + b'NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb'
             + (b'\x88' if np.isfortran(data) else b'\x89')
             + b'T' + struct.pack('<i', len(raw)) + raw + b'tb')
    return (b'\x80\x02}q\x00(' + text(b'data') + array + text(b'fine_labels') + b'](' + b''.join(
        b'K' + bytes([label]) for label in labels) + b'eu.')


def check(found):
    """All images of a class are with it, in the order of train and then test."""
    pixels = np.concatenate([TRAIN[b'data'], REST[b'data']]).reshape(-1, 3, 32, 32)
    labels = np.array(TRAIN[b'fine_labels'] + REST[b'fine_labels'])
    for images, names in ((found.training, TRAINING), (found.validation, VALIDATION),
                          (found.test, TEST)):
        assert images.names == names and images.images.dtype == torch.uint8
        assert images.labels.tolist() == np.repeat(np.arange(len(names)), 4).tolist()
        for k, name in enumerate(names):
            assert np.array_equal(images.images[4 * k:4 * k + 4],
                                  pixels[labels == NAMES.index(name)])


def test_the_split_has_a_hundred_classes():
    assert (len(TRAINING), len(VALIDATION), len(TEST), len(NAMES)) == (64, 16, 20, 100)


def test_train_and_test_are_joined_and_divided_by_class(folder):
    check(read_cifar_fs(folder))


@pytest.mark.parametrize('kind', [b'numpy.core.multiarray', b'numpy._core.multiarray'])
@pytest.mark.parametrize('order', 'CF')
def test_files_of_python_2_are_the_same(folder, kind, order):
    for name, content in (('train', TRAIN), ('test', REST)):
        stored = {**content, b'data': content[b'data'].astype(np.uint8, order=order)}
        (folder / name).write_bytes(as_python_2(stored, kind))
    check(read_cifar_fs(folder))


@pytest.mark.parametrize('protocol', [0, 1, 2])
def test_older_protocols_are_read_too(folder, protocol):
    (folder / 'train').write_bytes(pickle.dumps(TRAIN, protocol))
    check(read_cifar_fs(folder))


def refused(folder) -> str:
    with pytest.raises(ImageSetError) as caught:
        read_cifar_fs(folder)
    said = str(caught.value)
    assert said.isprintable() and said.startswith(str(folder)) and len(said) < 500
    return said


class Runs:

    def __init__(self, function, *arguments):
        self.how = function, arguments

    def __reduce__(self):
        return self.how


@pytest.mark.parametrize('protocol', range(6))
@pytest.mark.parametrize('name', ['train', 'test', 'meta'])
def test_a_pickle_that_would_run_something_is_refused_and_does_not(folder, name, protocol):
    made = folder / 'made'
    for harm in (Runs(os.system, f'touch {made}'), Runs(eval, f'open({str(made)!r}, "w")')):
        for content in (harm, {b'data': harm}, [harm]):
            (folder / name).write_bytes(pickle.dumps(content, protocol))
            said = refused(folder)
            assert not made.exists() and said.startswith(str(folder / name))
            if protocol < 3:  # later ones write names in another way, which is refused as well
                assert ('would run posix.system;' in said
                        or 'would run __builtin__.eval;' in said)


@pytest.mark.parametrize('content', [
    b'', b'.', b'N', b'no pickle', b'\x80\x02N.', b'\x80\x02].', b'\x80\x02}.', b'\x80\x63}.',
    b'\x80\x02' + b'(' * 100_000 + b'.',
    b'}N' + b'\x85' * 1_000_000 + b'Ns.', b'}N' + b'\x85' * 10_000 + b'Ns.',
    b'\x80\x02}r\xff\xff\xff\x7f.', b'p2000000000\n.',
    b'}cnumpy\nndarray\n}b.', b'cnumpy\ndtype\n.', b'cnumpy\ndtype\n(U\x02u1tR.',
    b'cnumpy\ndtype\n(tR.', b'cnumpy\nload\n.', b'\x80\x02\x82\x01.',
    b'c_codecs\nencode\n(X\x01\x00\x00\x00xX\x04\x00\x00\x00zlibtR.',
    b'(icodecs\nencode\n.', b'Pname\n.', b'L' + b'9' * 100_000 + b'L\n.'])
def test_what_is_no_such_pickle_is_one_line(folder, content):
    for name in ('train', 'meta'):
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(content)
        assert refused(folder).startswith(str(folder / name))
        (folder / name).write_bytes(kept)


@pytest.mark.parametrize(('name', 'change', 'why'), [
    ('meta', {b'fine_label_names': None}, 'no list of names'),
    ('meta', {b'fine_label_names': [1] * 100}, 'no list of names'),
    ('meta', {b'fine_label_names': META[b'fine_label_names'][1:]}, "no class 'apple'"),
    ('meta', {b'fine_label_names': [*META[b'fine_label_names'], b'cat']}, "a class 'cat'"),
    ('meta', {b'fine_label_names': META[b'fine_label_names'] + [b'apple']}, '101 names'),
    ('train', {b'data': TRAIN[b'data'][:, 1:]}, 'data is no array'),
    ('train', {b'data': TRAIN[b'data'].tolist()}, 'data is no array'),
    ('train', {b'data': TRAIN[b'data'].astype(np.int16)}, 'other numbers than uint8'),
    ('train', {b'fine_labels': None}, 'fine_labels is no list'),
    ('train', {b'fine_labels': TRAIN[b'fine_labels'][1:]}, 'no list of 300 numbers'),
    ('test', {b'fine_labels': [100] * 100}, 'fine_labels has 100, expected'),
    ('test', {b'fine_labels': [-1] * 100}, 'fine_labels has -1'),
    ('test', {b'fine_labels': [True] * 100}, 'fine_labels has True')])
def test_other_content_is_named(folder, name, change, why):
    content = {'train': TRAIN, 'test': REST, 'meta': META}[name]
    (folder / name).write_bytes(pickle.dumps({**content, **change}, 2))
    assert why in refused(folder)
    (folder / name).write_bytes(pickle.dumps(
        {key: value for key, value in content.items() if key not in change}, 2))
    assert f'{folder / name}: no {next(iter(change)).decode()}, expected' in refused(folder)


def test_folders_and_files_that_are_missing_are_named(folder, tmp_path):
    assert 'no such folder' in refused(tmp_path / 'none')
    assert 'no such folder' in refused(folder / 'meta')
    for name in ('test', 'train', 'meta'):
        (folder / name).unlink()
        assert refused(folder).startswith(f'{folder / name}: No such file')


def test_a_file_larger_than_any_published_is_not_read(folder):
    with (folder / 'train').open('wb') as stream:
        stream.truncate(2 ** 28 + 1)
    assert 'expected at most' in refused(folder)
