# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The page as a program: bind, start what is behind it, serve until asked to end."""

from collections.abc import Callable
from contextlib import asynccontextmanager, nullcontext
import signal
import socket

import uvicorn

from smallbot.errors import InputError
from smallbot.page.access import Access
from smallbot.page.behind.processes import Behind
from smallbot.page.server import MOST_ASKED, Server

GRACE = 1
"""How long open connections may take to end, s."""


class _Served(uvicorn.Server):
    """Ends on SIGINT and SIGTERM, and says nothing more of it."""

    def capture_signals(self):
        """Take them here: they are the ordinary end of a page."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: setattr(self, 'should_exit', True))
        return nullcontext()


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raises InputError where that cannot be."""
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)  # who comes before the server does waits, and is not turned away
    except OSError as error:
        listening.close()
        raise InputError(f'--host {host} --port {port}: {error.strerror or error}; --port 0 takes '
                         f'any that is free') from None
    return listening


def serve(listening: socket.socket, access: Access, behind: Behind,
          ready: Callable[[], None]) -> None:
    """Serve the page on a socket until SIGINT or SIGTERM; `ready` is called when it answers."""
    server = Server(behind, access)
    inner = server.application()

    @asynccontextmanager
    async def life(app):
        await server.began()
        ready()
        yield
        await server.ended()

    inner.router.lifespan_context = life
    config = uvicorn.Config(inner, log_level='critical', access_log=False, ws='auto',
                            ws_max_size=MOST_ASKED, ws_ping_interval=5, ws_ping_timeout=5,
                            timeout_graceful_shutdown=GRACE, server_header=False)
    _Served(config).run(sockets=[listening])
