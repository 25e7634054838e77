# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""MQTT: which broker, as whom, how encrypted, and a connection to it that lasts."""
