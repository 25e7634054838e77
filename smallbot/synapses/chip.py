# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Synapses on the simulated chip, with all the errors of its devices."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smallbot.chip import energy
from smallbot.chip.core import Core
from smallbot.chip.device.laws import DeviceLaw, HERMES_TWO_DEVICE
from smallbot.chip.device.state import ChipError
from smallbot.chip.mapping import check_regions, Matrix, place, Region
from smallbot.chip.state import Correction
from smallbot.chip.storage import load_chip, save_chip
from smallbot.files.bounds import NotNegative, Real, Share, Steps
from smallbot.files.schema import built
from smallbot.synapses.ageing import corrected, FreshFit, measure_fresh, Measured, parts, READINGS
from smallbot.synapses.granularity import DEFAULT_GRANULARITY, Granularity
from smallbot.synapses.interface import checked, checked_mask, ReadReport, WriteReport

CALIBRATION_VECTORS = 1024
CALIBRATION_DENSITY = 0.1
"""Share of inputs that are 1 in a calibration vector, where nothing is known of those to come."""
RECALIBRATION = 10.0
"""Devices drift by the logarithm of time, so that a calibration is due when a chip has become so
many times older. One after every movement would do harm: its noise enters what is written next,
and adds up."""
AGED = 1.5
"""The same for reading what was written last, counted from there. No write goes by it."""
LEAST_DENSITY = 0.01
"""Below it calibration vectors would say too little of most inputs."""


@dataclass(frozen=True)
class Kept:
    """What `ChipSynapses.save` says of synapses beside their devices."""

    granularity: Granularity
    density: Share
    notes: dict[str, Any]
    fresh_rows: Steps = 0
    fresh_density: Share = CALIBRATION_DENSITY
    measured: tuple[tuple[NotNegative, Real | None], ...] | None = None


