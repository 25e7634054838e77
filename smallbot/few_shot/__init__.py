# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Few-shot images on the chip: new classes of pictures told apart after a few examples of each.

The second experiment of the paper, beside the robot's in `one_shot`; it needs no robot and no
ROS. Begin with `classifier`; one's own pictures come in through `pictures`.
"""
