"""Where networks meet devices: a weight matrix that can be multiplied with and rewritten.

A network knows nothing of conductances and a chip nothing of neurons; both know `Synapses`.
Weights are [outputs, inputs] in the network's unit, from postsynaptic to presynaptic.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from smallbot.chip.core import Core, Correction
from smallbot.chip.devices import ChipError
from smallbot.chip.laws import DeviceLaw, HERMES_TWO_DEVICE
from smallbot.chip.mapping import Matrix, place
from smallbot.chip.storage import load_chip, save_chip


@dataclass(frozen=True)
class Granularity:
    """Which cells an update writes, and how finely; measured in docs/chip.md."""

    rounding: str = 'stochastic'
    """'exact': the change itself; 'nearest' multiple of `step`; 'stochastic': the multiple above
    or below, with the probabilities that keep the mean."""
    step: float = 1 / 16
    """Of 'nearest' and 'stochastic', as share of the largest weight of an input (Ortner et al.
    2025, published code). About the size of the programming error: a finer one costs more
    writes and gains nothing."""
    dead_band: float = 0.0
    """Change below which 'exact' leaves a cell alone, as share of the same; 0: every change is
    written."""

    def __post_init__(self):
        if self.rounding not in ROUNDINGS:
            raise ChipError(f'rounding {self.rounding!r}: expected {", ".join(ROUNDINGS)}')
        if not 0 <= self.dead_band < float('inf'):
            raise ChipError(f'dead band {self.dead_band}: expected a finite number, 0 or more')
        if not 0 < self.step < float('inf'):
            raise ChipError(f'step {self.step}: expected a finite number above 0')

    def apply(self, delta: Tensor, limits: Tensor, generator: torch.Generator) -> Tensor:
        """Return the change that is written, of the shape of `delta`; 0 is left alone.

        Parameters: `delta` [outputs, inputs]; `limits` [inputs], the largest magnitude a weight
        of each input may have; `generator`, used by 'stochastic' alone.
        """
        if self.rounding == 'exact':
            return torch.where(delta.abs() >= self.dead_band * limits, delta, 0.0)
        step = self.step * limits
        steps = delta / step
        if self.rounding == 'nearest':
            return steps.round_() * step
        chance = torch.rand(delta.shape, generator=generator)
        return steps.add_(chance).floor_() * step


ROUNDINGS = ('exact', 'nearest', 'stochastic')
DEFAULT_GRANULARITY = Granularity()
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


class WriteReport(NamedTuple):
    """What a write has done."""

    cells: int
    """Cells written."""
    cells_total: int
    """Synapses there are."""
    devices: int
    """Devices that received a pulse; 0 in software."""
    pulses: int | None
    """None in software."""
    energy_uj: float | None
    """Upper bound, microjoules (`smallbot.chip.energy`); None in software."""
    saturated: int = 0
    """Weights that would have left their limits and were stopped there."""
    unconverged: int = 0
    """Cells that program-and-verify gave up on."""
    faulty: int = 0
    """Devices newly found to be faulty."""
    compensated: int = 0
    """Cells to be written whose faulty devices are made up for by the others."""
    out_of_reach: int = 0
    """Cells to be written that hold the nearest weight they can."""
    seconds: float = 0.0
    """Time of programming on the chip."""


class Synapses(Protocol):
    """Weights of a network, in software or on a chip."""

    outputs: int
    inputs: int

    def matvec(self, x: Tensor) -> Tensor:
        """Return x [B, inputs] times the weights, [B, outputs]."""

    def program(self, weights: Tensor) -> WriteReport:
        """Write all synapses; entries [outputs, inputs] where there is none are ignored."""

    def update(self, delta: Tensor) -> WriteReport:
        """Add `delta` [outputs, inputs] to the weights, writing only what changes."""

    def restore(self, weights: Tensor) -> WriteReport:
        """Write the synapses whose intended weight is not that of `weights`, and no other."""

    def calibrate(self) -> None:
        """Correct the reads of what the weights have become since they were written."""

    def calibration_due(self) -> bool:
        """Return whether so much time has passed that a calibration is worth its noise."""

    def calibrate_reading(self) -> None:
        """Correct the reads until the next write, which goes by the correction before."""

    def reading_aged(self) -> bool:
        """Return whether what was written last has changed much since a calibration."""

    def weights(self) -> Tensor:
        """Return the weights intended, [outputs, inputs]."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""


