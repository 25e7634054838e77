"""The instrument of record: one-shot learning on unseen movements, without ROS.

Definitions: `tip_rmse_cm` is the square root of the mean over time of the squared distance
between the tool tip reached and the tool tip demonstrated; a result is its mean, s.d. and median
over tasks.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smallbot.arm.demonstration import read_demonstration, trial_positions
from smallbot.arm.drawings import pen_trials
from smallbot.arm.kinematics import Arm
from smallbot.errors import InputError
from smallbot.one_shot.families import brownian, from_positions, joint_path, Movements, place
from smallbot.one_shot.learner import learning_signals, weight_update
from smallbot.one_shot.model import ModelConfig, OneShotModel
from smallbot.one_shot.on_arm import executed, Execution
from smallbot.one_shot.trainee import prepare_synapses, Trainee
from smallbot.synapses import WriteReport

FAMILIES = ('paper', 'pen', 'file')
TEST_SEED = 2000
VALIDATION_SEED = 1000


class EvaluationError(InputError):
    """An evaluation that cannot be run as asked; the message is one line."""


@dataclass(frozen=True)
class Performance:
    """One movement, learned once."""

    demonstrated: np.ndarray
    """Joint velocities demonstrated [T, J], rad/s of nominal time."""
    before: np.ndarray
    """Joint velocities of the trainee before the update [T, J]."""
    after: np.ndarray
    """Joint velocities of the trainee after the update [T, J]."""
    tip_rmse_cm: tuple[float, float]
    """Before and after the update."""
    written: WriteReport
    updates: int
    learn_seconds: float
    """From the demonstration to the programmed trainee, its first trial included."""
    arm_tip_rmse_cm: float | None = None
    """What an arm made of `after`; None: it was played on none."""


def draw_movements(family: str, tasks: int, config: ModelConfig, arm: Arm, seed: int,
                   demonstrations: Path | None = None) -> Movements:
    """Return the movements of an evaluation, the same for the same seed.

    `paper`: Brownian, Hann window 120, from zero; `pen`: drawings of characters by drawers that
    meta-training never saw, placed at random within limits; `file`: the demonstrations in a
    folder, in order of name, `tasks` at most.
    Raises EvaluationError where there is nothing to draw.
    """
    generator = torch.Generator().manual_seed(seed)
    if family == 'paper':
        return brownian(tasks, config.steps, config.step_seconds, arm, generator)
    if family == 'pen':
        if len(config.joints) != 2:
            raise EvaluationError(f'family pen drives two joints, the model drives '
                                  f'{len(config.joints)}: use --family paper or file')
        pens = torch.as_tensor(pen_trials('test', config.steps, arm), dtype=torch.float32)
        rounds = [torch.randperm(len(pens), generator=generator)
                  for _ in range(-(-tasks // len(pens)))]
        return from_positions(place(pens[torch.cat(rounds)[:tasks]], arm, generator),
                              config.step_seconds)
    if family == 'file':
        if demonstrations is None or not demonstrations.is_dir():
            raise EvaluationError(f'demonstrations {demonstrations}: not a folder; --family file '
                                  f'needs --demonstrations DIR with CSV files or bags')
        found = sorted(p for p in demonstrations.iterdir()
                       if p.suffix == '.csv' or (p / 'metadata.yaml').is_file())
        if not found:
            raise EvaluationError(f'demonstrations {demonstrations}: no CSV file and no bag in it')
        positions = [trial_positions(read_demonstration(path, arm), config.steps)
                     for path in found[:tasks]]
        return from_positions(torch.as_tensor(np.stack(positions)), config.step_seconds)
    raise EvaluationError(f'family {family!r}: expected one of {", ".join(FAMILIES)}')


def strongest(delta: Tensor, share: float, cells: int) -> Tensor:
    """Keep the `share` of `cells` whose change is largest in magnitude; the others become 0."""
    kept = int(share * cells)
    if kept == 0:
        return torch.zeros_like(delta)
    flat = delta.flatten().clone()
    flat[flat.abs().argsort(descending=True)[kept:]] = 0
    return flat.view_as(delta)


def path_rmse_cm(reached: Tensor, demonstrated: Tensor) -> Tensor:
    """Return the figure `tip_rmse_cm` [...] of tool-tip paths [..., T, 3] in metres."""
    return 100 * (reached - demonstrated).square().sum(-1).mean(-1).sqrt()


def tip_rmse_cm(velocity: Tensor, movements: Movements, arm: Arm) -> Tensor:
    """Return the tool-tip error [B] of velocities [B, T, J] played from the movements' start."""
    reached = joint_path(movements.start, velocity, movements.step_seconds)
    return path_rmse_cm(arm.tip(reached.double()), arm.tip(movements.positions().double()))


