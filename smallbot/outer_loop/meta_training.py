"""The outer loop: learn to learn a movement from one demonstration with one update.

Both networks are trained by backpropagation through time through the trainee's second trial and
through the update that came before it. The first trial is the same for every task, so it runs
once for the whole batch, and no gradient flows through its traces.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import Enum
import io
import json
import math
from pathlib import Path
import time
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.drawings import pen_trials
from smallbot.files import write_atomically
from smallbot.one_shot.families import (
    brownian,
    BROWNIAN_WINDOW,
    from_positions,
    Movements,
    place,
)
from smallbot.one_shot.figures import tip_rmse_cm, VALIDATION_SEED
from smallbot.one_shot.learner import generator_trial
from smallbot.one_shot.model import (
    arm_of,
    Coding,
    from_mapping,
    initial_weights,
    ModelConfig,
    ModelError,
    OneShotModel,
)
from smallbot.outer_loop.processes import Group
from smallbot.outer_loop.stand_in import (
    begun_weights,
    Draw,
    INITIAL_AGES,
    share_written,
    StandIn,
    Written,
)
from smallbot.snn.eligibility import eligibility_traces, eprop_update
from smallbot.snn.filters import filtered
from smallbot.snn.unroll import Trial, unroll

CHECKPOINT = 'checkpoint.pt'
RATE_WINDOW = 10
"""Steps over which the trainee's rate is taken for `steadiness`."""
TARGET_CM = 2.5
"""Mean error on the validation tasks, in software, whose time is logged: a product figure."""


EXACT = {'device_noise': 0.0, 'read_noise': 0.0, 'drift': 0.0, 'rounding_step': 0.0,
         'dead_band': 0.0, 'stuck_cells': 0.0, 'clip_to_chip': False}
"""Settings that leave software of the chip."""


class Schedule(str, Enum):
    """How the learning rate falls."""

    COSINE = 'cosine'
    """To a hundredth, along half a cosine over the planned iterations."""
    STEPS = 'steps'
    """By the factor `decay` every `decay_every` iterations."""


class Products(str, Enum):
    """Numbers in which the generator's backward products are taken."""

    FLOAT32 = 'float32'
    BFLOAT16 = 'bfloat16'
    """Half the time where the processor has it; gradients are within 0.2 % of the others."""
    FASTER = 'faster'
    """Bfloat16 where the processor has it, else float32; decided when a run begins."""


@dataclass(frozen=True)
class MetaConfig:
    """Everything that decides what meta-training makes."""

    model: ModelConfig = ModelConfig()
    seed: int = 0
    """Seed of weights, tasks and noise; never 1000 or 2000, the seeds of the figures."""
    iterations: int = 6000
    """Outer iterations of the whole schedule."""
    batch: int = 32
    """Movements in an outer iteration."""
    learning_rate: float = 3e-3
    """Adam's rate at the start."""
    schedule: Schedule = Schedule.COSINE
    """How it falls from there."""
    decay: float = 0.99
    """Factor of the schedule `steps` (Ortner et al. 2025, published code)."""
    decay_every: int = 500
    """Iterations between two steps of that schedule (Ortner et al. 2025, published code)."""
    training_looks: int = 0
    """How often the generator looks at a demonstration while it is trained and validated, which
    costs time; 0: as often as the model will."""
    recurrent_rate: float = 1.0
    """Learning rate of the trainee's recurrent weights, as share of the others'. Left to
    themselves they wander until the network is chaotic, and what an update does unforeseeable."""
    averaging: float = 0.0
    """Share that a running average of the weights keeps at each iteration. The average is what is
    validated and becomes the model: it takes out the wandering of the trainee's gain, on which
    the error depends steeply. 0: the weights themselves."""
    gradient_clip: float = 1.0
    """Largest norm of the outer gradient; 0: any."""
    pen_share: float = 0.5
    """Share of pen strokes in a batch; the others are Brownian."""
    window_range: tuple[int, int] = (30, 120)
    """Hann windows of the Brownian movements, steps."""
    anywhere_share: float = 0.5
    """Share of the Brownian movements that begin at a random pose; the others begin at zero."""
    tip_weight: float = 1.0
    """Weight of the squared tool-tip error (m^2) beside the squared velocity error (rad^2/s^2)."""
    rate_weight: float = 0.25
    """Coefficient of the firing-rate regularisation (Ortner et al. 2025)."""
    trainee_rate: float = 20.0
    """Target rate of the trainee, Hz (Ortner et al. 2025)."""
    steadiness: float = 0.0
    """How much the trainee's rate must also be met in each tenth step of the trial, beside each
    neuron's: a movement can only be stored where there are spikes to store it in."""
    generator_rate: float = 10.0
    """Target rate of the generator, Hz (Ortner et al. 2025)."""
    device_noise: float = 1.15
    """`StandIn.programming`; without `read_noise`, what is above 1 makes up for reads."""
    read_noise: float = 0.0
    """`StandIn.read`."""
    drift: float = 0.0
    """`StandIn.drift`."""
    age: float = 300.0
    """`StandIn.age`, s."""
    rounding_step: float = 0.0
    """`StandIn.rounding_step`."""
    dead_band: float = 0.004
    """`StandIn.dead_band`, weight units."""
    stuck_cells: float = 0.0
    """`StandIn.stuck_cells`."""
    clip_to_chip: bool = True
    """`StandIn.clip`."""
    write_weight: float = 0.0
    """Weight of the share of all cells that an update is expected to write."""
    products: Products = Products.FASTER
    """Numbers in which the generator's backward products are taken."""
    validate_every: int = 100
    """Iterations between two validations in software; 0: none."""
    validation_tasks: int = 100
    """Unseen movements of the paper's family in a validation, seed 1000."""

    @property
    def stand_in(self) -> StandIn:
        """Return what the outer loop sees of a chip."""
        return StandIn(self.device_noise, self.read_noise, self.drift, self.age,
                       self.rounding_step, self.dead_band, self.stuck_cells, self.clip_to_chip)


