# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The timed loop that plays a trainee on an arm: start, tick, stop, and how well it kept time.

Each tick asks the playback what to send for where the arm is, and sends it. The loop halts by
itself when the arm's states grow old, when the arm does not arrive or does not follow, when it is
not alone or nobody listens, when the clock is set, when a tick comes much too late and when one
fails. While the clock that stamps the states stands still, nothing moves. Every way to rest is
that of `stop`. Not here: topics, parameters and what may be played (the controller), the limits
(`playback`, `arm.safety`), who follows (`arm.following`).
"""

from collections import deque
from collections.abc import Callable, Sequence
import math
from pathlib import Path
import threading
import time
import traceback
from typing import Protocol

import numpy as np

from smallbot.arm.following import Following
from smallbot.arm.safety import EASE_SPEED, Watchdog
from smallbot.cadence import Cadence
from smallbot.clock import MotionClock, STANDS, steady
from smallbot.one_shot.playback import Phase, Playback
from smallbot.one_shot.trainee import Trainee

PROGRESS_PERIOD = 0.1
"""Time between two reports of progress while moving, s."""
SETTLING = 10.0
"""Time beyond twice that of the way after which an arm that has not arrived is halted, s."""
BRAKING = 0.5
"""How much longer than braking takes a loop that ends waits for it, s."""
JOINING = 2.0
"""How long a loop that ends waits for its thread, s."""
UNSEEN = 0.1
"""Longest time without a tick or a state after which an arm counts as having gone on as told, s;
after a longer one it is watched anew."""
SPEED_OVER, SPEED_LEAST = 0.2, 0.05
"""Longest and shortest time over which the arm's speed is measured, s."""


def place_of(error: BaseException) -> str:
    """Return an exception in one line, with the file and the line where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f' at {Path(frames[-1].filename).name}:{frames[-1].lineno}' if frames else ''
    return ' '.join(f'{error!r}{where}'.split())


class ArmCommands(Protocol):
    """How velocities get to an arm's controller."""

    topic: str
    """Where they are sent, for messages."""

    def driven(self, pose: np.ndarray) -> np.ndarray:
        """Return the positions [J] of the driven joints among those watched [W]."""

    def heard(self) -> bool:
        """Return whether anybody listens to them."""

    def ready(self, pose: np.ndarray, now: float) -> bool:
        """Return whether a movement may begin."""

    def trouble(self, pose: np.ndarray, now: float) -> str:
        """Return why the movement must not go on; empty: it may."""

    def told(self, now: float) -> np.ndarray | None:
        """Return where the arm [J], rad, was told to be; None: as the velocities add up."""

    def send(self, velocity: np.ndarray, now: float) -> None:
        """Send velocities [J], rad/s."""

    def hold(self, velocity: np.ndarray, now: float) -> None:
        """Send velocities [J], rad/s, on the way to rest while the time `now` stands still."""

    def rest(self) -> None:
        """Take note that nothing is sent any more."""

    def end(self, now: float) -> None:
        """Send zeros until they are acknowledged."""


class Listener(Protocol):
    """Who is told what happens in the loop; called from its thread."""

    def progressed(self) -> None:
        """Take note of a new phase, or of the course of a movement, ten times a second."""

    def spiked(self, events: np.ndarray) -> None:
        """Take the spikes [E, 2], step and neuron, since the last tick."""

    def halted(self, text: str) -> None:
        """Take the reason of an automatic halt, with its cure."""

    def delayed(self, text: str) -> None:
        """Take what was done about a tick that came late."""

    def finished(self, text: str) -> None:
        """Take how well the cadence was kept in a movement that came to its end."""


