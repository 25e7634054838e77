# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Connections to a real broker: who may, how encrypted, and what is said where not."""

import os
from pathlib import Path
import shutil
import subprocess
import sys
import time

import pytest

from smallbot.cli.main import main
from smallbot.ed_scorbot.network.broker import Broker, broker_of
from smallbot.ed_scorbot.network.faults import RUNNING
from smallbot.ed_scorbot.network.mqtt_link import LONGEST, MOST, MOST_BYTES, MqttLink
from smallbot.errors import InputError

from .secured import Authority, PASSWORD, SecuredBroker

TOPICS = ('metainfo', 'EDScorbot/commands', 'EDScorbot/moved')


@pytest.fixture(scope='module')
def secured(tmp_path_factory):
    """Return a started broker with its certificates and ports by name."""
    pytest.importorskip('paho.mqtt.client', reason='needs paho-mqtt: pip install paho-mqtt')
    for program in ('openssl', 'mosquitto_passwd'):
        if not shutil.which(program):
            pytest.skip(f'needs the program {program}')
    if not (shutil.which('mosquitto') or shutil.which('mosquitto', path='/usr/sbin')):
        pytest.skip('needs a broker: apt install mosquitto')

    def wait_for(condition, what):
        deadline = time.monotonic() + 30.0
        while not condition():
            assert time.monotonic() < deadline, what
            time.sleep(0.01)
    folder = tmp_path_factory.mktemp('secured')
    made = SecuredBroker(folder, wait_for)
    made.own, made.other = Authority(folder, 'own'), Authority(folder, 'other')
    made.client = made.own.sign('client')
    made.tls_port = made.tls(*made.own.sign('server'))
    made.expired_port = made.tls(*made.own.sign('expired', days=('20200101', '20210101')))
    made.early_port = made.tls(*made.own.sign('early', days=('20980101', '20990101')))
    made.elsewhere_port = made.tls(*made.own.sign('elsewhere', 'DNS:other.example'))
    made.mutual_port = made.tls(*made.own.sign('mutual'), f'cafile {made.own.certificate}',
                                'require_certificate true')
    made.start()
    yield made
    made.stop()


def first_event(broker, seconds=30.0):
    """Return what a connection comes to, and what is said of it."""
    link = MqttLink(broker, TOPICS)
    try:
        found = [event for event in link.wait(seconds) if event.kind != 'message']
        time.sleep(0.1)  # what a fault would bring after it
        found += [event for event in link.events() if event.kind != 'message']
    finally:
        link.close()
    said = ' '.join(f'{event.reason}: {event.cure}' for event in found)
    assert PASSWORD not in said and 'wrong one' not in said and '\n' not in said
    assert found, 'nothing'
    return found[0], said


def test_a_user_with_password_and_tls_is_let_in_alone_and_with_a_certificate_of_its_own(secured):
    known = {'user': 'driver', 'password': PASSWORD}
    ca = {'ca_file': str(secured.own.certificate)}
    certificate, key = map(str, secured.client)
    for broker in (
            Broker(port=secured.port, **known), Broker(port=secured.tls_port, **known, **ca),
            Broker(port=secured.mutual_port, **known, **ca, cert_file=certificate, key_file=key)):
        event, said = first_event(broker)
        assert event.kind == 'online', said


