# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What was shown against what was played: the figures of one demonstration on an arm."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.samples import Demonstration
from smallbot.demonstration.trial_grid import trial_positions
from smallbot.experiment.figures import spread
from smallbot.one_shot.figures import path_rmse_cm, velocity_rmse
from smallbot.one_shot.model import OneShotModel
from smallbot.snn.filters import filtered


@dataclass
class Course:
    """What has been seen of one demonstration, from the guiding hand to the playback."""

    demonstration: Demonstration | None = None
    """As recorded."""
    stamps: list[int] = field(default_factory=list)
    """Of the arm's positions while executing, ns."""
    positions: list[np.ndarray] = field(default_factory=list)
    """[J] each, rad."""
    spikes_before: np.ndarray | None = None
    """[E, 2] step and neuron, in the trial before the update."""
    spikes_after: list[np.ndarray] = field(default_factory=list)
    """Likewise, in the playback, in pieces as they came."""
    programmed: dict[str, str] = field(default_factory=dict)
    """What the controller said the update wrote."""
    updates: int = 0
    """How often it said so."""
    began: int = 0
    """When the playback began, ns."""
    duration: float = 0.0
    """How long it took, s."""
    learn_seconds: float = 0.0
    bag: str = ''
    shown: str = ''
    """Name of what the hand showed."""


@dataclass(frozen=True)
class Reproduction:
    """Paths on the trial's grid, spikes, and the report."""

    joints: tuple[str, ...]
    time: np.ndarray
    """[T], s, of the playback."""
    position: dict[str, np.ndarray]
    """`demonstrated`, `before`, `after`, `arm`: [T, J], rad."""
    velocity: dict[str, np.ndarray]
    """Of the same, [T, J], rad/s of the playback's time."""
    tip: dict[str, np.ndarray]
    """Tool tip of the same, [T, 3], m."""
    spikes: dict[str, np.ndarray]
    """`before` and `after`, [E, 2] step and neuron."""
    report: dict[str, Any]

    def headline(self) -> str:
        """Return the result in one line."""
        error = self.report['tip_rmse_cm']
        return (f'5/5 tool tip: {error["before"]["mean"]:.1f} cm off before the update, '
                f'{error["after"]["mean"]:.1f} cm after; the arm itself '
                f'{self.report["arm_tip_rmse_cm"]:.1f} cm')


def readout(model: OneShotModel, spikes: np.ndarray) -> np.ndarray:
    """Return the velocities [T, J], rad/s of nominal time, that spikes [E, 2] are read out as."""
    raster = torch.zeros(model.steps, model.n)
    if len(spikes):
        events = torch.as_tensor(spikes, dtype=torch.long)
        raster[events[:, 0], events[:, 1]] = 1.0
    return filtered(raster @ model.weights['readout'].T, model.config.readout_decay).numpy()


def reproduction(model: OneShotModel, arm: Arm, course: Course, synapses: str = 'chip',
                 arm_name: str = 'kinematic', seed: int = 0, emulated: bool = False
                 ) -> Reproduction:
    """Compare a course with its demonstration.

    The network's own velocities are read out of its spikes and integrated from the
    demonstration's start; the arm's path is what its joint states said during the playback.
    `emulated` notes that a real arm's controller was played by the emulator.
    """
    shown = course.demonstration
    arm = shown.posed(arm)
    target = trial_positions(shown, model.steps)
    duration = course.duration
    step = duration / model.steps
    after = (np.concatenate(course.spikes_after) if course.spikes_after
             else np.zeros((0, 2), dtype=int))
    spikes = {'before': course.spikes_before, 'after': after}
    positions = {'demonstrated': target}
    for key, events in spikes.items():
        moves = np.cumsum(readout(model, events), axis=0) * model.step_seconds
        positions[key] = target[0] + np.vstack([np.zeros(len(arm.driven)), moves])
    measured = np.array(course.positions)
    times = (np.array(course.stamps, dtype=np.int64) - course.began) * 1e-9
    grid = np.arange(model.steps + 1) * step
    positions['arm'] = np.stack([np.interp(grid, times, column) for column in measured.T], axis=1)
    velocity = {key: np.diff(path, axis=0) / step for key, path in positions.items()}
    tip = {key: arm.tip(torch.as_tensor(path[1:])) for key, path in positions.items()}
    error = {key: float(path_rmse_cm(path, tip['demonstrated'])) for key, path in tip.items()}
    wrong = velocity_rmse(velocity['after'], velocity['demonstrated'])
    said = course.programmed
    expected = _number(said.get('expected_tip_rmse_cm'))
    written, total = float(said['cells_written']), float(said['cells_total'])
    report = {
        'synapses': synapses, 'tasks': 1,
        'tip_rmse_cm': {key: spread([error[key]]) for key in ('before', 'after')},
        'expected_tip_rmse_cm': None if expected is None else spread([expected]),
        'velocity_rmse': {joint: {'mean': float(value), 'sd': 0.0}
                          for joint, value in zip(arm.driven, wrong)},
        'cells_written': {'mean': written, 'fraction': written / total},
        'devices_written': _number(said.get('devices_written')),
        'pulses': _number(said.get('pulses')),
        'energy_uj': _number(said.get('energy_uj')),
        'learn_seconds': course.learn_seconds,
        'updates': course.updates, 'seed': seed, 'model': model.name, 'weights': model.digest,
        'arm': arm_name, 'arm_tip_rmse_cm': error['arm'],
        'demonstration': {'shown': course.shown, 'source': shown.source, 'digest': shown.digest,
                          'seconds': shown.duration, 'joints': list(shown.joints)},
        'duration': duration, 'bag': course.bag,
    }
    if emulated:
        report['emulated'] = True
    return Reproduction(arm.driven, grid[1:],
                        {key: path[1:] for key, path in positions.items()}, velocity,
                        {key: path.numpy() for key, path in tip.items()}, spikes, report)


def _number(text: str | None) -> float | None:
    return None if text in (None, 'None') else float(text)
