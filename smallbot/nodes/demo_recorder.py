"""Node `demo_recorder`: from the arm's joint_states to one demonstration.

Subscribes `joint_states`; publishes `demonstration` (JointTrajectory, transient local), which
begins when `~/start` is called and ends with `~/stop`. Every recording is also kept as it was
heard, a rosbag2 (MCAP) in `bag_directory`, whole or not at all, also when the process is told to
end. Services: `~/start`, `~/stop`, `~/discard`.
"""

from datetime import datetime
from itertools import count
from pathlib import Path
import sys
import time

from rclpy.node import Node
from sensor_msgs.msg import JointState
from smallbot.arm.demonstration import Demonstration, DemonstrationError, read_demonstration
from smallbot.arm.kinematics import Arm, urdf_path
from smallbot.arm.recording import Recording, rests
from smallbot.arm.safety import Watchdog
from smallbot.nodes.messages import LATCHED, nanoseconds, positions_by_name, STATE, trajectory
from smallbot.nodes.parameters import declare, ParameterError
from smallbot.nodes.spin import run
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

SILENT = 1.0
"""Age of joint_states with which no recording begins, s."""
LONG_REST = 1.0
"""Rest at the beginning or end that is worth a word, s."""


class DemoRecorder(Node):
    """Keeps joint states between start and stop, checks and publishes them."""

    threads = 1

    def __init__(self, **options):
        """Take `options` of rclpy.node.Node; raises InputError for bad parameters."""
        super().__init__('demo_recorder', **options)
        settings = declare(self, 'demo_recorder')
        self._arm = Arm.from_urdf(settings.urdf or urdf_path(), settings.joints, settings.tip)
        self._directory = Path(settings.bag_directory).expanduser().absolute()
        if self._directory.exists() and not self._directory.is_dir():
            raise ParameterError(f'parameter bag_directory: {self._directory} is a file, '
                                 f'expected a folder')
        self._recording: Recording | None = None
        self._heard = Watchdog(SILENT)
        self._publisher = self.create_publisher(JointTrajectory, 'demonstration', LATCHED)
        self._states = self.create_subscription(
            JointState, 'joint_states', self._on_state, STATE)
        self.create_service(Trigger, '~/start', self._on_start)
        self.create_service(Trigger, '~/stop', self._on_stop)
        self.create_service(Trigger, '~/discard', self._on_discard)
        if settings.demonstration_file:
            shown = read_demonstration(settings.demonstration_file, self._arm)
            self._publish(shown)
            self.get_logger().info(f'publishing {shown.source}: {shown.duration:.2f} s')

    def stop(self) -> None:
        """Keep what has been heard so far if a recording is under way."""
        if self._recording is not None and len(self._recording):
            recording, self._recording = self._recording, None
            try:
                self.get_logger().info(f'stopped while recording, kept in '
                                       f'{self._write(recording)}')
            except DemonstrationError as error:
                self.get_logger().error(f'the recording is lost: {error}')

    def _publish(self, shown: Demonstration) -> None:
        message = trajectory(shown.joints, shown.time, shown.position)
        message.header.stamp = self.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _write(self, recording: Recording) -> Path:
        stem = f'demonstration_{datetime.now():%Y%m%d_%H%M%S}'
        names = (stem if k == 1 else f'{stem}_{k}' for k in count(1))
        path = next(self._directory / name for name in names
                    if not (self._directory / name).exists())
        recording.write(path, self._states.topic_name)
        return path

    def _on_state(self, message: JointState) -> None:
        if positions_by_name(message, self._arm.driven) is not None:
            self._heard.feed(time.monotonic())
        if self._recording is not None and set(self._arm.driven) <= set(message.name):
            stamp = nanoseconds(message.header.stamp) or self.get_clock().now().nanoseconds
            self._recording.add(stamp, message.name, message.position, message.velocity)

    def _on_start(self, _, response: Trigger.Response) -> Trigger.Response:
        if self._recording is not None:
            return _answer(response, False, 'already recording: call ~/stop or ~/discard first')
        if self._heard.expired(time.monotonic()):
            return _answer(response, False, (
                f'nothing on {self._states.topic_name} with {", ".join(self._arm.driven)} for '
                f'{SILENT:g} s: is the driver or arm_simulator running? see `ros2 topic hz '
                f'{self._states.topic_name}`'))
        self._recording = Recording()
        return _answer(response, True, 'recording: show the movement, then call ~/stop')

    def _on_stop(self, _, response: Trigger.Response) -> Trigger.Response:
        if self._recording is None:
            return _answer(response, False, 'not recording: call ~/start first')
        recording, self._recording = self._recording, None
        topic = self._states.topic_name
        if not len(recording):
            return _answer(response, False, f'nothing was heard on {topic}: nothing is kept')
        try:
            bag = self._write(recording)
        except DemonstrationError as error:
            return _answer(response, False, str(error))
        try:
            shown = recording.demonstration(self._arm, topic)
        except DemonstrationError as error:
            return _answer(response, False, f'{error}; kept in bag {bag}')
        self._publish(shown)
        remarks = [recording.cadence()]
        if recording.dropped:
            remarks.append(f'{recording.dropped} incomplete or late message(s) left out')
        for rest, where in zip(rests(shown), ('begins', 'ends')):
            if rest > LONG_REST:
                remarks.append(f'{where} with {rest:.1f} s of rest, which is part of it')
        text = f'{"; ".join(remarks)}; bag {bag}'
        self.get_logger().info(text)
        return _answer(response, True, text)

    def _on_discard(self, _, response: Trigger.Response) -> Trigger.Response:
        if self._recording is None:
            return _answer(response, False, 'not recording: there is nothing to discard')
        count_ = len(self._recording)
        self._recording = None
        return _answer(response, True, f'{count_} samples discarded')


def _answer(response: Trigger.Response, success: bool, message: str) -> Trigger.Response:
    response.success, response.message = success, message
    return response


def main(args: list[str] | None = None) -> int:
    """Run the node; returns the exit code."""
    return run(DemoRecorder, 'demo_recorder', args)


if __name__ == '__main__':
    sys.exit(main())
