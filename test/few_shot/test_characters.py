# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Characters from anywhere: the same images whatever they are stored as, or one line."""

import os
from pathlib import Path
import zlib

import numpy as np
from PIL import Image
import pytest
import torch

from smallbot.few_shot.images.characters import (
    read_characters,
    shipped_characters,
    Split,
    split_by_group,
    TEST,
    VALIDATION,
)
from smallbot.few_shot.images.labelled import ImageSetError

SHARED = Path(__file__).resolve().parents[3] / 'shared' / 'data' / 'omniglot28_background.npz'
NO_SHARED = pytest.mark.skipif(not SHARED.is_file(), reason=f'needs {SHARED}')
CLASSES, DRAWERS = 4, 3
LABELS = np.tile(np.arange(CLASSES), DRAWERS)


@pytest.fixture
def images():
    """Return drawings uint8 [12, 28, 28], classes in turns, ink bright; each has another."""
    made = np.zeros((len(LABELS), 28, 28), np.uint8)
    for k, image in enumerate(made):
        image[5 + k, 4:24] = 255
        image[4:24, 7 + k] = 128 + k
    return made


@pytest.fixture
def stored(tmp_path):
    """Return a function that stores arrays and returns the path."""
    def store(**arrays):
        np.savez_compressed(tmp_path / 'own.npz', **arrays)
        return tmp_path / 'own.npz'
    return store


def refused(path) -> str:
    with pytest.raises(ImageSetError) as caught:
        read_characters(path)
    said = str(caught.value)
    assert said.isprintable() and path.name in said and len(said) < 400
    return said


def test_images_are_sorted_by_class_and_then_as_found(images, stored):
    found = read_characters(stored(images=images, labels=LABELS[::-1] * 7 - 30))
    order = np.argsort(LABELS[::-1], kind='stable')
    assert found.images.dtype == torch.uint8 and found.labels.dtype == torch.int64
    assert np.array_equal(found.images, images[order])
    assert found.labels.tolist() == sorted(LABELS.tolist())
    assert found.names == ('-30', '-23', '-16', '-9') and found.groups is None
    assert found.source == 'own.npz' and found.counts.tolist() == [DRAWERS] * CLASSES


@pytest.mark.parametrize('change', [
    lambda x: x.astype(np.int64), lambda x: x[..., None], lambda x: x[:, None],
    lambda x: x / 255, lambda x: (x / 255).astype(np.float32), lambda x: 255 - x,
    lambda x: (1 - x / 255)[:, None], np.asfortranarray, lambda x: x.astype('>u2'),
    lambda x: (x / 255).astype('>f8')])
def test_the_same_images_however_they_are_stored(images, stored, change):
    plain = read_characters(stored(images=images, labels=LABELS))
    found = read_characters(stored(images=change(images), labels=LABELS))
    assert torch.equal(found.images, plain.images) and found.digest == plain.digest
    assert 'bright ink on dark paper' in plain.understood


@pytest.mark.parametrize('change', [
    lambda x: x > 0, lambda x: (x > 0).astype(np.uint8), lambda x: (x > 0).astype(np.float16),
    lambda x: x == 0, lambda x: (x == 0).astype(np.int32)])
def test_two_levels_are_black_and_white(images, stored, change):
    found = read_characters(stored(images=change(images), labels=LABELS))
    order = np.argsort(LABELS, kind='stable')
    assert np.array_equal(found.images, np.where(images[order] > 0, 255, 0))


def test_polarity_is_that_of_all_images_and_said(images, stored):
    images[0] = 255 - images[0]
    found = read_characters(stored(images=255 - images, labels=LABELS))
    assert np.array_equal(found.images[0], images[0]) and found.images[0].median() == 255
    assert 'dark ink on light paper, inverted' in found.understood


@pytest.mark.parametrize('labels', [
    np.array(['b', 'a', 'd', 'c'])[LABELS], np.array([b'b', b'a', b'd', b'c'])[LABELS]])
def test_labels_may_be_text(images, stored, labels):
    found = read_characters(stored(images=images, labels=labels))
    assert found.names == ('a', 'b', 'c', 'd')
    assert np.array_equal(found.images[:DRAWERS], images[LABELS == 1])


