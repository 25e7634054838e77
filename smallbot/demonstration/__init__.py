# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Movements that were shown: read from files, checked, brought to a trial's grid; pen drawings.

For every room above `snn`; it needs an arm and nothing else. Begin with `samples.Demonstration`.
"""
