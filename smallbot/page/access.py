# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Who may reach the page: hosts and origins that a browser may name, and a token for others.

A browser lets any website send requests to this machine; those carry the website's origin, or a
host name that is not ours. Not here: the server.
"""

from dataclasses import dataclass
from hmac import compare_digest
import ipaddress
import secrets
from urllib.parse import urlsplit

COOKIE = 'smallbot_page'
LOCAL_NAMES = ('localhost', '127.0.0.1', '[::1]')


def is_local(host: str) -> bool:
    """Return whether only this machine reaches a server on `host`."""
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Access:
    """The rules of one server."""

    host: str
    """As it is bound to."""
    port: int
    token: str
    """Asked for where others than this machine reach it; empty: none is."""

    @classmethod
    def to(cls, host: str, port: int) -> 'Access':
        """Return the rules for a server on `host`, with a new token if others reach it."""
        return cls(host, port, '' if is_local(host) else secrets.token_urlsafe(16))

    def address(self) -> str:
        """Return where a browser on this machine finds the page, with the token."""
        name = self.host
        if name in ('0.0.0.0', '::'):
            name = 'localhost'
        elif ':' in name:
            name = f'[{name}]'
        return f'http://{name}:{self.port}/' + (f'?token={self.token}' if self.token else '')

    def refusal(self, host: str | None, origin: str | None, cookie: str | None) -> str:
        """Return why a request is refused; empty: it is not.

        Parameters: its headers Host and Origin, and the value of its cookie.
        """
        if not self.token and not self._is_ours(host or ''):
            return (f'host {(host or "")[:100]!r}: this page answers on its own machine alone; '
                    f'--host lets others in')
        if origin is not None and urlsplit(origin).netloc != host:
            return f'origin {origin[:100]!r}: another website may not drive the arm'
        if self.token and not self.knows(cookie):
            return ('this page needs its token: open the address that `smallbot page` printed, '
                    'which ends in ?token=...')
        return ''

    def knows(self, token: str | None) -> bool:
        """Return whether a token is the right one, in a time that tells nothing of it."""
        return compare_digest((token or '').encode(), self.token.encode())

    def _is_ours(self, host: str) -> bool:
        named = f'[{self.host}]' if ':' in self.host else self.host
        return host in {name if self.port == 80 else f'{name}:{self.port}'
                        for name in (*LOCAL_NAMES, named)}
