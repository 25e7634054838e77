# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The one way in for demonstrations: read, recognise, trim, check, describe.

Whoever has a file calls `read_demonstration`, whoever has heard messages `from_states`. What
was understood stands in one line in `Demonstration.understood`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
import shlex

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.faults import check_gaps, check_moves, repaired
from smallbot.demonstration.formats.lerobot import is_data_set, read_data_set
from smallbot.demonstration.formats.messages import of_states, read_bag, State
from smallbot.demonstration.formats.options import Reading
from smallbot.demonstration.formats.recording import (
    in_order,
    listed,
    part_of,
    rate_of,
    Recording,
)
from smallbot.demonstration.formats.table import read_csv, SUFFIXES
from smallbot.demonstration.samples import (
    check_finite,
    check_resting,
    check_samples,
    Demonstration,
    DemonstrationError,
    trimmed,
)
from smallbot.demonstration.storage.bag_files import is_bag
from smallbot.demonstration.tip_path import joints_of_tip
from smallbot.paths import unreadable

PLAIN = Reading()
"""Nothing is said beyond what the file says."""


def is_recording(path: Path) -> bool:
    """Return whether a path looks like something that `read_demonstration` reads, or explains."""
    return (not path.name.startswith('.') and not path.name.lower().startswith('readme')
            and (is_bag(path) or is_data_set(path) or path.suffix.lower() in (*SUFFIXES, '.bag')))


def read_demonstration(path: str | Path, arm: Arm, reading: Reading = PLAIN) -> Demonstration:
    """Read a demonstration of `arm` from a table of text, a rosbag2 or a LeRobot data set.

    Tool-tip files are turned into joint positions by inverse kinematics. The result holds the
    driven joints in their order, without rest before and after, and has passed every check.
    Raises DemonstrationError, one line that says what is wrong, where, and how to mend it.
    """
    path = Path(path)
    if why := unreadable(path, None):
        raise DemonstrationError(f'{path}: {why}')
    if is_bag(path):
        recording = read_bag(path, arm, reading)
    elif is_data_set(path):
        recording = read_data_set(path, arm, reading)
    elif path.is_dir():
        raise DemonstrationError(f'{path}: a folder without metadata.yaml, .mcap or .db3: not a '
                                 f'rosbag2 directory, nor a LeRobot data set')
    elif path.suffix.lower() in SUFFIXES:
        recording = read_csv(path, arm, reading)
    elif path.suffix.lower() == '.bag':
        there, new = shlex.quote(str(path)), shlex.quote(str(path.with_suffix('')))
        raise DemonstrationError(f'{path}: a ROS 1 bag; `rosbags-convert --src {there} --dst '
                                 f'{new}` makes a rosbag2 directory of it')
    else:
        raise DemonstrationError(f'{path}: expected a .csv file or a rosbag2 directory')
    return judged(recording, arm, reading)


def from_states(states: Sequence[State], arm: Arm, reading: Reading = PLAIN,
                source: str = 'topic joint_states') -> Demonstration:
    """Make a demonstration of messages that were heard, as of those in a bag.

    Raises DemonstrationError.
    """
    recording = of_states(states, arm, reading, source)
    recording.format = 'recorded'
    return judged(recording, arm, reading)


def judged(recording: Recording, arm: Arm, reading: Reading = PLAIN) -> Demonstration:
    """Return the movement in a recording; every way in ends here. Raises DemonstrationError."""
    source = recording.source
    recording = in_order(recording)
    if reading.part is not None:
        recording = part_of(recording, *reading.part)
    time, names = recording.time - recording.time[0], recording.names
    driven = [names.index(name) for name in arm.driven] if not recording.is_tip else [0, 1, 2]
    check_finite(recording.time, [names[k] for k in driven], recording.values[:, driven], source)
    held: dict[str, float] = {}
    if recording.is_tip:
        position = joints_of_tip(time, recording.values, arm, source)
    else:
        position = recording.values[:, driven]
        others = [k for k, name in enumerate(names) if name not in arm.driven]
        held = check_resting([names[k] for k in others], recording.values[:, others], arm,
                             source)
    position, mended = repaired(time, position, arm, source, not reading.no_repair)
    whole = Demonstration(arm.driven, time, position, source, held=held)
    arm = whole.posed(arm)
    made = whole if reading.keep_rest else trimmed(whole)
    try:
        check_samples(made, arm)
    except DemonstrationError as error:
        raise DemonstrationError(f'{error}; {recording.hint}' if recording.hint else str(error)
                                 ) from None
    check_moves(position, arm, source)
    said = [*recording.said, *check_gaps(made.time, made.position, arm, source)]
    if held and any(abs(value) > 1e-3 for value in held.values()):
        said.append('held: ' + listed([f'{name} {value:.3f}' for name, value in held.items()]))
    return replace(made, understood=_line(recording, whole, made, said,
                                          recording.mended + mended))


def _line(recording: Recording, whole: Demonstration, made: Demonstration, said: list[str],
          mended: list[str]) -> str:
    """Return in one line what was understood."""
    what = 'tool tip x, y, z' if recording.is_tip else f'joints {", ".join(made.joints)}'
    parts = [f'{recording.source}: {recording.format}, {what} ({recording.units})',
             f'{len(made.time)} samples at {rate_of(made.time):.3g} Hz',
             f'{made.duration:.2f} s' + (f' kept of {whole.duration:.2f} s recorded'
                                         if len(made.time) < len(whole.time) else ''),
             *said]
    if mended:
        parts.append('mended: ' + ', '.join(mended))
    return '; '.join(parts)