class Iteration(NamedTuple):
    """What one outer iteration reached, as numbers."""

    loss: float
    tip_cm: float
    velocity_rmse: float
    trainee_hz: float
    generator_hz: float
    written: float
    """Share of all synapses that the updates are expected to write."""


class Validation(NamedTuple):
    """One look at unseen movements, with exact weights."""

    iteration: int
    seconds: float
    """Since the beginning of the run, interruptions left out."""
    tip_cm: float
    """Mean `tip_rmse_cm` after one update."""


class Batch(NamedTuple):
    """One process's share of an outer iteration: tasks, and the chance of their synapses."""

    movements: Movements
    tasks: int
    """Of the whole iteration, all shares together."""
    draw: Draw = Draw()


class Attempt(NamedTuple):
    """What a batch of tasks made of one demonstration and one update each."""

    velocity: Tensor
    """Of the playback [B, T, J], rad/s of nominal time."""
    trainee: Trial
    """The playback."""
    generator: Trial
    written: Tensor
    """Share of all synapses that the updates are expected to write, a scalar."""


def load_config(path: Path) -> MetaConfig:
    """Read a YAML configuration; raises ModelError naming the field that does not fit."""
    import yaml
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f'configuration {path}: cannot be read: {error}') from None
    except yaml.YAMLError as error:
        raise ModelError(f'configuration {path}: not YAML: {" ".join(str(error).split())}'
                         ) from None
    config = from_mapping(MetaConfig, values or {}, str(path))
    arm = config.model.arm
    if arm.urdf:
        arm = replace(arm, urdf=_urdf_text(path.parent / arm.urdf))
    return checked(replace(config, model=replace(config.model, arm=arm)))


def with_arm(config: MetaConfig, urdf: Path | None = None, joints: tuple[str, ...] | None = None,
             tip: str | None = None, limits: tuple[tuple[float, float], ...] | None = None
             ) -> MetaConfig:
    """Return `config` for another arm, or other joints, another tool tip or limits of the same.

    The generator's population code is stretched over what the tool tip can reach, and pen
    strokes, which drive two joints, are left out where there are more or fewer.
    Parameters: `urdf`, a file; `tip`, the link that is the tool tip; `limits`, lower and upper of
    each joint, rad. What is not given stays.
    Raises ModelError and ArmError where they do not fit each other.
    """
    model = config.model
    joints, arm = joints or model.joints, replace(model.arm, tip=tip or model.arm.tip)
    if urdf is not None:
        arm = replace(arm, urdf=_urdf_text(urdf))
    if limits:
        lower, upper = zip(*limits)
        arm = replace(arm, lower=lower, upper=upper)
    model = replace(model, arm=arm, joints=joints)
    reach = math.ceil(20 * tip_reach(arm_of(model))) / 20
    model = replace(model, code=replace(model.code, value_range=(-reach, reach)))
    return replace(config, model=model, pen_share=config.pen_share * (len(joints) == 2))


