# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Messages of joint positions, from a rosbag2 or as they were heard, as recordings of an arm.

Read without ROS, from any storage, by the stamps of the messages.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.formats.options import Reading
from smallbot.demonstration.formats.recording import counted, listed, MOST_BRIDGED, Recording
from smallbot.demonstration.storage.refusal import DemonstrationError

STATE = 'sensor_msgs/msg/JointState'
TRAJECTORY = 'trajectory_msgs/msg/JointTrajectory'
_MEASURED = (STATE, 'control_msgs/msg/DynamicJointState',
             'control_msgs/msg/JointTrajectoryControllerState')
"""In the order in which they are preferred; a trajectory is what was asked, not what was done."""
_HOLDS_TRAJECTORY = 'trajectory_msgs/JointTrajectory'
MOST_SKIPPED = 0.05
"""Share of messages without finite positions of the driven joints that is left out."""
COARSEST = 100_000_000
"""Longest usual time between two stamps of a clock by which messages are put in time, ns."""
APART = 0.02
"""Distance from which states that take turns are two publishers', rad over all joints."""


class State(NamedTuple):
    """Positions as one message says them."""

    stamp: int
    """ns; 0: the message has none."""
    received: int
    """ns."""
    names: list[str]
    positions: Sequence[float]
    frame: str = ''
    publisher: int = 0
    """Which channel of the topic it came through."""


def fault_of(state: State) -> str:
    """Return why a message is of no use, whoever it comes from; empty: it may be of some."""
    names, positions = state.names, state.positions
    if not names:
        return 'it names no joints'
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        return f'joint {twice!r} occurs {names.count(twice)} times, expected once'
    if len(positions) not in (0, len(names)):
        return f'joint state of {len(names)} names and {len(positions)} values of position'
    return '' if state.stamp >= 0 else f'stamp of {state.stamp} ns, expected none below 0'


def read_bag(path: Path, arm: Arm, reading: Reading) -> Recording:
    """Return what a bag, a folder or one file of it, says of the driven joints.

    Raises DemonstrationError where no topic does, more than one could, or two publishers differ.
    """
    from smallbot.demonstration.storage.bag_files import read_bag_files

    def wanted(kind: str, definition: str) -> bool:
        return kind in (STATE, TRAJECTORY) or bool(definition) and (
            kind in _MEASURED or _HOLDS_TRAJECTORY in definition)

    messages, topics, remarks, storage = read_bag_files(path, wanted)
    kinds = {message.topic: message.kind for message in messages}
    if reading.topic is not None:
        chosen = '/' + reading.topic.strip('/')
        if chosen not in kinds:
            raise DemonstrationError(f'{path}: --topic {reading.topic}: no joint positions on it; '
                                     f'there are {listed(sorted(kinds)) or "none"}')
        kinds = {chosen: kinds[chosen]}
    if not kinds:
        undefined = [f'{name} ({kind})' for name, kind in topics.items() if kind in _MEASURED[1:]]
        raise DemonstrationError(
            f'{path}: no sensor_msgs/JointState message in this bag'
            + (f', and no definition of {listed(undefined)}' if undefined else '')
            + (f'; its topics are {listed(sorted(topics))}' if topics else '')
            + ''.join(f'; {remark}' for remark in remarks if 'metadata' not in remark))
    found = _by_topic(messages, kinds)
    topic = _chosen_topic(path, found, kinds, arm)
    source = f'{path} ({topic})'
    if kinds[topic] in _MEASURED:
        recording = of_states(found[topic], arm, reading, source)
    else:
        recording = _of_trajectories(found[topic], arm, reading, source)
    short = kinds[topic].split('/')[-1]
    recording.format = f'rosbag2 ({storage}), {short}'
    recording.said += [remark for remark in remarks if 'cut off' not in remark]
    recording.mended += [remark for remark in remarks if 'cut off' in remark]
    return recording


