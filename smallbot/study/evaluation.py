# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The instrument of record: one-shot learning on unseen movements, without ROS.

What the figures mean is said in `one_shot.figures`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
import time
from typing import Any

import numpy as np
import torch

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.drawings import pen_trials
from smallbot.errors import InputError
from smallbot.experiment.figures import spread, VALIDATION_SEED
from smallbot.experiment.workers import results
from smallbot.one_shot.families import brownian, from_positions, joint_path, Movements, place
from smallbot.one_shot.figures import path_rmse_cm, tip_rmse_cm, velocity_rmse
from smallbot.one_shot.model import ModelConfig, OneShotModel
from smallbot.one_shot.playback import Playback
from smallbot.one_shot.rehearsal import Expectation, rehearse
from smallbot.one_shot.trainee import learn, Trainee
from smallbot.study.conditions import Conditions
from smallbot.study.on_arm import executed, Execution, PERIOD
from smallbot.synapses.chip import ChipSynapses
from smallbot.synapses.interface import WriteReport

FAMILIES = ('paper', 'pen')
BROWNIAN_TASKS = 100
"""Movements of the paper's family in an evaluation where no number is given."""
IDEAL = Execution(time_scale=None)
"""For the rehearsal where no arm is asked for."""


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
    expected: Expectation
    """What a rehearsal just before the playback said, with the noise of a trial of its own."""
    arm_tip_rmse_cm: float | None = None
    """What an arm made of `after`; None: it was played on none."""
    arm_time_scale: float | None = None
    """How many times longer than the trial it was played on the arm."""
    drawing: int | None = None
    """Which of the drawings it is, in the pen family."""


