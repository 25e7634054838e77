# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The messages as they are documented, and whatever else may arrive."""

import json
import math

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from smallbot.ed_scorbot.wire import (
    apply_trajectory,
    metainfo,
    move_to_point,
    moved,
    read_message,
    read_moved,
    reply,
    request,
    Signal,
    WireError,
)

REAL = ((155, -155), (-60, 110), (-145, 80), (-90, 90), (-180, 180), (-180, 180))
"""As the real controller sends them: base with minimum and maximum swapped."""


@pytest.mark.parametrize(('made', 'documented'), [
    (request(Signal.GET_METAINFO), '{"signal":1}'),
    (request(Signal.CHECK_STATUS, 'ros2'), '{"signal":3,"client":{"id":"ros2"}}'),
    (request(Signal.CONNECT, 'ros2'), '{"signal":5,"client":{"id":"ros2"}}'),
    (move_to_point('ros2', [10, -5, 0, 0], 500),
     '{"signal":7,"client":{"id":"ros2"},"point":{"coordinates":[10,-5,0,0,0,0,500]}}'),
    (apply_trajectory('ros2', [([10, 0, 0, 0], 250), ([12, 0, 0, 0], 250)]),
     '{"signal":8,"client":{"id":"ros2"},"trajectory":{"points":['
     '{"coordinates":[10,0,0,0,0,0,250]},{"coordinates":[12,0,0,0,0,0,250]}]}}'),
    (request(Signal.CANCEL_TRAJECTORY, 'ros2'), '{"signal":9,"client":{"id":"ros2"}}'),
    (request(Signal.DISCONNECT, 'ros2'), '{"signal":11,"client":{"id":"ros2"}}'),
    (reply(Signal.CONNECTED, 'ros2'),
     '{"client":{"id":"ros2"},"error":false,"point":{"coordinates":[]},"signal":6,'
     '"trajectory":{"points":[]}}'),
    (reply(Signal.HOME_SEARCHED, 'ros2'),
     '{"client":{"id":"ros2"},"error":false,"point":{"coordinates":[]},"signal":13,'
     '"trajectory":{"points":[]}}'),
    (moved('ros2', [9.6, -4.9, 0, 0]),
     '{"client":{"id":"ros2"},"content":{"coordinates":[9.6,-4.9,0.0,0.0,0.0,0.0]},'
     '"error":false}'),
    (metainfo('EDScorbot', [(155, -155), *REAL[1:]]),
     '{"joints":[{"maximum":-155.0,"minimum":155.0},{"maximum":110.0,"minimum":-60.0},'
     '{"maximum":80.0,"minimum":-145.0},{"maximum":90.0,"minimum":-90.0},'
     '{"maximum":180.0,"minimum":-180.0},{"maximum":180.0,"minimum":-180.0}],'
     '"name":"EDScorbot","signal":2}'),
])
def test_messages_are_the_documented_ones_byte_for_byte(made, documented):
    assert made.decode() == documented


def test_what_is_written_is_read():
    asked = read_message(apply_trajectory('me', [([10.5, 0, 0, 0], 250), ([12, 1, 2, 3], 50)]))
    assert (asked.signal, asked.client) == (Signal.APPLY_TRAJECTORY, 'me')
    assert asked.points == ((10.5, 0, 0, 0, 0, 0, 250), (12, 1, 2, 3, 0, 0, 50))
    assert read_message(move_to_point('me', [1, 2, 3, 4], 5)).points == ((1, 2, 3, 4, 0, 0, 5),)
    about = read_message(metainfo('EDScorbot', REAL))
    assert about.name == 'EDScorbot'
    assert about.ranges[:3] == ((-155, 155), (-60, 110), (-145, 80))
    # the simulated server leaves empty members out
    assert read_message(b'{"signal":13}').client == ''


def test_only_the_four_driven_coordinates_are_read():
    assert read_moved(moved('me', [1, 2, 3, 4], [math.nan, 1e300])).degrees.tolist() == [
        1, 2, 3, 4]
    found = read_moved(b'{"content":{"coordinates":[1,null,NaN,"x",0,0]},"error":false}').degrees
    assert found[0] == 1 and np.isnan(found[1:]).all()
    assert b'null' in moved('me', [math.nan, 0, 0, 0])


@pytest.mark.parametrize(('payload', 'said'), [
    (b'', 'not JSON'), (b'\xff\xfe', 'not JSON'), (b'[' * 100_000, 'not JSON'),
    (b'[1,S,/home/root/t.json,250,250]', 'not JSON'), (b'[]', 'not a JSON object'),
    (b'{}', 'signal None'), (b'{"signal":99}', 'signal 99'), (b'{"signal":true}', 'signal True'),
    (b'{"signal":[]}', 'signal'), (b'{"signal":2}', 'joints None'),
    (b'{"signal":2,"joints":[{"minimum":1,"maximum":2}]}', 'at least 4'),
    (b'{"signal":8,"trajectory":{"points":3}}', 'expected a list'),
])
def test_bad_messages_are_refused_in_a_line(payload, said):
    with pytest.raises(WireError, match=said) as refused:
        read_message(payload)
    assert '\n' not in str(refused.value) and len(str(refused.value)) < 200


@pytest.mark.parametrize('payload', [
    b'{}', b'{"content":{"coordinates":[1,2,3]}}', b'{"content":[]}', b'"moved"',
    b'{"content":{"coordinates":[1,2,3,4,5,6]},"error":true}',
    b'{"content":{"coordinates":[1,2,3,4,5,6]},"errorState":true}',
])
def test_a_moved_without_four_coordinates_is_refused(payload):
    with pytest.raises(WireError):
        read_moved(payload)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(
        st.sampled_from(['signal', 'client', 'id', 'joints', 'minimum', 'maximum', 'content',
                         'coordinates', 'point', 'trajectory', 'points', 'name', 'error']),
        inner, max_size=6), max_leaves=25)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value).encode())
       | st.tuples(st.integers(0, 14), json_values).map(
           lambda pair: json.dumps({'signal': pair[0], 'content': pair[1], 'joints': pair[1],
                                    'point': pair[1], 'client': pair[1]}).encode()))
def test_nothing_that_arrives_raises_anything_else(payload):
    for read in (read_message, read_moved):
        try:
            read(payload)
        except WireError as error:
            assert '\n' not in str(error)


@pytest.mark.parametrize('bad', [[0, 0, 0], [0] * 5, [0, 0, 0, math.nan], [math.inf, 0, 0, 0]])
def test_only_four_finite_numbers_are_sent(bad):
    with pytest.raises(ValueError, match='expected 4 finite numbers'):
        apply_trajectory('me', [(bad, 50)])
