# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the nodes share: messages, guards, parameters, executors, an arm's controllers, the graph.

For `nodes` alone. Begin with `messages` and `guarded`.
"""
