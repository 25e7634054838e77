# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""How an arm is shown a movement: a simulated one by a guiding hand, a real one by commands.

Both are led by `demo_director` and use its waiting and calling. Not here: recording, learning,
playing.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from smallbot.arm.kinematics import Arm
from smallbot.clock import steady
from smallbot.demonstration.samples import Demonstration
from smallbot.demonstration.trial_grid import trial_positions
from smallbot.ed_scorbot.convention import JOINTS
from smallbot.ed_scorbot.measured_servo import lag_and_fastest
from smallbot.ed_scorbot.session import Phase as ArmPhase
from smallbot.nodes.common.messages import (
    demonstration_message,
    joint_positions,
    LATCHED,
    RELIABLE,
    STATE,
    STREAM,
    values_of,
)
from smallbot.one_shot.playback import Phase, Playback
from smallbot.simulation.simulated import SETTLED

PATIENCE = 20.0
"""How long to wait for other nodes to appear or answer, s."""
PERIOD = 0.01
"""Time between commands to a real arm, s."""
HOMING = 600.0
"""How long giving back, connecting, searching home and checking may take together, s; the driver
gives up by itself long before."""
AT_ZERO = 0.03
"""Distance from zero at which every joint of a real arm counts as there, rad."""
STILL, STILL_FOR = 0.01, 0.4
"""Speed, rad/s, below which a real arm that goes on for so many seconds stands."""
SILENCE = 0.5
"""Time without commands after which nobody sends any, s."""
BRAKE = 2.0
"""How long an arm may take to brake, s."""
ASTRAY = 0.15
"""Distance from the end of the movement at which a real arm has not followed, rad."""


class DirectorError(RuntimeError):
    """A step of the demonstration that did not work; the message says which and what to try."""


class Lead(Protocol):
    """What a hand needs of the director."""

    position: np.ndarray | None
    tell: Callable[[str], None]
    call: Callable[[str], str]
    wait: Callable[[Callable[[], Any], float, str], None]
    pause: Callable[[float], None]


class GuidingHand:
    """Moves a simulated arm through its topic `guide`."""

    SERVICES = ()
    owns = False

    def __init__(self, node: Node, lead: Lead, shown: Demonstration):
        self._lead, self._shown = lead, shown
        self._guide = node.create_publisher(JointTrajectory, 'guide', RELIABLE)

    def trouble(self) -> str:
        """Return why nothing more can come of it: never."""
        return ''

    def to_start(self) -> None:
        """Take the arm to where the movement begins."""
        lead, shown = self._lead, self._shown
        lead.wait(lambda: lead.position is not None, PATIENCE,
                  'joint_states: is arm_simulator running?')
        lead.wait(lambda: self._guide.get_subscription_count() > 0, PATIENCE,
                  'a simulated arm that listens to topic guide')
        first = shown.position[0]
        lead.tell(f'1/5 guide   taking the arm to the start of {_name(shown)}')
        self._guide.publish(demonstration_message(
            replace(shown, time=np.array([0.0, 0.5]), position=np.stack([first] * 2))))
        far = np.abs(lead.position - first).max()
        lead.wait(lambda: np.abs(lead.position - first).max() < SETTLED, PATIENCE + 6 * far,
                  'the arm to reach the start: does the guide message fit its joints?')
        lead.pause(0.4)
        lead.tell(f'2/5 record  {shown.duration:.1f} s of {", ".join(shown.joints)}')

    def show(self) -> None:
        """Move the arm as shown, and a little longer."""
        lead, shown = self._lead, self._shown
        self._guide.publish(demonstration_message(shown))
        lead.pause(shown.duration + 0.1)
        last = shown.position[-1]
        lead.wait(lambda: np.abs(lead.position - last).max() < SETTLED, PATIENCE,
                  'the arm to reach the end of the demonstration')
        lead.pause(0.1)

    def stop(self) -> None:
        """Do nothing: a guided arm stops by itself."""

    def whereabouts(self) -> str:
        """Return what has become of the arm after `stop`."""
        return 'the arm has been stopped'

    def finish(self) -> None:
        """Do nothing: a simulated arm needs no farewell."""