def of_states(states: Sequence[State], arm: Arm, reading: Reading, source: str) -> Recording:
    """Return what messages of one topic say of the driven joints, in their order.

    Messages without them, or without finite positions of them, are left out and counted; joints
    that the arm does not have are left out and named. Raises DemonstrationError.
    """
    driven = set(arm.driven)
    said, mended = [], []
    held = [s for s in states if driven & set(s.names) and len(s.positions) == len(s.names)
            and not fault_of(s)]
    if not held:
        bare = [s for s in states if driven & set(s.names)]
        there = sorted({name for s in states for name in s.names})
        raise DemonstrationError(
            f'{source}: ' + (f'{len(bare)} messages name {listed(arm.driven)} without a position '
                             'for each name' if bare else
                             f'no message has {listed(arm.driven)}; the joints there are '
                             f'{listed(there) or "none"}'))
    if len(held) < len(states):
        mended.append(f'{counted(len(states) - len(held), "message")} without the driven joints '
                      f'skipped')
    groups = _publishers(held, arm, reading, source, said)
    parts = [_samples(group, arm, source, said, mended) for group in groups]
    names, stamp, values, received = parts[0]
    if len(parts) > 1:
        names, stamp, values, received = _together(parts, source)
        said.append(f'joints come in messages of their own, at the stamps of {names[0]}')
    for name, course in _resting(states, names, arm, received).items():
        names, values = [*names, name], np.column_stack([values, course])
    known = set(arm.movable) | set(arm.joints)
    unknown = [name for name in names if name not in known]
    if unknown:
        said.append(f'left out: {listed(unknown)}, not of {arm.name}')
    keep = [column for column, name in enumerate(names) if name in known]
    time = (stamp - stamp[:1]) * 1e-9
    return Recording(source, '', tuple(names[k] for k in keep), time, values[:, keep], 's, rad',
                     said, mended)


def _publishers(states: list[State], arm: Arm, reading: Reading, source: str, said: list[str]
                ) -> list[list[State]]:
    """Return the messages of the one publisher, or of several with joints of their own.

    Messages with the same joints are one publisher's unless their positions contradict each
    other. Raises DemonstrationError where two publish the same driven joint and none is chosen.
    """
    driven = set(arm.driven)
    by_joints: dict[tuple, list[State]] = {}
    for state in states:
        by_joints.setdefault((state.publisher, frozenset(state.names)), []).append(state)
    groups = []
    for group in by_joints.values():
        apart: dict[tuple, list[State]] = {}
        for state in group:
            apart.setdefault((tuple(state.names), state.frame), []).append(state)
        split = list(apart.values())
        if len(split) == 1:  # publishers that sign alike
            split = _taking_turns(group, arm)
        groups += split if len(split) > 1 and _contradict(split, arm) else [group]
    names = [driven & set(group[0].names) for group in groups]
    if reading.publisher is not None:
        if reading.publisher > len(groups):
            raise DemonstrationError(f'{source}: --publisher {reading.publisher}: there '
                                     f'{"is" if len(groups) == 1 else "are"} {len(groups)}')
        chosen = groups[reading.publisher - 1]
        said.append(f'publisher {reading.publisher} of {len(groups)}')
        return [chosen]
    for joint in arm.driven:
        several = [k for k, some in enumerate(names) if joint in some]
        if len(several) > 1:
            each = '; '.join(
                f'{k + 1}: {counted(len(groups[k]), "message")} of {listed(groups[k][0].names)}'
                + (f', frame {groups[k][0].frame}' if groups[k][0].frame else '')
                for k in several)
            raise DemonstrationError(f'{source}: joint {joint!r} has {len(several)} publishers '
                                     f'({each}); choose one with --publisher N')
    return [group for group, some in zip(groups, names) if some]


def _taking_turns(states: list[State], arm: Arm) -> list[list[State]]:
    """Return the states as the two courses that they jump to and fro between, or as they are.

    Each state belongs to the course whose last pose is nearer. Two courses are told from noise by
    their distance, and from faults of a sensor by how many states each has.
    """
    driven = [name for name in arm.driven if name in states[0].names]
    poses = np.array([[s.positions[s.names.index(name)] for name in driven] for s in states],
                     dtype=float).reshape(len(states), -1)
    steps = np.abs(np.diff(poses, axis=0)).sum(1)
    if len(states) < 20 or (steps > APART).sum() < 0.25 * len(states):  # NaN is nobody's step
        return [states]
    first = int((steps > APART).argmax())
    courses, last = ([states[first]], [states[first + 1]]), [poses[first], poses[first + 1]]
    for state, pose in zip(states[first + 2:], poses[first + 2:]):
        nearer = int(np.abs(pose - last[1]).sum() < np.abs(pose - last[0]).sum())
        courses[nearer].append(state)
        if np.isfinite(pose).all():
            last[nearer] = pose
    courses = ([*states[:first], *courses[0]], courses[1])
    return list(courses) if min(map(len, courses)) > 0.25 * len(states) else [states]


def _contradict(groups: list[list[State]], arm: Arm) -> bool:
    """Return whether the groups are courses of their own, and not one course between them."""
    def course(states: list[State]) -> np.ndarray:
        return np.array([[s.positions[s.names.index(name)] for name in arm.driven
                          if name in s.names] for s in states], dtype=float)

    def travel(states: list[State]) -> float:
        return float(np.nansum(np.abs(np.diff(course(states), axis=0))))
    together = sorted((s for group in groups for s in group), key=lambda s: s.received)
    return travel(together) > 3 * sum(travel(group) for group in groups) + 0.05


