# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Where an ED-Scorbot is to be reached, and whether it is there, before anything is started.

Asking moves nothing. Not here: owning and moving the arm (`session`).
"""

from dataclasses import dataclass, field
import time

from smallbot.arm.kinematics import Arm
from smallbot.ed_scorbot.convention import CONVENTIONS
from smallbot.ed_scorbot.network.broker import Broker
from smallbot.ed_scorbot.network.mqtt_link import MqttLink
from smallbot.ed_scorbot.session import Phase, Session
from smallbot.ed_scorbot.settings import Settings
from smallbot.errors import InputError

REACHED = 5.0
"""How long to try to reach the broker, s."""
ANSWERED = 5.0
"""How long the arm has for an answer, s; it is asked every 2 s."""
TICK = 0.02
"""Longest wait for a message, s."""


@dataclass(frozen=True)
class OnBroker:
    """An arm on an MQTT broker."""

    broker: Broker = field(default_factory=Broker)
    robot: str = 'EDScorbot'
    """First part of its topics."""
    convention: str = '2023'
    """One of `CONVENTIONS`."""
    take_over: bool = False
    """Whether to free the arm first where an earlier run left it owned."""
    emulated: bool = False
    """Whether nothing moves but numbers."""


def found(there: OnBroker, arm: Arm, time_scale: float) -> Session:
    """Return a session that has heard the arm's limits, to ask whether it allows a movement.

    Raises InputError where paho-mqtt or the broker is missing, the arm does not answer, or its
    limits have the signs of another convention.
    """
    session = Session(arm, Settings(CONVENTIONS[there.convention], robot=there.robot,
                                    time_scale=time_scale))
    link = MqttLink(there.broker, session.topics)
    try:
        link.reach(REACHED, f'no MQTT broker at {link.where}: start one, for example `mosquitto '
                            f'-p {there.broker.port}`, or say where it is by --broker and --port')
        session.online()
        deadline = time.monotonic() + ANSWERED
        while session.phase is not Phase.FREE and time.monotonic() < deadline:
            for event in link.wait(TICK):
                if event.kind == 'online':
                    session.online()
                elif event.kind == 'offline':
                    session.offline(event.reason, event.cure)
                elif event.kind == 'message':
                    session.heard(event.topic, event.payload, time.monotonic())
            for topic, payload in session.step(time.monotonic()):
                link.publish(topic, payload)
    finally:
        link.close()
    if session.phase is not Phase.FREE:
        raise InputError(f'{link.where}: {session.trouble}')
    return session