class CommandingHand:
    """Leads the arm of `ed_scorbot_driver` by velocity commands, from home to giving it back.

    A real arm cannot be guided: what it shows is a commanded movement, `time_scale` times slower
    than in the file, with the correction of the playback.
    """

    SERVICES = ('ed_scorbot_driver/home', 'ed_scorbot_driver/release')

    def __init__(self, node: Node, lead: Lead, shown: Demonstration, arm: Arm, steps: int,
                 time_scale: float, correction: float):
        self._lead, self._shown = lead, shown
        self._duration = time_scale * shown.duration
        self._velocity = np.diff(trial_positions(shown, steps), axis=0) / (shown.duration / steps)
        self._playback = Playback(arm.limits, steps, shown.duration / steps, PERIOD, correction,
                                  lag_and_fastest(arm.driven)[0])
        self._driver: tuple[str, dict[str, str]] = ('', {})
        self.owns = False
        """Whether the arm was asked for and has not been given back."""
        self._joints: np.ndarray | None = None
        self._moved_at = self._commanded_at = -np.inf
        self._node = node
        self._commands: Publisher | None = None
        """There only while this hand commands: a controller does not move beside another."""
        node.create_subscription(
            Float64MultiArray, 'velocity_controller/commands', self._on_command, STREAM)
        node.create_subscription(
            DiagnosticStatus, 'ed_scorbot_driver/phase', self._on_phase, LATCHED)
        node.create_subscription(JointState, 'joint_states', self._on_state, STATE)
        node.create_timer(PERIOD, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def trouble(self) -> str:
        """Return why nothing more can come of it; empty: it goes on."""
        phase, values = self._driver
        why = values.get('stopped') or values.get('refused')
        return f'ed_scorbot_driver: {phase}: {why}' if why else ''

    def to_start(self) -> None:
        """Connect, search home, check, and go to where the movement begins."""
        lead, shown = self._lead, self._shown
        lead.wait(lambda: self._driver[0], PATIENCE,
                  'ed_scorbot_driver/phase: is ed_scorbot_driver running?')
        self._expect(lambda: not self._is(ArmPhase.OFFLINE, ArmPhase.SEEKING), PATIENCE)
        if not self._is(ArmPhase.READY):
            lead.tell(f'1/5 home    {lead.call("ed_scorbot_driver/home")}')
            self.owns = True
            self._expect(lambda: not self._is(ArmPhase.FREE), PATIENCE)
            self._expect(lambda: self._is(ArmPhase.READY, ArmPhase.FREE), HOMING)
            if not self._is(ArmPhase.READY):
                raise DirectorError(f'ed_scorbot_driver: {self._said()}')
            self._reach_zero()
        else:
            lead.tell('1/5 home    connected already, going to zero')
            self.owns = True
            self._go_to_zero()
        lead.tell(f'            connected, checked and at zero; to the start of {_name(shown)}')
        self._play(0.1, lambda: np.zeros(len(shown.joints)))
        lead.tell(f'2/5 record  {self._duration:.1f} s of {", ".join(shown.joints)}, commanded')

    def show(self) -> None:
        """Command the movement; ends when the arm stands."""
        source = iter(self._velocity)
        self._play(self._duration, lambda: next(source))
        away = np.abs(self._lead.position - self._shown.position[-1]).max()
        if away > ASTRAY:
            raise DirectorError(f'the arm ended {np.degrees(away):.0f} degrees from where it was '
                                f'commanded: give it more time (time scale) or correction')

    def stop(self) -> None:
        """Brake; ends when zero has been commanded."""
        if self._playback.moving:
            self._playback.halt('stopped')
            try:
                self._lead.wait(lambda: self._playback.at_rest, BRAKE, 'the arm to brake')
            except DirectorError:  # the driver stops it as soon as commands cease
                pass
        self._fall_silent()

    def whereabouts(self) -> str:
        """Return what has become of the arm after `stop`."""
        if self._is(ArmPhase.CONNECTING, ArmPhase.HOMING, ArmPhase.RELEASING):
            return ('the arm may still search home, which cannot be stopped from here: wait, or '
                    'use its emergency stop')
        return 'the arm has been stopped'

    def finish(self) -> None:
        """Go to zero and give the arm back."""
        self._lead.tell('            to zero, and giving the arm back')
        self._go_to_zero()
        self.give_back()

    def give_back(self) -> None:
        """Disconnect; the arm's controller then makes it search home."""
        lead = self._lead
        if not self._is(ArmPhase.READY, ArmPhase.FREE):
            raise DirectorError(f'ed_scorbot_driver: {self._said()}')
        lead.wait(self._stands, PATIENCE, 'the arm to stand')
        said = lead.call('ed_scorbot_driver/release')
        self._expect(lambda: self._driver[1].get('trouble', '').startswith('given back')
                     or self._is(ArmPhase.OFFLINE), PATIENCE)
        self.owns = False
        lead.tell(f'            {said}')

    def _go_to_zero(self) -> None:
        # A command, and be it a zero, ends the way home: first everybody must be silent.
        self._lead.wait(lambda: steady() > self._commanded_at + SILENCE, PATIENCE,
                        'silence on velocity_controller/commands')
        self._lead.call('ed_scorbot_driver/home')
        self._reach_zero()

    def _reach_zero(self) -> None:
        self._lead.wait(lambda: self._joints is not None
                        and np.abs(self._joints).max() < AT_ZERO and self._stands(),
                        2 * PATIENCE, 'every joint of the arm at zero')

    def _play(self, seconds: float, advance: Callable[[], np.ndarray]) -> None:
        """Ease to the start unless there already, play, wait until the arm stands."""
        lead, playback = self._lead, self._playback
        if self._commands is None:
            self._commands = self._node.create_publisher(
                Float64MultiArray, 'velocity_controller/commands', RELIABLE)
            # Beside this node, which listens itself.
            lead.wait(lambda: self._commands.get_subscription_count() > 1, PATIENCE,
                      'a driver that listens to velocity_controller/commands')
        playback.start(self._shown.position[0], seconds, advance)
        lead.wait(lambda: playback.phase is not Phase.EASING, 2 * PATIENCE,
                  'the arm to reach the start')
        lead.wait(lambda: playback.phase is Phase.DONE, PATIENCE + seconds,
                  'the end of the commanded movement')
        lead.wait(self._stands, PATIENCE, 'the arm to stand')
        self._fall_silent()

    def _fall_silent(self) -> None:
        """Let go of the commands, and with them of the arm."""
        if self._commands is not None:
            self._node.destroy_publisher(self._commands)
            self._commands = None

    def _stands(self) -> bool:
        return steady() > max(self._moved_at, self._commanded_at) + STILL_FOR

    def _is(self, *phases: ArmPhase) -> bool:
        return self._driver[0] in [phase.value for phase in phases]

    def _said(self) -> str:
        phase, values = self._driver
        return f'{phase}: {values.get("trouble", "")}'.removesuffix(': ')

    def _expect(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait for the driver, telling its phases; what it says is what goes wrong."""
        told = [self._driver[0]]

        def seen() -> bool:
            if self._driver[0] != told[0]:
                told[0] = self._driver[0]
                self._lead.tell(f'            {told[0]}')
            return condition()
        try:
            self._lead.wait(seen, seconds, 'ed_scorbot_driver')
        except DirectorError as error:
            raise DirectorError(self.trouble() or f'{error}: {self._said()}') from None

    def _tick(self) -> None:
        if self._lead.position is None:
            return
        if self._commands is None:
            return
        command = self._playback.command(steady(), self._lead.position)
        if command is not None:
            self._commands.publish(Float64MultiArray(data=command.tolist()))

    def _on_command(self, _: Float64MultiArray) -> None:
        self._commanded_at = steady()

    def _on_phase(self, message: DiagnosticStatus) -> None:
        self._driver = (message.message, values_of(message))

    def _on_state(self, message: JointState) -> None:
        self._joints = joint_positions(message, JOINTS)
        if len(message.velocity) == 0 or not np.abs(message.velocity).max() <= STILL:
            self._moved_at = steady()


def _name(shown: Demonstration) -> str:
    return shown.source.rsplit('/', 1)[-1]
