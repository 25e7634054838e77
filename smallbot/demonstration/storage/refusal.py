# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The refusal of a demonstration, for every step from its bytes to the trial."""

from smallbot.errors import InputError


class DemonstrationError(InputError):
    """A demonstration that cannot be used; the message is one line."""
