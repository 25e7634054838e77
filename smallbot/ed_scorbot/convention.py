"""What the ED-Scorbot's controller and its clients say to each other over MQTT, in their units.

Pure: bytes and numbers, no network and no clock. Written from the published descriptions of the
protocol (AsyncAPI document, controllers of 2023, tests of 2026). Angles inside smallbot are those
of our URDF, rad; on the wire they are degrees of one of two published conventions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
import json
import math
from typing import Any

import numpy as np

from smallbot.arm.joint_limits import JointLimits
from smallbot.errors import InputError

JOINTS = ('base', 'shoulder', 'elbow', 'pitch')
"""The joints that the controller drives, in the order of the wire; roll and gripper are not."""
ON_WIRE = 6
"""Coordinates of a point on the wire before its time; the controller fills in the first four."""
CENTRE = 32768
"""Reading of every position counter at home."""
METAINFO = 'metainfo'
"""Topic of what the arm says about itself."""
PUBLISHED_SPEED = np.radians([49.6, 47.1, 38.2, 57.2])
"""Fastest mean speed over one command in the public logs of 2026, rad/s: no limit is published
but the 1 rad/s in the description of 2026, which all four stay below."""


class WireError(ValueError):
    """A message that cannot be read; the text is one line."""


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
class Convention:
    """One published meaning of the degrees on the wire, each array [4], in the order of JOINTS.

    Reference = trunc(`reference_per_degree` x degrees), an integer; degrees = `degree_per_count`
    x (counter - 32768). A positive reference makes the counter go down in both conventions, which
    are opposite on every joint. Angle of our URDF = `direction` x degrees + `offset`.
    """

    name: str
    reference_per_degree: np.ndarray
    degree_per_count: np.ndarray
    direction: np.ndarray
    offset: np.ndarray
    """Degrees; where home lies in our URDF, whose zero is the arm straight out and level."""

    def degrees(self, position: np.ndarray) -> np.ndarray:
        """Return positions [..., 4] of our URDF, rad, as degrees on the wire."""
        return self.direction * (np.degrees(position) - self.offset)

    def position(self, degrees: np.ndarray) -> np.ndarray:
        """Return degrees on the wire [..., 4] as positions of our URDF, rad."""
        return np.radians(self.direction * degrees + self.offset)

    def reference(self, degrees: np.ndarray) -> np.ndarray:
        """Return the references [..., 4] that the controller makes of degrees: it cuts off."""
        return np.trunc(self.reference_per_degree * degrees).astype(int)

    def nearest(self, degrees: np.ndarray) -> np.ndarray:
        """Return degrees [..., 4] of which the controller makes the nearest references.

        A quarter beyond the middle of each, as what is cut off must not depend on rounding.
        """
        whole = np.rint(self.reference_per_degree * degrees)
        return (whole + 0.25 * np.sign(whole)) / self.reference_per_degree

    def measured(self, counts: np.ndarray) -> np.ndarray:
        """Return counters [..., 4] as degrees."""
        return self.degree_per_count * (np.asarray(counts) - CENTRE)


CONVENTIONS: Mapping[str, Convention] = {
    # Controller of November 2023, the newest that drives the arm over MQTT. Home: base 23.6,
    # shoulder -22, elbow 22.4 degrees in the closed form of the kinematics of that time.
    '2023': Convention(
        '2023',
        np.array([-3.0, -9.4, -3.1, -17.61158871]),
        np.array([1 / 125.5, 1 / 131, 1 / 127.7, 0.012391573729863692]),
        np.array([1.0, 1.0, -1.0, 1.0]), np.array([-23.6, 22.0, -22.4, 0.0])),
    # Description and tests of April 2026: every sign the other way, the elbow's home at 12.
    '2026': Convention(
        '2026',
        np.array([3.050640635, 9.532888465, 3.220611916, 17.66784452]),
        np.array([-1 / 125.5, -1 / 131, -1 / 132.5, -0.012391573729863692]),
        np.array([-1.0, -1.0, 1.0, -1.0]), np.array([-23.6, 22.0, -12.0, 0.0])),
}

# Published ranges of J1 to J4 in degrees of the 2023 convention: those of 2026 turned round,
# those of DH angles (theta) through theta = (23.6 - a, -22 - a, elbow home + a, a).
PUBLISHED_RANGES: Mapping[str, Sequence[tuple[float, float]]] = {
    'reference counts (Py-EDScorbotTool, table 4)':
        ((-163.9, 147.5), (-83.9, 99.7), (-108.7, 108.7), (-90.6, 84.9)),
    'metainfo of the real controller, November 2023':
        ((-155, 155), (-60, 110), (-145, 80), (-90, 90)),
    'metainfo of the simulated server':
        ((-166.67, 150), (-85.11, 101.06), (-112.9, 112.9), (-90.85, 85.17)),
    'pyAER bounds': ((-155, 155), (-85, 85), (-112.5, 112.5), (-90, 90)),
    'sweep.py raw counts':
        ((-167.3, 146.5), (-109.0, 88.4), (-118.9, 116.0), (-90.3, 87.1)),
    'workspace of the inverse kinematics':
        ((-101.4, 148.6), (-52, 113), (-124.5, 90.1), (-90, 90)),
    'URDF of April 2026': ((-125, 125), (-85, 85), (-112.5, 112.5), (-90, 90)),
}


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
    """[4], degrees reached; NaN where the controller sent no number."""


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
    except ValueError:
        raise WireError(f'signal {number!r}, expected a number from 1 to 13') from None
    if isinstance(number, bool):
        raise WireError(f'signal {number!r}, expected a number from 1 to 13')
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
    return Moved(_client(content), np.array(found[:len(JOINTS)]))


def _object(payload: bytes) -> dict[str, Any]:
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError):
        raise WireError(f'{payload[:40]!r}: not JSON') from None
    if not isinstance(content, dict):
        raise WireError(f'{payload[:40]!r}: not a JSON object')
    return content


def _inside(content: Any, key: str) -> Any:
    return content.get(key) if isinstance(content, dict) else None


def _list(content: Any, what: str) -> list[Any]:
    if not isinstance(content, list):
        raise WireError(f'{what} {str(content)[:40]}, expected a list')
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
        raise WireError(f'joints {str(content.get("joints"))[:80]}, expected the ranges of at '
                        f'least {len(JOINTS)}')
    return tuple(ranges)


# --- limits


def published_limits(convention: Convention, joints: Sequence[str], acceleration: float,
                     ranges: Sequence[tuple[float, float]] = ()) -> JointLimits:
    """Return what every published source allows, and `ranges` of metainfo too if given.

    In our URDF's angles, for `joints`. Sources disagree on shoulder and elbow, so this is
    narrower than each. Raises InputError where nothing is left.
    """
    lower = np.max([[low for low, _ in source] for source in PUBLISHED_RANGES.values()], axis=0)
    upper = np.min([[high for _, high in source] for source in PUBLISHED_RANGES.values()], axis=0)
    if convention.reference_per_degree[0] > 0:
        lower, upper = -upper, -lower
    if ranges:
        sent = np.array(ranges[:len(JOINTS)])
        lower, upper = np.maximum(lower, sent[:, 0]), np.minimum(upper, sent[:, 1])
    if (lower >= upper).any():
        joint = int(np.argmax(lower >= upper))
        raise InputError(f'no angle of {JOINTS[joint]} is allowed by the published limits and '
                         f'by the metainfo of the arm ({ranges[joint][0]:g} to '
                         f'{ranges[joint][1]:g} degrees): is the convention right?')
    ends = np.sort([convention.position(lower), convention.position(upper)], axis=0)
    chosen = [JOINTS.index(name) for name in joints]
    return JointLimits(ends[0][chosen], ends[1][chosen], PUBLISHED_SPEED[chosen],
                       np.full(len(chosen), float(acceleration)))


def convention_of(ranges: Sequence[tuple[float, float]]) -> str:
    """Return the convention that the ranges in an arm's metainfo speak; empty if they cannot say.

    The published ranges of shoulder and elbow are lopsided, and each convention has them on the
    other side.
    """
    sides = [low + high for low, high in ranges[:len(JOINTS)]]
    expected = {'2023': (sides[1], -sides[2]), '2026': (-sides[1], sides[2])}
    for name, lopsided in expected.items():
        if min(lopsided) >= 0 and max(lopsided) > 5:
            return name
    return ''