def tip_reach(arm: Arm, poses: int = 4096) -> float:
    """Return the largest magnitude, m, of a coordinate of the tool tip in random poses."""
    low, high = (torch.as_tensor(x) for x in (arm.limits.lower, arm.limits.upper))
    chance = torch.rand(poses, len(arm.driven), generator=stream(0), dtype=low.dtype)
    return float(arm.tip(low + chance * (high - low)).abs().max())


def _urdf_text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f'URDF {path}: cannot be read: {error}') from None


def going_on(config: MetaConfig, start: OneShotModel) -> MetaConfig:
    """Return `config` for the networks of `start`; how often they look is left as configured."""
    looks = {'looks': config.model.looks, 'look_spread': config.model.look_spread}
    return checked(replace(config, model=replace(start.config, **looks)))


def checked(config: MetaConfig) -> MetaConfig:
    """Return `config`; raises ModelError where a value makes no sense."""
    low, high = config.window_range
    for wrong, message in (
            (config.model.looks < 1, f'looks {config.model.looks}: expected at least 1'),
            (config.model.looks > 1 and config.model.coding is Coding.BINARY,
             f'looks {config.model.looks}: the binary code shows no velocities to differ in; set '
             f'looks: 1'),
            (config.batch < 1, f'batch {config.batch}: expected at least 1'),
            (config.iterations < 1, f'iterations {config.iterations}: expected at least 1'),
            (not 0 <= config.pen_share <= 1, f'pen_share {config.pen_share}: expected 0 to 1'),
            (not 0 <= config.anywhere_share <= 1,
             f'anywhere_share {config.anywhere_share}: expected 0 to 1'),
            *((not getattr(config, name) >= 0, f'{name} {getattr(config, name)}: expected at '
               f'least 0') for name in ('training_looks', 'recurrent_rate', 'device_noise',
                                        'read_noise', 'drift', 'age', 'rounding_step',
                                        'dead_band', 'stuck_cells', 'write_weight')),
            (config.stuck_cells > 1, f'stuck_cells {config.stuck_cells}: expected at most 1'),
            (not 0 <= config.averaging < 1,
             f'averaging {config.averaging}: expected 0 to below 1'),
            (config.decay_every < 1, f'decay_every {config.decay_every}: expected at least 1'),
            (config.validate_every < 0 or config.validation_tasks < 1,
             f'validate_every {config.validate_every}, validation_tasks '
             f'{config.validation_tasks}: expected at least 0 and 1'),
            (config.validate_every > 0 and 2 * config.model.steps < BROWNIAN_WINDOW,
             f'steps {config.model.steps}: the validation movements are smoothed over '
             f'{BROWNIAN_WINDOW} steps; set validate_every: 0'),
            (not 2 <= low <= high <= config.model.steps,
             f'window_range {low}..{high}: expected 2 <= low <= high <= {config.model.steps}'),
            (config.pen_share > 0 and len(config.model.joints) != 2,
             f'pen_share {config.pen_share} with {len(config.model.joints)} joints: pen strokes '
             f'drive two joints; set pen_share: 0.0')):
        if wrong:
            raise ModelError(message)
    return config


def augmented_pens(pens: Tensor, count: int, step_seconds: float, arm: Arm,
                   generator: torch.Generator) -> Movements:
    """Draw pen strokes, turned, stretched, mirrored, sometimes drawn backwards.

    Parameters: `pens` [D, T + 1, 2], rad, relative to their first point.
    """
    def uniform(low, high, *shape):
        return low + (high - low) * torch.rand(*shape, generator=generator)

    path = pens[torch.randint(len(pens), (count,), generator=generator)]
    reverse = uniform(0, 1, count) < 0.3
    path = torch.where(reverse[:, None, None], path.flip(1), path)
    path = path - path[:, :1]
    angle = uniform(0, 2 * math.pi, count)
    size = uniform(0.5, 1.15, count, 2)
    size[:, 1] *= (uniform(0, 1, count) < 0.5) * 2.0 - 1.0
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    path = (path * size[:, None]) @ turn.mT
    return from_positions(place(path, arm, generator), step_seconds)