def _samples(states: list[State], arm: Arm, source: str, said: list[str], mended: list[str]
             ) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Return names, stamps [S], ns, positions [S, N] and receipts [S], ns, of a publisher."""
    names = states[0].names
    values = np.array([s.positions if s.names == names else
                       [s.positions[s.names.index(name)] for name in names] for s in states],
                      dtype=float)
    driven = [column for column, name in enumerate(names) if name in arm.driven]
    finite = np.isfinite(values[:, driven]).all(1)
    lost = int((~finite).sum())
    if lost > max(MOST_SKIPPED * len(states), 3):
        row = int((~finite).argmax())
        column = driven[int((~np.isfinite(values[row, driven])).argmax())]
        raise DemonstrationError(f'{source}: {names[column]} is {values[row, column]} in message '
                                 f'{row + 1} and {lost} of {len(states)} in all; record again')
    if lost:
        mended.append(f'{counted(lost, "message")} with NaN skipped')
    states, values = [s for s, f in zip(states, finite) if f], values[finite]
    stamp = np.array([s.stamp for s in states], dtype=np.int64)
    received = np.array([s.received for s in states], dtype=np.int64)
    unset = stamp == 0
    if unset.any():
        behind = 0 if unset.all() else int(np.median((stamp - received)[~unset]))
        stamp[unset] = received[unset] + behind
        said.append(f'{counted(int(unset.sum()), "message")} without a stamp: time of receipt')
    else:
        first = _first_of_coarse(stamp)
        if len(first) < len(stamp):
            mended.append(f'{counted(len(stamp) - len(first), "message")} with the stamp of the '
                          f'one before left out: a coarse clock')
            stamp, values, received = stamp[first], values[first], received[first]
    return names, stamp, values, received


def _first_of_coarse(stamp: np.ndarray) -> np.ndarray:
    """Return which stamps [S], ns, to keep of a clock coarser than the messages; else all.

    The first of those with one stamp: the clock has just gone on then. A simulator's goes on many
    times a second; coarser stamps are no clock to go by.
    """
    steps = np.diff(stamp)
    everything = np.arange(len(stamp))
    ahead = steps[steps > 0]
    if (not len(ahead) or (steps < 0).any() or (steps == 0).sum() <= MOST_BRIDGED * len(stamp)
            or np.median(ahead) > COARSEST):
        return everything
    return everything[np.concatenate([[True], steps > 0])]


def _resting(states: Sequence[State], names: Sequence[str], arm: Arm, received: np.ndarray
             ) -> dict[str, np.ndarray]:
    """Return the courses [S] at `received` [S], ns, of joints that only other messages tell of.

    They are those on the way to the tool tip that are not driven, and have to rest: when exactly
    they were where does not matter, so that another publisher's clock does not either.
    """
    found: dict[str, list[tuple[int, float]]] = {}
    for state in states:
        if len(state.positions) != len(state.names) or fault_of(state):
            continue
        for name, position in zip(state.names, state.positions):
            if name in arm.joints and name not in names and np.isfinite(position):
                found.setdefault(name, []).append((state.received, position))
    return {name: np.interp(received - received[:1], *(np.array(sorted(course)) - (
        received[:1].max(initial=0), 0)).T) for name, course in found.items()}


def _together(parts: list[tuple], source: str
              ) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Return the parts as one, at the stamps of that with most samples, where all have some."""
    parts = sorted(parts, key=lambda part: -len(part[1]))
    names, stamp, values, received = parts[0]
    first = max(part[1].min(initial=0) for part in parts)
    last = min(part[1].max(initial=0) for part in parts)
    within = (stamp >= first) & (stamp <= last)
    if within.sum() < 2:
        raise DemonstrationError(f'{source}: the messages of {listed(names)} and those of '
                                 f'{listed(parts[1][0])} are of different times')
    stamp, columns, received = stamp[within], [values[within]], received[within]
    for others, stamps, positions, _ in parts[1:]:
        order = np.argsort(stamps, kind='stable')
        columns.append(np.stack([np.interp(stamp - first, stamps[order] - first, column[order])
                                 for column in positions.T], axis=1))
        names = [*names, *others]
    return names, stamp, np.hstack(columns), received


def _by_topic(messages: Sequence, kinds: dict[str, str]) -> dict[str, list]:
    """Return, for each topic, its states, or pairs of names and trajectory points."""
    from rosbags.typesys import get_types_from_msg, get_typestore, Stores

    known = get_typestore(Stores.LATEST)
    own: dict[str, object] = {}
    found: dict[str, list] = {topic: [] for topic in kinds}
    for message in messages:
        if message.topic not in kinds:
            continue
        store = known
        if message.kind not in (STATE, TRAJECTORY):
            if message.kind not in own:
                own[message.kind] = get_typestore(Stores.EMPTY)
                own[message.kind].register(get_types_from_msg(message.definition, message.kind))
            store = own[message.kind]
        try:
            content = store.deserialize_cdr(message.content, message.kind)
        except Exception:  # damaged: the library fails in many ways
            continue
        if message.kind in _MEASURED:
            found[message.topic].append(_state(content, message))
        else:
            found[message.topic] += _trajectories(content)
    return found


