# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The same drawing gives the same image, however it was brought; what is none is refused."""

import io
import os
from pathlib import Path
import struct
import zlib

from hypothesis import given, settings, strategies as st
import numpy as np
from PIL import Image, ImageDraw
import pytest
from scipy import ndimage
import torch

from smallbot.errors import InputError
import smallbot.few_shot.images
from smallbot.few_shot.images.pictures import (
    EXAMPLES,
    PictureError,
    read_picture,
    read_support,
    SHOWN,
)

EXAMPLE = Path(smallbot.few_shot.images.__file__).with_name('examples')
OMNIGLOT = Path(__file__).parents[3] / 'shared' / 'data' / 'omniglot28_background.npz'
PSI = (((0, 0.1), (0.05, 0.5), (0.3, 0.65), (0.55, 0.5), (0.6, 0.1)), ((0.3, 0), (0.3, 1)))
HOOK = (((0, 0), (0.5, 0), (0.5, 0.8), (0.2, 1)), ((0, 0.4), (0.25, 0.4)))


def coverage(strokes=PSI, size=(320, 300), extent=200, pen=9.0, at=(0.4, 0.2)):
    """Return how much ink covers each pixel [H, W], 0..1."""
    over = 3
    canvas = Image.new('L', (size[0] * over, size[1] * over))
    draw, width = ImageDraw.Draw(canvas), pen * over
    for stroke in strokes:
        points = [((x * extent + at[0] * size[0]) * over, (y * extent + at[1] * size[1]) * over)
                  for x, y in stroke]
        draw.line(points, 255, round(width))
        for x, y in points:
            draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), 255)
    return np.asarray(canvas.resize(size, Image.Resampling.BOX), np.float32) / 255


def on_paper(ink, colour=(0, 0, 0), paper=(255, 255, 255)):
    ink = ink[..., None]
    return Image.fromarray((ink * colour + (1 - ink) * paper).round().astype(np.uint8))


@pytest.fixture
def seen(tmp_path):
    """Return a function that saves a picture and reads it."""
    def read(picture, name='x.png', **options):
        picture.save(tmp_path / name, **options)
        return read_picture(tmp_path / name)
    return read


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    """Return the images of the plainest pictures of two characters."""
    found = {}
    for strokes in (PSI, HOOK):
        path = tmp_path_factory.mktemp('plain') / 'x.png'
        on_paper(coverage(strokes)).save(path)
        found[strokes] = read_picture(path).image
    return found


def alike(one, other):
    """Return the correlation of two images, each blurred by a pixel's width."""
    both = [ndimage.gaussian_filter(np.asarray(image), 0.7).ravel() for image in (one, other)]
    return float(np.corrcoef(*both)[0, 1])