def _checked(values: Tensor, shape: tuple[int, int], what: str) -> Tensor:
    if tuple(values.shape) != shape:
        raise ChipError(f'{what} of shape {tuple(values.shape)}: expected {shape}')
    if not torch.isfinite(values).all():
        raise ChipError(f'{what}: expected finite numbers')
    return values.detach().to(torch.float32)


def _checked_mask(mask: Tensor | None, shape: tuple[int, int]) -> Tensor:
    if mask is None:
        return torch.ones(shape, dtype=torch.bool)
    if tuple(mask.shape) != shape or mask.dtype != torch.bool:
        raise ChipError(f'mask of {mask.dtype} {tuple(mask.shape)}: expected bool {shape}')
    return mask


class SoftwareSynapses:
    """Exact float32 weights that never age.

    Parameters: `weights` [outputs, inputs]; `mask` of the synapses that exist, bool, all without.
    Raises ChipError for shapes that do not fit and numbers that are not finite.
    """

    def __init__(self, weights: Tensor, mask: Tensor | None = None):
        self.outputs, self.inputs = weights.shape
        self.mask = _checked_mask(mask, (self.outputs, self.inputs))
        self._cells = int(self.mask.sum())
        self.program(weights)

    def matvec(self, x: Tensor) -> Tensor:
        """Return x [B, inputs] times the weights, [B, outputs]."""
        return x @ self._weights

    def program(self, weights: Tensor) -> WriteReport:
        """Write all synapses; entries [outputs, inputs] where there is none are ignored."""
        weights = _checked(weights, (self.outputs, self.inputs), 'weights')
        self._weights = (weights * self.mask).T.contiguous()
        return WriteReport(self._cells, self._cells, 0, None, None)

    def update(self, delta: Tensor) -> WriteReport:
        """Add `delta` [outputs, inputs]; a synapse counts as written if its change is not 0."""
        delta = _checked(delta, (self.outputs, self.inputs), 'update') * self.mask
        self._weights = self._weights + delta.T
        return WriteReport(int(delta.count_nonzero()), self._cells, 0, None, None)

    def restore(self, weights: Tensor) -> WriteReport:
        """Write the synapses that differ from `weights` [outputs, inputs]."""
        changed = ((_checked(weights, (self.outputs, self.inputs), 'weights') * self.mask)
                   != self._weights.T)
        self.program(weights)
        return WriteReport(int(changed.sum()), self._cells, 0, None, None)

    def calibrate(self) -> None:
        """Correct nothing: these reads are exact."""

    def calibration_due(self) -> bool:
        """Return False."""
        return False

    def calibrate_reading(self) -> None:
        """Correct nothing: these reads are exact."""

    def reading_aged(self) -> bool:
        """Return False."""
        return False

    def weights(self) -> Tensor:
        """Return the weights, [outputs, inputs]."""
        return self._weights.T.clone()

    def wait(self, seconds: float) -> None:
        """Let time pass, which changes nothing here."""

    def copy(self) -> 'SoftwareSynapses':
        """Return independent synapses with the same weights."""
        return SoftwareSynapses(self.weights(), self.mask)


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
        self.mask = _checked_mask(mask, (self.outputs, self.inputs))
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
        mask = _checked_mask(mask, tuple(weights.shape))
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
        return self._write(_checked(weights, (self.outputs, self.inputs), 'weights'), self.mask, 0)

    def update(self, delta: Tensor) -> WriteReport:
        """Add `delta` [outputs, inputs] and write the cells that `granularity` lets change.

        The others keep their devices and their intended weight. A weight that would leave its
        limits stops there and is counted as saturated.
        """
        delta = _checked(delta, (self.outputs, self.inputs), 'update')
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
        weights = _checked(weights, (self.outputs, self.inputs), 'weights')
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
