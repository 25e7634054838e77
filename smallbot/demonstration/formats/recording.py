# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A recording: what was understood of a file or a topic, before it is judged as a movement."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
import math

import numpy as np

from smallbot.demonstration.storage.refusal import DemonstrationError

SHORTEST, LONGEST = 0.5, 600.0
"""Durations that are accepted, s."""
MOST_BRIDGED = 0.05
"""Share of samples with a stamp like the one before, or earlier, that is bridged."""
SLIGHTLY = 0.1
"""How far back a stamp may lie to count as out of order, s; further back a clock was set."""
LIMIT_TOLERANCE = 1e-3
"""How far measured positions may exceed a joint limit, rad: encoder noise at the stop."""
WITHOUT = '--part FROM:TO reads what lies before or after it'
"""The cure for what can neither be repaired nor bridged."""


@dataclass
class Recording:
    """Samples in SI units under their names, and what is to be said of how they were read."""

    source: str
    format: str
    """In words: CSV (semicolons), rosbag2 (MCAP, /joint_states)."""
    names: tuple[str, ...]
    """Joints of the arm, or x, y, z."""
    time: np.ndarray
    """[S], s."""
    values: np.ndarray
    """[S, N], rad or m."""
    units: str
    """In words, those of the file."""
    said: list[str] = field(default_factory=list)
    """Decisions that were taken, and what was left out."""
    mended: list[str] = field(default_factory=list)
    """What was bridged, skipped and repaired, counted."""

    hint: str = ''
    """What may be wrong where positions turn out to lie outside the arm's limits."""

    @property
    def is_tip(self) -> bool:
        """Return whether it is the path of the tool tip."""
        return self.names == ('x', 'y', 'z')


def check_stamps(time: np.ndarray, source: str) -> None:
    """Refuse time stamps [S], s, that are too few or not finite, saying which."""
    if len(time) < 2:
        raise DemonstrationError(f'{source}: {len(time)} sample(s), expected at least 2')
    if not np.isfinite(time).all():
        row = int((~np.isfinite(time)).argmax())
        raise DemonstrationError(f'{source}: time is {time[row]} in sample {row + 1}, expected a '
                                 f'finite number')


def in_order(recording: Recording) -> Recording:
    """Return a recording whose time increases; bridges what is certain, and counts it.

    A few stamps that stand still or lie slightly back are bridged: of samples with one stamp the
    one stays that lies best between its neighbours. Raises DemonstrationError beyond that.
    """
    time, values, source = recording.time, recording.values, recording.source
    check_stamps(time, source)
    steps = np.diff(time)
    wrong = np.flatnonzero(steps <= 0)
    if not len(wrong):
        return recording
    row, step = int(wrong[0]) + 1, steps[wrong[0]]
    where = (f'time does not increase: {time[row]:.12g} s in sample {row + 1} after '
             f'{time[row - 1]:.12g} s')
    equal = (values[1:] == values[:-1]).all(1) & (steps == 0)
    allowed = max(MOST_BRIDGED * len(time), 1.0 if len(time) >= 20 else 0.0)
    if (steps <= 0).sum() - equal.sum() > allowed or step < 0 and -step > SLIGHTLY:
        cure = ('record again, or cut the file there' if step < 0 else
                '--rate HZ says how many samples a second there are')
        raise DemonstrationError(f'{source}: {where} ({len(wrong)} times); {cure}')
    back = np.flatnonzero(steps < 0)
    if len(back) and -steps.min() > SLIGHTLY:
        row = int(steps.argmin()) + 1
        raise DemonstrationError(
            f'{source}: time goes back by {-steps.min():.3g} s in sample {row + 1}: was a clock '
            f'set? cut the file there')
    order = np.argsort(time, kind='stable')
    time, values = time[order], values[order]
    kept = _best_of_equal(time, values)
    mended = list(recording.mended)
    if len(back):
        mended.append(f'{counted(len(back), "stamp")} out of order put in order')
    if len(kept) < len(time):
        mended.append(f'{counted(len(time) - len(kept), "sample")} with the stamp of another '
                      f'bridged')
    if len(kept) < 2:
        raise DemonstrationError(f'{source}: {where}')
    return replace(recording, time=time[kept], values=values[kept], mended=mended)


def part_of(recording: Recording, begin: float, end: float) -> Recording:
    """Return what lies between two times, s after the first sample, of a recording in order.

    Raises DemonstrationError where there is nothing.
    """
    time = recording.time - recording.time[0]
    kept = (time >= begin) & (time <= end)
    if kept.sum() < 2:
        raise DemonstrationError(f'{recording.source}: --part {begin:g}:{end:g} holds '
                                 f'{counted(int(kept.sum()), "sample")}; the recording lasts '
                                 f'{time[-1]:.2f} s')
    source = f'{recording.source} from {begin:g} s' if begin else recording.source
    return replace(recording, source=source, time=recording.time[kept],
                   values=recording.values[kept],
                   said=[*recording.said, f'part {begin:g} to {end:g} s of {time[-1]:.2f} s'])


def _best_of_equal(time: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the rows to keep: of each run of one stamp the one nearest to its neighbours."""
    starts = np.flatnonzero(np.concatenate([[True], np.diff(time) > 0]))
    ends = np.append(starts[1:], len(time))
    kept = []
    for begin, end in zip(starts, ends):
        if end - begin == 1:
            kept.append(begin)
            continue
        before, after = max(begin - 1, 0), min(end, len(time) - 1)
        if begin == 0:
            expected = values[after]
        elif end == len(time):
            expected = values[before]
        else:
            share = (time[begin] - time[before]) / (time[after] - time[before])
            expected = values[before] + share * (values[after] - values[before])
        kept.append(begin + int(np.abs(values[begin:end] - expected).sum(1).argmin()))
    return np.array(kept)


def counted(count: int, what: str) -> str:
    """Return `1 message` or `3 messages`."""
    return f'{count} {what}{"s" * (count != 1)}'


def listed(names: Sequence[str], most: int = 6) -> str:
    """Return names with commas between them, the first few where there are many."""
    names = list(names)
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(names[:most]) + more


def rate_of(time: np.ndarray) -> float:
    """Return the usual rate of samples at `time` [S], s, in Hz."""
    step = float(np.median(np.diff(time)))
    return 1 / step if step > 0 else math.inf
