"""Records a demonstration from joint states: publishes it, and keeps it as a bag."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
import time

from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from smallbot.demonstration.bag import write_states
from smallbot.demonstration.formats.messages import State
from smallbot.demonstration.formats.options import parsed
from smallbot.demonstration.reading import from_states, read_demonstration
from smallbot.demonstration.samples import Demonstration, LONGEST
from smallbot.errors import InputError
from smallbot.nodes.common.guarded import Guarded
from smallbot.nodes.common.messages import (
    check_state,
    demonstration_message,
    LATCHED,
    nanoseconds,
    STATE,
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


class DemoRecorder(Guarded, Node):
    """Publishes `demonstration`; services `~/start`, `~/stop`, `~/discard`."""

    def __init__(self, **options):
        super().__init__('demo_recorder', **options)
        chosen = declare(self, PARAMETERS)
        self.arm = chosen_arm(chosen, chosen['joints'])
        self._folder = Path(chosen['bag_directory']) if chosen['bag_directory'] else None
        reading = parsed(chosen['reading'])
        self._reading = replace(reading, keep_rest=reading.keep_rest or not chosen['trim_rest'])
        self._samples: list[tuple[State, list[float]]] | None = None
        self._demonstration = self.create_publisher(JointTrajectory, 'demonstration', LATCHED)
        self.create_subscription(JointState, 'joint_states', self._on_state, STATE)
        self.create_service(Trigger, '~/start', self._on_start)
        self.create_service(Trigger, '~/stop', self._on_stop)
        self.create_service(Trigger, '~/discard', self._on_discard)
        if chosen['demonstration_file']:
            self._publish(read_demonstration(chosen['demonstration_file'], self.arm,
                                             self._reading))

    def stop(self) -> None:
        """Keep what was being recorded as a bag."""
        if self._samples:
            try:
                kept = self._keep()
                self.get_logger().info(f'the recording so far is in {kept}')
            except InputError as error:
                self.get_logger().error(f'recording lost: {error}')
        self._samples = None

    def _on_state(self, message: JointState) -> None:
        if self._samples is None:
            return
        check_state(message)
        received = self.get_clock().now().nanoseconds
        self._samples.append((
            State(nanoseconds(message.header.stamp), received, list(message.name),
                  list(message.position), message.header.frame_id), list(message.velocity)))
        if (received - self._samples[0][0].received) * 1e-9 > LONGEST:
            self.get_logger().error(f'recording ended: longer than {LONGEST:.0f} s')
            self.stop()

    def _on_start(self, _, response: Trigger.Response) -> Trigger.Response:
        response.success = self._samples is None
        response.message = ('recording; show the movement, then call stop' if response.success
                            else 'already recording: call stop or discard first')
        if response.success:
            self._samples = []
        return response

    def _on_discard(self, _, response: Trigger.Response) -> Trigger.Response:
        response.success = self._samples is not None
        response.message = 'discarded' if response.success else 'nothing is being recorded'
        self._samples = None
        return response

    def _on_stop(self, _, response: Trigger.Response) -> Trigger.Response:
        samples = self._samples
        response.success = False
        if samples is None:
            response.message = 'nothing is being recorded: call start first'
            return response
        if not samples:
            self._samples = None
            response.message = ('no message on joint_states while recording: is the driver or '
                                'the simulator running? `ros2 topic hz joint_states` tells')
            return response
        try:
            kept = self._keep()
            where = f'; bag {kept}' if kept else ''
        except InputError as error:  # what was shown is worth more than its bag
            where = f'; no bag, {error}'
            self.get_logger().error(f'no bag, {error}')
        try:
            shown = from_states([state for state, _ in samples], self.arm, self._reading)
            self._publish(shown)
            response.success = True
            response.message = f'{shown.understood}{where}'
        except InputError as error:
            response.message = f'{error}{where}'
            self.get_logger().error(str(error))
        finally:
            self._samples = None
        return response

    def _keep(self) -> Path | None:
        """Write the recording as a bag; returns its path, None where none is kept."""
        if self._folder is None:
            return None
        rows = [(state.stamp or state.received, state.names, state.positions, velocities)
                for state, velocities in self._samples]
        name = time.strftime('demonstration_%Y%m%d_%H%M%S')
        for number in count(1):
            path = self._folder / (name if number == 1 else f'{name}-{number}')
            try:
                write_states(path, rows)
            except InputError:
                if path.exists():  # perhaps of another recorder, this very moment
                    continue
                raise
            return path

    def _publish(self, shown: Demonstration) -> None:
        self._demonstration.publish(demonstration_message(shown))
        self.get_logger().info(f'demonstration: {shown.understood}')


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the recorder."""
    return run(DemoRecorder, arguments)


if __name__ == '__main__':
    raise SystemExit(main())
