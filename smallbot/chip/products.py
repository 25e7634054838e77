# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Matrix-vector products with an array as it is at one moment: phases, counts, 8-bit results."""

import numpy as np
import torch
from torch import Tensor

from smallbot.chip.converters import CODE_MAX

_SPARSE = 0.12
"""Share of active inputs below which a product gathers rows."""


class Products:
    """An array frozen in time, ready to be multiplied with.

    Parameters: `counts` [2, rows, columns], what each polarity adds to its converter's count for
    one unit of input code; `variance` [rows, columns], of both polarities' fast noise in the same
    unit; `adc_offset` [2, columns], counts; `row_codes` [rows], input code of a full-scale
    input; `levels` of a conversion; `phases`, 4 or 1; `generator` of the fast noise.
    Call `correct` before `read`.
    """

    def __init__(self, counts: Tensor, variance: Tensor, adc_offset: Tensor, row_codes: Tensor,
                 levels: int, phases: int, generator: torch.Generator):
        self._columns = counts.shape[2]
        self._levels, self._phases, self._generator = levels, phases, generator
        self._row_codes = row_codes
        self._variance = variance
        self._noisy = bool((variance > 0).any())
        if phases == 4:  # the positive polarity in the first half of the columns
            self._table = torch.cat([counts[0], counts[1]], dim=1)
            self._adc_offset = adc_offset.flatten()
        else:
            self._table = counts[0] - counts[1]
            self._adc_offset = adc_offset[0] - adc_offset[1]
        # Without negative inputs their two phases show the offsets of the converters alone.
        idle = adc_offset.round().clamp_(0, levels)
        self._idle = idle[0] - idle[1]

    def drive(self, row_codes: Tensor) -> None:
        """Set the input code of a full-scale input, [rows]."""
        self._row_codes = row_codes

    def correct(self, scale: Tensor, offset: Tensor, output_range: float) -> None:
        """Set the result: scale * counts + offset, each [columns], 8 bits within the range."""
        unit = CODE_MAX / output_range
        self._gain, self._offset, self._unit = scale * unit, offset * unit, 1 / unit

    def read(self, x: Tensor) -> Tensor:
        """Return the result for inputs [B, rows], |x| <= 1: [B, columns]."""
        if len(x) == 1:
            return torch.from_numpy(self._read_one(x.numpy()[0])[None])
        result = torch.addcmul(self._offset, self.count(x), self._gain).round_()
        return result.clamp_(-CODE_MAX, CODE_MAX).mul_(self._unit)

    def count(self, x: Tensor) -> Tensor:
        """Return the sum of all phases' counts for inputs [B, rows], noise included.

        Few active inputs, as spikes are, make a sparse product: only their rows are gathered.
        """
        codes = (x * self._row_codes).round_().clamp_(-CODE_MAX, CODE_MAX)
        batch, columns, levels = len(codes), self._columns, self._levels
        split = self._phases == 4 and float(codes.min()) < 0
        variance = None
        if int(codes.count_nonzero()) < _SPARSE * codes.numel():
            sample, row = codes.nonzero(as_tuple=True)
            value = codes[sample, row]

            def product(sample: Tensor, value: Tensor, table: Tensor, results: int) -> Tensor:
                gathered = table[row].mul_(value[:, None])
                return table.new_zeros(results, table.shape[1]).index_add_(0, sample, gathered)

            if split:
                phase = torch.where(value < 0, sample + batch, sample)
                counted = product(phase, value.abs(), self._table, 2 * batch)
            else:
                counted = product(sample, value, self._table, batch)
            if self._noisy:
                variance = product(sample, value.square(), self._variance, batch)
        else:
            driven = torch.cat([codes.clamp(min=0), (-codes).clamp_(min=0)]) if split else codes
            counted = driven @ self._table
            if self._noisy:
                variance = codes.square_() @ self._variance
        counted.add_(self._adc_offset).round_().clamp_(-levels * (self._phases == 1), levels)
        if self._phases == 4:
            counted = counted[:, :columns] - counted[:, columns:]
            counted = counted[:batch] - counted[batch:] if split else counted.sub_(self._idle)
        if variance is not None:
            noise = torch.randn(counted.shape, generator=self._generator)
            counted.addcmul_(variance.sqrt_(), noise)
        return counted

    def _read_one(self, x: np.ndarray) -> np.ndarray:
        """Do what `read` does for one vector [rows]: NumPy spends a third of the time on calls."""
        columns, levels = self._columns, self._levels
        codes = _clamped(np.rint(x * self._row_codes.numpy()), -CODE_MAX, CODE_MAX)
        driven = codes.nonzero()[0]
        table, spread = self._table.numpy(), self._variance.numpy()
        if len(driven) < _SPARSE * len(codes):
            codes, table, spread = codes[driven], table[driven], spread[driven]
        split = self._phases == 4 and len(driven) > 0 and codes.min() < 0
        counts = (np.maximum(np.stack([codes, -codes]), 0) if split else codes) @ table
        counts += self._adc_offset.numpy()
        _clamped(np.rint(counts, out=counts), 0 if self._phases == 4 else -levels, levels)
        if self._phases == 4:
            net = counts[..., :columns] - counts[..., columns:]
            counts = net[0] - net[1] if split else net - self._idle.numpy()
        if self._noisy:
            noise = torch.randn(columns, generator=self._generator).numpy()
            noise *= np.sqrt(np.square(codes) @ spread)
            counts += noise
        counts *= self._gain.numpy()
        counts += self._offset.numpy()
        _clamped(np.rint(counts, out=counts), -CODE_MAX, CODE_MAX)
        counts *= np.float32(self._unit)
        return counts


def _clamped(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Clamp in place; `np.clip` takes three times as long for so few."""
    np.minimum(values, high, out=values)
    return np.maximum(values, low, out=values)