def draw_movements(family: str, tasks: int | None, config: ModelConfig, arm: Arm, seed: int
                   ) -> Movements:
    """Return the movements of an evaluation, the same for the same seed.

    `paper`: Brownian, Hann window 120, from zero; `pen`: drawings of characters by drawers that
    meta-training never saw, placed at random within limits, those for validation with the
    validation seed, those for test with any other. Where `tasks` is None: 100 of the paper's,
    each drawing once. The files of a folder: `study.shown_files`.
    Raises EvaluationError where there is nothing to draw.
    """
    generator = torch.Generator().manual_seed(seed)
    if family == 'paper':
        return brownian(tasks or BROWNIAN_TASKS, config.steps, config.step_seconds, arm,
                        generator)
    if family == 'pen':
        if len(config.joints) != 2:
            raise EvaluationError(f'family pen drives two joints, the model drives '
                                  f'{len(config.joints)}: use --family paper or file')
        split = 'validation' if seed == VALIDATION_SEED else 'test'
        pens = torch.as_tensor(pen_trials(split, config.steps, arm), dtype=torch.float32)
        tasks = tasks or len(pens)
        rounds = [torch.randperm(len(pens), generator=generator)
                  for _ in range(-(-tasks // len(pens)))]
        drawing = torch.cat(rounds)[:tasks]
        return from_positions(place(pens[drawing], arm, generator),
                              config.step_seconds)._replace(drawing=drawing)
    raise EvaluationError(f'family {family!r}: expected one of {", ".join(FAMILIES)}')


def learn_once(model: OneShotModel, arm: Arm, movement: Movements, trainee: Trainee,
               cells: float = 1.0, age: float = 300.0, recalibrate: bool = False,
               execution: Execution = IDEAL) -> Performance:
    """Show one movement (a batch of one) to a trainee, update it once, rehearse, play it back.

    Parameters: `cells`, the share of cells that the update may write; `age`, seconds between
    the update and the playback, and `recalibrate`, whether the columns are calibrated anew at
    its end (chip synapses only); `execution`, how an arm is to play it: the rehearsal is of that.
    """
    began = time.perf_counter()
    update = learn(trainee, model.config.watched(arm, movement.path())[0], cells)
    learn_seconds = time.perf_counter() - began
    trainee.synapses.wait(age)
    if recalibrate:
        trainee.synapses.calibrate_reading()
    expected = _rehearsed(trainee, arm, movement, execution)
    after = trainee.trial()
    errors = [float(tip_rmse_cm(v.velocity[None], movement, arm))
              for v in (update.before, after)]
    return Performance(movement.velocity[0].numpy(), update.before.velocity.numpy(),
                       after.velocity.numpy(), (errors[0], errors[1]), update.written,
                       trainee.updates, learn_seconds, expected)


def _rehearsed(trainee: Trainee, arm: Arm, movement: Movements, execution: Execution
               ) -> Expectation:
    """Rehearse on a copy, so that the playback draws the noise that it would draw without."""
    synapses = trainee.synapses
    if isinstance(synapses, ChipSynapses):
        source = torch.Generator()
        source.set_state(synapses.generator.get_state())
        own = int(torch.randint(2 ** 62, (), generator=source))
        twin = synapses.copy(torch.Generator().manual_seed(own))
    else:
        twin = synapses.copy()
    steps, path = trainee.model.steps, movement.path()[0].double().numpy()
    execution = execution.suited(arm, path, steps * movement.step_seconds)
    playback = Playback(arm.limits, steps, movement.step_seconds, PERIOD, execution.correction,
                        execution.lag)
    return rehearse(Trainee(trainee.model, twin), path, arm,
                    execution.time_scale * steps * movement.step_seconds, playback)


def evaluate(model: OneShotModel, arm: Arm, movements: Movements, conditions: Conditions,
             seed: int, report: Callable[[int, Performance], None] = lambda number, done: None,
             processes: int = 1) -> list[Performance]:
    """Learn every movement once, and return what was reached, in the order of the movements.

    Each is learned by a fresh trainee, movement k on a chip of seed `seed + k`; or with
    `conditions.same_chip` all by one trainee on the chip of seed `seed`, one after another, in
    this process. `report` is called with a movement's number when it is done, in any order. The
    number of `processes` changes nothing but the time.
    """
    numbers = list(range(len(movements.start)))
    if conditions.same_chip:
        trainee = Trainee(model, conditions.fresh_synapses(model, seed))
        found = _one_after_another(model, arm, movements, conditions, trainee)
    else:
        found = results(_fresh, (model, arm, movements, conditions, seed), numbers, processes)
    done = {}
    for number, performance in found:
        done[number] = performance
        report(number, performance)
    return [done[number] for number in numbers]


def _fresh(model: OneShotModel, arm: Arm, movements: Movements, conditions: Conditions, seed: int,
           number: int) -> Performance:
    trainee = Trainee(model, conditions.fresh_synapses(model, seed + number))
    return _performed(model, arm, movements, conditions, trainee, number)


def _one_after_another(model: OneShotModel, arm: Arm, movements: Movements,
                       conditions: Conditions, trainee: Trainee
                       ) -> Iterator[tuple[int, Performance]]:
    for number in range(len(movements.start)):
        yield number, _performed(model, arm, movements, conditions, trainee, number)
        trainee.forget()


def _performed(model: OneShotModel, arm: Arm, movements: Movements, conditions: Conditions,
               trainee: Trainee, number: int) -> Performance:
    """Learn movement `number`, play it, on an arm too where there is one."""
    one = movements.chosen([number])
    arm = one.posed(arm)
    start, shown = one.start.double(), one.positions()[0].double()
    execution = (conditions.execution or IDEAL).suited(
        arm, torch.cat([start, shown]).numpy(), len(shown) * one.step_seconds)
    performance = learn_once(model, arm, one, trainee, conditions.cells, conditions.age,
                             conditions.recalibrate, execution)
    if one.drawing is not None:
        performance = replace(performance, drawing=int(one.drawing))
    if conditions.execution is None:
        return performance
    reached = executed(arm, execution, start[0].numpy(), performance.after, one.step_seconds)
    error = path_rmse_cm(arm.tip(torch.as_tensor(reached)), arm.tip(shown))
    return replace(performance, arm_tip_rmse_cm=float(error),
                   arm_time_scale=execution.time_scale)


def tool_tips(arm: Arm, movements: Movements, done: dict[int, Performance]
              ) -> dict[str, np.ndarray]:
    """Return tool-tip paths [B, T, 3], m: `demonstrated` and `after`, of the movements done."""
    chosen = movements.chosen(list(done))
    velocities = {'demonstrated': [p.demonstrated for p in done.values()],
                  'after': [p.after for p in done.values()]}
    return {key: chosen.tip(arm, joint_path(chosen.start, torch.as_tensor(np.stack(velocity)),
                                            movements.step_seconds).double()).numpy()
            for key, velocity in velocities.items()}


def correlation(expected: np.ndarray, reached: np.ndarray) -> float | None:
    """Return Pearson's correlation of two series [K]; None where there is none."""
    if len(expected) < 3 or not (np.ptp(expected) and np.ptp(reached)):
        return None
    return float(np.corrcoef(expected, reached)[0, 1])


def summary(model: OneShotModel, performances: list[Performance], conditions: Conditions,
            seed: int) -> dict[str, Any]:
    """Return the figures of an evaluation under their contracted names."""
    errors = np.array([p.tip_rmse_cm for p in performances])
    wrong = np.array([velocity_rmse(p.after, p.demonstrated) for p in performances])
    written = np.array([p.written.cells for p in performances], dtype=float)
    drawing = [p.drawing for p in performances]
    drawing = None if None in drawing else drawing

    expected = np.array([p.expected.tip_rmse_cm for p in performances])

    def mean(values: list[float | None]) -> float | None:
        return None if None in values else float(np.mean(values))

    figures = {
        'synapses': conditions.synapses,
        'tasks': len(performances),
        'drawings': None if drawing is None else len(set(drawing)),
        'tip_rmse_cm': {'before': spread(errors[:, 0], drawing),
                        'after': spread(errors[:, 1], drawing)},
        'expected_tip_rmse_cm': spread(expected, drawing),
        'expected_correlation': correlation(expected, errors[:, 1]),
        'velocity_rmse': {joint: {key: spread(wrong[:, j], drawing)[key]
                                  for key in ('mean', 'sd')}
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
        'weights': model.digest,
        **conditions.to_mapping(),
    }
    if conditions.execution is not None:
        figures['arm_tip_rmse_cm'] = spread([p.arm_tip_rmse_cm for p in performances],
                                            drawing)
        figures['time_scale'] = mean([p.arm_time_scale for p in performances])
    return figures
