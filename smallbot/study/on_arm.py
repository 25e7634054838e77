"""What an arm makes of the trainee's velocities, without ROS and faster than real time.

The very playback of the controller drives the simulated arm of `arm_simulator`, tick by tick.
Not here: the network; its velocities are given.
"""

from dataclasses import dataclass

import numpy as np

from smallbot.arm.kinematics import Arm
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
    time_scale: float = 1.0
    """How many times longer than the trial the movement takes."""
    correction: float = 0.0
    """Of the playback, 1/s."""


def executed(arm: Arm, execution: Execution, start: np.ndarray, velocity: np.ndarray,
             step_seconds: float) -> np.ndarray:
    """Return where the arm is [T, J], rad, at the end of each step of a trial.

    Parameters: `start` [J], rad, where the arm is put and from where it is eased to the pose
    that it can reach; `velocity` [T, J], rad/s of nominal time. Raises ValueError where the arm
    does not get to the start.
    """
    steps = len(velocity)
    simulated = SimulatedArm(arm, execution.model)
    simulated.joints.place(start, np.zeros_like(start))
    playback = Playback(arm.limits, steps, step_seconds, PERIOD, execution.correction)
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