def test_an_image_is_what_the_network_expects(plain):
    for image in plain.values():
        assert image.shape == (28, 28) and image.dtype == torch.float32
        assert 0 <= image.min() and 0.9 < image.max() <= 1
        rows, columns = (np.flatnonzero(image.amax(axis) > 0.2) for axis in (1, 0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)
        assert abs(rows[[0, -1]].mean() + 0.5 - 13.5) <= 0.5
    assert alike(*plain.values()) < 0.5


@pytest.mark.parametrize('strokes', [PSI, HOOK], ids=['psi', 'hook'])
@pytest.mark.parametrize(('extent', 'size', 'pen'), [
    (30, (44, 40), 2), (100, (120, 120), 2), (150, (640, 480), 4), (250, (320, 400), 30),
    (700, (1500, 1100), 12)])
def test_size_place_and_pen_do_not_matter(seen, plain, strokes, extent, size, pen):
    picture = seen(on_paper(coverage(strokes, size, extent, pen, (0.2, 0.15))))
    assert alike(picture.image, plain[strokes]) > 0.9
    assert alike(picture.image, plain[strokes]) > alike(
        picture.image, plain[PSI if strokes is HOOK else HOOK]) + 0.3
    assert abs(float(picture.image.sum() / plain[strokes].sum()) - 1) < 0.12
    assert picture.original.dtype == np.uint8 and max(picture.original.shape[:2]) <= SHOWN
    assert f'{size[0]} x {size[1]} pixels' in picture.understood


@pytest.mark.parametrize(('ink', 'paper', 'dark'), [
    ((0, 0, 0), (255, 255, 255), True), ((255, 255, 255), (0, 0, 0), False),
    ((90, 90, 90), (140, 140, 140), True), ((210, 30, 30), (250, 250, 250), True),
    ((220, 30, 30), (70, 70, 160), None), ((20, 20, 90), (240, 220, 90), True),
    ((235, 235, 225), (40, 70, 55), False), ((255, 240, 0), (250, 250, 250), True)])
def test_colours_do_not_matter(seen, plain, ink, paper, dark):
    picture = seen(on_paper(coverage(), ink, paper))
    assert alike(picture.image, plain[PSI]) > 0.98
    if dark is not None:
        assert ('dark on light' if dark else 'light on dark') in picture.understood


def in_16_bit(ink, most):
    return Image.fromarray(((1 - ink) * most).astype(np.uint16))


def drawn_on_nothing(ink, level):
    return Image.fromarray(np.stack([np.full_like(ink, level), ink * 255], 2).astype(np.uint8))


@pytest.mark.parametrize(('name', 'made', 'least'), [
    ('x.jpg', lambda ink: on_paper(ink), 0.98),
    ('grey.jpg', lambda ink: on_paper(ink).convert('L'), 0.98),
    ('cmyk.jpg', lambda ink: on_paper(ink).convert('CMYK'), 0.98),
    ('one.png', lambda ink: on_paper(ink).convert('1', dither=Image.Dither.NONE), 0.95),
    ('palette.png', lambda ink: on_paper(ink, (200, 0, 0)).quantize(8), 0.98),
    ('still.gif', lambda ink: on_paper(ink), 0.98),
    ('x.webp', lambda ink: on_paper(ink), 0.98),
    ('phone.mpo', lambda ink: on_paper(ink), 0.98),
    ('x.bmp', lambda ink: on_paper(ink), 0.98),
    ('16 bit.png', lambda ink: in_16_bit(ink, 65535), 0.98),
    ('12 of 16 bit.png', lambda ink: in_16_bit(ink, 4095), 0.98),
    ('black on nothing.png', lambda ink: drawn_on_nothing(ink, 0), 0.98),
    ('white on nothing.png', lambda ink: drawn_on_nothing(ink, 255), 0.98),
])
def test_file_formats_and_depths_do_not_matter(seen, plain, name, made, least):
    options = {'phone.mpo': {'save_all': True, 'append_images': [Image.new('RGB', (40, 30))]}}
    picture = seen(made(coverage()), name, **options.get(name, {}))
    assert alike(picture.image, plain[PSI]) > least


def test_a_sticker_of_paper_on_a_transparent_ground_is_read(seen, plain):
    picture = on_paper(coverage()).convert('RGBA')
    alpha = Image.new('L', picture.size)
    ImageDraw.Draw(alpha).rectangle((30, 20, 300, 280), 255)
    picture.putalpha(alpha)
    assert alike(seen(picture).image, plain[PSI]) > 0.98


@pytest.mark.parametrize('orientation', range(1, 9))
def test_a_turned_photograph_is_upright(seen, plain, orientation):
    how = {2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
           4: [Image.Transpose.FLIP_TOP_BOTTOM], 5: [Image.Transpose.TRANSPOSE],
           6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE],
           8: [Image.Transpose.ROTATE_270]}.get(orientation, [])
    picture = on_paper(coverage(HOOK))
    for turn in how:
        picture = picture.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    read = seen(picture, 'x.jpg', exif=exif, quality=90)
    assert alike(read.image, plain[HOOK]) > 0.98
    assert read.original.shape[1] > read.original.shape[0]
    assert '320 x 300 pixels' in read.understood


