# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What several verbs of the command have in common: options, Ctrl-C, sessions of training, sweeps.

Each is for a verb that knows what is trained or measured; here nothing does.
"""
