# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What a user decides about the dealings with an ED-Scorbot."""

from dataclasses import dataclass
import re

from smallbot.ed_scorbot.convention import Convention
from smallbot.ed_scorbot.wire import shown
from smallbot.errors import InputError

NAME = re.compile(r'[^\s#+/\x00-\x1f\x7f\ud800-\udfff]{1,64}')
"""What can be part of a topic, and a client's name."""


@dataclass(frozen=True)
class Settings:
    """See above; raises InputError for a name that cannot be one on the wire."""

    convention: Convention
    client: str = 'smallbot'
    """Name under which the arm is owned."""
    robot: str = 'EDScorbot'
    """First part of the arm's topics."""
    hold: float = 0.05
    """How long each set-point is held, s."""
    command_timeout: float = 0.2
    """Time without a command beyond which an arm in motion is stopped, s."""
    acceleration: float = 6.0
    """Of the set-points, rad/s^2."""
    time_scale: float = 1.0
    """How many times longer than shown movements are played."""
    homing_timeout: float = 180.0
    """How long the search for home may take, s; documented is about two minutes."""
    take_over: bool = False
    """Whether to disconnect this client first where an earlier run of it left the arm owned."""
    period: float = 0.01
    """Time between two calls of `step`, s."""

    def __post_init__(self):
        for what, name in (('robot', self.robot), ('client', self.client)):
            if not NAME.fullmatch(name):
                raise InputError(f'{what} {shown(name)}: expected a name of 1 to 64 letters '
                                 f'without spaces, /, # and +')
