# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The care of a controller's chip: loaded, aged, calibrated when due, programmed once, kept.

A chip outlives the process that programs it, and so does what is known of it: which movement it
has learned, for which weights it was made, when it was last looked at. What it has learned is
rehearsed, so that it is known what to expect before the arm moves. Not here: messages, and
whether the arm moves meanwhile, which is the caller's to rule out.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
import hashlib
from pathlib import Path
from time import time_ns
from typing import NamedTuple

import numpy as np
import torch

from smallbot.arm.kinematics import Arm
from smallbot.clock import steady
from smallbot.demonstration.samples import Demonstration
from smallbot.errors import InputError
from smallbot.files.bounds import NotNegative
from smallbot.files.holding import hold
from smallbot.files.schema import built
from smallbot.one_shot.model import OneShotModel
from smallbot.one_shot.rehearsal import Expectation
from smallbot.one_shot.trainee import prepare_synapses, Trainee
from smallbot.synapses.chip import ChipSynapses
from smallbot.synapses.interface import Synapses, WriteReport

REHEARSED_AGAIN = 300.0
"""Time after which a movement is first rehearsed again, s: the age at which the law of the devices
takes their conductance. Then whenever it has been held for twice as long."""


class FirstTrial(NamedTuple):
    """What a trial on the chip as it is has shown to those who make the update."""

    traces: np.ndarray
    """Pseudo-derivatives, input traces, recurrent traces [T, N + N_in + N]."""
    spikes: np.ndarray
    """[E, 2] step and neuron."""


@dataclass(frozen=True)
class Notes:
    """What is kept of a chip beside its synapses, the movement apart."""

    model: str | None = None
    weights: str | None = None
    """Digest of the model's."""
    learned: str | None = None
    saved: NotNegative = 0.0
    """s since 1970."""


