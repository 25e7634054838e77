# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""1/f noise of the devices: a slow part that persists, and a fast part drawn at every read.

The published law gives the variance that 1/f noise has gathered between the duration of a read,
tr, and the age t of a device, in units of (Q g)^2: ln((t + tr) / (2 tr)). At 300 s, 19 of these
nats, about two thirds lie at times longer than 1 ms. To draw them anew at every read would let
a network average away an error which on the chip stays put; so

- the part faster than `SPLIT` is drawn at every read;
- the part slower than `SPLIT` is a sum of Ornstein-Uhlenbeck processes, one for every `BAND` of
  time scales, each of them a state of every device that moves on with the clock. A band carries
  variance once the device is old enough to have fluctuated at its time scale.

The variances of both parts add up to the law at every age. The spectrum of the slow part is 1/f
with a ripple, since a band spans two decades.
"""

import math

import torch
from torch import Tensor

SPLIT = 1e-3
"""Border between fast and slow, s (our choice: a read of the trainee's network step)."""
BAND = 2 * math.log(10)
"""Width of a band, nats: two decades."""
BANDS = 6
"""1 ms to 1e9 s; the last band takes whatever is older."""
TIME_CONSTANTS = tuple(SPLIT * math.exp((k + 0.5) * BAND) / (2 * math.pi) for k in range(BANDS))
"""Of each band, s: corner frequency 1 / (2 pi tau) at the middle of its time scales."""


def fast_variance(age: Tensor, t_read: float) -> Tensor:
    """Return the variance at times below SPLIT, in (Q g)^2; `age` in s, any shape, float64."""
    longest = age.clamp(max=SPLIT - t_read)
    return ((longest + t_read) / (2 * t_read)).log_().clamp_(min=0.0).float()


def slow_variance(age: Tensor, t_read: float) -> Tensor:
    """Return the variance at times above SPLIT, in (Q g)^2; `age` in s, any shape, float64."""
    return ((age + t_read) / SPLIT).log_().clamp_(min=0.0).float()


def draw(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return fresh processes [BANDS, *shape], each with variance 1."""
    return torch.randn((BANDS, *shape), generator=generator)


def advance(state: Tensor, seconds: float, generator: torch.Generator) -> None:
    """Move the processes [BANDS, ...] on by `seconds`, in place; exact for any step."""
    for band, tau in zip(state, TIME_CONSTANTS, strict=True):
        fresh = torch.randn(band.shape, generator=generator)
        forgotten = math.sqrt(-math.expm1(-2 * seconds / tau))
        band.mul_(math.exp(-seconds / tau)).add_(fresh, alpha=forgotten)


def slow_noise(state: Tensor, variance: Tensor) -> Tensor:
    """Return the sum of the bands, in Q g, for devices of slow variance `variance`."""
    total = torch.zeros_like(variance)
    for k, band in enumerate(state):
        part = variance - k * BAND
        if k < BANDS - 1:
            part.clamp_(0.0, BAND)
        else:
            part.clamp_(min=0.0)
        total.addcmul_(part.sqrt_(), band)
    return total
