# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Figures of few-shot images: accuracy over updates and over what was varied, pictures told."""

from collections.abc import Sequence
import math
from pathlib import Path
import textwrap
from typing import Any, NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
import numpy as np

from smallbot.few_shot.images.pictures import Picture, Support
from smallbot.plots.common.saving import Destination, save_figure
from smallbot.plots.common.sheet import (
    add_sheet,
    as_drawn,
    put_bar,
    put_frame,
    put_name,
    put_picture,
    put_words,
)
from smallbot.plots.common.style import (
    BAND,
    BLUE,
    COLOURS,
    INK,
    LINE,
    MARKERS,
    MUTED,
    SERIES,
    styled,
)
from smallbot.plots.sweep import AXES, draw_points, Panel

MOST_TOLD = 60
"""Pictures that `draw_told` shows."""
MOST_BARS = 6
"""Classes that it shows of each, the likeliest."""
MOST_LINES = 12
"""Lines on what was left out."""
TITLE = 0.09
"""From the frame of a panel up to its title, inches."""
FIRST, OTHER = BLUE, COLOURS['before']
_AXES = {**AXES, 'age': 'seconds between learning and telling'}
_MARKS = tuple(zip(SERIES, MARKERS))
_DASHES = tuple(zip(SERIES[2:] + (MUTED,), (
    '-.', (0, (7, 2)), (0, (1, 1)), (0, (4, 1, 1, 1, 1, 1)), (0, (10, 3, 2, 3)))))
_TICKS = (20, 50, 80, 90, 95, 98, 99, 100)
_STRETCHED = 90
"""Accuracy, %, above which the errors are what differs, and the axis is stretched."""
_NEAR = 0.5
"""Per cent beyond 100 where the stretched axis would end."""


class Shown(NamedTuple):
    """One task with its pictures and what was told."""

    support: np.ndarray
    """An example of each class: uint8 [ways, H, W], ink bright, or [ways, 3, H, W] in colour."""
    queries: np.ndarray
    """uint8 [ways, Q, H, W] or [ways, Q, 3, H, W], by the class that they are of."""
    answers: np.ndarray
    """Class that each query was told to be, int [ways * Q]."""
    names: Sequence[str]
    """Of the classes."""


@styled
def draw_accuracy(results: Sequence[tuple[str, dict[str, Any]]], shown: Shown, path: Path
                  ) -> None:
    """Draw accuracy over updates, and one task with its pictures, into a file.

    Parameters: `results`, each a label and what `few_shot.evaluation.summary` returned; one with
    `baselines`, a mapping of names to mappings with `accuracy`, adds a line for each of them.
    """
    left, plotted, top, between = 0.75, 3.3, 1.05, 0.35
    task = _TaskSheet(shown)
    key = 0.6 + 0.185 * (len(results) + len(_baselines(results)) + 1)
    tall = min(max(3.1, task.height - key), 5.5)
    figure = Figure(figsize=(left + plotted + between + task.width + 0.1,
                             top + max(tall + key, task.height) + 0.1))
    across, down = figure.get_size_inches()
    axis = figure.add_axes((left / across, 1 - (top + tall) / down, plotted / across,
                            tall / down))
    axis.legend(handles=_draw_updates(axis, results), loc='upper left',
                bbox_to_anchor=(-0.03, -0.55 / tall), frameon=False, fontsize=10,
                borderaxespad=0, borderpad=0, labelspacing=0.3, handlelength=2.6)
    sheet = add_sheet(figure, left + plotted + between, 0.65, task.width, down - 0.65)
    right = (_wanted(shown) == shown.answers).sum()
    put_words(sheet, 0, top - 0.65 - TITLE, f'one task: {right} of {len(shown.answers)} pictures '
              f'told right', 12, down='baseline')
    task.draw(sheet, top - 0.65)
    first = results[0][1]
    words = add_sheet(figure, 0, 0, across, 0.65)
    put_words(words, 0.12, 0.23, _tasks(first), 12, weight='bold')
    put_words(words, 0.12, 0.48, _made(first), 9, colour=MUTED)
    save_figure(figure, path)


@styled
def draw_accuracy_sweep(found: dict[str, Any], path: Destination) -> None:
    """Draw a sweep into a file: accuracy after the last and after the first update.

    Parameters: `found`, with what was varied, `sweep`, and `points`, summaries with a `value`.
    """
    points = found['points']
    first = points[0]
    last = len(first['accuracy']) - 1

    def panel(update: int) -> Panel:
        label = f'after {_count(update, "update")}, %'
        return Panel(f'accuracy {label}' if update == last else label, lambda point: {
            key: point['accuracy'][update][key] for key in ('mean', 'ci95')}, from_zero=False)

    draw_points(found['sweep'], _AXES[found['sweep']], points,
                [panel(update) for update in dict.fromkeys((last, min(1, last)))],
                f'{_tasks(first)} at each point, {first["synapses"]} synapses\n{_made(first)}',
                path)