def photograph(ink, chance, light=0.5, shadow=False, table=False, ruled=0, squared=False,
               lean=0.03, noise=3.0):
    """Return a picture of ink on paper in uneven light."""
    high, wide = ink.shape
    down, right = np.mgrid[:high, :wide]
    paper = np.full((high, wide, 3), (236.0, 230, 215))
    paper *= 1 + 0.02 * ndimage.gaussian_filter(chance.normal(size=(high, wide)), 1.2)[..., None]
    if ruled:
        lines = (down + lean * right) % ruled < 2
        if squared:
            lines |= (right - lean * down) % ruled < 2
        paper[lines] = (140, 160, 205)
    picture = paper * (1 - ink[..., None]) + ink[..., None] * (45, 45, 95)
    picture *= (1 - light * (0.6 * right / wide + 0.4 * down / high))[..., None]
    if shadow:
        picture *= (0.5 + 0.5 / (1 + np.exp(-(right - 0.2 * down - 0.1 * wide) / 12)))[..., None]
    if table:
        picture[down > 0.93 * high + 0.03 * right] = (90, 60, 40)
    picture = ndimage.gaussian_filter(picture, (0.8, 0.8, 0))
    picture += chance.normal(0, noise, picture.shape)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


@pytest.mark.parametrize('strokes', [PSI, HOOK], ids=['psi', 'hook'])
@pytest.mark.parametrize('what', [
    {}, {'light': 0.8}, {'shadow': True}, {'table': True}, {'noise': 8},
    {'ruled': 60}, {'ruled': 60, 'lean': -0.06}, {'ruled': 36, 'squared': True},
    {'ruled': 36, 'squared': True, 'shadow': True, 'lean': 0.05}])
def test_photographs_of_a_pen_on_paper_are_read(seen, plain, strokes, what):
    ink = coverage(strokes, (900, 700), 340, 6, (0.35, 0.2))
    picture = seen(photograph(ink, np.random.default_rng(4), **what), 'x.jpg', quality=60)
    assert alike(picture.image, plain[strokes]) > 0.9
    assert ('ruled lines left out' in picture.understood) == ('ruled' in what)


def test_a_phones_photograph_of_a_thin_pen_is_read(seen, plain):
    ink = coverage(PSI, (1600, 1200), 350, 5.5, (0.45, 0.3))
    large = photograph(ink, np.random.default_rng(5), shadow=True).resize((3200, 2400))
    picture = seen(large, 'x.jpg', quality=70)
    assert alike(picture.image, plain[PSI]) > 0.9
    assert '3200 x 2400 pixels' in picture.understood


def test_chalk_and_specks(seen, plain):
    chance = np.random.default_rng(6)
    ink = coverage(PSI, (420, 400), 260, 9)
    grain = ndimage.gaussian_filter(chance.normal(size=ink.shape), 1.0)
    ink = ink * np.clip(0.85 + 0.3 * grain / grain.std(), 0, 1)
    for row, column in chance.integers(20, 380, (25, 2)):
        ink[row:row + 2, column:column + 2] = 1
    picture = seen(on_paper(ink, (230, 230, 220), (45, 65, 55)), 'x.jpg', quality=60)
    assert alike(picture.image, plain[PSI]) > 0.9


def test_a_dot_stays_a_dot_and_a_stroke_with_a_dot_keeps_it(seen):
    dot = seen(on_paper(coverage((((0.5, 0.5), (0.5, 0.5)),), pen=20))).image
    assert 1 < dot.sum() < 12
    stroke = ((0, 0.3), (0, 1))
    with_dot = seen(on_paper(coverage((((0, 0), (0, 0.001)), stroke), pen=14))).image
    assert with_dot[:, 13].max() > 0.5
    column = with_dot.amax(1) > 0.2
    assert np.diff(np.flatnonzero(np.diff(np.concatenate([[0], column, [0]])))[:2])[0] <= 3
    assert ndimage.label(np.asarray(with_dot) > 0.2)[1] == 2