class ControlLoop:
    """Ticks every `period` s of real time, with absolute deadlines, while it is started.

    Parameters: `playback`, what decides about motion; `commands`, where its velocities go;
    `period`, s; `state_timeout`, age of the arm's state, s, beyond which a movement is halted;
    `listener`; `clock`, steady, s; `pause`, lets so many seconds pass; `course`, s, the clock that
    stamps the arm's states, by which movements go, None: the steady one; `joints`, names of the
    driven joints. `lock` is held during a tick: whoever changes what a tick uses holds it as well.
    """

    def __init__(self, playback: Playback, commands: ArmCommands, period: float,
                 state_timeout: float, listener: Listener,
                 clock: Callable[[], float] = steady,
                 pause: Callable[[float], None] = time.sleep,
                 course: Callable[[], float] | None = None, joints: Sequence[str] = ()):
        self.playback = playback
        self.motion = MotionClock(clock, course, min(STANDS, state_timeout / 2))
        """The time that movements go by."""
        self.lock = threading.RLock()
        self.cadence = Cadence()
        self.pose: np.ndarray | None = None
        """Positions [W] of the joints watched, rad; None: nothing heard yet."""
        self.company = ''
        """Who else commands the arm or says where it is; empty: nobody. No movement beside it."""
        self.lacking = ''
        """What the last joint states lacked, where they could not be used; empty: nothing."""
        self._commands = commands
        self._period = period
        self._listener = listener
        self._clock, self._pause = clock, pause
        self._state_age = Watchdog(state_timeout)
        self._gone = np.zeros(len(playback.limits.lower))
        """What has been commanded since the last state adds up to [J], rad."""
        self._sent: tuple[float, np.ndarray] | None = None
        """When what was sent last, s and rad/s; None: nothing is being sent."""
        self._seen: deque[tuple[float, np.ndarray]] = deque()
        self._following = Following(playback.limits, joints, playback.lag)
        self._astray = ''
        """Which joint does not follow, by how much; empty: all do."""
        self._reckoned = -math.inf
        """When it was looked last what the arm has gone, s, real time."""
        self._stood_at = -math.inf
        """When the clock was seen to stand last, s, real time."""
        self._waited_at: float | None = None
        """When the movement was held last because of that; None: it goes on."""
        self._arrival_by = 0.0
        self._steps = 0
        self._events: list[tuple[int, int]] = []
        self._told = 0.0
        """When a progress was told last, s."""
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()

    # --- from outside

    def start(self) -> None:
        """Begin to tick, in a thread of its own."""
        self._ending.clear()
        self._thread = threading.Thread(target=self._run, daemon=True, name='control loop')
        self._thread.start()

    def stop(self, reason: str) -> None:
        """Halt what moves, end the loop, brake, and say zero until it is acknowledged.

        The last ticks are taken here, so that the arm comes to rest whatever has become of the
        thread. Where nothing was being sent, nothing is: the arm may be another's.
        """
        with self.lock:
            if self.playback.moving:
                self.playback.halt(reason)
                self._tell(self._listener.progressed)
            obliged = not (self.playback.silent and self.playback.at_rest)
        self._ending.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(JOINING)
        self._thread = None
        deadline = self._clock() + self.playback.braking_seconds + BRAKING
        while not self.at_rest and self._clock() < deadline:
            self.tick(0.0)
            self._pause(self._period)
        if obliged:
            try:
                self._commands.end(self.time())
            except Exception as error:
                self._tell(self._listener.halted, f'the last zero was not sent: {place_of(error)}')

    def halt(self, reason: str) -> None:
        """Brake at the acceleration limit, and stay halted until the playback's `reset`."""
        with self.lock:
            self.playback.halt(reason)

    def state(self, pose: np.ndarray) -> None:
        """Take where the watched joints are, [W], rad; one that is not finite is no news."""
        if not np.isfinite(pose).all():
            return
        with self.lock:
            now = self._look()
            self._reckon(now)
            driven = self._commands.driven(pose)
            self.pose, self._gone = pose, np.zeros_like(self._gone)
            self._state_age.feed(self._clock())
            seen = self._seen
            self._watch(driven, now - seen[-1][0] if seen else 0.0)
            seen.append((now, driven))
            while now - seen[0][0] > SPEED_OVER and len(seen) > 1:
                seen.popleft()

    def time(self) -> float:
        """Return the time, s, that movements go by."""
        with self.lock:
            return self._look()

    def _look(self) -> float:
        return self.motion.look(self.playback.moving or self.playback.at_rest)

    def _reckon(self, now: float) -> None:
        """Take that the arm has gone on as it was told until `now`."""
        real = self._clock()
        unseen, self._reckoned = real - self._reckoned, real
        if self._sent is None:
            return
        since, sent = self._sent
        elapsed, told = now - since, self._commands.told(now)
        self._gone, self._sent = self._gone + sent * elapsed, (now, sent)
        if unseen > UNSEEN:
            # It may have gone on, or have been stopped by a dead-man of its own.
            self._following.lose()
        elif told is None:
            self._following.advance(sent * elapsed, elapsed)
        else:
            self._following.advance_to(told, elapsed)

    def _watch(self, driven: np.ndarray, elapsed: float) -> None:
        """Compare where the joints [J], rad, are with where they were told to be."""
        playing = self.playback.moving or self.playback.phase is Phase.DONE
        if self._sent is None or not playing:
            self._following.lose()
        elif not self._following.known:
            self._following.begin(driven)
        elif not self._astray:
            self._astray = self._following.astray(driven, elapsed)

    def state_age(self) -> tuple[float, bool]:
        """Return how old the arm's state is, s, and whether that is too old to move by."""
        with self.lock:
            now = self._clock()
            return self._state_age.age(now), self._state_age.expired(now)

    def position(self) -> np.ndarray:
        """Return the driven joints' positions [J], rad, of the last state."""
        return self._commands.driven(self.pose)

    def speed(self) -> np.ndarray | None:
        """Return how fast the driven joints [J] are measured to be, rad/s; None: not known."""
        with self.lock:
            if len(self._seen) < 2 or self._state_age.expired(self._clock()):
                return None
            (first, before), (last, after) = self._seen[0], self._seen[-1]
            return (after - before) / (last - first) if last - first >= SPEED_LEAST else None

    def play(self, start: np.ndarray, duration: float, trainee: Trainee) -> None:
        """Drive to `start` [J], rad, then play what a rewound `trainee` says for `duration` s.

        Raises ValueError while halted, moving or in company.
        """
        with self.lock:
            if self.company:
                raise ValueError(self.company)

            def advance() -> np.ndarray:
                began = time.perf_counter()
                velocity, spiked = trainee.step()
                self.cadence.stepped(time.perf_counter() - began)
                self._events.extend((self._steps, int(neuron)) for neuron in spiked)
                self._steps += 1
                return velocity

            far = float(np.abs(start - self.position()).max())
            self.playback.start(start, duration, advance)
            self._steps, self._events, self.cadence = 0, [], Cadence()
            self._following.lose()
            self._astray = self.motion.jumped = ''
            self._arrival_by = self._look() + 2 * far / EASE_SPEED + SETTLING

    @property
    def topic(self) -> str:
        """Return where commands go, for messages."""
        return self._commands.topic

    @property
    def heard(self) -> bool:
        """Return whether anybody listens to commands."""
        return self._commands.heard()

    @property
    def at_rest(self) -> bool:
        """Return whether the last command was zero."""
        with self.lock:
            return self.playback.at_rest

    # --- the course of things

    def _run(self) -> None:
        """Tick with absolute deadlines; a late tick is not made up for by a burst."""
        deadline = self._clock()
        while not self._ending.is_set():
            self.turn(self._clock() - deadline)
            deadline += self._period
            if deadline < self._clock():
                deadline = self._clock()
            self._ending.wait(max(0.0, deadline - self._clock()))

    def turn(self, late: float) -> None:
        """Tick, `late` s after the time for it, and tell what has become of the movement."""
        now = self._clock()
        before = self.playback.phase
        self.tick(late)
        changed = self.playback.phase is not before
        if changed or (self.playback.moving and now - self._told > PROGRESS_PERIOD):
            self._tell(self._listener.progressed)
            self._told = now
            if changed and self.playback.phase is Phase.DONE:
                self._tell(self._listener.finished, self.cadence.summary(self._period))

    def tick(self, late: float) -> None:
        """Send what is due; `late` is by how much this comes after its time, s.

        Whatever fails in here does not leave the arm moving: the tick is taken again, halted and
        without what the arm's state or the network could do wrong.
        """
        try:
            self._send(late)
        except Exception as error:
            self.fail('control loop', error)
            with self.lock:
                now, blind = self._look(), np.full(len(self.playback.limits.lower), math.nan)
                try:
                    command = self.playback.command(now, blind)
                    if command is not None:
                        self._deliver(command, now)
                except Exception:  # said already; the next tick tries again
                    pass

    def fail(self, what: str, error: Exception) -> None:
        """Halt because of an exception in `what`, and say so where it is news."""
        text = f'{what}: {place_of(error)}'
        with self.lock:
            news = self.playback.phase is not Phase.HALTED
            self.playback.halt(f'internal error: {text}')
        if news:
            self._tell(self._listener.halted, text)

    def _tell(self, whom: Callable, *what) -> None:
        """Tell the listener; that it cannot listen keeps nothing from going on."""
        try:
            whom(*what)
        except Exception:
            traceback.print_exc()

    def _send(self, late: float) -> None:
        with self.lock:
            # Read under the lock: a state received while waiting for it must not seem to come
            # from the future, which the watchdog takes for a clock gone wrong.
            real, now = self._clock(), self._look()
            playback, pose = self.playback, self.pose
            self._check(real, now)
            if pose is not None and playback.moving and not self._commands.ready(pose, now):
                return
            position = (np.full(len(playback.limits.lower), math.nan) if pose is None
                        else self._commands.driven(pose))
            put_off = playback.late
            self._reckon(now)
            if playback.moving and self._must_wait(real):
                self._wait(real, now, position + self._gone)
                return
            self._waited_at = None
            moved, velocity = playback.moving, self.speed() if playback.silent else None
            phase = playback.phase
            command = playback.command(now, position, velocity, position + self._gone,
                                       self._commands.told(now))
            if playback.phase is Phase.PLAYING and phase is not Phase.PLAYING:
                self._following.begin(position)
            if moved and playback.phase is Phase.HALTED:
                self._tell(self._listener.halted,
                           f'halted: {playback.reason}; call snn_controller/reset')
            elif playback.late > put_off:
                self._tell(self._listener.delayed, f'a late tick: the movement goes on from where '
                           f'the arm is, {playback.late - put_off:.3f} s later')
            events, self._events = self._events, []
            if playback.phase is Phase.PLAYING:
                self.cadence.ticked(real, late)
            if command is None:
                self._sent = None
                self._commands.rest()
            else:
                self._deliver(command, now)
        if events:
            self._listener.spiked(np.array(events))

    def _check(self, real: float, now: float) -> None:
        """Halt where a movement must not go on."""
        playback, pose = self.playback, self.pose
        if self._astray and (playback.moving or playback.phase is Phase.DONE):
            self._halt(self._astray)
        if not playback.moving:
            return
        if self.motion.jumped:
            self._halt(f'the clock that stamps joint_states {self.motion.jumped}',
                       'was the simulation reset? Call snn_controller/reset')
        elif self._state_age.expired(real) and not self._must_wait(real):
            lacking = f': {self.lacking}' if self.lacking else ''
            self._halt(f'joint_states stale for {self._state_age.age(real):.2f} s{lacking}',
                       'call snn_controller/reset when they are back')
        elif self.company:
            self._halt(self.company, 'then call snn_controller/reset')
        elif not self._commands.heard():
            self._halt(f'nobody subscribes to {self._commands.topic} any more',
                       "is the arm's controller running?")
        elif playback.phase is Phase.EASING and now > self._arrival_by:
            self._halt('the arm has not arrived at the start')
        elif pose is not None and (trouble := self._commands.trouble(pose, now)):
            self._halt(trouble)

    def _must_wait(self, real: float) -> bool:
        """Return whether the clock stands still, or goes on and the states do not yet.

        A simulator that is paused says nothing of its arm; afterwards it has as long for it as
        any other.
        """
        if self.motion.standing:
            self._stood_at = real
            return True
        return (self._state_age.expired(real)
                and real <= self._stood_at + self._state_age.timeout)

    def _wait(self, real: float, now: float, position: np.ndarray) -> None:
        """Bring what moves to rest, in real time, for as long as the clock stands."""
        if self._waited_at is None:
            self._tell(self._listener.delayed, 'the clock that stamps joint_states stands still: '
                       'the movement waits, at rest')
        elapsed = self._period if self._waited_at is None else real - self._waited_at
        self._waited_at = real
        command = self.playback.hold(now, elapsed, position)
        if command is not None:
            self._commands.hold(command, now)
            self._sent = (now, command)

    def _deliver(self, command: np.ndarray, now: float) -> None:
        """Send a command; the next one goes on from the last that left."""
        try:
            self._commands.send(command, now)
        except Exception:
            self.playback.unsent()
            raise
        self._sent = (now, command)

    def _halt(self, reason: str, cure: str = '') -> None:
        self.playback.halt(reason)
        cure = cure or f'does it follow {self._commands.topic}?'
        self._tell(self._listener.halted, f'halted: {reason}; {cure}')


class SteppedLoop(ControlLoop):
    """A loop without a thread: who owns the clock calls `turn` every period while it runs."""

    running = False

    def start(self) -> None:
        """Wait for turns."""
        self.running = True

    def stop(self, reason: str) -> None:
        """Come to rest as any loop, in time that `pause` lets pass."""
        self.running = False
        super().stop(reason)
