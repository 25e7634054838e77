# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Records a demonstration from joint states: publishes it, and keeps it as a bag."""

from collections.abc import Sequence
from dataclasses import replace
import math
from pathlib import Path
import shlex
import time

from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from smallbot.demonstration.bag import BagWriter, mark_told, new_bag, Offered, unfinished
from smallbot.demonstration.formats.messages import fault_of, State
from smallbot.demonstration.formats.options import parsed
from smallbot.demonstration.reading import from_states, read_demonstration
from smallbot.demonstration.samples import Demonstration, LONGEST, SHORTEST
from smallbot.errors import InputError
from smallbot.nodes.common.guarded import Guarded
from smallbot.nodes.common.messages import (
    demonstration_message,
    LATCHED,
    nanoseconds,
    STATE,
    withdrawal,
)
from smallbot.nodes.common.parameters import (
    ARM_OF,
    ARM_PARAMETERS,
    chosen_arm,
    declare,
    Parameter,
)
from smallbot.nodes.common.spin import run

PARAMETERS = {
    **ARM_PARAMETERS,
    **ARM_OF,
    'joints': Parameter(['base', 'shoulder'], 'joints that demonstrations are about'),
    'bag_directory': Parameter(
        'demonstrations', 'folder in which recordings are kept; empty: keep none'),
    'demonstration_file': Parameter(
        '', 'bag or CSV to publish as the demonstration at the start; empty: none'),
    'reading': Parameter(
        '', 'what a recording leaves open, as on the command line: --time-unit ms --columns ...'),
    'trim_rest': Parameter(
        True, 'leave stillness at both ends out of the demonstration (never out of the bag)'),
}


FLUSH = 0.2
"""Time between two writes of what was heard to the bag, s: a killed recorder loses no more."""
MOST_BYTES = 512 * 2 ** 20
"""Size of a recording that ends it: 10 min of 7 joints at 1 kHz are 340 MB."""
_EACH = 400
"""Bytes of a message in memory beside its numbers and names."""
NOTHING = '; nothing is demonstrated now'
"""What is said where a recording came to nothing: what was shown before it was withdrawn."""
MOST_TOLD = 3
"""Recordings left unfinished that are named one by one."""


class _Recording:
    """What has been heard since `~/start`."""

    def __init__(self, bag: BagWriter | None, trouble: str, clock: Clock):
        self.bag, self.trouble = bag, trouble
        self.states: list[State] = []
        self.bytes = 0
        self._first, self._last = (math.inf, math.inf), (-math.inf, -math.inf)
        """Of stamps and of times of receipt, ns."""
        self._clock = clock
        self._began = time.monotonic_ns()
        self._ahead = clock.now().nanoseconds - self._began

    @property
    def seconds(self) -> float:
        """Return for how long it has been running, s, whatever clocks were set meanwhile."""
        return (time.monotonic_ns() - self._began) * 1e-9

    @property
    def span(self) -> float:
        """Return what the messages span, s, by their stamps or by their receipt."""
        return max((last - first) * 1e-9 for first, last in zip(self._first, self._last))

    def hear(self, message: JointState) -> str:
        """Take up a message, whatever it says; returns why it is of no use, empty: it is."""
        simulated = self._clock.ros_time_is_active
        received = self._clock.now().nanoseconds if simulated else (
            time.monotonic_ns() + self._ahead)
        last = self.states[-1].names if self.states else None
        names = last if last == message.name else list(message.name)
        self.states.append(State(nanoseconds(message.header.stamp), received, names,
                                 message.position, message.header.frame_id))
        numbers = len(message.position) + len(message.velocity) + len(message.effort)
        self.bytes += _EACH + 8 * numbers + len(message.header.frame_id) + (
            0 if names is last else sum(map(len, names)) + 60 * len(names))
        if self.bag is not None:
            self.bag.add(received, self.states[-1].stamp, names, message.position,
                         message.velocity, message.effort, message.header.frame_id)
        moments = (self.states[-1].stamp, received)
        self._first = tuple(map(min, self._first, moments))
        self._last = tuple(map(max, self._last, moments))
        return fault_of(self.states[-1])

    def flush(self) -> str:
        """Write to the bag; returns what is to be said of it, empty: nothing new."""
        if self.bag is None:
            return ''
        before = self.trouble
        try:
            self.bag.flush()
            self.trouble = ''
        except InputError as error:
            self.trouble = str(error)
        if self.trouble == before:
            return ''
        return f'no bag, {self.trouble}' if self.trouble else f'{self.bag.path}: written again'

    def kept(self) -> str:
        """End the bag; returns where it is, or why there is none, as the end of a sentence."""
        if self.bag is not None:
            try:
                self.bag.close()
                return f'; bag {self.bag.path}'
            except InputError as error:
                self.trouble = str(error)
                if self.bag.written:
                    return (f'; no bag after the first {self.bag.written} messages, '
                            f'{self.trouble}')
        return f'; no bag, {self.trouble}' if self.trouble else ''

    def forget(self) -> None:
        """Leave no bag."""
        if self.bag is not None:
            self.bag.remove()