def test_names_and_alphabets_go_with_the_labels(images, stored):
    names, groups = np.array(list('vwxyz')), np.array(['I', 'I', 'II', 'II', 'III'])
    found = read_characters(stored(images=images, labels=LABELS + 1, label_names=names,
                                   groups=groups))
    assert found.names == tuple('wxyz') and found.groups == ('I', 'II', 'II', 'III')
    found = read_characters(stored(
        images=images, character=LABELS, character_alphabet=np.array([1, 0, 1, 0, 0]),
        alphabet_names=np.array(['I', 'II'])))
    assert found.groups == ('II', 'I', 'II', 'I')
    assert found.names == ('II/character01', 'I/character01', 'II/character02', 'I/character02')


def test_the_digest_is_of_what_is_in_the_images_labels_and_names(images, stored):
    digests = [read_characters(stored(**arrays)).digest for arrays in (
        {'images': images, 'labels': LABELS}, {'images': images, 'labels': LABELS + 1},
        {'images': images, 'labels': np.roll(LABELS, 1)},
        {'images': np.maximum(images, 1), 'labels': LABELS})]
    assert len(set(digests)) == 4 and all(len(digest) == 12 for digest in digests)


@pytest.mark.parametrize(('arrays', 'why'), [
    ({'images': None}, 'no array images'),
    ({'labels': None}, 'no array labels'),
    ({'images': lambda x: x.astype(object)}, 'images: holds Python objects'),
    ({'labels': lambda x: x.astype(object)}, 'labels: holds Python objects'),
    ({'images': lambda x: x[:, :27]}, r'images uint8 [12, 27, 28], expected uint8 [N, 28, 28]'),
    ({'images': lambda x: x[0]}, 'images uint8 [28, 28]'),
    ({'images': lambda x: np.stack([x] * 3, -1)}, 'one channel'),
    ({'images': lambda x: x + 0j}, 'images complex128'),
    ({'images': lambda x: x[:0], 'labels': lambda x: x[:0]}, 'there are none'),
    ({'images': lambda x: x[:11]}, '11 images and 12 labels'),
    ({'images': lambda x: np.where(x == 128, np.nan, x / 255)}, 'not finite'),
    ({'images': lambda x: np.where(x == 128, np.inf, x / 255)}, 'not finite'),
    ({'images': lambda x: x.astype(float)}, 'from 0 to 255, expected real numbers from 0 to 1'),
    ({'images': lambda x: x - 0.5}, 'from -0.5'),
    ({'images': lambda x: x.astype(int) - 1}, 'from -1 to 254'),
    ({'images': lambda x: x.astype(int) * 2}, 'from 0 to 510'),
    ({'images': lambda x: x * 0 + 7}, 'nothing is drawn'),
    ({'labels': lambda x: x / 2}, 'labels float64 [12], expected whole numbers or text'),
    ({'labels': lambda x: x[:, None]}, 'labels int64 [12, 1]'),
    ({'labels': lambda x: x * 0}, '1 class, expected at least 2'),
    ({'labels': lambda x: np.where(np.arange(12) == 5, 9, x)},
     "class '9' has 1 image, expected at least 2"),
    ({'label_names': lambda x: np.array(['a', 'b', 'c'])}, "3 entries and none for '3'"),
    ({'label_names': lambda x: np.array(['a', 'b', 'a', 'c'])}, "two classes are named 'a'"),
    ({'groups': lambda x: np.arange(4)}, 'groups int64 [4], expected text'),
    ({'labels': lambda x: np.array(list('abcd'))[x], 'groups': lambda x: np.array(['I'])},
     "none for 'a'"),
    ({'labels': None, 'character': lambda x: x, 'character_alphabet': lambda x: np.arange(3)},
     "character_alphabet has 3 entries and none for '3'"),
    ({'labels': None, 'character': lambda x: x, 'character_alphabet': lambda x: np.arange(4),
      'alphabet_names': lambda x: np.array(['I', 'II'])}, 'alphabet_names has 2 entries')])
def test_what_cannot_be_used_is_one_line(images, stored, arrays, why):
    given = {'images': images, 'labels': LABELS}
    for name, change in arrays.items():
        if change is None:
            del given[name]
        else:
            given[name] = change(given.get(name, LABELS))
    assert why in refused(stored(**given))


