# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The instrument of record for few-shot images: tasks of unseen classes, learned and asked.

Every task is learned from zero and its queries are told after each update. On a chip the layers
that stay are programmed once for every `TASKS_PER_CHIP` tasks; each task then has a copy of that
chip as it was when it was calibrated, with noise of its own, so that no task depends on another.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smallbot.experiment.chance import stream
from smallbot.experiment.conditions import ChipConditions, ConditionsError
from smallbot.experiment.figures import spread
from smallbot.experiment.workers import results
from smallbot.few_shot.batches import scaled
from smallbot.few_shot.classifier import Classifier, in_software, Learned
from smallbot.few_shot.images.labelled import LabelledImages
from smallbot.few_shot.images.tasks import draw_tasks, Tasks
from smallbot.few_shot.model import ImageModel
from smallbot.few_shot.network import check_images, Statistics
from smallbot.few_shot.on_chip import ChipClassifier, EXACT_UPDATE, layout, on_chip, plan, Plans
from smallbot.synapses.granularity import Granularity

TASKS_PER_CHIP = 20
QUERIES = 5
"""Images of each class that are to be told."""
COUNTS = ('cells', 'devices', 'pulses', 'energy_uj', 'seconds')
"""Of a write, in the means over tasks of each update."""
CHIP, TASK = 1, 2
"""Of a seed: the noise of a chip as it is prepared, and of a task on it."""


@dataclass(frozen=True)
class ImageConditions(ChipConditions):
    """What a task is learned on and how; the defaults are those of the figures."""

    granularity: Granularity = field(default=EXACT_UPDATE)
    statistics: Statistics = Statistics.TRAINING
    updates: int = 4
    """At most this many."""

    def __post_init__(self) -> None:
        """Take the name of statistics for them; refuse what is out of bounds."""
        super().__post_init__()
        try:
            object.__setattr__(self, 'statistics', Statistics(self.statistics))
        except ValueError:
            raise ConditionsError(f'statistics {self.statistics!r}: expected one of '
                                  f'{", ".join(one.value for one in Statistics)}') from None

    def to_mapping(self) -> dict[str, Any]:
        """Return what a report says of them, as plain values."""
        return {**super().to_mapping(), 'statistics': self.statistics.value,
                'transductive': self.statistics.transductive, 'updates': self.updates}


@dataclass(frozen=True)
class Told:
    """One task, learned and asked."""

    right: tuple[float, ...]
    """Share of queries told right, before the first update and after each."""
    answers: np.ndarray
    """Class told for each query after the last update, int [ways * queries]."""
    learned: Learned
    classify_seconds: float
    """Of one query, computing."""
    classify_energy_uj: float | None
    """Of one query's reads; None in software."""
    devices_written: int | None
    """Devices that received a pulse in one update or more; None in software."""


def draw(images: LabelledImages, ways: int, shots: int, queries: int, tasks: int, seed: int
         ) -> Tasks:
    """Return the tasks of an evaluation, the same for the same seed; raises ImageSetError."""
    return draw_tasks(images.counts, ways, shots, queries, tasks,
                      torch.Generator().manual_seed(seed))


def evaluate(model: ImageModel, images: LabelledImages, tasks: Tasks, conditions: ImageConditions,
             seed: int, report: Callable[[int, Told], None] = lambda number, told: None,
             processes: int = 1) -> list[Told]:
    """Learn every task, and return what was told, in their order.

    `report` is called with a task's number when it is done, in any order. The number of
    `processes` changes nothing but the time. Raises NetworkError for images that do not fit.
    """
    check_fit(model, images)
    count, ways = len(tasks.classes), tasks.classes.shape[1]
    plans = plan(model, ways) if conditions.synapses == 'chip' else None
    groups = [list(range(first, min(first + TASKS_PER_CHIP, count)))
              for first in range(0, count, TASKS_PER_CHIP)]
    done: dict[int, Told] = {}
    for number, found in results(_group, (model, images, tasks, conditions, seed, plans), groups,
                                 processes):
        for task, told in zip(groups[number], found, strict=True):
            done[task] = told
            report(task, told)
    return [done[number] for number in range(count)]


def check_fit(model: ImageModel, images: LabelledImages) -> None:
    """Refuse images that the model's network does not take; raises NetworkError."""
    check_images(model.config.network, scaled(images.images[:1]),
                 f'{images.source} for model {model.name}')