class ChipCare:
    """A chip, its trainee, and what is known to be on it.

    Parameters: `arm`, whose movements it learns; `kind`, 'chip' or 'software'; `seed` of the
    devices of a new chip; `file`, where the chip is kept: read if it exists, written by `save`;
    `clock`, steady, s, by which devices age; `wall`, ns since 1970, by which they age while
    nobody is there; `rehearse`, what plays a movement on the trainee without a motion (see
    `one_shot.rehearsal`), None: nothing is rehearsed.
    Raises InputError where the file is none of this model's, or another process has it.
    """

    def __init__(self, model: OneShotModel, arm: Arm, kind: str = 'chip', seed: int = 0,
                 file: Path | None = None, clock: Callable[[], float] = steady,
                 wall: Callable[[], int] = time_ns,
                 rehearse: Callable[[Trainee, Demonstration], Expectation] | None = None):
        self.model = model
        self.file = file
        self.learned: str | None = None
        """Digest of the movement that the one update was made from; None: initial weights."""
        self.taught: Demonstration | None = None
        """That movement."""
        self.version = ''
        """Of the weights whose traces `first_trial` returned last; allows one update."""
        self.calibrations = 0
        """How often columns have been calibrated since this chip was taken into care."""
        self.expected: Expectation | None = None
        """What the movement that was learned came to when it was rehearsed last; None: nothing
        was learned, or it cannot be played as asked."""
        self.unrehearsed = ''
        """Why a rehearsal broke off; empty: none did."""
        self.spoiled = ''
        """Why the weights may be neither the initial ones nor what was learned: a write broke
        off. Only `forget` mends it. Empty: they are one of both."""
        self._clock, self._wall = clock, wall
        self._rehearse_with = rehearse
        self._hold = None if file is None else hold(file)
        if file is not None and file.exists():
            synapses = self._loaded(file, arm)
        else:
            synapses = prepare_synapses(model, kind, seed)
        self.trainee = Trainee(model, synapses)
        if self.learned is None and not torch.equal(
                synapses.weights(), model.weights['trainee'] * model.config.synapse_mask()):
            self.spoiled = f'a write of chip {file} broke off before it was saved'
        self._aged_at = self._held_since = clock()
        self._rehearse()

    @property
    def synapses(self) -> Synapses:
        """Return what holds the weights."""
        return self.trainee.synapses

    def age(self) -> None:
        """Let the devices drift by the time that has passed since the last call."""
        now = self._clock()
        self.synapses.wait(now - self._aged_at)
        self._aged_at = now

    def tend(self) -> bool:
        """Look after a chip at rest; returns whether its columns had to be calibrated."""
        self.age()
        calibrated = self._refit(self.synapses)
        if calibrated or self._aged_at >= self._rehearse_at:
            self._rehearse()
        return calibrated

    def first_trial(self) -> FirstTrial:
        """Run a trial on the chip as it is, which gives its weights a version of their own."""
        self.age()
        record = self.trainee.trial()
        traces = torch.cat([record.eligibility.psi, record.eligibility.presynaptic], 1).numpy()
        # New at every trial, also where a trial repeats itself: a version allows one update.
        self.version = hashlib.sha256(
            traces.tobytes() + self._wall().to_bytes(16, 'big')).hexdigest()[:12]
        return FirstTrial(traces, np.argwhere(record.spikes.numpy()))

    def check_update(self, delta: np.ndarray, version: str | None, demonstration: str | None,
                     shown: Demonstration | None) -> None:
        """Refuse an update that does not fit; raises InputError.

        Parameters: `delta` [N, N_in + N]; `version` of the weights and digest of the
        `demonstration` it is said to be made from; `shown`, what was demonstrated last.
        """
        model = self.model
        if delta.shape != (model.n, model.n_in + model.n):
            raise InputError(f'it is {delta.shape[0]} x {delta.shape[1]}, expected {model.n} x '
                             f'{model.n_in + model.n} for model {model.name}')
        if self.learned is not None:
            raise InputError(f'demonstration {self.learned} has been learned already, with the '
                             f'one update there is: call snn_controller/forget first')
        self.check_whole()
        if not version or version != self.version:
            raise InputError(f'it is for weights of version {version}, these are '
                             f'{self.version}: learn again from the traces published last')
        last = shown.digest if shown is not None else None
        if last is None:
            raise InputError(f'it is for demonstration {demonstration}, but none is shown here '
                             f'now: record it again with demo_recorder/start and stop, then '
                             f'learn')
        if demonstration != last:
            raise InputError(f'it is for demonstration {demonstration}, here it is '
                             f'{last}: learn again')

    def check_whole(self) -> None:
        """Refuse weights of which nobody knows what they are; raises InputError."""
        if self.spoiled:
            raise InputError(f'the chip holds neither the initial weights nor what was learned, '
                             f'{self.spoiled}: call snn_controller/forget')

    def program(self, delta: np.ndarray, shown: Demonstration) -> WriteReport:
        """Write the one update [N, N_in + N] made from `shown`, after `check_update`; rehearse.

        Raises InputError, before anything is written, for what cannot be.
        """
        self.age()
        try:
            written = self.trainee.program(torch.from_numpy(delta.copy()))
        except InputError:
            raise
        except Exception as error:
            self._broke_off('an update', error)
            raise
        self.learned, self.taught = shown.digest, shown
        self.trainee.rewind()
        self._held_since = self._aged_at
        self._rehearse()
        return written

    def forget(self) -> WriteReport:
        """Write the initial weights again; `first_trial` must follow before the next update."""
        self.age()
        spoiled = self.spoiled
        # From here on until all is written nothing is sure; no version allows an update.
        self._broke_off('forgetting')
        try:
            written = self.trainee.forget()
            if spoiled:  # then what the chip says it holds does not count either
                written = self.synapses.program(self.model.weights['trainee'])
        except Exception as error:
            self._broke_off('forgetting', error)
            raise
        self.spoiled = ''
        return written

    def _broke_off(self, what: str, error: Exception | None = None) -> None:
        self.spoiled = f'{what} broke off' + (f' ({error!r})' if error else '')
        self.learned = self.taught = self.expected = None
        self.version = self.unrehearsed = ''

    def make_ready(self) -> None:
        """Prepare the trainee for a playback, and do now what would make its first step late."""
        self.age()
        self.synapses.matvec(torch.zeros(1, self.synapses.inputs))
        self.trainee.rewind()

    def save(self) -> None:
        """Write the chip and what is known of it to its file, if there is one.

        Raises OSError where it cannot be written; the file is then as it was.
        """
        if self.file is None:
            return
        notes = {'model': self.model.name, 'weights': self.model.digest, 'learned': self.learned,
                 'saved': self._wall() * 1e-9}
        if self.taught is not None:
            notes.update(time=self.taught.time.tolist(), position=self.taught.position.tolist(),
                         held=self.taught.held)
        self.synapses.save(self.file, notes)

    def _loaded(self, file: Path, arm: Arm) -> ChipSynapses:
        """Return the chip in `file`, as old as it has become, and take up what it has learned."""
        synapses, notes = ChipSynapses.load(file)
        built(Notes, {field.name: notes[field.name] for field in fields(Notes)
                      if field.name in notes}, f'chip {file}: notes')
        if notes.get('weights') != self.model.digest:
            raise InputError(f'chip {file} was made for model {notes.get("model")!r} with '
                             f'weights {notes.get("weights")}, not {self.model.name!r} with '
                             f'{self.model.digest}: choose another chip_file')
        self.learned = notes.get('learned')
        self.taught = _shown_in(notes, arm, file)
        now = self._wall() * 1e-9
        synapses.wait(max(0.0, now - float(notes.get('saved', now))))
        self._refit(synapses)
        return synapses

    def _rehearse(self) -> None:
        """Find out what to expect of the movement that was learned, and when to do so again."""
        self.expected, self.unrehearsed = None, ''
        self._rehearse_at = self._aged_at + max(REHEARSED_AGAIN,
                                                self._aged_at - self._held_since)
        if self.taught is None or self._rehearse_with is None:
            return
        try:
            self.expected = self._rehearse_with(self.trainee, self.taught)
        except InputError:  # which whoever wants to play it is told
            pass
        except Exception as error:  # what was learned has been learned nonetheless
            self.unrehearsed = repr(error)
        finally:
            self.trainee.rewind()

    def _refit(self, synapses: Synapses) -> bool:
        """Calibrate the columns where the chip has drifted: after the update for reading alone."""
        if self.learned is None and synapses.calibration_due():
            synapses.calibrate()
        elif self.learned is not None and synapses.reading_aged():
            synapses.calibrate_reading()
        else:
            return False
        self.calibrations += 1
        return True


def _shown_in(notes: dict, arm: Arm, file: Path) -> Demonstration | None:
    if notes.get('learned') is None:
        return None
    try:
        shown = Demonstration(arm.driven, np.array(notes['time'], dtype=float),
                              np.array(notes['position'], dtype=float), f'chip {file}',
                              {name: float(at) for name, at in notes.get('held', {}).items()})
    except (AttributeError, KeyError, TypeError, ValueError):
        shown = None
    if shown is None or shown.digest != notes['learned']:
        raise InputError(f'chip {file}: it does not hold the demonstration {notes["learned"]} '
                         f'that it has learned')
    return shown