@styled
def draw_told(pictures: Sequence[Picture], support: Support, probabilities: np.ndarray,
              path: Path, left_out: Sequence[str] = ()) -> None:
    """Draw pictures that were told into a file, each with its classes by probability.

    Parameters: `pictures` [Q]; `support`, what was learned from; `probabilities` [Q, ways];
    `left_out`, a line for each picture that was to be told and could not be.
    """
    count, ways = min(len(pictures), MOST_TOLD), len(support.names)
    columns = 1 if count <= 6 else 2 if count <= 16 else 3
    rows = math.ceil(count / columns)
    row = _Row(min(ways, MOST_BARS), [as_drawn(own[0].image.numpy()) for own in support.pictures],
               support.names)
    width, head = columns * row.width + 0.15, 0.98
    notes = _in_lines([*support.left_out, *left_out], int(16 * width))
    figure = Figure(figsize=(width, head + rows * row.height + 0.15 * len(notes) + 0.12))
    sheet = add_sheet(figure, 0, 0, width, figure.get_figheight())
    examples = sum(len(own) for own in support.pictures)
    put_words(sheet, 0.12, 0.23, f'{ways} classes learned from {_count(examples, "example")}',
              12, weight='bold')
    put_words(sheet, 0.12, 0.48, f'{_count(count, "picture")} told' if count == len(pictures)
              else f'the first {count} of {len(pictures)} pictures told', 10, colour=MUTED)
    for number in range(count):
        column, line = divmod(number, rows)
        left = 0.12 + column * row.width
        if line == 0:
            row.draw_head(sheet, left, head - 0.13)
        row.draw(sheet, left, head + line * row.height, pictures[number], probabilities[number])
    for number, line in enumerate(notes):
        put_words(sheet, 0.12, head + rows * row.height + 0.15 * number, line, 7, down='top',
                  colour=MUTED)
    save_figure(figure, path)


def _draw_updates(axis: Axes, results: Sequence[tuple[str, dict[str, Any]]]) -> list[Artist]:
    """Draw means and intervals over updates, and lines for what has none; returns the key."""
    most, key = 0.0, []
    longest = max(len(result['accuracy']) for _, result in results)
    for number, (label, result) in enumerate(results):
        colour, mark = _MARKS[number % len(_MARKS)]
        mean = np.array([after['mean'] for after in result['accuracy']])
        most = max(most, mean.max())
        # Side by side, as the intervals of good results lie on each other.
        x = np.arange(len(mean)) + 0.07 * (number - (len(results) - 1) / 2)
        low, high = np.transpose([after['ci95'] or (after['mean'],) * 2
                                  for after in result['accuracy']])
        key.append(axis.errorbar(
            x, mean, (mean - low, high - mean), color=colour, marker=mark, ms=5, lw=1.6,
            elinewidth=1.2, capsize=3, label=f'{label}: {_said(result["accuracy"][-1])}'))
    for number, (name, accuracy) in enumerate(_baselines(results)):
        colour, dashes = _DASHES[number % len(_DASHES)]
        most = max(most, accuracy['mean'])
        key.append(axis.axhline(accuracy['mean'], color=colour, ls=dashes, lw=1.3, zorder=1,
                                label=f'{name}: {_said(accuracy)}'))
    chance = 100 / results[0][1]['ways']
    key.append(axis.axhline(chance, color=INK, ls='--', lw=1, zorder=1,
                            label=f'chance: {chance:.3g} %'))
    axis.set(xlabel='updates', ylim=(0, 100), ylabel='accuracy, %', xlim=(-0.3, longest - 0.7))
    axis.set_xticks(range(longest))
    if most > _STRETCHED:
        axis.set_yscale('function', functions=(
            lambda y: -np.log(np.maximum(100 + _NEAR - y, _NEAR / 10)),
            lambda x: 100 + _NEAR - np.exp(-x)))
        axis.set(yticks=_TICKS, ylim=(0, 100 + _NEAR / 4),
                 ylabel='accuracy, % (stretched towards 100)')
        axis.yaxis.set_minor_locator(NullLocator())
    axis.set_title('accuracy over updates', fontsize=12, loc='left', pad=72 * TITLE)
    axis.xaxis.label.set_fontsize(11)
    axis.yaxis.label.set_fontsize(11)
    axis.tick_params(labelsize=10)
    return key