@settings(max_examples=12, deadline=None)
@given(extent=st.integers(60, 260), pen=st.floats(2, 12), left=st.floats(0.1, 0.3),
       top=st.floats(0.1, 0.2), light=st.booleans(), wide=st.integers(500, 700))
def test_any_plain_picture_of_a_drawing_gives_nearly_one_image(
        plain, tmp_path_factory, extent, pen, left, top, light, wide):
    ink = coverage(PSI, (wide, 400), extent, pen, (left, top))
    path = tmp_path_factory.mktemp('x') / 'x.png'
    on_paper(*((ink, (255,) * 3, (0,) * 3) if light else (ink,))).save(path)
    assert alike(read_picture(path).image, plain[PSI]) > 0.88


needs_omniglot = pytest.mark.skipif(not OMNIGLOT.is_file(), reason=f'{OMNIGLOT} is not here')


@pytest.fixture(scope='module')
def omniglot():
    with np.load(OMNIGLOT, allow_pickle=False) as archive:
        images = archive['images']
    return images[np.random.default_rng(0).choice(len(images), 800, replace=False)]


@needs_omniglot
@pytest.mark.parametrize('dark', [False, True])
def test_omniglots_own_pictures_come_out_as_they_are(seen, omniglot, dark):
    for image in omniglot[:100]:
        shown = 255 - image if dark else image
        picture = seen(Image.fromarray(shown))
        assert np.corrcoef(picture.image.numpy().ravel(), image.ravel())[0, 1] > 0.9999
        assert 'framed as in Omniglot' in picture.understood
        large = Image.fromarray(shown).resize((105, 105), Image.Resampling.NEAREST)
        assert np.corrcoef(seen(large).image.numpy().ravel(), image.ravel())[0, 1] > 0.97


@needs_omniglot
def test_drawings_of_the_usual_size_and_place_are_redrawn_as_they_were(seen, omniglot):
    """Enlarged to a person's picture, they go the whole way of one."""
    found = []
    for image in omniglot:
        rows, columns = (np.flatnonzero(image.max(axis) > 50) for axis in (1, 0))
        box = [(side[0] + side[-1] + 1) / 2 for side in (rows, columns)]
        longer = max(np.ptp(rows), np.ptp(columns)) + 1
        if longer == 19 and box == [13.5, 13.5]:
            large = Image.fromarray(255 - image).resize((336, 336), Image.Resampling.BICUBIC)
            found.append(alike(seen(large).image, image))
    assert len(found) >= 5
    assert np.median(found) > 0.93 and min(found) > 0.75


def hostile_png(wide, high):
    """Return the beginning of a PNG file of such a size; there is hardly anything in it."""
    def chunk(kind, content):
        return (struct.pack('>I', len(content)) + kind + content
                + struct.pack('>I', zlib.crc32(kind + content)))
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', wide, high, 8, 0, 0, 0,
                                                              0))
            + chunk(b'IDAT', zlib.compress(bytes(1000))) + chunk(b'IEND', b''))


def saved(picture, form='PNG', **options):
    content = io.BytesIO()
    picture.save(content, form, **options)
    return content.getvalue()


def animated(form):
    frames = [on_paper(coverage(strokes)) for strokes in (PSI, HOOK)]
    return saved(frames[0], form, save_all=True, append_images=frames[1:])


def uniform(level):
    return Image.new('L', (200, 200), level)


