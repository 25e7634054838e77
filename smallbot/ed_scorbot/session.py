"""A client's dealings with an ED-Scorbot: from asking who is there to set-points in motion.

Pure: messages, commands and the time come in, messages go out. Whatever moves the arm, a user's
velocities, the way home or the check of the signs, passes one `safety.Gate`; its velocities add
up to a commanded position, and that becomes trajectories of one point, held for `hold` seconds
and followed by the next only when the controller has said where the arm is. So at most one
set-point is ever on its way, a client that dies leaves the references as they are, and CANCEL,
which spoils the next trajectory when nothing runs, is never needed.
Not here: network, threads, ROS.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
import math

import numpy as np

from smallbot.arm.joint_limits import JointLimits
from smallbot.arm.kinematics import Arm
from smallbot.arm.safety import ease_velocity, Gate, LONGEST_GAP
from smallbot.demonstration.samples import (
    check_samples,
    Demonstration,
    shortest_duration,
    trial_positions,
)
from smallbot.ed_scorbot.convention import (
    apply_trajectory,
    Convention,
    convention_of,
    JOINTS,
    Message,
    METAINFO,
    published_limits,
    read_message,
    read_moved,
    request,
    Signal,
    WireError,
)
from smallbot.errors import InputError

PAUSE = 0.005
"""From a `moved` to the next trajectory, s: the controller needs a moment to take another."""
PATIENCE = 0.1
"""How much later than expected a `moved` may come before the set-point is sent again, s."""
STATE_TIMEOUT = 0.8
"""Time without a `moved` beyond which an arm in motion is stopped, s; its references cannot run
away meanwhile, as they stay near the last that was acknowledged (CATCH_UP)."""
ANSWER = 5.0
"""How long the controller has for its answers to CONNECT, DISCONNECT and a reset, s: it may have
to find the broker again."""
ASK_AGAIN = 2.0
"""Time between questions to an arm that does not answer, s."""
HOME_TOLERANCE = 3.0
"""Degrees by which the joints may miss the reference pose once home has been found."""
NUDGE = 4.0
"""Degrees by which each joint is moved to see that it follows in the right sense."""
SETTLING = 3.0
"""How long the arm is asked where it is after it has been told to stand, s."""
LOOK, FOLLOW = 0.3, 2.0
"""How long joints are given before they are compared, s: at home, and after a nudge."""
CATCH_UP = 1.5
"""How many times the way of full speed a set-point may lie from the last that was acknowledged:
what was held up on its way is made up for, but not at once."""
NUMBERS = 1.0
"""How much longer to wait for a `moved` that brings numbers, s."""
FOLLOWING = math.radians(45)
"""Largest distance between where the arm is told to be and where it is, rad: at full speed the
lag that was measured and the settled gain come to 34 degrees."""
ARRIVED = 1e-4
"""Distance of the commanded position from a target that counts as there, rad."""
STEPS = 250
"""Samples at which a demonstration's speed is judged."""


class Phase(Enum):
    """How far the dealings have come."""

    OFFLINE = 'no broker'
    SEEKING = 'no arm answers'
    FREE = 'not connected'
    RELEASING = 'disconnecting'
    CONNECTING = 'connecting'
    HOMING = 'searching home'
    CHECKING = 'checking reference pose and signs'
    READY = 'ready'


@dataclass(frozen=True)
class Settings:
    """What a user decides about a session."""

    convention: Convention
    client: str = 'smallbot'
    """Name under which the arm is owned."""
    robot: str = 'EDScorbot'
    """First part of the arm's topics."""
    hold: float = 0.05
    """How long each set-point is held, s."""
    command_timeout: float = 0.2
    """Time without a command beyond which an arm in motion is stopped, s."""
    acceleration: float = 6.0
    """Of the set-points, rad/s^2."""
    time_scale: float = 1.0
    """How many times longer than shown movements are played."""
    homing_timeout: float = 180.0
    """How long the search for home may take, s; documented is about two minutes."""
    take_over: bool = False
    """Whether to disconnect this client first where an earlier run of it left the arm owned."""
    period: float = 0.01
    """Time between two calls of `step`, s."""


