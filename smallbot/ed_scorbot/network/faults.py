# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a connection to a broker: in a line, with its cure.

From the exception or the code that a library gives. Not here: what follows from it.
"""

import socket
import ssl

from smallbot.ed_scorbot.network.broker import Broker, ENVIRONMENT

RUNNING = 'is it running?'
"""The cure where nobody answers."""
EXPIRED, NOT_YET = 10, 9
OTHER_NAME = (62, 64)
"""What OpenSSL calls these faults of a certificate: X509_V_ERR_*."""
NOT_TAKEN = (4, 5, 134, 135)
"""Answers to CONNECT that mean user or password, of MQTT 3 and 5."""
RESET = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


def unreachable(broker: Broker, error: BaseException | None) -> tuple[str, str]:
    """Return why no connection came about, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(broker, error)
    if isinstance(error, (ssl.SSLError, *RESET)):
        if isinstance(error, RESET) or getattr(error, 'reason', '') in (
                'WRONG_VERSION_NUMBER', 'UNEXPECTED_EOF_WHILE_READING', 'RECORD_LAYER_FAILURE'):
            return (f'broker {broker.where} does not speak TLS on this port',
                    'name the port of its TLS listener, often 8883; without ca_file nothing is '
                    'encrypted')
        return (f'TLS with broker {broker.where} fails ({getattr(error, "reason", error)})',
                'do both sides have TLS 1.2 or newer?')
    if isinstance(error, socket.gaierror):
        return f'broker {broker.host} is not known to the network', 'is its name right?'
    if isinstance(error, TimeoutError) and broker.ca_file:
        return (f'no answer in TLS of broker {broker.where}',
                'is it running, and is this the port of its TLS listener, often 8883?')
    return f'no connection to broker {broker.where}', RUNNING


def _certificate(broker: Broker, error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    code = error.verify_code
    if code == EXPIRED:
        return (f'the certificate of broker {broker.where} has expired',
                "renew it there, or set this machine's clock right")
    if code == NOT_YET:
        return (f'the certificate of broker {broker.where} is not valid yet',
                "is this machine's clock right?")
    if code in OTHER_NAME:
        return (f'the certificate of broker {broker.where} is for another name than '
                f'{broker.host}', 'name the broker as its certificate does')
    return (f'the certificate of broker {broker.where} is not signed by ca_file {broker.ca_file} '
            f'({error.verify_message})', 'name the certificate of the authority that signed it')


def refused(broker: Broker, code: object) -> tuple[str, str]:
    """Return why the broker refuses, from its answer to CONNECT, and what to do."""
    number = getattr(code, 'value', code)
    if number not in NOT_TAKEN:
        return f'broker {broker.where} refuses: {code}', 'what does its log say?'
    password = f'{ENVIRONMENT["password"]} or password_file'
    if not broker.user:
        return (f'broker {broker.where} wants a user and a password',
                f'set user or {ENVIRONMENT["user"]}, and {password}')
    return (f'broker {broker.where} does not take user {ascii(broker.user)[:60]} with this '
            f'password', f'are user, and {password}, right?')


def hung_up(broker: Broker) -> tuple[str, str]:
    """Return why a broker may have ended a connection that it never answered, and what to do."""
    if broker.ca_file:
        return (f'broker {broker.where} ends the connection before it answers',
                'does it want another certificate of ours than cert_file?' if broker.cert_file
                else 'does it want a certificate of ours (cert_file, key_file)?')
    return (f'broker {broker.where} ends the connection before it answers',
            'is this the port of its TLS listener? ca_file turns TLS on')


def subscription_refused(broker: Broker) -> tuple[str, str]:
    """Return that the broker lets us not hear the arm's topics, and what to do."""
    return (f'broker {broker.where} does not let user {ascii(broker.user)[:60]} hear the topics '
            f'of the arm', 'allow it in the access list of the broker')
