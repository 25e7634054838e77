"""The outer loop: learn to learn a movement from one demonstration with one update.

Both networks are trained by backpropagation through time through the trainee's second trial and
through the update that came before it. The first trial is the same for every task, so it runs
once for the whole batch, and no gradient flows through its traces.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
import io
import math
from pathlib import Path
import time
from typing import NamedTuple

import torch
from torch import Tensor

from smallbot.arm.drawings import pen_trials
from smallbot.arm.kinematics import Arm
from smallbot.files import write_atomically
from smallbot.one_shot.families import brownian, from_positions, Movements, place
from smallbot.one_shot.learner import generator_trial
from smallbot.one_shot.model import (
    from_mapping,
    initial_weights,
    ModelConfig,
    ModelError,
    OneShotModel,
)
from smallbot.snn.eligibility import eligibility_traces, eprop_update
from smallbot.snn.filters import filtered
from smallbot.snn.unroll import unroll

CHECKPOINT = 'checkpoint.pt'
RATE_WINDOW = 10
"""Steps over which the trainee's rate is taken for `steadiness`."""


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
    """Adam's rate at the start; falls to a hundredth along a cosine."""
    gradient_clip: float = 1.0
    """Largest norm of the outer gradient."""
    pen_share: float = 0.5
    """Share of pen strokes in a batch; the others are Brownian."""
    window_range: tuple[int, int] = (30, 120)
    """Hann windows of the Brownian movements, steps."""
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
    input_noise: float = 0.06
    """s.d. of the programming noise of input weights, a stand-in for the chip."""
    recurrent_noise: float = 0.014
    """s.d. of the programming noise of recurrent weights, a stand-in for the chip."""
    dead_band: float = 0.004
    """Changes below this are not written, so that the cell keeps its noise; weight units."""


class Iteration(NamedTuple):
    """What one outer iteration reached, as numbers."""

    loss: float
    tip_cm: float
    velocity_rmse: float
    trainee_hz: float
    generator_hz: float


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
    return checked(from_mapping(MetaConfig, values or {}, str(path)))


