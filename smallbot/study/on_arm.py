# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What an arm makes of the trainee's velocities, without ROS and faster than real time.

The very playback of the controller drives the simulated arm of `arm_simulator`, tick by tick.
Not here: the network; its velocities are given.
"""

from dataclasses import dataclass, replace

import numpy as np

from smallbot.arm.joint_limits import JointLimits
from smallbot.arm.kinematics import Arm, DEFAULT_ACCELERATION
from smallbot.demonstration.trial_grid import shortest_duration
from smallbot.ed_scorbot.measured_servo import lag_and_fastest, time_scale_for
from smallbot.one_shot.playback import Phase, Playback
from smallbot.simulation.simulated import SimulatedArm

PERIOD = 0.01
"""Time between commands, s: the controller's default."""
PATIENCE = 30.0
"""How long an arm may take to the start, s."""


@dataclass(frozen=True)
class Execution:
    """How movements are executed on an arm."""

    model: str = 'kinematic'
    """One of `simulation.simulated.MODELS`."""
    time_scale: float | None = 1.0
    """How many times longer than the trial the movement takes; None: as long as the arm needs."""
    correction: float = 0.0
    """Of the playback, 1/s."""
    lag: tuple[float, ...] = ()
    """Of the playback, s, of each joint."""

    def suited(self, arm: Arm, positions: np.ndarray, seconds: float) -> 'Execution':
        """Return this with what the arm needs to follow `positions` [T + 1, J], rad.

        Where no time scale is given, it is what the limits of speed, and those of acceleration
        that are the arm's own, make of a movement that was shown in `seconds`. The measured arm
        needs its lag as well, and what makes up for it.
        """
        if self.model != 'measured':
            return replace(self, time_scale=self.time_scale or limits_scale(
                positions, seconds, arm.limits))
        lag, fastest = lag_and_fastest(arm.driven)
        scale = self.time_scale or time_scale_for(positions, seconds, lag, fastest)
        return replace(self, time_scale=scale, lag=self.lag or tuple(lag.tolist()))


def limits_scale(positions: np.ndarray, seconds: float, limits: JointLimits) -> float:
    """Return how many times longer than `seconds` an arm needs for `positions` [T + 1, J], rad.

    At least 1. An acceleration that is the default counts for nothing: the arm does not state it.
    """
    stated = np.where(limits.acceleration == DEFAULT_ACCELERATION, np.inf, limits.acceleration)
    return max(1.0, shortest_duration(positions, replace(limits, acceleration=stated)) / seconds)


def executed(arm: Arm, execution: Execution, start: np.ndarray, velocity: np.ndarray,
             step_seconds: float) -> np.ndarray:
    """Return where the arm is [T, J], rad, at the end of each step of a trial.

    Parameters: `start` [J], rad, where the arm is put and from where it is eased to the pose
    that it can reach; `velocity` [T, J], rad/s of nominal time; an `execution` with a
    time scale. Raises ValueError where the arm does not get to the start.
    """
    steps = len(velocity)
    simulated = SimulatedArm(arm, execution.model)
    simulated.joints.place(start, np.zeros_like(start))
    playback = Playback(arm.limits, steps, step_seconds, PERIOD, execution.correction,
                        execution.lag)
    source = iter(velocity)
    playback.start(start, execution.time_scale * steps * step_seconds, lambda: next(source))
    times, positions = [], []
    now = 0.0
    while True:
        command = playback.command(now, simulated.position)
        if playback.phase is Phase.PLAYING:
            times.append(now - playback.began)
            positions.append(simulated.position)
        elif playback.phase is Phase.DONE:
            break
        elif now > PATIENCE:
            raise ValueError(f'the {execution.model} arm does not get to {start.tolist()} rad')
        simulated.command(command, now)
        simulated.step(PERIOD, now + PERIOD)
        now += PERIOD
    times.append(now - playback.began)
    positions.append(simulated.position)
    at = execution.time_scale * step_seconds * np.arange(1, steps + 1)
    return np.stack([np.interp(at, times, column) for column in np.array(positions).T], axis=1)
