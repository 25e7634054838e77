# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The words of results: what each figure is called, its unit, and its definition.

The definitions are those of `docs/reference/figures.md`, shortened to what fits beside a figure.
"""

from typing import NamedTuple


class Term(NamedTuple):
    """What one field of a result means."""

    said: str
    unit: str
    definition: str
    places: int = 2
    """Digits behind the point."""


ERROR = ('root of the mean over time of the squared distance between the tool tip reached and the '
         'tool tip demonstrated')
TERMS = {
    'tip_rmse_cm.after': Term('tool-tip error after one update', 'cm', ERROR),
    'tip_rmse_cm.before': Term('tool-tip error before the update', 'cm', ERROR),
    'expected_tip_rmse_cm': Term('expected tool-tip error', 'cm', 'the same as the rehearsal on '
                                 'the chip expects it, before the arm moves'),
    'arm_tip_rmse_cm': Term('tool-tip error of the arm', 'cm', 'the same of what the arm made of '
                            'the commands'),
    'velocity_rmse': Term('velocity error', 'rad/s', 'root of the mean squared difference of '
                          'velocities of the joint', 3),
    'cells_written': Term('cells written', '', 'cells of the chip that received at least one '
                          'pulse during the update', 0),
    'devices_written': Term('devices written', '', 'phase-change devices that did', 0),
    'pulses': Term('pulses', '', 'programming pulses of the update', 0),
    'energy_uj': Term('energy', 'µJ', 'of the update, an upper bound'),
    'write_seconds': Term('time of writing', 's', 'on the chip', 4),
    'learn_seconds': Term('time of learning', 's', 'computing on this machine, from the '
                          'demonstration to the programmed chip', 3),
    'classify_seconds': Term('time of telling', 's', 'computing for one image', 4),
    'updates': Term('updates', '', 'of the weights', 0),
    'accuracy': Term('told right', '%', 'share of images of which the class was told right'),
    'devices': Term('devices', '', 'of the unit cells in use', 0),
    'iterations': Term('iterations', '', 'of training', 0),
    'training_seconds': Term('time of training', 's', 'interruptions left out', 0),
    'tip_cm': Term('tool-tip error at the validation', 'cm', 'mean after one update, on unseen '
                   'movements, with exact weights'),
    'error_percent': Term('told wrong at the validation', '%', 'of images of unseen classes'),
    'tasks': Term('tasks', '', 'movements, or sets of classes, that it was measured on', 0),
    'duration': Term('duration', 's', 'of the playback'),
}
"""By field; where a field has parts, they are called field.part."""

CONDITIONS = {
    'synapses': 'synapses', 'law': 'law of the devices', 'age_seconds': 'age at reading, s',
    'noise': "noise, times the law's", 'stuck_devices': 'share of stuck devices',
    'rounding': 'rounding of the update', 'step': 'step of the rounding',
    'recalibrated': 'calibrated again before reading', 'cells_allowed': 'share of cells allowed',
    'same_chip': 'one chip for all', 'statistics': 'statistics of normalisation',
    'transductive': 'transductive', 'arm': 'arm', 'time_scale': 'time scale',
    'correction': 'correction, 1/s', 'family': 'family of movements', 'part': 'part of the data',
    'ways': 'classes of a task', 'shots': 'examples of a class', 'images': 'images',
    'processes': 'processes', 'threads': 'threads'}
"""Fields that say how something was measured."""

SWEPT = {'noise': ('noise of the devices, times their law', 'noise'),
         'stuck': ('share of stuck devices', 'stuck_devices'),
         'age': ('age at reading, s', 'age_seconds'),
         'cells': ('share of cells that may be written', 'cells_allowed'),
         'step': ('step of the rounding', 'step')}
"""What a sweep varies: in words, and the field of each point that says it too."""