def draw_tasks(config: MetaConfig, arm: Arm, pens: Tensor | None, generator: torch.Generator
               ) -> Movements:
    """Draw the movements of an iteration: Brownian ones from zero and from anywhere, pens."""
    model = config.model
    strokes = round(config.pen_share * config.batch) if pens is not None else 0
    parts = []
    walks = config.batch - strokes
    wandering = int(config.anywhere_share * walks)
    low, high = config.window_range
    for anywhere, count in ((False, walks - wandering), (True, wandering)):
        if count:
            window = int(torch.randint(low, high + 1, (), generator=generator))
            window = high if not anywhere and torch.rand((), generator=generator) < 0.5 else window
            parts.append(brownian(count, model.steps, model.step_seconds, arm, generator,
                                  window, anywhere))
    if strokes:
        parts.append(augmented_pens(pens, strokes, model.step_seconds, arm, generator))
    return Movements(torch.cat([p.start for p in parts]),
                     torch.cat([p.velocity for p in parts]), model.step_seconds)


def stream(*key: int) -> torch.Generator:
    """Return the generator of random numbers that belongs to a seed, an iteration, a task.

    Only the first number of `key` may be 0: a key is the same with zeros after it.
    """
    return torch.Generator().manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))


def draw_batch(config: MetaConfig, arm: Arm, pens: Tensor | None, iteration: int,
               rank: int = 0, size: int = 1) -> Batch:
    """Draw the share of process `rank` of `size` in the tasks of an iteration, and their noise.

    Every process draws all tasks, which is quick, and the noise of its own, from a generator for
    each task: whatever the number of processes, an iteration has the same tasks and noise.
    """
    general = stream(config.seed, iteration + 1)
    tasks = draw_tasks(config, arm, pens, general)
    mine = of_process(tasks, rank, size)
    model, stand_in = config.model, config.stand_in
    chances = [stream(config.seed, iteration + 1, task + 1) for task in range(config.batch)]
    plastic = (model.plastic_rows, model.neurons)

    def of_each(draw: Callable[..., Tensor]) -> Tensor:
        return torch.stack([draw(plastic, generator=chance) for chance in chances[rank::size]])

    begun = adapted = rounding = stuck = held = None
    age = INITIAL_AGES[0]
    if stand_in.noisy:
        begun = torch.randn(model.synapse_mask().T.shape, generator=general)
        adapted = of_each(torch.randn)
    if stand_in.rounding_step > 0:
        rounding = of_each(torch.rand)
    if stand_in.stuck_cells > 0:
        shape = model.synapse_mask().T.shape
        stuck = torch.rand(shape, generator=general) < stand_in.stuck_cells
        held = 2 * torch.rand(shape, generator=general) - 1
    if stand_in.drift > 0:
        low, high = (math.log(bound) for bound in INITIAL_AGES)
        age = math.exp(low + (high - low) * float(torch.rand((), generator=general)))
    return Batch(mine, config.batch, Draw(begun, adapted, rounding, stuck, held, age))


def of_process(tasks: Movements, rank: int, size: int) -> Movements:
    """Return every `size`-th movement, beginning with number `rank`."""
    return Movements(tasks.start[rank::size], tasks.velocity[rank::size], tasks.step_seconds)


