# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The stream of set-points that moves an ED-Scorbot: where it is to be, what it has acknowledged.

Pure: wishes, answers and the time come in, degrees to be held go out. Whatever moves the arm, a
user's velocities, the way home or the check of the signs, passes one `safety.Gate`; its
velocities add up to a commanded position. That is sent in steps, each held for `hold` seconds
and followed by the next only when the controller has said where the arm is, so at most one
set-point is ever on its way.
A step that comes late makes up for nothing. The references have stood meanwhile, so after longer
than the arm takes to brake they stay where they are, and it is stopped.
Not here: who owns the arm (`session`), the messages that carry the degrees (`wire`).
"""

import math

import numpy as np

from smallbot.arm.joint_limits import JointLimits
from smallbot.arm.safety import ease_velocity, Gate, LONGEST_GAP
from smallbot.ed_scorbot.convention import Convention, JOINTS

PAUSE = 0.005
"""From a `moved` to the next trajectory, s: the controller needs a moment to take another."""
PATIENCE = 0.1
"""How much later than expected a `moved` may come before the set-point is sent again, s."""
STATE_TIMEOUT = 0.8
"""Time without a `moved` beyond which an arm in motion is stopped, s; its references cannot run
away meanwhile, as they stay near the last that was acknowledged (CATCH_UP)."""
SETTLING = 3.0
"""How long the arm is asked where it is after it has been told to stand, s."""
CATCH_UP = 1.5
"""How many times the way of full speed a set-point may lie from wherever the arm may stand: what
was held up on its way is made up for, but not at once."""
FOLLOWING = math.radians(45)
"""Largest distance between where the arm is told to be and where it is, rad: at full speed the
lag that was measured and the settled gain come to 34 degrees."""
ARRIVED = 1e-4
"""Distance of the commanded position from a target that counts as there, rad."""


class SetPoints:
    """See above. Positions and velocities are [4], in the order of JOINTS, rad and rad/s."""

    def __init__(self, convention: Convention, limits: JointLimits, hold: float, period: float,
                 command_timeout: float):
        """Stand where nobody knows yet; `step` is called every `period` seconds.

        `hold`, s: how long each set-point is held; `command_timeout`, s: time without a command
        beyond which an arm in motion is stopped.
        """
        self.position = np.zeros(4)
        """Commanded."""
        self.reached = self.position
        """The last commanded position that was acknowledged, as far as that can be told."""
        self.resent = 0
        """Set-points that had to be sent again."""
        self.round_trips: list[float] = []
        """From set-point to `moved`, less the time it was held, s; the last 1000."""
        self._convention = convention
        self._hold = hold
        self._period = period
        # Later than a silent arm is noticed here, where it can be said what is wrong.
        self._gate = Gate(limits, period, command_timeout, STATE_TIMEOUT + 0.3)
        self._velocity = np.zeros(4)
        self._stepped_at: float | None = None
        self.late_steps = 0
        """Steps that came later than planned for while the arm was in motion."""
        self.latest = 0.0
        """How long after the one before the last of those came, s."""
        self._held_up_at_most = command_timeout
        self._stands = False
        self._moving_until = -math.inf
        self._target: np.ndarray | None = None
        self.forget()

    @property
    def limits(self) -> JointLimits:
        """Return what the arm may do."""
        return self._gate.limits

    @limits.setter
    def limits(self, limits: JointLimits) -> None:
        self._gate.limits = limits

    @property
    def stopped(self) -> str:
        """Return why nothing may move, until `reset`; empty: it may."""
        return self._gate.stopped

    @property
    def at_rest(self) -> bool:
        """Return whether the commanded position stands still."""
        return self._gate.at_rest

    @property
    def answered(self) -> bool:
        """Return whether no set-point is on its way."""
        return self._sent_at is None

    @property
    def sure(self) -> bool:
        """Return whether the arm has said where it is since that was last in doubt."""
        return not self._unsure

    @property
    def known(self) -> bool:
        """Return whether the last measurement still holds: nothing has moved the arm since."""
        return self.at_rest and self.answered and self.sure

    @property
    def going(self) -> bool:
        """Return whether the arm is on the way to the target of `go`."""
        return self._target is not None

    def is_at(self, target: np.ndarray) -> bool:
        """Return whether the commanded position is as good as `target`."""
        return bool(np.abs(target - self.position).max() < ARRIVED)

    # --- what is wished

    def command(self, velocity: np.ndarray, now: float) -> None:
        """Take velocities, ending the way to a target; raises ValueError as `Gate.command`."""
        self._target = None
        self._gate.command(velocity, now)

    def go(self, target: np.ndarray, now: float) -> None:
        """Begin to ease to `target`; raises ValueError while stopped."""
        self._target = target
        self._gate.command(np.zeros(4), now)

    def stop(self, reason: str) -> None:
        """Brake, and stay stopped until `reset`; the first reason stands."""
        self._target = None
        self._gate.stop(reason)

    def reset(self) -> None:
        """Allow motion again; raises ValueError while the commanded position still brakes."""
        self._gate.reset()
        self._target = None

    def start_from(self, position: np.ndarray) -> None:
        """Take the arm to have been sent to `position`, and ask where it is by sending it there.

        What was on its way is forgotten.
        """
        self.position = self.reached = position
        self.forget()
        self.ask()

    def forget(self) -> None:
        """Forget about set-points on their way; nobody knows then where the arm is."""
        self._reference: np.ndarray | None = None
        self._sent_at: float | None = None
        self._asked_at: float | None = None
        self._free_at = -math.inf
        self._unheard: list[tuple[float, np.ndarray]] = []
        """When set-points were sent that nothing has been heard of, and which."""
        self._doubtful: list[np.ndarray] = []
        """Where else the arm may have been sent: several set-points were on their way."""
        self._owed = 0
        """Answers that may still come to set-points that `_unheard` has let go."""
        self._again = self._news = False
        self._unsure = True

    def ask(self) -> None:
        """Have a set-point sent even if it is the last once more: its `moved` says where."""
        self._again = True

    def keep_asking(self) -> None:
        """Ask once more if no answer is being waited for; if one is, it will do."""
        self._again = self.answered

    # --- what the arm answers

    def acknowledge(self, now: float) -> bool:
        """Note that a set-point has been held for its time; messages do not say which.

        Returns False, and notes nothing, where no answer can have been due.

        One sent less than that ago it cannot be; of several others count on the first. The arm
        ignores a set-point that comes while it holds another, and may answer the others late:
        until as many answers have come, it may stand at any of them.
        """
        held = [sent for sent in self._unheard if now > sent[0] + 0.9 * self._hold]
        if not held and not self._owed:
            return False
        if len(held) > 1:
            self._doubtful += [position for _, position in self._unheard]
            self._owed += len(held) - 1
        elif self._owed:
            self._doubtful += [position for _, position in self._unheard]
            self._owed -= 1
        else:
            self._doubtful = []
        if held:
            self.reached = held[0][1]
            self._unheard = self._unheard[len(held):]
            self._asked_at = self._unheard[0][0] if self._unheard else None
        if self._sent_at is not None and not self._unheard:
            self.round_trips = [*self.round_trips[-999:], now - self._sent_at - self._hold]
            self._sent_at, self._asked_at, self._free_at = None, None, now + PAUSE
        return True

    def measured(self, position: np.ndarray) -> None:
        """Note where the arm says it is; far from where it was told to be it is stopped."""
        self._unsure, self._news = False, True
        astray = np.abs(position - self.position)
        if astray.max() > FOLLOWING:
            joint = int(astray.argmax())
            self.stop(f'{JOINTS[joint]} is {math.degrees(astray[joint]):.0f} degrees from where '
                      f'it was told to be: is it blocked, is the convention right?')

    # --- the course of things

    def step(self, now: float, sending: bool, patient: bool = False) -> np.ndarray | None:
        """Move on to the time `now`, s; returns degrees [4] to be held, or None.

        Without `sending` nothing goes out, and the last measurement counts for nothing.
        `patient`: an arm that says nothing is not stopped, whoever calls has set it a deadline.
        """
        self._advance(now, sending)
        return self._next(now, patient) if sending else None

    def _advance(self, now: float, sending: bool) -> None:
        """Add what the gate has let through to the commanded position, ask it what passes now."""
        since = self._period if self._stepped_at is None else now - self._stepped_at
        if since > LONGEST_GAP and self._velocity.any():
            self._came_late(since, now)
        if not self._stands:
            self.position = self.position + self._velocity * min(max(since, 0.0), LONGEST_GAP)
        self._stepped_at = now
        if self._news or (sending and self.known):
            self._gate.state(self.position, now)
            self._news = False
        if self._target is not None and not self.stopped:
            self._approach(self._target, now)
        self._velocity = self._gate.send(now)
        self._stands = self._stands and not self.at_rest
        if self._stands:
            self._velocity = np.zeros(4)
        if self._velocity.any():
            self._moving_until = now + SETTLING

    def _came_late(self, since: float, now: float) -> None:
        """Go on from where the set-points are; stay there if they have stood for long."""
        self.late_steps, self.latest = self.late_steps + 1, since
        braking = (np.abs(self._velocity) / self.limits.acceleration).max()
        if since > max(braking, self._held_up_at_most):
            self.stop(f'the driver was held up for {since:.1f} s, on a machine that is busy or '
                      f'was suspended: the arm stays where it was sent last')
            self.position = self._unheard[-1][1] if self._unheard else self.reached
            self._stands, self._moving_until = True, now + SETTLING  # ask where it has come to

    def _approach(self, target: np.ndarray, now: float) -> None:
        if not self.is_at(target):
            wanted = ease_velocity(self.position, target, self._period)
        else:
            wanted = np.zeros(4)
            if self.at_rest:
                self._target = None
        try:
            self._gate.command(wanted, now)
        except ValueError:  # no fresh state yet: the set-point under way brings one
            pass

    def _next(self, now: float, patient: bool) -> np.ndarray | None:
        """Return where the arm is to be in the middle of the time it is held there, if anew."""
        if (self._asked_at is not None and not patient
                and now > self._asked_at + self._hold + STATE_TIMEOUT):
            self.stop(f'the arm has not said where it is for {now - self._asked_at:.1f} s: is its '
                      f'controller running? ed_scorbot_driver/reset asks it')
            self._sent_at, self._asked_at, self._unsure = None, None, True
        if self._sent_at is not None:
            if now < self._sent_at + self._hold + PATIENCE:
                return None
            self.resent += 1
            self._unsure = self._again = True
        if now < self._free_at or (self._unsure and self.stopped):
            return None
        ahead = self._ahead()
        degrees = self._convention.nearest(self._convention.degrees(ahead))
        reference = self._convention.reference(degrees)
        if (np.array_equal(reference, self._reference) and not self._again
                and now > self._moving_until):
            return None
        self._unheard.append((now, ahead))
        if self._asked_at is None:
            self._asked_at = now
        self._reference, self._sent_at, self._again = reference, now, False
        return degrees

    def _ahead(self) -> np.ndarray:
        """Return the commanded position half a `hold` from now, no further than may be sent."""
        way = CATCH_UP * (self._hold + 2 * self._period) * self.limits.velocity
        ahead = np.clip(self.position + 0.5 * self._hold * self._velocity,
                        self.limits.lower, self.limits.upper)
        from_there = np.array([self.reached, *self._doubtful,
                               *(position for _, position in self._unheard)])
        return np.clip(ahead, from_there.max(0) - way, from_there.min(0) + way)
