# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Velocities as the messages that an arm's controller takes; the joints it has beside the driven.

Not here: what may be sent (`one_shot.playback`, `arm.rolling_trajectory`).
"""

from collections.abc import Sequence

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from smallbot.arm.kinematics import Arm
from smallbot.arm.plain_commands import PlainCommands
from smallbot.arm.rolling_trajectory import LEAD, Points, RollingTrajectory
from smallbot.errors import InputError
from smallbot.nodes.common.messages import RELIABLE, to_trajectory

FARTHEST = 0.3
"""Distance, rad, from where an arm has been told to be at which it does not follow any more."""
ACKNOWLEDGED = Duration(seconds=0.5)
"""Longest wait for the last command to be acknowledged."""


def controller_joints(named: str, driven: Sequence[str]) -> tuple[str, ...]:
    """Return the joints of an arm's controller from `a,b,c`; where empty, the driven joints.

    Raises InputError where a driven joint is missing or a joint is named twice.
    """
    joints = tuple(part.strip() for part in named.split(',')) if named.strip() else tuple(driven)
    missing = [joint for joint in driven if joint not in joints]
    if missing or len(set(joints)) != len(joints) or '' in joints:
        raise InputError(f'snn_controller: parameter command_joints: {named!r}, expected names '
                         f'with commas between them, each once, among them '
                         f'{", ".join(driven)}')
    return joints


class VelocityCommands(PlainCommands):
    """Publishes `velocity_controller/commands`: a velocity for each joint of the controller."""

    def __init__(self, node: Node, arm: Arm, joints: Sequence[str]):
        """`joints` [C] are the controller's, in its order; those not driven get zero."""
        self.watched = arm.driven
        """Joints whose positions [W] are needed."""
        self.publisher = node.create_publisher(
            Float64MultiArray, 'velocity_controller/commands', RELIABLE)
        self.topic = self.publisher.topic_name
        self._driven = [joints.index(name) for name in arm.driven]
        self._count = len(joints)

    def heard(self) -> bool:
        """Return whether anybody subscribes to them."""
        return self.publisher.get_subscription_count() > 0

    def send(self, velocity: np.ndarray, now: float) -> None:
        """Publish velocities [J], rad/s, of the driven joints."""
        values = np.zeros(self._count)
        values[self._driven] = velocity
        self.publisher.publish(Float64MultiArray(data=values.tolist()))

    hold = send

    def end(self, now: float) -> None:
        """Publish zeros until they are acknowledged."""
        self.send(np.zeros(len(self._driven)), now)
        self.publisher.wait_for_all_acked(ACKNOWLEDGED)


class TrajectoryCommands:
    """Publishes `joint_trajectory_controller/joint_trajectory`: a little way, and then to rest.

    A movement begins where the arm is measured; joints that are not driven are held there. The
    header's stamp is zero: a trajectory starts when it arrives, whatever the clocks say.
    """

    def __init__(self, node: Node, arm: Arm, joints: Sequence[str], period: float):
        """`joints` [C] are the controller's; a velocity will be sent every `period` s."""
        self.watched = tuple(joints)
        self.publisher = node.create_publisher(
            JointTrajectory, 'joint_trajectory_controller/joint_trajectory', RELIABLE)
        self.topic = self.publisher.topic_name
        self._driven = [joints.index(name) for name in arm.driven]
        self._reference = RollingTrajectory(arm.limits, period)
        self._held: np.ndarray | None = None
        """Positions [C] at the beginning of the movement; none: at rest."""

    def driven(self, pose: np.ndarray) -> np.ndarray:
        """Return the positions [J] of the driven joints among those watched [W]."""
        return pose[self._driven]

    def heard(self) -> bool:
        """Return whether anybody subscribes to them."""
        return self.publisher.get_subscription_count() > 0

    def ready(self, pose: np.ndarray, now: float) -> bool:
        """Return whether a movement may begin; send the controller to `pose` [C] first."""
        if self._held is None:
            self._held = pose
            self._publish(self._reference.begin(self.driven(pose), now))
        return not self._reference.settling(now)

    def trouble(self, pose: np.ndarray, now: float) -> str:
        """Return why the movement must not go on; empty: it may.

        A reference that ran away from an arm that stands would be made up for in one leap.
        """
        if self._held is None or self._reference.settling(now):
            return ''
        away = np.abs(self.driven(pose) - self._reference.at(now))
        if not away.max() > FARTHEST:
            return ''
        return (f'{self.watched[self._driven[int(away.argmax())]]} is {away.max():.2f} rad from '
                f'where it was told to be')

    def told(self, now: float) -> np.ndarray | None:
        """Return where the driven joints [J], rad, are to be when the next command takes effect.

        Where that comes late, the arm has come to rest meanwhile. None: no movement has begun.
        """
        if self._held is None or self._reference.settling(now):
            return None
        return self._reference.at(now + LEAD)

    def send(self, velocity: np.ndarray, now: float) -> None:
        """Publish the trajectory that velocities [J], rad/s, of the driven joints lead on to."""
        if self._held is not None and not self._reference.settling(now):
            self._publish(self._reference.advance(velocity, now))

    def hold(self, velocity: np.ndarray, now: float) -> None:
        """Send nothing: the trajectory that was sent last ends at rest."""

    def rest(self) -> None:
        """Take note that nothing is sent any more: the arm may be moved by others."""
        self._held = None

    def end(self, now: float) -> None:
        """Publish the way to rest until it is acknowledged; nothing where nothing moves."""
        if self._held is not None:
            self.send(np.zeros(len(self._driven)), now)
            self.publisher.wait_for_all_acked(ACKNOWLEDGED)
            self.rest()

    def _publish(self, points: Points) -> None:
        position = np.repeat(self._held[None], len(points.time), axis=0)
        velocity = np.zeros_like(position)
        position[:, self._driven] = points.position
        velocity[:, self._driven] = points.velocity
        self.publisher.publish(to_trajectory(self.watched, points.time, position, velocity))
