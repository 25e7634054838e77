# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A server of the page with sides that do little, and browsers' ends of its socket."""

from contextlib import asynccontextmanager, contextmanager, nullcontext
import threading
import time

import pytest

pytest.importorskip('starlette')
httpx = pytest.importorskip('httpx')
uvicorn = pytest.importorskip('uvicorn')

from websockets.sync.client import connect  # noqa: E402

from smallbot.page.access import Access  # noqa: E402
from smallbot.page.behind.choice import Chosen  # noqa: E402
from smallbot.page.behind.processes import Behind  # noqa: E402
from smallbot.page.server import MOST_ASKED, Server  # noqa: E402
from smallbot.page.serving import bound  # noqa: E402

from .program import Tab  # noqa: E402
from .sides import SIDES  # noqa: E402


class Site:
    """A server that runs, for requests and tabs."""

    def __init__(self, server: Server, port: int, access: Access):
        self.server, self.access = server, access
        self.host = f'127.0.0.1:{port}'
        self.origin = f'http://{self.host}'
        self.ours = {'x-smallbot': 'page', 'origin': self.origin}
        self.client = httpx.Client(base_url=self.origin, timeout=20)

    @contextmanager
    def socket(self, name: str, **headers):
        """Yield a socket."""
        with connect(f'ws://{self.host}/live?client={name}', additional_headers={
                'origin': self.origin, **headers}) as socket:
            yield socket

    @contextmanager
    def tab(self, name: str):
        """Yield a page that looks on."""
        with self.socket(name) as socket:
            tab = Tab(socket)
            tab.until(lambda state: state.get('ready'))
            yield tab


class _InThread(uvicorn.Server):
    """Leaves signals to the tests."""

    def capture_signals(self):
        return nullcontext()


@contextmanager
def served(chosen: Chosen, sides=None, host: str = '127.0.0.1'):
    """Yield a site with these sides, on a port of its own."""
    listening = bound('127.0.0.1', 0)
    port = listening.getsockname()[1]
    access = Access.to(host, port)
    server = Server(Behind(sides or SIDES, chosen), access)
    application = server.application()
    ready = threading.Event()

    @asynccontextmanager
    async def life(app):
        await server.began()
        ready.set()
        yield
        await server.ended()

    application.router.lifespan_context = life
    runs = _InThread(uvicorn.Config(application, log_level='critical', ws_max_size=MOST_ASKED,
                                    timeout_graceful_shutdown=1))
    thread = threading.Thread(target=runs.run, kwargs={'sockets': [listening]}, daemon=True)
    thread.start()
    try:
        assert ready.wait(10)
        soon(lambda: runs.started)
        yield Site(server, port, access)
    finally:
        runs.should_exit = True
        thread.join(15)
        assert not thread.is_alive()


@pytest.fixture
def site():
    """Yield a site whose arm is simulated."""
    with served(Chosen('one', started_with=('one', 'two'))) as site:
        yield site


@pytest.fixture
def real_site():
    """Yield a site whose arm counts as real."""
    with served(Chosen('one', seed=1)) as site:
        yield site


def soon(condition, seconds: float = 10.0):
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, 'waited in vain'
        time.sleep(0.01)