@dataclass(frozen=True)
class Measurement:
    """Where the arm said it was."""

    at: float
    position: np.ndarray
    """[4], rad, in the order of JOINTS."""
    velocity: np.ndarray
    """[4], rad/s: the difference to the measurement before."""


class Session:
    """See above. Call `step` every `period` seconds and publish what it returns."""

    def __init__(self, arm: Arm, settings: Settings):
        """Drive the joints of `arm`, which must be among JOINTS; raises InputError if not."""
        strange = [name for name in arm.driven if name not in JOINTS]
        if strange:
            raise InputError(f'joint {strange[0]!r} is not driven by the ED-Scorbot: it has '
                             f'{", ".join(JOINTS)}')
        self.arm = arm
        self.settings = settings
        self.phase = Phase.OFFLINE
        self.trouble = 'not connected to the broker yet'
        """What keeps the arm from being used, with its cure; empty: nothing does."""
        self.refused = ''
        """Why the movement that was demonstrated is not for this arm; empty: it is."""
        self.measurement: Measurement | None = None
        self.resent = 0
        """Set-points that had to be sent again."""
        self.round_trips: list[float] = []
        """From set-point to `moved`, less the time it was held, s; the last 1000."""
        self._driven = [JOINTS.index(name) for name in arm.driven]
        self._commands = f'{settings.robot}/commands'
        self._moved = f'{settings.robot}/moved'
        self._take_over = settings.take_over
        self._limits(())
        # Later than this session notices a silent arm itself, and can say what is wrong.
        self.gate = Gate(self.limits, settings.period, settings.command_timeout,
                         STATE_TIMEOUT + 0.3)
        self._out: list[tuple[str, bytes]] = []
        self._owned = self._in_use = self._then_connect = False
        self._deadline = math.inf
        self._ask_at = -math.inf
        self._position = self._reached = np.zeros(4)
        """Commanded position [4], rad, and the last one that was acknowledged."""
        self._velocity = np.zeros(4)
        self._stepped_at: float | None = None
        self._moving_until = -math.inf
        self._target: np.ndarray | None = None
        self._check: list[tuple[np.ndarray, float]] = []
        self._origin: np.ndarray | None = None
        self._settled_at: float | None = None
        self._quiet()

    @property
    def topics(self) -> tuple[str, ...]:
        """Return what to subscribe to."""
        return (METAINFO, self._commands, self._moved)

    @property
    def stopped(self) -> str:
        """Return why the arm has been stopped, until `reset`; empty: it has not."""
        return self.gate.stopped

    @property
    def at_rest(self) -> bool:
        """Return whether the arm has been told where to stand, and said that it knows."""
        return self.gate.at_rest and self._sent_at is None

    @property
    def known(self) -> bool:
        """Return whether the last measurement still holds: nothing has moved the arm since."""
        return (self.phase in (Phase.READY, Phase.CHECKING) and self.at_rest
                and not self._unsure)

    def _quiet(self) -> None:
        """Forget about set-points under way."""
        self._reference: np.ndarray | None = None
        self._sent_at: float | None = None
        self._asked_at: float | None = None
        self._free_at = -math.inf
        self._unheard: list[tuple[float, np.ndarray]] = []
        """When set-points were sent that nothing has been heard of, and which."""
        self._again = self._news = False
        self._unsure = True

    def _limits(self, ranges: Sequence[tuple[float, float]]) -> None:
        """Intersect what is published, what the arm says and what the description allows."""
        published = published_limits(self.settings.convention, JOINTS,
                                     self.settings.acceleration, ranges)
        driven, own = self._driven, self.arm.limits
        lower, upper, speed = (array.copy() for array in (
            published.lower, published.upper, published.velocity))
        lower[driven] = np.maximum(lower[driven], own.lower)
        upper[driven] = np.minimum(upper[driven], own.upper)
        speed[driven] = np.minimum(speed[driven], own.velocity)
        self.limits = JointLimits(lower, upper, speed, published.acceleration)
        """What the arm may do, for JOINTS."""
        self._allowed = replace(self.arm, limits=JointLimits(
            *(array[driven] for array in (lower, upper, speed, published.acceleration))))

    # --- what comes in

    def online(self) -> None:
        """Note that the broker is there."""
        if self.phase is Phase.OFFLINE:
            self.phase = Phase.READY if self._in_use else Phase.SEEKING
            self.trouble = '' if self._in_use else (
                f'no arm {self.settings.robot!r} answers on topic {METAINFO}: is its controller '
                f'running, is robot:= its name?')
            self._ask_at = -math.inf

    def offline(self, reason: str) -> None:
        """Note that the broker is gone: an arm that is in use is stopped."""
        if self.phase is Phase.OFFLINE:
            self.trouble = f'{reason}: is it running?'
            return
        if self._owned:
            self.stop(f'{reason}: when it is back, call ed_scorbot_driver/reset')
        self._in_use = self.phase is Phase.READY
        self.phase, self.trouble = Phase.OFFLINE, f'{reason}: is it running?'
        self._out = []  # nothing stale may go out when it is back
        self._quiet()

    def heard(self, topic: str, payload: bytes, now: float) -> str:
        """Take a message; returns what is wrong with it, in a line, or nothing."""
        try:
            if topic == self._moved:
                self._on_moved(payload, now)
            elif topic == METAINFO:
                message = read_message(payload)
                if message.signal is Signal.METAINFO and message.name == self.settings.robot:
                    self._on_metainfo(message)
            elif topic == self._commands:
                self._on_reply(read_message(payload), now)
        except (WireError, InputError) as error:
            return f'{topic}: {error}'
        return ''

    def _on_metainfo(self, message: Message) -> None:
        if self.phase is not Phase.SEEKING:
            return
        spoken = convention_of(message.ranges)
        mine = self.settings.convention.name
        self._limits(message.ranges)
        self.gate.limits = self.limits
        self.phase = Phase.FREE
        self.trouble = 'call ed_scorbot_driver/home to connect; the arm then searches home'
        if spoken not in ('', mine):
            self.trouble = (f'the limits in its metainfo have the signs of {spoken}, not of '
                            f'{mine}: set convention:={spoken}')
            self.phase = Phase.SEEKING

    def _on_reply(self, message: Message, now: float) -> None:
        mine = message.client == self.settings.client
        signal = message.signal
        if signal is Signal.CONNECTED and not mine and self._owned:
            self._lose(f'client {message.client!r} has taken the arm: ask whoever runs it, then '
                       f'call ed_scorbot_driver/reset and home')
        elif signal is Signal.DISCONNECT and not mine and self._owned:
            self._lose(f'client {message.client!r} has disconnected and so made the arm search '
                       f'home: wait until it stands, then call ed_scorbot_driver/reset and home')
            self._owned = True  # it is still ours, and must be given back before it is taken
        elif signal is Signal.CONNECTED and mine and self.phase is Phase.CONNECTING:
            self._owned = True
            self._enter(Phase.HOMING, now + self.settings.homing_timeout)
        elif signal is Signal.HOME_SEARCHED and mine and self.phase is Phase.HOMING:
            self._begin_check()
        elif signal is Signal.DISCONNECTED and mine and self.phase is Phase.RELEASING:
            self._owned = False
            if not self._then_connect:
                self._enter(Phase.FREE)
                self.trouble = ('given back, and searching home; call ed_scorbot_driver/home to '
                                'connect again')
            else:  # HOME_SEARCHED comes for nobody
                self._deadline = now + self.settings.homing_timeout
        elif (signal is Signal.HOME_SEARCHED and message.client == ''
              and self.phase is Phase.RELEASING and not self._owned):
            self._connect(now)

    def _on_moved(self, payload: bytes, now: float) -> None:
        moved = read_moved(payload)
        if (moved.client != self.settings.client or not self._owned
                or self.phase is Phase.OFFLINE):
            return
        self._acknowledge(now)
        if not np.isfinite(moved.degrees).all():
            raise WireError(f'moved to {moved.degrees.tolist()}, expected numbers')
        position = self.settings.convention.position(moved.degrees)
        before = self.measurement
        if before is not None and 0 < now - before.at < 0.5:
            velocity = (position - before.position) / (now - before.at)
        else:
            velocity = np.zeros(4)
        self.measurement = Measurement(now, position, velocity)
        self._unsure, self._news = False, True
        if self.phase is Phase.READY:  # what a reset has asked for is answered
            self._deadline = math.inf
        astray = np.abs(position - self._position)
        if astray.max() > FOLLOWING:
            joint = int(astray.argmax())
            self.stop(f'{JOINTS[joint]} is {math.degrees(astray[joint]):.0f} degrees from where '
                       f'it was told to be: is it blocked, is the convention right?')

    def _acknowledge(self, now: float) -> None:
        """Note that a set-point has been held for its time; messages do not say which.

        One sent less than that ago it cannot be; of several others count on the first.
        """
        hold = self.settings.hold
        held = [sent for sent in self._unheard if now > sent[0] + 0.9 * hold]
        if held:
            self._reached = held[0][1]
            self._unheard = self._unheard[len(held):]
            self._asked_at = self._unheard[0][0] if self._unheard else None
        if self._sent_at is not None and not self._unheard:
            self.round_trips = [*self.round_trips[-999:], now - self._sent_at - hold]
            self._sent_at, self._asked_at, self._free_at = None, None, now + PAUSE

    # --- what users ask for

    def command(self, velocity: Sequence[float], now: float) -> str:
        """Take velocities of the driven joints, rad/s; returns a warning or nothing.

        Raises ValueError where the arm cannot be moved now or the command makes no sense. A
        command ends the way home.
        """
        values = np.asarray(velocity, dtype=float)
        if values.shape != (len(self._driven),) or not np.isfinite(values).all():
            raise ValueError(f'velocity command {list(velocity)}: expected {len(self._driven)} '
                             f'finite numbers, for {", ".join(self.arm.driven)}')
        if self.phase is not Phase.READY:
            raise ValueError(f'{self.phase.value}: {self.trouble or "wait"}')
        if self.refused and values.any():
            raise ValueError(self.refused)
        self._target = None
        wanted = np.zeros(4)
        wanted[self._driven] = values
        self.gate.command(wanted, now)
        fast = np.abs(wanted) > self.limits.velocity + 1e-9
        if fast.any():
            joint = int(fast.argmax())
            return (f'{JOINTS[joint]}: {wanted[joint]:.2f} rad/s, slowed to the '
                    f'{self.limits.velocity[joint]:.2f} that the arm allows')
        return ''

    def consider(self, demonstration: Demonstration) -> None:
        """Take or refuse the movement that is going to be played.

        It must lie inside every published limit, at `time_scale` also of speed. Raises
        InputError, and takes no command until a better one has been shown.
        """
        scale = self.settings.time_scale
        try:
            check_samples(demonstration, self._allowed)
            least = shortest_duration(trial_positions(demonstration, STEPS), self._allowed.limits)
            if demonstration.duration * scale < least:
                raise InputError(f'{demonstration.source}: too fast for the ED-Scorbot at time '
                                 f'scale {scale:g}: set a time scale of '
                                 f'{math.ceil(10 * least / demonstration.duration) / 10:.1f} '
                                 f'or more, for driver and controller alike')
        except InputError as error:
            self.refused = str(error)
            raise
        self.refused = ''

    def home(self, now: float) -> str:
        """Go to zero, connecting and searching home first where that has not been done.

        Returns what happens next; raises InputError where nothing can.
        """
        if self.stopped:
            raise InputError(f'stopped ({self.stopped}): call ed_scorbot_driver/reset first')
        if self.phase is Phase.READY:
            self._go(np.zeros(4), now)
            return 'going to zero at 0.2 rad/s'
        if self.phase is not Phase.FREE:
            raise InputError(f'{self.phase.value}: {self.trouble or "wait"}')
        if self._owned or self._take_over:
            self._take_over = False  # once: later it could disturb somebody else
            self._release(now, then_connect=True)
            return 'giving the arm back, connecting anew, searching home: up to four minutes'
        self._connect(now)
        return 'connecting and searching home: up to two minutes'

    def release(self, now: float) -> str:
        """Disconnect; the controller then searches home, so the arm moves."""
        if not self._owned or self.phase not in (Phase.READY, Phase.FREE):
            raise InputError(f'{self.phase.value}: there is nothing to give back')
        if not self.gate.at_rest:
            raise InputError('the arm moves: wait until it stands')
        self._release(now, then_connect=False)
        return 'giving the arm back; its controller makes it search home'

    def stop(self, reason: str) -> None:
        """Brake, and stay stopped until `reset`."""
        self._target = None
        self.gate.stop(reason)

    def reset(self, now: float) -> str:
        """Allow motion again; raises InputError while the arm brakes or is not in reach."""
        if self.phase is Phase.OFFLINE:
            raise InputError(self.trouble)
        try:
            self.gate.reset()
        except ValueError as error:
            raise InputError(str(error)) from None
        self._target = None
        if self.phase is not Phase.READY:
            return self.trouble or self.phase.value
        if not self._unsure:
            return 'standing still'
        # Ask where the arm is by sending it where it is known to have been sent.
        self._position = self._reached
        self._quiet()
        self._again = True
        self._enter(Phase.READY, now + ANSWER)
        return 'asking the arm where it is'

    # --- the course of things

    def step(self, now: float) -> list[tuple[str, bytes]]:
        """Move on to the time `now`, s; returns (topic, payload) to publish, with QoS 0."""
        if self.phase is Phase.OFFLINE:
            self._advance(now)
            return []
        if self.phase is Phase.SEEKING and now > self._ask_at:
            self._ask_at = now + ASK_AGAIN
            self._out.append((METAINFO, request(Signal.GET_METAINFO)))
        if now > self._deadline:
            self._too_late(now)
        if self.phase is Phase.CHECKING:
            self._run_check(now)
        self._advance(now)
        if self.phase in (Phase.CHECKING, Phase.READY):
            self._next_set_point(now)
        out, self._out = self._out, []
        return out

    def _advance(self, now: float) -> None:
        """Add what the gate has let through to the commanded position, ask it what passes now."""
        if self._stepped_at is not None and now > self._stepped_at:
            elapsed = min(now - self._stepped_at, LONGEST_GAP)
            self._position = self._position + self._velocity * elapsed
        self._stepped_at = now
        if self._news or self.known:
            self.gate.state(self._position, now)
            self._news = False
        if self._target is not None and not self.stopped:
            self._approach(now)
        self._velocity = self.gate.send(now)
        if self._velocity.any():
            self._moving_until = now + SETTLING

    def _go(self, target: np.ndarray, now: float) -> None:
        """Begin to ease to `target` [4], rad."""
        self._target = target
        self.gate.command(np.zeros(4), now)

    def _approach(self, now: float) -> None:
        if np.abs(self._target - self._position).max() >= ARRIVED:
            wanted = ease_velocity(self._position, self._target, self.settings.period)
        else:
            wanted = np.zeros(4)
            if self.gate.at_rest:
                self._target = None
        try:
            self.gate.command(wanted, now)
        except ValueError:  # no fresh state yet: the set-point under way brings one
            pass

    def _next_set_point(self, now: float) -> None:
        """Send where the arm is to be in the middle of the time it is held there."""
        hold = self.settings.hold
        asking = self.phase is Phase.READY and self._deadline < math.inf
        if (self._asked_at is not None and not asking
                and now > self._asked_at + hold + STATE_TIMEOUT):
            self.stop(f'the arm has not said where it is for {now - self._asked_at:.1f} s: is its '
                      f'controller running? ed_scorbot_driver/reset asks it')
            self._sent_at, self._asked_at, self._unsure = None, None, True
        if self._sent_at is not None:
            if now < self._sent_at + hold + PATIENCE:
                return
            self.resent += 1
            self._unsure = self._again = True
        if now < self._free_at or (self._unsure and self.stopped):
            return
        way = CATCH_UP * (hold + 2 * self.settings.period) * self.limits.velocity
        ahead = np.clip(self._position + 0.5 * hold * self._velocity,
                        self.limits.lower, self.limits.upper)
        ahead = np.clip(ahead, self._reached - way, self._reached + way)
        convention = self.settings.convention
        degrees = convention.nearest(convention.degrees(ahead))
        reference = convention.reference(degrees)
        if (np.array_equal(reference, self._reference) and not self._again
                and now > self._moving_until):
            return
        self._unheard.append((now, ahead))
        if self._asked_at is None:
            self._asked_at = now
        self._reference, self._sent_at, self._again = reference, now, False
        self._out.append((self._commands, apply_trajectory(
            self.settings.client, [(degrees.tolist(), round(1000 * hold))])))

    def _begin_check(self) -> None:
        """Look at the reference pose, then move every joint a little."""
        self._position = self._reached = self.settings.convention.position(np.zeros(4))
        self.measurement = None
        self._quiet()
        self._again = True
        self._origin = None
        self._settled_at = None
        out = self.settings.convention.position(np.full(4, NUDGE))
        self._check = [(self._position, LOOK), (out, FOLLOW)]
        self._enter(Phase.CHECKING, math.inf)

    def _run_check(self, now: float) -> None:
        """Go to each pose of the check, let the joints settle, measure, compare."""
        if self.stopped:
            self._fail(f'the check was stopped: {self.stopped}')
            return
        if self._target is not None:
            return
        target, settling = self._check[0]
        if np.abs(target - self._position).max() >= ARRIVED:
            self._go(target, now)
            return
        if self._settled_at is None:
            self._settled_at, self._again = now, True
            return
        fresh = self.measurement is not None and self.measurement.at > self._settled_at
        if now < self._settled_at + settling + (0.0 if fresh else NUMBERS):
            # measured again and again: a number that is missing may come the next time
            self._again = self._sent_at is None
            return
        if not fresh:
            self._fail('moved brings no numbers: look at the controller of the arm')
            return
        degrees = self.settings.convention.degrees(self.measurement.position)
        if self._origin is None:
            self._origin = degrees
            wrong = np.abs(degrees) > HOME_TOLERANCE
            told = 'home has been found, yet {} is at {:.1f} degrees: search home again'
        else:
            way = degrees - self._origin
            wrong = (way < 0.5 * NUDGE) | (way > 1.5 * NUDGE)
            degrees = way
            told = (f'told to move by {NUDGE:g} degrees, {{}} moved by {{:.1f}}: is the '
                    f'convention right?')
        if wrong.any():
            joint = int(wrong.argmax())
            self._fail(told.format(JOINTS[joint], degrees[joint]))
            return
        self._check.pop(0)
        self._settled_at = None
        if not self._check:
            self._enter(Phase.READY)
            self._go(np.zeros(4), now)

    def _too_late(self, now: float) -> None:
        phase, client = self.phase, self.settings.client
        if phase is Phase.CONNECTING:
            self._enter(Phase.FREE)
            self.trouble = (
                f'no answer to CONNECT: the arm belongs to another client, or to an earlier run '
                f'of this driver (client {client!r}); if nobody else uses it, start with '
                f'take_over:=true (smallbot demo: --take-over)')
        elif phase is Phase.RELEASING and self._owned is False and self._then_connect:
            self._connect(now)
        elif phase is Phase.RELEASING and self._then_connect:
            # no answer: it was not ours any more
            self._owned = False
            self._connect(now)
        elif phase is Phase.RELEASING:
            self._enter(Phase.FREE)
            self.trouble = 'no answer to DISCONNECT: look at the controller of the arm'
        elif phase is Phase.HOMING:
            self._fail(f'home not found in {self.settings.homing_timeout:g} s: look at the arm')
        elif phase is Phase.READY and self._unsure:
            self._lose('the arm does not say where it is: its controller is gone or was started '
                       'again, or another client owns it; call ed_scorbot_driver/home')
            if self.gate.at_rest:
                self.gate.reset()
        else:
            self._deadline = math.inf

    def _connect(self, now: float) -> None:
        self._enter(Phase.CONNECTING, now + ANSWER)
        self._out.append((self._commands, request(Signal.CONNECT, self.settings.client)))

    def _release(self, now: float, then_connect: bool) -> None:
        self._then_connect = then_connect
        self._enter(Phase.RELEASING, now + ANSWER)
        self._out.append((self._commands, request(Signal.DISCONNECT, self.settings.client)))

    def _enter(self, phase: Phase, deadline: float = math.inf) -> None:
        self.phase, self._deadline, self.trouble = phase, deadline, ''

    def _fail(self, trouble: str) -> None:
        """Give up what was being done; the arm stays ours and where it is."""
        self.stop(trouble)
        self._enter(Phase.FREE)
        self._quiet()
        self.trouble = trouble

    def _lose(self, trouble: str) -> None:
        """Give up an arm that is no longer in our hands."""
        self._fail(trouble)
        self._owned = False