def test_names_are_printable_and_not_long(images, stored):
    labels = np.array(['a\nb', 'a\x1b[0m', 'c' * 300, 'd'])[LABELS]
    for name in read_characters(stored(images=images, labels=labels)).names:
        assert name.isprintable() and len(name) <= 100


def tree(folder, drawings, form='1', dark=True, suffix='.png'):
    """Write drawings {alphabet: {character: [ink [105, 105]]}} as Omniglot is published."""
    for alphabet, characters in drawings.items():
        for character, drawers in characters.items():
            place = folder / alphabet / character
            place.mkdir(parents=True, exist_ok=True)
            for k, ink in enumerate(drawers):
                Image.fromarray(np.where(ink ^ dark, 255, 0).astype(np.uint8)).convert(
                    form).save(place / f'0001_{k + 1:02d}{suffix}')
    return folder


def strokes(count, seed=0):
    """Return ink [count, 105, 105] of lines some 3 pixels wide, as in Omniglot."""
    chance = np.random.default_rng(seed)
    ink = np.zeros((count, 105, 105), bool)
    for image in ink:
        for _ in range(5):
            begin, end = chance.integers(5, 98, (2, 2))
            for x, y in np.linspace(begin, end, 100).round().astype(int):
                image[y:y + 3, x:x + 3] = True
    return ink


DRAWN = {'Latin': {'character02': strokes(3, 1), 'character01': strokes(2, 2)},
         'Braille': {'character01': strokes(3, 3)}}


def test_folders_are_read_in_the_order_of_their_names(tmp_path):
    tree(tmp_path, DRAWN)
    (tmp_path / '.hidden' / 'x').mkdir(parents=True)
    (tmp_path / 'Latin' / 'character01' / 'Thumbs.db').write_bytes(b'x')
    found = read_characters(tmp_path)
    assert found.names == ('Braille/character01', 'Latin/character01', 'Latin/character02')
    assert found.groups == ('Braille', 'Latin', 'Latin')
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert found.source == tmp_path.name and 'dark ink on light paper' in found.understood
    # Windows of whole pixels overlap a little, so that the share of ink is nearly kept.
    ink = np.concatenate([DRAWN['Braille']['character01'], DRAWN['Latin']['character01'],
                          DRAWN['Latin']['character02']])
    shares = found.images.double().mean((1, 2)) / 255
    assert np.allclose(shares, ink.mean((1, 2)), atol=0.01)


@pytest.mark.parametrize('form', ['1', 'L', 'P'])
@pytest.mark.parametrize('dark', [True, False])
def test_the_same_pictures_however_folders_hold_them(tmp_path, form, dark):
    plain = read_characters(tree(tmp_path / 'plain', DRAWN))
    found = read_characters(tree(tmp_path / 'other', DRAWN, form, dark))
    assert found.digest == plain.digest


def test_folders_give_the_grey_levels_of_the_shipped_images(tmp_path):
    drawings = {'Latin': {f'character{k:02d}': strokes(20, k) for k in range(20)}}
    found = read_characters(tree(tmp_path, drawings))
    levels, shipped = (set(np.unique(images)) for images in (
        found.images, shipped_characters().images))
    assert len(levels) > 30 and levels <= shipped


def with_width(picture: bytes, width: int) -> bytes:
    head = b'IHDR' + width.to_bytes(4, 'big') + picture[20:29]
    return picture[:12] + head + zlib.crc32(head).to_bytes(4, 'big') + picture[33:]


@pytest.mark.parametrize(('broken', 'why'), [
    (lambda path: path.write_bytes(b'no picture'), 'no PNG picture'),
    (lambda path: path.write_bytes(path.read_bytes()[:90]), 'no PNG picture, or damaged'),
    (lambda path: path.write_bytes(bytes(2 ** 20 + 1)), 'expected at most'),
    (lambda path: Image.new('L', (28, 28)).save(path), 'L 28 x 28, expected black and white'),
    (lambda path: Image.new('RGB', (105, 105)).save(path), 'RGB 105 x 105'),
    (lambda path: Image.new('L', (105, 105)).save(path, 'JPEG'), 'no PNG picture'),
    (lambda path: (path.unlink(), path.symlink_to(path)), 'symbolic links'),
    (lambda path: path.write_bytes(with_width(path.read_bytes(), 10 ** 8)), 'no PNG picture'),
    (lambda path: (path.unlink(), path.mkdir()), 'directory'),
    (lambda path: (path.unlink(), os.mkfifo(path)), 'plain file')])
