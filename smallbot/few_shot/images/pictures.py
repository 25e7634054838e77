# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""People's pictures as the few-shot network sees them, one alone or a folder of examples.

A picture is a file of any size, drawn or photographed, dark on light or light on dark; it holds
one character. `read_picture` opens it warily, finds the ink, and draws its centre lines again at
the size, the place and with the pen of Omniglot, so that it looks like what the network was
trained on. A picture of 28 x 28 or 105 x 105 pixels is framed as Omniglot's are and stays so.
"""

from dataclasses import dataclass
import errno
import io
from pathlib import Path
import re
import warnings

import numpy as np
from PIL import Image
import torch

from smallbot.errors import in_one_line, InputError
from smallbot.few_shot.images.ink import FAINTEST, find_ink, MOST, NothingDrawnError
from smallbot.few_shot.images.strokes import area_averaged, centre_lines, redrawn, SIDE
from smallbot.files.writing import read_bytes
from smallbot.paths import unreadable

FORMATS = ('PNG', 'JPEG', 'GIF', 'WEBP', 'BMP')
"""Pillow's names of what is opened."""
MOST_BYTES = 2 ** 26
"""Of a file; a photograph of 50 megapixels has 20 MB."""
MOST_PIXELS = 89_478_485
"""Of a picture: where Pillow begins to warn of decompression bombs."""
LONGEST_SIDE = 16_384
"""Pixels; the panoramas of phones end there."""
SHORTEST_SIDE = 12
"""Pixels; a character cannot be told in less."""
WORKING = 1000
"""Pixels of the longer side in which ink is looked for; a quarter of a phone's 4000."""
SMALL = 256
"""Pixels of the longer side to which smaller pictures are enlarged."""
SHOWN = 128
"""Pixels of the longer side of `Picture.original`."""
FRAMED = ((28, 28), (105, 105))
"""Sizes of Omniglot's pictures, whose characters are in their place already."""
FEWEST_LEVELS = 8
"""Of 256 between the darkest and the brightest of what may be drawn."""
CLASSES = (2, 20)
"""Fewest and most classes of a support set."""
EXAMPLES = 20
"""Most examples of a class that are learned from."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90}
"""What brings each EXIF orientation upright."""
ORIENTATION = 0x0112
"""EXIF tag."""


class PictureError(InputError):
    """A picture or a folder of them cannot be used; the message is one line that names it."""


@dataclass(frozen=True)
class Picture:
    """A picture as it was and as the network sees it."""

    name: str
    """Of its file."""
    image: torch.Tensor
    """[28, 28] float32, 0..1, ink 1."""
    original: np.ndarray
    """The picture upright and small, [H, W, 3] uint8, longer side at most `SHOWN`."""
    understood: str
    """What was found and done, in words."""


@dataclass(frozen=True)
class Support:
    """The examples of a few-shot task: a folder of each class with pictures in it."""

    names: tuple[str, ...]
    """Of the classes, sorted."""
    pictures: tuple[tuple[Picture, ...], ...]
    """Of each class, 1 to `EXAMPLES`, by name."""
    left_out: tuple[str, ...]
    """A line for each file, or rest of a class, that was not used, with the reason."""


def read_picture(path: str | Path) -> Picture:
    """Read a picture of one character.

    Raises PictureError for what is no still picture, is too large or too small, or in which
    nothing that is drawn can be found.
    """
    path = Path(path)
    try:
        return _picture(path)
    except (PictureError, NothingDrawnError) as error:
        raise PictureError(in_one_line(f'{path}: {error}')) from None


def read_support(folder: str | Path) -> Support:
    """Read a support set: in `folder` one folder for each class, in it 1 to 20 pictures.

    The names of the classes are those of their folders. Hidden files are passed over; what is no
    usable picture is left out and said, and so is what is beyond the first 20 of a class.
    Raises PictureError for other than 2 to 20 classes, and for a class without a usable picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PictureError(in_one_line(
            f'{folder}: {unreadable(folder, True) or "expected a folder"}'))
    classes, left_out = [], []
    for path in _entries(folder):
        if path.is_dir():
            classes.append(path)
        else:
            why = unreadable(path) or 'lies beside the folders of the classes'
            left_out.append(in_one_line(f'{path}: {why}; left out'))
    fewest, most = CLASSES
    if not classes:
        raise PictureError(in_one_line(
            f'{folder}: no folder in it, expected one folder of pictures for each class'))
    if not fewest <= len(classes) <= most:
        one = f'1 class ({classes[0].name})' if len(classes) == 1 else f'{len(classes)} classes'
        raise PictureError(in_one_line(
            f'{folder}: {one}, expected {fewest} to {most} folders, one for each class'))
    pictures = []
    for path in classes:
        found, lines = _examples(path)
        pictures.append(found)
        left_out += lines
    return Support(tuple(path.name for path in classes), tuple(pictures), tuple(left_out))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted((path for path in folder.iterdir() if not path.name.startswith('.')),
                      key=lambda path: path.name)
    except OSError as error:
        raise PictureError(in_one_line(f'{folder}: cannot be read: {error.strerror}')) from None