def _state(content, message) -> State:
    stamp = content.header.stamp.sec * 10 ** 9 + content.header.stamp.nanosec
    if message.kind == STATE:
        names, positions = content.name, content.position
    elif message.kind == _MEASURED[1]:
        pairs = [(name, values.values[list(values.interface_names).index('position')])
                 for name, values in zip(content.joint_names, content.interface_values)
                 if 'position' in values.interface_names]
        names, positions = [name for name, _ in pairs], [value for _, value in pairs]
    else:
        # `actual` became `feedback`; in between a message had both, and one of them filled
        measured = [getattr(content, word).positions for word in ('feedback', 'actual')
                    if hasattr(content, word)]
        names, positions = content.joint_names, max(measured, key=len)
    return State(stamp, message.received, list(names), list(positions), content.header.frame_id,
                 message.publisher)


def _trajectories(content) -> Iterator[tuple[list[str], list]]:
    """Yield names and points of every joint trajectory inside a message."""
    if getattr(content, '__msgtype__', '') == TRAJECTORY:
        yield list(content.joint_names), list(content.points)
    elif isinstance(content, (list, tuple)):
        for part in content:
            yield from _trajectories(part)
    elif hasattr(content, '__dataclass_fields__'):
        for name in content.__dataclass_fields__:
            if not name.startswith('__'):
                yield from _trajectories(getattr(content, name))


def _chosen_topic(path: Path, found: dict[str, list], kinds: dict[str, str], arm: Arm) -> str:
    """Return the topic of the driven joints: measured ones before trajectories."""
    driven = set(arm.driven)

    def joints(topic: str) -> set[str]:
        return {name for entry in found[topic]
                for name in (entry.names if isinstance(entry, State) else entry[0])}
    fitting = [topic for topic in sorted(found) if driven <= joints(topic)
               and any(isinstance(entry, State) or len(entry[1]) > 1 for entry in found[topic])]
    if not fitting and len(found) == 1:
        return next(iter(found))
    if not fitting:
        each = '; '.join(f'{topic} has {listed(sorted(joints(topic))) or "none"}'
                         for topic in sorted(found))
        raise DemonstrationError(f'{path}: no topic has {listed(arm.driven)}: {each}')
    order = {kind: rank for rank, kind in enumerate(_MEASURED)}
    best = min(order.get(kinds[topic], len(order)) for topic in fitting)
    chosen = [t for t in fitting if order.get(kinds[t], len(order)) == best]
    if len(chosen) > 1:
        raise DemonstrationError(
            f'{path}: joint positions on {len(chosen)} topics ({", ".join(chosen)}), expected '
            f'one; choose it with --topic')
    return chosen[0]


def _of_trajectories(trajectories: list, arm: Arm, reading: Reading, source: str) -> Recording:
    """Return the one trajectory of the driven joints, a goal as it was asked for."""
    driven = set(arm.driven)
    whole: list[tuple[list[str], list]] = []
    for names, points in trajectories:
        if driven <= set(names) and len(points) > 1 and not any(
                names == other and _same_points(points, others) for other, others in whole):
            whole.append((names, points))
    if not whole:
        raise DemonstrationError(f'{source}: no trajectory of {listed(arm.driven)} with 2 points '
                                 f'or more')
    number = reading.episode or (1 if len(whole) == 1 else 0)
    if not 1 <= number <= len(whole):
        raise DemonstrationError(f'{source}: holds {len(whole)} movements; choose one with '
                                 f'--episode 1 to --episode {len(whole)}')
    names, points = whole[number - 1]
    for row, point in enumerate(points, 1):
        if len(point.positions) != len(names):
            raise DemonstrationError(f'{source}: point {row} has {len(point.positions)} positions '
                                     f'for {len(names)} joints, expected one for each')
    time = np.array([p.time_from_start.sec + 1e-9 * p.time_from_start.nanosec for p in points])
    values = np.array([p.positions for p in points], dtype=float)
    known = set(arm.movable) | set(arm.joints)
    keep = [column for column, name in enumerate(names) if name in known]
    said = ['a trajectory as it was asked for, not as an arm did it']
    if len(whole) > 1:
        said.append(f'episode {number} of {len(whole)}')
    return Recording(source, '', tuple(names[k] for k in keep), time, values[:, keep], 's, rad',
                     said)


def _same_points(one: list, other: list) -> bool:
    return len(one) == len(other) and all(
        a.time_from_start == b.time_from_start and np.array_equal(a.positions, b.positions)
        for a, b in zip(one, other))
