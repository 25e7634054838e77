# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What meta-training is asked for: every setting that decides which model comes out.

Read from YAML, checked, and changed for another arm or another start. Nothing here trains.
"""

from dataclasses import asdict, dataclass, replace
from enum import Enum
import math
from pathlib import Path
import re
from typing import Annotated

from annotated_types import Ge, Le, Lt

from smallbot.arm.description import ArmError, Description, read_description
from smallbot.arm.kinematics import Arm, urdf_path
from smallbot.arm.limits_file import LimitsFile, stated
from smallbot.arm.workspace import workspace
from smallbot.experiment.products import Products
from smallbot.files.bounds import NotNegative, Share, Size, Whole
from smallbot.files.plain import read_yaml
from smallbot.files.schema import built
from smallbot.files.writing import LONGEST_NAME, read_bytes
from smallbot.models.weights_file import ModelError
from smallbot.one_shot.families import BROWNIAN_WINDOW, start_pose
from smallbot.one_shot.model import arm_of, ArmConfig, Coding, ModelConfig, OneShotModel
from smallbot.outer_loop.closed_form import Balance
from smallbot.outer_loop.stand_in import EXACT, StandIn

Window = Annotated[int, Ge(2), Le(100_000)]
LARGEST = 2 ** 20
"""Bytes of a configuration."""
MOST_WEIGHTS = 10 ** 8
"""Of both networks."""
TURN = (-math.pi, math.pi)
"""Limits, rad, of a joint that turns without end, where none are given."""


class Schedule(str, Enum):
    """How the learning rate falls."""

    COSINE = 'cosine'
    """To a hundredth, along half a cosine over the planned iterations."""
    STEPS = 'steps'
    """By the factor `decay` every `decay_every` iterations."""


@dataclass(frozen=True)
class MetaConfig:
    """Everything that decides what meta-training makes."""

    model: ModelConfig = ModelConfig()
    closed_form: bool = False
    """Whether a run begins with balanced networks in closed form (`closed_form`), for the arm and
    the trial of `model`, whose other sizes and constants they replace; else with random ones."""
    balance: Balance = Balance()
    """What they must do."""
    seed: Annotated[int, Ge(0), Le(2 ** 63 - 1)] = 0
    """Seed of weights, tasks and noise; never 1000 or 2000, the seeds of the figures."""
    iterations: Annotated[int, Ge(1), Le(10 ** 12)] = 6000
    """Outer iterations of the whole schedule."""
    batch: Size = 32
    """Movements in an outer iteration."""
    learning_rate: NotNegative = 3e-3
    """Adam's rate at the start."""
    schedule: Schedule = Schedule.COSINE
    """How it falls from there."""
    decay: NotNegative = 0.99
    """Factor of the schedule `steps` (Ortner et al. 2025, published code)."""
    decay_every: Annotated[int, Ge(1), Le(10 ** 12)] = 500
    """Iterations between two steps of that schedule (Ortner et al. 2025, published code)."""
    training_looks: Annotated[int, Ge(0), Le(10_000)] = 0
    """How often the generator looks at a demonstration while it is trained and validated, which
    costs time; 0: as often as the model will."""
    recurrent_rate: NotNegative = 1.0
    """Learning rate of the trainee's recurrent weights, as share of the generator's. Left to
    themselves they wander until the network is chaotic, and what an update does unforeseeable."""
    clock_rate: NotNegative = 1.0
    """Learning rate of the weights of the trainee's clock, as share of the generator's."""
    readout_rate: NotNegative = 1.0
    """Learning rate of the readout, as share of the generator's."""
    averaging: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Share that a running average of the weights keeps at each iteration. The average is what is
    validated and becomes the model: it takes out the wandering of the trainee's gain, on which
    the error depends steeply. 0: the weights themselves."""
    gradient_clip: NotNegative = 1.0
    """Largest norm of the outer gradient; 0: any."""
    pen_share: Share = 0.5
    """Share of pen strokes in a batch; the others are Brownian."""
    window_range: tuple[Window, Window] = (30, 120)
    """Hann windows of the Brownian movements, steps."""
    anywhere_share: Share = 0.5
    """Share of the Brownian movements that begin at a random pose; the others begin at zero."""
    first_trial: bool = False
    """Whether the first trial, which gives the traces, takes part in the outer gradient and in the
    trainee's rate, as in the published code (Ortner et al. 2025); else it is held constant."""
    generator_autapses: bool = True
    """Whether a neuron of the generator may drive itself; in the published code it may not."""
    tip_weight: NotNegative = 1.0
    """Weight of the squared tool-tip error (m^2) beside the squared velocity error (rad^2/s^2)."""
    rate_weight: NotNegative = 0.25
    """Coefficient of the firing-rate regularisation (Ortner et al. 2025)."""
    trainee_rate: NotNegative = 20.0
    """Target rate of the trainee, Hz (Ortner et al. 2025)."""
    steadiness: NotNegative = 0.0
    """How much the trainee's rate must also be met in each tenth step of the trial, beside each
    neuron's: a movement can only be stored where there are spikes to store it in."""
    generator_rate: NotNegative = 10.0
    """Target rate of the generator, Hz (Ortner et al. 2025)."""
    device_noise: NotNegative = 1.15
    """`StandIn.programming`; without `read_noise`, what is above 1 makes up for reads."""
    read_noise: NotNegative = 0.0
    """`StandIn.read`."""
    drift: NotNegative = 0.0
    """`StandIn.drift`."""
    age: NotNegative = 300.0
    """`StandIn.age`, s."""
    rounding_step: NotNegative = 0.0
    """`StandIn.rounding_step`."""
    dead_band: NotNegative = 0.004
    """`StandIn.dead_band`, weight units."""
    stuck_cells: Share = 0.0
    """`StandIn.stuck_cells`."""
    clip_to_chip: bool = True
    """`StandIn.clip`."""
    software_share: Share = 0.0
    """Share of the iterations, evenly among the others, whose synapses are exact, so that the
    loss is that of software and of the chip."""
    write_weight: NotNegative = 0.0
    """Weight of the share of all cells that an update is expected to write."""
    products: Products = Products.FASTER
    """Numbers in which the generator's backward products are taken."""
    validate_every: Whole = 100
    """Iterations between two validations in software; 0: none."""
    validation_tasks: Size = 100
    """Unseen movements of the paper's family in a validation, seed 1000."""

    @property
    def stand_in(self) -> StandIn:
        """Return what the outer loop sees of a chip."""
        return StandIn(self.device_noise, self.read_noise, self.drift, self.age,
                       self.rounding_step, self.dead_band, self.stuck_cells, self.clip_to_chip)

    def stand_in_at(self, iteration: int) -> StandIn:
        """Return what an iteration, counted from 0, sees of it (`software_share`)."""
        exact = (math.floor((iteration + 1) * self.software_share)
                 > math.floor(iteration * self.software_share))
        return EXACT if exact else self.stand_in


