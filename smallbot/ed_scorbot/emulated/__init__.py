# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""An ED-Scorbot's controller and joints in numbers, alone or as a process on a broker."""
