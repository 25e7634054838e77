# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""How well a timed loop kept its time: periods, late ticks, what a step of the network took."""

import numpy as np


class Cadence:
    """How well a loop kept its time during a playback."""

    def __init__(self):
        self._at: list[float] = []
        self._late: list[float] = []
        self._steps: list[float] = []

    def ticked(self, at: float, late: float) -> None:
        """Take note of a tick at the time `at`, `late` s after it was due."""
        self._at.append(at)
        self._late.append(late)

    def stepped(self, seconds: float) -> None:
        """Take note of how long a step of the network took, s."""
        self._steps.append(seconds)

    def values(self) -> dict[str, str]:
        """Return periods and steps in ms; nothing where too little was played to tell."""
        if len(self._late) < 2 or not self._steps:
            return {}
        periods = 1e3 * np.diff(self._at)
        return {'ticks': str(len(self._late)),
                'period_mean_ms': f'{periods.mean():.3f}',
                'period_sd_ms': f'{periods.std():.3f}',
                'period_max_ms': f'{periods.max():.2f}',
                'latest_tick_ms': f'{1e3 * max(self._late):.2f}',
                'network_step_p99_ms': f'{1e3 * np.percentile(self._steps, 99):.3f}'}

    def summary(self, period: float) -> str:
        """Return all that in a line, for ticks every `period` s."""
        values = self.values()
        if not values:
            return 'nothing played'
        return (f'{values["ticks"]} ticks of {1e3 * period:g} ms, measured '
                f'{values["period_mean_ms"]} +- {values["period_sd_ms"]} ms, the latest '
                f'{values["latest_tick_ms"]} ms late; network step '
                f'{values["network_step_p99_ms"]} ms (99th percentile)')
