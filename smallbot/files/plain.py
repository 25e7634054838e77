# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Plain values from JSON and YAML that are read strictly: bounded, no key twice, finite."""

from collections.abc import Iterator, Mapping
import json
import math
from typing import Any

DEEPEST = 32
"""Mappings and lists within each other."""
MOST = 4_000_000
"""Values in a file."""


def plain(content: Any) -> Any:
    """Return `content` as JSON would give it back; what is no finite number is None."""
    if isinstance(content, float):
        return float(content) if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [plain(value) for value in content]
    return content


def read_json(text: bytes) -> Any:
    """Return the plain values of a JSON text.

    Raises ValueError, in one line, for what is no JSON, a key that comes twice, numbers that are
    not finite and nesting beyond `DEEPEST`.
    """
    try:
        values = bounded(json.loads(text.decode(), object_pairs_hook=_once))
    except RecursionError:
        raise ValueError(f'nested deeper than {DEEPEST}') from None
    except UnicodeDecodeError as error:
        raise ValueError(f'not text: {error.reason} at byte {error.start}') from None
    for field, value in _numbers(values):
        if not math.isfinite(value):
            raise ValueError(f'{field} {value}: expected a finite number')
    return values


def bounded(values: Any) -> Any:
    """Return plain values; raises ValueError for too many, or too deep within each other."""
    count, depth, level = 0, 0, [values]
    while level:
        depth += 1
        if depth > DEEPEST + 1:
            raise ValueError(f'nested deeper than {DEEPEST}')
        below = []
        for value in level:
            if isinstance(value, Mapping | list):
                count += len(value)
                if count > MOST:
                    raise ValueError(f'more than {MOST} values')
                below += value.values() if isinstance(value, Mapping) else value
        level = below
    return values


def read_yaml(text: bytes) -> Any:
    """Return the plain values of a YAML text.

    Raises yaml.YAMLError for what is no YAML, ValueError, in one line, as `read_json` does.
    """
    import yaml

    class Loader(yaml.SafeLoader):

        def construct_mapping(self, node, deep=False):
            seen = set()
            for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
                if not isinstance(key, yaml.ScalarNode) or key.value == '<<':
                    continue
                if key.value in seen:
                    raise ValueError(f'line {key.start_mark.line + 1}: {key.value[:80]!r} comes '
                                     f'twice')
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    try:
        depth = 0
        for event in yaml.parse(text.decode(), Loader):
            depth += (isinstance(event, yaml.CollectionStartEvent)
                      - isinstance(event, yaml.CollectionEndEvent))
            if depth > DEEPEST:
                raise ValueError(f'nested deeper than {DEEPEST}')
        values = yaml.load(text.decode(), Loader)
    except RecursionError:
        raise ValueError(f'nested deeper than {DEEPEST}') from None
    except UnicodeDecodeError as error:
        raise ValueError(f'not text: {error.reason} at byte {error.start}') from None
    return bounded(values)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'{twice[:80]!r} comes twice')
    return found


def _numbers(values: Any, field: str = '') -> Iterator[tuple[str, float]]:
    """Yield every number with a point, and what its field is called."""
    if isinstance(values, float):
        yield field, values
    elif isinstance(values, dict | list):
        for key, value in values.items() if isinstance(values, dict) else enumerate(values):
            if isinstance(value, dict | list | float):
                yield from _numbers(value, f'{field}.{key}'[:200].lstrip('.'))
