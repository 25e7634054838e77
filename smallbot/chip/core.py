"""One core: an array of unit cells with its converters, its correction and its clock.

Every cell holds two polarities, each made of one or two phase-change devices; the weight is the
difference of the polarities' conductances. Inputs arrive on rows as signed 8-bit pulse widths,
outputs leave columns through 8-bit converters and a per-column affine correction.

Modelled: for every device its own conductance, drift exponent, time of programming, slow 1/f
state and count of writes, all of which stay until that device is written again; programming
error, drift and read noise by a published law; quantisation and saturation of inputs and outputs;
loss of a column's scale to drift and its correction.

Not modelled: single programming pulses and their verification (a write draws the error that the
law reports after convergence); the four phases of a product apart from each other (their sum is
converted once); gain spread of the converters; wire resistance; stuck devices; temperature.

A law describes a whole polarity. Where two devices form it, they share its programming error in
proportion to their targets and have one drift exponent, so that the polarity follows the law
exactly; their 1/f noise is independent, scaled so that the sum follows the law.
"""

from dataclasses import dataclass, fields
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from smallbot.chip import energy, flicker
from smallbot.chip.laws import DeviceLaw, HERMES_TWO_DEVICE
from smallbot.errors import InputError

CORE_SIDE = 256
"""Rows and columns of a core (Ortner et al. 2025, Methods)."""
CODE_MAX = 127
"""Largest magnitude of a signed 8-bit code, of inputs and of outputs."""
_SCALE_RANGE = (0.25, 4.0)
"""A column's correction outside this is no correction of drift, but a column without signal."""


class ChipError(InputError):
    """Something that a chip cannot hold or do; the message is one line."""


class CoreWriteReport(NamedTuple):
    """What a write has done."""

    cells: int
    devices: int
    """Devices that received a pulse; the devices of a polarity that stays in RESET did not."""
    energy: float
    """Upper bound, J (`energy`: published currents, assumed voltage, most pulses allowed)."""


@dataclass
class DeviceState:
    """What the chip remembers of its devices; D devices a cell, positive polarity first."""

    target: Tensor
    """Conductance each polarity was last written for, S, [2, rows, columns]."""
    conductance: Tensor
    """As programmed, at the law's t0, S, [D, rows, columns]."""
    drift_exponent: Tensor
    """nu, [D, rows, columns]."""
    programmed_at: Tensor
    """Clock of the chip at the last write, s, float64 [D, rows, columns]."""
    slow: Tensor
    """Slow 1/f processes, variance 1 each, [BANDS, D, rows, columns]."""
    writes: Tensor
    """Times written, int32 [D, rows, columns]; 0 is a device that was never used."""


