# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""ROS 2 shells: messages, parameters, time. The only room that imports rclpy.

For the command and for launch files. Begin with `snn_controller`.
"""

from pathlib import Path

from smallbot.nodes.common.ending import prepare

prepare(Path(__file__).parent)