def test_a_picture_that_is_none_is_named(tmp_path, broken, why):
    tree(tmp_path, DRAWN)
    path = tmp_path / 'Latin' / 'character01' / '0001_02.png'
    broken(path)
    with pytest.raises(ImageSetError) as caught:
        read_characters(tmp_path)
    assert str(caught.value).startswith(str(path)) and why in str(caught.value)


def test_other_folders_say_what_was_expected(tmp_path):
    assert 'alphabet/character/drawer.png' in refused(tmp_path)
    tree(tmp_path, DRAWN)
    assert 'name the folder with the alphabets' in refused(tmp_path / 'Latin')
    assert 'No such file' in refused(tmp_path / 'none')


def test_a_split_by_alphabet_shares_no_class(images, stored):
    characters = read_characters(stored(
        images=images, labels=LABELS, groups=np.array(['II', 'I', 'III', 'I'])))
    split = split_by_group(characters, validation=['II'], test=['III'])
    assert split == Split(('I',), ('II',), ('III',))
    with pytest.raises(ImageSetError, match="'3' has|1 class, expected at least 2"):
        split.chosen(characters, 'test')
    chosen = Split(('I', 'III'), ('II',), ()).chosen(characters, 'training')
    assert chosen.names == ('1', '2', '3') and chosen.groups == ('I', 'III', 'I')
    assert chosen.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert np.array_equal(chosen.images, images[np.argsort(LABELS, kind='stable')][DRAWERS:])
    assert 'the 3 classes for training' in chosen.understood
    assert chosen.digest != characters.digest


def test_a_split_names_what_is_wrong(images, stored):
    characters = read_characters(stored(
        images=images, labels=LABELS, groups=np.array(['II', 'I', 'III', 'I'])))
    with pytest.raises(ImageSetError, match="no alphabet 'IV'; there are I, II, III"):
        split_by_group(characters, ['I'], ['IV'])
    with pytest.raises(ImageSetError, match="no alphabet 'V'"):
        Split(('I',), ('V',), ()).chosen(characters, 'validation')
    with pytest.raises(ImageSetError, match="'I' is in the split twice"):
        split_by_group(characters, ['I'], ['I', 'II'])
    with pytest.raises(ImageSetError, match='left for training'):
        split_by_group(characters, ['I'], ['II', 'III'])
    with pytest.raises(ImageSetError, match='no alphabet for test'):
        Split(('I',), ('II',), ()).chosen(characters, 'test')
    with pytest.raises(ValueError, match="'train': expected one of training, validation, test"):
        Split(('I',), ('II',), ('III',)).chosen(characters, 'train')
    unnamed = read_characters(stored(images=images, labels=LABELS))
    with pytest.raises(ImageSetError, match='own.npz: the alphabets of its classes are not known'):
        split_by_group(unnamed)


def test_the_shipped_characters_are_ninety_by_twenty_drawers():
    shipped = shipped_characters()
    assert shipped.images.shape == (1800, 28, 28) and set(shipped.counts.tolist()) == {20}
    assert set(shipped.groups) == set(TEST) and not set(TEST) & set(VALIDATION)
    assert 'bright ink' in shipped.understood and shipped.source == 'omniglot_test.npz'


@NO_SHARED
def test_the_shipped_characters_are_those_of_the_background_set():
    characters = read_characters(SHARED)
    split = split_by_group(characters)
    parts = {part: split.chosen(characters, part) for part in ('training', 'validation', 'test')}
    assert {part: len(chosen.names) for part, chosen in parts.items()} == {
        'training': 784, 'validation': 90, 'test': 90}
    shipped = shipped_characters()
    assert torch.equal(shipped.images, parts['test'].images)
    assert torch.equal(shipped.labels, parts['test'].labels)
    assert shipped.names == parts['test'].names and shipped.groups == parts['test'].groups
    assert shipped.digest == parts['test'].digest
