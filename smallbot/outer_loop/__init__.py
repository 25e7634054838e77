# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Meta-training: the outer loop that makes the models which `one_shot` runs.

For `study` and the command. Begin with `run.MetaTraining`.
"""
