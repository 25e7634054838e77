# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A client's dealings with an ED-Scorbot: from asking who is there to giving it back.

Pure: messages, commands and the time come in, messages go out. A client that dies leaves the
references as they are, and CANCEL, which spoils the next trajectory when nothing runs, is never
needed.
Not here: how the arm is moved (`set_points`), what is checked once it has found home
(`homing_check`), network, threads, ROS.
"""

from collections.abc import Sequence
from enum import Enum
import math

import numpy as np

from smallbot.arm.joint_limits import JointLimits
from smallbot.arm.kinematics import Arm
from smallbot.demonstration.samples import Demonstration
from smallbot.ed_scorbot.allowance import Allowance
from smallbot.ed_scorbot.convention import convention_of, JOINTS
from smallbot.ed_scorbot.homing_check import HomingCheck, Verdict
from smallbot.ed_scorbot.measurement import Measurement
from smallbot.ed_scorbot.others import ECHOED, Others
from smallbot.ed_scorbot.set_points import SetPoints
from smallbot.ed_scorbot.settings import Settings
from smallbot.ed_scorbot.wire import (
    apply_trajectory,
    Message,
    METAINFO,
    read_message,
    read_moved,
    request,
    shown,
    Signal,
    WireError,
)
from smallbot.errors import InputError

ANSWER = 5.0
"""How long the controller has for its answers to CONNECT, DISCONNECT and a reset, s: it may have
to find the broker again."""
ASK_AGAIN = 2.0
"""Time between questions to an arm that does not answer, s."""
REQUESTS = {Signal.CONNECT, Signal.DISCONNECT, Signal.MOVE_TO_POINT, Signal.APPLY_TRAJECTORY,
            Signal.CANCEL_TRAJECTORY}
"""What clients say; all else comes from the arm's controller."""


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