class ChipSynapses:
    """Weights on cores of phase-change memory, with all their errors.

    Make them with `prepare` or `load`. Parameters: `core`, whose rows are the inputs; `mask`
    [outputs, inputs] of the synapses that exist; `granularity` of an update; `density`, share of
    inputs that are 1 in a calibration vector; `fresh_rows`, how many inputs, the first ones,
    updates rewrite: they are corrected apart from the others, which are older. 0: all inputs of a
    column have one correction, as calibrated. `fresh_density`, share of those that is driven at
    once. `calibration` [V, inputs], inputs such as the network has, to calibrate with instead of
    random 0/1: for networks without spikes.
    Raises ChipError where a core would have fresh rows alone.
    """

    def __init__(self, core: Core | Matrix, mask: Tensor,
                 granularity: Granularity = DEFAULT_GRANULARITY,
                 density: float = CALIBRATION_DENSITY, fresh_rows: int = 0,
                 fresh_density: float = CALIBRATION_DENSITY,
                 calibration: Tensor | None = None):
        self.outputs, self.inputs = core.columns, core.rows
        self.core = core
        self.mask = checked_mask(mask, (self.outputs, self.inputs))
        self.granularity = granularity
        self.density = density
        self.fresh_rows, self.fresh_density = fresh_rows, fresh_density
        self.calibration = calibration
        if calibration is not None:
            if calibration.ndim != 2 or len(calibration) < 2:
                raise ChipError(f'inputs to calibrate with of shape {tuple(calibration.shape)}: '
                                f'expected at least 2 of {self.inputs}')
            checked(calibration, (len(calibration), self.inputs), 'inputs to calibrate with')
        if fresh_rows < 0 or any(fresh >= part.rows for part, fresh in parts(core, fresh_rows)):
            raise ChipError(f'{fresh_rows} fresh rows of {self.inputs}: expected 0 or more, and '
                            f'other rows beside them on each core, to calibrate columns with')
        self._cells = int(self.mask.sum())
        self._to_write_by: Correction | None = None
        """The correction that comes back before a write, while another serves the reads."""
        self._measured: list[Measured] | None = None
        """What `calibrate_reading` has found of each core, where rows are corrected by age."""
        self._followed_at: float | None = None
        """The clock for which reads are corrected by the law; None: for none yet."""

    @classmethod
    def prepare(cls, weights: Tensor, mask: Tensor | None, limits: Tensor,
                generator: torch.Generator, age: float = 3600.0,
                law: DeviceLaw = HERMES_TWO_DEVICE,
                granularity: Granularity = DEFAULT_GRANULARITY,
                inputs: Tensor | None = None, cores: int = 2, fresh_rows: int = 0,
                regions: tuple[Region, ...] | None = None, to_come: Tensor | None = None,
                calibration: Tensor | None = None, **options) -> 'ChipSynapses':
        """Return a new chip that holds `weights`, was left for `age` s and calibrated once.

        Parameters: `weights`, `mask` [outputs, inputs]; `limits` [inputs], the largest magnitude
        a weight of each input may have; `generator`, kept by the chip for all noise to come;
        `inputs` [V, inputs], such as the network will have: the converters' ranges are set for
        them, as a range too wide costs resolution, and the columns calibrated with random inputs
        as sparse as they are; `cores`, how many there are: a matrix larger
        than one is cut; `fresh_rows`, how many inputs, the first ones, updates rewrite: columns
        are then calibrated with the others alone (0: see the class); `regions` where it is
        decided elsewhere where the matrix lies; `to_come` [outputs, inputs], weights such as
        updates will bring, for which the ranges are set instead of for those it begins with;
        `calibration`, see the class; `options` of `Core`:
        converters, faults, phases, rules. Cells without a synapse are RESET. Where no inputs are
        given, ranges and calibration come from random 0/1 inputs, a tenth of them 1.
        Raises ChipError for shapes that do not fit, numbers that are not finite, weights beyond
        their limit, regions of another matrix and a matrix larger than the cores.
        """
        if weights.ndim != 2 or tuple(limits.shape) != weights.shape[1:]:
            raise ChipError(f'weights {tuple(weights.shape)} with limits {tuple(limits.shape)}: '
                            f'expected [outputs, inputs] and [inputs]')
        mask = checked_mask(mask, tuple(weights.shape))
        if regions is None:
            regions = place({'weights': (weights.shape[1], weights.shape[0])}, cores).regions
        check_regions(regions, (weights.shape[1], weights.shape[0]))
        if to_come is not None:
            to_come = checked(to_come, tuple(weights.shape), 'weights to come')
        core = (Core(limits, weights.shape[0], generator, law, **options) if len(regions) == 1
                else Matrix(limits, weights.shape[0], regions, generator, law=law, **options))
        density = (CALIBRATION_DENSITY if inputs is None
                   else max(float((inputs[:, fresh_rows:] != 0).float().mean()), LEAST_DENSITY))
        fresh_density = (CALIBRATION_DENSITY if inputs is None or not fresh_rows
                         else float((inputs[:, :fresh_rows] != 0).float().mean()))
        chip = cls(core, mask, granularity, density, fresh_rows, fresh_density, calibration)
        intended = torch.where(mask, weights.detach().float(), 0.0).T.contiguous()
        core.program(intended)
        vectors = chip._calibration_vectors()
        core.set_ranges(vectors if inputs is None else inputs,
                        weights=None if to_come is None else to_come.T)
        core.wait(age)
        core.calibrate(chip._of_older_rows(vectors))
        return chip

    @property
    def generator(self) -> torch.Generator:
        """Return the source of all noise to come."""
        return self.core.generator

    def matvec(self, x: Tensor) -> Tensor:
        """Read the array with x [B, inputs], |x| <= 1; returns [B, outputs]."""
        self._follow_law()
        return self.core.read(x)

    def program(self, weights: Tensor) -> WriteReport:
        """Write all synapses; entries [outputs, inputs] where there is none are ignored.

        Raises ChipError, before anything is written, for weights that the chip cannot hold.
        """
        return self._write(checked(weights, (self.outputs, self.inputs), 'weights'), self.mask, 0)

    def update(self, delta: Tensor) -> WriteReport:
        """Add `delta` [outputs, inputs] and write the cells that `granularity` lets change.

        The others keep their devices and their intended weight. A weight that would leave its
        limits stops there and is counted as saturated.
        """
        delta = checked(delta, (self.outputs, self.inputs), 'update')
        delta = self.granularity.apply(delta, self.core.limits, self.generator)
        chosen = self.mask & (delta != 0)
        wanted = self.weights() + delta
        limits = self.core.limits
        saturated = int((chosen & (wanted.abs() > limits)).sum())
        return self._write(torch.minimum(torch.maximum(wanted, -limits), limits), chosen,
                           saturated)

    def restore(self, weights: Tensor) -> WriteReport:
        """Write the cells whose intended weight is not that of `weights` [outputs, inputs].

        The others keep their devices, and their age. Raises ChipError as `program` does.
        """
        weights = checked(weights, (self.outputs, self.inputs), 'weights')
        return self._write(weights, self.mask & (weights != self.weights()), 0)

    def calibrate(self) -> ReadReport:
        """Fit the correction of every column anew, by reading `calibration` or random 0 and 1.

        Where there are fresh rows, the others alone are read.
        """
        before = self._products()
        if self.fresh_rows:
            self._correct_as_written()
        self.core.calibrate(self._of_older_rows(self._calibration_vectors()))
        self._to_write_by = self._measured = self._followed_at = None
        return self._cost(before)

    def calibration_due(self) -> bool:
        """Return whether the chip is `RECALIBRATION` times as old as at the last calibration."""
        fitted_at = (self._to_write_by or self.core.correction).at
        return self.core.now > RECALIBRATION * fitted_at

    def calibrate_reading(self) -> ReadReport:
        """Calibrate for the reads until the next write; that goes by the correction before.

        A column has one correction for devices of every age. Fitted to an update of yesterday,
        it is too large for the devices beside it; what was written by it would be so too.
        Fresh rows are read one at a time after it, and get a correction of their own. The law goes
        on from what was measured.
        """
        before, products = self._to_write_by or self.core.correction, self._products()
        self.calibrate()
        self._to_write_by = before
        if self.fresh_rows:
            self._measured = [Measured(core.correction, self._measured_fit(k, core, fresh))
                              for k, (core, fresh) in enumerate(
                                  parts(self.core, self.fresh_rows))]
        return self._cost(products)

    def reading_aged(self) -> bool:
        """Return whether the last write is `AGED` times as old as when the reads were fitted.

        So too where the law corrects rows by age: a measurement gains a tenth there at any age,
        takes less than a millisecond, and as no write goes by it its noise does not add up.
        """
        written = self.core.written_at
        at = self._measured[0].correction.at if self._measured else self.core.calibrated_at
        fitted = max(at - written, self.core.law.t0)
        return self.core.now - written > AGED * fitted

    def weights(self) -> Tensor:
        """Return the weights intended, [outputs, inputs]."""
        return self.core.intended.T.clone()

    def effective_weights(self) -> Tensor:
        """Return the weights that reads see at this moment, fast noise aside."""
        self._follow_law()
        return self.core.effective_weights().T

    def wait(self, seconds: float) -> None:
        """Let `seconds` pass: the devices drift."""
        self.core.wait(seconds)

    def copy(self, generator: torch.Generator | None = None) -> 'ChipSynapses':
        """Return an independent chip in the same state, with its own noise if given a source."""
        twin = ChipSynapses(self.core.copy(generator), self.mask, self.granularity, self.density,
                            self.fresh_rows, self.fresh_density, self.calibration)
        twin._to_write_by = self._to_write_by
        twin._measured, twin._followed_at = self._measured, self._followed_at
        return twin

    def save(self, path: str | Path, notes: dict[str, Any] | None = None) -> None:
        """Write the chip to a file, bit for bit, with its clock and its generator.

        Of two corrections it is the one for writing that is kept, and where rows are corrected by
        age, what was measured for reading too. `notes`, plain values, come back from `load`: what
        the owner must know of the chip.
        """
        tensors, settings = {'mask': self.mask}, {}
        if self.fresh_rows:
            settings |= {'fresh_rows': self.fresh_rows, 'fresh_density': self.fresh_density}
        if self.calibration is not None:
            tensors['calibration'] = self.calibration
        if self._measured is not None:
            settings['measured'] = [[m.correction.at, m.fit and m.fit.ratio]
                                    for m in self._measured]
            for k, m in enumerate(self._measured):
                tensors |= {f'scale.{k}': m.correction.scale, f'offset.{k}': m.correction.offset}
                if m.fit is not None:
                    tensors[f'aside.{k}'] = m.fit.aside
        save_chip(self._as_written(), path, tensors,
                  {'granularity': asdict(self.granularity), 'density': self.density,
                   'notes': notes or {}, **settings})

    @classmethod
    def load(cls, path: str | Path) -> tuple['ChipSynapses', dict[str, Any]]:
        """Return the chip saved at `path` and its notes. Raises ChipError where it is none."""
        core, more, settings = load_chip(path)
        if 'mask' not in more:
            raise ChipError(f'chip {path}: not saved by synapses, it has no mask')
        kept = built(Kept, settings, f'chip {path}: settings', ChipError)
        try:
            chip = cls(core, more['mask'], kept.granularity, kept.density, kept.fresh_rows,
                       kept.fresh_density, more.get('calibration'))
            if kept.measured is not None:
                chip._measured = [
                    Measured(Correction(more[f'scale.{k}'], more[f'offset.{k}'], at),
                             None if ratio is None else FreshFit(ratio, more[f'aside.{k}']))
                    for k, (at, ratio) in enumerate(kept.measured)]
                chip._to_write_by = core.correction
                for measured, (part, _) in zip(chip._measured, parts(core, 0), strict=True):
                    for found in (*measured.correction[:2], *(measured.fit or ())[1:]):
                        checked(found, (part.columns,), 'what was measured')
            return chip, kept.notes
        except KeyError as error:
            raise ChipError(f'chip {path}: not saved by synapses, it has no {error}') from None
        except ValueError as error:
            raise ChipError(f'chip {path}: {error}') from None

    def _calibration_vectors(self, count: int = CALIBRATION_VECTORS) -> Tensor:
        if self.calibration is not None:
            return self.calibration[torch.arange(count) % len(self.calibration)]
        return (torch.rand(count, self.inputs, generator=self.generator)
                < self.density).float()

    def _of_older_rows(self, vectors: Tensor) -> Tensor:
        """Return `vectors` [V, inputs] with nothing on the fresh rows.

        What an update writes is right behind the scale of the others; cells of old that no update
        has written yet must not pull it.
        """
        if self.fresh_rows:
            vectors = vectors.clone()
            vectors[:, :self.fresh_rows] = 0
        return vectors

    def _measured_fit(self, k: int, core: Core, fresh: int) -> FreshFit | None:
        """Measure the fresh rows of the k-th core; None where it has none."""
        if not fresh:
            return None
        vectors = self._of_older_rows(self._calibration_vectors(READINGS * fresh))
        rows = self.core.regions[k].rows if isinstance(self.core, Matrix) else (0, self.inputs)
        return measure_fresh(core, vectors[:, slice(*rows)], fresh, self.fresh_density)

    def _follow_law(self) -> None:
        """Correct the reads of rows of each age for the time that has passed, by the law."""
        if not self.fresh_rows or self._followed_at == self.core.now:
            return
        if self._to_write_by is None:
            self._to_write_by = self.core.correction
        measured = self._measured
        if measured is None:
            self.core.correct(self._to_write_by)
            measured = [Measured(core.correction) for core, _ in parts(self.core, 0)]
        for (core, fresh), own in zip(parts(self.core, self.fresh_rows), measured, strict=True):
            core.correct(corrected(core, fresh, self.fresh_density, own))
        self._followed_at = self.core.now

    def _correct_as_written(self) -> None:
        """Take up the correction for writing again, where another serves the reads."""
        if self._to_write_by is not None:
            self.core.correct(self._to_write_by)
            self._to_write_by = None
        self._measured = self._followed_at = None

    def _products(self) -> list[int]:
        return [core.account.products for core, _ in parts(self.core, 0)]

    def _cost(self, before: list[int]) -> ReadReport:
        """Return the cost of the products since those `before`, of each part."""
        done = [now - then for now, then in zip(self._products(), before, strict=True)]
        busy: dict[int, int] = {}
        for k, own in enumerate(done):
            place = self.core.regions[k].core if isinstance(self.core, Matrix) else 0
            busy[place] = busy.get(place, 0) + own
        phases = parts(self.core, 0)[0][0].phases
        return ReadReport(sum(done), max(busy.values()) * energy.READ_SECONDS[phases],
                          1e6 * sum(done) * energy.READ_ENERGY[phases])

    def _as_written(self) -> Core | Matrix:
        """Return the array with the correction for writing: itself, or a copy."""
        if self._to_write_by is None:
            return self.core
        core = self.core.copy()
        core.correct(self._to_write_by)
        return core

    def _write(self, weights: Tensor, chosen: Tensor, saturated: int) -> WriteReport:
        self._correct_as_written()
        done = self.core.program(weights.T.contiguous(), chosen.T.contiguous())
        return WriteReport(
            done.cells, self._cells, done.devices, done.pulses, 1e6 * done.energy, saturated,
            done.unconverged, done.faulty, done.compensated, done.out_of_reach, done.seconds)
