# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Spiking networks as pure functions: neuron steps, unrolled networks, traces and spike codes.

It knows nothing of devices and robots. Begin with `neuron`.
"""