def prepared(model: ImageModel, ways: int, conditions: ImageConditions, seed: int,
             plans: Plans | None = None) -> Classifier:
    """Return a classifier for `ways` classes as the conditions ask; `seed` decides the devices.

    Parameters: `plans`, `on_chip.plan`'s, where there are more chips than one.
    """
    if conditions.synapses != 'chip':
        return in_software(model, ways, conditions.statistics)
    return on_chip(model, plans or plan(model, ways), ways, torch.Generator().manual_seed(seed),
                   conditions.statistics, **conditions.chip_options())


def _group(model: ImageModel, images: LabelledImages, tasks: Tasks, conditions: ImageConditions,
           seed: int, plans: Plans | None, numbers: list[int]) -> list[Told]:
    """Learn some tasks on one chip."""
    source = stream(seed + 1, CHIP, numbers[0] + 1).initial_seed()
    base = prepared(model, tasks.classes.shape[1], conditions, source, plans)
    support, queries = tasks.rows(images.counts)
    return [_task(base, scaled(images.images[support[n].flatten()]),
                  scaled(images.images[queries[n].flatten()]), conditions,
                  stream(seed + 1, TASK, n + 1)) for n in numbers]


def _task(base: Classifier, support: Tensor, queries: Tensor, conditions: ImageConditions,
          noise: torch.Generator) -> Told:
    ways = base.ways
    own = base.copy(noise)
    labels = torch.arange(ways).repeat_interleave(len(support) // ways)
    wanted = torch.arange(ways).repeat_interleave(len(queries) // ways)
    stages = [own.output.copy()]
    before = own.writes() if isinstance(own, ChipClassifier) else None
    transductive = queries if conditions.statistics.transductive else None
    learned = own.learn(support, labels, conditions.updates, transductive,
                        lambda update: stages.append(own.output.copy()))
    written = None if before is None else int((own.writes() > before).sum())
    own.wait(conditions.age)
    if conditions.recalibrate:
        own.calibrate_reading()
    read, began = own.products(), time.perf_counter()
    seen = own.features(queries)
    answers = own.answers(seen).argmax(1)
    seconds = (time.perf_counter() - began) / len(queries)
    cost = own.cost_since(read)
    right = []
    for stage in stages[:-1]:
        stage.wait(conditions.age)
        if conditions.recalibrate and stage.weights().any():
            stage.calibrate_reading()
        right.append(float((stage.matvec(seen).argmax(1) == wanted).float().mean()))
    right.append(float((answers == wanted).float().mean()))
    return Told(tuple(right), answers.numpy(), learned, seconds,
                cost and cost.energy_uj / len(queries), written)


def summary(model: ImageModel, images: LabelledImages, tasks: Tasks, told: list[Told],
            conditions: ImageConditions, seed: int) -> dict[str, Any]:
    """Return the figures of an evaluation under their contracted names; accuracies in per cent."""
    right = np.array([one.right for one in told])
    writes = [one.learned.writes for one in told]

    def mean(values: list[Any]) -> float | None:
        return None if None in values else float(np.mean(values))

    def each(field: str) -> list[float | None]:
        """Return the mean of a count in each update."""
        return [mean([getattr(report, field) for report in update])
                for update in zip(*writes, strict=True)]

    def added(field: str) -> float | None:
        values = each(field)
        exact = conditions.synapses != 'chip' and field != 'saturated'
        return None if exact or None in values else float(sum(values))

    ways, devices = tasks.classes.shape[1], None
    if conditions.synapses == 'chip':
        devices = layout(model.config.network, ways).devices
    accuracy = [spread(100 * column) for column in right.T]
    written = [one.devices_written for one in told]
    return {
        'accuracy': accuracy, 'ways': ways, 'shots': tasks.shots,
        'queries': tasks.examples.shape[2] - tasks.shots, 'tasks': len(told),
        'synapses': conditions.synapses, 'devices': devices,
        'devices_written': mean(written),
        'devices_written_in_all': None if None in written else int(sum(written)),
        'each_update': [dict(zip(COUNTS, counts)) for counts in zip(*map(each, COUNTS))],
        'pulses': added('pulses'),
        'energy_uj': added('energy_uj'), 'write_seconds': added('seconds'),
        'cells_compensated': added('compensated'), 'cells_out_of_reach': added('out_of_reach'),
        'saturated': added('saturated'),
        'read_energy_uj': mean([one.learned.reads and one.learned.reads.energy_uj
                                for one in told]),
        'classify_energy_uj': mean([one.classify_energy_uj for one in told]),
        'learn_seconds': float(np.mean([one.learned.seconds for one in told])),
        'classify_seconds': float(np.mean([one.classify_seconds for one in told])),
        'seed': seed, 'model': model.name, 'weights': model.digest, 'images': images.source,
        'images_digest': images.digest, 'classes': len(images.names),
        **conditions.to_mapping()}
