# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The arm's side of the page: what was shown, learned and played, and what the browser sees of it.

Runs in a process of its own and computes; what moves the arm is a `Robot`. Not here: browsers,
and who of them may drive.
"""

from dataclasses import replace
from pathlib import Path
import re
import threading
import time
from typing import Any

import numpy as np
import torch

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.drawing_plane import DrawingPlane
from smallbot.demonstration.formats.table import SUFFIXES
from smallbot.demonstration.reading import read_demonstration
from smallbot.demonstration.samples import Demonstration
from smallbot.demonstration.trial_grid import playing_duration, trial_of
from smallbot.errors import in_one_line, InputError
from smallbot.files.writing import for_a_moment
from smallbot.kinds import FileName
from smallbot.one_shot.example import shown_by_default
from smallbot.one_shot.learner import learning_signals
from smallbot.one_shot.model import OneShotModel
from smallbot.one_shot.playback import Phase
from smallbot.page.behind.child import Act, Line, Message, serve
from smallbot.page.behind.choice import Chosen, MOST_UPLOAD
from smallbot.page.behind.robot import Motion, Robot
from smallbot.page.behind.scene import packed, plane_of, scene_of
from smallbot.share import share_directory
from smallbot.study.reproduction import Course, Reproduction, reproduction

FRAMES = 30.0
"""Poses a second that are sent, at most."""
STILL = 1e-5
"""Change of a pose below which it is not sent again, rad."""
UPLOADED = (*SUFFIXES, '.mcap', '.db3')
"""Endings of files that are brought in."""
DRAWN_FOR = 'default'
"""Name of the example that is made for an arm."""
MOST_STATES, MOST_SPIKES = 600_000, 2_000_000
"""Kept of a playback."""
POOR = 'allow_poor'
OF_FILES = re.compile(r'; --part FROM:TO .*')
"""What is advised for files, and cannot be done with a drawing."""


class ArmSide:
    """See `robot.Watcher`; `run` serves until the page has gone."""

    def __init__(self, line: Line, model: OneShotModel, arm: Arm, chosen: Chosen, mode: str):
        self._line, self._model, self._arm = line, model, arm
        self._chosen, self._mode = chosen, mode
        self._key = f'{model.digest}-{mode}'
        self._lock = threading.RLock()
        self._plane = DrawingPlane.of(arm)
        self._robot: Robot | None = None
        self._described = False
        self._motion = Motion()
        self._shown: Demonstration | None = None
        self._name = ''
        self._offered = {'digest': '', 'name': ''}
        self._learned: dict[str, Any] | None = None
        self._played: dict[str, Any] | None = None
        self._busy = self._trouble = ''
        self._recording = False
        self._delta: np.ndarray | None = None
        self._taught: Demonstration | None = None
        self._course = Course()
        self._collecting = False
        self._spikes_before = np.zeros((0, 2), dtype=int)
        self._written: dict[str, str] = {}
        """What the last update wrote, as topic `programmed` says it."""
        self._began = 0.0

    # --- serving

    def run(self, robot: Robot) -> None:
        """Serve what is asked until the page has gone, then let the robot come to rest."""
        self._robot = robot
        self._line.say({'arm': self._description()})
        self._described = True
        self._tell()
        ending = threading.Event()
        poses = threading.Thread(target=self._send_poses, args=(ending,), daemon=True,
                                 name='poses')
        poses.start()
        acts: dict[str, Act] = {
            'draw': self._draw, 'example': self._example, 'upload': self._upload,
            'learn': self._learn, 'play': self._play, 'record': self._record,
            'reset': lambda ask: {'text': robot.reset()}}
        try:
            serve(self._line, acts, {'halt': self._halt})
        finally:
            ending.set()
            robot.close()

    def _description(self) -> dict[str, Any]:
        return {
            'key': self._key, 'name': self._arm.name,
            'model': self._model.name, 'weights': self._model.digest,
            'models': list(self._chosen.started_with),
            'can_choose': self._mode == 'library' and len(self._chosen.started_with) > 1,
            'mode': self._mode, 'simulated': self._robot.simulated,
            'synapses': self._chosen.synapses, 'joints': list(self._arm.driven),
            'movable': list(self._arm.movable),
            'trial_seconds': self._model.config.trial_seconds,
            'scene': scene_of(self._arm), **plane_of(self._plane),
            'examples': [{'name': name, 'title': title} for name, title, _ in self._examples()],
            'most_bytes': MOST_UPLOAD, 'suffixes': list(UPLOADED)}

    def _examples(self) -> list[tuple[str, str, Path | None]]:
        """Return name, title and file of the shipped movements that fit this arm."""
        found: list[tuple[str, str, Path | None]] = []
        if set(self._arm.driven) == {'base', 'shoulder'}:
            folder = share_directory() / 'config' / 'demonstrations'
            found = [(path.stem, path.stem.replace('_', ' '), path)
                     for path in sorted(folder.glob('*.csv'))]
        return found or [(DRAWN_FOR, f'a movement made for {self._arm.name}', None)]

    def _tell(self) -> None:
        """Send the state as it is, once the browser can be told what it is about."""
        if not self._described:
            return
        with self._lock:
            motion, shown = self._motion, self._shown
            state = {
                'ready': True, 'waiting': '', 'mode': self._mode,
                'simulated': self._robot.simulated,
                'arm': {'key': self._key},
                'phase': motion.phase.value, 'reason': motion.reason,
                'fraction': motion.fraction, 'duration': motion.duration,
                'recording': self._recording,
                'shown': shown and {'digest': shown.digest, 'name': self._name,
                                    'seconds': shown.duration},
                'learned': self._learned, 'busy': self._busy, 'trouble': self._trouble,
                'played': self._played}
            self._line.say({'state': state})

    def _send_poses(self, ending: threading.Event) -> None:
        last: np.ndarray | None = None
        while not ending.wait(1 / FRAMES):
            pose = self._robot.pose()
            moving = self._motion.phase is Phase.PLAYING
            if pose is None or (last is not None and not moving
                                and np.abs(pose - last).max() < STILL):
                continue
            last = pose
            at = None
            if moving and self._course.stamps:
                at = max(0.0, (self._course.stamps[-1] - self._motion.began) * 1e-9)
            self._line.say({'pose': [round(float(value), 5) for value in pose], 'at': at})

    # --- what is asked

    def _draw(self, ask: Message) -> dict[str, Any]:
        try:
            stroke = np.array(ask.get('points'), dtype=float)
            seconds = None if ask.get('seconds') is None else float(ask['seconds'])
        except (TypeError, ValueError):
            raise InputError('points: expected [[u, v, t], ...], numbers') from None
        if stroke.ndim != 2 or stroke.shape[1] != 3:
            raise InputError(f'points of shape {list(stroke.shape)}: expected [[u, v, t], ...]')
        try:
            shown = self._plane.movement(stroke[:, :2], stroke[:, 2], ask.get('timing') == 'even',
                                         seconds)
            return self._offer(shown, 'your drawing')
        except InputError as error:
            at = getattr(error, 'at', None)
            refused = InputError(OF_FILES.sub('', str(error)))
            refused.answer = {'at': None if at is None else [float(part) for part in at]}
            raise refused from None

    def _example(self, ask: Message) -> dict[str, Any]:
        for name, title, path in self._examples():
            if name == ask.get('name'):
                shown = (shown_by_default(self._model.config, self._arm) if path is None
                         else _by_name(read_demonstration(path, self._arm), path))
                return self._offer(shown, title)
        raise InputError(f'example {ask.get("name")!r}: there are '
                         f'{", ".join(name for name, *_ in self._examples())}')

    def _upload(self, ask: Message) -> dict[str, Any]:
        name, content = str(ask.get('name', '')), ask.get('content', b'')
        if Path(name).suffix.lower() not in UPLOADED:
            raise InputError(f'{in_one_line(name)}: expected a file that ends in '
                             f'{", ".join(UPLOADED)}')
        stem = ''.join(letter if letter.isprintable() and letter not in '/\\' else '_'
                       for letter in Path(name).name)[-100:].lstrip('.')
        with for_a_moment(FileName()(stem) if stem else 'upload.csv', content) as path:
            try:
                return self._offer(_by_name(read_demonstration(path, self._arm), path),
                                   path.name)
            except InputError as error:
                raise InputError(in_one_line(error).replace(f'{path.parent}/', '')) from None

    def _record(self, ask: Message) -> dict[str, Any]:
        action = ask.get('action')
        if action not in ('start', 'stop', 'discard'):
            raise InputError(f'action {action!r}: expected start, stop or discard')
        said = self._robot.record(action)
        self._recording = action == 'start'
        self._tell()
        return {'text': said}

    def _offer(self, shown: Demonstration, name: str) -> dict[str, Any]:
        """Make a movement the current one; returns what to answer."""
        if self._motion.moving:
            raise InputError('a movement is being played: wait for its end, or halt')
        shown = self._robot.as_told(shown)
        self._offered = {'digest': shown.digest, 'name': name}
        self._robot.offer(shown)
        _, how = self._playing(shown, trial_of(shown, self._arm, self._model.steps))
        return {'text': f'{name}: {shown.duration:.1f} s{how}'}

    def _playing(self, shown: Demonstration, positions: np.ndarray) -> tuple[float, str]:
        duration, stretched = playing_duration(shown, positions, self._arm.limits)
        return duration, f', played in {duration:.1f} s: the arm needs that' if stretched else ''

    def _learn(self, ask: Message) -> dict[str, Any]:
        with self._lock:
            self._learned = self._played = None
            self._busy, self._began = 'learning', time.perf_counter()
            self._tell()
        try:
            return {'text': self._robot.learn()}
        finally:
            self._busy = ''
            self._tell()

    def _play(self, ask: Message) -> dict[str, Any]:
        with self._lock:
            taught = self._taught or self._shown
            self._course = Course(demonstration=taught, spikes_before=self._spikes_before)
            self._collecting = True
            self._played = None
        try:
            return {'text': self._robot.execute(bool(ask.get('allow_poor')))}
        except InputError as error:
            self._collecting = False
            error.answer = {'poor': POOR in str(error) and self._mode == 'library'}
            raise

    def _halt(self, ask: Message) -> dict[str, Any]:
        return {'text': self._robot.halt(str(ask.get('reason') or 'halted on the page'))}

    # --- what the robot does

    def demonstrated(self, shown: Demonstration | None) -> None:
        """Take the demonstration that is current now."""
        with self._lock:
            self._shown = shown
            if shown is not None:
                own = self._offered['digest'] == shown.digest
                self._name = self._offered['name'] if own else Path(shown.source).stem
                # First what there is to be seen, then that it is there.
                self._line.say({'data': 'shown', 'value': self._seen(shown)})
            self._tell()

    def _seen(self, shown: Demonstration) -> dict[str, Any]:
        path = trial_of(shown, self._arm, self._model.steps)
        duration, how = self._playing(shown, path)
        tip = shown.posed(self._arm).tip(torch.as_tensor(path)).numpy()
        return {'digest': shown.digest, 'name': self._name, 'understood': shown.understood,
                'seconds': shown.duration, 'duration': duration, 'how': how,
                'tip': _rounded(tip), 'plane': _rounded(self._plane.on(tip)),
                'positions': _rounded(path), 'held': shown.held}

    def traced(self, spikes: np.ndarray) -> None:
        """Take the spikes of the trial before an update."""
        self._spikes_before = spikes

    def updated(self, delta: np.ndarray) -> None:
        """Take the update that is being written."""
        self._delta = delta

    def programmed(self, values: dict[str, str]) -> None:
        """Take what an update has written."""
        def number(name: str) -> float | None:
            text = values.get(name)
            return None if text in (None, 'None') else float(text)

        with self._lock:
            self._taught, self._written = self._shown, values
            # Where another has made it learn, only what the chip took is known.
            seconds = time.perf_counter() - self._began if self._busy else None
            learned = {
                'digest': values.get('demonstration', ''), 'name': self._name,
                'expected_cm': number('expected_tip_rmse_cm'),
                'cells': number('cells_written'), 'cells_total': number('cells_total'),
                'devices': number('devices_written'), 'pulses': number('pulses'),
                'energy_uj': number('energy_uj'), 'write_seconds': number('update_seconds'),
                'learn_seconds': seconds}
            self._line.say({'data': 'learned', 'value': {**learned, **self._inside()}})
            self._learned = learned
            self._tell()

    def spiked(self, events: np.ndarray) -> None:
        """Take spikes of a playback."""
        with self._lock:
            if self._collecting and len(self._course.spikes_after) < MOST_SPIKES:
                self._course.spikes_after.append(events)

    def progressed(self, motion: Motion) -> None:
        """Take how far a playback is; at its end compare it with what was shown."""
        with self._lock:
            before, self._motion = self._motion, motion
            over = self._collecting and not motion.moving and motion.phase is not Phase.IDLE
            if over and before.moving:
                self._collecting = False
            else:
                over = False
            self._tell()
        if over and motion.phase is Phase.DONE:
            # Not in this thread, which may be that of the control loop.
            threading.Thread(target=self._compare, args=(motion,), daemon=True).start()

    def moved(self, stamp: int, position: np.ndarray) -> None:
        """Take where the driven joints were."""
        if self._collecting and len(self._course.stamps) < MOST_STATES:
            self._course.stamps.append(stamp)
            self._course.positions.append(position)

    def troubled(self, text: str) -> None:
        """Take what is wrong with the robot."""
        with self._lock:
            if text != self._trouble:
                self._trouble = text
                self._tell()

    def said(self, text: str) -> None:
        """Tell whoever looks."""
        self._line.say({'told': text})

    # --- what is shown of it

    def _inside(self) -> dict[str, Any]:
        """Return what the browser shows of an update: cells, spikes and learning signals."""
        model, shown = self._model, self._taught
        if shown is None or self._delta is None:
            return {}
        path = torch.from_numpy(trial_of(shown, self._arm, model.steps))
        signals = learning_signals(model, model.config.watched(
            shown.posed(self._arm), path).float()[None])[0].T.numpy()
        largest = max(float(np.abs(signals).max()), 1e-12)
        strength = np.abs(self._delta)
        return {
            'neurons': model.n, 'steps': model.steps,
            'map': {'rows': strength.shape[0], 'columns': strength.shape[1],
                    'data': packed(255 * np.sqrt(strength / max(strength.max(), 1e-12)))},
            'spikes': self._spikes_before.tolist(),
            'signals': {'rows': signals.shape[0], 'columns': signals.shape[1],
                        'data': packed((127 * signals / largest).astype(np.int8))}}

    def _compare(self, motion: Motion) -> None:
        course = self._course
        course.began, course.duration = motion.began, motion.duration
        course.updates = 1
        course.programmed = self._written
        course.learn_seconds = (self._learned or {}).get('learn_seconds') or 0.0
        try:
            result = reproduction(self._model, self._arm, course, self._chosen.synapses,
                                  self._chosen.arm, self._chosen.seed)
        except Exception as error:  # a playback of something that this page has not seen learned
            self._line.say({'told': f'not compared: {in_one_line(error)}'})
            return
        self._line.say({'data': 'played', 'value': self._comparison(result)})
        with self._lock:
            self._played = {'digest': course.demonstration.digest,
                            'arm_tip_rmse_cm': result.report['arm_tip_rmse_cm']}
            self._tell()

    def _comparison(self, result: Reproduction) -> dict[str, Any]:
        away = np.linalg.norm(result.tip['arm'] - result.tip['demonstrated'], axis=1)
        report = result.report
        return {'digest': report['demonstration']['digest'], 'tip': _rounded(result.tip['arm']),
                'plane': _rounded(self._plane.on(result.tip['arm'])),
                'error': _rounded(np.stack([result.time, 100 * away], axis=1)),
                'spikes': result.spikes['after'].tolist(),
                'arm_tip_rmse_cm': report['arm_tip_rmse_cm'],
                'network_tip_rmse_cm': report['tip_rmse_cm']['after']['mean'],
                'before_tip_rmse_cm': report['tip_rmse_cm']['before']['mean'],
                'report': report}


def _by_name(shown: Demonstration, path: Path) -> Demonstration:
    """Return a movement that is said to come from its file, without the folder."""
    return replace(shown, source=path.name,
                   understood=shown.understood.replace(f'{path.parent}/', ''))


def _rounded(values: np.ndarray, to: int = 5) -> list:
    return np.round(np.asarray(values, dtype=float), to).tolist()
