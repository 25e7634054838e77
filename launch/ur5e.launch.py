# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Show a UR5e a movement with three of its joints, learn it with one update, play it back.

The driver of the arm runs beside it: see docs/ros2_control.md. Arguments of
one_shot_demo.launch.py may be given too; `--show-args` lists them.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

JOINTS = ('shoulder_pan_joint', 'shoulder_lift_joint', 'elbow_joint', 'wrist_1_joint',
          'wrist_2_joint', 'wrist_3_joint')
"""Joints of the driver's controllers, in their order; the model drives the first three."""


def generate_launch_description() -> LaunchDescription:
    """Start the nodes with what they must know of the arm."""
    demo = Path(get_package_share_directory('smallbot'), 'launch', 'one_shot_demo.launch.py')
    arguments = {
        'model': ('ur5e', 'the model of a UR5e that comes with the package, or the path of one '
                          'with limits of your own'),
        'command_type': ('trajectory',
                         'trajectory: the arm comes to rest by itself if the controller is '
                         'killed; velocity: it does not'),
        'command_joints': (','.join(JOINTS),
                           "joints of the arm's controller, in its order"),
        'velocity_topic': ('/forward_velocity_controller/commands',
                           'topic of the velocity commands'),
        'trajectory_topic': ('/smallbot_trajectory_controller/joint_trajectory',
                             'topic of the trajectory commands'),
        'arm': ('external', 'external: the driver of the arm runs beside it'),
        'rviz': ('false', 'show the arm and both paths in RViz'),
    }
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value=default, description=description)
          for name, (default, description) in arguments.items()),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(demo)),
            launch_arguments=[(name, LaunchConfiguration(name)) for name in arguments]),
    ])
