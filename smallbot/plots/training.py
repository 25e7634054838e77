# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The figure of a session of training: its measure over iterations, and validations."""

from typing import Any

from matplotlib.figure import Figure

from smallbot.plots.common.saving import Destination, save_figure
from smallbot.plots.common.style import BLUE, put_title, styled, VERMILION

FEW = 30
"""Points below which each is marked."""
_LABELS = {'tip_cm': 'tool-tip error, cm', 'accuracy': 'accuracy, %',
           'error_percent': 'told wrong, %'}


@styled
def draw_training(result: dict[str, Any], path: Destination) -> None:
    """Draw a session into a file.

    Parameters: `result`, what `cli.common.training` says of the run: `course`, `validations` and
    how far it is.
    """
    figure = Figure(figsize=(7.4, 4.6), layout='constrained')
    axis = figure.subplots()
    course = result['course']
    key = course['figure']
    style = 'o-' if len(course['values']) < FEW else '-'
    drawn = axis.plot(course['iterations'], course['values'], style, ms=3, color=VERMILION,
                      label='on what it trains with')
    axis.set(xlabel='iterations', ylabel=_LABELS[key])
    if result['validations']:
        seen = next(name for name in result['validations'][0] if name in _LABELS)
        # Another measure gets an axis of its own.
        other = axis if seen == key else axis.twinx()
        drawn += other.plot([one['iteration'] for one in result['validations']],
                            [one[seen] for one in result['validations']], 's', color=BLUE, ms=5,
                            label=f'validation: {_LABELS[seen]}')
        if other is not axis:
            other.set_ylabel(_LABELS[seen])
            other.grid(False)
            other.spines['right'].set_visible(True)
    axis.legend(handles=drawn, loc='lower left', bbox_to_anchor=(0, 1), ncol=2)
    put_title(figure, 'Training', f'{result["iterations"]} of {result["planned"]} iterations, '
                                  f'{result["training_seconds"]:.0f} s, seed {result["seed"]}')
    save_figure(figure, path)
