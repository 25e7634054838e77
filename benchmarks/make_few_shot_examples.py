# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Make the pictures of `smallbot few-shot classify`'s example from people's pen movements.

    python benchmarks/make_few_shot_examples.py omniglot_pen_strokes.npz [--out DIR] [--seed 7]

The movements are those of Omniglot's Greek letters, an alphabet of the test split, with the
tablet's time left out. Each is drawn as somebody may bring it: photographed on paper in uneven
light, with chalk on a board, with a marker, or on a screen. The movements are real, the
photographs are rendered. Licence and citation lie beside the pictures that are shipped.
"""

import argparse
from dataclasses import dataclass
import io
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from smallbot.files.writing import made_folder, write_atomically

LETTERS = ('alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta', 'eta', 'theta', 'iota', 'kappa',
           'lambda', 'mu', 'nu', 'xi', 'omicron', 'pi', 'rho', 'sigma', 'tau', 'upsilon', 'phi',
           'chi', 'psi', 'omega')
SUPPORT = {
    'alpha': ((2, 'note'), (9, 'ruled'), (14, 'screen')),
    'delta': ((3, 'paper'), (8, 'board'), (17, 'squared')),
    'lambda': ((5, 'board'), (11, 'note'), (16, 'marker')),
    'psi': ((1, 'squared'), (6, 'screen'), (13, 'paper')),
    'omega': ((4, 'marker'), (10, 'paper'), (19, 'black')),
}
"""Drawer and style of each example."""
UNKNOWN = (('omega', 12, 'ruled'), ('alpha', 7, 'board'), ('psi', 18, 'note'),
           ('delta', 15, 'paper'), ('lambda', 20, 'transparent'), ('alpha', 6, 'squared'))


@dataclass(frozen=True)
class Style:
    """What is drawn on, with what, and how it became a file."""

    size: tuple[int, int]
    """Width and height, px."""
    extent: float
    """Larger extent of the letter, share of the shorter side."""
    pen: float
    """Width of a stroke, px."""
    ground: tuple[int, int, int]
    ink: tuple[int, int, int]
    light: float = 0.0
    """Share of the light that is missing in the darkest corner."""
    grain: float = 0.0
    """Standard deviation of the ground's brightness."""
    chalk: float = 0.0
    """Standard deviation of how much the pen leaves."""
    rule: int = 0
    """Distance of ruled lines, px."""
    squared: bool = False
    quality: int = 0
    """Of JPEG; 0: PNG."""


STYLES = {
    'paper': Style((420, 360), 0.6, 4.5, (238, 234, 226), (38, 42, 96), 0.4, 0.015, 0.1,
                   quality=62),
    'note': Style((340, 340), 0.7, 5, (243, 226, 120), (60, 40, 40), 0.3, 0.015, 0.1, quality=60),
    'ruled': Style((480, 360), 0.55, 4, (240, 240, 236), (30, 30, 40), 0.35, 0.012, 0.1, 44,
                   quality=58),
    'squared': Style((440, 380), 0.6, 4.5, (240, 240, 236), (30, 40, 110), 0.35, 0.012, 0.1, 27,
                     True, 58),
    'board': Style((400, 320), 0.75, 7, (44, 66, 56), (232, 232, 222), 0.25, 0.03, 0.45,
                   quality=58),
    'marker': Style((300, 320), 0.8, 18, (246, 246, 244), (170, 30, 40), 0.15, 0.005, 0.05,
                    quality=70),
    'screen': Style((256, 256), 0.8, 6, (255, 255, 255), (0, 0, 0)),
    'black': Style((280, 220), 0.75, 3, (0, 0, 0), (255, 255, 255)),
    'transparent': Style((300, 300), 0.7, 9, (0, 0, 0), (0, 0, 0)),
}


def letter(strokes: dict[str, np.ndarray], name: str, drawer: int) -> list[np.ndarray]:
    """Return the strokes of a letter, [S, 2] each, y downwards, the larger extent 1, centred."""
    greek = list(strokes['alphabet_names']).index('Greek')
    character = np.flatnonzero(strokes['character_alphabet'] == greek)[LETTERS.index(name)]
    drawing = np.flatnonzero((strokes['drawing_character'] == character)
                             & (strokes['drawing_drawer'] == drawer))[0]
    rows = strokes['drawing'] == drawing
    path = strokes['x_y'][rows].astype(float) * (1, -1)
    low, high = path.min(0), path.max(0)
    path = (path - (low + high) / 2) / (high - low).max()
    stroke = strokes['stroke'][rows]
    return [path[stroke == number] for number in np.unique(stroke)]


