# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A simulated arm: joints follow velocity commands within limits, as their model lets them.

It stops by itself when commands cease, it can be guided along a path as a person's hand would,
pushed, and sent home.
"""

from collections.abc import Callable, Mapping, Sequence
import math
from typing import Protocol

import numpy as np

from smallbot.arm.kinematics import Arm
from smallbot.arm.safety import (
    EASE_SPEED,
    ease_velocity,
    limit_velocity,
    LONGEST_GAP,
    Watchdog,
)
from smallbot.ed_scorbot.convention import CENTRE, CONVENTIONS, JOINTS
from smallbot.ed_scorbot.measured_servo import MeasuredServo
from smallbot.errors import InputError
from smallbot.simulation.mujoco_joints import MujocoJoints

COMMAND_TIMEOUT = 0.5
"""Age of a command beyond which the arm stops, s."""
LONGEST_PART = LONGEST_GAP / 2
"""Longest time moved on at once, s: half the gap that braking allows for, as a joint's speed here
changes at the beginning of the time it is held for and not at the end."""
LONGEST_STEP = 0.5
"""Longest time that a step moves the arm on by, s: what is beyond it, as after a pause of the
process, has not happened to the arm."""
PUSH_SECONDS = 0.2
"""How long a push lasts, s."""
PUSH_EFFORT, PUSH_UNKNOWN = 2.0, 100.0
"""Largest torque of a push, in the joint's effort, and where that is not known, N m."""
HAND_SPEED = 10.0
"""Fastest speed of a guiding hand, in the joint's own: a hand may be faster than motors."""
SETTLED = 5e-3
"""Distance at which a guided arm counts as there, rad: one with whole references gives way by
half of one."""
HOME_TOLERANCE = 1e-4
"""Distance from home that counts as home, rad."""


class Joints(Protocol):
    """The joints that a simulated arm moves; arrays [J], rad and rad/s."""

    @property
    def position(self) -> np.ndarray:
        """Return where they are."""

    @property
    def velocity(self) -> np.ndarray:
        """Return how fast they are."""

    @property
    def target(self) -> np.ndarray:
        """Return where they have been told to be: what all velocities so far add up to."""

    def drive(self, velocity: np.ndarray, elapsed: float) -> None:
        """Move on by `elapsed` s, told to move at `velocity`."""

    def place(self, position: np.ndarray, velocity: np.ndarray) -> None:
        """Put them somewhere, as a hand does."""

    def push(self, torque: np.ndarray) -> None:
        """Push them with `torque`, N m, from now on; ValueError where they cannot be pushed."""


class KinematicJoints:
    """Joints without dynamics: they are where they are told to be."""

    def __init__(self, arm: Arm):
        self._limits = arm.limits
        self.position = arm.home
        self.velocity = np.zeros(len(arm.driven))

    @property
    def target(self) -> np.ndarray:
        """Return the position."""
        return self.position

    def drive(self, velocity: np.ndarray, elapsed: float) -> None:
        """Move at once."""
        self.place(np.clip(self.position + velocity * elapsed, self._limits.lower,
                           self._limits.upper), velocity)

    def place(self, position: np.ndarray, velocity: np.ndarray) -> None:
        """Be there."""
        self.position, self.velocity = position.copy(), velocity.copy()

    def push(self, torque: np.ndarray) -> None:
        """Refuse: nothing here gives way."""
        raise ValueError('a kinematic arm cannot be pushed: use model:=mujoco')


class MeasuredJoints:
    """Joints of the real ED-Scorbot as they were measured: lag, gain, slack, whole references.

    References and counters by the published factors of 2026, with which the arm was measured.
    """

    def __init__(self, arm: Arm):
        """Raise InputError where `arm` has other joints."""
        strange = [name for name in arm.driven if name not in JOINTS]
        if strange:
            raise InputError(f'joint {strange[0]!r} has not been measured: model:=measured is of '
                             f'{", ".join(JOINTS)}')
        self._chosen = [JOINTS.index(name) for name in arm.driven]
        self._convention = CONVENTIONS['2026']
        self._servo = MeasuredServo()
        self.place(np.zeros(len(arm.driven)), np.zeros(len(arm.driven)))

    @property
    def position(self) -> np.ndarray:
        """Return what the counters say."""
        return self._convention.position(
            self._convention.measured(self._servo.counts))[self._chosen]

    @property
    def velocity(self) -> np.ndarray:
        """Return the rate of the counters before they are rounded."""
        convention = self._convention
        return np.radians(convention.direction * convention.degree_per_count
                          * self._servo.speed)[self._chosen]

    @property
    def target(self) -> np.ndarray:
        """Return the position that the references, before they are rounded, ask for."""
        return self._target[self._chosen]

    def drive(self, velocity: np.ndarray, elapsed: float) -> None:
        """Set the nearest references and let the joints follow."""
        self._target[self._chosen] += velocity * elapsed
        degrees = self._convention.nearest(self._convention.degrees(self._target))
        self._servo.reference = self._convention.reference(degrees)
        self._servo.step(elapsed)

    def place(self, position: np.ndarray, velocity: np.ndarray) -> None:
        """Put them at `position`, with the references that hold them there."""
        convention = self._convention
        there = convention.position(convention.measured(self._servo.counts))
        there[self._chosen] = position
        self._servo.place(CENTRE + convention.degrees(there) / convention.degree_per_count)
        self._target = convention.position(
            self._servo.reference / convention.reference_per_degree)
        speed = np.zeros(4)
        speed[self._chosen] = velocity
        self._servo.speed = (np.degrees(speed) * convention.direction
                             / convention.degree_per_count)

    def push(self, torque: np.ndarray) -> None:
        """Refuse: how the real arm gives way has not been measured."""
        raise ValueError('a measured arm cannot be pushed: use model:=mujoco')


