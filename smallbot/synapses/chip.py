"""Synapses on the simulated chip, with all the errors of its devices."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smallbot.chip.core import Core
from smallbot.chip.device.laws import DeviceLaw, HERMES_TWO_DEVICE
from smallbot.chip.device.state import ChipError
from smallbot.chip.mapping import Matrix, place
from smallbot.chip.state import Correction
from smallbot.chip.storage import load_chip, save_chip
from smallbot.synapses.granularity import DEFAULT_GRANULARITY, Granularity
from smallbot.synapses.interface import checked, checked_mask, WriteReport

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


class ChipSynapses:
    """Weights on cores of phase-change memory, with all their errors.

    Make them with `prepare` or `load`. Parameters: `core`, whose rows are the inputs; `mask`
    [outputs, inputs] of the synapses that exist; `granularity` of an update; `density`, share of
    inputs that are 1 in a calibration vector.
    """

    def __init__(self, core: Core | Matrix, mask: Tensor,
                 granularity: Granularity = DEFAULT_GRANULARITY,
                 density: float = CALIBRATION_DENSITY):
        self.outputs, self.inputs = core.columns, core.rows
        self.core = core
        self.mask = checked_mask(mask, (self.outputs, self.inputs))
        self.granularity = granularity
        self.density = density
        self._cells = int(self.mask.sum())
        self._to_write_by: Correction | None = None
        """The correction that comes back before a write, while another serves the reads."""

    @classmethod
    def prepare(cls, weights: Tensor, mask: Tensor | None, limits: Tensor,
                generator: torch.Generator, age: float = 3600.0,
                law: DeviceLaw = HERMES_TWO_DEVICE,
                granularity: Granularity = DEFAULT_GRANULARITY,
                inputs: Tensor | None = None, cores: int = 2, **options) -> 'ChipSynapses':
        """Return a new chip that holds `weights`, was left for `age` s and calibrated once.

        Parameters: `weights`, `mask` [outputs, inputs]; `limits` [inputs], the largest magnitude
        a weight of each input may have; `generator`, kept by the chip for all noise to come;
        `inputs` [V, inputs], such as the network will have: the converters' ranges are set for
        them, as a range too wide costs resolution, and the columns calibrated with random inputs
        as sparse as they are; `cores`, how many there are: a matrix larger
        than one is cut; `options` of `Core`: converters, faults,
        phases, rules. Cells without a synapse are RESET. Where no inputs are given, ranges and
        calibration come from random 0/1 inputs, a tenth of them 1.
        Raises ChipError for shapes that do not fit, numbers that are not finite, weights beyond
        their limit and a matrix larger than the cores.
        """
        if weights.ndim != 2 or tuple(limits.shape) != weights.shape[1:]:
            raise ChipError(f'weights {tuple(weights.shape)} with limits {tuple(limits.shape)}: '
                            f'expected [outputs, inputs] and [inputs]')
        mask = checked_mask(mask, tuple(weights.shape))
        regions = place({'weights': (weights.shape[1], weights.shape[0])}, cores).regions
        core = (Core(limits, weights.shape[0], generator, law, **options) if len(regions) == 1
                else Matrix(limits, weights.shape[0], regions, generator, law=law, **options))
        density = (CALIBRATION_DENSITY if inputs is None
                   else max(float((inputs != 0).float().mean()), LEAST_DENSITY))
        chip = cls(core, mask, granularity, density)
        intended = torch.where(mask, weights.detach().float(), 0.0).T.contiguous()
        core.program(intended)
        vectors = chip._calibration_vectors()
        core.set_ranges(vectors if inputs is None else inputs)
        core.wait(age)
        core.calibrate(vectors)
        return chip

    @property
    def generator(self) -> torch.Generator:
        """Return the source of all noise to come."""
        return self.core.generator

    def matvec(self, x: Tensor) -> Tensor:
        """Read the array with x [B, inputs], |x| <= 1; returns [B, outputs]."""
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

    def calibrate(self) -> None:
        """Fit the correction of every column anew, by reading random inputs of 0 and 1."""
        self.core.calibrate(self._calibration_vectors())
        self._to_write_by = None

    def calibration_due(self) -> bool:
        """Return whether the chip is `RECALIBRATION` times as old as at the last calibration."""
        fitted_at = (self._to_write_by or self.core.correction).at
        return self.core.now > RECALIBRATION * fitted_at

    def calibrate_reading(self) -> None:
        """Calibrate for the reads until the next write; that goes by the correction before.

        A column has one correction for devices of every age. Fitted to an update of yesterday,
        it is too large for the devices beside it; what was written by it would be so too.
        """
        before = self._to_write_by or self.core.correction
        self.calibrate()
        self._to_write_by = before

    def reading_aged(self) -> bool:
        """Return whether the last write is `AGED` times as old as when the reads were fitted."""
        written = self.core.written_at
        fitted = max(self.core.calibrated_at - written, self.core.law.t0)
        return self.core.now - written > AGED * fitted

    def weights(self) -> Tensor:
        """Return the weights intended, [outputs, inputs]."""
        return self.core.intended.T.clone()

    def effective_weights(self) -> Tensor:
        """Return the weights that reads see at this moment, fast noise aside."""
        return self.core.effective_weights().T

    def wait(self, seconds: float) -> None:
        """Let `seconds` pass: the devices drift."""
        self.core.wait(seconds)

    def copy(self, generator: torch.Generator | None = None) -> 'ChipSynapses':
        """Return an independent chip in the same state, with its own noise if given a source."""
        twin = ChipSynapses(self.core.copy(generator), self.mask, self.granularity, self.density)
        twin._to_write_by = self._to_write_by
        return twin

    def save(self, path: str | Path, notes: dict[str, Any] | None = None) -> None:
        """Write the chip to a file, bit for bit, with its clock and its generator.

        Of two corrections it is the one for writing that is kept. `notes`, plain values, come
        back from `load`: what the owner must know of the chip.
        """
        save_chip(self._as_written(), path, {'mask': self.mask},
                  {'granularity': asdict(self.granularity), 'density': self.density,
                   'notes': notes or {}})

    @classmethod
    def load(cls, path: str | Path) -> tuple['ChipSynapses', dict[str, Any]]:
        """Return the chip saved at `path` and its notes. Raises ChipError where it is none."""
        core, more, settings = load_chip(path)
        try:
            return (cls(core, more['mask'], Granularity(**settings['granularity']),
                        settings['density']),
                    settings['notes'])
        except KeyError as error:
            raise ChipError(f'chip {path}: not saved by synapses, it has no {error}') from None

    def _calibration_vectors(self) -> Tensor:
        return (torch.rand(CALIBRATION_VECTORS, self.inputs, generator=self.generator)
                < self.density).float()

    def _as_written(self) -> Core | Matrix:
        """Return the array with the correction for writing: itself, or a copy."""
        if self._to_write_by is None:
            return self.core
        core = self.core.copy()
        core.correct(self._to_write_by)
        return core

    def _write(self, weights: Tensor, chosen: Tensor, saturated: int) -> WriteReport:
        if self._to_write_by is not None:
            self.core.correct(self._to_write_by)
            self._to_write_by = None
        done = self.core.program(weights.T.contiguous(), chosen.T.contiguous())
        return WriteReport(
            done.cells, self._cells, done.devices, done.pulses, 1e6 * done.energy, saturated,
            done.unconverged, done.faulty, done.compensated, done.out_of_reach, done.seconds)
