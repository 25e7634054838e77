"""The figure of a session of training: its measure over iterations, and validations."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
import numpy as np

from smallbot.plots.common.saving import save_figure
from smallbot.plots.common.style import BLUE, COLOURS, put_title, styled, VERMILION

SMOOTHED = 50
"""Iterations of the running mean."""
_LABELS = {'tip_cm': 'tool-tip error, cm', 'accuracy': 'accuracy, %',
           'error_percent': 'told wrong, %'}


@styled
def draw_training(result: dict[str, Any], first: int, course: Sequence[float], figure_of: str,
                  form: str, path: Path) -> None:
    """Draw a session into a file.

    Parameters: `result`, what `--json` gets of the run; `first`, the iteration at which the
    session began; `course`, its figure of each iteration, called `figure_of`, said by `form`.
    """
    figure = Figure(figsize=(7.4, 4.6), layout='constrained')
    axis = figure.subplots()
    values = np.asarray(course)
    iterations = first + 1 + np.arange(len(values))
    validations = result['validations']
    axis.plot(iterations, values, color=COLOURS['before'], lw=0.6, label='each batch, on training')
    if len(values) > SMOOTHED:
        mean = np.convolve(values, np.full(SMOOTHED, 1 / SMOOTHED), 'valid')
        axis.plot(iterations[SMOOTHED - 1:], mean, color=VERMILION,
                  label=f'mean of {SMOOTHED}')
    axis.set(xlabel='iterations', ylabel=_LABELS[figure_of])
    if validations:
        key = next(key for key in validations[0] if key not in ('iteration', 'seconds'))
        # Another measure gets an axis of its own.
        other = axis if key == figure_of else axis.twinx()
        other.plot(*zip(*((seen['iteration'], seen[key]) for seen in validations)), 's', color=BLUE, ms=5,
                   label=f'validation: {_LABELS[key]}')
        if other is not axis:
            other.set_ylabel(_LABELS[key])
            other.grid(False)
            other.spines['right'].set_visible(True)
    figure.legend(loc='outside lower center', ncols=3)
    said = [f'{result["iterations"]} of {result["planned"]} iterations',
            f'{result["training_seconds"]:.0f} s', f'seed {result["seed"]}']
    recent = result[f'recent_{figure_of}']
    if recent is not None:
        said.insert(1, f'{form.format(recent)} at the end')
    put_title(figure, 'Training', ', '.join(said))
    save_figure(figure, path)
