# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The real arm's joints as they were measured: references in, position counters out.

A first-order lag and a settled gain per joint, a highest speed, slack in the elbow, whole
references and counters; a fit to the public logs of 2026 with 1.1 to 1.4 degrees left over (0.5
at the wrist), so indicative only. Also how slowly a movement must be played so that they follow.
Not here: gravity, load, temperature, contact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np

from smallbot.ed_scorbot.convention import CENTRE, CONVENTIONS, JOINTS
from smallbot.errors import InputError
from smallbot.one_shot.playback import SLOPE_OVER

LONGEST_PART = 0.005
"""Longest time the slack is carried over at once, s."""
SHARE = 0.7
"""Share of a joint's fastest speed that a movement may ask for: the rest is for the spikes of the
network, the gain and the correction. On 10 Brownian movements with correction 1/s this adds 0.5
cm to the network's own error, at a mean scale of 2.9; 0.9 adds 0.6 cm at 2.5, 1.2 adds 0.7 cm at
2.1. On 10 pen strokes nothing is added, at 4.5, 3.8 and 3.2."""


@dataclass(frozen=True)
class ServoLaw:
    """What was measured of J1 to J4, each array [4]."""

    lag: np.ndarray
    """Time constant, s; fitted to single-joint steps of 10 degrees."""
    counts_per_reference: np.ndarray
    """Settled change of the counter by one reference; with the published factors of 2026 this is
    a gain of 1.045, 1.047, 1.077 and 1.017."""
    slack: np.ndarray
    """Counts by which the joint stays behind its drive on either side."""
    fastest: np.ndarray
    """Counts/s; the fastest mean speed over one command: 49.6, 47.1, 38.2, 57.2 degrees/s."""


MEASURED = ServoLaw(
    lag=np.array([0.40, 0.48, 0.68, 0.12]),
    counts_per_reference=np.array([-43.0, -14.39, -44.3, -4.64]),
    slack=np.array([0.0, 0.0, 128.0, 0.0]),
    fastest=np.array([49.6 * 125.5, 47.1 * 131, 38.2 * 132.5, 57.2 / 0.012391573729863692]))


def lag_and_fastest(joints: Sequence[str], law: ServoLaw = MEASURED
                    ) -> tuple[np.ndarray, np.ndarray]:
    """Return the lag [J], s, and the fastest speed [J], rad/s, of `joints`.

    Counts become angles by the published factors of 2026, with which the arm was measured. Raises
    InputError for a joint that was not.
    """
    strange = [name for name in joints if name not in JOINTS]
    if strange:
        raise InputError(f'joint {strange[0]!r} of the ED-Scorbot has not been measured: expected '
                         f'{", ".join(JOINTS)}')
    chosen = [JOINTS.index(name) for name in joints]
    factor = np.radians(np.abs(CONVENTIONS['2026'].degree_per_count))
    return law.lag[chosen], (factor * law.fastest)[chosen]


def time_scale_for(positions: np.ndarray, duration: float, lag: np.ndarray,
                   fastest: np.ndarray) -> float:
    """Return how many times longer than `duration`, s, joints need to follow; at least 1.

    Parameters: `positions` [T + 1, J], rad, at equal times; `lag` [J], s; `fastest` [J], rad/s.
    A playback that inverts the lag tells a joint to move at y' + lag y'', so at scale s at no
    more than |y'| / s + lag |y''| / s^2, which must not exceed `SHARE` of the fastest. Slopes are
    taken over as many steps as there, or less where that takes a least time.
    """
    apart = 2 * SLOPE_OVER
    over = apart * duration / (len(positions) - 1)
    path = np.pad(positions, ((apart, apart), (0, 0)), mode='edge')
    slope = (path[apart:] - path[:-apart]) / over
    bend = lag * np.abs(slope[apart:] - slope[:-apart]) / over
    speed = np.abs(slope[SLOPE_OVER:-SLOPE_OVER])
    most = SHARE * fastest
    needed = (speed + np.sqrt(speed ** 2 + 4 * most * bend)) / (2 * most)
    return max(1.0, float(needed.max()))


class MeasuredServo:
    """Four joints that follow references; `step` moves them on."""

    def __init__(self, law: ServoLaw = MEASURED):
        self.law = law
        self.reference = np.zeros(4, dtype=int)
        """[4], what the joints are told to reach."""
        self.speed = np.zeros(4)
        """[4], counts/s, over the last step."""
        self._drive = np.zeros(4)
        self._joint = np.zeros(4)

    @property
    def counts(self) -> np.ndarray:
        """Return the position counters [4], whole numbers."""
        return np.rint(CENTRE + self._joint).astype(int)

    def place(self, counts: np.ndarray) -> None:
        """Put the joints where the counters read `counts` [4], at rest, the slack in the middle.

        The reference becomes the one that holds them there.
        """
        self._joint = np.asarray(counts, dtype=float) - CENTRE
        self._drive = self._joint.copy()
        self.speed = np.zeros(4)
        self.reference = np.rint(self._drive / self.law.counts_per_reference).astype(int)

    def step(self, elapsed: float) -> None:
        """Move on by `elapsed` seconds."""
        if not elapsed > 0:
            return
        before, law = self._joint, self.law
        target = law.counts_per_reference * self.reference
        parts = max(1, math.ceil(elapsed / LONGEST_PART))
        part = elapsed / parts
        share = -np.expm1(-part / law.lag)
        for _ in range(parts):
            way = (target - self._drive) * share
            self._drive = self._drive + np.clip(way, -law.fastest * part, law.fastest * part)
            self._joint = np.clip(self._joint, self._drive - law.slack, self._drive + law.slack)
        self.speed = (self._joint - before) / elapsed
