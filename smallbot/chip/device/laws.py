# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Published laws of phase-change devices, as one table.

A law describes one polarity of a unit cell, which one device or two devices make up together
(`devices_per_polarity`), through x = g / g_max, its conductance over the largest characterised.

Source of the Hermes presets: `HermesNoiseModel` of IBM's Analog Hardware Acceleration Kit, fitted
on the devices of the HERMES project chip (Khaddam-Aljameh et al., JSSC 2022; Le Gallo et al.,
Nature Electronics 2023). Its authors note that the two-device law drifts more than the chip they
measured, because it treats both devices as if they held equal conductance.

Source of the PCM-like preset: `PCMLikeNoiseModel` of the same kit, fitted on a million devices of
an earlier 90-nm array (Nandakumar et al., IEDM 2019; Joshi et al., Nature Communications 2020).

Not modelled: temperature, wear, asymmetry of bit lines.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
import math
from typing import Annotated, Any

from annotated_types import Ge, Le, Len
import torch
from torch import Tensor

from smallbot.files.bounds import Positive
from smallbot.files.schema import built

_SMALLEST_X = 1e-7
"""Keeps the logarithm of an empty device finite; every fit is clamped far above it."""
_EVERYWHERE = 2.0
"""As the `split` of a Fit: the logarithm holds for all x."""


@dataclass(frozen=True)
class Fit:
    """A curve over x: clamp(slope ln x + offset, low, high) below `split`, a polynomial above."""

    polynomial: Annotated[tuple[float, ...], Len(1, 32)] = (0.0,)
    """Coefficients of 1, x, x^2, ...; valid for x in [split, 1]."""
    split: float = 0.0
    """x from which the polynomial holds."""
    slope: float = 0.0
    offset: float = 0.0
    low: float = 0.0
    high: float = 0.0

    def __call__(self, x: Tensor) -> Tensor:
        """Return the curve at x (any shape); x is clamped into what was characterised, [0, 1]."""
        x = x.clamp(0.0, 1.0)
        curve = torch.full_like(x, self.polynomial[-1])
        for coefficient in self.polynomial[-2::-1]:
            curve.mul_(x).add_(coefficient)
        if self.split > 0:
            logarithm = self.slope * x.clamp(min=_SMALLEST_X).log() + self.offset
            logarithm.clamp_(self.low, self.high)
            curve = torch.where(x < self.split, logarithm, curve)
        return curve

    def times(self, factor: float) -> 'Fit':
        """Return the curve with all values times `factor` >= 0."""
        return Fit(tuple(factor * c for c in self.polynomial), self.split, factor * self.slope,
                   factor * self.offset, factor * self.low, factor * self.high)


@dataclass(frozen=True)
class PowerFit:
    """A curve over x: min(coefficient / x^exponent, high)."""

    coefficient: float
    exponent: float
    high: float
    """Largest value, reached where x is small."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return the curve at x (any shape); x is clamped into what was characterised, [0, 1]."""
        power = x.clamp(_SMALLEST_X, 1.0).pow_(-self.exponent)
        return power.mul_(self.coefficient).clamp_(max=self.high)

    def times(self, factor: float) -> 'PowerFit':
        """Return the curve with all values times `factor` >= 0."""
        return PowerFit(factor * self.coefficient, self.exponent, factor * self.high)


