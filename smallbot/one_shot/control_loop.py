"""The timed loop that plays a trainee on an arm: start, tick, stop, and how well it kept time.

Each tick asks the playback what to send for where the arm is, and sends it. The loop halts by
itself when the arm's states grow old, when the arm does not arrive or does not follow, when it is
not alone, when a tick comes much too late and when one fails. Every way to rest is that of
`stop`. Not here: topics, parameters and what may be played (the controller), the limits
(`playback`, `arm.safety`).
"""

from collections import deque
from collections.abc import Callable
import math
from pathlib import Path
import threading
import time
import traceback
from typing import Protocol

import numpy as np

from smallbot.arm.safety import EASE_SPEED, Watchdog
from smallbot.clock import steady
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

    def ready(self, pose: np.ndarray, now: float) -> bool:
        """Return whether a movement may begin."""

    def trouble(self, pose: np.ndarray, now: float) -> str:
        """Return why the movement must not go on; empty: it may."""

    def told(self, now: float) -> np.ndarray | None:
        """Return where the arm [J], rad, was told to be; None: as the velocities add up."""

    def send(self, velocity: np.ndarray, now: float) -> None:
        """Send velocities [J], rad/s."""

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
    """Ticks every `period` s, with absolute deadlines, while it is started.

    Parameters: `playback`, what decides about motion; `commands`, where its velocities go;
    `period`, s; `state_timeout`, age of the arm's state, s, beyond which a movement is halted;
    `listener`; `clock`, steady, s; `pause`, lets so many seconds pass. `lock` is held during a
    tick: whoever changes what a tick uses holds it as well.
    """

    def __init__(self, playback: Playback, commands: ArmCommands, period: float,
                 state_timeout: float, listener: Listener,
                 clock: Callable[[], float] = steady,
                 pause: Callable[[float], None] = time.sleep):
        self.playback = playback
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
                self._commands.end(self._clock())
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
            now = self._clock()
            self.pose, self._gone = pose, np.zeros_like(self._gone)
            if self._sent is not None:
                self._sent = (now, self._sent[1])
            self._state_age.feed(now)
            seen = self._seen
            seen.append((now, self._commands.driven(pose)))
            while now - seen[0][0] > SPEED_OVER and len(seen) > 1:
                seen.popleft()

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
            self._arrival_by = self._clock() + 2 * far / EASE_SPEED + SETTLING

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
                now, blind = self._clock(), np.full(len(self.playback.limits.lower), math.nan)
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
            now = self._clock()
            playback, pose = self.playback, self.pose
            if playback.moving and self._state_age.expired(now):
                lacking = f': {self.lacking}' if self.lacking else ''
                self._halt(f'joint_states stale for {self._state_age.age(now):.2f} s{lacking}',
                           'call snn_controller/reset when they are back')
            if playback.moving and self.company:
                self._halt(self.company, 'then call snn_controller/reset')
            if playback.phase is Phase.EASING and now > self._arrival_by:
                self._halt('the arm has not arrived at the start')
            if pose is not None and playback.moving:
                if not self._commands.ready(pose, now):
                    return
                if trouble := self._commands.trouble(pose, now):
                    self._halt(trouble)
            position = (np.full(len(playback.limits.lower), math.nan) if pose is None
                        else self._commands.driven(pose))
            moved, put_off = playback.moving, playback.late
            velocity = self.speed() if playback.silent else None
            if self._sent is not None:
                since, sent = self._sent
                self._gone, self._sent = self._gone + sent * (now - since), (now, sent)
            command = playback.command(now, position, velocity, position + self._gone,
                                       self._commands.told(now))
            if moved and playback.phase is Phase.HALTED:
                self._tell(self._listener.halted,
                           f'halted: {playback.reason}; call snn_controller/reset')
            elif playback.late > put_off:
                self._tell(self._listener.delayed, f'a late tick: the movement goes on from where '
                           f'the arm is, {playback.late - put_off:.3f} s later')
            events, self._events = self._events, []
            if playback.phase is Phase.PLAYING:
                self.cadence.ticked(now, late)
            if command is None:
                self._sent = None
                self._commands.rest()
            else:
                self._deliver(command, now)
        if events:
            self._listener.spiked(np.array(events))

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


class Cadence:
    """How well a loop kept its time during a playback."""

    def __init__(self):
        self._at: list[float] = []
        self._late: list[float] = []
        self._steps: list[float] = []

    def ticked(self, at: float, late: float) -> None:
        """Take note of a tick at the time `at`, `late` s after it was due."""
        self._at.append(at)
        self._late.append(late)

    def stepped(self, seconds: float) -> None:
        """Take note of how long a step of the network took, s."""
        self._steps.append(seconds)

    def values(self) -> dict[str, str]:
        """Return periods and steps in ms; nothing where too little was played to tell."""
        if len(self._late) < 2 or not self._steps:
            return {}
        periods = 1e3 * np.diff(self._at)
        return {'ticks': str(len(self._late)),
                'period_mean_ms': f'{periods.mean():.3f}',
                'period_sd_ms': f'{periods.std():.3f}',
                'period_max_ms': f'{periods.max():.2f}',
                'latest_tick_ms': f'{1e3 * max(self._late):.2f}',
                'network_step_p99_ms': f'{1e3 * np.percentile(self._steps, 99):.3f}'}

    def summary(self, period: float) -> str:
        """Return all that in a line, for ticks every `period` s."""
        values = self.values()
        if not values:
            return 'nothing played'
        return (f'{values["ticks"]} ticks of {1e3 * period:g} ms, measured '
                f'{values["period_mean_ms"]} +- {values["period_sd_ms"]} ms, the latest '
                f'{values["latest_tick_ms"]} ms late; network step '
                f'{values["network_step_p99_ms"]} ms (99th percentile)')