MODELS: dict[str, Callable[[Arm], Joints]] = {
    'kinematic': KinematicJoints, 'mujoco': MujocoJoints, 'measured': MeasuredJoints}
"""What a simulated arm may be made of, by name."""


class SimulatedArm:
    """An arm's driven joints, moved on by `step`.

    What decides the movement, first that applies: a guiding hand, the way home, the last
    velocity command if it is fresh; otherwise the arm brakes.
    """

    def __init__(self, arm: Arm, model: str = 'kinematic',
                 command_timeout: float = COMMAND_TIMEOUT):
        """Make an arm of one of MODELS; raises InputError where that cannot be."""
        self.arm = arm
        self.rest = arm.home
        """Home [J], rad: zero, or the middle of limits that exclude it."""
        self.joints = MODELS[model](arm)
        self.joints.place(self.rest, np.zeros_like(self.rest))
        self.command_age = Watchdog(command_timeout)
        self._sent = np.zeros(len(arm.driven))
        self._command = np.zeros(len(arm.driven))
        self._guide: tuple[np.ndarray, np.ndarray] | None = None
        self._guide_began = 0.0
        self._turned: tuple[dict[str, float], dict[str, float]] = ({}, {})
        """Where joints that are not driven were before a hand came, and where it takes them."""
        self._homing = False
        self._pushed_until = math.inf
        self.stood_still = 0.0
        """How long the arm stood still in all because steps came too late, s."""

    @property
    def position(self) -> np.ndarray:
        """Return where the driven joints are [J], rad."""
        return self.joints.position

    @property
    def velocity(self) -> np.ndarray:
        """Return how fast the driven joints are [J], rad/s."""
        return self.joints.velocity

    @property
    def guided(self) -> bool:
        """Return whether a hand is moving the arm."""
        return self._guide is not None

    @property
    def homing(self) -> bool:
        """Return whether the arm is on its way home."""
        return self._homing

    def command(self, velocity: Sequence[float], now: float) -> None:
        """Take joint velocities [J], rad/s, in the order of the driven joints.

        Raises ValueError, and keeps the command before, for a wrong number of values or one
        that is not finite. A command ends the way home, but not a guiding hand.
        """
        values = np.asarray(velocity, dtype=float)
        if values.shape != self._command.shape or not np.isfinite(values).all():
            raise ValueError(f'velocity command {list(velocity)}: expected '
                             f'{len(self._command)} finite numbers, '
                             f'for {", ".join(self.arm.driven)}')
        self._command = values
        self.command_age.feed(now)
        self._homing = False

    def brake(self) -> None:
        """Brake and forget the last command and the way home; a guiding hand stays."""
        self._homing = False
        self._command = np.zeros_like(self._command)
        self.command_age.reset()

    def guide(self, time: np.ndarray, position: np.ndarray, now: float,
              held: Mapping[str, float] | None = None) -> None:
        """Move along positions [S, J], rad, at `time` [S], s from now, as a hand would.

        The hand first takes the arm to the first position at no more than 0.2 rad/s, and as fast
        the joints that are not driven to where they are to be `held`, rad, by name. Raises
        ValueError for positions beyond the limits, times that do not increase, wrong shapes, a
        hand faster than `HAND_SPEED`, and while the arm is commanded to move.
        """
        time, position = np.asarray(time, dtype=float), np.asarray(position, dtype=float)
        if position.shape != (len(time), len(self._command)) or len(time) < 2:
            raise ValueError(f'guide of shape {position.shape} for {len(time)} times: expected '
                             f'[S, {len(self._command)}] and at least 2')
        if not np.isfinite(position).all() or not (np.diff(time) > 0).all() or time[0] < 0:
            raise ValueError('guide: expected finite positions at increasing times')
        limits = self.arm.limits
        if (position < limits.lower - 1e-3).any() or (position > limits.upper + 1e-3).any():
            raise ValueError(f'guide leaves the joint limits of {", ".join(self.arm.driven)}')
        fastest = (np.abs(np.diff(position, axis=0)) / np.diff(time)[:, None]).max(0)
        if (fastest > HAND_SPEED * limits.velocity).any():
            joint = int((fastest / limits.velocity).argmax())
            raise ValueError(f'guide moves {self.arm.driven[joint]} at {fastest[joint]:.1f} '
                             f'rad/s, expected at most '
                             f'{HAND_SPEED * limits.velocity[joint]:.1f}')
        self._refuse_beside_commands('guide', now)
        target = self.arm.holding(held or {}).held
        now_held = {name: self.arm.resting(name) for name in target}
        far = [abs(at - now_held[name]) for name, at in target.items()]
        approach = max([*np.abs(position[0] - self.position), *far]) / EASE_SPEED
        if approach > 1e-3:
            lead = approach + 0.1
            time = np.concatenate([[0.0], time - time[0] + lead])
            position = np.vstack([self.position, position])
        self._guide, self._guide_began, self._homing = (time, position), now, False
        self._turned = (now_held, target) if max(far, default=0.0) else ({}, {})

    def release(self) -> None:
        """Take the guiding hand away."""
        self._guide, self._turned = None, ({}, {})

    def home(self) -> None:
        """Go to `rest`, at no more than 0.2 rad/s."""
        self._homing = True
        self.release()
        self.command_age.reset()

    def reset(self) -> None:
        """Stand still, forget commands, guide and the way home; positions stay."""
        self.release()
        self.brake()

    def push(self, torque: Sequence[float], now: float) -> None:
        """Push the driven joints with `torque` [J], N m, for a fifth of a second.

        Raises ValueError for a wrong number of values, one that is not finite or too large,
        joints that cannot be pushed, and while the arm is commanded to move.
        """
        values = np.asarray(torque, dtype=float)
        if values.shape != self._command.shape or not np.isfinite(values).all():
            raise ValueError(f'push {list(torque)}: expected {len(self._command)} finite numbers, '
                             f'N m, for {", ".join(self.arm.driven)}')
        most = np.array([PUSH_EFFORT * self.arm.effort.get(name, 0.0) or PUSH_UNKNOWN
                         for name in self.arm.driven])
        if (np.abs(values) > most).any():
            raise ValueError(f'push {list(torque)}: expected at most {most.tolist()} N m')
        self._refuse_beside_commands('push', now)
        self.joints.push(values)
        self._pushed_until = now + PUSH_SECONDS

    def _refuse_beside_commands(self, what: str, now: float) -> None:
        still = not self._command.any() and not self._sent.any()
        if not (still or self.command_age.expired(now)):
            raise ValueError(f'{what}: the arm is being commanded: end that first')

    def step(self, elapsed: float, now: float) -> None:
        """Move on by `elapsed` seconds to the time `now`.

        A step longer than `LONGEST_STEP`, as after a pause of the process, counts as that long:
        the arm, a hand that guides it and a push go on from where they were.
        """
        if not elapsed > 0:
            return
        late = elapsed - LONGEST_STEP
        if late > 0:
            elapsed = LONGEST_STEP
            self.stood_still += late
            self._guide_began += late
            self._pushed_until += late
        if self._guide is not None:
            self._follow_hand(elapsed, now)
            return
        if now > self._pushed_until:
            self.joints.push(np.zeros_like(self._command))
            self._pushed_until = math.inf
        elapsed = min(elapsed, self.command_age.timeout)  # a command reaches no further
        parts = math.ceil(elapsed / LONGEST_PART)
        part = elapsed / parts
        for _ in range(parts):
            self._sent = limit_velocity(self._wanted(part, now), self._sent, self.joints.target,
                                        part, self.arm.limits)
            self.joints.drive(self._sent, part)

    def _wanted(self, elapsed: float, now: float) -> np.ndarray:
        if self._homing:
            way = np.abs(self.joints.target - self.rest).max()
            if way < HOME_TOLERANCE and np.abs(self._sent).max() < HOME_TOLERANCE:
                self._homing = False
            return ease_velocity(self.joints.target, self.rest, elapsed)
        if self.command_age.expired(now):
            return np.zeros_like(self._command)
        return self._command

    def _follow_hand(self, elapsed: float, now: float) -> None:
        time, path = self._guide
        at = now - self._guide_began
        there = np.array([np.interp(at, time, path[:, j]) for j in range(path.shape[1])])
        there = np.clip(there, self.arm.limits.lower, self.arm.limits.upper)
        if self._turned[1]:
            share = min(1.0, at / time[1])
            before, after = self._turned
            self.arm = self.arm.holding({name: (1 - share) * before[name] + share * after[name]
                                         for name in after})
            if share == 1:
                self._turned = ({}, {})
        arrived = at >= time[-1]
        self._sent = (there - self.position) / elapsed * (not arrived)
        self.joints.place(there, self._sent)
        if arrived:
            self.release()

    def joint_state(self) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        """Return names, positions and velocities of every movable joint of the robot."""
        return (self.arm.movable, self.arm.whole(self.position),
                self.arm.whole_rate(self.velocity))
