# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Shipped weights, each with its card, and `weights_file`, which writes and reads both."""