class Core:
    """A core, or the part of one that a matrix uses.

    Weights are in the user's unit: row i holds up to +-`limits[i]`. The largest of these limits
    is what a full-scale input times a full conductance means; the inputs of rows with smaller
    limits are driven with shorter pulses, so that their weights use the whole conductance range
    too (at the price of fewer input levels: `row_codes`).

    Parameters: `limits` [rows]; `columns`; `generator`, the only source of randomness from here
    on; `law`; `output_range`, magnitude of an output at which the converters saturate (later:
    `set_output_range`). All devices begin unused, with no conductance.
    Raises ChipError for sizes beyond 256 and limits that are not positive.
    """

    def __init__(self, limits: Tensor, columns: int, generator: torch.Generator,
                 law: DeviceLaw = HERMES_TWO_DEVICE, output_range: float = 1.0):
        limits = torch.as_tensor(limits, dtype=torch.float32)
        if limits.ndim != 1 or not 1 <= len(limits) <= CORE_SIDE or not 1 <= columns <= CORE_SIDE:
            raise ChipError(f'core of {tuple(limits.shape)} rows x {columns} columns: expected 1 '
                            f'to {CORE_SIDE} of each; cut the matrix')
        if not (torch.isfinite(limits).all() and (limits > 0).all()):
            raise ChipError('weight limits of rows: expected finite numbers above 0')
        self.law = law
        self.generator = generator
        self.now = 0.0
        """Clock, s."""
        self.limits = limits
        self.row_codes = (CODE_MAX * limits / limits.max()).round_().clamp_(min=1)
        """Input code of a full-scale input, [rows]."""
        shape = (2 * law.devices_per_polarity, len(limits), columns)
        self.devices = DeviceState(
            target=torch.zeros(2, *shape[1:]), conductance=torch.zeros(shape),
            drift_exponent=torch.zeros(shape),
            programmed_at=torch.zeros(shape, dtype=torch.float64),
            slow=torch.zeros(flicker.BANDS, *shape),
            writes=torch.zeros(shape, dtype=torch.int32))
        self.intended = torch.zeros(shape[1:])
        """The weights last written, [rows, columns]."""
        self.scale = torch.ones(columns)
        """Per-column correction: output = scale * converted + offset."""
        self.offset = torch.zeros(columns)
        self._noise_moved_to = 0.0
        self._stale = True
        self.set_output_range(output_range)

    rows = property(lambda self: self.intended.shape[0])
    columns = property(lambda self: self.intended.shape[1])

    def set_output_range(self, output_range: float) -> None:
        """Choose the output (before correction) at which the converters saturate.

        Raises ChipError unless it is a positive number.
        """
        if not (math.isfinite(output_range) and output_range > 0):
            raise ChipError(f'output range {output_range}: expected a finite number above 0')
        self.output_range = float(output_range)
        self._stale = True

    def wait(self, seconds: float) -> None:
        """Let `seconds` pass: devices drift and their slow noise moves on."""
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ChipError(f'waiting {seconds} s: expected a finite time, 0 or longer')
        self.now += float(seconds)
        self._stale = self._stale or seconds > 0

    def program(self, weights: Tensor, mask: Tensor | None = None) -> CoreWriteReport:
        """Write the weights [rows, columns] of the cells in `mask` (bool; all without one).

        As program-and-verify through the corrected read would, it aims at the conductance that
        makes each weight appear right behind its column's present correction. The polarity of
        the weight's sign gets fresh error, drift exponent and noise; the other is RESET, unless
        it rests in RESET already. Two devices are filled one after the other (max-SET-fill): at
        most one of them is left between RESET and SET.
        Raises ChipError, before anything is written, for a wrong shape, a weight that is not
        finite and a weight beyond its row's limit.
        """
        mask = self._check_write(weights, mask)
        self._move_noise()
        d, law = self.devices, self.law
        per_polarity = law.devices_per_polarity
        wanted = torch.where(mask, weights, 0.0) / (self._full_weight() * self.scale)
        wanted = wanted.clamp_(-1, 1) * law.g_max
        target = torch.stack([wanted.clamp(min=0), (-wanted).clamp_(min=0)])
        blank = d.writes[::per_polarity] == 0
        written = mask & (blank | (target > 0) | (d.target > 0))

        x = target / law.g_max
        error = torch.randn(x.shape, generator=self.generator).mul_(law.programming(x))
        total = (target + error).clamp_(min=0.0)
        single = law.g_max / per_polarity
        # Filling order is first device first; an empty polarity's error sits on its first.
        filled = torch.stack([(target - k * single).clamp_(0, single)
                              for k in range(per_polarity)], dim=1)
        share = filled / target.clamp(min=1e-30)[:, None]
        share[:, 0].masked_fill_(target == 0, 1.0)
        nu = law.drift_exponent(x, self.generator)

        every = written.repeat_interleave(per_polarity, dim=0)
        d.conductance = torch.where(every, (total[:, None] * share).flatten(0, 1), d.conductance)
        d.drift_exponent = torch.where(
            every, nu.repeat_interleave(per_polarity, dim=0), d.drift_exponent)
        d.programmed_at = d.programmed_at.masked_fill(every, self.now)
        d.slow = torch.where(every, flicker.draw(every.shape, self.generator), d.slow)
        d.writes = d.writes + every
        d.target = torch.where(written, target, d.target)
        self.intended = torch.where(mask, weights, self.intended)
        self._stale = True

        filled = filled.flatten(0, 1)[every]
        full, empty = int((filled >= single).sum()), int((filled == 0).sum())
        return CoreWriteReport(
            cells=int(mask.sum()), devices=len(filled),
            energy=energy.write_energy(empty, full, len(filled) - full - empty))

    def read(self, x: Tensor) -> Tensor:
        """Multiply inputs [B, rows] with the array as it is now; returns [B, columns].

        Full scale is |x| = 1, converted to `row_codes` levels of either sign; a larger input
        saturates at 127 levels. Slow noise is part of the array; fast noise is drawn per output
        with the variance that the devices driven have together.
        """
        if self._stale:
            self._refresh()
        codes = (x * self.row_codes).round_().clamp_(-CODE_MAX, CODE_MAX)
        counts = codes @ self._counts
        if self._noisy:
            deviation = (codes.square_() @ self._count_variance).sqrt_()
            counts.addcmul_(deviation, torch.randn(counts.shape, generator=self.generator))
        counts.round_().clamp_(-CODE_MAX, CODE_MAX)
        return torch.addcmul(self.offset, counts, self._gain)

    def calibrate(self, vectors: Tensor) -> None:
        """Fit scale and offset of every column by reading `vectors` [V, rows], V >= 2.

        The offset is what a column reads when nothing is driven: a network whose inputs are
        silent most of the time would gather any other error of it in its membranes. The scale is
        the least squares fit of the outputs that the intended weights would give. A column
        without signal of its own gets the median scale of the others.
        Raises ChipError for vectors of a wrong shape.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.rows or len(vectors) < 2:
            raise ChipError(f'calibration vectors of shape {tuple(vectors.shape)}: expected '
                            f'at least 2 of {self.rows}')
        wanted = vectors @ self.intended
        before = self.scale, self.offset
        self._correct(torch.ones(self.columns), torch.zeros(self.columns))
        silent = self.read(torch.zeros(len(vectors), self.rows)).mean(0)
        read = self.read(vectors) - silent
        scale = (read * wanted).sum(0) / read.square().sum(0)
        good = (scale > _SCALE_RANGE[0]) & (scale < _SCALE_RANGE[1])
        if not good.any():
            self._correct(*before)
            return
        scale = torch.where(good, scale, scale[good].median())
        self._correct(scale, -scale * silent)

    def polarity_conductance(self) -> Tensor:
        """Return what each polarity conducts now, slow noise included, S, [2, rows, columns]."""
        if self._stale:
            self._refresh()
        return self._conductance

    def effective_weights(self) -> Tensor:
        """Return the weights that corrected reads see now without fast noise, [rows, columns].

        The correction's offset belongs to no weight and is left out.
        """
        positive, negative = self.polarity_conductance()
        return (positive - negative) * (self._full_weight() / self.law.g_max) * self.scale

    def copy(self, generator: torch.Generator | None = None) -> 'Core':
        """Return an independent chip in the same state.

        Its noise to come is the same too, unless it is given another `generator`.
        """
        if generator is None:
            generator = torch.Generator()
            generator.set_state(self.generator.get_state())
        twin = object.__new__(Core)
        # Tensors other than the devices' slow state are replaced, never changed in place.
        twin.__dict__.update(self.__dict__)
        twin.generator = generator
        twin.devices = DeviceState(**vars(self.devices))
        twin.devices.slow = self.devices.slow.clone()
        return twin

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all state as named tensors and plain values; `from_tensors` is its inverse."""
        tensors = {f'devices.{name}': value for name, value in vars(self.devices).items()}
        for name in ('limits', 'intended', 'scale', 'offset'):
            tensors[name] = getattr(self, name)
        tensors['generator'] = self.generator.get_state()
        return tensors, {'law': self.law.to_mapping(), 'now': self.now,
                         'noise_moved_to': self._noise_moved_to,
                         'output_range': self.output_range}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], values: dict[str, Any]) -> 'Core':
        """Return the chip that `to_tensors` described. Raises ChipError where parts misfit."""
        try:
            generator = torch.Generator()
            generator.set_state(tensors['generator'])
            core = cls(tensors['limits'], tensors['intended'].shape[-1], generator,
                       DeviceLaw.from_mapping(values['law']), values['output_range'])
            for holder, name, key in (
                    *((core.devices, f.name, f'devices.{f.name}') for f in fields(DeviceState)),
                    (core, 'intended', 'intended'), (core, 'scale', 'scale'),
                    (core, 'offset', 'offset')):
                empty, found = getattr(holder, name), tensors[key]
                if empty.shape != found.shape or empty.dtype != found.dtype:
                    raise ChipError(f'{key} is {found.dtype} {tuple(found.shape)}, expected '
                                    f'{empty.dtype} {tuple(empty.shape)}')
                setattr(holder, name, found)
            core.now, core._noise_moved_to = float(values['now']), float(values['noise_moved_to'])
        except (KeyError, TypeError, RuntimeError) as error:
            raise ChipError(f'not the state of a core: {error!r}') from None
        core._correct(core.scale, core.offset)
        return core

    def _check_write(self, weights: Tensor, mask: Tensor | None) -> Tensor:
        shape = self.rows, self.columns
        if tuple(weights.shape) != shape:
            raise ChipError(f'weights of shape {tuple(weights.shape)}: expected {shape}')
        if mask is None:
            mask = torch.ones(shape, dtype=torch.bool)
        elif tuple(mask.shape) != shape or mask.dtype != torch.bool:
            raise ChipError(f'mask of {mask.dtype} {tuple(mask.shape)}: expected bool {shape}')
        wrong = mask & ~(weights.abs() <= self.limits[:, None])  # NaN is wrong as well
        if wrong.any():
            row, column = (int(i) for i in wrong.nonzero()[0])
            raise ChipError(f'weight of row {row}, column {column}: '
                            f'{float(weights[row, column]):g} cannot be held, expected a finite '
                            f'number within +-{float(self.limits[row]):g}')
        return mask

    def _full_weight(self) -> Tensor:
        """Return the weight of a full conductance in each row, [rows, 1].

        Not quite `limits`: the pulse widths that scale the rows are whole numbers.
        """
        return (self.row_codes * (self.limits.max() / CODE_MAX))[:, None]

    def _correct(self, scale: Tensor, offset: Tensor) -> None:
        self.scale, self.offset = scale, offset
        self._gain = scale * (self.output_range / CODE_MAX)

    def _move_noise(self) -> None:
        """Bring slow noise up to the clock; a sum of waits is one step, and exact."""
        if self.now > self._noise_moved_to:
            flicker.advance(self.devices.slow, self.now - self._noise_moved_to, self.generator)
            self._noise_moved_to = self.now

    def _refresh(self) -> None:
        """Compute what reads need from the devices as they are at this time."""
        self._move_noise()
        d, law = self.devices, self.law
        age = self.now - d.programmed_at
        drifted = d.conductance * law.drift_factor(d.drift_exponent, age)

        def polarities(device: Tensor) -> Tensor:
            return device.view(2, -1, self.rows, self.columns)

        # The law's noise belongs to the polarity: its devices share it so that the sum agrees.
        total = polarities(d.conductance).sum(1)
        concentration = total / polarities(d.conductance).square().sum(1).sqrt_().clamp(min=1e-30)
        q = (law.read(total / law.g_max) * concentration)[:, None]
        amplitude = drifted * q.expand(-1, law.devices_per_polarity, -1, -1).flatten(0, 1)
        noise = flicker.slow_noise(d.slow, flicker.slow_variance(age, law.t_read))
        self._conductance = polarities((drifted + amplitude * noise).clamp_(min=0.0)).sum(1)
        variance = amplitude.square_().mul_(flicker.fast_variance(age, law.t_read)).sum(0)

        # Counts of the output converter per unit of input code and conductance.
        unit = self.limits.max() / law.g_max / self.output_range
        self._counts = (self._conductance[0] - self._conductance[1]) * unit
        self._count_variance = variance * unit.square()
        self._noisy = bool((variance > 0).any())
        self._correct(self.scale, self.offset)
        self._stale = False
