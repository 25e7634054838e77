# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The `smallbot` command: one file for each verb, no logic of its own.

Nobody imports it. Begin with `main`.
"""
