"""One core: an array of unit cells with its converters, its correction and its clock.

Every cell holds two polarities, each made of one or two phase-change devices; the weight is the
difference of the polarities' conductances. Inputs arrive on rows as signed 8-bit pulse widths. A
product takes four phases, one input sign and one polarity at a time, each converted by itself
(or one phase for all); the counts are summed, corrected by one scale and offset a column, and
rounded to 8 bits.

The state of every single device persists until that device is programmed again (`devices`).
Programming is by pulses and verifying reads (`programming`). A law (`laws`) describes what a whole
polarity has become at t0: the error left by program-and-verify is completed by the relaxation
that makes their sum follow the law. Devices of a polarity share relaxation in proportion to their
conductance and have one drift exponent if programmed together; their 1/f noise is independent,
scaled so that the sum follows the law.

Not modelled: wire resistance, nonlinear converters and devices, temperature, failure by wear.
"""

from dataclasses import asdict, fields, replace
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from smallbot.chip import energy
from smallbot.chip.converters import CODE_MAX, ConverterSpread, MEASURED_SPREAD
from smallbot.chip.device import flicker
from smallbot.chip.device.faults import draw_faults, FaultRates, NO_FAULTS
from smallbot.chip.device.laws import DeviceLaw, HERMES_TWO_DEVICE
from smallbot.chip.device.programming import (
    FULL,
    PROGRAM_AND_VERIFY,
    program_and_verify,
    PulseModel,
)
from smallbot.chip.device.state import ChipError, DeviceState, Fault
from smallbot.chip.products import Products

CORE_SIDE = 256
"""Rows and columns of a core (Ortner et al. 2025, Methods)."""
HEADROOM = 1.1
"""Range of the converters over the largest value expected of them."""
_SCALE_RANGE = (0.25, 4.0)
"""A column's correction outside this is no correction of drift, but a column without signal."""
_ATTEMPTS = 3
"""Times a cell is planned anew when some of its devices turn out to be faulty."""


class CoreWriteReport(NamedTuple):
    """What a write has done."""

    cells: int
    """Cells with a device that received a pulse."""
    devices: int
    """Devices that received a pulse."""
    pulses: int
    unconverged: int
    """Cells with a device further from its goal than the margin at the last read."""
    residual: float
    """Root mean square, over the cells written, of the last reads' error, in weights."""
    faulty: int
    """Devices newly found to be faulty."""
    compensated: int
    """Cells of the request with faulty devices whose weight the others hold."""
    out_of_reach: int
    """Cells of the request that hold the nearest weight they can."""
    seconds: float
    """Cells of a diagonal in parallel, one device of a cell at a time."""
    energy: float
    """Upper bound, J (`energy`)."""


class Correction(NamedTuple):
    """What reads are corrected by: output = scale * counted + offset, each [columns]."""

    scale: Tensor
    offset: Tensor
    at: float
    """Clock of the chip when it was fitted, s."""