@pytest.mark.parametrize(('what', 'reason', 'cure'), [
    ('no user', 'wants a user and a password', 'SMALLBOT_MQTT_PASSWORD'),
    ('wrong password', "does not take user 'driver' with this password", 'password_file'),
    ('wrong user', "does not take user 'nobody' with this password", 'password_file'),
    ('wrong authority', 'is not signed by ca_file', 'the authority that signed it'),
    ('system', 'is not signed by ca_file system', 'the authority that signed it'),
    ('expired', 'has expired', 'renew it'),
    ('early', 'is not valid yet', "this machine's clock"),
    ('elsewhere', 'is for another name than 127.0.0.1', 'name the broker as its certificate'),
    ('plain to tls', 'ends the connection before it answers', 'ca_file turns TLS on'),
    ('tls to plain', 'does not speak TLS on this port', 'often 8883'),
    ('no certificate', 'ends the connection before it answers', 'cert_file'),
    ('nobody there', 'no connection to broker', RUNNING),
    ('unknown host', 'is not known to the network', 'is its name right?'),
])
def test_each_fault_is_one_line_with_its_cure_and_nothing_is_tried_in_the_open(
        secured, what, reason, cure):
    given = {'user': 'driver', 'password': PASSWORD, 'port': secured.tls_port,
             'ca_file': str(secured.own.certificate)}
    given |= {
        'no user': {'user': '', 'password': ''}, 'wrong password': {'password': 'wrong one'},
        'wrong user': {'user': 'nobody'},
        'wrong authority': {'ca_file': str(secured.other.certificate)},
        'system': {'ca_file': 'system'}, 'expired': {'port': secured.expired_port},
        'early': {'port': secured.early_port}, 'elsewhere': {'port': secured.elsewhere_port},
        'plain to tls': {'ca_file': ''}, 'tls to plain': {'port': secured.port},
        'no certificate': {'port': secured.mutual_port}, 'nobody there': {'port': 9},
        'unknown host': {'host': 'no-such-host.invalid'}}[what]
    event, said = first_event(Broker(**given))
    assert event.kind == 'offline' and reason in event.reason and cure in event.cure, said
    assert 'online' not in said and said.count('broker') < 4


@pytest.mark.parametrize(('given', 'said'), [
    ({'host': ''}, 'Invalid host'), ({'host': 'a' * 300}, 'expected the name'),
    ({'host': 'a b'}, 'expected the name'), ({'host': 'a\x00'}, 'expected the name'),
    ({'host': '\ud800'}, 'expected the name'), ({'host': 'mqtt://a'}, 'expected the name'),
    ({'password': 'secret'}, 'a password goes with a user'),
    ({'user': 'a\x00b'}, 'user: expected'), ({'user': '\udcff'}, 'user: expected'),
    ({'user': 'a', 'password': 'secret' * 20000}, 'password: expected'),
    ({'key_file': 'k'}, 'key_file k goes with cert_file'),
    ({'cert_file': 'c'}, 'cert_file c goes with ca_file'),
    ({'ca_file': '/nowhere'}, 'ca_file /nowhere: No such file'),
    ({'ca_file': '.'}, 'ca_file .: '), ({'ca_file': __file__}, 'holds no certificate'),
    ({'ca_file': 'system', 'cert_file': '/nowhere'}, 'No such file'),
    ({'ca_file': 'system', 'cert_file': __file__}, 'hold no certificate and private key'),
])
def test_what_cannot_be_a_broker_is_one_line_that_keeps_the_password(given, said):
    with pytest.raises(InputError) as refused:
        Broker(**given).encryption()
    assert said in str(refused.value) and '\n' not in str(refused.value)
    assert 'secret' not in str(refused.value)


def test_a_key_with_a_passphrase_or_of_another_certificate_is_named(secured, tmp_path):
    from .secured import openssl
    certificate, key = secured.client
    locked = tmp_path / 'locked.key'
    openssl('ec', '-in', key, '-aes128', '-passout', 'pass:secret', '-out', locked)
    for other, said in ((locked, 'encrypted'), (secured.own.folder / 'server.key', 'one pair')):
        with pytest.raises(InputError, match=said):
            Broker(ca_file='system', cert_file=str(certificate), key_file=str(other)).encryption()