def _baselines(results: Sequence[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """Return names and accuracies of baselines, one that several results have in common once."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for label, result in results:
        for name, baseline in result.get('baselines', {}).items():
            accuracies = found.setdefault(name, [])
            if all(baseline['accuracy'] != other for _, other in accuracies):
                accuracies.append((label, baseline['accuracy']))
    return [(name if len(accuracies) == 1 else f'{name} ({label})', accuracy)
            for name, accuracies in found.items() for label, accuracy in accuracies]


def _said(accuracy: dict[str, Any]) -> str:
    if not accuracy['ci95']:
        return f'{accuracy["mean"]:.1f} %'
    low, high = accuracy['ci95']
    return f'{accuracy["mean"]:.1f} ± {(high - low) / 2:.1f} %'


def _tasks(result: dict[str, Any]) -> str:
    return (f'{_count(result["tasks"], "task")} of {_count(result["ways"], "class", "classes")}, '
            f'{_count(result["shots"], "example")} of each')


def _made(result: dict[str, Any]) -> str:
    way = 'transductive' if result['transductive'] else 'each picture by itself'
    return (f'model {result["model"]} ({result["weights"]}), normalised by statistics of '
            f'{result["statistics"]} ({way}), seed {result["seed"]}')


def _count(number: int, one: str, several: str | None = None) -> str:
    return f'{number:,} {one if number == 1 else several or one + "s"}'


def _wanted(shown: Shown) -> np.ndarray:
    ways, each = shown.queries.shape[:2]
    return np.repeat(np.arange(ways), each)


class _TaskSheet:
    """The confusion of one task in pictures: a row for each class, with all told to be of it."""

    def __init__(self, shown: Shown):
        self._shown = shown
        colour = shown.support.ndim == 4
        self._support = as_drawn(shown.support, colour)
        self._queries = as_drawn(shown.queries, colour).reshape(-1, *self._support.shape[1:])
        self._wanted = _wanted(shown)
        ways = len(self._support)
        self._side = 0.52 if ways <= 5 else 0.46 if ways <= 10 else 0.4
        self._pitch, self._line = self._side + 0.08, self._side + 0.2
        self._name = 1.1
        told = np.bincount(shown.answers, minlength=ways)
        self._across = int(min(max(told.max(), 4), max(6, shown.queries.shape[1] + 1), 8))
        self._lines = np.maximum(1, -(-told // self._across))
        # Two columns of classes where one would be long.
        self._columns = 1 if self._lines.sum() <= 12 else 2
        self._starts = self._divided()
        self._column = self._name + self._pitch * (1 + self._across) + 0.2
        self.width = self._columns * self._column + 0.2 * (self._columns - 1)
        heights = [self._line * self._lines[first:last].sum() + 0.08 * (last - first)
                   for first, last in self._starts]
        self._rows = max(heights)
        self.height = self._rows + 0.5

    def _divided(self) -> list[tuple[int, int]]:
        """Return the first class of each column and the one after its last."""
        ways = len(self._lines)
        if self._columns == 1:
            return [(0, ways)]
        half = int(np.argmin(np.abs(np.cumsum(self._lines) - self._lines.sum() / 2))) + 1
        return [(0, half), (half, ways)]

    def draw(self, sheet: Axes, top: float) -> None:
        for column, (first, last) in enumerate(self._starts):
            left, at = column * (self._column + 0.2), top
            for number in range(first, last):
                height = self._line * self._lines[number]
                self._draw_class(sheet, number, left, at, height)
                at += height + 0.08
        put_words(sheet, 0, top + self._rows + 0.06,
                  'Each row: a class, an example of it, and all that was told to be of it.\n'
                  'Dashed: told wrong, and the number of the class that it is.', 9, down='top',
                  colour=MUTED)

    def _draw_class(self, sheet: Axes, number: int, left: float, top: float, height: float
                    ) -> None:
        side, pitch = self._side, self._pitch
        put_bar(sheet, left, top, self._column, height, BAND)
        middle = top + 0.04 + side / 2
        put_words(sheet, left + 0.3, middle, str(number + 1), 11, 'right', weight='bold')
        words = self._shown.names[number].rsplit('/', 1)
        for line, part in enumerate(words):
            put_name(sheet, left + 0.36, middle + 0.13 * (line - (len(words) - 1) / 2), part,
                     self._name - 0.42, 8.5 if len(words) == 1 else 7.5)
        at = left + self._name
        place = put_picture(sheet, self._support[number], at, top + 0.04, side)
        put_frame(sheet, place, INK, 1.6)
        told = np.flatnonzero(self._shown.answers == number)
        right = self._wanted[told] == number
        for k, query in enumerate(np.concatenate([told[right], told[~right]])):
            line, column = divmod(k, self._across)
            place = put_picture(sheet, self._queries[query], at + 0.15 + (1 + column) * pitch,
                                top + 0.04 + line * self._line, side)
            if k < right.sum():
                put_frame(sheet, place)
                continue
            put_frame(sheet, place, COLOURS['after'], 1.6, (0, (3, 1.5)))
            put_words(sheet, place[0] + place[2] / 2, place[1] + place[3] + 0.09,
                      f'is {self._wanted[query] + 1}', 7.5, 'center', colour=COLOURS['after'],
                      weight='bold')


class _Row:
    """How a picture that was told is shown: itself, what the network saw, the classes.

    Parameters: `bars`, how many classes; `icons`, an example of each class [H, W, 3].
    """

    side, pitch, width = 0.95, 0.235, 5.4

    def __init__(self, bars: int, icons: Sequence[np.ndarray], names: Sequence[str]):
        self._bars, self._icons, self._names = bars, icons, names
        self._rest = len(names) - bars
        self._list = self.pitch * bars + (0.17 if self._rest else 0)
        self.height = 0.2 + max(self.side, self._list) + 0.18

    def draw_head(self, sheet: Axes, left: float, middle: float) -> None:
        for at, words in ((0, 'picture'), (self.side + 0.12, 'as it was seen'),
                          (2 * self.side + 0.36, 'classes, the likeliest first')):
            put_words(sheet, left + at, middle, words, 9, colour=MUTED)
        line = middle + 0.13
        sheet.plot([left, left + self.width - 0.2], [line, line], color=LINE, lw=0.8)

    def draw(self, sheet: Axes, left: float, top: float, picture: Picture,
             probabilities: np.ndarray) -> None:
        put_name(sheet, left, top + 0.12, picture.name, 2 * self.side + 0.2, 8)
        top += 0.22
        seen = as_drawn(picture.image.numpy())
        for at, drawn, smooth in ((0, picture.original, True),
                                  (self.side + 0.12, seen, False)):
            put_frame(sheet, put_picture(sheet, drawn, left + at, top, self.side, smooth))
        left += 2 * self.side + 0.36
        top += max(0, self.side - self._list) / 2
        likeliest = np.argsort(-probabilities, kind='stable')[:self._bars]
        for number, k in enumerate(likeliest):
            self._draw_bar(sheet, left, top + self.pitch * number, k, float(probabilities[k]),
                           number == 0)
        if self._rest:
            put_words(sheet, left + 0.27, top + self.pitch * self._bars + 0.08,
                      f'{_count(self._rest, "other")}: '
                      f'{_percent(1 - float(probabilities[likeliest].sum()))}', 8, colour=MUTED)

    def _draw_bar(self, sheet: Axes, left: float, top: float, k: int, share: float, first: bool
                  ) -> None:
        icon = self.pitch - 0.025
        put_frame(sheet, put_picture(sheet, self._icons[k], left, top, icon), lw=0.5)
        middle, begin, longest = top + icon / 2, left + 1.3, 0.95
        put_name(sheet, left + 0.27, middle, self._names[k], 0.97, 8.5,
                 'bold' if first else 'normal')
        put_bar(sheet, begin, top + 0.04, longest, icon - 0.08, BAND)
        put_bar(sheet, begin, top + 0.04, longest * share, icon - 0.08, FIRST if first else OTHER)
        put_words(sheet, begin + longest + 0.06, middle, _percent(share), 8.5,
                  weight='bold' if first else 'normal')


def _percent(share: float) -> str:
    """Return a share in words that are never certain of what is not."""
    if share < 0.001:
        return '< 0.1 %'
    if share > 0.999:
        return '> 99.9 %'
    return f'{100 * share:.{0 if 0.0995 <= share < 0.99 else 1}f} %'


def _in_lines(messages: Sequence[str], letters: int) -> list[str]:
    """Return what was left out as lines of so many letters, at most `MOST_LINES` of them."""
    lines = [line for message in messages for line in textwrap.wrap(
        message, letters, subsequent_indent='    ')]
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES - 1],
                 f'and {_count(len(lines) - MOST_LINES + 1, "more line")} on what was left out']
    return lines