def load_config(path: Path) -> MetaConfig:
    """Read a YAML configuration; raises ModelError naming the field that does not fit."""
    import yaml
    try:
        values = read_yaml(read_bytes(path, LARGEST))
    except OSError as error:
        raise ModelError(f'configuration {path}: cannot be read: {error.strerror}') from None
    except yaml.YAMLError as error:
        raise ModelError(f'configuration {path}: not YAML: {" ".join(str(error).split())}'
                         ) from None
    except ValueError as error:
        raise ModelError(f'configuration {path}: {error}') from None
    config = built(MetaConfig, {} if values is None else values, str(path), ModelError)
    arm = config.model.arm
    if arm.urdf:
        arm = replace(arm, urdf=read_description(path.parent / arm.urdf).text)
    return checked(replace(config, model=replace(config.model, arm=arm)))


def with_arm(config: MetaConfig, urdf: Description | str | Path | None = None,
             joints: tuple[str, ...] | None = None, tip: str | None = None,
             limits: tuple[tuple[float, ...], ...] | None = None,
             held: dict[str, float] | None = None,
             limits_file: LimitsFile | None = None) -> MetaConfig:
    """Return `config` for another arm, or other joints, another tool tip or limits of the same.

    The generator's population code is stretched over what the tool tip can reach, and pen
    strokes, which drive two joints, are left out where there are more or fewer. Joints that turn
    without end and are given no limits get plus and minus pi.
    Parameters: `urdf`, read already, or a file, its text or the name of one that is shipped;
    `tip`, the link that is the tool tip, which need not be named where a `urdf` has only one link
    at an end; `limits`,
    lower and upper of each joint, rad, or lower, upper and speed; `held`, where joints that are
    not driven are held; `limits_file`, within which all of these limits are kept, and those of
    acceleration. What is not given stays.
    Raises ModelError and ArmError where they do not fit each other.
    """
    model = config.model
    arm = model.arm
    if urdf is not None:
        found = urdf if isinstance(urdf, Description) else read_description(
            urdf if str(urdf).lstrip().startswith('<') else urdf_path(str(urdf)))
        arm = replace(arm, urdf=found.text, tip=tip or _only_tip(found, arm.tip),
                      lower=(), upper=(), velocity=(), acceleration=(), held={})
    else:
        found = read_description(arm.urdf or urdf_path())
    if joints is not None and joints != model.joints:
        arm = replace(arm, lower=(), upper=(), velocity=(), acceleration=())
    joints = joints or model.joints
    arm = replace(arm, tip=tip or arm.tip, held={**arm.held, **(held or {})})
    if limits is not None:
        arm = replace(arm, **_bounds(found, joints, limits))
    if limits_file is not None:
        arm = replace(arm, **_narrowed(arm, found, joints, limits_file))
    if limits is None:
        arm = replace(arm, **_bounded(arm, found, joints))
    model = replace(model, arm=arm, joints=joints)
    reach = math.ceil(20 * tip_reach(arm_of(model))) / 20
    model = replace(model, code=replace(model.code, value_range=(-reach, reach)))
    return replace(config, model=model, pen_share=config.pen_share * (len(joints) == 2))


