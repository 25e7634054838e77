# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Which MQTT broker, as whom and how encrypted.

The password is read from the environment or from a file, and is in no text that leaves here.
Not here: the connection (`mqtt_link`), what goes wrong on it (`faults`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
import os
from pathlib import Path
import re
import ssl

from smallbot.errors import InputError

ACCESS = {
    'user': 'name by which the MQTT broker knows us; empty: none',
    'password_file': 'file whose first line is the password',
    'ca_file': "certificate (PEM) of the authority that signed the broker's, which turns TLS on; "
               'system: those that the operating system trusts',
    'cert_file': 'our own certificate (PEM), where the broker wants one',
    'key_file': 'its private key (PEM, not encrypted), where it is not in cert_file',
}
"""What a connection may need beside host and port, empty where it does not."""
ENVIRONMENT = {name: f'SMALLBOT_MQTT_{name.upper()}' for name in (*ACCESS, 'password')}
"""Where it is taken from when it is not given."""
LONGEST_TEXT = 65535
"""Bytes of a user name or password that MQTT can carry."""


@dataclass(frozen=True)
class Broker:
    """See above; raises InputError for what cannot be a broker or cannot be read."""

    host: str = '127.0.0.1'
    port: int = 1883
    user: str = ''
    password: str = field(default='', repr=False)
    ca_file: str = ''
    cert_file: str = ''
    key_file: str = ''

    def __post_init__(self):
        _check_host(self.host, self.where)
        for what, text in (('user', self.user), ('password', self.password)):
            if '\x00' in text or len(text.encode(errors='replace')) > LONGEST_TEXT or any(
                    '\ud800' <= letter <= '\udfff' for letter in text):
                raise InputError(f'{what}: expected at most {LONGEST_TEXT} bytes of UTF-8 text')
        if self.password and not self.user:
            raise InputError(f'a password goes with a user: set user or {ENVIRONMENT["user"]}')
        if self.key_file and not self.cert_file:
            raise InputError(f'key_file {self.key_file} goes with cert_file')
        if self.cert_file and not self.ca_file:
            raise InputError(f'cert_file {self.cert_file} goes with ca_file, which turns TLS on')

    @property
    def where(self) -> str:
        """Return host and port as a text."""
        return f'{self.host}:{self.port}'

    @property
    def in_the_open(self) -> bool:
        """Return whether a password goes to another machine unencrypted."""
        return bool(self.password) and not self.ca_file and not (
            self.host == 'localhost' or self.host.startswith('127.') or self.host == '::1')

    def encryption(self) -> ssl.SSLContext | None:
        """Return what TLS needs, or None where it is not asked for.

        The broker's certificate has to be signed by `ca_file`, valid now and for `host`.
        Raises InputError for a file that cannot be used.
        """
        if not self.ca_file:
            return None
        try:
            context = ssl.create_default_context(
                cafile=None if self.ca_file == 'system' else self.ca_file)
        except ssl.SSLError:
            raise InputError(f'ca_file {self.ca_file}: holds no certificate in PEM') from None
        except (OSError, ValueError) as error:
            raise InputError(f'ca_file {self.ca_file}: {_reason(error)}') from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert_file:
            try:
                context.load_cert_chain(self.cert_file, self.key_file or None, _no_passphrase)
            except ssl.SSLError as error:
                why = ('are not of one pair' if error.reason == 'KEY_VALUES_MISMATCH' else
                       'hold no certificate and private key in PEM, not encrypted')
                raise InputError(f'cert_file {self.cert_file}, key_file '
                                 f'{self.key_file or "(the same)"}: {why}') from None
            except (OSError, ValueError) as error:
                raise InputError(f'cert_file {self.cert_file}, key_file {self.key_file}: '
                                 f'{_reason(error)}') from None
        return context


def broker_of(host: str, port: int, given: Mapping[str, str],
              environment: Mapping[str, str] = os.environ) -> Broker:
    """Return a broker with what is `given` of ACCESS and `password`, else from the environment.

    Raises InputError as `Broker`, and for a password that is there twice or cannot be read.
    """
    chosen = {name: given.get(name) or environment.get(variable, '')
              for name, variable in ENVIRONMENT.items()}
    path = chosen.pop('password_file')
    if given.get('password_file') and given.get('password'):
        raise InputError('password and password_file are both given: leave one out')
    if path and (given.get('password_file') or not chosen['password']):
        chosen['password'] = _first_line(path)
    return Broker(host, port, **chosen)


def _first_line(path: str) -> str:
    file = Path(path)
    try:
        if not file.is_file():
            raise InputError(f'password_file {path}: '
                             f'{"not a file" if file.exists() else "not there"}')
        with file.open('rb') as stream:
            line = stream.read(LONGEST_TEXT + 2).split(b'\n')[0].rstrip(b'\r').decode()
    except UnicodeDecodeError:
        raise InputError(f'password_file {path}: expected UTF-8 text') from None
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f'password_file {path}: {_reason(error)}') from None
    if not line:
        raise InputError(f'password_file {path}: its first line is empty')
    return line


def _check_host(host: str, where: str) -> None:
    if not host:
        raise InputError(f'broker {where}: Invalid host.')
    try:
        fits = len(host.encode('idna')) <= 253
    except UnicodeError:
        fits = False
    if not fits or not re.fullmatch(r'[^\s/@\x00-\x1f\x7f]+', host):
        raise InputError(f'broker {ascii(host)[:60]}: expected the name or the address of a host')


def _no_passphrase() -> str:
    """Keep OpenSSL from asking on a terminal."""
    raise ValueError('its private key is encrypted: give one that is not')


def _reason(error: Exception) -> str:
    return getattr(error, 'strerror', None) or str(error)
