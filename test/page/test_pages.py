# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Several pages, one driver."""

import pytest

from smallbot.page.pages import AWAY, DrivenError, Pages


@pytest.fixture
def pages():
    pages = Pages()
    for client in ('a', 'b'):
        pages.join(client, 0.0)
    return pages


def test_the_first_to_do_something_drives(pages):
    assert pages.driver is None
    assert pages.drive('a', 0.0) is None
    assert pages.driver == 'a'
    assert pages.drive('a', 1.0) is None


def test_the_second_is_asked_and_the_first_is_known_when_it_is_taken_over(pages):
    pages.drive('a', 0.0)
    pages.heard('a', 1.0)
    with pytest.raises(DrivenError) as no:
        pages.drive('b', 1.5)
    assert no.value.answer == {'asked': {'who': 'page 1', 'since': 1.5}}
    assert pages.driver == 'a'
    assert pages.drive('b', 1.6, take=True) == 'a'
    assert pages.driver == 'b'


def test_who_has_gone_away_is_not_asked(pages):
    pages.drive('a', 0.0)
    pages.leave('a')
    with pytest.raises(DrivenError):
        pages.drive('b', AWAY - 0.1)
    assert pages.drive('b', AWAY + 0.1) == 'a'


def test_a_page_that_is_silent_is_away_and_one_that_is_reloaded_is_not(pages):
    pages.drive('a', 0.0)
    assert not pages.away(AWAY - 0.1)
    assert pages.away(AWAY + 0.1)
    pages.leave('a')
    again = pages.join('a', AWAY + 0.2)
    assert again.name == 'page 1'
    assert pages.driver == 'a'
    assert not pages.away(AWAY + 0.3)


def test_pages_are_counted_while_they_look_on(pages):
    assert pages.present == 2
    pages.join('a', 0.0)
    assert pages.present == 2
    pages.leave('a')
    assert pages.present == 2
    pages.leave('a')
    assert pages.present == 1


def test_numbers_are_forgotten_after_a_while(pages):
    pages.leave('a')
    assert pages.join('c', 10_000.0).name == 'page 3'
    assert pages.name('a') is None
    assert pages.name('b') == 'page 2'


def test_nobody_drives_after_the_driver_has_left(pages):
    pages.drive('a', 0.0)
    pages.release('b')
    assert pages.driver == 'a'
    pages.release('a')
    assert pages.driver is None