class Session:
    """See above. Call `step` every `period` seconds and publish what it returns."""

    def __init__(self, arm: Arm, settings: Settings):
        """Drive the joints of `arm`, which must be among JOINTS; raises InputError if not."""
        strange = [name for name in arm.driven if name not in JOINTS]
        if strange:
            raise InputError(f'joint {strange[0]!r} is not driven by the ED-Scorbot: it has '
                             f'{", ".join(JOINTS)}')
        self._allowance = Allowance(arm, settings.convention, settings.acceleration)
        self.arm = arm
        self.settings = settings
        self.phase = Phase.OFFLINE
        self.trouble = 'not connected to the broker yet'
        """What keeps the arm from being used, with its cure; empty: nothing does."""
        self.refused = ''
        """Why the movement that was demonstrated is not for this arm; empty: it is."""
        self.measurement: Measurement | None = None
        self._driven = [JOINTS.index(name) for name in arm.driven]
        self._commands = f'{settings.robot}/commands'
        self._moved = f'{settings.robot}/moved'
        self._take_over = settings.take_over
        self._set_points = SetPoints(
            settings.convention, self._allowance.limits, settings.hold, settings.period,
            settings.command_timeout)
        self._check = HomingCheck(settings.convention)
        self._others = Others(settings.client)
        self._owned_at = math.inf
        self._passes = False
        self._out: list[tuple[str, bytes]] = []
        self._owned = self._in_use = self._then_connect = False
        self._deadline = math.inf
        self._ask_at = -math.inf

    @property
    def topics(self) -> tuple[str, ...]:
        """Return what to subscribe to."""
        return (METAINFO, self._commands, self._moved)

    @property
    def stopped(self) -> str:
        """Return why the arm has been stopped, until `reset`; empty: it has not."""
        return self._set_points.stopped

    @property
    def at_rest(self) -> bool:
        """Return whether the arm has been told where to stand, and said that it knows."""
        return self._set_points.at_rest and self._set_points.answered

    @property
    def known(self) -> bool:
        """Return whether the last measurement still holds: nothing has moved the arm since."""
        return self._sending and self._set_points.known

    @property
    def limits(self) -> JointLimits:
        """Return what the arm may do, for JOINTS."""
        return self._set_points.limits

    @property
    def late_steps(self) -> tuple[int, float]:
        """Return how many steps came late in motion, and how late the last of them did, s."""
        return self._set_points.late_steps, self._set_points.latest

    def mover(self, now: float) -> str:
        """Return in words who else moves the arm at present; empty: nobody has been heard."""
        return self._others.mover(now)

    @property
    def resent(self) -> int:
        """Return how many set-points had to be sent again."""
        return self._set_points.resent

    @property
    def round_trips(self) -> list[float]:
        """Return the times from set-point to `moved`, less that of holding, s; the last 1000."""
        return self._set_points.round_trips

    @property
    def _sending(self) -> bool:
        """Return whether the arm takes set-points."""
        return self.phase in (Phase.READY, Phase.CHECKING)

    # --- what comes in

    def online(self) -> None:
        """Note that the broker is there."""
        if self.phase is Phase.OFFLINE:
            self.phase = Phase.READY if self._in_use else Phase.SEEKING
            self.trouble = '' if self._in_use else (
                f'no arm {self.settings.robot!r} answers on topic {METAINFO}: is its controller '
                f'running, is robot:= its name?')
            self._ask_at = -math.inf

    def offline(self, reason: str, cure: str = 'is it running?') -> None:
        """Note that the broker is gone: an arm that is in use is stopped."""
        if self.phase is Phase.OFFLINE:
            self.trouble = f'{reason}: {cure}'
            return
        if self._owned:
            self.stop(f'{reason}: when it is back, call ed_scorbot_driver/reset')
        self._in_use = self.phase is Phase.READY
        self.phase, self.trouble = Phase.OFFLINE, f'{reason}: {cure}'
        self._out = []  # nothing stale may go out when it is back
        self._set_points.forget()

    def heard(self, topic: str, payload: bytes, now: float) -> str:
        """Take a message; returns what is wrong with it, in a line, or nothing."""
        try:
            if topic == self._moved:
                return self._on_moved(payload, now)
            if topic == METAINFO:
                message = read_message(payload)
                self._passes = self._passes or message.signal is Signal.GET_METAINFO
                if message.signal is Signal.METAINFO and message.name == self.settings.robot:
                    self._on_metainfo(message)
            elif topic == self._commands and not self._others.echo(payload, now):
                message = read_message(payload)
                if message.signal in REQUESTS:
                    return self._on_request(message, now)
                self._on_reply(message, now)
        except (WireError, InputError) as error:
            return f'{topic}: {error}'
        return ''

    def _on_metainfo(self, message: Message) -> None:
        if self.phase is not Phase.SEEKING:
            return
        spoken = convention_of(message.ranges)
        mine = self.settings.convention.name
        if spoken not in ('', mine):
            self.trouble = (f'the limits in its metainfo have the signs of {spoken}, not of '
                            f'{mine}: set convention:={spoken}')
            return
        allowance = Allowance(self.arm, self.settings.convention, self.settings.acceleration,
                              message.ranges)
        if not allowance.has_room(np.stack([HomingCheck(self.settings.convention).pose,
                                            np.zeros(4)])):
            self.trouble = (f'the limits in its metainfo leave no room around home and zero: '
                            f'{shown(message.ranges)}')
            return
        self._allowance = allowance
        self._set_points.limits = allowance.limits
        self.phase = Phase.FREE
        self.trouble = 'call ed_scorbot_driver/home to connect; the arm then searches home'

    def _on_request(self, message: Message, now: float) -> str:
        """Take what another client wants of the arm; returns a line about it, or nothing."""
        client, signal = message.client, message.signal
        who = self._others.named(client)
        if signal in (Signal.MOVE_TO_POINT, Signal.APPLY_TRAJECTORY):
            self._others.moves(client, now)
            if not self._owned:
                return f'{who} commands the arm'
            if client == self.settings.client:  # which the controller obeys
                self._disturbed(f'{who} moves the arm: end it')
            else:  # it obeys the owner alone
                self.stop(f'{who} commands the arm too: end it')
        elif signal is Signal.DISCONNECT and self._owned and self.phase is not Phase.RELEASING:
            self._disturbed(f'{who} has disconnected and so made the arm search home: wait until '
                            f'it stands')
        elif self._owned:
            return f'{who} sends {signal.name}'
        return ''

    def _on_reply(self, message: Message, now: float) -> None:
        mine = message.client == self.settings.client
        signal = message.signal
        if signal is Signal.CONNECTED and not mine and self._owned:
            self._lose(f'client {shown(message.client)} has taken the arm: ask whoever runs it, '
                       f'then call ed_scorbot_driver/reset and home')
        elif (signal is Signal.DISCONNECTED and mine and self._owned
              and self.phase is not Phase.RELEASING):
            self._disturbed('the arm was given back under our name and searches home: wait until '
                            'it stands')
        elif signal is Signal.CONNECTED and mine and self.phase is Phase.CONNECTING:
            self._owned, self._owned_at = True, now
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

    def _on_moved(self, payload: bytes, now: float) -> str:
        moved = read_moved(payload)
        if self.phase is Phase.OFFLINE or not moved.client:
            return ''
        if moved.client != self.settings.client:
            self._others.moves(moved.client, now)
            if self._owned and now > self._owned_at + ECHOED:  # else left from before
                self._disturbed(f'{self._others.named(moved.client)} moves the arm: end it')
            return ''
        if not self._owned:
            return ''
        if not self._set_points.acknowledge(now):
            return 'the arm answers what it was not asked from here'
        if not np.isfinite(moved.degrees).all():
            raise WireError(f'moved to {moved.degrees.tolist()}, expected numbers')
        position = self.settings.convention.position(moved.degrees)
        self.measurement = Measurement.after(self.measurement, position, now)
        if self.phase is Phase.CHECKING:
            self._check.measured(position, now)
        if self.phase is Phase.READY:  # what a reset has asked for is answered
            self._deadline = math.inf
        self._set_points.measured(position)
        return ''

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
        wanted = np.zeros(4)
        wanted[self._driven] = values
        self._set_points.command(wanted, now)
        fast = np.abs(wanted) > self.limits.velocity + 1e-9
        if fast.any():
            joint = int(fast.argmax())
            return (f'{JOINTS[joint]}: {wanted[joint]:.2f} rad/s, slowed to the '
                    f'{self.limits.velocity[joint]:.2f} that the arm allows')
        return ''

    def consider(self, demonstration: Demonstration) -> None:
        """Take or refuse the movement that is going to be played.

        Raises InputError, and takes no command until a better one has been shown.
        """
        try:
            self._allowance.consider(demonstration, self.settings.time_scale)
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
            self._set_points.go(np.zeros(4), now)
            return 'going to zero at 0.2 rad/s'
        if self.phase is not Phase.FREE:
            raise InputError(f'{self.phase.value}: {self.trouble or "wait"}')
        self._alone(now)
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
        if not self._set_points.at_rest:
            raise InputError('the arm moves: wait until it stands')
        self._release(now, then_connect=False)
        return 'giving the arm back; its controller makes it search home'

    def stop(self, reason: str) -> None:
        """Brake, and stay stopped until `reset`."""
        self._set_points.stop(reason)

    def reset(self, now: float) -> str:
        """Allow motion again; raises InputError while the arm brakes or is not in reach."""
        if self.phase is Phase.OFFLINE:
            raise InputError(self.trouble)
        self._alone(now)
        try:
            self._set_points.reset()
        except ValueError as error:
            raise InputError(str(error)) from None
        if self.phase is not Phase.READY:
            return self.trouble or self.phase.value
        if self._set_points.sure:
            return 'standing still'
        # Ask where the arm is by sending it where it is known to have been sent.
        self._set_points.start_from(self._set_points.reached)
        self._enter(Phase.READY, now + ANSWER)
        return 'asking the arm where it is'

    def _alone(self, now: float) -> None:
        """Raise InputError where another moves the arm, or tries to."""
        if self._others.mover(now):
            raise InputError(f'{self._others.mover(now)} commands the arm: end it first')

    # --- the course of things

    def step(self, now: float) -> list[tuple[str, bytes]]:
        """Move on to the time `now`, s; returns (topic, payload) to publish, with QoS 0."""
        if self.phase is Phase.OFFLINE:
            self._set_points.step(now, sending=False)
            return []
        if self.phase is Phase.SEEKING and now > self._ask_at:
            if self._ask_at > -math.inf and not self._passes:
                self.trouble = (f'the broker passes nothing on, not even our own question on '
                                f'topic {METAINFO}: may this user read and write it, '
                                f'{self._commands} and {self._moved}?')
            self._ask_at = now + ASK_AGAIN
            self._out.append((METAINFO, request(Signal.GET_METAINFO)))
        if now > self._deadline:
            self._too_late(now)
        if self.phase is Phase.CHECKING:
            self._run_check(now)
        degrees = self._set_points.step(
            now, self._sending, patient=self.phase is Phase.READY and self._deadline < math.inf)
        if degrees is not None:
            self._out.append((self._commands, apply_trajectory(
                self.settings.client,
                [(degrees.tolist(), round(1000 * self.settings.hold))])))
        out, self._out = self._out, []
        for topic, payload in out:
            if topic == self._commands:
                self._others.sent(payload, now)
        return out

    def _begin_check(self) -> None:
        self.measurement = None
        self._check = HomingCheck(self.settings.convention)
        self._set_points.start_from(self._check.pose)
        self._enter(Phase.CHECKING)

    def _run_check(self, now: float) -> None:
        """Go to each pose of the check and have it looked at."""
        if self.stopped:
            self._fail(f'the check was stopped: {self.stopped}')
            return
        if self._set_points.going:
            return
        if not self._set_points.is_at(self._check.pose):
            self._set_points.go(self._check.pose, now)
            return
        verdict = self._check.look(now)
        if verdict is Verdict.ARRIVED:
            self._set_points.ask()
        elif verdict is Verdict.SETTLING:
            self._set_points.keep_asking()
        elif verdict is Verdict.FAILED:
            self._fail(self._check.trouble)
        elif verdict is Verdict.PASSED:
            self._enter(Phase.READY)
            self._set_points.go(np.zeros(4), now)

    def _too_late(self, now: float) -> None:
        phase, client = self.phase, self.settings.client
        if phase is Phase.CONNECTING:
            self._enter(Phase.FREE)
            self.trouble = (
                f'no answer to CONNECT: the arm belongs to another client, or to an earlier run '
                f'of this driver (client {client!r}); if nobody else uses it, start with '
                f'take_over:=true (smallbot demo: --take-over)')
        elif phase is Phase.RELEASING and self._then_connect:
            self._owned = False  # no answer: it was not ours any more
            self._connect(now)
        elif phase is Phase.RELEASING:
            self._enter(Phase.FREE)
            self.trouble = 'no answer to DISCONNECT: look at the controller of the arm'
        elif phase is Phase.HOMING:
            self._fail(f'home not found in {self.settings.homing_timeout:g} s: look at the arm')
        elif phase is Phase.READY and not self._set_points.sure:
            self._lose('the arm does not say where it is: its controller is gone or was started '
                       'again, or another client owns it; call ed_scorbot_driver/home')
            if self._set_points.at_rest:
                self._set_points.reset()
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
        self._set_points.forget()
        self.trouble = trouble

    def _disturbed(self, trouble: str) -> None:
        """Give up an arm that another has moved; it is ours, to be given back and homed anew."""
        self._fail(f'{trouble}, then call ed_scorbot_driver/reset and home')

    def _lose(self, trouble: str) -> None:
        """Give up an arm that is no longer in our hands."""
        self._fail(trouble)
        self._owned = False
