# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What is demonstrated now, as it was heard: the movement, where it came from, how old it is.

Whoever learns, plays or shows a movement names it, so that nobody takes one for another.
"""

from dataclasses import dataclass
import time

from trajectory_msgs.msg import JointTrajectory

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.samples import Demonstration
from smallbot.nodes.common.messages import (
    is_withdrawal,
    nanoseconds,
    one_line,
    to_demonstration,
)

OLDEST, AHEAD = 30 * 86400.0, 1.0
"""Ages by a message's stamp that are believed, s, and how far ahead of ours its clock may be:
beyond that it is another clock, and the age is counted from when it was heard."""


@dataclass(frozen=True)
class Shown:
    """A movement that was demonstrated."""

    demonstration: Demonstration
    origin: str
    """What it came from, as its publisher says; empty: it does not."""
    since: float
    """When it was demonstrated, or heard where that is not known, s of `time.monotonic`."""
    stamped: bool
    """Whether `since` is when it was demonstrated."""

    @property
    def digest(self) -> str:
        """Return what tells the movement from any other."""
        return self.demonstration.digest

    def named(self) -> str:
        """Return the movement with duration, origin and age, as part of a sentence."""
        age = age_of(time.monotonic() - self.since)
        return (f'the movement of {self.demonstration.duration:.2f} s from '
                f'{self.origin or "a source that is not told"}, '
                + (f'{age} old' if self.stamped else f'heard {age} ago'))


def shown_in(message: JointTrajectory, arm: Arm, now: int) -> Shown | None:
    """Return what a message on topic demonstration says; None: that nothing counts any more.

    Parameters: `now`, ns by the node's clock, which its stamp is compared with once; from then on
    the age goes by a clock that nobody sets, also for a message that was latched long before it
    was heard. Raises InputError where the message does not fit.
    """
    if is_withdrawal(message, arm):
        return None
    made = to_demonstration(message, arm)
    stamp = nanoseconds(message.header.stamp)
    age = (now - stamp) * 1e-9
    stamped = stamp > 0 and now > 0 and -AHEAD <= age <= OLDEST
    return Shown(made, one_line(message.header.frame_id),
                 time.monotonic() - (max(age, 0.0) if stamped else 0.0), stamped)


def age_of(seconds: float) -> str:
    """Return an age in the unit that suits it."""
    for unit, length in (('days', 86400), ('h', 3600), ('min', 60)):
        if seconds >= 2 * length:
            return f'{seconds / length:.0f} {unit}'
    return f'{seconds:.0f} s'
