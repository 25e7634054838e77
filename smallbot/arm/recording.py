"""What was heard of an arm while a movement was shown, as it was heard."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smallbot.arm.demonstration import (
    Demonstration, from_joint_states, LONGEST, write_bag)
from smallbot.arm.kinematics import Arm

REST = 0.01
"""Movement of a joint up to which the arm counts as resting, rad."""


class Recording:
    """Joint states in the order heard; names are those of the first."""

    def __init__(self):
        self._names: list[str] = []
        self._stamps: list[int] = []
        self._position: list[np.ndarray] = []
        self._velocity: list[np.ndarray] = []
        self.dropped = 0
        """Messages left out because they lacked a joint of the first, or came too late."""

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._stamps)

    def add(self, stamp: int, names: Sequence[str], position: Sequence[float],
            velocity: Sequence[float] = ()) -> None:
        """Keep a sample: `stamp`, ns; positions, rad; velocities, rad/s, may be missing.

        Joints may change places between samples. What comes later than the longest
        demonstration is counted, not kept.
        """
        if not self._names:
            self._names = list(names)
        index = {name: k for k, name in enumerate(names)}
        late = self._stamps and stamp - self._stamps[0] > LONGEST * 1e9
        if late or len(position) != len(names) or any(n not in index for n in self._names):
            self.dropped += 1
            return
        order = [index[name] for name in self._names]
        known = len(velocity) == len(names)
        self._stamps.append(int(stamp))
        self._position.append(np.asarray(position, dtype=float)[order])
        self._velocity.append(np.asarray(velocity, dtype=float)[order] if known
                              else np.full(len(order), np.nan))

    def demonstration(self, arm: Arm, source: str) -> Demonstration:
        """Return the movement that was shown; raises DemonstrationError."""
        stamps = np.array(self._stamps, dtype=np.int64)
        time = (stamps - stamps[0]) * 1e-9 if len(stamps) else np.zeros(0)
        names = self._names or arm.driven
        position = np.array(self._position).reshape(len(stamps), len(names))
        return from_joint_states(time, names, position, arm, source)

    def write(self, path: Path, topic: str) -> None:
        """Write all samples as a rosbag2 directory; raises DemonstrationError."""
        write_bag(path, self._stamps, self._names, np.array(self._position),
                  np.array(self._velocity), topic)

    def cadence(self) -> str:
        """Return in words how many samples there are, at what rate, with what longest gap."""
        gaps = np.diff(self._stamps) * 1e-9
        if not len(gaps) or gaps.sum() <= 0:
            return f'{len(self)} sample(s)'
        return (f'{len(self)} samples in {gaps.sum():.2f} s ({len(gaps) / gaps.sum():.1f} Hz, '
                f'longest gap {1000 * gaps.max():.0f} ms)')


def rests(demonstration: Demonstration) -> tuple[float, float]:
    """Return how long the arm rests at the beginning and at the end of a demonstration, s."""
    time, position = demonstration.time, demonstration.position
    left = np.flatnonzero((np.abs(position - position[0]) > REST).any(axis=1))
    not_there = np.flatnonzero((np.abs(position - position[-1]) > REST).any(axis=1))
    if not len(left) or not len(not_there):
        return demonstration.duration, demonstration.duration
    return float(time[left[0]]), float(time[-1] - time[not_there[-1]])