REFUSED = {
    'animated GIF': (lambda: animated('GIF'), 'an animated GIF: save one frame'),
    'animated PNG': (lambda: animated('PNG'), 'an animated PNG: save one frame'),
    'animated WebP': (lambda: animated('WEBP'), 'an animated WEBP: save one frame'),
    'white': (lambda: saved(uniform(255)), 'one colour all over'),
    'black': (lambda: saved(uniform(0), 'JPEG'), 'one colour all over'),
    'nothing in 16 bit': (lambda: saved(in_16_bit(np.ones((99, 99)), 0)), 'one colour'),
    'transparent': (lambda: saved(Image.new('RGBA', (99, 99))), 'transparent all over'),
    'paper without ink': (lambda: saved(photograph(
        np.zeros((300, 400)), np.random.default_rng(0), light=0.3)), 'told from the paper'),
    'a small one in white': (lambda: saved(Image.new('L', (28, 28), 255)), 'one colour'),
    'noise': (lambda: saved(Image.fromarray(np.random.default_rng(0).integers(
        0, 255, (300, 300)).astype(np.uint8))), 'told from the paper|would be ink'),
    'text': (lambda: b'no picture at all\n', 'no picture that can be read, expected PNG or JPEG'),
    'nothing': (lambda: b'', 'an empty file'),
    'HEIC': (lambda: b'\0\0\0\x18ftypheic' + bytes(99), 'a HEIC picture: save it as JPEG'),
    'cut PNG': (lambda: saved(on_paper(coverage()))[:900], 'a damaged picture'),
    'cut JPEG': (lambda: saved(on_paper(coverage()), 'JPEG')[:4000], 'a damaged picture'),
    'wide': (lambda: hostile_png(20_000, 400),
             '20000 x 400 pixels, expected at most 16,384 each way'),
    'huge': (lambda: hostile_png(10_000, 10_000),
             '10000 x 10000 pixels, expected at most 89,478,485 in all'),
    'a bomb': (lambda: hostile_png(20_000, 20_000), '400,000,000 pixels, expected at most'),
    'tiny': (lambda: saved(Image.new('L', (5, 9))), '5 x 9 pixels, expected at least 12'),
    'a strip': (lambda: saved(Image.new('L', (6000, 40))), 'too narrow'),
}


@pytest.mark.parametrize('what', REFUSED)
def test_what_is_no_picture_of_a_character_is_refused_in_a_line(tmp_path, what):
    made, said = REFUSED[what]
    path = tmp_path / 'x.png'
    path.write_bytes(made())
    with pytest.raises(PictureError, match=said) as caught:
        read_picture(path)
    assert str(caught.value).startswith(f'{path}: ') and '\n' not in str(caught.value)


def test_what_is_no_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    (tmp_path / 'loop').symlink_to('loop')
    for name, said in (('pipe', 'a pipe'), ('loop', 'symbolic links'), ('none', 'no such file'),
                       ('.', 'a folder, expected a file'), ('x\0y', 'null')):
        with pytest.raises(InputError, match=said) as caught:
            read_picture(tmp_path / name)
        assert str(caught.value).isprintable()


def test_a_file_beyond_the_bound_is_not_read(tmp_path):
    with (tmp_path / 'x.png').open('wb') as stream:
        stream.truncate(2 ** 27)
    with pytest.raises(PictureError, match='134,217,728 bytes, expected at most 67,108,864'):
        read_picture(tmp_path / 'x.png')


@pytest.fixture
def classes(tmp_path):
    """Return a folder of two classes with two pictures each."""
    for name, strokes in (('psi', PSI), ('hook', HOOK)):
        (tmp_path / 'support' / name).mkdir(parents=True)
        for number in (1, 2):
            on_paper(coverage(strokes, (120, 100), 70, 2 * number)).save(
                tmp_path / 'support' / name / f'{number}.png')
    return tmp_path / 'support'


