# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from smallbot.ed_scorbot.measured_servo import lag_and_fastest, SHARE, time_scale_for
from smallbot.errors import InputError

LAG, FASTEST = lag_and_fastest(('base', 'shoulder'))


def there_and_back(size, steps=250):
    """Return positions [T + 1, 2], rad, that rise to `size` and return, at rest at both ends."""
    bump = size * np.sin(np.pi * np.linspace(0, 1, steps + 1)) ** 2
    return np.stack([bump, -0.5 * bump], axis=1)


def test_lag_and_speed_are_those_of_the_named_joints():
    assert LAG.tolist() == [0.40, 0.48]
    assert np.degrees(FASTEST) == pytest.approx([49.6, 47.1])
    lag, fastest = lag_and_fastest(('pitch', 'base'))
    assert lag.tolist() == [0.12, 0.40]
    assert np.degrees(fastest) == pytest.approx([57.2, 49.6])


def test_a_joint_that_was_not_measured_is_named():
    with pytest.raises(InputError, match="'wrist_1' of the ED-Scorbot has not been measured"):
        lag_and_fastest(('base', 'wrist_1'))


def test_a_slow_movement_and_none_need_no_more_time():
    assert time_scale_for(there_and_back(0.05), 5.0, LAG, FASTEST) == 1
    assert time_scale_for(np.zeros((251, 2)), 1.0, LAG, FASTEST) == 1


def test_the_larger_or_faster_a_movement_the_more_time_it_needs():
    scales = [time_scale_for(there_and_back(size), 1.5, LAG, FASTEST)
              for size in (0.2, 0.4, 0.8, 1.6)]
    assert 1 < scales[0] and (np.diff(scales) > 0).all()
    hurried = [time_scale_for(there_and_back(0.4), seconds, LAG, FASTEST)
               for seconds in (3.0, 2.0, 1.0, 0.5)]
    assert 1 <= hurried[0] and (np.diff(hurried) > 0).all()


def test_a_movement_stretched_as_it_needs_needs_nothing_more():
    for size, seconds in ((0.4, 1.0), (1.2, 2.0), (0.1, 0.5)):
        path = there_and_back(size)
        scale = time_scale_for(path, seconds, LAG, FASTEST)
        assert scale > 1
        assert time_scale_for(path, scale * seconds, LAG, FASTEST) == pytest.approx(1)


def test_without_a_lag_the_speed_alone_decides():
    path = there_and_back(1.0)
    speed = np.pi / 2  # rad/s, of sin^2(pi t / 2 s)
    scale = time_scale_for(path, 2.0, np.zeros(2), FASTEST)
    assert scale == pytest.approx(speed / (SHARE * FASTEST[0]), rel=0.02)


def test_slower_joints_need_more_time():
    path = there_and_back(0.4)
    scale = time_scale_for(path, 1.0, LAG, FASTEST)
    assert time_scale_for(path, 1.0, LAG, 0.5 * FASTEST) > scale
    assert time_scale_for(path, 1.0, 2 * LAG, FASTEST) > scale
