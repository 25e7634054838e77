# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The server of the page, with real processes behind it that do little."""

import time

import pytest
from websockets.exceptions import InvalidStatus

from smallbot.page.behind.choice import Chosen

from .conftest import served, soon
from .sides import laboratory, refusing


def test_what_is_asked_is_answered(site):
    with site.tab('a') as tab:
        assert tab.ask('draw', points=[[0, 0, 0]])['text'] == 'drawn'
        assert tab.ask('learn') == {'ok': True, 'text': 'learned', 'answer': 2}
        assert site.client.get('/api/learned').json() == {'digest': 'abc'}
        assert tab.ask('play')['ok']
        tab.until(lambda state: state['phase'] == 'playing')
        assert len(tab.poses) == 5
        assert tab.ask('halt')['text'] == 'halted'
        tab.until(lambda state: state['phase'] == 'halted')


def test_a_refusal_is_one_line_with_where(site):
    with site.tab('a') as tab:
        answer = tab.ask('draw', points=[])
        assert answer == {'ok': False, 'text': 'drawing: a dot', 'at': [1.0, 2.0], 'answer': 1}


def test_a_fault_of_a_side_is_a_line_and_it_goes_on(site):
    with site.tab('a') as tab:
        assert 'ZeroDivisionError' in tab.ask('reset')['text']
        assert tab.ask('draw', points=[[0, 0, 0]])['ok']


def test_a_side_that_dies_is_started_again(site):
    with site.tab('a') as tab:
        assert tab.ask('record', action='start') == {
            'ok': False, 'text': 'the arm process ended', 'answer': 1}
        tab.until(lambda state: not state['ready'])
        assert site.client.get('/api/arm').status_code == 404
        tab.until(lambda state: state['ready'])
        assert tab.ask('draw', points=[[0, 0, 0]])['ok']


def test_a_side_that_refuses_its_input_says_so_and_is_not_started_again():
    with served(Chosen('nix'), {'arm': refusing, 'laboratory': laboratory}) as site:
        soon(lambda: site.server._state['trouble'])
        assert site.server._state['trouble'] == 'model nix: not there'
        assert not site.server._state['ready']


def test_halt_is_answered_while_something_is_computed(site):
    with site.tab('a') as tab:
        learning = tab.send('learn', seconds=3)
        began = time.monotonic()
        assert tab.ask('halt')['ok']
        assert time.monotonic() - began < 2, 'halt waited for the computation'
        assert tab.answer(learning)['ok']


def test_halt_without_a_socket_and_without_driving(site):
    with site.tab('a') as tab:
        tab.ask('play')
        answer = site.client.post('/api/halt', headers=site.ours)
        assert answer.json() == {'ok': True, 'text': 'halted'}
        tab.until(lambda state: state['phase'] == 'halted')


def test_the_second_to_drive_is_asked_and_the_first_told(site):
    with site.tab('a') as first, site.tab('b') as second:
        first.ask('draw', points=[[0, 0, 0]])
        first.until(lambda state: state['driver'] and state['driver']['you'])
        refused = second.ask('learn')
        assert not refused['ok']
        assert refused['asked']['who'] == 'page 1'
        assert second.ask('halt')['ok'], 'whoever looks on may halt'
        assert second.ask('drive', take=True)['ok']
        while not first.told:
            first.take()
        assert first.told == ['page 2 drives now.']
        assert first.ask('learn')['asked']['who'] == 'page 2'
        assert second.ask('learn')['ok']


def test_a_real_arm_is_halted_when_its_driver_goes_away(real_site):
    with real_site.tab('watcher') as watcher:
        with real_site.tab('driver') as driver:
            assert driver.ask('play')['ok']
            driver.until(lambda state: state['phase'] == 'playing')
        began = time.monotonic()
        watcher.until(lambda state: state['phase'] == 'halted')
        assert 1.5 < time.monotonic() - began < 4
        assert watcher.state['reason'] == 'the page that drove has gone away'
        assert any('gone away' in text for text in watcher.told)


def test_a_driver_that_is_there_is_not_halted(real_site):
    with real_site.tab('driver') as driver:
        driver.ask('play')
        for _ in range(30):
            driver.raw('{"do": "beat"}')
            time.sleep(0.1)
        assert driver.ask('draw', points=[[0, 0, 0]])['ok']
        assert driver.state['phase'] == 'playing'


