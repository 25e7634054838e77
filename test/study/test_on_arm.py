# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from smallbot.arm.kinematics import default_arm
from smallbot.study.on_arm import executed, Execution

ARM = default_arm()
STEPS = 250


def movement():
    """Return a start and velocities [T, J] that rise, turn and come to rest."""
    phase = np.linspace(0, 2 * np.pi, STEPS)
    return np.array([0.1, -0.2]), np.stack([0.6 * np.sin(phase), 0.4 * (1 - np.cos(phase))], 1)


def error(model, time_scale=1.0, correction=0.0):
    """Return the largest distance, rad, from where the velocities lead."""
    start, velocity = movement()
    reached = executed(ARM, Execution(model, time_scale, correction), start, velocity, 0.01)
    assert reached.shape == velocity.shape
    return np.abs(reached - (start + 0.01 * velocity.cumsum(0))).max()


@pytest.mark.parametrize('time_scale', [1.0, 3.0])
def test_an_ideal_arm_goes_where_the_velocities_lead(time_scale):
    # velocities stand for the middles of steps: half a step of the fastest at most
    assert error('kinematic', time_scale) < 6e-3


def test_a_body_in_mujoco_follows_closely():
    pytest.importorskip('mujoco', reason='needs mujoco: pip install mujoco')
    assert error('mujoco') < 0.01


def test_the_measured_arm_needs_time_or_correction():
    slow, corrected = error('measured', 10.0), error('measured', 4.0, 1.0)
    assert error('measured') > 0.15
    # what is left blindly is the settled gain, 4.7 % of the way
    assert slow < 0.06
    assert corrected < 0.04 < error('measured', 4.0)


def test_correction_leaves_an_ideal_arm_alone():
    assert error('kinematic', correction=1.0) < 8e-3


def test_an_arm_that_does_not_get_to_the_start_is_named():
    with pytest.raises(ValueError, match='does not get to'):
        executed(ARM, Execution(), np.full(2, np.nan), np.zeros((10, 2)), 0.01)
