# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The processes behind the page: the arm's side, with ROS or without, and the laboratory.

They compute, and know nothing of browsers.
"""
