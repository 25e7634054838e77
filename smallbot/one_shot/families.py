# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Families of movements: the tasks of meta-training and evaluation."""

from dataclasses import replace
import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from smallbot.arm.kinematics import Arm
from smallbot.errors import InputError

BROWNIAN_STEP = 0.065
"""s.d. of the velocity's increment in a step of 10 ms, rad/s (Ortner et al. 2025, its code)."""
BROWNIAN_WINDOW = 120
"""Length of the smoothing Hann window, steps (Ortner et al. 2025)."""
FULL_ROOM = 1.2
"""Room to either side of where movements begin, rad, in which they have the paper's size; in less
they are smaller in proportion. The paper's shoulder has 1.22."""
FULL_SPEED = math.pi
"""Speed, rad/s of nominal time, up to which movements of the paper's size count (its limit). An
arm that is slower plays them more slowly; one that is faster may be shown faster ones."""
PAPER_LIMITS = {'base': math.radians(130), 'shoulder': math.radians(70)}
"""How far to either side the ED-Scorbot's joints go in the paper's movements, rad (Ortner et al.
2025, its code); the machine's shoulder goes further."""
ROUNDS, IN_VAIN = 400, 60
"""Draws after which it is given up to find movements within an arm's limits: all of them, and
those without any."""


class NoMovementError(InputError):
    """Movements that do not fit an arm's limits; the message is one line."""


class Movements(NamedTuple):
    """A batch of movements on the trial's grid of T steps."""

    start: Tensor
    """Joint positions before the first step [B, J], rad."""
    velocity: Tensor
    """Joint velocities held during each step [B, T, J], rad/s of nominal time."""
    step_seconds: float
    """Nominal arm time of a step, s."""
    drawing: Tensor | None = None
    """Which of its split's drawings each is [B], in the pen family."""
    held: tuple[dict[str, float], ...] = ()
    """Where each [B] shows the joints that are not driven, rad (m); empty: as the arm has them."""

    def chosen(self, which: slice | list[int]) -> 'Movements':
        """Return the movements at `which` places of the batch."""
        drawing = None if self.drawing is None else self.drawing[which]
        numbers = range(len(self.held))[which] if isinstance(which, slice) else which
        held = tuple(self.held[number] for number in numbers) if self.held else ()
        return Movements(self.start[which], self.velocity[which], self.step_seconds, drawing,
                         held)

    def path(self) -> Tensor:
        """Return the joint positions before the first step and after each [B, T + 1, J], rad."""
        return torch.cat([self.start[:, None], self.positions()], dim=1)

    def positions(self) -> Tensor:
        """Return the joint positions after each step [B, T, J], rad."""
        return joint_path(self.start, self.velocity, self.step_seconds)

    def posed(self, arm: Arm) -> Arm:
        """Return the arm as a batch of one movement shows it."""
        return arm.holding(self.held[0]) if self.held else arm

    def tip(self, arm: Arm, positions: Tensor) -> Tensor:
        """Return the tool tip [B, T, 3], m, for joint positions [B, T, J] of these movements."""
        if not self.held:
            return arm.tip(positions)
        return torch.stack([arm.holding(held).tip(path)
                            for held, path in zip(self.held, positions, strict=True)])


def joint_path(start: Tensor, velocity: Tensor, step_seconds: float) -> Tensor:
    """Integrate velocities [B, T, J] from `start` [B, J]: positions after each step."""
    return start[:, None] + step_seconds * velocity.cumsum(dim=1)


def from_positions(positions: Tensor, step_seconds: float) -> Movements:
    """Return the movements through joint positions [B, T + 1, J], the start included."""
    positions = torch.as_tensor(positions, dtype=torch.float32)
    return Movements(positions[:, 0], positions.diff(dim=1) / step_seconds, step_seconds)


def arm_of_families(arm: Arm) -> Arm:
    """Return the arm within the limits that movements are drawn in: its own, or the paper's.

    The paper's count for the ED-Scorbot, where they are narrower, in training and figures alike.
    """
    if arm.name != 'ed_scorbot':
        return arm
    bound = np.array([PAPER_LIMITS.get(name, math.inf) for name in arm.driven])
    return replace(arm, limits=replace(arm.limits, lower=np.maximum(arm.limits.lower, -bound),
                                       upper=np.minimum(arm.limits.upper, bound)))


def start_pose(arm: Arm) -> np.ndarray:
    """Return where movements begin [J], rad: zero, or the middle of limits that are lopsided.

    Zero counts where it lies in the middle half of a joint's range.
    """
    arm = arm_of_families(arm)
    low, high = arm.limits.lower, arm.limits.upper
    middle = 0.5 * (low + high)
    near = np.abs(middle) <= 0.25 * (high - low)
    return np.where(near, 0.0, middle)


def movement_size(arm: Arm) -> np.ndarray:
    """Return the size [J] of each joint's movements, as share of the paper's.

    1 where there is as much room as in the paper, less where there is less. A prismatic joint's
    is in m for rad.
    """
    arm = arm_of_families(arm)
    start = start_pose(arm)
    room = np.minimum(arm.limits.upper - start, start - arm.limits.lower)
    return np.minimum(1.0, room / FULL_ROOM)