class DemoRecorder(Guarded, Node):
    """Publishes `demonstration`; services `~/start`, `~/stop`, `~/discard`.

    What is heard is in the bag within 0.2 s, so that nothing ends a recording without a trace.
    `~/start` withdraws what was demonstrated before: what is learned next is what was shown last,
    or nothing, whatever becomes of the recording.
    """

    def __init__(self, **options):
        super().__init__('demo_recorder', **options)
        chosen = declare(self, PARAMETERS)
        self.arm = chosen_arm(chosen, chosen['joints'])
        self._folder = Path(chosen['bag_directory']) if chosen['bag_directory'] else None
        reading = parsed(chosen['reading'])
        self._reading = replace(reading, keep_rest=reading.keep_rest or not chosen['trim_rest'])
        self._recording: _Recording | None = None
        self._ended = ''
        self._demonstration = self.create_publisher(JointTrajectory, 'demonstration', LATCHED)
        states = self.create_subscription(JointState, 'joint_states', self._on_state, STATE)
        self._states = states.topic_name
        self.create_service(Trigger, '~/start', self._on_start)
        self.create_service(Trigger, '~/stop', self._on_stop)
        self.create_service(Trigger, '~/discard', self._on_discard)
        self.create_timer(FLUSH, self._on_flush, clock=Clock(clock_type=ClockType.STEADY_TIME))
        if chosen['demonstration_file']:
            self._publish(read_demonstration(chosen['demonstration_file'], self.arm,
                                             self._reading), chosen['demonstration_file'])
        self._left()

    def stop(self) -> None:
        """Keep what was being recorded as a bag."""
        recording, self._recording = self._recording, None
        if recording is not None and not self._dropped(recording):
            self._ending(recording)

    def _on_state(self, message: JointState) -> None:
        recording = self._recording
        if recording is None:
            return
        fault = recording.hear(message)
        if recording.seconds > LONGEST or recording.bytes > MOST_BYTES:
            bound = (f'{LONGEST:.0f} s' if recording.seconds > LONGEST
                     else f'{MOST_BYTES // 2 ** 20} MB of messages')
            self._recording = None
            self._ended = f'recording ended: longer than {bound}{self._ending(recording)}'
            self.get_logger().error(self._ended)
        if fault:
            raise InputError(fault)

    def _on_flush(self) -> None:
        said = self._recording.flush() if self._recording is not None else ''
        if said:
            self.get_logger().error(said)

    def _on_start(self, _, response: Trigger.Response) -> Trigger.Response:
        response.success = self._recording is None
        if not response.success:
            response.message = 'already recording: call stop or discard first'
            return response
        self._ended, bag, trouble = '', None, ''
        left = self._left(tell=True)
        if self._folder is not None:
            try:
                bag = new_bag(self._folder, self._states, self._offered())
            except InputError as error:  # what is shown is worth more than its bag
                trouble = str(error)
                self.get_logger().error(f'no bag, {trouble}')
        self._recording = _Recording(bag, trouble, self.get_clock())
        self._demonstration.publish(withdrawal(self.arm.driven, self._now()))
        response.message = 'recording; show the movement, then call stop' + (
            f'; no bag, {trouble}' if trouble else '') + left
        return response

    def _on_discard(self, _, response: Trigger.Response) -> Trigger.Response:
        recording, self._recording = self._recording, None
        response.success = recording is not None
        response.message = f'discarded{NOTHING}' if response.success else self._nothing()
        if recording is not None:
            recording.forget()
        return response

    def _on_stop(self, _, response: Trigger.Response) -> Trigger.Response:
        recording, self._recording = self._recording, None
        response.success = False
        if recording is None:
            response.message = self._nothing()
            return response
        if not recording.states:
            recording.forget()
            response.message = (f'no message on joint_states while recording{NOTHING}: is the '
                                f'driver or the simulator running? `ros2 topic hz joint_states` '
                                f'tells')
            return response
        where = self._dropped(recording) or self._ending(recording)
        try:
            shown = from_states(recording.states, self.arm, self._reading)
            kept = recording.bag is not None and not recording.trouble
            self._publish(shown, recording.bag.path if kept else 'a recording without a bag')
            response.success = True
            response.message = f'{shown.understood}{where}'
        except InputError as error:
            response.message = f'{error}{NOTHING}{where}'
            self.get_logger().error(str(error))
        return response

    def _nothing(self) -> str:
        """Return why there is nothing to stop."""
        ended, self._ended = self._ended, ''
        return ended or 'nothing is being recorded: call start first'

    def _dropped(self, recording: _Recording) -> str:
        """Leave no bag of what is too short to be a movement; returns so, empty: it is not."""
        if recording.states and recording.span >= SHORTEST:
            return ''
        recording.forget()
        return f'; no bag, as nothing is kept that lasts less than {SHORTEST} s'

    def _ending(self, recording: _Recording) -> str:
        """End the bag of a recording; returns and logs where it is, or why there is none."""
        where = recording.kept()
        if recording.trouble:
            self.get_logger().error(where.removeprefix('; '))
        elif where:
            self.get_logger().info(f'the recording is in {recording.bag.path}')
        return where

    def _left(self, tell: bool = False) -> str:
        """Log which recordings were left unfinished; returns it where it is to be told at last."""
        left = unfinished(self._folder) if self._folder else {}
        said = []
        for bag, messages in list(left.items())[-MOST_TOLD:]:
            use = (f'with {messages} messages: demonstration_file:={bag} or `smallbot demo '
                   f'--demonstration {shlex.quote(str(bag))}` uses it' if messages
                   else 'with nothing in it: delete it')
            said.append(f'an unfinished recording was left in {bag} {use}')
        if len(left) > MOST_TOLD:
            said.insert(0, f'{len(left)} unfinished recordings were left in {self._folder}, the '
                           f'last {MOST_TOLD} are')
        for line in said:
            self.get_logger().warning(line)
        for bag in left if tell else ():
            mark_told(bag)
        return ''.join(f'; {each}' for each in said) if tell else ''

    def _offered(self) -> list[Offered]:
        """Return the qualities of service with which joint states are published now."""
        return list(dict.fromkeys(
            Offered(*(int(getattr(info.qos_profile, name)) for name in Offered._fields))
            for info in self.get_publishers_info_by_topic(self._states)))

    def _now(self) -> Time:
        return self.get_clock().now().to_msg()

    def _publish(self, shown: Demonstration, origin: str | Path) -> None:
        self._demonstration.publish(demonstration_message(shown, Path(origin).name, self._now()))
        self.get_logger().info(f'demonstration: {shown.understood}')


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the recorder."""
    return run(DemoRecorder, arguments)


if __name__ == '__main__':
    raise SystemExit(main())
