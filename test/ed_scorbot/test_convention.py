import json
import math

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest
import torch

from smallbot.arm.kinematics import default_arm
from smallbot.ed_scorbot.convention import (
    apply_trajectory,
    convention_of,
    CONVENTIONS,
    JOINTS,
    metainfo,
    move_to_point,
    moved,
    published_limits,
    read_message,
    read_moved,
    reply,
    request,
    Signal,
    WireError,
)
from smallbot.errors import InputError

REAL = ((155, -155), (-60, 110), (-145, 80), (-90, 90), (-180, 180), (-180, 180))
"""As the real controller sends them: base with minimum and maximum swapped."""
angles = st.lists(st.floats(-80, 80), min_size=4, max_size=4).map(np.array)


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


@pytest.mark.parametrize('convention', CONVENTIONS.values(), ids=CONVENTIONS)
def test_degrees_and_positions_are_each_others_inverse(convention):
    degrees = np.array([[10.0, -5.0, 7.0, 3.0], [0, 0, 0, 0]])
    np.testing.assert_allclose(convention.degrees(convention.position(degrees)), degrees,
                               atol=1e-12)


def test_conventions_are_opposite_in_sign_and_agree_on_the_machine():
    old, new = CONVENTIONS['2023'], CONVENTIONS['2026']
    pose = np.array([0.3, -0.2, 0.1, 0.4])
    np.testing.assert_allclose(old.degrees(pose)[[0, 1, 3]], -new.degrees(pose)[[0, 1, 3]])
    # the elbow's home differs by 10.4 degrees
    assert old.degrees(pose)[2] + new.degrees(pose)[2] == pytest.approx(12 - 22.4)
    ratio = old.reference_per_degree / -new.reference_per_degree
    assert (np.abs(ratio - 1) < 0.04).all()


def test_home_and_zero_lie_where_the_published_kinematics_have_them():
    arm = default_arm(JOINTS)
    old = CONVENTIONS['2023']
    # closed form of 2023 at a = 0: theta = 23.6, -22, 22.4, 0 degrees, forearm 0.35 m
    home = arm.tip(torch.tensor(old.position(np.zeros(4))))
    theta = np.radians([23.6, -22.0, 22.4])
    reach = (0.05 + 0.3 * np.cos(theta[1]) + 0.35 * np.cos(theta[1] + theta[2])
             + 0.22 * np.cos(theta[1] + theta[2]))
    up = 0.3585 - 0.3 * np.sin(theta[1]) - 0.57 * np.sin(theta[1] + theta[2])
    side = -0.033
    expected = [reach * np.cos(theta[0]) - side * np.sin(theta[0]),
                reach * np.sin(theta[0]) + side * np.cos(theta[0]), up]
    np.testing.assert_allclose(home.numpy(), expected, atol=1e-9)
    np.testing.assert_allclose(old.degrees(np.zeros(4)), [23.6, -22.0, -22.4, 0.0])


@pytest.mark.parametrize('convention', CONVENTIONS.values(), ids=CONVENTIONS)
@given(degrees=angles)
def test_the_controller_makes_the_nearest_reference_of_what_is_sent(convention, degrees):
    sent = [round(float(x), 6) for x in convention.nearest(degrees)]
    exact = convention.reference_per_degree * degrees
    made = convention.reference(np.array(sent))
    assert (np.abs(made - exact) <= 0.5 + 1e-6).all()


def test_references_and_counters_as_published():
    old, new = CONVENTIONS['2023'], CONVENTIONS['2026']
    assert old.reference(np.array([10.5, 10.5, 10.5, 10.5])).tolist() == [-31, -98, -32, -184]
    assert new.reference(np.array([10.0, 10, 10, 10])).tolist() == [30, 95, 32, 176]
    counts = 32768 + np.array([1255, 1310, 1277, 807])
    np.testing.assert_allclose(old.measured(counts), [10, 10, 10, 10], atol=1e-3)
    np.testing.assert_allclose(new.measured(counts)[:2], [-10, -10])


def test_limits_are_what_every_source_allows():
    limits = published_limits(CONVENTIONS['2023'], ('base', 'shoulder'), 5.0)
    # base: -101.4 (workspace) to 125 (URDF 2026), home at -23.6; shoulder: -52 to 85, home at 22
    np.testing.assert_allclose(np.degrees(limits.lower), [-125.0, -30.0])
    np.testing.assert_allclose(np.degrees(limits.upper), [101.4, 107.0])
    np.testing.assert_allclose(np.degrees(limits.velocity), [49.6, 47.1])
    assert limits.acceleration.tolist() == [5.0, 5.0]
    both = [published_limits(CONVENTIONS[name], JOINTS, 5.0) for name in CONVENTIONS]
    for joint in (0, 1, 3):
        assert both[0].lower[joint] == pytest.approx(both[1].lower[joint])
        assert both[0].upper[joint] == pytest.approx(both[1].upper[joint])


def test_metainfo_narrows_the_limits_and_may_leave_none():
    old = CONVENTIONS['2023']
    told = read_message(metainfo('EDScorbot', [(-10, 10), *REAL[1:]])).ranges
    limits = published_limits(old, JOINTS, 5.0, told)
    np.testing.assert_allclose(np.degrees(limits.lower[0]), -33.6)
    with pytest.raises(InputError, match='no angle of base .*is the convention right'):
        published_limits(old, JOINTS, 5.0, ((130, 150), *told[1:]))


def test_lopsided_ranges_tell_the_convention():
    real = read_message(metainfo('EDScorbot', REAL)).ranges
    turned = tuple((-high, -low) for low, high in real)
    assert convention_of(real) == '2023'
    assert convention_of(turned) == '2026'
    assert convention_of([(-90, 90)] * 6) == ''
    assert convention_of(((-166.67, 150), (-85.11, 101.06), (-112.9, 112.9), (-91, 85))) == '2023'