def _examples(folder: Path) -> tuple[tuple[Picture, ...], list[str]]:
    """Return the pictures of a class, and a line for each file that is not used."""
    entries = _entries(folder)
    if not entries:
        raise PictureError(in_one_line(
            f'{folder}: an empty class, expected 1 to {EXAMPLES} pictures in it'))
    found, lines = [], []
    for number, path in enumerate(entries):
        if len(found) == EXAMPLES:
            lines.append(in_one_line(f'{folder}: the first {EXAMPLES} pictures are used, '
                                     f'{len(entries) - number} more left out'))
            break
        try:
            found.append(read_picture(path))
        except PictureError as error:
            lines.append(f'{error}; left out')
    if not found:
        first = lines[0].removesuffix('; left out')
        raise PictureError(f'{in_one_line(folder)}: a class without a usable picture ({first})')
    return tuple(found), lines


def _picture(path: Path) -> Picture:
    opened, size, alone = _opened(path)
    shown = opened.copy()
    shown.thumbnail((SHOWN, SHOWN), Image.Resampling.BOX)
    original = np.asarray(shown)
    if max(high - low for low, high in opened.getextrema()) < FEWEST_LEVELS:
        raise NothingDrawnError('it is of one colour all over, nothing is drawn in it')
    notes = [f'{size[0]} x {size[1]} pixels', *alone]
    if size in FRAMED:
        image, dark = _framed(np.asarray(opened, np.float32).mean(2) / 255)
        notes += [_way(dark), 'framed as in Omniglot and left so']
    else:
        if max(opened.size) < SMALL:
            scale = SMALL / max(opened.size)
            opened = opened.resize([max(1, round(side * scale)) for side in opened.size],
                                   Image.Resampling.BICUBIC)
        ink = find_ink(np.asarray(opened, np.float32) / 255)
        rows, columns = (np.flatnonzero(ink.mask.any(axis)) for axis in (1, 0))
        cropped = ink.mask[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
        image = redrawn(*centre_lines(cropped))
        scale = max(size) / max(opened.size)
        width, height = (max(1, round(side * scale)) for side in cropped.shape[::-1])
        notes += [_way(ink.dark), *ink.notes, f'cropped to {width} x {height}, redrawn']
    return Picture(path.name, torch.from_numpy(image), original, ', '.join(notes))


def _way(dark: bool) -> str:
    return 'dark on light' if dark else 'light on dark'


def _framed(level: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return Omniglot's own picture [28, 28], ink 1, and whether it was dark on light."""
    paper = float(np.median(level))
    ink = max((float(level.max()), float(level.min())), key=lambda value: abs(value - paper))
    if abs(ink - paper) < FAINTEST:
        raise NothingDrawnError('it is of one colour all over, nothing is drawn in it')
    image = np.clip((level - paper) / (ink - paper), 0, 1)
    if image.mean() > MOST:
        raise NothingDrawnError(f'{image.mean():.0%} of it would be ink, expected strokes on '
                                f'paper')
    return area_averaged(image, SIDE), ink < paper


def _opened(path: Path) -> tuple[Image.Image, tuple[int, int], list[str]]:
    """Return a picture, upright, in RGB, at most `WORKING` px; its size; what was special."""
    if why := unreadable(path):
        raise PictureError(why)
    try:
        content = read_bytes(path, MOST_BYTES)
    except OSError as error:
        raise PictureError(
            f'{_count(path.stat().st_size)} bytes, expected at most {_count(MOST_BYTES)}'
            if error.errno == errno.EFBIG else f'cannot be read: {error.strerror}') from None
    if not content:
        raise PictureError('an empty file, expected a PNG or JPEG picture')
    if content[4:8] == b'ftyp' and content[8:12] in (b'heic', b'heix', b'mif1', b'msf1'):
        raise PictureError('a HEIC picture: save it as JPEG or PNG')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            _check_size(image.size)
            # Phones put several pictures into a JPEG, which Pillow then calls MPO; it shows the
            # first.
            if image.format != 'MPO' and getattr(image, 'is_animated', False):
                raise PictureError(f'an animated {image.format}: save one frame of it as PNG or '
                                   f'JPEG')
            size = image.size
            image.draft(None, (WORKING, WORKING))
            image.load()
            turn = TURNS.get(image.getexif().get(ORIENTATION))
            image, notes = _in_colour(image)
    except (PictureError, NothingDrawnError):
        raise
    except Image.UnidentifiedImageError:
        raise PictureError('no picture that can be read, expected PNG or JPEG') from None
    except Image.DecompressionBombError as error:
        pixels = re.search(r'\d+', str(error))
        raise PictureError(f'{_count(int(pixels[0])) if pixels else "too many"} pixels, expected '
                           f'at most {_count(MOST_PIXELS)}: make it smaller') from None
    except Exception as error:  # Pillow's readers raise whatever a damaged file leads them to
        raise PictureError(f'a damaged picture: {error or type(error).__name__}') from None
    if turn is not None:
        image = image.transpose(turn)
        size = size[::-1] if turn.name in ('TRANSPOSE', 'TRANSVERSE', 'ROTATE_90', 'ROTATE_270'
                                           ) else size
        notes = ['turned upright', *notes]
    if min(image.size) < SHORTEST_SIDE:
        raise PictureError(f'{size[0]} x {size[1]} pixels, too narrow to tell a character in it')
    return image, size, notes


def _check_size(size: tuple[int, int]) -> None:
    said = f'{size[0]} x {size[1]} pixels'
    if min(size) < SHORTEST_SIDE:
        raise PictureError(f'{said}, expected at least {SHORTEST_SIDE} each way')
    if max(size) > LONGEST_SIDE:
        raise PictureError(f'{said}, expected at most {_count(LONGEST_SIDE)} each way: make it '
                           f'smaller')
    if size[0] * size[1] > MOST_PIXELS:
        raise PictureError(f'{said}, expected at most {_count(MOST_PIXELS)} in all: make it '
                           f'smaller')


def _count(number: int) -> str:
    return f'{number:,}'


def _in_colour(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Return a loaded picture in RGB, 8 bit, at most `WORKING` px, and what was special."""
    if image.mode.startswith('I'):
        # Scanners and cameras fill 10 to 16 of the bits.
        level = np.asarray(image).astype(np.float32)
        white = 2 ** next(bits for bits in (8, 10, 12, 14, 16, 32) if level.max() < 2 ** bits) - 1
        level = np.clip(level / white, 0, 1) * 255
        return _fitted(Image.fromarray(level)).convert('L').convert('RGB'), ['16 bit']
    if image.mode in ('RGBA', 'RGBa', 'LA', 'La', 'PA') or 'transparency' in image.info:
        return _opaque(_fitted(image.convert('RGBA')))
    return _fitted(image.convert('RGB')), []


def _fitted(image: Image.Image) -> Image.Image:
    scale = WORKING / max(image.size)
    if scale >= 1:
        return image
    return image.resize([max(1, round(side * scale)) for side in image.size],
                        Image.Resampling.BOX)


def _opaque(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Return a picture with transparency on a paper, and what was special.

    Where the visible is of one colour, or the lesser part, it is the ink, whatever its colour;
    otherwise ink and paper are both visible, and the paper goes on.
    """
    values = np.asarray(image)
    alpha = values[..., 3]
    visible = values[alpha > 127][:, :3].astype(np.float32)
    if alpha.min() > 250:
        return image.convert('RGB'), []
    if not len(visible):
        raise NothingDrawnError('it is transparent all over, nothing is drawn in it')
    middle = np.median(visible, axis=0)
    spread = np.percentile(np.abs(visible - middle).max(1), 95)
    if spread < 60 or len(visible) < alpha.size / 2:
        drawn = alpha if middle.mean() > 127 else 255 - alpha
        return Image.fromarray(drawn).convert('RGB'), ['on a transparent ground']
    ground = Image.new('RGBA', image.size, (*(int(value) for value in middle), 255))
    return Image.alpha_composite(ground, image).convert('RGB'), ['on a transparent ground']