def robot_name(config: MetaConfig) -> str:
    """Return the name of the robot that a model is made for, fit for a file's name."""
    name = re.sub(r'[^\w-]+', '_', arm_of(config.model).name).strip('_') or 'arm'
    while len(name.encode()) > LONGEST_NAME:
        name = name[:-1]
    return name


def said_of_arm(config: MetaConfig) -> list[str]:
    """Return lines that say for which arm a model is made, and what was assumed of it."""
    arm = arm_of(config.model)
    lines = [f'arm {arm.name}, tool tip {config.model.arm.tip}, limits '
             + ', '.join(f'{name} {low:.4g} to {high:.4g}' for name, low, high in zip(
                 arm.driven, arm.limits.lower, arm.limits.upper))]
    endless = [name for name, low, high in zip(arm.driven, arm.limits.lower, arm.limits.upper)
               if arm.description.joint(name).kind == 'continuous' and (low, high) == TURN]
    if endless:
        lines.append(f'{", ".join(endless)} turns without end: -pi to pi is taken, --limits gives '
                     f'others')
    if start_pose(arm).any():
        lines.append('movements begin at ' + ', '.join(
            f'{name} {at:.4g}' for name, at in zip(arm.driven, start_pose(arm))))
    lines.append('accelerations ' + ', '.join(
        f'{name} {value:.4g} ({source})' for name, value, source in zip(
            arm.driven, arm.limits.acceleration, accelerations_from(config))))
    return lines


def accelerations_from(config: MetaConfig, given: str = 'as given') -> tuple[str, ...]:
    """Return where the limit of each driven joint comes from: `given`, URDF or default."""
    arm, own = arm_of(config.model), config.model.arm.acceleration
    return tuple(given if value else 'URDF' if arm.description.joint(name).acceleration
                 else 'default' for name, value in zip(arm.driven, own or (0,) * len(arm.driven)))


def _only_tip(found: Description, usual: str) -> str:
    """Return the link that must be meant where no tool tip is named."""
    ends = [link for link, joints in found.ends() if joints]
    if usual in found.links:
        return usual
    if len(ends) != 1:
        raise ArmError(f'{found.source}: which link is the tool tip? {found.said_ends()}; --tip '
                       f'LINK names one')
    return ends[0]


