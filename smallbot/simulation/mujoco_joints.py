# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Joints with masses, gravity, friction and servos that are only so strong, by MuJoCo.

Loaded from the URDF: masses, inertias, joint limits, effort. Not here: contact (shapes are
primitives that overlap), motors, gear play.
"""

from xml.etree import ElementTree

import numpy as np

from smallbot.arm.kinematics import Arm
from smallbot.errors import InputError

STEP = 0.001
"""Of the integration, s."""
DRY, VISCOUS = 1.0, 0.5
"""Friction of every joint, N m and N m s/rad (N and N s/m of the fingers): assumed, none is
published."""
BANDWIDTH = 40.0
"""Of the servos, rad/s: assumed, stiff enough that lag comes from effort alone."""
MUJOCO_MISSING = 'mujoco is not installed: `pip install mujoco`, or use model:=kinematic'


class MujocoJoints:
    """The driven joints, and what mimics them, follow velocities through servos; the others hold.

    A servo is a PI controller of velocity with the position it has to reach as the integral, and
    an integral of the position error against gravity; its gains follow each joint's inertia.
    """

    def __init__(self, arm: Arm):
        """Load `arm`'s URDF; raises InputError where MuJoCo is missing or cannot read it."""
        try:
            import mujoco
        except ImportError:
            raise InputError(MUJOCO_MISSING) from None
        self._mujoco = mujoco
        try:
            self._model = mujoco.MjModel.from_xml_string(_without_meshes(arm.urdf))
        except ValueError as error:
            raise InputError(f'arm {arm.name}: MuJoCo cannot load its URDF: '
                             f'{" ".join(str(error).split())}') from None
        model = self._model
        model.opt.timestep = STEP
        model.opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
        model.dof_frictionloss[:] = DRY
        model.dof_damping[:] = VISCOUS
        self._data = mujoco.MjData(model)
        names = [model.joint(j).name for j in range(model.njnt)]
        self._arm = arm
        self._driven = np.array([names.index(name) for name in arm.driven])
        self._movable = np.array([names.index(name) for name in arm.movable])
        self._effort = np.array([arm.effort.get(name, np.inf) for name in names])
        self._target = np.zeros(model.nv)
        self._wanted = np.zeros(model.nv)
        self._against = np.zeros(model.nv)
        self._push = np.zeros(model.nv)
        self.place(arm.home, np.zeros(len(arm.driven)))

    @property
    def position(self) -> np.ndarray:
        """Return where the driven joints are [J], rad."""
        return self._data.qpos[self._driven].copy()

    @property
    def velocity(self) -> np.ndarray:
        """Return how fast the driven joints are [J], rad/s."""
        return self._data.qvel[self._driven].copy()

    @property
    def target(self) -> np.ndarray:
        """Return where the servos of the driven joints want to be [J], rad."""
        return self._target[self._driven].copy()

    def place(self, position: np.ndarray, velocity: np.ndarray) -> None:
        """Put the driven joints [J] at `position`, moving at `velocity`, servos content."""
        self._data.qpos[self._movable] = self._arm.whole(position)
        self._data.qvel[self._movable] = self._arm.whole_rate(velocity)
        self._target = self._data.qpos.copy()
        self._mujoco.mj_forward(self._model, self._data)
        self._against = np.clip(self._data.qfrc_bias, -self._effort, self._effort)

    def push(self, torque: np.ndarray) -> None:
        """Push the driven joints with `torque` [J], N m, from now on."""
        self._push[self._driven] = torque

    def drive(self, velocity: np.ndarray, elapsed: float) -> None:
        """Move on by `elapsed` s with the servos asked for `velocity` [J], rad/s."""
        self._wanted[self._movable] = self._arm.whole_rate(velocity)
        inertia = self._model.dof_M0
        data = self._data
        parts = max(1, round(elapsed / STEP))
        self._model.opt.timestep = part = elapsed / parts
        for _ in range(parts):
            self._target = self._target + self._wanted * part
            behind = self._target - data.qpos
            self._against = np.clip(self._against + inertia * BANDWIDTH ** 3 / 4 * behind * part,
                                    -self._effort, self._effort)
            asked = self._against + inertia * (
                BANDWIDTH ** 2 * behind + 2 * BANDWIDTH * (self._wanted - data.qvel))
            data.qfrc_applied[:] = np.clip(asked, -self._effort, self._effort) + self._push
            self._mujoco.mj_step(self._model, data)


def _without_meshes(urdf: str) -> str:
    """Return a URDF without shapes from files, which may not be there: nothing touches here."""
    root = ElementTree.fromstring(urdf)
    for link in root.findall('link'):
        for shape in [*link.findall('visual'), *link.findall('collision')]:
            if shape.find('geometry/mesh') is not None:
                link.remove(shape)
    return ElementTree.tostring(root, encoding='unicode')
