# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Codes that bring time and movement into spiking networks."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le
import torch
from torch import Tensor

from smallbot.files.bounds import Positive, Real


def clock_spikes(steps: int, neurons: int, period: int, like: Tensor, overlap: int = 1) -> Tensor:
    """Return the clock input [T, C]: neurons take turns, each spiking every `period` steps.

    A neuron goes on for `overlap` turns, so that as many spike at a time, one after the other.
    The paper's clock: 5 neurons, 50 ms each at 100 Hz (a spike every 10 steps of 1 ms).
    """
    t, neuron = torch.arange(steps)[:, None], torch.arange(neurons)
    since = t * neurons // steps - neuron
    ticks = (t + neuron * period // overlap) % period == 0
    return ((since >= 0) & (since < overlap) & ticks).to(like.dtype)


@dataclass(frozen=True)
class PopulationCode:
    """Gaussian population currents for a value and its rate of change, for each coordinate.

    Values are spread evenly over `value_range`; rates are companded by asinh(rate/rate_knee), so
    that slow movements are told apart as finely as fast ones and rates far above the knee
    still move the code.
    """

    units: Annotated[int, Ge(2), Le(10_000)] = 8
    """Units for each value and for each rate."""
    value_range: tuple[Real, Real] = (-0.95, 0.95)
    """Values at the outermost units, m for a tool tip."""
    rate_range: Positive = 4.0
    """Rate at the outermost units, m/s."""
    rate_knee: Positive = 0.3
    """Rate at which companding begins, m/s."""
    width: Positive = 1.0
    """Standard deviation of a unit's bell, in distances between units."""

    def __post_init__(self) -> None:
        """Refuse a range that is none."""
        _check_range(self.value_range)

    def channels(self, coordinates: int) -> int:
        """Return how many currents encode `coordinates` coordinates."""
        return 2 * coordinates * self.units

    def encode(self, values: Tensor, rates: Tensor) -> Tensor:
        """Encode values and rates [..., D] as currents [..., 2 D units], each in 0..1."""
        low, high = self.value_range
        knee = torch.asinh(torch.tensor(self.rate_range / self.rate_knee, dtype=rates.dtype))
        position = torch.cat([
            2 * (values - low) / (high - low) - 1,
            torch.asinh(rates / self.rate_knee) / knee], dim=-1)
        centres = torch.linspace(-1, 1, self.units, dtype=values.dtype, device=values.device)
        spacing = 2 / (self.units - 1)
        distance = (position[..., None] - centres) / (self.width * spacing)
        return torch.exp(-0.5 * distance ** 2).flatten(-2)


@dataclass(frozen=True)
class LinearCode:
    """Rates of change as signed currents, two for each coordinate, and a current of 1.

    A population that reads them with random weights holds the rates as in the neural engineering
    framework (Eliasmith and Anderson 2003): each neuron prefers a direction, above a threshold.
    Unlike bells, whose units a fast movement runs through in less time than a membrane needs,
    such currents lose nothing of a fast movement but what the membrane filters.
    """

    rate_range: Positive = 1.5
    """Rate whose current is 1, rad/s (m/s for a tool tip)."""
    drive_range: Positive = 3.0
    """Drive whose current is 1, same unit."""

    def channels(self, coordinates: int) -> int:
        """Return how many currents encode `coordinates` coordinates."""
        return 2 * coordinates + 1

    def encode(self, rates: Tensor, drives: Tensor) -> Tensor:
        """Encode rates and drives [..., D] as currents [..., 2 D + 1], the last one 1."""
        return torch.cat([rates / self.rate_range, drives / self.drive_range,
                          torch.ones_like(rates[..., :1])], dim=-1)


@dataclass(frozen=True)
class BinaryCode:
    """The binary expansion of each coordinate: a neuron for each bit, spiking while it is set.

    Source: the published code of Ortner et al. 2025, int((c + 1) 2^15) in 16 bits. The paper's
    text has another one, a neuron for each of 16 regions of a coordinate.
    """

    bits: Annotated[int, Ge(1), Le(62)] = 16
    """Bits of a coordinate, the most significant first."""
    value_range: tuple[Real, Real] = (-1.0, 1.0)
    """Values at the ends of the code, m for a tool tip; values beyond are held at the ends."""

    def __post_init__(self) -> None:
        """Refuse a range that is none."""
        _check_range(self.value_range)

    def channels(self, coordinates: int) -> int:
        """Return how many neurons encode `coordinates` coordinates."""
        return coordinates * self.bits

    def encode(self, values: Tensor) -> Tensor:
        """Encode values [..., D] as spikes [..., D bits], each 0 or 1."""
        low, high = self.value_range
        levels = 1 << self.bits
        level = ((values - low) * (levels / (high - low))).long().clamp(0, levels - 1)
        bits = level[..., None] >> torch.arange(self.bits - 1, -1, -1, device=values.device)
        return (bits & 1).to(values.dtype).flatten(-2)


def _check_range(value_range: tuple[float, float]) -> None:
    low, high = value_range
    if not low < high:
        raise ValueError(f'value_range {low} to {high}: expected the lower end first')