def attempt(config: MetaConfig, weights: dict[str, Tensor], batch: Batch, arm: Arm) -> Attempt:
    """Show a fresh trainee each task once, update it once, play; differentiable in `weights`."""
    model, stand_in = config.model, config.stand_in
    n_in, rows = model.clock_neurons, model.plastic_rows
    clock = model.clock(weights['readout'])
    mask = model.synapse_mask().T.to(clock.dtype)
    limit = model.weight_limits()[:, None]
    trainee, readout = weights['trainee'].T, weights['readout'].T
    begun = begun_weights(stand_in, trainee.detach() * mask, limit, batch.draw)
    with torch.no_grad():
        first = unroll((clock @ begun[:n_in])[:, None], begun[n_in:], readout, model.trainee)
        eligibility = eligibility_traces(clock, first.spikes[:, 0], first.psi[:, 0], model.trainee)
        if not model.recurrent_update:
            eligibility = eligibility._replace(
                recurrent_trace=eligibility.recurrent_trace[:, :0])

    products = torch.bfloat16 if config.products is Products.BFLOAT16 else None
    watching = replace(model, looks=config.training_looks or model.looks)
    signals, generator = generator_trial(
        watching, weights, model.watched(arm, batch.movements.positions()), products)
    delta = eprop_update(eligibility, signals, model.inner_rate)
    share = share_written(stand_in, delta if config.write_weight else delta.detach(), mask[:rows],
                          limit[:rows], int(mask.sum()))
    w_in, w_rec = Written.apply(trainee[:rows], delta, begun[:rows], mask[:rows], limit[:rows],
                                stand_in, batch.draw, n_in)
    if not model.recurrent_update:
        kept = trainee[n_in:]
        w_rec = kept + (begun[n_in:] - kept).detach()
    current = (clock @ w_in.flatten(1)).view(model.steps, -1, model.neurons)
    playback = unroll(current, w_rec, readout, model.trainee,
                      None if model.recurrent_update else products)
    velocity = filtered(playback.output, model.readout_decay)
    return Attempt(velocity.transpose(0, 1), playback, generator, share)


def outer_loss(config: MetaConfig, weights: dict[str, Tensor], batch: Batch, arm: Arm,
               group: Group = Group()) -> tuple[Tensor, Iteration]:  # noqa: B008
    """Return the outer loss of an iteration, differentiable in `weights`, and its parts.

    Each process of `group` passes its own share of the batch; the loss is that of the whole
    batch, its gradients are the share's.
    Source: Ortner et al. 2025, equation 19. What the chip does to the weights (noise, a dead band,
    clipping) is added as a constant: the gradient passes straight through it.
    """
    tasks = batch.movements
    velocity, trainee, generator, written = attempt(config, weights, batch, arm)
    reached = Movements(tasks.start, velocity, tasks.step_seconds).positions()
    tip_error = (arm.tip(reached) - arm.tip(tasks.positions())).square().sum(-1)
    by_step = trainee.by_step.unfold(0, RATE_WINDOW, RATE_WINDOW).mean(1)
    shares = [trainee.rate, generator.rate, by_step, torch.stack([
        (velocity - tasks.velocity).square().mean(), tip_error.mean(),
        100 * tip_error.detach().mean(1).sqrt().mean(), written])]
    means = group.total(torch.cat(shares) * (len(tasks.start) / batch.tasks))
    trainee_rate, generator_rate, by_step, rest = means.split([len(x) for x in shares])
    velocity_error, tip_error, tip_cm, written = rest
    rate = 1e-3
    regular = ((trainee_rate - rate * config.trainee_rate).square().sum()
               + (generator_rate - rate * config.generator_rate).square().sum()
               + config.steadiness * config.model.neurons
               * (by_step - rate * config.trainee_rate).square().mean())
    loss = (0.5 * velocity_error + 0.5 * config.tip_weight * tip_error
            + config.rate_weight * regular + config.write_weight * written)
    with torch.no_grad():
        parts = Iteration(
            float(loss), float(tip_cm), float(velocity_error.sqrt()),
            float(trainee_rate.mean() / rate), float(generator_rate.mean() / rate),
            float(written))
    return loss, parts


def learning_rate(config: MetaConfig, iteration: int) -> float:
    """Return Adam's rate at an iteration."""
    if config.schedule is Schedule.STEPS:
        return config.learning_rate * config.decay ** (iteration // config.decay_every)
    fraction = min(1.0, iteration / config.iterations)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fraction)))


def faster_products() -> Products:
    """Return the numbers in which this processor multiplies faster."""
    has = any(getattr(torch.cpu, name, bool)()
              for name in ('_is_avx512_bf16_supported', '_is_amx_tile_supported'))
    return Products.BFLOAT16 if has else Products.FLOAT32


