# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A session and the emulated controller on a clock of the test's, with a broker between them."""

import numpy as np

from smallbot.arm.kinematics import default_arm
from smallbot.ed_scorbot.convention import CONVENTIONS
from smallbot.ed_scorbot.emulated.emulator import EmulatedController
from smallbot.ed_scorbot.session import Phase, Session
from smallbot.ed_scorbot.settings import Settings

DELAY = 0.002
"""From one party to the other through the broker, s."""
DRIVEN = ('base', 'shoulder')


class Bench:
    """Session, controller and a broker between them, which may be down."""

    def __init__(self, *misbehaviour, speaks='2023', joints=DRIVEN, **options):
        self.now = 50.0
        self.controller = EmulatedController(
            CONVENTIONS[speaks], homing_seconds=1.0, misbehaviour=misbehaviour, now=self.now)
        options = {'convention': CONVENTIONS['2023'], 'homing_timeout': 5.0, **options}
        self.session = Session(default_arm(joints), Settings(**options))
        self.up = True
        self.frozen = False
        self.mail = []
        self.wrong = []
        self.references = []
        self.session.online()

    def post(self, topic, payload):
        if self.up:
            self.mail.append((self.now + DELAY, topic, payload))

    def tick(self, command=None):
        """Let 10 ms pass."""
        for _ in range(5):
            self.now += 0.002
            due = [m for m in self.mail if m[0] <= self.now and not self.frozen]
            self.mail = [m for m in self.mail if m not in due]
            for _, topic, payload in due:
                self.wrong.append(self.session.heard(topic, payload, self.now))
                for message in self.controller.heard(topic, payload, self.now):
                    self.post(*message)
            for message in self.controller.step(self.now):
                self.post(*message)
        if command is not None:
            try:
                self.session.command(command, self.now)
            except ValueError as error:
                self.wrong.append(str(error))
        for message in self.session.step(self.now):
            self.post(*message)
        self.references.append(self.controller.servo.reference.copy())

    def run(self, seconds, command=None):
        for _ in range(round(100 * seconds)):
            self.tick(command)

    def until(self, condition, seconds=60.0):
        for _ in range(round(100 * seconds)):
            if condition():
                return
            self.tick()
        raise AssertionError(f'{self.session.phase}: {self.session.trouble} '
                             f'{self.session.stopped} {[w for w in self.wrong if w][-3:]}')

    def home(self):
        """Connect, search home, check, go to zero and stand there."""
        self.until(lambda: self.session.phase is Phase.FREE)
        self.session.home(self.now)
        self.until(lambda: self.session.phase is Phase.READY)
        self.until(lambda: np.abs(self.commanded()).max() < 3e-3)
        self.until(lambda: self.still())
        self.wrong.clear()
        self.references.clear()
        return self

    def still(self):
        """Return whether the arm has been left alone for a second."""
        count = self.controller.trajectories
        self.run(1.0)
        return self.controller.trajectories == count

    def commanded(self):
        """Return the positions [4], rad, that the references stand for."""
        convention = self.controller.convention
        degrees = self.controller.servo.reference / convention.reference_per_degree
        return convention.position(degrees)

    def measured(self):
        convention = self.controller.convention
        return convention.position(convention.measured(self.controller.servo.counts))

    def changes(self, seconds):
        """Return how often the references have changed in the last `seconds`."""
        recent = np.array(self.references[-round(100 * seconds):])
        return int((np.diff(recent, axis=0) != 0).any(1).sum())
