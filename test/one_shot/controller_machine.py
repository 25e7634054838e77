# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A controller attacked with every service, transition, message, clock, fault and restart.

`ControllerMachine` draws them; `test_controller.py` runs it, `benchmarks/controller_sequences.py`
more often. The world has an ideal arm, with or without a dead-man of its own.
"""

from functools import cache
from pathlib import Path
import shutil
import tempfile

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, RuleBasedStateMachine
import numpy as np
import torch

from smallbot.arm.safety import LONGEST_GAP
from smallbot.demonstration.samples import Demonstration
from smallbot.errors import InputError
from smallbot.one_shot import controller
from smallbot.one_shot.control_loop import SPEED_LEAST, SteppedLoop
from smallbot.one_shot.controller import Controller, Settings
from smallbot.one_shot.model import (
    arm_of,
    ArmConfig,
    initial_weights,
    ModelConfig,
    OneShotModel,
)
from smallbot.one_shot.playback import Phase, STANDS
from smallbot.one_shot.rehearsal import Expectation, rehearse
from smallbot.one_shot.trainee import prepare_synapses

PERIOD = 0.04
CONFIG = ModelConfig(
    steps=6, step_seconds=0.1, neurons=5, generator_neurons=3, clock_neurons=3,
    arm=ArmConfig(lower=(-0.5, -0.5), upper=(0.5, 0.5), velocity=(1.5, 1.5),
                  acceleration=(4.0, 4.0)))
ARM = arm_of(CONFIG)
LIMITS = ARM.limits
EASE = 1e-9
INJECTED = ('read failed', 'write failed', 'context is invalid')
DEAD_MAN = 0.05
"""How long the arm with one goes on after a command, s: as long as braking distances allow."""


@cache
def model():
    weights = initial_weights(CONFIG, torch.Generator().manual_seed(5))
    bound = 0.9 * CONFIG.weight_limits()
    weights['trainee'] = weights['trainee'].clamp(-bound, bound)
    weights['readout'] = weights['readout'] * 60
    return OneShotModel(CONFIG, weights, 'tiny')


@cache
def initial():
    return model().weights['trainee'] * CONFIG.synapse_mask()


@cache
def prepared():
    """Return the file of a chip that has learned nothing."""
    file = Path(tempfile.mkdtemp(prefix='smallbot_machine_')) / 'chip'
    prepare_synapses(model(), 'chip', 1).save(
        file, {'model': 'tiny', 'weights': model().digest, 'learned': None, 'saved': 1e9})
    return file


@cache
def movements():
    time = np.arange(0, 0.5001, 0.05)
    shape = (1 - np.cos(np.pi * time / 0.5)) / 2
    return (Demonstration(ARM.driven, time, np.stack([0.15 * shape, -0.1 * shape], 1), 'one'),
            Demonstration(ARM.driven, time, np.stack([0.45 - 0.1 * shape, 0.05 * shape], 1),
                          'near the limit'))


@cache
def change(seed):
    delta = np.random.default_rng(seed).normal(size=(model().n, model().n_in + model().n))
    return (0.3 * delta * CONFIG.synapse_mask().numpy()).astype(np.float32)


def rehearsed(trainee, positions, arm, duration, playback):
    """Rehearse without the arm in thought, which takes the most time: a good movement."""
    trainee.trial()
    return Expectation(1.0, 1.0, 10.0, 20.0)


class World:
    """Clocks, an arm, and what must hold of everything it is told."""

    def __init__(self, dead_man):
        self.now, self.wall = 100.0, 10 ** 18
        self.dead_man = dead_man
        self.position, self.velocity = np.zeros(2), np.zeros(2)
        self.told_at = -1e9
        self.sent = None
        """When and what was sent last by who is sending; None: nobody is."""
        self.lost = False
        """Whether an arm without a dead-man was left to itself: no limit of position holds."""
        self.braking = False
        self.loop = None
        self.send_fails = 0
        self.outlet_fails = 0
        self.stated = self.status = None
        self.largest = 0.0
        self.commands = 0

    # commands to the arm

    topic = 'commands'

    def driven(self, pose):
        return pose

    def heard(self):
        return True

    def ready(self, pose, now):
        return True

    def trouble(self, pose, now):
        return ''

    def told(self, now):
        return None

    def rest(self):
        self.sent = None

    def end(self, now):
        self.send(np.zeros(2), now)

    def send(self, velocity, now):
        if self.send_fails:
            self.send_fails -= 1
            raise RuntimeError('publisher: context is invalid')
        assert np.isfinite(velocity).all()
        assert (np.abs(velocity) <= LIMITS.velocity + EASE).all()
        if self.sent is not None:
            at, last = self.sent
            assert now >= at
            allowed = LIMITS.acceleration * min(now - at, LONGEST_GAP)
        else:
            last, allowed = self.velocity, LIMITS.acceleration * PERIOD + STANDS
        if self.sent is not None or self.loop.speed() is not None:
            step = np.abs(velocity - last)
            assert (step <= allowed + EASE).all(), f'a jump from {last} to {velocity}'
        if self.braking and self.sent is not None:
            assert (np.abs(velocity) <= np.abs(last) + EASE).all(), 'faster after a halt'
        self.commands += 1
        self.largest = max(self.largest, float(np.abs(velocity).max()))
        self.sent = (now, np.array(velocity))
        self.velocity, self.told_at = np.array(velocity), now

    hold = send

    # the outlet

    def _hear(self):
        if self.outlet_fails:
            self.outlet_fails -= 1
            raise RuntimeError('publisher: context is invalid')

    def programmed(self, ok, text, **values):
        if 'demonstration' in values:
            self.stated = values['demonstration']

    def progressed(self):
        self._hear()

    def spiked(self, events):
        self._hear()

    def halted(self, text):
        self._hear()

    def delayed(self, text):
        self._hear()

    def finished(self, text):
        self._hear()

    def traced(self, trial, version):
        pass

    def said(self, text):
        pass

    def complained(self, text):
        pass

    # time

    def steady(self):
        return self.now

    def since_1970(self):
        self.wall += 1
        return self.wall

    def advance(self, seconds):
        """Let the arm move on as it was told last."""
        until = self.now + seconds
        if self.dead_man:
            going = min(max(self.told_at + DEAD_MAN - self.now, 0.0), seconds)
            self.position = self.position + going * self.velocity
            if until > self.told_at + DEAD_MAN + EASE:
                self.velocity = np.zeros(2)
        else:
            self.position = self.position + seconds * self.velocity
            if until - self.told_at > LONGEST_GAP + EASE and self.velocity.any():
                self.lost = True
        self.now, self.wall = until, self.wall + round(1e9 * seconds)
        if not self.lost:
            assert (self.position <= LIMITS.upper + 1e-6).all(), self.position
            assert (self.position >= LIMITS.lower - 1e-6).all(), self.position

    def pause(self, seconds):
        self.advance(seconds)


class Brittle:
    """Makes the synapses of a care fail when told to, a write half-way."""

    def __init__(self, synapses):
        self.read_fails_in = None
        self.write_fails = self.save_fails = False
        self._read, self._update = synapses.matvec, synapses.update
        self._restore, self._save = synapses.restore, synapses.save if hasattr(
            synapses, 'save') else None
        synapses.matvec, synapses.update, synapses.restore = self.matvec, self.update, self.restore
        if self._save is not None:
            synapses.save = self.save

    def matvec(self, x):
        if self.read_fails_in is not None:
            if self.read_fails_in == 0:
                self.read_fails_in = None
                raise RuntimeError('read failed')
            self.read_fails_in -= 1
        return self._read(x)

    def _half(self, write, values, was):
        if not self.write_fails:
            return write(values)
        self.write_fails = False
        half = values.clone()
        half[::2] = was[::2]
        write(half)
        raise RuntimeError('write failed')

    def update(self, delta):
        return self._half(self._update, delta, torch.zeros_like(delta))

    def restore(self, weights):
        return self._half(self._restore, weights, self._update.__self__.weights())

    def save(self, path, notes=None):
        if self.save_fails:
            self.save_fails = False
            raise OSError('disk full')
        return self._save(path, notes)


class ControllerMachine(RuleBasedStateMachine):
    """One controller after another on one arm."""

    totals = {'moved': 0, 'commands': 0, 'fastest': 0.0, 'sequences': 0, 'learned': 0}

    @initialize(dead_man=st.booleans(), chip=st.integers(0, 19), unlearned=st.booleans(),
                poor=st.integers(0, 3), learn=st.booleans(),
                correction=st.sampled_from([0.0, 0.0, 1.0]),
                lag=st.sampled_from([(), (), (0.1, 0.15)]), near=st.booleans())
    def begin(self, dead_man, chip, unlearned, poor, learn, correction, lag, near):
        # On a chip everything is real.
        controller.rehearse = rehearse if chip == 7 else rehearsed
        self.world = World(dead_man)
        self.file = None
        if chip == 7:
            self.file = prepared().with_name(f'chip_{id(self)}')
            shutil.copy(prepared(), self.file)
        self.settings = Settings(
            period=PERIOD, synapses='chip' if self.file else 'software', seed=1,
            chip_file=self.file, correction=correction, lag=lag, allow_poor=poor > 0,
            allow_unlearned=unlearned)
        self.written = {}
        self.latched = False
        self.playing_weights = None
        self.controller = None
        self.fresh()
        self.configure()
        self.activate()
        self.show(int(near))
        self.flow(5)
        if learn:
            self.update('right', 1)
        self.execute()

    def teardown(self):
        controller.rehearse = rehearse
        if getattr(self, 'file', None) is not None:
            self.file.unlink(missing_ok=True)
        if hasattr(self, 'world'):
            totals = ControllerMachine.totals
            totals['sequences'] += 1
            totals['commands'] += self.world.commands
            totals['moved'] += self.world.largest > 0.05
            totals['learned'] += bool(self.written)
            totals['fastest'] = max(totals['fastest'], self.world.largest)

    # the process and its transitions

    def fresh(self):
        self.controller = Controller(self.settings, self.world, self.world.steady,
                                     self.world.since_1970, self.loop_of)
        self.latched = False
        self.world.sent, self.world.braking = None, False
        self.world.lost = self.world.lost or (
            not self.world.dead_man and bool(self.world.velocity.any()))

    def loop_of(self, *given, **others):
        self.world.loop = SteppedLoop(*given, **others, pause=self.world.pause)
        return self.world.loop

    @property
    def loop(self):
        return self.controller.loop

    @property
    def phase(self):
        return self.loop.playback.phase if self.loop is not None else None

    def tried(self, act, *given):
        """Call what may be refused; returns whether it was not."""
        try:
            act(*given)
        except InputError as error:
            assert '\n' not in str(error) and len(str(error)) > 10
            return False
        finally:
            self.look()
        return True

    def look(self):
        """Note a halt at once."""
        self.latched = self.latched or self.phase is Phase.HALTED
        reason = self.loop.playback.reason if self.loop is not None else ''
        assert 'internal error' not in reason or any(known in reason for known in INJECTED), reason
        self.world.braking = self.latched

    @rule(way=st.sampled_from(['killed', 'told to end', 'deactivated', 'deactivated',
                               'cleaned up', 'cleaned up and configured', 'on']))
    def change_state(self, way):
        """Take a transition that is possible, or be a new process."""
        if way == 'killed':
            self.restart()
        elif way == 'told to end':
            self.deactivate('shut down')
            self.restart()
        elif way == 'deactivated':
            self.deactivate('deactivated')
        elif way.startswith('cleaned up'):
            self.cleanup()
        if way in ('on', 'cleaned up and configured'):
            self.configure()
            self.activate()

    @precondition(lambda self: not self.controller.active)
    @rule()
    def switch_on(self):
        self.configure()
        self.activate()

    def restart(self):
        self.fresh()
        if self.file is None:
            self.written = {}
        self.configure()
        self.activate()

    def configure(self):
        if self.controller.care is None:
            self.controller.configure(model(), ARM, self.world)
            self.brittle = Brittle(self.controller.care.synapses)
            self.look()

    def activate(self):
        if self.controller.care is None or self.controller.active:
            return
        try:
            self.controller.activate()
        except RuntimeError:  # an error transition: the node lets go of everything
            self.cleanup()

    def deactivate(self, reason):
        if not self.controller.active:
            return
        moving = self.loop.playback.moving
        self.controller.deactivate(reason)
        self.check_rest()
        assert self.loop.at_rest and not self.loop.running
        assert not moving or self.phase is Phase.HALTED
        self.look()

    def cleanup(self):
        self.controller.cleanup()
        assert self.controller.learned is None
        self.check_rest()

    def check_rest(self):
        assert self.world.sent is None or not self.world.sent[1].any()

    # services

    @rule()
    def execute(self):
        care = self.controller.care
        if self.tried(self.controller.execute):
            shown = self.controller.shown or care.taught
            assert not self.latched and not care.spoiled and not self.loop.company
            assert care.learned == shown.digest or (
                care.learned is None and self.settings.allow_unlearned)
            self.playing_weights = care.synapses.weights()

    @rule()
    def reset_and_execute(self):
        """What a user does who wants it to go on."""
        if self.loop is not None:
            self.loop.company = ''
            self.flow(2)
        if self.latched:
            self.reset()
        self.execute()
        self.flow(5)

    @rule()
    def halt(self):
        self.tried(self.controller.halt)

    @rule()
    def reset(self):
        if self.tried(self.controller.reset):
            assert self.loop.at_rest or self.phase is not Phase.IDLE or not self.latched
            self.latched = self.world.braking = False
            assert self.phase is not Phase.HALTED

    @rule()
    def forget(self):
        if self.tried(self.controller.forget):
            assert self.controller.learned is None

    @rule()
    def tend(self):
        if self.loop is not None:
            self.controller.tend()
            self.look()

    # messages

    @rule(which=st.integers(0, 2))
    def show(self, which):
        self.controller.shown = (movements() + (None,))[which]

    @rule(kind=st.sampled_from(['right', 'right', 'version', 'digest', 'shape', 'nan', 'bare']),
          seed=st.integers(1, 3))
    def update(self, kind, seed):
        care, shown, delta = self.controller.care, self.controller.shown, change(seed)
        labels = {'version': care.version if care else 'none',
                  'demonstration': shown.digest if shown else 'none'}
        if kind == 'version':
            labels['version'] = 'old'
        elif kind == 'digest':
            labels['demonstration'] = movements()[0].digest[::-1]
        elif kind == 'shape':
            delta = delta[:, 1:]
        elif kind == 'nan':
            delta = delta * np.nan
        elif kind == 'bare':
            labels = {}
        before = care.learned if care else None
        if self.tried(self.controller.update, delta, labels):
            assert kind == 'right' and before is None
            self.written[care.learned] = care.synapses.weights()
            assert not torch.equal(self.written[care.learned], initial())

    @rule(what=st.sampled_from(['company', 'alone', 'nan', 'inf', 'clock']), size=st.sampled_from(
        [-1e6, 1e6, 1e9]))
    def disturb(self, what, size):
        """Let others command, states be odd, the wall clock be set."""
        if what == 'clock':
            self.world.wall = max(1, self.world.wall + round(1e9 * size))
        elif self.loop is not None and what in ('company', 'alone'):
            self.loop.company = 'other can also command' if what == 'company' else ''
        elif self.loop is not None:
            self.loop.state(np.array([float(what), 0.0]))

    # time

    @rule(ticks=st.integers(1, 15), states=st.sampled_from([1, 1, 1, 3, 0]))
    def flow(self, ticks, states=1):
        """Let time pass with a state at every so many ticks; 0: none."""
        for number in range(ticks):
            if self.loop is not None and states and number % states == 0:
                self.loop.state(self.world.position)
            self.tick()
            self.world.advance(PERIOD)

    def tick(self, late=0.0):
        if self.loop is not None and self.loop.running:
            self.loop.tick(late)
            self.look()
            assert not (self.loop.company and self.loop.playback.moving)

    @rule()
    def on_and_on(self):
        self.flow(20)

    @rule(ticks=st.integers(4, 8))
    def on(self, ticks):
        self.flow(ticks)

    @rule(gap=st.sampled_from([0.05, 0.12, 0.4, 1.0, 60.0]), state=st.booleans())
    def late(self, gap, state):
        if not self.world.dead_man and gap > 1:
            gap = 2.0  # an arm that nobody stops is far away by then
        moving = (self.loop is not None and self.loop.playback.moving
                  and self.world.sent is not None)
        self.world.advance(gap)
        if state and self.loop is not None:
            self.loop.state(self.world.position)
        self.tick(gap)
        if moving and gap > 0.6 and self.loop.running:
            assert self.phase is Phase.HALTED

    @rule(where=st.sampled_from([(0.0, 0.0), (0.44, 0.0), (-0.5, 0.5)]))
    def a_hand_moves_the_arm(self, where):
        world = self.world
        if world.sent is None and not world.velocity.any():
            world.position, world.lost = np.array(where), False
            world.now += 0.5
            world.wall += 5 * 10 ** 8
            if self.loop is not None:
                for _ in range(5):  # it stands there
                    self.loop.state(world.position)
                    world.now += SPEED_LEAST

    # faults

    @rule(what=st.sampled_from(['read', 'write', 'disk', 'send', 'tell']),
          number=st.integers(0, 12))
    def fail(self, what, number):
        """Let something fail: now, or after so many calls."""
        if what == 'read':
            self.brittle.read_fails_in = number
        elif what == 'write':
            self.brittle.write_fails = True
        elif what == 'disk':
            self.brittle.save_fails = True
        elif what == 'send':
            self.world.send_fails = 1 + number % 3
        else:
            self.world.outlet_fails = 3
            self.tick()
            self.world.advance(PERIOD)
            self.world.outlet_fails = 0

    @invariant()
    def what_always_holds(self):
        """Check that a halt stays, and that what is said to be learned is what the chip holds."""
        if getattr(self, 'controller', None) is None or self.controller.care is None:
            return
        assert not self.latched or self.phase is Phase.HALTED
        care = self.controller.care
        held = care.synapses.weights()
        if care.learned is not None:
            assert not care.spoiled and torch.equal(held, self.written[care.learned])
        elif not care.spoiled:
            assert torch.equal(held, initial())
        if self.controller.active:
            assert self.world.stated == (care.learned or '')
        if self.loop.playback.moving:
            assert torch.equal(held, self.playing_weights)
