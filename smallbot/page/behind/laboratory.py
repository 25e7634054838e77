# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the page asks of chips in thought: what ageing and faults do to a movement; characters.

A process of its own with the lowest priority, so that no question is felt by the arm. The answers
come from what `smallbot evaluate` and `smallbot few-shot classify` use.
"""

from collections.abc import Sequence
import os
from typing import Any

import numpy as np
import torch

from smallbot.demonstration.drawing_plane import DrawingPlane
from smallbot.errors import InputError
from smallbot.few_shot.classifier import Classifier
from smallbot.few_shot.evaluation import ImageConditions, prepared
from smallbot.few_shot.images.strokes import redrawn, SIDE
from smallbot.few_shot.model import ImageModel, load_image_model
from smallbot.one_shot.families import from_positions
from smallbot.one_shot.model import arm_of, load_model
from smallbot.page.behind.child import Line, Message, serve
from smallbot.page.behind.choice import Chosen
from smallbot.page.behind.scene import packed
from smallbot.study.conditions import Conditions
from smallbot.study.evaluation import evaluate, Performance, tool_tips

NICE = 15
CHIPS = 5
"""Chips that a question is asked of, each with devices of its own."""
SEED = 1
"""Of the first of them; the chip that plays has seed 0 unless told otherwise."""
BOUNDS = {'age': (1.0, 1e9), 'stuck': (0.0, 0.3), 'noise': (0.0, 4.0)}
"""Of what is asked."""
WAYS = (2, 5)
"""Fewest and most characters that are taught."""
PEN = 0.03
"""Width of a drawn line, share of the square that is drawn in."""
APART = 0.004
"""Distance of points that a line is made of, in the same unit."""
MOST_STROKES, MOST_POINTS = 40, 5000
"""Of a character."""


class _SupersededError(Exception):
    """The same has been asked again."""


class Laboratory:
    """See docs/reference/page.md."""

    def __init__(self, line: Line, chosen: Chosen):
        self._line = line
        self._chosen = chosen
        self._model = load_model(chosen.model)
        self._arm = arm_of(self._model.config)
        self._plane = DrawingPlane.of(self._arm)
        self._shown: tuple[np.ndarray, dict[str, float]] | None = None
        """Positions [T + 1, J], rad, and where other joints were held."""
        self._images: ImageModel | None = None
        self._classifier: Classifier | None = None

    def run(self) -> None:
        """Serve until the page has gone."""
        self._line.say({'wants': 'shown'})
        serve(self._line, {'ask': self._ask, 'teach': self._teach, 'tell': self._tell},
              {'shown': self._take}, latest=frozenset({'ask'}))

    def _take(self, ask: Message) -> dict[str, Any]:
        """Take the movement that questions are about."""
        value = ask['value']
        self._shown = np.array(value['positions'], dtype=float), dict(value['held'])
        return {}

    def _ask(self, ask: Message) -> dict[str, Any]:
        if self._shown is None:
            raise InputError('nothing has been shown yet: draw a movement, or choose one')
        values = {name: _number(ask, name, *bounds) for name, bounds in BOUNDS.items()
                  if name in ask}
        kind = ask.get('synapses', self._chosen.synapses)
        if kind not in ('chip', 'software'):
            raise InputError(f'synapses {kind!r}: expected chip or software')
        if kind == 'software':
            values = {}
        conditions = Conditions(synapses=kind, **values)
        positions, held = self._shown
        model, arm, chips = self._model, self._arm, CHIPS if kind == 'chip' else 1
        one = from_positions(torch.as_tensor(positions)[None], model.config.step_seconds)
        movements = one.chosen([0] * chips)._replace(held=(held,) * chips)

        def look(number: int, done: Performance) -> None:
            if self._line.superseded(ask):
                raise _SupersededError

        try:
            found = evaluate(model, arm, movements, conditions, SEED, look)
        except _SupersededError:
            return {'superseded': True}
        errors = np.array([each.tip_rmse_cm for each in found])
        middle = int(np.argsort(errors[:, 1])[(chips - 1) // 2])
        tip = tool_tips(arm, movements, {middle: found[middle]})['after'][0]
        return {'text': f'{np.median(errors[:, 1]):.1f} cm, {chips} chips',
                'tip_rmse_cm': float(np.median(errors[:, 1])),
                'before': float(np.median(errors[:, 0])),
                'spread': [float(errors[:, 1].min()), float(errors[:, 1].max())],
                'chips': chips, 'tip': np.round(tip, 5).tolist(),
                'plane': np.round(self._plane.on(tip), 5).tolist()}

    def _teach(self, ask: Message) -> dict[str, Any]:
        characters = ask.get('characters')
        fewest, most = WAYS
        if not isinstance(characters, list) or not fewest <= len(characters) <= most:
            raise InputError(f'expected {fewest} to {most} characters to learn')
        images = torch.stack([_picture(strokes, f'character {number}')
                              for number, strokes in enumerate(characters, start=1)])
        if self._images is None:
            self._images = load_image_model('omniglot')
        conditions = ImageConditions(synapses=self._chosen.synapses)
        classifier = prepared(self._images, len(images), conditions, self._chosen.seed)
        learned = classifier.learn(images[:, None], torch.arange(len(images)))
        classifier.wait(conditions.age)
        self._classifier = classifier
        energy = [write.energy_uj for write in learned.writes]
        return {'text': f'{len(images)} characters learned', 'seconds': learned.seconds,
                'cells': sum(write.cells for write in learned.writes),
                'energy_uj': None if None in energy else sum(energy),
                'seen': [_seen(image) for image in images]}

    def _tell(self, ask: Message) -> dict[str, Any]:
        if self._classifier is None:
            raise InputError('no characters have been learned yet')
        image = _picture(ask.get('character'), 'the character')
        chances = self._classifier.told(image[None, None])[0]
        best = int(chances.argmax())
        return {'text': f'it is character {best + 1}', 'probabilities': chances.tolist(),
                'seen': _seen(image)}


def _picture(strokes: Any, what: str) -> torch.Tensor:
    """Return a character drawn in the unit square, y down, as the network sees one [28, 28]."""
    if not isinstance(strokes, list) or len(strokes) > MOST_STROKES:
        raise InputError(f'{what}: expected at most {MOST_STROKES} strokes, [[x, y], ...] each')
    points = [_points(stroke, what) for stroke in strokes if stroke]
    if not points:
        raise InputError(f'{what} is empty: draw it')
    return torch.from_numpy(redrawn(np.concatenate(points), PEN))


def _points(stroke: Sequence[Sequence[float]], what: str) -> np.ndarray:
    """Return the points (row, column) [P, 2] of a stroke, close to each other."""
    try:
        corners = np.array(stroke, dtype=float)[:MOST_POINTS]
    except (TypeError, ValueError):
        raise InputError(f'{what}: expected strokes of [x, y]') from None
    if corners.ndim != 2 or corners.shape[1] != 2 or not np.isfinite(corners).all():
        raise InputError(f'{what}: expected strokes of finite [x, y]')
    corners = np.clip(corners, 0, 1)
    length = np.concatenate([[0], np.linalg.norm(np.diff(corners, axis=0), axis=1).cumsum()])
    at = np.linspace(0, length[-1], 2 + int(length[-1] / APART))
    return np.stack([np.interp(at, length, corners[:, axis]) for axis in (1, 0)], axis=1)


def _seen(image: torch.Tensor) -> str:
    assert image.shape == (SIDE, SIDE)
    return packed((255 * image.numpy()).astype(np.uint8))


def _number(ask: Message, name: str, low: float, high: float) -> float:
    value = ask[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f'{name} {value!r}: expected a number from {low:g} to {high:g}')
    return float(value)


def main(line: Line, chosen: Chosen) -> None:
    """Run until the page has gone."""
    os.nice(NICE)
    torch.set_num_threads(1)
    Laboratory(line, chosen).run()
