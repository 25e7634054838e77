# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A model for an arm: in closed form, or trained from there in the outer loop.

What `smallbot meta-train` does, in one process.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

from smallbot.api.asked import seed_for, whole
from smallbot.arm.limits_file import read_limits
from smallbot.errors import InputError
from smallbot.experiment.checkpoint import CHECKPOINT
from smallbot.experiment.figures import check_training_seed
from smallbot.experiment.loop import advance
from smallbot.files.writing import folder_for_a_moment, made_folder
from smallbot.one_shot.model import OneShotModel
from smallbot.outer_loop.closed_form import closed_form
from smallbot.outer_loop.configuration import (
    checked,
    load_config,
    MetaConfig,
    robot_name,
    with_arm,
)
from smallbot.outer_loop.run import MetaTraining
from smallbot.share import share_directory

MOST_ITERATIONS = 10 ** 7


def meta_train(urdf: str | Path | None = None, joints: Sequence[str] | None = None, *,
               tip: str | None = None, limits: Sequence[Sequence[float]] | None = None,
               joint_limits: str | Path | None = None, held: Mapping[str, float] | None = None,
               iterations: int = 0, config: str | Path | MetaConfig | None = None,
               start: OneShotModel | None = None, seed: int = 0, name: str | None = None,
               out: str | Path | None = None,
               report: Callable[[int, Any], None] = lambda iteration, parts: None
               ) -> OneShotModel:
    """Make a model for an arm, with `iterations=0` in closed form, which takes seconds.

    Parameters: `urdf`, a file, its text or the name of one that is shipped; None: the arm of
    `config`. `joints` to drive, in the order of commands; `tip`, the link that is the tool tip;
    `limits`, (lower, upper) or (lower, upper, speed) of each joint, rad, rad/s; `joint_limits`, a
    file of MoveIt's or ros2_control's; `held`, where joints that are not driven are held, rad.
    `config`, a YAML file or `MetaConfig` (None: config/meta/ed_scorbot.yaml); `start`, the model
    whose networks are trained further; `seed` of weights, movements and noise; `name` of the
    model (None: the robot's); `out`, folder of the checkpoint that an interrupted run leaves for
    `smallbot meta-train --resume`. `report` is called after each iteration with its number and
    what it reached.
    Raises InputError where arm, limits or configuration do not fit each other.
    """
    iterations = whole('iterations', iterations, 0, MOST_ITERATIONS)
    seed = seed_for(seed)
    check_training_seed(seed)
    if not isinstance(config, MetaConfig):
        config = load_config(Path(config or share_directory() / 'config/meta/ed_scorbot.yaml'))
    arm = (urdf, joints, tip, limits, joint_limits, held)
    if start is not None and any(given is not None for given in arm):
        raise InputError("start: its arm is its model's, leave urdf, joints, tip, limits, "
                         'joint_limits and held out')
    if start is None and any(given is not None for given in arm):
        config = with_arm(config, urdf, _names(joints), tip, _ends(limits),
                          None if held is None else dict(held),
                          None if joint_limits is None else read_limits(Path(joint_limits)))
    config = checked(replace(config, seed=seed, iterations=iterations or config.iterations))
    if iterations == 0:
        if start is not None or not config.closed_form:
            raise InputError('iterations=0 makes a model in closed form: leave start out, and '
                             'take a config with closed_form: true')
        return closed_form(config.balance, config.model, seed, name or robot_name(config))
    if out is not None and (Path(out) / CHECKPOINT).exists():
        raise InputError(f'{out}: holds a checkpoint already; resume it with `smallbot meta-train '
                         f'--resume {out}`, or choose another folder')
    run = MetaTraining(config, start=start)
    with folder_for_a_moment() as passing:
        advance(run, passing if out is None else made_folder(Path(out)),
                lambda state: state.iteration >= iterations,
                lambda state, parts: report(state.iteration, parts))
    return run.model(name or robot_name(run.config))


def _names(joints: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the names of joints; raises InputError for a text in place of a list."""
    if isinstance(joints, str):
        raise InputError(f'joints {joints!r}: expected a list of names')
    return None if joints is None else tuple(joints)


def _ends(limits: Sequence[Sequence[float]] | None) -> tuple[tuple[float, ...], ...] | None:
    """Return limits as numbers; raises InputError for what are none."""
    if limits is None:
        return None
    found = []
    for one in limits:
        try:
            low, high, *speed = map(float, one)
        except (TypeError, ValueError):
            low, high, speed = 0.0, 0.0, []
        if not (low < high and len(speed) < 2 and all(value > 0 for value in speed)
                and all(map(isfinite, (low, high, *speed)))):
            raise InputError(f'limits {one!r}: expected (lower, upper) or (lower, upper, speed), '
                             f'rad, rad/s')
        found.append((low, high, *speed))
    return tuple(found)
