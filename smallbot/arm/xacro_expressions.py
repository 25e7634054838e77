# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Arithmetic in a xacro without the rest of Python.

A xacro's `${...}` and `$(eval ...)` are Python expressions. The package xacro keeps names with
two underscores out of them, but not out of what is nested in them, from where everything can be
reached. Not here: the expansion itself (`description`).
"""

import builtins
from collections.abc import Iterator
from contextlib import contextmanager
import sys
from types import CodeType
from typing import Any

EVALUATING = ('xacro', 'xacro.substitution_args')
"""Modules that evaluate expressions."""
INSIDE = frozenset((
    'gi_frame', 'gi_code', 'gi_yieldfrom', 'cr_frame', 'cr_code', 'cr_await', 'cr_origin',
    'ag_frame', 'ag_code', 'ag_await', 'f_back', 'f_builtins', 'f_code', 'f_globals', 'f_locals',
    'f_trace', 'tb_frame', 'tb_next', 'func_code', 'func_globals', 'mro', 'format', 'format_map'))
"""Attributes by which an object leads to the interpreter it lives in."""


@contextmanager
def plain_expressions() -> Iterator[None]:
    """Let xacro evaluate nothing that reaches beyond its own symbols while the block lasts.

    What does raises ValueError, inside xacro. Not for several threads at a time.
    """
    modules = [sys.modules[name] for name in EVALUATING if name in sys.modules]
    for module in modules:
        module.eval = _evaluated
    try:
        yield
    finally:
        for module in modules:
            del module.eval


def _evaluated(expression: str | CodeType, symbols: dict, *more: Any) -> Any:
    code = expression if isinstance(expression, CodeType) else compile(
        expression.strip(), '<expression>', 'eval')
    for name in _names(code):
        if name.startswith('_') or name in INSIDE:
            raise ValueError(f'an expression may not use {name}')
    symbols['__builtins__'] = {}
    return builtins.eval(code, symbols, *more)


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names that code uses, and all code that is nested in it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