class MetaTraining:
    """The state of a run: weights, optimiser and the iteration it has reached.

    `step` advances it by one outer iteration; `save` and `restore` interrupt and resume it so
    that the same numbers come out as from an unbroken run. In a group of processes each holds
    the same state and takes a share of every batch: the numbers are those of one process, but
    for the order in which floats are added up.
    """

    def __init__(self, config: MetaConfig, group: Group | None = None,
                 start: OneShotModel | None = None):
        """Begin with random weights, or with those of `start` and their sizes (`going_on`)."""
        self.group = group or Group()
        self.start = start and {'name': start.name, **start.card}
        """Card of the model that this run went on from."""
        if start is not None:
            config = going_on(config, start)
        if config.products is Products.FASTER:
            config = replace(config, products=self.group.first(faster_products))
        self.config = checked(config)
        if config.batch < self.group.size:
            raise ModelError(f'batch {config.batch}: expected at least one task for each of '
                             f'{self.group.size} processes')
        self.arm = arm_of(config.model)
        self.iteration = 0
        self.seconds = 0.0
        """Spent so far, interruptions left out."""
        self.validations: list[Validation] = []
        weights = start.weights if start is not None else initial_weights(
            config.model, torch.Generator().manual_seed(config.seed))
        self.weights = {key: value.clone().requires_grad_() for key, value in weights.items()}
        self.average = {key: value.detach().clone() for key, value in self.weights.items()}
        """Running average of the weights, or the weights themselves (`averaging`)."""
        self.optimiser = torch.optim.Adam(self.weights.values(), lr=config.learning_rate)
        self.pens = None
        if config.pen_share > 0:
            self.pens = torch.as_tensor(pen_trials('train', config.model.steps, self.arm),
                                        dtype=torch.float32)

    def step(self) -> Iteration:
        """Run one outer iteration."""
        config = self.config
        for settings in self.optimiser.param_groups:
            settings['lr'] = learning_rate(config, self.iteration)
        batch = draw_batch(config, self.arm, self.pens, self.iteration, self.group.rank,
                           self.group.size)
        loss, parts = outer_loss(config, self.weights, batch, self.arm, self.group)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.group.add_up([value.grad for value in self.weights.values()])
        if config.gradient_clip:
            torch.nn.utils.clip_grad_norm_(list(self.weights.values()), config.gradient_clip)
        trainee, n_in = self.weights['trainee'], config.model.clock_neurons
        before = trainee[:, n_in:].detach().clone()
        self.optimiser.step()
        if config.recurrent_rate != 1:
            with torch.no_grad():
                trainee[:, n_in:] = torch.lerp(before, trainee[:, n_in:], config.recurrent_rate)
        if config.clip_to_chip:
            with torch.no_grad():
                limit = config.model.weight_limits()
                self.weights['trainee'].clamp_(-limit, limit)
        for key, value in self.weights.items():
            self.average[key].lerp_(value.detach(), 1 - config.averaging)
        self.iteration += 1
        return parts

    @torch.no_grad()
    def validate(self) -> Validation:
        """Measure the run as it is on unseen movements, with exact weights, and note it."""
        config, model = self.config, self.config.model
        tasks = brownian(config.validation_tasks, model.steps, model.step_seconds, self.arm,
                         torch.Generator().manual_seed(VALIDATION_SEED))
        mine = of_process(tasks, self.group.rank, self.group.size)
        error = torch.zeros(())
        if len(mine.start):
            exact = replace(config, **EXACT)
            tried = attempt(exact, self.average, Batch(mine, len(tasks.start)), self.arm)
            error = tip_rmse_cm(tried.velocity, mine, self.arm).sum()
        error = self.group.total(error.float()) / len(tasks.start)
        self.validations.append(Validation(self.iteration, self.seconds, float(error)))
        return self.validations[-1]

    def seconds_to(self, tip_cm: float) -> float | None:
        """Return the time of the first validation at or below `tip_cm`; None before it."""
        return next((v.seconds for v in self.validations if v.tip_cm <= tip_cm), None)

    def model(self, name: str) -> OneShotModel:
        """Return the model as it is now."""
        weights = {key: value.clone() for key, value in self.average.items()}
        weights['trainee'] *= self.config.model.synapse_mask()
        card = {'made_by': 'smallbot meta-train', 'seed': self.config.seed,
                'iterations': self.iteration, 'training_seconds': round(self.seconds, 1),
                'processes': self.group.size,
                f'seconds_to_{TARGET_CM:g}_cm_in_software': self.seconds_to(TARGET_CM),
                'meta_training': {key: value for key, value in asdict(self.config).items()
                                  if key != 'model'}}
        if self.start:
            card['started_from'] = self.start
        return OneShotModel(self.config.model, weights, name, card)

    def save(self, directory: Path) -> None:
        """Write the checkpoint into `directory`, atomically; only the first process does."""
        if not self.group.leads:
            return
        directory.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        torch.save({
            'config': json.dumps(asdict(self.config)), 'start': json.dumps(self.start),
            'iteration': self.iteration,
            'seconds': self.seconds, 'validations': [tuple(v) for v in self.validations],
            'weights': {key: value.detach() for key, value in self.weights.items()},
            'average': self.average,
            'optimiser': self.optimiser.state_dict(),
        }, content)
        write_atomically(directory / CHECKPOINT, content.getvalue())

    @classmethod
    def restore(cls, directory: Path, group: Group | None = None) -> 'MetaTraining':
        """Read the checkpoint in `directory`; the first process of a group reads it for all.

        Raises ModelError where there is none or it cannot be used.
        """
        path = directory / CHECKPOINT
        group = group or Group()

        def read():
            try:
                saved = torch.load(path, weights_only=True)
                return saved, json.loads(saved['config']), json.loads(saved['start'])
            except FileNotFoundError:
                raise ModelError(f'{directory}: no checkpoint ({CHECKPOINT}) to resume from; '
                                 f'start without --resume to make one') from None
            except Exception as error:
                reason = str(error).strip().splitlines()[0]
                raise ModelError(f'{path}: cannot be read as a checkpoint: {reason}') from None

        saved, config, start = group.first(read)
        run = cls(from_mapping(MetaConfig, config, f'{path}: config'), group)
        run.start = start
        run.iteration, run.seconds = saved['iteration'], saved['seconds']
        run.validations = [Validation(*v) for v in saved['validations']]
        with torch.no_grad():
            for key, value in saved['weights'].items():
                run.weights[key].copy_(value)
                run.average[key].copy_(saved['average'][key])
        run.optimiser.load_state_dict(saved['optimiser'])
        return run