def test_a_page_that_is_reloaded_in_time_does_not_halt(real_site):
    with real_site.tab('driver') as driver:
        driver.ask('play')
    time.sleep(0.5)
    with real_site.tab('driver') as again:
        for _ in range(25):
            again.raw('{"do": "beat"}')
            time.sleep(0.1)
        assert again.ask('draw', points=[[0, 0, 0]])['ok']
        assert again.state['phase'] == 'playing'
        assert again.state['you'] == 'page 1'


def test_a_simulated_arm_is_not_halted_by_a_page_that_goes(site):
    with site.tab('watcher') as watcher:
        with site.tab('driver') as driver:
            driver.ask('play')
        watcher.until(lambda state: state['driver'] is None)
        assert watcher.ask('tell')['ok']
        assert watcher.state['phase'] == 'playing'


def test_the_laboratory_knows_what_was_shown_and_answers_the_newest(site):
    with site.tab('a') as tab:
        tab.ask('draw', points=[[0, 0, 0]])
        numbers = [tab.send('ask', age=age) for age in (1, 2, 3)]
        answers = {}
        while len(answers) < 3:
            message = tab.take()
            if message.get('answer') in numbers:
                answers[message['answer']] = message
        assert answers[numbers[2]]['text'] == '3 of 1'
        assert answers[numbers[1]]['superseded']


def test_a_laboratory_that_is_started_again_knows_what_was_shown(site):
    with site.tab('a') as tab:
        tab.ask('draw', points=[[0, 0, 0]])
        assert not tab.ask('teach')['ok']
        deadline = time.monotonic() + 15
        while not (answer := tab.ask('ask', age=1))['ok']:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert answer['text'] == '1 of 1'


def test_another_model(site):
    with site.tab('a') as tab:
        assert not tab.ask('choose', model='three')['ok']
        assert tab.ask('choose', model='two')['ok']
        tab.until(lambda state: not state['ready'])
        tab.until(lambda state: state['ready'])
        assert site.client.get('/api/arm').json()['name'] == 'two'


def test_uploads_are_bounded_and_need_the_header(site):
    name = '/api/upload?client=a&name=x.csv'
    small = site.client.post(name, content=b'abc', headers=site.ours)
    assert small.json()['text'] == 'x.csv: 3 bytes'
    assert site.client.post(name, content=b'abc').status_code == 403
    big = site.client.post(name, content=b'a' * (2 ** 24 + 1), headers=site.ours)
    assert big.status_code == 413
    assert '16 MB' in big.json()['text']


@pytest.mark.parametrize('path', ['/', '/api/arm', '/api/halt', '/static/index.html'])
def test_other_hosts_names_and_websites_are_refused(site, path):
    for headers in ({'host': 'evil.example'}, {'origin': 'http://evil.example'}):
        for ask in (site.client.get, site.client.post):
            answer = ask(path, headers=headers)
            assert answer.status_code == 403
            assert '\n' not in answer.text


@pytest.mark.parametrize('origin', ['http://evil.example', 'null', ''])
def test_sockets_of_others_are_refused(site, origin):
    with pytest.raises(InvalidStatus), site.socket('a', origin=origin):
        pass


def test_messages_that_make_no_sense_harm_nobody(site):
    with site.tab('a') as tab:
        for text in ('', 'nix', '[]', '{"do": 3}', '{"do": "nix", "id": 9}', '[' * 100_000,
                     '{"do": "draw", "points": {}}', '{"do": "ask"}'):
            tab.raw(text)
        assert tab.ask('draw', points=[[0, 0, 0]])['ok']


def test_a_token_lets_in():
    with served(Chosen('one'), host='0.0.0.0') as site:
        token = site.access.token
        assert site.client.get('/').status_code == 403
        assert site.client.get('/?token=nix').status_code == 403
        entered = site.client.get(f'/?token={token}')
        assert entered.status_code == 303
        assert 'httponly' in entered.headers['set-cookie'].lower()
        site.client.cookies.set('smallbot_page', token)
        assert site.client.get('/static/index.html').status_code == 200


def test_every_page_is_told_not_to_load_from_elsewhere(site):
    headers = site.client.get('/').headers
    assert "default-src 'self'" in headers['content-security-policy']
    assert headers['x-content-type-options'] == 'nosniff'
