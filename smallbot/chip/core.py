# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""One core, as its user sees it: programmed, multiplied with, calibrated, left to age.

Inputs arrive on rows as signed 8-bit pulse widths. A product takes four phases, one input sign
and one polarity at a time, each converted by itself (or one phase for all); the counts are
summed, corrected by one scale and offset a column, and rounded to 8 bits (`products`).
Between operations devices drift and their slow noise moves on. The 1/f noise of a polarity's
devices is independent, scaled so that their sum follows the law.

What persists of a core is `state`, what a write does to it `writing`; neither stands here.
Not modelled: wire resistance, nonlinear converters and devices, temperature.
"""

import math

import torch
from torch import Tensor

from smallbot.chip.converters import CODE_MAX
from smallbot.chip.device import flicker
from smallbot.chip.device.state import ChipError
from smallbot.chip.products import Products
from smallbot.chip.state import CoreState, Correction
from smallbot.chip.writing import CoreWriteReport, write

HEADROOM = 1.1
"""Range of the converters over the largest value expected of them."""
_SCALE_RANGE = (0.25, 4.0)
"""A column's correction outside this is no correction of drift, but a column without signal."""


class Core(CoreState):
    """A core, or the part of one that a matrix uses: its state and what can be done with it.

    Its parameters, and what is refused, are those of `CoreState`.
    """

    _stale = True
    """Whether the devices have changed since `_refresh` computed what reads need."""

    def set_ranges(self, vectors: Tensor, headroom: float = HEADROOM,
                   weights: Tensor | None = None) -> None:
        """Choose the ranges of the converters for inputs like `vectors` [V, rows].

        The phases' converters and the 8-bit result get `headroom` over what the intended weights
        would give, or `weights` [rows, columns] such as are to come; a matrix or vectors of
        nothing but zeros leave the ranges as they are.
        """
        self._check_vectors(vectors, 1)
        held = self.intended if weights is None else weights
        parts = [held.clamp(min=0), (-held).clamp_(min=0)]
        driven = [vectors.clamp(min=0), (-vectors).clamp_(min=0)]
        phase = max(float((x @ w).max()) for x in driven for w in parts)
        output = float((vectors @ held).abs().max())
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
        self._stale = True
        return write(self, weights, mask)

    def read(self, x: Tensor) -> Tensor:
        """Multiply inputs [B, rows] with the array as it is now; returns [B, columns].

        Full scale is `|x| = 1`, converted to `row_codes` levels of either sign; a larger input
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
        read = self.measure(vectors)
        aside, level = wanted.mean(0), read.mean(0)
        scale = (wanted - aside).square().sum(0) / ((read - level) * (wanted - aside)).sum(0)
        good = (scale > _SCALE_RANGE[0]) & (scale < _SCALE_RANGE[1])
        if good.any():
            scale = torch.where(good, scale, scale[good].median())
            self._correct(scale, aside - scale * level)
        self.calibrated_at = self.now

    def measure(self, vectors: Tensor) -> Tensor:
        """Return what is counted for inputs [V, rows], not corrected, in weights [V, columns]."""
        if self._stale:
            self._refresh()
        self.account.products += len(vectors)
        return self._products.count(vectors) * (self.phase_range / self.converters.levels)

    def correct(self, correction: Correction) -> None:
        """Take up a correction: one that this core had before, or one derived from it."""
        self.read_codes = correction.codes
        self._correct(correction.scale, correction.offset)
        self.calibrated_at = correction.at

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
        seen = (positive - negative) * (self.full_weight / self.law.g_max) * self.scale
        if self.read_codes is None:
            return seen
        return seen * (self.read_codes / self.row_codes)[:, None]

    def copy(self, generator: torch.Generator | None = None) -> 'Core':
        """Return an independent chip in the same state; see `CoreState.copy`."""
        twin = super().copy(generator)
        twin._stale = True  # its products draw from its own generator
        return twin

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

    def _correct(self, scale: Tensor, offset: Tensor) -> None:
        self.scale, self.offset = scale, offset
        if not self._stale:
            unit = self.phase_range / self.converters.levels
            self._products.drive(
                self.row_codes if self.read_codes is None else self.read_codes)
            self._products.correct(scale * unit, offset, self.output_range)

    def _move_noise(self) -> None:
        """Bring slow noise up to the clock; a sum of waits is one step, and exact."""
        if self.now > self.noise_moved_to:
            flicker.advance(self.devices.slow, self.now - self.noise_moved_to, self.generator)
            self.noise_moved_to = self.now

    def _refresh(self) -> None:
        """Compute what reads need from the devices as they are at this time."""
        self._move_noise()
        d, law, pair = self.devices, self.law, self.polarities
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