def _bounds(found: Description, joints: tuple[str, ...], limits: tuple[tuple[float, ...], ...]
            ) -> dict[str, tuple[float, ...]]:
    """Return what an `ArmConfig` says of limits that were given."""
    if len(limits) != len(joints):
        raise ModelError(f'--limits: {len(limits)} limits for {len(joints)} joints '
                         f'({", ".join(joints)})')
    bounds = {'lower': tuple(one[0] for one in limits), 'upper': tuple(one[1] for one in limits)}
    if any(len(one) > 2 for one in limits):
        own = [found.joint(name).velocity if name in found.movable else 0.0 for name in joints]
        bounds['velocity'] = tuple(one[2] if len(one) > 2 else speed
                                   for one, speed in zip(limits, own))
    return bounds


def _narrowed(arm: ArmConfig, found: Description, joints: tuple[str, ...], file: LimitsFile
              ) -> dict[str, tuple[float, ...]]:
    """Return what an `ArmConfig` says of limits that a file narrows."""
    file.check_names(joints)
    chosen = [found.joint(name) for name in joints if name in found.movable]
    if len(chosen) < len(joints):
        return {}
    columns = []
    for number, joint in enumerate(chosen):
        given = {key: getattr(arm, key)[number] or math.inf
                 for key in ('velocity', 'acceleration') if getattr(arm, key)}
        if arm.lower:
            given.update(lower=arm.lower[number], upper=arm.upper[number])
        own = stated(joint)
        bounds = file.narrowed(joint, own._replace(**given))
        ends = bounds[:2] if math.isfinite(bounds.lower) else (joint.lower, joint.upper)
        columns.append((*ends, bounds.velocity if math.isfinite(bounds.velocity) else 0.0,
                        bounds.acceleration if bounds.acceleration < own.acceleration else 0.0))
    return dict(zip(('lower', 'upper', 'velocity', 'acceleration'), zip(*columns)))


def _bounded(arm: ArmConfig, found: Description, joints: tuple[str, ...]
             ) -> dict[str, tuple[float, ...]]:
    """Return limits where one of the joints turns without end and has none, else nothing."""
    chosen = [found.joint(name) for name in joints if name in found.movable]
    ends = list(zip(arm.lower, arm.upper)) or [(joint.lower, joint.upper) for joint in chosen]
    endless = [joint.kind == 'continuous' and math.isinf(low)
               for joint, (low, _) in zip(chosen, ends)]
    if len(chosen) < len(joints) or not any(endless):
        return {}
    ends = [TURN if turns else own for turns, own in zip(endless, ends)]
    return {'lower': tuple(low for low, _ in ends), 'upper': tuple(high for _, high in ends)}


def tip_reach(arm: Arm) -> float:
    """Return the largest magnitude, m, of a coordinate of the tool tip in random poses."""
    return float(abs(workspace(arm).tips).max())


def going_on(config: MetaConfig, start: OneShotModel) -> MetaConfig:
    """Return `config` for the networks of `start`; how often they look is left as configured."""
    looks = {'looks': config.model.looks, 'look_spread': config.model.look_spread}
    return checked(replace(config, model=replace(start.config, **looks)))


def checked(config: MetaConfig) -> MetaConfig:
    """Return `config`; raises ModelError where a value makes no sense."""
    built(MetaConfig, asdict(config), 'configuration', ModelError)
    low, high = config.window_range
    weights = sum(a * b for a, b in config.model.shapes().values())
    for wrong, message in (
            (weights > MOST_WEIGHTS,
             f'networks of {weights} weights: expected at most {MOST_WEIGHTS}'),
            (config.model.looks > 1 and config.model.coding is Coding.BINARY,
             f'looks {config.model.looks}: the binary code shows no velocities to differ in; set '
             f'looks: 1'),
            (config.validate_every > 0 and 2 * config.model.steps < BROWNIAN_WINDOW,
             f'steps {config.model.steps}: the validation movements are smoothed over '
             f'{BROWNIAN_WINDOW} steps; set validate_every: 0'),
            (not low <= high <= config.model.steps,
             f'window_range {low}..{high}: expected 2 <= low <= high <= {config.model.steps}'),
            (config.pen_share > 0 and len(config.model.joints) != 2,
             f'pen_share {config.pen_share} with {len(config.model.joints)} joints: pen strokes '
             f'drive two joints; set pen_share: 0.0')):
        if wrong:
            raise ModelError(message)
    return config
