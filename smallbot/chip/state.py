# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""All that a core is from one operation to the next: devices, converters, correction, clock.

A core is an array of unit cells. Every cell holds two polarities, each made of one or two
phase-change devices; the weight is the difference of the polarities' conductances. The state of
every single device persists until that device is programmed again (`device.state`).

It can be saved, loaded and copied here. What is done to it stands elsewhere: writing in `writing`;
reading, calibrating and the passing of time in `core`.
"""

from dataclasses import asdict, dataclass, fields, replace
import math
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from smallbot.chip import energy
from smallbot.chip.converters import CODE_MAX, ConverterSpread, MEASURED_SPREAD
from smallbot.chip.device import flicker
from smallbot.chip.device.faults import draw_faults, FaultRates, NO_FAULTS
from smallbot.chip.device.laws import DeviceLaw, HERMES_TWO_DEVICE
from smallbot.chip.device.programming import PROGRAM_AND_VERIFY, PulseModel
from smallbot.chip.device.state import ChipError, DeviceState, Fault
from smallbot.files.bounds import NotNegative, Positive
from smallbot.files.schema import built

CORE_SIDE = 256
"""Rows and columns of a core (Ortner et al. 2025, Methods)."""
_TENSORS = ('intended', 'found', 'adc_gain', 'adc_offset', 'scale', 'offset')
"""What is saved and is neither of the devices nor given when a core is made."""

_FAULTS = ('devices.fault', 'found')
_FROM_ZERO = (*_FAULTS, *(f'devices.{name}' for name in (
    'level', 'conductance', 'drift_exponent', 'programmed_at', 'writes', 'pulses')), 'adc_gain')


class Correction(NamedTuple):
    """What reads are corrected by: output = scale * counted + offset, each [columns]."""

    scale: Tensor
    offset: Tensor
    at: float
    """Clock of the chip when it was fitted, s."""
    codes: Tensor | None = None
    """Input code of a full-scale input in reads, [rows]; None: the one weights are written for."""


@dataclass(frozen=True)
class CoreValues:
    """What `CoreState.to_tensors` says of a core beside its tensors."""

    law: DeviceLaw
    rules: PulseModel
    converters: ConverterSpread
    phases: Literal[1, 4]
    account: energy.Account
    now: NotNegative
    calibrated_at: NotNegative
    noise_moved_to: NotNegative
    phase_range: Positive
    output_range: Positive


class CoreState:
    """The state of a core, or of the part of one that a matrix uses.

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
        self.read_codes: Tensor | None = None
        """Input codes of reads where a correction has other ones than `row_codes`."""
        self.noise_moved_to = 0.0
        """Time of the slow noise in `devices`, which follows the clock only when it is needed."""
        self._break(draw_faults(faults, shape, generator))
        if not (math.isfinite(output_range) and output_range > 0):
            raise ChipError(f'output range {output_range}: expected a finite number above 0')
        self.output_range = self.phase_range = float(output_range)
        """Largest output, and largest of one phase, that the converters hold."""

    rows = property(lambda self: self.intended.shape[0])
    columns = property(lambda self: self.intended.shape[1])
    single = property(lambda self: self.law.g_max / self.law.devices_per_polarity,
                      doc='Conductance of one device in SET, S.')

    @property
    def full_weight(self) -> Tensor:
        """Return the weight of a full conductance in each row, [rows, 1].

        Not quite `limits`: the pulse widths that scale the rows are whole numbers.
        """
        return (self.row_codes * (self.limits.max() / CODE_MAX))[:, None]

    @property
    def correction(self) -> Correction:
        """Return what the last calibration has made of the columns."""
        return Correction(self.scale, self.offset, self.calibrated_at, self.read_codes)

    @property
    def written_at(self) -> float:
        """Return the clock when a device was last programmed, s."""
        return float(self.devices.programmed_at.max())

    def polarities(self, device: Tensor) -> Tensor:
        """View a tensor [D, rows, columns] as [2, devices of a polarity, rows, columns]."""
        return device.view(2, -1, self.rows, self.columns)

    def copy(self, generator: torch.Generator | None = None) -> 'CoreState':
        """Return an independent chip in the same state.

        Its noise to come is the same too, unless it is given another `generator`.
        """
        if generator is None:
            generator = torch.Generator()
            generator.set_state(self.generator.get_state())
        twin = object.__new__(type(self))
        # All other tensors are replaced, never changed in place.
        twin.__dict__.update(self.__dict__)
        twin.generator = generator
        twin.devices = self.devices.copy()
        twin.found = self.found.clone()
        twin.account = replace(self.account)
        return twin

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all state as named tensors and plain values; `from_tensors` is its inverse."""
        tensors = {f'devices.{name}': value for name, value in vars(self.devices).items()}
        tensors |= {name: getattr(self, name) for name in ('limits', *_TENSORS)}
        tensors['generator'] = self.generator.get_state()
        if self.read_codes is not None:
            tensors['read_codes'] = self.read_codes
        return tensors, {'law': self.law.to_mapping(), 'rules': asdict(self.rules),
                         'converters': asdict(self.converters), 'phases': self.phases,
                         'account': asdict(self.account), 'now': self.now,
                         'calibrated_at': self.calibrated_at,
                         'noise_moved_to': self.noise_moved_to,
                         'phase_range': self.phase_range, 'output_range': self.output_range}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], values: dict[str, Any]) -> 'CoreState':
        """Return the chip that `to_tensors` described. Raises ChipError where parts misfit."""
        told = built(CoreValues, values, 'core', ChipError)
        try:
            core = cls(tensors['limits'], tensors['intended'].shape[-1], torch.Generator(),
                       told.law, told.output_range, told.converters, phases=told.phases,
                       rules=told.rules)
            core.generator.set_state(tensors['generator'])
            for holder, name, key in (
                    *((core.devices, f.name, f'devices.{f.name}') for f in fields(DeviceState)),
                    *((core, name, name) for name in _TENSORS)):
                setattr(holder, name, _fitting(tensors[key], getattr(holder, name), key))
            codes = tensors.get('read_codes')
            core.read_codes = None if codes is None else _fitting(codes, core.row_codes,
                                                                  'read_codes')
        except (KeyError, TypeError, RuntimeError, IndexError) as error:
            raise ChipError(f'not the state of a core: {error!r}') from None
        core.account, core.phase_range = told.account, told.phase_range
        core.now, core.noise_moved_to = told.now, told.noise_moved_to
        core.calibrated_at = told.calibrated_at
        return core

    def _break(self, fault: Tensor) -> None:
        """Make devices faulty: those stuck in SET conduct from now on."""
        d, law = self.devices, self.law
        d.fault = fault
        stuck = fault == Fault.STUCK_SET
        d.conductance = torch.where(stuck, self.single, 0.0)
        drawn = law.drift_exponent(stuck.float(), self.generator)
        d.drift_exponent = torch.where(stuck, drawn, 0.0)
        d.slow = torch.where(stuck, flicker.draw(stuck.shape, self.generator), d.slow)


def _fitting(found: Tensor, like: Tensor, key: str) -> Tensor:
    """Return a tensor from a file; raises ChipError for what no chip holds."""
    if like.shape != found.shape or like.dtype != found.dtype:
        raise ChipError(f'{key} is {found.dtype} {tuple(found.shape)}, expected {like.dtype} '
                        f'{tuple(like.shape)}')
    if not torch.isfinite(found).all():
        raise ChipError(f'{key}: expected finite numbers')
    if key in _FROM_ZERO and (found < 0).any():
        raise ChipError(f'{key}: expected numbers of 0 or more')
    if key in _FAULTS and (found > max(Fault)).any():
        raise ChipError(f'{key}: expected faults of 0 to {max(Fault):d}')
    return found