class Core:
    """A core, or the part of one that a matrix uses.

    Weights are in the user's unit: row i holds up to +-`limits[i]`. The largest of these limits
    is what a full-scale input times a full conductance means; the inputs of rows with smaller
    limits are driven with shorter pulses, so that their weights use the whole conductance range
    too (at the price of fewer input levels: `row_codes`).

    Parameters: `limits` [rows]; `columns`; `generator`, the only source of randomness from here
    on; `law`; `output_range`, magnitude of an output at which the 8-bit result saturates (later:
    `set_ranges`); `converters`, their spread; `faults`, how many devices are stuck; `phases`, 4
    or 1. All devices begin unused, with no conductance.
    Raises ChipError for sizes beyond 256 and limits that are not positive.
    """

    def __init__(self, limits: Tensor, columns: int, generator: torch.Generator,
                 law: DeviceLaw = HERMES_TWO_DEVICE, output_range: float = 1.0,
                 converters: ConverterSpread = MEASURED_SPREAD,
                 faults: FaultRates = NO_FAULTS, phases: int = 4,
                 rules: PulseModel = PROGRAM_AND_VERIFY):
        limits = torch.as_tensor(limits, dtype=torch.float32)
        if limits.ndim != 1 or not 1 <= len(limits) <= CORE_SIDE or not 1 <= columns <= CORE_SIDE:
            raise ChipError(f'core of {tuple(limits.shape)} rows x {columns} columns: expected 1 '
                            f'to {CORE_SIDE} of each; smallbot.chip.mapping cuts larger ones')
        if not (torch.isfinite(limits).all() and (limits > 0).all()):
            raise ChipError('weight limits of rows: expected finite numbers above 0')
        if phases not in energy.READ_ENERGY:
            raise ChipError(f'{phases} phases: expected 4 or 1')
        self.law = law
        self.rules = rules
        self.converters = converters
        self.phases = phases
        self.generator = generator
        self.account = energy.Account(phases)
        self.now = 0.0
        """Clock, s."""
        self.calibrated_at = 0.0
        """The clock at the last calibration; 0 before the first."""
        self.limits = limits
        self.row_codes = (CODE_MAX * limits / limits.max()).round_().clamp_(min=1)
        """Input code of a full-scale input, [rows]."""
        shape = (2 * law.devices_per_polarity, len(limits), columns)
        self.devices = DeviceState.unused(shape)
        self.devices.curve_shift = torch.randn(shape, generator=generator).mul_(
            rules.device_spread)
        self.found = torch.zeros(shape, dtype=torch.int8)
        """`Fault` that programming has found in each device, [D, rows, columns]."""
        self.intended = torch.zeros(shape[1:])
        """The weights last asked for, [rows, columns]."""
        self.adc_gain, self.adc_offset = converters.draw(columns, generator)
        self.scale = torch.ones(columns)
        """Per-column correction: output = scale * counted + offset."""
        self.offset = torch.zeros(columns)
        self._noise_moved_to = 0.0
        self._stale = True
        self._break(draw_faults(faults, shape, generator))
        self._check_range(output_range)
        self.output_range = self.phase_range = float(output_range)

    rows = property(lambda self: self.intended.shape[0])
    columns = property(lambda self: self.intended.shape[1])
    single = property(lambda self: self.law.g_max / self.law.devices_per_polarity,
                      doc='Conductance of one device in SET, S.')

    def set_ranges(self, vectors: Tensor, headroom: float = HEADROOM) -> None:
        """Choose the ranges of the converters for inputs like `vectors` [V, rows].

        The phases' converters and the 8-bit result get `headroom` over what the intended weights
        would give; a matrix or vectors of nothing but zeros leave the ranges as they are.
        """
        self._check_vectors(vectors, 1)
        parts = [self.intended.clamp(min=0), (-self.intended).clamp_(min=0)]
        driven = [vectors.clamp(min=0), (-vectors).clamp_(min=0)]
        phase = max(float((x @ w).max()) for x in driven for w in parts)
        output = float((vectors @ self.intended).abs().max())
        if phase > 0 and output > 0:
            self.phase_range, self.output_range = headroom * phase, headroom * output
            self._stale = True

    def wait(self, seconds: float) -> None:
        """Let `seconds` pass: devices drift and their slow noise moves on."""
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ChipError(f'waiting {seconds} s: expected a finite time, 0 or longer')
        self.now += float(seconds)
        self._stale = self._stale or seconds > 0

    def program(self, weights: Tensor, mask: Tensor | None = None) -> CoreWriteReport:
        """Write the weights [rows, columns] of the cells in `mask` (bool; all without one).

        Aims at the counts that make each weight appear right behind its column's present
        correction. Of a cell, the polarity of the weight's sign is filled one device after the
        other (max-SET-fill: at most one of them is left between RESET and SET) and the other
        polarity is RESET. A device that is in RESET or SET already and is to stay there gets no
        pulse. Devices known to be faulty are made up for by the others, of either polarity.
        Raises ChipError, before anything is written, for a wrong shape, a weight that is not
        finite and a weight beyond its row's limit.
        """
        mask = self.check_write(weights, mask)
        self._move_noise()
        wanted = torch.where(mask, weights, 0.0) * (
            self.law.g_max / (self._full_weight() * self.scale))
        shape = self.found.shape
        touched = torch.zeros(shape, dtype=torch.bool)
        missed = torch.zeros(shape, dtype=torch.bool)
        spent = torch.zeros(3, *shape, dtype=torch.int32)
        newly_faulty = 0
        todo = mask
        for _ in range(_ATTEMPTS):
            level, short = self._plan(wanted)
            pulsed, missed_now, faulty, seen = self._pulse(level, todo, spent)
            touched |= pulsed
            missed = torch.where(pulsed, missed_now, missed) & (self.found == 0)
            newly_faulty += int(faulty.sum())
            todo = todo & faulty.any(0)
            if not todo.any():
                break
        self.intended = torch.where(mask, weights, self.intended)
        self._stale = True
        return self._report(mask, touched, missed, short, newly_faulty, spent, seen - wanted)

    def read(self, x: Tensor) -> Tensor:
        """Multiply inputs [B, rows] with the array as it is now; returns [B, columns].

        Full scale is |x| = 1, converted to `row_codes` levels of either sign; a larger input
        saturates at 127 levels. Slow noise is part of the array; the fast noise of all phases
        of an output is drawn at once, with the variance that the devices driven have together.
        """
        if self._stale:
            self._refresh()
        self.account.products += len(x)
        return self._products.read(x)

    def calibrate(self, vectors: Tensor) -> None:
        """Fit scale and offset of every column by reading `vectors` [V, rows], V >= 2.

        Both come from the least squares fit of what is read to what the intended weights would
        give; the other way round noise and programming errors would make the scale too small. Take
        vectors as sparse as the inputs to come: counts are whole, small sums of currents err
        otherwise than large ones, and a network gathers what is left in its membranes. A column
        without signal of its own gets the median scale of the others.
        Raises ChipError for vectors of a wrong shape.
        """
        self._check_vectors(vectors, 2)
        wanted = vectors @ self.intended
        unit = self.phase_range / self.converters.levels
        if self._stale:
            self._refresh()
        read = self._products.count(vectors) * unit
        self.account.products += len(vectors)
        aside, level = wanted.mean(0), read.mean(0)
        scale = (wanted - aside).square().sum(0) / ((read - level) * (wanted - aside)).sum(0)
        good = (scale > _SCALE_RANGE[0]) & (scale < _SCALE_RANGE[1])
        if good.any():
            scale = torch.where(good, scale, scale[good].median())
            self._correct(scale, aside - scale * level)
        self.calibrated_at = self.now

    @property
    def correction(self) -> Correction:
        """Return what the last calibration has made of the columns."""
        return Correction(self.scale, self.offset, self.calibrated_at)

    def correct(self, correction: Correction) -> None:
        """Take up a correction again that this core had before."""
        self._correct(correction.scale, correction.offset)
        self.calibrated_at = correction.at

    @property
    def written_at(self) -> float:
        """Return the clock when a device was last programmed, s."""
        return float(self.devices.programmed_at.max())

    def polarity_conductance(self) -> Tensor:
        """Return what each polarity conducts now, slow noise included, S, [2, rows, columns]."""
        if self._stale:
            self._refresh()
        return self._conductance

    def effective_weights(self) -> Tensor:
        """Return the weights that corrected reads see now without fast noise, [rows, columns].

        The correction's offset belongs to no weight and is left out.
        """
        positive, negative = self.polarity_conductance() * self.adc_gain[:, None]
        return (positive - negative) * (self._full_weight() / self.law.g_max) * self.scale

    def copy(self, generator: torch.Generator | None = None) -> 'Core':
        """Return an independent chip in the same state.

        Its noise to come is the same too, unless it is given another `generator`.
        """
        if generator is None:
            generator = torch.Generator()
            generator.set_state(self.generator.get_state())
        twin = object.__new__(Core)
        # All other tensors are replaced, never changed in place.
        twin.__dict__.update(self.__dict__)
        twin.generator = generator
        twin.devices = self.devices.copy()
        twin.found = self.found.clone()
        twin.account = replace(self.account)
        twin._stale = True  # its products draw from its own generator
        return twin

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all state as named tensors and plain values; `from_tensors` is its inverse."""
        tensors = {f'devices.{name}': value for name, value in vars(self.devices).items()}
        tensors |= {name: getattr(self, name) for name in ('limits', *_STATE)}
        tensors['generator'] = self.generator.get_state()
        return tensors, {'law': self.law.to_mapping(), 'rules': asdict(self.rules),
                         'converters': asdict(self.converters), 'phases': self.phases,
                         'account': asdict(self.account), 'now': self.now,
                         'calibrated_at': self.calibrated_at,
                         'noise_moved_to': self._noise_moved_to,
                         'phase_range': self.phase_range, 'output_range': self.output_range}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], values: dict[str, Any]) -> 'Core':
        """Return the chip that `to_tensors` described. Raises ChipError where parts misfit."""
        try:
            core = cls(tensors['limits'], tensors['intended'].shape[-1], torch.Generator(),
                       DeviceLaw.from_mapping(values['law']), values['output_range'],
                       ConverterSpread(**values['converters']), phases=values['phases'],
                       rules=PulseModel(**values['rules']))
            core.generator.set_state(tensors['generator'])
            for holder, name, key in (
                    *((core.devices, f.name, f'devices.{f.name}') for f in fields(DeviceState)),
                    *((core, name, name) for name in _STATE)):
                empty, found = getattr(holder, name), tensors[key]
                if empty.shape != found.shape or empty.dtype != found.dtype:
                    raise ChipError(f'{key} is {found.dtype} {tuple(found.shape)}, expected '
                                    f'{empty.dtype} {tuple(empty.shape)}')
                setattr(holder, name, found)
            core.account = energy.Account(**values['account'])
            core.phase_range = float(values['phase_range'])
            core.now, core._noise_moved_to = float(values['now']), float(values['noise_moved_to'])
            core.calibrated_at = float(values['calibrated_at'])
        except (KeyError, TypeError, RuntimeError) as error:
            raise ChipError(f'not the state of a core: {error!r}') from None
        core._stale = True
        return core

    def check_write(self, weights: Tensor, mask: Tensor | None) -> Tensor:
        """Return the mask of a write that `program` would accept; raises ChipError if not."""
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

    def _check_vectors(self, vectors: Tensor, least: int) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != self.rows or len(vectors) < least:
            raise ChipError(f'calibration vectors of shape {tuple(vectors.shape)}: expected '
                            f'at least {least} of {self.rows}')

    def _check_range(self, output_range: float) -> None:
        if not (math.isfinite(output_range) and output_range > 0):
            raise ChipError(f'output range {output_range}: expected a finite number above 0')

    def _break(self, fault: Tensor) -> None:
        """Make devices faulty: those stuck in SET conduct from now on."""
        d, law = self.devices, self.law
        d.fault = fault
        stuck = fault == Fault.STUCK_SET
        d.conductance = torch.where(stuck, self.single, 0.0)
        drawn = law.drift_exponent(stuck.float(), self.generator)
        d.drift_exponent = torch.where(stuck, drawn, 0.0)
        d.slow = torch.where(stuck, flicker.draw(stuck.shape, self.generator), d.slow)

    def _full_weight(self) -> Tensor:
        """Return the weight of a full conductance in each row, [rows, 1].

        Not quite `limits`: the pulse widths that scale the rows are whole numbers.
        """
        return (self.row_codes * (self.limits.max() / CODE_MAX))[:, None]

    def _polarities(self, device: Tensor) -> Tensor:
        """View a tensor [D, rows, columns] as [2, devices of a polarity, rows, columns]."""
        return device.view(2, -1, self.rows, self.columns)

    def _plan(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Return the level of every device and what each cell falls short of `wanted`, in S.

        Parameters: `wanted` [rows, columns], difference of the polarities as read. Levels
        [D, rows, columns] are true conductances; those of faulty devices are what they have.
        """
        gain = self.adc_gain[:, None]
        found = self._polarities(self.found)
        fixed = (found == Fault.STUCK_SET).sum(1) * (self.single * gain)
        needed = wanted - fixed[0] + fixed[1]
        needed = torch.stack([needed.clamp(min=0), (-needed).clamp_(min=0)]) / gain
        healthy = found == Fault.NONE
        level = (found == Fault.STUCK_SET) * self.single
        for k in range(self.law.devices_per_polarity):
            taken = needed.clamp(max=self.single) * healthy[:, k]
            level[:, k] += taken
            needed = needed - taken
        short = (needed * gain).sum(0)
        return level.flatten(0, 1), short

    def _pulse(self, level: Tensor, mask: Tensor, spent: Tensor
               ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Bring the cells in `mask` to `level` [D, rows, columns], device after device.

        Adds to `spent` [3, D, rows, columns] RESET pulses, SET pulses and reads. Returns the
        devices that received a pulse, those that did not converge, those newly found faulty,
        all [D, rows, columns], and the difference of the polarities as read last, S.
        """
        d, law, per = self.devices, self.law, self.law.devices_per_polarity
        full = FULL * self.single
        between = (level > 0) & (level < full)
        changed = (d.writes == 0) | between | ((level >= full) != (d.level >= full)) | (
            (level > 0) != (d.level > 0))
        pulsed = mask & changed & (self.found == Fault.NONE)
        present = d.conductance * law.drift_factor(d.drift_exponent, self.now - d.programmed_at)
        level_of, between_of = self._polarities(level), self._polarities(between)
        total_goal = level_of.sum(1)
        missed = torch.zeros_like(pulsed)
        faulty = torch.zeros_like(pulsed)
        outcome = present.clone()
        gains = self.adc_gain[:, None].expand(-1, self.rows, -1)
        # Those at an end of their range first: the one between makes up for what they miss.
        for is_between in (False, True):
            for k in range(per):
                chosen = self._polarities(pulsed)[:, k] & (between_of[:, k] == is_between)
                at = chosen.nonzero(as_tuple=True)
                if not len(at[0]):
                    continue
                own = self._polarities(outcome)[:, k]
                goal = level_of[:, k][at]
                if is_between:
                    others = self._polarities(outcome).sum(1) - own
                    goal = (total_goal - others)[at].clamp_(1e-3 * self.single,
                                                            self.rules.top * self.single)
                device = at[0] * per + k, at[1], at[2]
                done = program_and_verify(
                    goal, own[at], d.curve_shift[device], d.fault[device] != Fault.NONE,
                    gains[at], self.single, law, self.rules, self.generator)
                outcome[device] = done.conductance
                missed[device] = ~done.converged
                faulty[device] = done.faulty
                for kind, count in enumerate((done.resets, done.sets, done.reads)):
                    spent[kind][device] += count
                stuck = torch.where(done.seen > 0.5 * self.single, int(Fault.STUCK_SET),
                                    int(Fault.STUCK_RESET)).to(torch.int8)
                self.found[device] = torch.where(done.faulty, stuck, 0)
        self._settle(level, between, pulsed, outcome)
        count = law.g_max / self.rules.levels
        seen = (self._polarities(outcome).sum(1) * (gains / count)).round_() * count
        return pulsed, missed, faulty, seen[0] - seen[1]

    def _settle(self, level: Tensor, between: Tensor, pulsed: Tensor, outcome: Tensor) -> None:
        """Let the devices programmed relax, so that what they are at t0 follows the law."""
        d, law, per = self.devices, self.law, self.law.devices_per_polarity
        pair = self._polarities
        total = pair(level).sum(1)
        x = total / law.g_max
        sigma = law.programming(x)
        count = law.g_max / (self.rules.levels * self.adc_gain[:, None])
        fast = math.sqrt(float(flicker.fast_variance(
            torch.tensor(1e-6, dtype=torch.float64), law.t_read)))
        read_sd = fast * law.read(pair(level) / law.g_max) * pair(level)
        left = self.rules.residual_variance(pair(level), self.single, read_sd, count[:, None])
        left = left * pair(pulsed & (level > 0))
        # A device between the ends has made up for the others' errors.
        makes_up = pair(between & pulsed)
        left = torch.where(makes_up.any(1), (left * makes_up).sum(1), left.sum(1))
        shrink = (sigma / left.sqrt().clamp(min=1e-30)).clamp_(max=1.0)
        relaxation = (sigma.square() - left).clamp_(min=0.0).sqrt_()
        relaxation *= torch.randn(x.shape, generator=self.generator)
        share = pair(level) / total.clamp(min=1e-30)[:, None]
        share[:, 0].masked_fill_(total == 0, 1.0)
        settled = pair(outcome) + relaxation[:, None] * share
        if (shrink < 1).any():
            residual = pair(outcome).sum(1) - total
            moved = pair(level) * pair(pulsed)
            moved /= moved.sum(1, keepdim=True).clamp(min=1e-30)
            settled += ((shrink - 1) * residual)[:, None] * moved
        settled = settled.clamp_(min=0.0).flatten(0, 1)
        changed = pulsed & (d.fault == Fault.NONE)
        nu = law.drift_exponent(x, self.generator).repeat_interleave(per, dim=0)
        d.conductance = torch.where(changed, settled, d.conductance)
        d.drift_exponent = torch.where(changed, nu, d.drift_exponent)
        d.programmed_at = d.programmed_at.masked_fill(changed, self.now)
        d.slow[:, changed] = torch.randn(flicker.BANDS, int(changed.sum()),
                                         generator=self.generator)
        d.level = torch.where(pulsed, level, d.level)
        d.writes = d.writes + pulsed

    def _report(self, mask: Tensor, touched: Tensor, missed: Tensor, short: Tensor,
                newly_faulty: int, spent: Tensor, wrong: Tensor) -> CoreWriteReport:
        """Count what a write has done, and enter it into the account."""
        per_device = spent[0] + spent[1]
        self.devices.pulses += per_device
        touched_cells = touched.any(0)
        cells = int(touched_cells.sum())
        resets, sets, reads = (int(kind.sum()) for kind in spent)
        joules = energy.write_energy(resets, sets, reads)
        seconds = self._diagonal_seconds(per_device, spent[2])
        in_weights = wrong * (self._full_weight() * self.scale / self.law.g_max)
        residual = math.sqrt(float(in_weights[touched_cells].square().mean())) if cells else 0.0
        margin = self.rules.margin / self.rules.levels * self.law.g_max
        unreachable = mask & (short > margin)
        with_faults = mask & (self.found != 0).any(0)
        account = self.account
        account.pulses += resets + sets
        account.verifications += reads
        account.write_seconds += seconds
        account.write_energy += joules
        return CoreWriteReport(
            cells=cells, devices=int(touched.sum()), pulses=resets + sets,
            unconverged=int(missed.any(0).sum()), residual=residual, faulty=newly_faulty,
            compensated=int((with_faults & ~unreachable).sum()),
            out_of_reach=int(unreachable.sum()), seconds=seconds, energy=joules)

    def _diagonal_seconds(self, pulses: Tensor, reads: Tensor) -> float:
        """Return how long it takes: the slowest cell of every diagonal, device by device."""
        duration = pulses * energy.PULSE_SECONDS + reads * energy.VERIFICATION_SECONDS
        row, column = torch.arange(self.rows), torch.arange(self.columns)
        diagonal = (column[None] - row[:, None]) % CORE_SIDE
        slowest = torch.zeros(len(duration), CORE_SIDE).scatter_reduce_(
            1, diagonal.flatten().expand(len(duration), -1), duration.flatten(1), 'amax')
        return float(slowest.sum())

    def _correct(self, scale: Tensor, offset: Tensor) -> None:
        self.scale, self.offset = scale, offset
        if not self._stale:
            unit = self.phase_range / self.converters.levels
            self._products.correct(scale * unit, offset, self.output_range)

    def _move_noise(self) -> None:
        """Bring slow noise up to the clock; a sum of waits is one step, and exact."""
        if self.now > self._noise_moved_to:
            flicker.advance(self.devices.slow, self.now - self._noise_moved_to, self.generator)
            self._noise_moved_to = self.now

    def _refresh(self) -> None:
        """Compute what reads need from the devices as they are at this time."""
        self._move_noise()
        d, law, pair = self.devices, self.law, self._polarities
        age = self.now - d.programmed_at
        drifted = d.conductance * law.drift_factor(d.drift_exponent, age)
        # The law's noise belongs to the polarity: its devices share it so that the sum agrees.
        total = pair(d.conductance).sum(1)
        concentration = total / pair(d.conductance).square().sum(1).sqrt_().clamp(min=1e-30)
        q = (law.read(total / law.g_max) * concentration)[:, None]
        amplitude = drifted * q.expand(-1, law.devices_per_polarity, -1, -1).flatten(0, 1)
        noise = flicker.slow_noise(d.slow, flicker.slow_variance(age, law.t_read))
        self._conductance = pair((drifted + amplitude * noise).clamp_(min=0.0)).sum(1)
        variance = pair(amplitude.square_().mul_(flicker.fast_variance(age, law.t_read))).sum(1)

        levels = self.converters.levels
        unit = self.limits.max() / CODE_MAX / law.g_max * levels / self.phase_range
        gain = self.adc_gain[:, None] * unit
        self._products = Products(
            self._conductance * gain, (variance * gain.square()).sum(0), self.adc_offset,
            self.row_codes, levels, self.phases, self.generator)
        self._stale = False
        self._correct(self.scale, self.offset)


_STATE = ('intended', 'found', 'adc_gain', 'adc_offset', 'scale', 'offset')

