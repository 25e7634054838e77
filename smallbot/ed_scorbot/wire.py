# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the ED-Scorbot's controller and its clients say to each other over MQTT: the messages.

Pure: bytes in and out, no network and no clock. Written from the published descriptions of the
protocol (AsyncAPI document, controllers of 2023, tests of 2026). Angles are degrees as they are
on the wire; what they mean is not said here but in `convention`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
import json
import math
from typing import Any

import numpy as np

from smallbot.ed_scorbot.convention import JOINTS

ON_WIRE = 6
"""Coordinates of a point on the wire before its time; the controller fills in the first four."""
METAINFO = 'metainfo'
"""Topic of what the arm says about itself."""
SHOWN = 60
"""Letters of what somebody else has sent that an error text repeats at most."""
FARTHEST = 1e4
"""No angle, degrees, that an arm says lies beyond."""


class WireError(ValueError):
    """A message that cannot be read; the text is one line."""


def shown(value: object) -> str:
    """Return what somebody has sent so that a log of one line can take it, whatever it is."""
    try:
        text = ascii(value)
    except RecursionError:
        text = f'{type(value).__name__} in many layers'
    return text if len(text) <= SHOWN else f'{text[:SHOWN]}...'


class Signal(IntEnum):
    """What a message is about."""

    GET_METAINFO = 1
    METAINFO = 2
    CHECK_STATUS = 3
    STATUS = 4
    CONNECT = 5
    CONNECTED = 6
    MOVE_TO_POINT = 7
    APPLY_TRAJECTORY = 8
    CANCEL_TRAJECTORY = 9
    CANCELED_TRAJECTORY = 10
    DISCONNECT = 11
    DISCONNECTED = 12
    HOME_SEARCHED = 13


@dataclass(frozen=True)
class Message:
    """A message on `metainfo` or `<ROBOT>/commands`, as far as it could be read."""

    signal: Signal
    client: str = ''
    name: str = ''
    """Of the robot, in METAINFO."""
    ranges: tuple[tuple[float, float], ...] = ()
    """Lower and upper limit of each joint, degrees, in METAINFO; some send them swapped."""
    points: tuple[tuple[float, ...], ...] = ()
    """Degrees and at the end ms, of MOVE_TO_POINT and APPLY_TRAJECTORY."""


@dataclass(frozen=True)
class Moved:
    """A message on `<ROBOT>/moved`."""

    client: str
    degrees: np.ndarray
    """[4], degrees reached; NaN where the controller sent none that can be."""


# --- requests


def request(signal: Signal, client: str | None = None, **content: Any) -> bytes:
    """Return a request as the documented examples write it."""
    message: dict[str, Any] = {'signal': int(signal)}
    if client is not None:
        message['client'] = {'id': client}
    return json.dumps({**message, **content}, separators=(',', ':'), allow_nan=False).encode()


def move_to_point(client: str, degrees: Sequence[float], milliseconds: int) -> bytes:
    """Return a request to go to degrees [4]; the real controller takes 2 s, whatever is asked."""
    return request(Signal.MOVE_TO_POINT, client, point=_point(degrees, milliseconds))


def apply_trajectory(client: str, points: Sequence[tuple[Sequence[float], int]]) -> bytes:
    """Return a request to go to each of (degrees [4], ms to hold them) in turn."""
    return request(Signal.APPLY_TRAJECTORY, client,
                   trajectory={'points': [_point(*point) for point in points]})


def _point(degrees: Sequence[float], milliseconds: int) -> dict[str, list[float]]:
    if len(degrees) != len(JOINTS) or not np.isfinite(degrees).all():
        raise ValueError(f'point {list(degrees)}: expected {len(JOINTS)} finite numbers')
    whole = [int(x) if float(x).is_integer() else round(float(x), 6) for x in degrees]
    return {'coordinates': [*whole, *[0] * (ON_WIRE - len(whole)), int(milliseconds)]}


# --- replies


def reply(signal: Signal, client: str = '') -> bytes:
    """Return a reply of the real controller: all five keys, empty where they are not used."""
    return _sorted_json({'signal': int(signal), 'client': {'id': client}, 'error': False,
                         'point': {'coordinates': []}, 'trajectory': {'points': []}})


