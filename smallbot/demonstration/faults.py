# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Faults of recordings, told apart: spikes, wraps, dropouts, jumps, gaps, pauses, stillness.

Repaired is only what is certain, each by its count: a sample that its neighbours contradict at a
speed that no arm has, a step of 2 pi, and a joint measured beyond its stop. Nothing is smoothed.
"""

import math

import numpy as np

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.formats.recording import counted, LIMIT_TOLERANCE, WITHOUT
from smallbot.demonstration.storage.refusal import DemonstrationError

SPIKE = 0.03
"""Least deviation of a spike from its neighbours, rad; below lies noise."""
TOO_FAST = 3.0
"""Times its limit of velocity that a joint cannot have moved at."""
MOST_SPIKES = 0.05
"""Share of samples above which it is noise, and not a spike here and there."""
GAP = 5.0
"""Times the usual step from which samples are missing."""
GAP_SHARE, GAP_SECONDS = 0.1, (0.25, 1.0)
"""Share of the duration, within bounds in s, above which it is unknown what happened in a gap;
shorter ones, as of a network that was busy, are bridged."""
MOVED_IN_GAP = 0.05
"""rad; less, and the arm rested through the gap."""
PAUSE = 1.0
"""s of rest inside a movement that are worth a word."""
STOP = 5e-3
"""rad beyond a limit at which a joint stands at its stop; of 65 recordings of a Panda in Gazebo
12 are up to 2.0 mrad beyond."""
MOVES = 2e-3
"""rad that a joint must travel for a movement."""
NOISE, STEPS, SLIGHT = 10.0, 2.5, 0.05
"""Times its noise, or the smallest step of its sensor, that a joint must travel; beyond so many
rad it moves in any case. The extremes of 60,000 normal deviates are 9 standard deviations apart.
"""


def repaired(time: np.ndarray, position: np.ndarray, arm: Arm, source: str, repair: bool = True
             ) -> tuple[np.ndarray, list[str]]:
    """Return positions [S, J], rad, within what an arm can do, and what was repaired, counted.

    Without `repair` they are refused. Raises DemonstrationError for what cannot be repaired:
    dropouts and jumps, saying which joint, when and how to mend it.
    """
    position, mended = position.copy(), []
    for joint, name in enumerate(arm.driven):
        column = position[:, joint]
        column, words = _unwrapped(time, column, arm, joint)
        mended += [f'{name}: {word}' for word in words]
        column, words = _without_spikes(time, column, arm, joint, source)
        mended += [f'{name}: {word}' for word in words]
        _check_jumps(time, column, arm, joint, source)
        column, words = _at_its_stop(column, arm, joint)
        mended += [f'{name}: {word}' for word in words]
        position[:, joint] = column
    if mended and not repair:
        raise DemonstrationError(f'{source}: {"; ".join(mended)}: leave --no-repair out to have '
                                 f'it repaired')
    return position, mended


def _unwrapped(time: np.ndarray, column: np.ndarray, arm: Arm, joint: int
               ) -> tuple[np.ndarray, list[str]]:
    """Return a joint's course without steps of 2 pi, inside its limits where a turn brings it."""
    turn, words = 2 * math.pi, []
    if _prismatic(arm, joint):
        return column, words
    steps = np.diff(column)
    turns = np.round(steps / turn)
    left = np.abs(steps - turn * turns)
    wraps = (turns != 0) & (left <= 0.1 + arm.limits.velocity[joint] * np.diff(time))
    if wraps.any():
        column = column - turn * np.concatenate([[0], np.cumsum(np.where(wraps, turns, 0))])
        words.append(f'{counted(int(wraps.sum()), "wrap")} of 2 pi undone')
    lower, upper = arm.limits.lower[joint], arm.limits.upper[joint]
    middle = np.median(column)
    if np.isfinite([lower, upper]).all() and not lower <= middle <= upper:
        for shift in (-turn, turn):
            if lower <= (column + shift).min() and (column + shift).max() <= upper:
                return column + shift, [*words, f'taken a turn {"less" if shift < 0 else "more"}, '
                                                f'which lies within its limits']
    return column, words


