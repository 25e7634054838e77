# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A process behind the page: what is asked of it, what it says, and that it ends with the page.

A child is a function `main(line, options)` that runs until its line closes. Not here: what the
children do.
"""

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
import queue
import signal
import sys
import threading
from typing import Any, Protocol

from smallbot.errors import in_one_line, InputError

END_WITHIN = 3.0
"""How long a child may take to bring everything to rest when it is to end, s."""
Message = dict[str, Any]


class Line:
    """The child's end: asks come in, answers and news go out, from any thread."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self._lock = threading.Lock()
        self._newest: dict[str, Any] = {}

    def came(self, ask: Message) -> None:
        """Take note of what is asked, as the newest of its name."""
        self._newest[ask['do']] = ask.get('id')

    def superseded(self, ask: Message) -> bool:
        """Return whether the same has been asked again since."""
        return self._newest.get(ask['do']) != ask.get('id')

    def say(self, message: Message) -> None:
        """Send a message; that nobody listens any more is found out by `asks`."""
        try:
            with self._lock:
                self._connection.send(message)
        except OSError:
            pass

    def answer(self, ask: Message, ok: bool, text: str = '', **more: Any) -> None:
        """Answer what was asked."""
        self.say({'answer': ask.get('id'), 'ok': ok, 'text': text, **more})

    def next(self) -> Message | None:
        """Wait for what is asked; None: the page has gone, or asks this child to end."""
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            return None


Act = Callable[[Message], Message]
"""Does what was asked; returns what to answer, raises InputError where it cannot."""


def serve(line: Line, acts: dict[str, Act], at_once: dict[str, Act],
          latest: frozenset[str] = frozenset()) -> None:
    """Do what is asked, one after another, until the page has gone.

    `at_once` is done while something else is being done; of those in `latest` only the newest
    of its name is done, the others are answered as superseded.
    """
    waiting: queue.Queue[Message | None] = queue.Queue()

    def work() -> None:
        while (ask := waiting.get()) is not None:
            name = ask['do']
            if name in latest and line.superseded(ask):
                line.answer(ask, False, superseded=True)
                continue
            _do(line, acts[name], ask)

    worker = threading.Thread(target=work, daemon=True, name='work')
    worker.start()
    while (ask := line.next()) is not None:
        name = ask.get('do')
        if name in at_once:
            _do(line, at_once[name], ask)
        elif name in acts:
            line.came(ask)
            waiting.put(ask)
        else:
            line.answer(ask, False, f'{name!r} is not known here')
    waiting.put(None)
    worker.join(END_WITHIN)


def _do(line: Line, act: Act, ask: Message) -> None:
    try:
        line.answer(ask, True, **act(ask))
    except InputError as error:
        line.answer(ask, False, in_one_line(error), **getattr(error, 'answer', {}))
    except Exception as error:  # a fault of ours must not take the arm's side away
        line.answer(ask, False, in_one_line(f'a fault of smallbot itself, '
                                            f'{type(error).__name__}: {error}'))


class Main(Protocol):
    """What runs in a child."""

    def __call__(self, line: Line, options: Any) -> None:
        """Run until the line closes."""


def _run(main: Main, connection: Connection, options: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the page's, which then closes
    line = Line(connection)
    try:
        main(line, options)
    except InputError as error:
        line.say({'failed': in_one_line(error)})
        sys.exit(error.code)


class Child:
    """The page's end of a child; `heard` is called in a thread of its own with what it says.

    `heard` is called with None once when it has ended.
    """

    def __init__(self, name: str, main: Main, options: Any,
                 heard: Callable[[Message | None], None]):
        context = get_context('spawn')
        self._connection, other = context.Pipe()
        self._lock = threading.Lock()
        self._heard = heard
        self.process = context.Process(target=_run, args=(main, other, options), name=name,
                                       daemon=True)
        self.process.start()
        other.close()
        self._reader = threading.Thread(target=self._read, daemon=True, name=f'{name} heard')
        self._reader.start()

    def ask(self, message: Message | None) -> bool:
        """Send what is asked, None to end; returns whether somebody is there to do it."""
        try:
            with self._lock:
                self._connection.send(message)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Let the child come to rest and end; end it where it does not."""
        self.ask(None)
        self.process.join(END_WITHIN + 1.0)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    def _read(self) -> None:
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                break
            self._heard(message)
        self._heard(None)
