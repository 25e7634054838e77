# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What runs on the robot: from a demonstration to one update to its playback, and its figures.

For every room above; it needs no ROS. Begin with `model.OneShotModel`, then `learner` and
`trainee`.
"""