def brownian(count: int, steps: int, step_seconds: float, arm: Arm, generator: torch.Generator,
             window: int = BROWNIAN_WINDOW, anywhere: bool = False) -> Movements:
    """Draw movements of the paper's family that stay within the arm's limits.

    Each joint's velocity is Brownian motion smoothed by a Hann window of `window` steps, with
    nothing before the trial and its mirror image after it, and of its `movement_size`. Movements
    begin at `start_pose`, or with `anywhere` at a random pose from which they stay within limits.
    Draws that leave the limits are dropped and drawn again. Raises NoMovementError, saying which
    joint and which limit, where hardly any stays.
    Source: Ortner et al. 2025, Methods and published code.
    """
    arm = arm_of_families(arm)
    kernel = torch.hann_window(window)
    kernel = (kernel / kernel.sum()).flip(0)
    size, pose = (torch.as_tensor(x, dtype=torch.float32)
                  for x in (movement_size(arm), start_pose(arm)))
    low, high = (torch.as_tensor(x, dtype=torch.float32)
                 for x in (arm.limits.lower, arm.limits.upper))
    fastest = torch.as_tensor(arm.limits.velocity, dtype=torch.float32)
    fastest = torch.maximum(fastest, FULL_SPEED * size)
    joints = len(arm.driven)
    starts, velocities, found = [], [], 0
    for rounds in range(1, ROUNDS + 1):
        draw = 2 * (count - found) + 8
        walk = BROWNIAN_STEP * torch.randn(draw * joints, steps, generator=generator).cumsum(1)
        before, after = window // 2, window - window // 2 - 1
        padded = torch.cat([walk.new_zeros(len(walk), before), walk, walk.flip(1)[:, :after]], 1)
        smooth = torch.nn.functional.conv1d(padded[:, None], kernel[None, None])[:, 0]
        velocity = size * smooth.view(draw, joints, steps).transpose(1, 2)
        path = joint_path(velocity.new_zeros(draw, joints), velocity, step_seconds)
        least, most = path.amin(1).clamp_max(0), path.amax(1).clamp_min(0)
        if anywhere:
            room = (high - most) - (low - least)
            chance = torch.rand(draw, joints, generator=generator)
            start = (low - least) + chance * room.clamp_min(0)
        else:
            start = pose.expand(draw, joints)
            room = torch.minimum(high - pose - most, least + pose - low)
        kept = ((room >= 0).all(1) & (velocity.abs() <= fastest).all(2).all(1))
        starts.append(start[kept])
        velocities.append(velocity[kept])
        found += int(kept.sum())
        if found >= count:
            return Movements(torch.cat(starts)[:count], torch.cat(velocities)[:count],
                             step_seconds)
        if rounds >= IN_VAIN and not found:
            break
    raise _nothing_fits(arm, steps * step_seconds, room, velocity.abs().amax(1) - fastest)


def _nothing_fits(arm: Arm, seconds: float, room: Tensor, too_fast: Tensor) -> NoMovementError:
    """Return the refusal for the last draws [D, J]: their room, and how much they are too fast."""
    astray, fast = (room < 0).float().mean(0), (too_fast > 0).float().mean(0)
    joint = int(torch.maximum(astray, fast).argmax())
    name, limits = arm.driven[joint], arm.limits
    if fast[joint] > astray[joint]:
        return NoMovementError(
            f'no movements for {arm.name}: {100 * float(fast[joint]):.0f} % of those of '
            f'{seconds:g} s are faster than the {limits.velocity[joint]:g} /s of joint {name!r}; '
            f'take a shorter trial (steps)')
    return NoMovementError(
        f'no movements for {arm.name}: {100 * float(astray[joint]):.0f} % of those of '
        f'{seconds:g} s leave the limits of joint {name!r}, {limits.lower[joint]:g} to '
        f'{limits.upper[joint]:g}; give wider ones (--limits), drive other joints (--joints) or '
        f'take a shorter trial (steps)')


def place(paths: Tensor, arm: Arm, generator: torch.Generator) -> Tensor:
    """Move joint paths [B, T + 1, J] to a random pose from which they stay within limits.

    They are of the usual size, and get the arm's `movement_size`. A path that is larger than the
    arm's range is shrunk to 95 % of it then.
    """
    arm = arm_of_families(arm)
    paths = paths * torch.as_tensor(movement_size(arm), dtype=paths.dtype)
    low, high = (torch.as_tensor(x, dtype=paths.dtype)
                 for x in (arm.limits.lower, arm.limits.upper))
    extent = paths.amax(1) - paths.amin(1)
    shrink = (0.95 * (high - low) / extent.clamp_min(1e-9)).amin(1).clamp_max(1)
    paths = paths * shrink[:, None, None]
    lowest, highest = low - paths.amin(1), high - paths.amax(1)
    chance = torch.rand(lowest.shape, generator=generator)
    return paths + (lowest + chance * (highest - lowest))[:, None]
