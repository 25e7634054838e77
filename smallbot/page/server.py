# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The server of the page: files, state, what is asked; nothing here computes.

It passes on what browsers ask to the processes behind it, tells every page what they say, and
halts the arm where the page that drives has gone. See docs/reference/page.md.
"""

import asyncio
import json
from pathlib import Path
import time
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from smallbot.errors import InputError
from smallbot.page.access import Access, COOKIE
from smallbot.page.behind.choice import MOST_UPLOAD
from smallbot.page.behind.processes import Behind
from smallbot.page.pages import Pages

STATIC = Path(__file__).resolve().parent / 'static'
LOOK = 0.1
"""Time between two looks at whether the driver is still there, s."""
MOST_ASKED = 2 ** 21
"""Bytes of a message of a browser."""
MOST_PAGES = 64
"""Connections at a time."""
BACKLOG = 200
"""Messages that wait for a page that is slow, before the oldest pose is left out."""
ANSWERED = 120.0
"""How long an ask may take, s."""
MINE = frozenset({'draw', 'example', 'record', 'learn', 'play', 'reset', 'choose', 'upload'})
"""What only the page that drives may ask."""
LABORATORY = frozenset({'ask', 'teach', 'tell'})
HEADER = 'x-smallbot'
"""Without it a request does nothing: forms of other websites cannot send it."""
SECURE = {
    'content-security-policy': "default-src 'self'; style-src 'self' 'unsafe-inline'; "
                               "img-src 'self' data: blob:; frame-ancestors 'none'; "
                               "base-uri 'none'; form-action 'none'; object-src 'none'",
    'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin', 'cross-origin-opener-policy': 'same-origin'}


class Server:
    """What the page knows, and who looks at it; lives in one event loop.

    Parameters: `behind`, the processes; `access`, its rules.
    """

    def __init__(self, behind: Behind, access: Access):
        self._behind, self._access = behind, access
        self._pages = Pages()
        self._outboxes: dict[int, tuple[str, asyncio.Queue[str]]] = {}
        self._state: dict[str, Any] = {'ready': False, 'waiting': 'starting', 'mode': None,
                                       'simulated': None, 'arm': None, 'phase': 'idle',
                                       'reason': '', 'fraction': 0.0, 'duration': 0.0,
                                       'recording': False, 'shown': None, 'learned': None,
                                       'played': None, 'busy': '', 'trouble': ''}
        self._kept: dict[str, Any] = {}
        """What `GET /api/NAME` returns: arm, shown, learned, played."""
        self._pose: str | None = None
        self._asks: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._looking: asyncio.Task | None = None

    def application(self) -> ASGIApp:
        """Return the ASGI application."""
        routes = [
            Route('/', self._index), Route('/api/{name:str}', self._get, methods=['GET']),
            Route('/api/upload', self._upload, methods=['POST']),
            Route('/api/halt', self._halt, methods=['POST']),
            WebSocketRoute('/live', self._live),
            Mount('/static', StaticFiles(directory=STATIC)),
            Route('/favicon.ico', lambda request: FileResponse(STATIC / 'icon.svg'))]
        app = Starlette(routes=routes, middleware=[
            Middleware(_Guard, access=self._access),
            Middleware(GZipMiddleware, minimum_size=500)])
        return app

    async def began(self) -> None:
        """Start what runs behind the page."""
        self._behind.start(asyncio.get_running_loop(), self._heard)
        self._looking = asyncio.create_task(self._look())

    async def ended(self) -> None:
        """Bring the arm to rest and end what runs behind the page."""
        if self._looking is not None:
            self._looking.cancel()
        await asyncio.get_running_loop().run_in_executor(None, self._behind.close)

    # --- requests

    async def _index(self, request: Request) -> Response:
        token = request.query_params.get('token')
        if token is not None:
            if self._access.token and not self._access.knows(token):
                return PlainTextResponse('the token is not the one that `smallbot page` '
                                         'printed when it started', 403)
            response = RedirectResponse('/', 303)
            response.set_cookie(COOKIE, token, httponly=True, samesite='strict')
            return response
        return FileResponse(STATIC / 'index.html', headers={'cache-control': 'no-cache'})

    async def _get(self, request: Request) -> Response:
        name = request.path_params['name']
        if name not in self._kept:
            return JSONResponse({'text': f'{name[:40]}: not there yet'}, 404)
        return Response(self._kept[name], media_type='application/json',
                        headers={'cache-control': 'no-store'})

    async def _upload(self, request: Request) -> Response:
        client = request.query_params.get('client', '')
        content = bytearray()
        async for part in request.stream():
            content += part
            if len(content) > MOST_UPLOAD:
                return JSONResponse({'ok': False, 'text': f'more than {MOST_UPLOAD >> 20} MB: '
                                     f'expected one movement; cut it, or start `smallbot demo '
                                     f'--demonstration FILE`'}, 413)
        answer = await self._asked(client, {
            'do': 'upload', 'name': request.query_params.get('name', '')[:200],
            'content': bytes(content)})
        return JSONResponse(answer)

    async def _halt(self, request: Request) -> Response:
        return JSONResponse(await self._pass_on('arm', {'do': 'halt'}))

    async def _live(self, socket: WebSocket) -> None:
        client = socket.query_params.get('client', '')[:64]
        if not client or len(self._outboxes) >= MOST_PAGES:
            await socket.close(1008)
            return
        await socket.accept()
        now = time.monotonic()
        self._pages.join(client, now)
        outbox: asyncio.Queue[str] = asyncio.Queue()
        self._outboxes[id(socket)] = client, outbox
        self._tell_state()
        if self._pose is not None:
            outbox.put_nowait(self._pose)
        sending = asyncio.create_task(self._send(socket, outbox))
        try:
            while True:
                text = await socket.receive_text()
                self._pages.heard(client, time.monotonic())
                ask = _parsed(text)
                if ask is None:
                    outbox.put_nowait(json.dumps({'told': 'a message that was not understood'}))
                elif ask['do'] != 'beat':
                    asyncio.create_task(self._answer(client, ask, outbox))
        except WebSocketDisconnect:
            pass
        finally:
            sending.cancel()
            del self._outboxes[id(socket)]
            self._pages.leave(client)
            self._tell_state()

    async def _send(self, socket: WebSocket, outbox: asyncio.Queue[str]) -> None:
        try:
            while True:
                await socket.send_text(await outbox.get())
        except (RuntimeError, WebSocketDisconnect):
            pass

    async def _answer(self, client: str, ask: dict[str, Any], outbox: asyncio.Queue[str]
                      ) -> None:
        number = ask.pop('id', None)
        answer = await self._asked(client, ask)
        outbox.put_nowait(json.dumps({**answer, 'answer': number}))

    # --- what is asked

    async def _asked(self, client: str, ask: dict[str, Any]) -> dict[str, Any]:
        """Do what a page asks; returns the answer."""
        name, now = ask['do'], time.monotonic()
        try:
            if name == 'drive':
                self._drive(client, now, bool(ask.get('take')))
                return {'ok': True, 'text': 'this page drives'}
            if name == 'leave':
                self._pages.release(client)
                self._tell_state()
                return {'ok': True, 'text': 'nobody drives'}
            if name in MINE:
                self._drive(client, now)
        except InputError as error:
            return {'ok': False, 'text': str(error), **getattr(error, 'answer', {})}
        if name == 'choose':
            if not self._behind.choose(str(ask.get('model'))):
                return {'ok': False, 'text': 'this model cannot be chosen here'}
            self._kept.clear()
            return {'ok': True, 'text': f'loading {ask["model"]}'}
        return await self._pass_on('laboratory' if name in LABORATORY else 'arm', ask)

    def _drive(self, client: str, now: float, take: bool = False) -> None:
        before = self._pages.driver
        self._pages.drive(client, now, take)
        if self._pages.driver != before:
            if before is not None:
                self._push({'told': f'{self._pages.name(client)} drives now.'}, only=before)
            self._tell_state()

    async def _pass_on(self, side: str, ask: dict[str, Any]) -> dict[str, Any]:
        """Pass on what is asked to a process, and wait for the answer."""
        self._number += 1
        number = self._number
        future = self._asks[number] = asyncio.get_running_loop().create_future()
        try:
            if not self._behind.ask(side, {**ask, 'id': number}):
                return {'ok': False, 'text': f'not ready: {self._state["waiting"] or side}'}
            return await asyncio.wait_for(future, ANSWERED)
        except TimeoutError:
            return {'ok': False, 'text': f'no answer within {ANSWERED:g} s'}
        finally:
            del self._asks[number]

    # --- what is heard

    def _heard(self, side: str, message: dict[str, Any] | None) -> None:
        """Take what a process says; None: it has ended, and is being started again."""
        if message is None:
            for future in self._asks.values():
                if not future.done():
                    future.set_result({'ok': False, 'text': f'the {side} process ended'})
            if side == 'arm':
                self._kept.clear()
                self._change(ready=False, arm=None, phase='idle', shown=None, learned=None,
                             played=None, waiting='starting again')
        elif 'answer' in message:
            future = self._asks.get(message.pop('answer'))
            if future is not None and not future.done():
                future.set_result(message)
        elif 'pose' in message:
            self._pose = json.dumps(message)
            self._push_text(self._pose, is_pose=True)
        elif 'state' in message:
            self._change(**message['state'])
        elif 'arm' in message:
            self._kept['arm'] = json.dumps(message['arm'])
        elif 'data' in message:
            self._kept[message['data']] = json.dumps(message['value'])
            if message['data'] == 'shown':
                self._behind.ask('laboratory', {'do': 'shown', 'value': message['value']})
        elif 'told' in message:
            self._push(message)
        elif 'wants' in message:  # a side that has just begun, perhaps again
            if message['wants'] in self._kept:
                self._behind.ask(side, {'do': message['wants'],
                                        'value': json.loads(self._kept[message['wants']])})
        elif 'waiting' in message:
            self._change(ready=False, waiting=message['waiting'])
        elif 'failed' in message:
            self._change(ready=False, waiting=message['failed'], trouble=message['failed'])

    def _change(self, **values: Any) -> None:
        if any(self._state[key] != value for key, value in values.items()):
            self._state.update(values)
            self._tell_state()

    def _tell_state(self) -> None:
        """Tell every page the state, with who drives."""
        driver = self._pages.driver
        for client, outbox in self._outboxes.values():
            outbox.put_nowait(json.dumps({'state': {
                **self._state, 'pages': self._pages.present, 'you': self._pages.name(client),
                'driver': driver and {'you': driver == client,
                                      'who': self._pages.name(driver)}}}))

    def _push(self, message: dict[str, Any], only: str | None = None) -> None:
        self._push_text(json.dumps(message), only)

    def _push_text(self, text: str, only: str | None = None, is_pose: bool = False) -> None:
        for client, outbox in self._outboxes.values():
            if only in (None, client) and not (is_pose and outbox.qsize() > BACKLOG):
                outbox.put_nowait(text)

    async def _look(self) -> None:
        """Let nobody drive when the driver has gone away; halt a real arm that it moves."""
        while True:
            await asyncio.sleep(LOOK)
            if not self._pages.away(time.monotonic()):
                continue
            who = self._pages.name(self._pages.driver)
            self._pages.release(self._pages.driver or '')
            if self._state['phase'] in ('easing', 'playing') and not self._state['simulated']:
                self._push({'told': f'halted: {who}, which drove, has gone away'})
                await self._pass_on('arm', {'do': 'halt',
                                            'reason': 'the page that drove has gone away'})
            self._tell_state()


class _Guard:
    """Refuses requests that the rules of access refuse, and says how pages may be used."""

    def __init__(self, app: ASGIApp, access: Access):
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope['type'] not in ('http', 'websocket'):
            await self._app(scope, receive, send)
            return
        request = Request(scope) if scope['type'] == 'http' else WebSocket(scope, receive, send)
        entering = scope['path'] == '/' and 'token' in request.query_params
        why = self._access.refusal(
            request.headers.get('host'), request.headers.get('origin'),
            self._access.token if entering else request.cookies.get(COOKIE))
        if scope['type'] == 'websocket':
            if why or request.headers.get('origin') is None:
                await request.close(1008)
                return
        else:
            if not why and scope['method'] not in ('GET', 'HEAD') and (
                    request.headers.get(HEADER) != 'page'):
                why = f'header {HEADER} is missing: only the page itself may ask this'
            if why:
                text = (JSONResponse({'ok': False, 'text': why}, 403)
                        if scope['path'].startswith('/api/') else PlainTextResponse(why, 403))
                await text(scope, receive, send)
                return

        async def secured(message) -> None:
            if message['type'] == 'http.response.start':
                message['headers'] += [(name.encode(), value.encode())
                                       for name, value in SECURE.items()]
            await send(message)

        await self._app(scope, receive, secured)


def _parsed(text: str) -> dict[str, Any] | None:
    """Return what a browser asks; None where it cannot be understood."""
    if len(text) > MOST_ASKED:
        return None
    try:
        ask = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return ask if isinstance(ask, dict) and isinstance(ask.get('do'), str) else None
