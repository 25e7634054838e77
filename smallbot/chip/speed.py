# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""How long the simulated chip takes on this machine; it says nothing of the real one."""

from collections.abc import Callable
import statistics
import time
from typing import Any

import torch

from smallbot.chip.core import Core
from smallbot.chip.device.laws import DeviceLaw
from smallbot.chip.state import CORE_SIDE

BATCHES = (1, 90)


def benchmark(law: DeviceLaw, seed: int, tell: Callable[[str], None] = lambda name: None
              ) -> dict[str, Any]:
    """Time a whole noisy core on one thread: medians, microseconds and seconds.

    `matvec_us`: four phases of signed 8-bit inputs; `spikes_us`: inputs 0 or 1, 2 % of them 1;
    `one_phase_us`: signed inputs in one phase. `tell` hears what is timed next.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        generator = torch.Generator().manual_seed(seed)
        weights = (0.25 * torch.randn(CORE_SIDE, CORE_SIDE, generator=generator)).clamp_(-1, 1)
        signed = torch.rand(max(BATCHES), CORE_SIDE, generator=generator) * 2 - 1
        spikes = (torch.rand(max(BATCHES), CORE_SIDE, generator=generator) < 0.02).float()
        core = Core(torch.ones(CORE_SIDE), CORE_SIDE, generator, law)
        tell('programming')
        program = [_timed(lambda: core.program(weights)) for _ in range(5)]
        core.set_ranges(signed)
        result: dict[str, Any] = {'law': law.name, 'threads': 1}
        for name, x, phases in (('matvec_us', signed, 4), ('spikes_us', spikes, 4),
                                ('one_phase_us', signed, 1)):
            tell(name.removesuffix('_us').replace('_', ' '))
            reader = Core(torch.ones(CORE_SIDE), CORE_SIDE, generator, law, phases=phases)
            reader.program(weights)
            reader.set_ranges(x)
            reader.wait(300.0)
            result[name] = {f'batch_{b}': _median_us(reader, x[:b]) for b in BATCHES}

        def drifted() -> None:
            core.wait(1.0)
            core.read(signed[:1])
        tell('drift')
        result['drift_and_read_seconds'] = statistics.median(_timed(drifted) for _ in range(10))
        result['program_seconds'] = statistics.median(program)
        return result
    finally:
        torch.set_num_threads(threads)


def _timed(action: Callable[[], Any]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _median_us(core: Core, x: torch.Tensor) -> float:
    core.read(x)
    repeats = 1000 if len(x) == 1 else 200
    return 1e6 * statistics.median(_timed(lambda: core.read(x)) for _ in range(repeats))