def _at_its_stop(column: np.ndarray, arm: Arm, joint: int) -> tuple[np.ndarray, list[str]]:
    """Return a joint's course put at its limits where it was measured slightly beyond them."""
    within = np.clip(column, arm.limits.lower[joint], arm.limits.upper[joint])
    beyond = np.abs(column - within)
    slightly = (beyond > 0) & (beyond <= STOP)
    if _prismatic(arm, joint) or beyond[slightly].max(initial=0) <= LIMIT_TOLERANCE:
        return column, []
    return np.where(slightly, within, column), [
        f'{counted(int(slightly.sum()), "sample")} up to {1000 * beyond[slightly].max():.1f} mrad '
        f'beyond its limits put at them']


def _prismatic(arm: Arm, joint: int) -> bool:
    return any(j.name == arm.driven[joint] and j.kind == 'prismatic' for j in arm.chain)


def _without_spikes(time: np.ndarray, column: np.ndarray, arm: Arm, joint: int, source: str
                    ) -> tuple[np.ndarray, list[str]]:
    """Return a joint's course with samples that both neighbours contradict put between them."""
    if len(column) < 4:
        return column, []
    before, after = np.diff(column)[:-1], np.diff(column)[1:]
    share = np.diff(time)[:-1] / (time[2:] - time[:-2])
    between = column[:-2] + share * (column[2:] - column[:-2])
    away = np.abs(column[1:-1] - between)
    fastest = TOO_FAST * arm.limits.velocity[joint]
    spikes = ((before * after < 0) & (away > SPIKE)
              & (np.abs(before) > fastest * np.diff(time)[:-1])
              & (np.abs(after) > fastest * np.diff(time)[1:])
              & (np.abs(column[2:] - column[:-2]) < 0.5 * away))
    name = arm.driven[joint]
    if spikes.sum() > max(MOST_SPIKES * len(column), 3):
        raise _to_and_fro(source, name, time[int(spikes.argmax()) + 1], int(spikes.sum()),
                          len(column))
    # A neighbour of a spike is contradicted too: of two in a row the one farther off counts.
    for row in np.flatnonzero(spikes[:-1] & spikes[1:]):
        spikes[row if away[row] < away[row + 1] else row + 1] = False
    rows = np.flatnonzero(spikes) + 1
    if not len(rows):
        return column, []
    mended = column.copy()
    mended[rows] = between[rows - 1]
    zero = int((column[rows] == 0).sum())
    words = []
    if len(rows) - zero:
        first = time[rows[column[rows] != 0][0]]
        words.append(f'{counted(len(rows) - zero, "spike")} of one sample repaired '
                     f'({first:.2f} s)')
    if zero:
        first = time[rows[column[rows] == 0][0]]
        words.append(f'{counted(zero, "dropout")} to zero of one sample repaired ({first:.2f} s)')
    return mended, words


def _check_jumps(time: np.ndarray, column: np.ndarray, arm: Arm, joint: int, source: str) -> None:
    """Refuse dropouts to zero of several samples, and steps that no arm can have made."""
    steps, spans = np.abs(np.diff(column)), np.diff(time)
    usual = float(np.median(spans))
    others = np.concatenate([[0], steps[:-1]]), np.concatenate([steps[1:], [0]])
    jumps = ((steps > 0.1) & (steps > TOO_FAST * arm.limits.velocity[joint] * spans)
             & (spans < GAP * usual) & (steps > 8 * np.minimum(*others)))
    rows = np.flatnonzero(jumps)
    if not len(rows):
        return
    name, row = arm.driven[joint], int(rows[0])
    if len(rows) > max(MOST_SPIKES * len(column), 6):
        raise _to_and_fro(source, name, time[row], len(rows), len(column))
    zeros = (column == 0)
    if zeros[row + 1] and not zeros[row] or zeros[row] and not zeros[row + 1]:
        run = np.arange(*_run(zeros, row + 1 if zeros[row + 1] else row))
        was = column[row if zeros[row + 1] else row + 1]
        raise DemonstrationError(
            f'{source}: joint {name!r} drops to exactly zero in {len(run)} samples, first at '
            f'{time[run[0]]:.3f} s, beside {was:.3f} rad: the sensor was lost; record again, or '
            f'leave it out: {WITHOUT}')
    speed = steps[row] / spans[row] / arm.limits.velocity[joint]
    raise DemonstrationError(
        f'{source}: joint {name!r} jumps by {steps[row]:.3f} rad between {time[row]:.3f} and '
        f'{time[row + 1]:.3f} s, {speed:.0f} times as fast as the arm can move: record again, or '
        f'leave it out: {WITHOUT}')