def drawn(strokes: list[np.ndarray], style: Style, chance: np.random.Generator) -> np.ndarray:
    """Return how much ink covers each pixel [H, W], 0..1."""
    over, (wide, high) = 3, style.size
    turn, scale = chance.normal(0, 0.06), style.extent * min(style.size)
    turned = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    middle = np.array([wide, high]) / 2 + chance.uniform(-0.06, 0.06, 2) * min(style.size)
    canvas = Image.new('L', (wide * over, high * over))
    draw, pen = ImageDraw.Draw(canvas), style.pen * over
    for stroke in strokes:
        points = (stroke @ turned.T * scale + middle) * over
        if len(points) > 9:  # the tablet's staircase
            points[1:-1] = ndimage.uniform_filter1d(points, 5, axis=0, mode='nearest')[1:-1]
        draw.line([tuple(point) for point in points], 255, round(pen), 'curve')
        for x, y in points:
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), 255)
    ink = np.asarray(canvas.resize(style.size, Image.Resampling.BOX), float) / 255
    if style.chalk:
        ink = np.clip(ink * (1 - style.chalk / 3 + style.chalk * rough(ink.shape, 1.1, chance)),
                      0, 1)
    return ink


def rough(shape: tuple[int, ...], fineness: float, chance: np.random.Generator) -> np.ndarray:
    """Return noise of standard deviation 1, smooth over some pixels."""
    noise = ndimage.gaussian_filter(chance.normal(size=shape), fineness)
    return noise / noise.std()


def photographed(ink: np.ndarray, style: Style, chance: np.random.Generator) -> np.ndarray:
    """Return the picture [H, W, 3] uint8 of a drawing."""
    high, wide = ink.shape
    down, right = np.mgrid[:high, :wide]
    ground = np.ones((high, wide, 3)) * style.ground
    if style.rule:
        lean = math.tan(chance.normal(0, 0.015))
        lines = (down + lean * right) % style.rule < 1.3
        if style.squared:
            lines |= (right - lean * down) % style.rule < 1.3
        lines = ndimage.gaussian_filter(lines.astype(float), 0.6)[..., None]
        ground = ground * (1 - lines) + lines * (150, 175, 215)
    if style.grain:
        grain = rough(ink.shape, 1.0, chance) + 0.7 * rough(ink.shape, 14.0, chance)
        ground = ground * (1 + style.grain * grain[..., None])
    picture = ground * (1 - ink[..., None]) + ink[..., None] * style.ink
    if style.light:
        towards = chance.uniform(0, 2 * math.pi)
        slope = (right / wide - 0.5) * math.cos(towards) + (down / high - 0.5) * math.sin(towards)
        picture *= (1 - style.light * np.clip(slope + 0.5, 0, 1))[..., None]
        picture = ndimage.gaussian_filter(picture, (0.7, 0.7, 0))
        picture += chance.normal(0, 1.5, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def encoded(picture: np.ndarray, ink: np.ndarray, name: str, style: Style) -> tuple[str, bytes]:
    """Return the suffix and the content of a picture's file."""
    content = io.BytesIO()
    if style.quality:
        Image.fromarray(picture).save(content, 'JPEG', quality=style.quality, optimize=True)
        return '.jpg', content.getvalue()
    if name == 'transparent':
        level = np.zeros_like(picture[..., :2])
        level[..., 1] = 255 * ink
        Image.fromarray(level, 'LA').save(content, 'PNG', optimize=True)
    else:
        Image.fromarray(picture).convert('L').save(content, 'PNG', optimize=True)
    return '.png', content.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('strokes', type=Path, help='omniglot_pen_strokes.npz')
    parser.add_argument('--out', type=Path, default=Path(__file__).parents[1] / 'smallbot'
                        / 'few_shot' / 'images' / 'examples',
                        help='folder of support/ and unknown/')
    parser.add_argument('--seed', type=int, default=7)
    options = parser.parse_args()
    with np.load(options.strokes, allow_pickle=False) as archive:
        strokes = {key: archive[key] for key in archive.files}
    chance = np.random.default_rng(options.seed)
    wanted = [(f'support/{name}/{number}', name, drawer, style)
              for name, examples in SUPPORT.items()
              for number, (drawer, style) in enumerate(examples, 1)]
    wanted += [(f'unknown/{number}', *one) for number, one in enumerate(UNKNOWN, 1)]
    total = 0
    for place, name, drawer, how in wanted:
        style = STYLES[how]
        ink = drawn(letter(strokes, name, drawer), style, chance)
        suffix, content = encoded(photographed(ink, style, chance), ink, how, style)
        path = options.out / (place + suffix)
        made_folder(path.parent)
        write_atomically(path, content)
        total += len(content)
    print(f'{len(wanted)} pictures, {total / 1000:.0f} kB, in {options.out}')


if __name__ == '__main__':
    main()
