"""Shows demonstration and reproduction in RViz: two paths and markers."""

from collections.abc import Sequence

from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Point, PoseStamped
from nav_msgs.msg import Path
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import ColorRGBA
import torch
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import Marker, MarkerArray

from smallbot.demonstration.samples import Demonstration
from smallbot.nodes.common.guarded import Guarded
from smallbot.nodes.common.messages import (
    joint_positions,
    LATCHED,
    nanoseconds,
    STATE,
    to_demonstration,
    to_progress,
)
from smallbot.nodes.common.parameters import (
    ARM_OF,
    ARM_PARAMETERS,
    chosen_arm,
    declare,
    Parameter,
)
from smallbot.nodes.common.spin import run
from smallbot.one_shot.playback import Phase

PARAMETERS = {
    **ARM_PARAMETERS,
    **ARM_OF,
    'joints': Parameter(['base', 'shoulder'], 'driven joints'),
    'frame': Parameter('', 'frame of paths and markers; empty: the root link of the arm'),
    'rate': Parameter(10.0, 'how often the reproduced path is published while playing, Hz',
                      1.0, 50.0),
    'worst_error': Parameter(0.05, 'tool-tip error that is shown fully red, m', 0.001, 1.0),
}
LONGEST_PATH = 5000
"""Poses kept of a reproduction, and shown of a demonstration."""


class TrajectoryDisplay(Guarded, Node):
    """Publishes `demonstrated_path`, `reproduced_path` and `trajectory_markers`."""

    def __init__(self, **options):
        super().__init__('trajectory_display', **options)
        chosen = declare(self, PARAMETERS)
        self.arm = self._posed = chosen_arm(chosen, chosen['joints'])
        self._frame, self._worst = chosen['frame'] or self.arm.root, chosen['worst_error']
        self._shown: Demonstration | None = None
        self._playing: tuple[int, float] | None = None
        self._began: int | None = None
        self._tips: list[np.ndarray] = []
        self._errors: list[float] = []
        self._demonstrated = self.create_publisher(Path, 'demonstrated_path', LATCHED)
        self._reproduced = self.create_publisher(Path, 'reproduced_path', LATCHED)
        self._markers = self.create_publisher(MarkerArray, 'trajectory_markers', LATCHED)
        self.create_subscription(JointTrajectory, 'demonstration', self._on_demonstration, LATCHED)
        self.create_subscription(DiagnosticStatus, 'progress', self._on_progress, LATCHED)
        self.create_subscription(JointState, 'joint_states', self._on_state, STATE)
        self.create_timer(1 / chosen['rate'], self._show)
        self._dirty = False

    def stop(self) -> None:
        """Nothing to stop: it moves nothing."""

    def _on_demonstration(self, message: JointTrajectory) -> None:
        shown = to_demonstration(message, self.arm)
        self._shown, self._posed = shown, shown.posed(self.arm)
        few = np.linspace(0, len(shown.time) - 1, min(LONGEST_PATH, len(shown.time))).astype(int)
        tips = self._tip(shown.position[few])
        self._demonstrated.publish(self._path(tips))
        self._tips, self._errors, self._playing = [], [], None
        self._markers.publish(MarkerArray(markers=[
            self._sphere(0, tips[0], (0.2, 0.8, 0.3)), self._sphere(1, tips[-1], (0.9, 0.3, 0.2)),
            self._line([], [])]))

    def _on_progress(self, message: DiagnosticStatus) -> None:
        progress = to_progress(message)
        if progress.phase is Phase.PLAYING:
            if self._began is None or abs(progress.began - self._began) > 10 ** 8:
                self._tips, self._errors = [], []
                self._began = progress.began
            self._playing = (self._began, progress.duration)
        elif self._playing is not None:
            self._playing = None
            self._show()

    def _on_state(self, message: JointState) -> None:
        if self._playing is None or self._shown is None or len(self._tips) >= LONGEST_PATH:
            return
        position = joint_positions(message, self.arm.driven)
        if position is None:
            return
        began, duration = self._playing
        stamp = nanoseconds(message.header.stamp)
        at = np.clip((stamp - began) * 1e-9 / duration, 0, 1) * self._shown.duration
        wanted = np.array([np.interp(at, self._shown.time, column)
                           for column in self._shown.position.T])
        reached, demonstrated = self._tip(np.stack([position, wanted]))
        self._tips.append(reached)
        self._errors.append(float(np.linalg.norm(reached - demonstrated)))
        self._dirty = True

    def _show(self) -> None:
        """Publish the reproduction so far; a line needs two points."""
        if not self._dirty or len(self._tips) < 2:
            return
        self._dirty = False
        self._reproduced.publish(self._path(np.array(self._tips)))
        self._markers.publish(MarkerArray(markers=[self._line(self._tips, self._errors)]))

    def _tip(self, positions: np.ndarray) -> np.ndarray:
        return self._posed.tip(torch.as_tensor(positions, dtype=torch.float64)).numpy()

    def _path(self, tips: np.ndarray) -> Path:
        path = Path()
        path.header.frame_id = self._frame
        path.header.stamp = self.get_clock().now().to_msg()
        for x, y, z in tips:
            pose = PoseStamped(header=path.header)
            pose.pose.position = Point(x=float(x), y=float(y), z=float(z))
            pose.pose.orientation.w = 1.0
            path.poses.append(pose)
        return path

    def _marker(self, number: int, kind: int, name: str) -> Marker:
        marker = Marker(ns=name, id=number, type=kind, action=Marker.ADD)
        marker.header.frame_id = self._frame
        marker.header.stamp = self.get_clock().now().to_msg()
        marker.pose.orientation.w = 1.0
        return marker

    def _sphere(self, number: int, tip: np.ndarray, colour: tuple[float, float, float]) -> Marker:
        marker = self._marker(number, Marker.SPHERE, 'ends')
        marker.pose.position = Point(x=float(tip[0]), y=float(tip[1]), z=float(tip[2]))
        marker.scale.x = marker.scale.y = marker.scale.z = 0.02
        marker.color = ColorRGBA(r=colour[0], g=colour[1], b=colour[2], a=1.0)
        return marker

    def _line(self, tips: Sequence[np.ndarray], errors: Sequence[float]) -> Marker:
        """Return the reproduction coloured from green to red by its error; empty: delete it."""
        marker = self._marker(0, Marker.LINE_STRIP, 'error')
        if len(tips) < 2:
            marker.action = Marker.DELETE
            return marker
        marker.scale.x = 0.008
        for tip, error in zip(tips, errors):
            wrong = min(1.0, error / self._worst)
            marker.points.append(Point(x=float(tip[0]), y=float(tip[1]), z=float(tip[2])))
            marker.colors.append(ColorRGBA(r=wrong, g=1.0 - wrong, b=0.15, a=0.9))
        return marker


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the display."""
    return run(TrajectoryDisplay, arguments)


if __name__ == '__main__':
    raise SystemExit(main())