def checked(config: MetaConfig) -> MetaConfig:
    """Return `config`; raises ModelError where a value makes no sense."""
    low, high = config.window_range
    for wrong, message in (
            (config.batch < 1, f'batch {config.batch}: expected at least 1'),
            (config.iterations < 1, f'iterations {config.iterations}: expected at least 1'),
            (not 0 <= config.pen_share <= 1, f'pen_share {config.pen_share}: expected 0 to 1'),
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
    """Draw a batch of movements: half the Brownian ones begin at zero, half anywhere."""
    model = config.model
    strokes = round(config.pen_share * config.batch) if pens is not None else 0
    parts = []
    walks = config.batch - strokes
    low, high = config.window_range
    for anywhere, count in ((False, walks - walks // 2), (True, walks // 2)):
        if count:
            window = int(torch.randint(low, high + 1, (), generator=generator))
            window = high if not anywhere and torch.rand((), generator=generator) < 0.5 else window
            parts.append(brownian(count, model.steps, model.step_seconds, arm, generator,
                                  window, anywhere))
    if strokes:
        parts.append(augmented_pens(pens, strokes, model.step_seconds, arm, generator))
    return Movements(torch.cat([p.start for p in parts]),
                     torch.cat([p.velocity for p in parts]), model.step_seconds)


def outer_loss(config: MetaConfig, weights: dict[str, Tensor], tasks: Movements, arm: Arm,
               generator: torch.Generator) -> tuple[Tensor, Iteration]:
    """Return the outer loss of a batch of tasks, differentiable in `weights`, and its parts.

    Source: Ortner et al. 2025, equation 19. What the chip does to the weights (noise, a dead band,
    clipping) is added as a constant: the gradient passes straight through it.
    """
    model = config.model
    n_in = model.clock_neurons
    clock = model.clock(tasks.velocity)
    mask = model.synapse_mask().T
    limit = model.weight_limits()[:, None]
    noise = torch.cat([torch.full((n_in, 1), config.input_noise),
                       torch.full((model.neurons, 1), config.recurrent_noise)])
    noisy = config.input_noise > 0 or config.recurrent_noise > 0

    def drawn(*shape):
        return noise * torch.randn(*shape, generator=generator) if noisy else torch.zeros(())

    begun = (weights['trainee'].T + drawn(*mask.shape)) * mask
    with torch.no_grad():
        spikes, psi, _ = unroll((clock @ begun[:n_in])[:, None], begun[n_in:], model.trainee)
        eligibility = eligibility_traces(clock, spikes[:, 0], psi[:, 0], model.trainee)

    demonstrated = tasks.positions()
    signals, generator_spikes = generator_trial(model, weights, arm.tip(demonstrated))
    delta = eprop_update(eligibility, signals, model.inner_rate) * mask
    adapted = weights['trainee'].T + delta
    with torch.no_grad():
        fresh = (adapted + drawn(*delta.shape)) * mask if noisy else adapted
        chip = torch.where(delta.abs() >= config.dead_band, fresh, begun).clamp_(-limit, limit)
        chip -= adapted
    adapted = adapted + chip

    current = torch.matmul(clock, adapted[:, :n_in]).transpose(0, 1)
    spikes, *_ = unroll(current, adapted[:, n_in:], model.trainee)
    velocity = filtered(spikes @ weights['readout'].T, model.readout_decay)
    velocity = velocity.transpose(0, 1)
    reached = Movements(tasks.start, velocity, model.step_seconds).positions()
    tip_error = (arm.tip(reached) - arm.tip(demonstrated)).square().sum(-1)
    velocity_error = (velocity - tasks.velocity).square().mean()
    rate = 1e-3
    trainee_rate, generator_rate = spikes.mean((0, 1)), generator_spikes.mean((0, 1))
    regular = ((trainee_rate - rate * config.trainee_rate).square().sum()
               + (generator_rate - rate * config.generator_rate).square().sum())
    through_time = spikes.mean((1, 2)).unfold(0, RATE_WINDOW, RATE_WINDOW).mean(1)
    regular = regular + config.steadiness * model.neurons * (
        through_time - rate * config.trainee_rate).square().mean()
    loss = (0.5 * velocity_error + 0.5 * config.tip_weight * tip_error.mean()
            + config.rate_weight * regular)
    with torch.no_grad():
        parts = Iteration(
            float(loss), float(100 * tip_error.mean(1).sqrt().mean()),
            float(velocity_error.sqrt()), float(trainee_rate.mean() / rate),
            float(generator_rate.mean() / rate))
    return loss, parts


class MetaTraining:
    """The state of a run: weights, optimiser, generator and the iteration it has reached.

    `step` advances it by one outer iteration; `save` and `restore` interrupt and resume it so
    that the same numbers come out as from an unbroken run.
    """

    def __init__(self, config: MetaConfig, arm: Arm):
        self.config = checked(config)
        self.arm = arm
        self.iteration = 0
        self.seconds = 0.0
        self.generator = torch.Generator().manual_seed(config.seed)
        self.weights = {key: value.requires_grad_() for key, value
                        in initial_weights(config.model, self.generator).items()}
        self.optimiser = torch.optim.Adam(self.weights.values(), lr=config.learning_rate)
        self.pens = None
        if config.pen_share > 0:
            self.pens = torch.as_tensor(pen_trials('train', config.model.steps, arm),
                                        dtype=torch.float32)

    def step(self) -> Iteration:
        """Run one outer iteration."""
        config = self.config
        began = time.perf_counter()
        fraction = min(1.0, self.iteration / config.iterations)
        rate = config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fraction)))
        for group in self.optimiser.param_groups:
            group['lr'] = rate
        tasks = draw_tasks(config, self.arm, self.pens, self.generator)
        loss, parts = outer_loss(config, self.weights, tasks, self.arm, self.generator)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.weights.values()), config.gradient_clip)
        self.optimiser.step()
        with torch.no_grad():
            limit = config.model.weight_limits()
            self.weights['trainee'].clamp_(-limit, limit)
        self.iteration += 1
        self.seconds += time.perf_counter() - began
        return parts

    def model(self, name: str) -> OneShotModel:
        """Return the model as it is now."""
        weights = {key: value.detach().clone() for key, value in self.weights.items()}
        weights['trainee'] *= self.config.model.synapse_mask()
        card = {'made_by': 'smallbot meta-train', 'seed': self.config.seed,
                'iterations': self.iteration, 'training_seconds': round(self.seconds, 1),
                'meta_training': {key: value for key, value in asdict(self.config).items()
                                  if key != 'model'}}
        return OneShotModel(self.config.model, weights, name, card)

    def save(self, directory: Path) -> None:
        """Write the checkpoint into `directory`, atomically."""
        directory.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        torch.save({
            'config': asdict(self.config), 'iteration': self.iteration, 'seconds': self.seconds,
            'weights': {key: value.detach() for key, value in self.weights.items()},
            'optimiser': self.optimiser.state_dict(), 'generator': self.generator.get_state(),
        }, content)
        write_atomically(directory / CHECKPOINT, content.getvalue())

    @classmethod
    def restore(cls, directory: Path, arm_of: Callable[[tuple[str, ...]], Arm]
                ) -> 'MetaTraining':
        """Read the checkpoint in `directory`, for the arm that `arm_of` its joints returns.

        Raises ModelError where there is none or it cannot be used.
        """
        path = directory / CHECKPOINT
        try:
            saved = torch.load(path, weights_only=True)
        except FileNotFoundError:
            raise ModelError(f'{directory}: no checkpoint ({CHECKPOINT}) to resume from; start '
                             f'without --resume to make one') from None
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f'{path}: cannot be read as a checkpoint: {reason}') from None
        config = from_mapping(MetaConfig, saved['config'], f'{path}: config')
        run = cls(config, arm_of(config.model.joints))
        run.iteration, run.seconds = saved['iteration'], saved['seconds']
        with torch.no_grad():
            for key, value in saved['weights'].items():
                run.weights[key].copy_(value)
        run.optimiser.load_state_dict(saved['optimiser'])
        run.generator.set_state(saved['generator'])
        return run


def meta_train(run: MetaTraining, directory: Path, until: Callable[[MetaTraining], bool],
               report: Callable[[MetaTraining, Iteration], None],
               checkpoint_seconds: float = 60.0) -> None:
    """Advance `run` until `until` says so, with checkpoints in `directory`.

    Whatever ends it, the checkpoint is written last; to stop it, let `until` return True, which
    is asked between iterations only.
    """
    written = time.monotonic()
    try:
        while not until(run):
            report(run, run.step())
            if time.monotonic() - written > checkpoint_seconds:
                run.save(directory)
                written = time.monotonic()
    finally:
        run.save(directory)


def planned_iterations(config: MetaConfig, arm: Arm, minutes: float, trials: int = 5) -> int:
    """Return how many iterations fit into `minutes` here, measured on a run that is thrown away.

    The plan is fixed before training begins, because the learning rate follows it: a run that is
    interrupted and resumed comes out as one that was not.
    """
    rehearsal = MetaTraining(config, arm)
    rehearsal.step()
    already = rehearsal.seconds
    for _ in range(trials):
        rehearsal.step()
    return max(1, int(60 * minutes * trials / (rehearsal.seconds - already)))
