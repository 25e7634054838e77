# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The check after homing, alone: arms that follow in every way, in no time."""

import numpy as np
import pytest

from smallbot.ed_scorbot.convention import CONVENTIONS
from smallbot.ed_scorbot.homing_check import FOLLOW, HomingCheck, LOOK, NUDGE, NUMBERS, Verdict


def run(check, convention, follow):
    """Return the verdicts, each once, with an arm at `follow(degrees)` of each pose."""
    now, verdicts = 5.0, []
    while verdicts[-1:] not in ([Verdict.PASSED], [Verdict.FAILED]) and now < 20.0:
        now += 0.01
        degrees = follow(convention.degrees(check.pose))
        if degrees is not None:
            check.measured(convention.position(degrees), now)
        verdict = check.look(now)
        if verdicts[-1:] != [verdict]:
            verdicts.append(verdict)
    return verdicts, now - 5.0


@pytest.mark.parametrize('name', CONVENTIONS)
def test_an_arm_that_follows_passes(name):
    check = HomingCheck(CONVENTIONS[name])
    np.testing.assert_allclose(CONVENTIONS[name].degrees(check.pose), 0, atol=1e-9)
    verdicts, took = run(check, CONVENTIONS[name], lambda degrees: 1.05 * degrees + 0.5)
    assert verdicts == [Verdict.ARRIVED, Verdict.SETTLING, Verdict.RIGHT,
                        Verdict.ARRIVED, Verdict.SETTLING, Verdict.PASSED]
    assert took == pytest.approx(LOOK + FOLLOW, abs=0.05) and not check.trouble


@pytest.mark.parametrize(('follow', 'said'), [
    (lambda degrees: degrees + [0, 0, -3.1, 0], 'yet elbow is at -3.1 degrees: search home'),
    (lambda degrees: degrees * [1, 1, 1, -1], 'told to move by 4 degrees, pitch moved by -4.0'),
    (lambda degrees: degrees * [1, 0, 1, 1], 'shoulder moved by 0.0'),
    (lambda degrees: degrees * [1.6, 1, 1, 1], 'base moved by 6.4'),
    (lambda degrees: None, 'brings no numbers'),
    (lambda degrees: degrees if degrees.max() < 0.5 * NUDGE else None, 'brings no numbers'),
])
def test_one_that_does_not_fails_with_what_is_wrong(follow, said):
    check = HomingCheck(CONVENTIONS['2023'])
    verdicts, _ = run(check, CONVENTIONS['2023'], follow)
    assert verdicts[-1] is Verdict.FAILED
    assert said in check.trouble and '\n' not in check.trouble


def test_a_number_that_is_missing_may_come_later():
    convention = CONVENTIONS['2023']
    check = HomingCheck(convention)
    check.measured(convention.position(np.zeros(4)), 4.9)
    assert check.look(5.0) is Verdict.ARRIVED
    late = 5.0 + LOOK + 0.5 * NUMBERS
    assert check.look(late) is Verdict.SETTLING, 'from before it was there: no news'
    check.measured(convention.position(np.zeros(4)), late)
    assert check.look(late) is Verdict.RIGHT