def meta_train(run: MetaTraining, directory: Path, until: Callable[[MetaTraining], bool],
               report: Callable[[MetaTraining, Iteration], None],
               checkpoint_seconds: float = 60.0) -> None:
    """Advance `run` until `until` says so in any of its processes, with checkpoints.

    Validates as configured, before `report`. Whatever ends it, the checkpoint in `directory` is
    written last; to stop it, let `until` return True, which is asked between iterations only.
    """
    every, last = run.config.validate_every, run.config.iterations
    began, before = time.monotonic(), run.seconds
    written = began
    try:
        while not run.group.any(until(run)):
            parts = run.step()
            run.seconds = before + time.monotonic() - began
            if every and (run.iteration % every == 0 or run.iteration == last):
                run.validate()
            report(run, parts)
            if time.monotonic() - written > checkpoint_seconds:
                run.save(directory)
                written = time.monotonic()
            run.seconds = before + time.monotonic() - began
    finally:
        run.save(directory)


def planned_iterations(config: MetaConfig, minutes: float, group: Group | None = None,
                       trials: int = 5) -> int:
    """Return how many iterations fit into `minutes` here, measured on a run that is thrown away.

    The plan is fixed before training begins, because the learning rate follows it: a run that is
    interrupted and resumed comes out as one that was not.
    """
    rehearsal = MetaTraining(config, group)
    rehearsal.step()

    def seconds(of: Callable[[], object]) -> float:
        began = time.perf_counter()
        of()
        return time.perf_counter() - began

    needed = sum(seconds(rehearsal.step) for _ in range(trials)) / trials
    if config.validate_every:
        needed += seconds(rehearsal.validate) / config.validate_every
    return rehearsal.group.first(lambda: max(1, int(60 * minutes / needed)))