def test_password_and_user_come_from_what_is_given_then_from_the_environment(tmp_path):
    path = tmp_path / 'password'
    path.write_text('from a file\r\nsecond line\n')
    environment = {'SMALLBOT_MQTT_USER': 'me', 'SMALLBOT_MQTT_PASSWORD': 'from there',
                   'SMALLBOT_MQTT_CA_FILE': 'system'}
    assert broker_of('h', 1, {}, {}) == Broker('h', 1)
    found = broker_of('h', 1, {}, environment)
    assert (found.user, found.password, found.ca_file) == ('me', 'from there', 'system')
    assert 'from there' not in repr(found)
    found = broker_of('h', 1, {'user': 'you', 'password_file': str(path)}, environment)
    assert (found.user, found.password) == ('you', 'from a file')
    path.write_text('\n')
    os.mkfifo(tmp_path / 'pipe')
    for name, said in (('password', 'its first line is empty'), ('none', 'not there'),
                       ('pipe', 'not a file'), ('.', 'not a file')):
        with pytest.raises(InputError, match=said):
            broker_of('h', 1, {'user': 'a', 'password_file': str(tmp_path / name)}, {})
    with pytest.raises(InputError, match='both given') as refused:
        broker_of('h', 1, {'password': 'secret', 'password_file': 'p'}, {})
    assert 'secret' not in str(refused.value)


def test_the_emulated_arm_is_reached_over_tls_and_a_guest_is_told_what_he_may_not(
        secured, tmp_path):
    from smallbot.arm.kinematics import default_arm
    from smallbot.ed_scorbot.on_broker import found, OnBroker
    path = tmp_path / 'password'
    path.write_text(PASSWORD)
    environment = {**os.environ, 'SMALLBOT_MQTT_USER': 'arm',
                   'PYTHONPATH': str(Path(__file__).resolve().parents[2])}
    ca = {'ca_file': str(secured.own.certificate)}
    with subprocess.Popen(
            [sys.executable, '-m', 'smallbot', 'ed-scorbot', 'emulate', '--port',
             str(secured.tls_port), '--ca-file', ca['ca_file'], '--password-file', str(path)],
            stdout=subprocess.PIPE, text=True, env=environment) as arm:
        try:
            assert 'is on 127.0.0.1' in arm.stdout.readline()
            known = {'port': secured.tls_port, 'password': PASSWORD, **ca}
            driven = default_arm(('base', 'shoulder'))
            assert found(OnBroker(Broker(user='driver', **known)), driven, 1.0).phase
            with pytest.raises(InputError, match='may this user read and write it'):
                found(OnBroker(Broker(user='guest', **known)), driven, 1.0)
        finally:
            arm.terminate()


def test_the_command_line_says_it_in_a_line_and_ends_with_2(secured, capsys, monkeypatch):
    monkeypatch.setenv('SMALLBOT_MQTT_USER', 'driver')
    monkeypatch.setenv('SMALLBOT_MQTT_PASSWORD', 'wrong one')
    code = main(['ed-scorbot', 'emulate', '--port', str(secured.port)])
    said = capsys.readouterr().err
    assert code == 2 and said.count('\n') == 1 and 'wrong one' not in said
    assert "does not take user 'driver'" in said


def test_what_waits_to_be_read_is_bounded_and_the_link_goes_on(broker, wait_for):
    link = MqttLink(Broker(port=broker.port), ('loud',))
    loud = MqttLink(Broker(port=broker.port), ('quiet',))
    try:
        for one in (link, loud):
            one.reach(10.0, 'no broker')
        assert loud.publish('loud', b'x' * (8 << 20))
        wait_for(lambda: link.dropped == 1, 'a message of 8 MB to be dropped')
        for _ in range(2 * MOST):
            loud.publish('loud', b'y' * (MOST_BYTES // MOST // 4))
        for _ in range(60):
            loud.publish('loud', b'z' * (LONGEST - 1))
        wait_for(lambda: link.dropped > MOST, 'the others to be dropped')
        found = [event for event in link.events() if event.kind == 'message']
        assert len(found) <= MOST and sum(len(e.payload) for e in found) <= MOST_BYTES
        loud.publish('loud', b'last')
        wait_for(lambda: any(e.payload == b'last' for e in link.events()), 'what comes later')
    finally:
        link.close()
        loud.close()