def learn_once(model: OneShotModel, arm: Arm, movement: Movements, trainee: Trainee,
               cells: float = 1.0, age: float = 300.0) -> Performance:
    """Show one movement (a batch of one) to a fresh trainee, update it once, play it back.

    Parameters: `cells`, the share of cells that the update may write; `age`, seconds between
    the update and the playback (chip synapses only).
    """
    began = time.perf_counter()
    before = trainee.trial()
    signals = learning_signals(model, model.config.watched(arm, movement.positions()))
    delta = weight_update(model, before.eligibility, signals)[0]
    if cells < 1:
        delta = strongest(delta, cells, int(model.config.synapse_mask().sum()))
    written = trainee.program(delta)
    learn_seconds = time.perf_counter() - began
    trainee.synapses.wait(age)
    after = trainee.trial()
    errors = [float(tip_rmse_cm(v.velocity[None], movement, arm)) for v in (before, after)]
    return Performance(movement.velocity[0].numpy(), before.velocity.numpy(),
                       after.velocity.numpy(), tuple(errors), written, trainee.updates,
                       learn_seconds)


def evaluate(model: OneShotModel, arm: Arm, movements: Movements, synapses: str, seed: int,
             cells: float = 1.0, age: float = 300.0,
             report: Callable[[int, Performance], None] = lambda done, performance: None,
             execution: Execution | None = None, **chip) -> list[Performance]:
    """Learn every movement once, each on a fresh trainee (and a fresh chip of its own).

    With `execution` each is then played on a simulated arm.

    The chip of task k has the seed `seed + k`; `report` is called after each task; `chip`, what
    `ChipSynapses.prepare` takes: law, faults, granularity and so on.
    """
    performances = []
    for k in range(len(movements.start)):
        one = Movements(movements.start[k:k + 1], movements.velocity[k:k + 1],
                        movements.step_seconds)
        trainee = Trainee(model, prepare_synapses(model, synapses, seed + k, **chip))
        performance = learn_once(model, arm, one, trainee, cells, age)
        if execution is not None:
            reached = executed(arm, execution, one.start[0].double().numpy(), performance.after,
                               one.step_seconds)
            error = path_rmse_cm(arm.tip(torch.as_tensor(reached)),
                                 arm.tip(one.positions()[0].double()))
            performance = replace(performance, arm_tip_rmse_cm=float(error))
        performances.append(performance)
        report(k + 1, performances[-1])
    return performances


def spread(values: Any) -> dict[str, float]:
    """Return mean, s.d. (of the sample) and median."""
    values = np.asarray(values, dtype=float)
    return {'mean': float(values.mean()), 'sd': float(values.std(ddof=min(1, len(values) - 1))),
            'median': float(np.median(values))}


def summary(model: OneShotModel, performances: list[Performance], synapses: str, seed: int
            ) -> dict[str, Any]:
    """Return the figures of an evaluation under their contracted names."""
    errors = np.array([p.tip_rmse_cm for p in performances])
    wrong = np.array([np.sqrt(np.mean((p.after - p.demonstrated) ** 2, axis=0))
                      for p in performances])
    written = np.array([p.written.cells for p in performances], dtype=float)

    def mean(values: list[float | None]) -> float | None:
        return None if None in values else float(np.mean(values))

    return {
        'synapses': synapses,
        'tasks': len(performances),
        'tip_rmse_cm': {'before': spread(errors[:, 0]), 'after': spread(errors[:, 1])},
        'velocity_rmse': {joint: {'mean': float(wrong[:, j].mean()),
                                  'sd': spread(wrong[:, j])['sd']}
                          for j, joint in enumerate(model.joints)},
        'cells_written': {'mean': float(written.mean()),
                          'fraction': float(written.mean() / performances[0].written.cells_total)},
        'devices_written': mean([p.written.devices for p in performances]),
        'pulses': mean([p.written.pulses for p in performances]),
        'energy_uj': mean([p.written.energy_uj for p in performances]),
        'write_seconds': mean([p.written.seconds for p in performances]),
        'cells_unconverged': mean([p.written.unconverged for p in performances]),
        'cells_compensated': mean([p.written.compensated for p in performances]),
        'cells_out_of_reach': mean([p.written.out_of_reach for p in performances]),
        'learn_seconds': float(np.mean([p.learn_seconds for p in performances])),
        'updates': max(p.updates for p in performances),
        'seed': seed,
        'model': model.name,
    }
