# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Bounds of fields, as annotations that `schema` checks."""

from typing import Annotated

from annotated_types import Ge, Gt, Le, Len, Predicate

Whole = Annotated[int, Ge(0), Le(10 ** 12)]
"""A count of events, or a seed."""
Count = Annotated[int, Ge(0), Le(2 ** 62)]
"""Of events that go on."""
Size = Annotated[int, Ge(1), Le(100_000)]
"""Of something that is held in memory."""
Steps = Annotated[int, Ge(0), Le(100_000)]
Positive = Annotated[float, Gt(0), Le(1e12)]
NotNegative = Annotated[float, Ge(0), Le(1e12)]
Real = Annotated[float, Ge(-1e12), Le(1e12)]
Share = Annotated[float, Ge(0), Le(1)]


def _is_text(value: str) -> bool:
    return '\0' not in value


Name = Annotated[str, Len(1, 255), Predicate(str.isprintable)]
"""Of a joint, a link, a model."""
Text = Annotated[str, Len(0, 32_000_000), Predicate(_is_text)]
"""Such as a URDF."""
