# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""NPZ files from anywhere: nothing in them is run, and nothing is unpacked beyond bounds."""

import io
import os
import re
import zipfile

import numpy as np
import pytest

from smallbot.errors import InputError
from smallbot.files.arrays import LARGEST, read_arrays


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def archive(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, 'w', compression) as made:
        for name, content in members:
            made.writestr(name, content)
    return path


def refused(path, names=('x',)) -> str:
    with pytest.raises(InputError) as caught:
        read_arrays(path, names)
    said = str(caught.value)
    assert said.isprintable() and said.startswith(str(path)) and len(said) < 400
    return said


@pytest.mark.parametrize('compression', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED,
                                         zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_arrays_come_back_as_they_were(tmp_path, compression):
    given = {'x': np.arange(6).reshape(2, 3), 'y': np.array(['a', 'bc']),
             'z': np.asfortranarray(np.random.default_rng(0).random((3, 4, 5))),
             'none': np.zeros((0, 3), bool), 'point': np.float16(1.5)}
    path = archive(tmp_path / 'x.npz', [(f'{name}.npy', npy(value))
                                        for name, value in given.items()], compression)
    found = read_arrays(path, {*given, 'other'})
    assert set(found) == set(given)
    for name, value in given.items():
        assert found[name].dtype == value.dtype and np.array_equal(found[name], value)
    assert set(read_arrays(path, {'y'})) == {'y'}


def test_objects_are_refused_by_name_where_they_are_wanted(tmp_path):
    path = tmp_path / 'x.npz'
    np.savez(path, x=np.array([{}, 1], dtype=object), y=np.ones(2))
    assert 'x: holds Python objects' in refused(path)
    assert read_arrays(path, {'y'})['y'].tolist() == [1, 1]
    np.savez(path, x=np.zeros(2, [('number', int), ('any', object)]))
    assert 'x: holds Python objects' in refused(path)


def header(shape: str, kind: str = '|u1') -> bytes:
    said = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b'\x93NUMPY\x01\x00' + len(said).to_bytes(2, 'little') + said


@pytest.mark.parametrize(('member', 'why'), [
    (header(f'({LARGEST + 1},)'), 'at most'),
    (header('(2, 3)', '<U99999999'), 'at most'),
    (header(f'({2 ** 62}, {2 ** 62})'), 'at most'),
    (header(f'({2 ** 62},)', '|V0'), 'at most'),
    (header('(-1, -1)') + b'x', 'at most'),
    (header('(5,)') + b'1234', '5 bytes by its header, 4 in the file'),
    (header('(5,)') + b'123456', '5 bytes by its header, 6 in the file'),
    (header('(5.0,)') + b'12345', 'damaged'),
    (header('(' * 3000), 'damaged'),
    (header('(5,)', '|u77') + b'12345', 'damaged'),
    (b'\x93NUMPY\x03\x00' + header('(5,)')[8:] + b'12345', r'version \(3, 0\)'),
    (b'\x93NUMPY\x01\x00\xff\xff{', 'damaged'),
    (b'', 'damaged'),
    (b'no array', 'damaged')])
def test_what_a_header_claims_is_looked_at_first(tmp_path, member, why):
    assert re.search(why, refused(archive(tmp_path / 'x.npz', [('x.npy', member)])))


def test_zeros_beyond_bounds_are_not_unpacked(tmp_path):
    """Half a gigabyte and a little, which takes half a megabyte in the file."""
    with zipfile.ZipFile(tmp_path / 'x.npz', 'w', zipfile.ZIP_DEFLATED) as made:
        with made.open('x.npy', 'w') as stream:
            stream.write(header(f'({2 ** 28},)'))
            for _ in range(2 ** 8):
                stream.write(bytes(2 ** 20))
        with made.open('y.npy', 'w') as stream:
            stream.write(header(f'({2 ** 28 + 1},)'))
    assert 'y' in refused(tmp_path / 'x.npz', ('x', 'y'))


def test_other_files_are_one_line(tmp_path):
    path = tmp_path / 'x.npz'
    assert 'No such file' in refused(path)
    assert 'Is a directory' in refused(tmp_path)
    os.mkfifo(tmp_path / 'pipe')
    assert 'plain file' in refused(tmp_path / 'pipe')
    for content in (b'', npy(np.ones(3)), b'PK\x05\x06' + bytes(10)):
        path.write_bytes(content)
        assert 'no NPZ file' in refused(path)
    with pytest.warns(UserWarning, match='Duplicate'):
        archive(path, [('x.npy', npy(np.ones(3))), ('x.npy', npy(np.zeros(3)))])
    assert 'x is there twice' in refused(path)
    archive(path, [(f'{k}.npy', b'') for k in range(1001)])
    assert '1001 arrays' in refused(path)


def test_damage_is_noticed_at_every_byte(tmp_path):
    path = archive(tmp_path / 'x.npz', [('x.npy', npy(np.arange(20, dtype=np.uint8)))])
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1:])
        try:
            found = read_arrays(path, {'x'})
        except InputError as wrong:
            assert str(wrong).isprintable()
        else:
            assert 'x' not in found or found['x'].tolist() == list(range(20))
        path.write_bytes(whole[:place])
        refused(path)
