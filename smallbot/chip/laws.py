"""Laws of the devices: programming noise, drift and read noise, with their constants.

Conductances are in microsiemens, times in seconds, x is a conductance over `g_max`.
"""

from dataclasses import dataclass
import math

import torch
from torch import Tensor


@dataclass(frozen=True)
class Piecewise:
    """A published fit in x: clamp(a ln x + b, low, high) below `knee`, a polynomial above."""

    knee: float
    """x at which the second form takes over."""
    log_slope: float
    log_offset: float
    low: float
    high: float
    polynomial: tuple[float, ...]
    """Coefficients of 1, x, x^2, ..."""

    def __call__(self, x: Tensor) -> Tensor:
        """Evaluate the fit for x >= 0, any shape."""
        logarithmic = (self.log_slope * x.clamp_min(1e-9).log() + self.log_offset).clamp(
            self.low, self.high)
        return torch.where(x < self.knee, logarithmic, polynomial(self.polynomial, x))


@dataclass(frozen=True)
class DeviceLaw:
    """How a pair of devices of one polarity departs from the conductance it was asked for.

    `conductance` always means the pair's total. Not modelled: conductance dependence of the
    noise's spectrum, temperature, asymmetry between word lines, wear.
    """

    name: str
    g_max: float
    """Largest total conductance of a pair, uS."""
    t0: float
    """Time after programming to which programmed conductances refer, s."""
    t_read: float
    """Duration of a read, s."""
    programming: tuple[float, ...]
    """s.d. of the programmed conductance, uS, coefficients of 1, x, x^2, ..."""
    drift_mean: Piecewise
    """Mean of the drift exponent nu."""
    drift_sd: Piecewise
    """s.d. of nu from pair to pair."""
    read: Piecewise
    """Q, relative 1/f amplitude."""
    slow_share: float
    """Share of the read noise's variance that persists from one read to the next; the rest is
    new at every read. The integral of 1/f from a microsecond to t0 has 65 % below 1 kHz."""
    correlation_seconds: float
    """Time over which the persistent part of the read noise is forgotten, s (assumption)."""

    def programming_sigma(self, conductance: Tensor) -> Tensor:
        """Return the s.d. of a programmed conductance, uS, for the target, uS."""
        return polynomial(self.programming, conductance / self.g_max).clamp_min(0)

    def drift_exponent(self, conductance: Tensor, normal: Tensor) -> Tensor:
        """Return nu = |mean(x) + sd(x) n| for standard normal numbers n."""
        x = conductance / self.g_max
        return (self.drift_mean(x) + self.drift_sd(x) * normal).abs()

    def drifted(self, conductance: Tensor, exponent: Tensor, age: Tensor) -> Tensor:
        """Return g (age / t0)^-nu; the fit begins at t0, so younger cells do not drift yet."""
        return conductance * (age.clamp_min(self.t0) / self.t0) ** -exponent

    def read_sigma(self, programmed: Tensor, drifted: Tensor, age: Tensor) -> Tensor:
        """Return the s.d. of a read conductance, uS: g Q(x) sqrt(ln((t + t_r) / (2 t_r))).

        `programmed` decides Q, `drifted` is g, `age` the time since programming, s; below t0
        the noise is that at t0.
        """
        integral = ((age.clamp_min(self.t0) + self.t_read) / (2 * self.t_read)).log().sqrt()
        return drifted * self.read(programmed / self.g_max) * integral


def polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    """Evaluate sum_k c_k x^k."""
    result = torch.zeros_like(x)
    for coefficient in reversed(coefficients):
        result = result * x + coefficient
    return result


def constant(value: float) -> Piecewise:
    """Return a law that is the same everywhere."""
    return Piecewise(0.0, 0.0, 0.0, -math.inf, math.inf, (value,))


HERMES_TWO_DEVICE = DeviceLaw(
    name='hermes_two_device', g_max=20.7, t0=300.0, t_read=512e-9,
    programming=(0.16603222, 4.71806468, -8.48101252, 4.68961419),
    drift_mean=Piecewise(0.0945, -0.0387, -0.0182, 0.072, 0.13, (0.0736, -0.0126, -0.0436)),
    drift_sd=Piecewise(0.3055, -0.0117, -0.0057, 0.0091, 0.04, (0.0073, 0.0093, -0.0118)),
    read=Piecewise(0.16, -0.0117, -0.0069, 0.015, 0.04, (0.0123, 0.0211, -0.0280, 0.0069)),
    slow_share=0.65, correlation_seconds=1000.0)
"""Two devices for each polarity on the HERMES chip, programmed by max-SET-fill.
Source: the Hermes noise model of IBM's aihwkit 0.9.2 and later, fitted on that chip; the two
assumptions of the read noise are ours."""

IDEAL = DeviceLaw(
    name='ideal', g_max=20.7, t0=300.0, t_read=512e-9, programming=(0.0,),
    drift_mean=constant(0.0), drift_sd=constant(0.0), read=constant(0.0),
    slow_share=1.0, correlation_seconds=1000.0)
"""Devices that do as they are told: what converters and mapping alone cost."""

LAWS = {law.name: law for law in (HERMES_TWO_DEVICE, IDEAL)}
