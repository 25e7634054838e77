# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Shows demonstration and reproduction in RViz: two paths and markers, and frames that lack."""

from collections.abc import Sequence

from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Point, PoseStamped
from nav_msgs.msg import Path
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import ColorRGBA
import torch
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import Marker, MarkerArray

from smallbot.nodes.common.frames import Frames
from smallbot.nodes.common.guarded import Guarded
from smallbot.nodes.common.messages import (
    check_state,
    joint_positions,
    LATCHED,
    nanoseconds,
    STATE,
    to_progress,
)
from smallbot.nodes.common.parameters import (
    ARM_OF,
    ARM_PARAMETERS,
    chosen_arm,
    declare,
    Parameter,
)
from smallbot.nodes.common.shown import Shown, shown_in
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
LOOK = 0.5
"""How often it is looked whether somebody else publishes the frames of the arm, s."""
LONGEST_PATH = 5000
"""Poses kept of a reproduction, and shown of a demonstration."""
SPACING = 20_000_000
"""Least time between two of them, ns: finer is not seen, and where nodes share an interpreter the
arm's own loop waits while poses are made."""


NAMED_AGAIN = 5.0
"""Time between two looks at how old the movement is, s."""


class TrajectoryDisplay(Guarded, Node):
    """Publishes `demonstrated_path`, `reproduced_path`, `trajectory_markers`; tf in need."""

    def __init__(self, **options):
        super().__init__('trajectory_display', **options)
        chosen = declare(self, PARAMETERS)
        self.arm = self._posed = chosen_arm(chosen, chosen['joints'])
        self._frame, self._worst = chosen['frame'] or self.arm.root, chosen['worst_error']
        self._shown: Shown | None = None
        self._ends: list[Marker] = []
        """Of what was demonstrated, its name last; in every message, as who comes later hears the
        last one alone."""
        self._playing: tuple[int, float] | None = None
        """When the playback began, ns, and how long it takes, s; None: nothing is played."""
        self._demonstrated = self.create_publisher(Path, 'demonstrated_path', LATCHED)
        self._reproduced = self.create_publisher(Path, 'reproduced_path', LATCHED)
        self._markers = self.create_publisher(MarkerArray, 'trajectory_markers', LATCHED)
        self.create_subscription(JointTrajectory, 'demonstration', self._on_demonstration, LATCHED)
        self.create_subscription(DiagnosticStatus, 'progress', self._on_progress, LATCHED)
        self.create_subscription(JointState, 'joint_states', self._on_state, STATE)
        self.create_timer(1 / chosen['rate'], self._show)
        self.create_timer(NAMED_AGAIN, self._name)
        self._frames = Frames(self, self.arm)
        self.create_timer(LOOK, self._frames.look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._begin()

    def _begin(self) -> None:
        """Begin a reproduction: what is published of it grows point by point."""
        self._path_reached = self._path([])
        self._line_reached = self._marker(0, Marker.LINE_STRIP, 'error')
        self._line_reached.scale.x = 0.008
        self._taken_at = 0
        self._dirty = False

    def stop(self) -> None:
        """Nothing to stop: it moves nothing."""

    def _on_demonstration(self, message: JointTrajectory) -> None:
        self._shown = shown_in(message, self.arm, self.get_clock().now().nanoseconds)
        self._playing = None
        self._begin()
        if self._shown is None:
            self._ends = []
            for publisher in (self._demonstrated, self._reproduced):
                publisher.publish(self._path([]))
            nothing = self._marker(0, Marker.SPHERE, '')
            nothing.action = Marker.DELETEALL
            self._markers.publish(MarkerArray(markers=[nothing]))
            return
        shown = self._shown.demonstration
        self._posed = shown.posed(self.arm)
        few = np.linspace(0, len(shown.time) - 1, min(LONGEST_PATH, len(shown.time))).astype(int)
        tips = self._tip(shown.position[few])
        self._demonstrated.publish(self._path(tips))
        none_yet = self._marker(0, Marker.LINE_STRIP, 'error')
        none_yet.action = Marker.DELETE
        self._ends = [self._sphere(0, tips[0], (0.2, 0.8, 0.3)),
                      self._sphere(1, tips[-1], (0.9, 0.3, 0.2)),
                      self._text(tips[0], self._shown.named())]
        self._markers.publish(MarkerArray(markers=[*self._ends, none_yet]))
        self._reproduced.publish(self._path([]))

    def _on_progress(self, message: DiagnosticStatus) -> None:
        progress = to_progress(message)
        if progress.phase is Phase.PLAYING:
            if self._playing is None:
                self._begin()
            self._playing = (progress.began, progress.duration)
        elif self._playing is not None:
            self._playing = None
            self._show()

    def _on_state(self, message: JointState) -> None:
        check_state(message)
        self._frames.moved(message.name, message.position, message.header.stamp)
        stamp = nanoseconds(message.header.stamp)
        if (self._playing is None or self._shown is None or abs(stamp - self._taken_at) < SPACING
                or len(self._path_reached.poses) >= LONGEST_PATH):
            return
        position = joint_positions(message, self.arm.driven)
        if position is None:
            return
        began, duration = self._playing
        shown = self._shown.demonstration
        at = np.clip((stamp - began) * 1e-9 / duration, 0, 1) * shown.duration
        wanted = np.array([np.interp(at, shown.time, column)
                           for column in shown.position.T])
        reached, demonstrated = self._tip(np.stack([position, wanted]))
        wrong = min(1.0, float(np.linalg.norm(reached - demonstrated)) / self._worst)
        self._path_reached.poses.append(self._pose(self._path_reached, reached))
        self._line_reached.points.append(_point(reached))
        self._line_reached.colors.append(ColorRGBA(r=wrong, g=1.0 - wrong, b=0.15, a=0.9))
        self._taken_at, self._dirty = stamp, True

    def _show(self) -> None:
        """Publish the reproduction so far; a line needs two points."""
        if not self._dirty or len(self._path_reached.poses) < 2:
            return
        self._dirty = False
        now = self.get_clock().now().to_msg()
        self._path_reached.header.stamp = self._line_reached.header.stamp = now
        self._reproduced.publish(self._path_reached)
        self._markers.publish(MarkerArray(markers=[*self._ends, self._line_reached]))

    def _name(self) -> None:
        """Name the movement anew, as it has become older."""
        if self._shown is None or self._ends[-1].text == self._shown.named():
            return
        self._ends[-1].text = self._shown.named()
        reached = [self._line_reached] if len(self._line_reached.points) > 1 else []
        self._markers.publish(MarkerArray(markers=[*self._ends, *reached]))

    def _tip(self, positions: np.ndarray) -> np.ndarray:
        return self._posed.tip(torch.as_tensor(positions, dtype=torch.float64)).numpy()

    def _path(self, tips: Sequence[np.ndarray]) -> Path:
        path = Path()
        path.header.frame_id = self._frame
        path.header.stamp = self.get_clock().now().to_msg()
        path.poses = [self._pose(path, tip) for tip in tips]
        return path

    def _pose(self, path: Path, tip: np.ndarray) -> PoseStamped:
        pose = PoseStamped(header=path.header)
        pose.pose.position = _point(tip)
        pose.pose.orientation.w = 1.0
        return pose

    def _marker(self, number: int, kind: int, name: str) -> Marker:
        marker = Marker(ns=name, id=number, type=kind, action=Marker.ADD)
        marker.header.frame_id = self._frame
        marker.header.stamp = self.get_clock().now().to_msg()
        marker.pose.orientation.w = 1.0
        return marker

    def _sphere(self, number: int, tip: np.ndarray, colour: tuple[float, float, float]) -> Marker:
        marker = self._marker(number, Marker.SPHERE, 'ends')
        marker.pose.position = _point(tip)
        marker.scale.x = marker.scale.y = marker.scale.z = 0.02
        marker.color = ColorRGBA(r=colour[0], g=colour[1], b=colour[2], a=1.0)
        return marker

    def _text(self, tip: np.ndarray, text: str) -> Marker:
        marker = self._marker(0, Marker.TEXT_VIEW_FACING, 'name')
        marker.pose.position = _point(tip + (0.0, 0.0, 0.08))
        marker.scale.x = marker.scale.y = marker.scale.z = 0.035
        marker.color = ColorRGBA(r=0.9, g=0.9, b=0.9, a=1.0)
        marker.text = text
        return marker


def _point(tip: np.ndarray) -> Point:
    return Point(x=float(tip[0]), y=float(tip[1]), z=float(tip[2]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the display."""
    return run(TrajectoryDisplay, arguments)


if __name__ == '__main__':
    raise SystemExit(main())