def _run(flags: np.ndarray, row: int) -> tuple[int, int]:
    """Return begin and end of the run of flags that `row` is in."""
    others = np.flatnonzero(~flags)
    before, after = others[others < row], others[others > row]
    return int(before.max(initial=-1)) + 1, int(after.min(initial=len(flags)))


def _to_and_fro(source: str, name: str, moment: float, count: int, samples: int
                ) -> DemonstrationError:
    return DemonstrationError(
        f'{source}: joint {name!r} jumps to and fro in {count} of {samples} samples, first at '
        f'{moment:.3f} s, faster than the arm can: noise, or two publishers that take turns; '
        f'record from one')


def check_gaps(time: np.ndarray, position: np.ndarray, arm: Arm, source: str) -> list[str]:
    """Return what is to be said of missing samples and of rests inside the movement.

    Parameters: `time` [S], s; `position` [S, J], rad. Raises DemonstrationError where the arm
    has moved while samples were missing.
    """
    spans = np.diff(time)
    usual = float(np.median(spans))
    said = []
    unknown = np.clip(GAP_SHARE * time[-1], *GAP_SECONDS)
    missing = np.flatnonzero((spans > GAP * usual) & (spans > unknown))
    moved = np.abs(np.diff(position, axis=0))
    for row in missing:
        joint = int(moved[row].argmax())
        if moved[row, joint] > MOVED_IN_GAP:
            raise DemonstrationError(
                f'{source}: no samples from {time[row]:.3f} to {time[row + 1]:.3f} s, while '
                f'joint {arm.driven[joint]!r} moved by {moved[row, joint]:.2f} rad: record '
                f'again, or leave it out: {WITHOUT}')
    if len(missing):
        said.append(f'{counted(len(missing), "gap")} in which the arm rested, up to '
                    f'{spans[missing].max():.2f} s')
    short = (spans > 1.8 * usual) & ~np.isin(np.arange(len(spans)), missing)
    if 0 < short.sum() < 0.1 * len(spans):
        said.append(f'{counted(int(short.sum()), "short gap")} bridged, up to '
                    f'{spans[short].max():.2f} s')
    pause = _longest_rest(time, position)
    if pause > PAUSE and pause > 0.2 * time[-1]:
        said.append(f'rests for {pause:.1f} s on the way, which stays')
    return said


def _longest_rest(time: np.ndarray, position: np.ndarray) -> float:
    """Return the longest time, s, that no joint leaves the pose at its beginning by 2 mrad."""
    longest, begin = 0.0, 0
    for row in range(1, len(time)):
        if np.abs(position[row] - position[begin]).max() > MOVES:
            begin = row
        longest = max(longest, time[row] - time[begin])
    return longest


def check_moves(position: np.ndarray, arm: Arm, source: str) -> None:
    """Refuse positions [S, J], rad, in which nothing moves by more than its sensor wavers."""
    travel = np.ptp(position, axis=0)
    wavering = np.array([_wavering(column) for column in position.T])
    if (travel > np.maximum(MOVES, np.minimum(wavering, SLIGHT))).any():
        return
    noisy = ', as far as they waver at rest' if travel.max() > MOVES else ''
    raise DemonstrationError(
        f'{source}: nothing moves: {", ".join(arm.driven)} stay within '
        f'{1000 * travel.max():.1f} mrad{noisy}; show a movement')


def _wavering(column: np.ndarray) -> float:
    """Return how far a joint at rest would seem to travel, rad, by what neighbours differ."""
    if len(column) < 20:
        return 0.0
    steps = np.abs(np.diff(column))
    noise = 1.4826 * float(np.median(np.abs(np.diff(column, n=2)))) / math.sqrt(6)
    return max(NOISE * noise, STEPS * float(steps[steps > 0].min(initial=math.inf))
               if (steps > 0).any() else 0.0)