def metainfo(name: str, ranges: Sequence[tuple[float, float]]) -> bytes:
    """Return what an arm says about itself; `ranges` are (minimum, maximum) as they are sent."""
    return _sorted_json({'signal': int(Signal.METAINFO), 'name': name, 'joints': [
        {'minimum': float(low), 'maximum': float(high)} for low, high in ranges]})


def moved(client: str, degrees: Sequence[float], rest: Sequence[float] = (0.0, 0.0)) -> bytes:
    """Return where the arm is; `rest` are coordinates 5 and 6, which no one has written.

    The library of the real controller writes null for what is not a number.
    """
    numbers = [float(x) if math.isfinite(x) else None for x in (*degrees, *rest)]
    return _sorted_json({'client': {'id': client}, 'content': {'coordinates': numbers},
                         'error': False})


def _sorted_json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(',', ':'), sort_keys=True).encode()


# --- reading


def read_message(payload: bytes) -> Message:
    """Read what came on `metainfo` or `<ROBOT>/commands`; raises WireError."""
    content = _object(payload)
    number = content.get('signal')
    try:
        signal = Signal(number)
    except (ValueError, TypeError):
        raise WireError(f'signal {shown(number)}, expected a number from 1 to 13') from None
    if isinstance(number, bool):
        raise WireError(f'signal {number}, expected a number from 1 to 13')
    points: tuple[tuple[float, ...], ...] = ()
    if signal is Signal.MOVE_TO_POINT:
        points = (_coordinates(content.get('point')),)
    elif signal is Signal.APPLY_TRAJECTORY:
        points = tuple(_coordinates(point)
                       for point in _list(_inside(content.get('trajectory'), 'points'), 'points'))
    name = content.get('name', '')
    return Message(signal, _client(content), name if isinstance(name, str) else '',
                   _ranges(content) if signal is Signal.METAINFO else (), points)


def read_moved(payload: bytes) -> Moved:
    """Read what came on `<ROBOT>/moved`; raises WireError.

    Coordinates after the fourth come from memory that no one has written: they are not read.
    """
    content = _object(payload)
    if content.get('error') or content.get('errorState'):
        raise WireError('moved reports an error')
    found = _coordinates(content.get('content'))
    if len(found) < len(JOINTS):
        raise WireError(f'{len(found)} coordinates, expected at least {len(JOINTS)}')
    return Moved(_client(content), np.array([
        x if abs(x) < FARTHEST else math.nan for x in found[:len(JOINTS)]]))


def _object(payload: bytes) -> dict[str, Any]:
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError):
        raise WireError(f'{shown(payload[:SHOWN])}: not JSON') from None
    if not isinstance(content, dict):
        raise WireError(f'{shown(payload[:SHOWN])}: not a JSON object')
    return content


def _inside(content: Any, key: str) -> Any:
    return content.get(key) if isinstance(content, dict) else None


def _list(content: Any, what: str) -> list[Any]:
    if not isinstance(content, list):
        raise WireError(f'{what} {shown(content)}, expected a list')
    return content


def _client(content: dict[str, Any]) -> str:
    name = _inside(content.get('client'), 'id')
    return name if isinstance(name, str) else ''


def _coordinates(point: Any) -> tuple[float, ...]:
    return tuple(_number(x) for x in _list(_inside(point, 'coordinates'), 'coordinates'))


def _number(value: Any) -> float:
    """Return a number, NaN for anything else: one bad coordinate must not hide the others."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _ranges(content: dict[str, Any]) -> tuple[tuple[float, float], ...]:
    ranges = []
    for joint in _list(content.get('joints'), 'joints'):
        ends = _number(_inside(joint, 'minimum')), _number(_inside(joint, 'maximum'))
        ranges.append((min(ends), max(ends)))
    if len(ranges) < len(JOINTS) or not np.isfinite(ranges[:len(JOINTS)]).all():
        raise WireError(f'joints {shown(content.get("joints"))}, expected the ranges of at least '
                        f'{len(JOINTS)}')
    return tuple(ranges)