def test_a_folder_for_each_class(classes, plain):
    (classes / '.hidden').mkdir()
    (classes / 'psi' / '.DS_Store').write_bytes(b'x')
    support = read_support(classes)
    assert support.names == ('hook', 'psi') and support.left_out == ()
    assert [[one.name for one in pictures] for pictures in support.pictures] == [
        ['1.png', '2.png']] * 2
    for pictures, strokes in zip(support.pictures, (HOOK, PSI)):
        assert all(alike(one.image, plain[strokes]) > 0.93 for one in pictures)


def test_what_is_no_picture_among_good_ones_is_named_and_left_out(classes):
    (classes / 'psi' / '0.png').write_bytes(b'none')
    (classes / 'psi' / 'more').mkdir()
    (classes / 'psi' / 'round').symlink_to('..')
    (classes / 'hook' / 'loop.png').symlink_to('loop.png')
    os.mkfifo(classes / 'hook' / 'pipe.png')
    (classes / 'README').write_text('x')
    support = read_support(classes)
    assert [len(pictures) for pictures in support.pictures] == [2, 2]
    assert len(support.left_out) == 6
    for name, line in zip(('README', 'loop.png', 'pipe.png', '0.png', 'more', 'round'),
                          support.left_out):
        assert f'{name}: ' in line and line.endswith('; left out') and line.isprintable()


def test_of_many_examples_the_first_are_used_and_it_is_said(classes):
    content = (classes / 'psi' / '1.png').read_bytes()
    for number in range(EXAMPLES + 3):
        (classes / 'psi' / f'a{number:02}.png').write_bytes(
            content if number else b'no picture')
    support = read_support(classes)
    assert [one.name for one in support.pictures[1]] == ['1.png', '2.png', *(
        f'a{number:02}.png' for number in range(1, EXAMPLES - 1))]
    assert len(support.left_out) == 2
    assert support.left_out[1].endswith('psi: the first 20 pictures are used, 4 more left out')


@pytest.mark.parametrize(('change', 'said'), [
    ('none', 'no such file'), ('file', 'a file, expected a folder'),
    ('empty', 'no folder in it, expected one folder of pictures for each class'),
    ('only pictures', 'no folder in it'), ('one', '1 class .psi., expected 2 to 20 folders'),
    ('many', '21 classes, expected 2 to 20'), ('empty class', 'third: an empty class'),
    ('bad class', r'third: a class without a usable picture \(.*x.png: no picture that')])
def test_what_is_no_support_set_is_refused_in_a_line(classes, change, said):
    folder = classes
    if change in ('none', 'file', 'empty', 'only pictures'):
        folder = {'none': classes / 'nowhere', 'file': classes / 'psi' / '1.png',
                  'only pictures': classes / 'psi'}.get(change, classes.parent / 'new')
        if change == 'empty':
            folder.mkdir()
    elif change == 'one':
        for path in (classes / 'hook').iterdir():
            path.unlink()
        (classes / 'hook').rmdir()
    elif change == 'many':
        for number in range(19):
            (classes / f'class {number}').mkdir()
    else:
        (classes / 'third').mkdir()
        if change == 'bad class':
            (classes / 'third' / 'x.png').write_bytes(b'x')
    with pytest.raises(PictureError, match=said) as caught:
        read_support(folder)
    assert str(caught.value).startswith(str(folder)) and str(caught.value).isprintable()


def test_the_shipped_example_is_small_and_read_without_a_word():
    support = read_support(EXAMPLE / 'support')
    assert support.names == ('alpha', 'delta', 'lambda', 'omega', 'psi')
    assert [len(pictures) for pictures in support.pictures] == [3] * 5 and not support.left_out
    unknown = [read_picture(path) for path in sorted((EXAMPLE / 'unknown').iterdir())]
    assert len(unknown) == 6
    files = [path for path in EXAMPLE.rglob('*') if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 250_000
    assert 'MIT' in (EXAMPLE / 'LICENSE').read_text()
    for picture in (*unknown, *(one for pictures in support.pictures for one in pictures)):
        assert 30 < picture.image.sum() < 110
