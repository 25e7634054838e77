# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Who may reach the page."""

import pytest

from smallbot.page.access import Access, is_local

HERE = Access.to('127.0.0.1', 8642)
OPEN = Access.to('0.0.0.0', 8642)


@pytest.mark.parametrize(('host', 'local'), [
    ('127.0.0.1', True), ('localhost', True), ('::1', True), ('127.8.8.8', True),
    ('0.0.0.0', False), ('192.168.0.7', False), ('::', False), ('arm.lab', False)])
def test_a_token_where_others_reach_it(host, local):
    assert is_local(host) is local
    assert bool(Access.to(host, 1).token) is not local


@pytest.mark.parametrize('host', ['localhost:8642', '127.0.0.1:8642', '[::1]:8642'])
def test_this_machine_by_its_names(host):
    assert not HERE.refusal(host, None, None)
    assert not HERE.refusal(host, f'http://{host}', None)


@pytest.mark.parametrize('host', ['evil.example:8642', 'evil.example', '127.0.0.1', '', None,
                                  'localhost:8642.evil.example', '10.0.0.1:8642'])
def test_a_name_that_leads_here_but_is_not_ours(host):
    assert 'own machine' in HERE.refusal(host, None, None)


@pytest.mark.parametrize('origin', ['http://evil.example', 'null', 'http://127.0.0.1:1',
                                    'http://localhost:8642', 'file://'])
def test_another_website(origin):
    assert 'another website' in HERE.refusal('127.0.0.1:8642', origin, None)


def test_the_token():
    host = '192.168.0.7:8642'
    assert 'token' in OPEN.refusal(host, None, None)
    assert 'token' in OPEN.refusal(host, None, OPEN.token[:-1])
    assert 'token' in OPEN.refusal(host, None, '\N{SNOWMAN}')
    assert not OPEN.refusal(host, f'http://{host}', OPEN.token)
    assert 'another website' in OPEN.refusal(host, 'http://evil.example', OPEN.token)
    assert OPEN.address() == f'http://localhost:8642/?token={OPEN.token}'
    assert Access.to('0.0.0.0', 8642).token != OPEN.token


def test_addresses():
    assert HERE.address() == 'http://127.0.0.1:8642/'
    assert Access.to('::1', 80).address() == 'http://[::1]:80/'