@dataclass(frozen=True)
class DeviceLaw:
    """How one polarity of a unit cell is programmed, drifts and fluctuates."""

    name: Annotated[str, Len(0, 255)]
    devices_per_polarity: Annotated[int, Ge(1), Le(2)]
    """Devices that hold one polarity of a weight."""
    g_max: Positive
    """Largest conductance characterised of the polarity, S."""
    t0: Positive
    """Age at which the programming error was measured and from which drift is known, s."""
    t_read: Positive
    """Duration of a read, shortest time of the 1/f fit, s."""
    programming: Fit
    """s.d. of the programming error at t0 over the target x, S."""
    drift_mean: Fit
    """Mean of the drift exponent nu over the target x, dimensionless."""
    drift_sd: Fit
    """s.d. of the drift exponent from cell to cell over the target x, dimensionless."""
    read: Fit | PowerFit
    """Q, relative amplitude of 1/f noise over the programmed x, dimensionless."""

    def drift_exponent(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Draw `nu = |mean + sd N(0, 1)|` for targets x."""
        drawn = torch.randn(x.shape, generator=generator)
        return drawn.mul_(self.drift_sd(x)).add_(self.drift_mean(x)).abs_()

    def drift_factor(self, nu: Tensor, age: Tensor) -> Tensor:
        """Return what is left of the programmed conductance at `age` s: (t / t0)^-nu.

        The fit begins at t0, the age at which its devices were first read. Below it we continue
        with no drift at all, t = max(age, t0): a cell read sooner shows what it will have at t0.
        """
        log_age = (age.clamp(min=self.t0) / self.t0).log_().to(nu.dtype)
        return log_age.mul_(nu).neg_().exp_()

    def read_sigma(self, x: Tensor, age: float) -> Tensor:
        """Return the relative s.d. of all 1/f noise at `age` s: Q sqrt(ln((t+tr) / (2 tr)))."""
        gathered = math.log((age + self.t_read) / (2 * self.t_read))
        return self.read(x) * math.sqrt(max(0.0, gathered))

    def to_mapping(self) -> dict[str, Any]:
        """Return the law as plain values (JSON)."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> 'DeviceLaw':
        """Build the law from what `to_mapping` gave. Raises ValueError."""
        return built(cls, values, 'law', ValueError)


_MICRO = 1e-6
_HERMES_DRIFT_MEAN = Fit(split=0.0945, slope=-0.0387, offset=-0.0182, low=0.072, high=0.13,
                         polynomial=(0.0736, -0.0126, -0.0436))

HERMES_TWO_DEVICE = DeviceLaw(
    name='hermes-two-device', devices_per_polarity=2,
    g_max=20.7 * _MICRO, t0=300.0, t_read=512e-9,
    programming=Fit(tuple(c * _MICRO for c in
                          (0.16603222, 4.71806468, -8.48101252, 4.68961419))),
    drift_mean=_HERMES_DRIFT_MEAN,
    drift_sd=Fit(split=0.3055, slope=-0.0117, offset=-0.0057, low=0.0091, high=0.04,
                 polynomial=(0.0073, 0.0093, -0.0118)),
    read=Fit(split=0.16, slope=-0.0117, offset=-0.0069, low=0.015, high=0.04,
             polynomial=(0.0123, 0.0211, -0.0280, 0.0069)))
"""Two devices a polarity, filled by max-SET-fill: the default."""

HERMES_ONE_DEVICE = DeviceLaw(
    name='hermes-one-device', devices_per_polarity=1,
    g_max=10.35 * _MICRO, t0=200.0, t_read=512e-9,
    programming=Fit(tuple(c * _MICRO for c in
                          (0.15781817, 2.32443916, -2.16310839, 0.68841818))),
    drift_mean=_HERMES_DRIFT_MEAN,
    drift_sd=Fit(split=0.3039, slope=-0.0120, offset=-0.0023, low=0.0124, high=0.04,
                 polynomial=(0.0104, 0.0116, -0.0165)),
    read=Fit(split=0.1591, slope=-0.0078, offset=0.0038, low=0.0179, high=0.04,
             polynomial=(0.0088, 0.0768, -0.1352, 0.0664)))
"""One device a polarity."""

PCM_LIKE = DeviceLaw(
    name='pcm-like', devices_per_polarity=1, g_max=25.0 * _MICRO, t0=20.0, t_read=250e-9,
    programming=Fit(tuple(c * _MICRO for c in (0.26348, 1.9650, -1.1731))),
    drift_mean=Fit(split=_EVERYWHERE, slope=-0.0155, offset=0.0244, low=0.049, high=0.1),
    drift_sd=Fit(split=_EVERYWHERE, slope=-0.0125, offset=-0.0059, low=0.008, high=0.045),
    read=PowerFit(coefficient=0.0088, exponent=0.65, high=0.2))
"""One device a polarity, of the earlier 90-nm array."""

IDEAL = DeviceLaw(
    name='ideal', devices_per_polarity=2, g_max=20.7 * _MICRO, t0=300.0, t_read=512e-9,
    programming=Fit((0.0,)), drift_mean=Fit((0.0,)), drift_sd=Fit((0.0,)), read=Fit((0.0,)))
"""Exact devices that never drift; the converters stay what they are."""


def scaled(law: DeviceLaw, factor: float) -> DeviceLaw:
    """Return `law` with its programming error, drift exponents and 1/f noise times `factor`.

    The range of conductance and the times stay: these are devices that err more, or less.
    Raises ValueError for a factor below 0 or not finite.
    """
    if not 0 <= factor < math.inf:
        raise ValueError(f'noise {factor}: expected a finite factor of 0 or more')
    if factor == 1:
        return law
    return replace(law, name=f'{law.name} x {factor:g}', **{
        key: getattr(law, key).times(factor)
        for key in ('programming', 'drift_mean', 'drift_sd', 'read')})


LAWS = {law.name: law for law in (HERMES_TWO_DEVICE, HERMES_ONE_DEVICE, PCM_LIKE, IDEAL)}
"""All presets by name."""
