# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Dataclasses from plain values: types, bounds and names of all fields checked, in one place.

What a field may be is written at the field (`bounds`); Pydantic, which costs time to import,
checks it when a file is read.
"""

from dataclasses import fields, is_dataclass
from functools import lru_cache
import json
from typing import Any, get_args, get_type_hints, TypeVar

from smallbot.errors import InputError
from smallbot.files.plain import bounded, DEEPEST

Kind = TypeVar('Kind')
_TYPES = {'int_type': 'int', 'int_from_float': 'int', 'int_parsing_size': 'int',
          'float_type': 'float', 'bool_type': 'bool', 'string_type': 'str'}
_SHOWN = 80
"""Letters of a value that an error shows."""


def built(kind: type[Kind], values: Any, where: str, error: type[ValueError] = InputError) -> Kind:
    """Return the dataclass `kind` of plain values, which may leave fields with defaults out.

    Raises `error`, in one line that begins with `where`, for the first field that is unknown,
    missing, of another type or out of bounds.
    """
    from pydantic import ValidationError

    try:
        # As JSON, a list is a tuple's and a text a choice's, and a number still no text's.
        text = json.dumps({'of': bounded(values)}, default=str)
    except (RecursionError, ValueError) as wrong:
        said = f'nested deeper than {DEEPEST}' if isinstance(wrong, RecursionError) else wrong
        raise error(f'{where}: {said}') from None
    try:
        return _adapter(kind).validate_json(text, strict=True).of
    except ValidationError as wrong:
        first = min(wrong.errors(include_url=False),
                    key=lambda found: found['type'] != 'unexpected_keyword_argument')
        raise error(_said(first, where, kind)) from None


@lru_cache
def _adapter(kind: type):
    """Return what checks a dataclass and those within it."""
    try:
        from pydantic import ConfigDict, create_model, TypeAdapter
    except ImportError as missing:
        raise InputError(f'{missing}: pip install "pydantic>=2.5"') from None
    return TypeAdapter(create_model('Checked', __config__=ConfigDict(
        extra='forbid', allow_inf_nan=False), of=(kind, ...)))


def _said(found: dict[str, Any], where: str, kind: type) -> str:
    """Return what is wrong with a field, in one line that names it."""
    *way, last = found['loc'][1:] or ('',)
    field = '.'.join([*map(str, way), str(last)])
    place = f'{where}.{field}' if field else where
    value, limits = _short(found['input']), found.get('ctx', {})
    match found['type']:
        case 'unexpected_keyword_argument':
            holder = '.'.join([where, *map(str, way)])
            known = ', '.join(sorted(field.name for field in fields(_within(kind, way))))
            return f'{holder}: unknown field {_short(last)}; known: {known}'
        case 'missing':
            return f'{place}: missing'
        case 'dataclass_type':
            return (f'{place}: expected a mapping of {limits["class_name"]} fields, found '
                    f'{value}')
        case 'dict_type':
            return f'{place}: expected a mapping, found {value}'
        case 'tuple_type' | 'list_type':
            return f'{place}: expected a list, found {value}'
        case 'enum' | 'literal_error':
            choices = limits['expected'].replace("'", '').replace(' or ', ', ')
            return f'{place}: {value}, expected one of {choices}'
        case 'finite_number':
            return f'{where}: {field} {value}: expected a finite number'
        case wrong if wrong in _TYPES:
            return f'{place}: {value} is not of type {_TYPES[wrong]}'
    words = {'greater_than_equal': 'at least {ge:g}', 'greater_than': 'above {gt:g}',
             'less_than_equal': 'at most {le:g}', 'less_than': 'below {lt:g}',
             'too_short': 'at least {min_length} of them',
             'too_long': 'at most {max_length} of them',
             'string_too_short': 'at least {min_length} letters',
             'string_too_long': 'at most {max_length} letters'}
    expected = words.get(found['type'])
    if found['type'] == 'predicate_failed':
        return f'{where}: {field} {value}: expected printable text'
    if found['type'] == 'value_error':
        return f'{place}: {limits["error"]}'
    said = f'expected {expected.format(**limits)}' if expected else found['msg']
    return f'{where}: {field} {value}: {said}'


def _within(kind: Any, way: list) -> Any:
    """Return the dataclass that is reached from `kind` by names of fields."""
    for step in way:
        inner = get_type_hints(kind).get(step) if is_dataclass(kind) else None
        kind = next((one for one in (inner, *get_args(inner)) if is_dataclass(one)), kind)
    return kind


def _short(value: Any) -> str:
    """Return a value as one short line."""
    shown = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    shown = ' '.join(shown.split())
    return shown if len(shown) <= _SHOWN else f'{shown[:_SHOWN - 3]}...'
