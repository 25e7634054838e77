# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Look at an arm: its joints and limits, what may be the tool tip, how far it reaches.

`smallbot arm describe FILE` reads a URDF or xacro as everything else does, and says what it
understood. Its options --tip, --joints, --limits, --joint-limits and --hold are those of
meta-train and demo.
"""

import argparse
import json
import math
import shlex
from typing import Any

from smallbot.cli.common import progress
from smallbot.cli.common.arguments import add_common, add_figure, no_ros, write_result
from smallbot.kinds import InputPath, Listed, Name, Parsed, ROBOT

VERB = 'arm'
URDF = ('URDF or xacro, or the name of one that comes with the package; of a robot that runs: '
        'topic:/robot_description (topic: for short), or node:/robot_state_publisher, which has '
        'it as a parameter')
"""What --urdf takes, for help texts."""
CHOSEN = ('tip', 'joints', 'limits', 'joint_limits', 'hold')
"""Options of `add_chosen`."""
MOST = 7
"""Joints that are driven where none are named."""
FARTHEST = 1000.0
"""rad, m, rad/s, m/s; what is beyond is a mistake."""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the options of `smallbot arm`."""
    parts = verb.add_subparsers(dest='part', metavar='describe', required=True)
    describe = parts.add_parser('describe', help='say what a URDF or xacro describes',
                                description='Say what a URDF or xacro describes.')
    describe.add_argument('file', type=ROBOT, metavar='FILE', help=URDF)
    add_chosen(describe)
    add_figure(describe, 'the arm at its home and where the tool tip can be')
    add_common(describe, 0, 'nothing')


def add_chosen(verb: argparse._ActionsContainer) -> None:
    """Add the options that say what of a description is used."""
    verb.add_argument('--tip', type=Name('a link'), metavar='LINK',
                      help='link that is the tool tip (default: the only one at an end)')
    verb.add_argument('--joints', type=Listed(Name('a joint'), 32, once=True),
                      metavar='A,B,...',
                      help='joints to drive, in the order of commands')
    verb.add_argument('--limits', type=LIMITS, metavar='LOW:HIGH,...',
                      help='limits of each joint, rad (m), as in --limits=-1:1,-0.5:2; narrower '
                           "than the URDF's, or where it has none; LOW:HIGH:SPEED limits the "
                           'speed too')
    verb.add_argument('--joint-limits', type=InputPath(), metavar='FILE.yaml',
                      help="limits of positions, speeds and accelerations as MoveIt's "
                           'joint_limits.yaml or the parameters of ros2_control have them, rad; '
                           'the narrowest of file, URDF and --limits counts (acceleration where '
                           'neither limits it: 20 rad/s^2, m/s^2)')
    verb.add_argument('--hold', type=POSE, metavar='C=X,...',
                      help='where joints that are not driven are held, rad (m) (default: zero, or '
                           'the middle of limits that exclude zero)')


def limits(text: str) -> tuple[tuple[float, ...], ...]:
    """Return joint limits from text such as -1:1,-0.5:2:0.7; raises ValueError."""
    found = tuple(tuple(float(x) for x in one.split(':')) for one in text.split(','))
    for low, high, *speed in found:
        if not -FARTHEST <= low < high <= FARTHEST or not (
                not speed or len(speed) == 1 and 0 < speed[0] <= FARTHEST):
            raise ValueError(text)
    return found


def pose(text: str) -> dict[str, float]:
    """Return positions by joint from text such as elbow=1.2,wrist=-0.3; raises ValueError."""
    pairs = [one.split('=') for one in text.split(',')]
    found = {name: float(value) for name, value in pairs}
    if '' in found or len(found) < len(pairs) or not all(
            abs(value) <= FARTHEST for value in found.values()):
        raise ValueError(text)
    return found


LIMITS = Parsed(limits, f'LOW:HIGH or LOW:HIGH:SPEED for each joint, rad, LOW below HIGH, SPEED '
                        f'above 0, none beyond {FARTHEST:g}')
POSE = Parsed(pose, f'JOINT=POSITION,..., rad, no joint twice, none beyond {FARTHEST:g}')


def described(given: str):
    """Return the description that a file, a shipped name or a robot that runs gives.

    Raises InputError where it cannot be had, or is none.
    """
    from smallbot.arm.description import description_in, read_description
    from smallbot.arm.kinematics import urdf_path

    kind, colon, name = given.partition(':')
    if not colon or kind not in ('topic', 'node'):
        return read_description(urdf_path(given))
    try:
        from smallbot.nodes.common.robot_description import (
            parameter_description,
            published_description,
        )
    except ImportError as error:
        raise no_ros(error) from None
    return description_in(*(published_description if kind == 'topic' else parameter_description)(
        name))


def configured_arm(config, args: argparse.Namespace) -> tuple[Any, list[str]]:
    """Return `config` for the arm of --urdf and `add_chosen`, and lines that say what it is."""
    from smallbot.one_shot.model import arm_of
    from smallbot.outer_loop.configuration import said_of_arm, with_arm

    urdf = None if args.urdf is None else described(args.urdf)
    file = limits_file(args)
    config = with_arm(config, urdf, args.joints, args.tip, args.limits, args.hold, file)
    return config, [*_said_of_file(file, arm_of(config.model)), *said_of_arm(config)]


def limits_file(args: argparse.Namespace):
    """Return what --joint-limits names; None: nothing."""
    from smallbot.arm.limits_file import read_limits

    return None if args.joint_limits is None else read_limits(args.joint_limits)


def _said_of_file(file, arm) -> list[str]:
    return [] if file is None else file.said([arm.description.joint(name) for name in arm.driven])


def run(args: argparse.Namespace) -> int:
    """Print what a description says; write JSON and picture."""
    drawn = None
    with progress.stages({'description': 2, 'reach': 0.7, **({'picture': 2} if args.figure else {})
                          }) as begin:
        from smallbot.one_shot.model import arm_of
        from smallbot.outer_loop.configuration import accelerations_from

        found = described(args.file)
        file = limits_file(args)
        begin('reach')
        config = _configured(args, found, file)
        arm = None if config is None else arm_of(config.model)
        result = _result(found, arm)
        if arm is not None:
            result['limits_file'] = _said_of_file(file, arm)
            for one, source in zip(result['driven'], accelerations_from(
                    config, str(args.joint_limits))):
                one['acceleration_from'] = source
        if args.figure and arm is not None:
            begin('picture')
            from smallbot.plots.arm import draw_description
            draw_description(arm, args.figure)
            drawn = args.figure
    print(_text(result, args))
    write_result(args.json, result)
    if drawn:
        print(drawn)
    return 0


def _configured(args: argparse.Namespace, found, file):
    """Return a configuration for the arm that is chosen, or may be meant; None: nothing moves."""
    from smallbot.outer_loop.configuration import MetaConfig, with_arm

    ends = found.ends()
    tip = args.tip or (ends[0][0] if ends else '')
    joints = args.joints or dict(ends).get(tip) or tuple(dict.fromkeys(
        found.leader(joint.name).joint for joint in found.chain(tip) if joint.moves))
    if not joints:
        return None
    if args.joints is None and args.limits is None:
        joints = _with_limits(found, joints[:MOST], file)
        if not joints:
            return None
    return with_arm(MetaConfig(), found, joints, tip, args.limits, args.hold, file)


def _with_limits(found, joints: tuple[str, ...], file) -> tuple[str, ...]:
    """Return the joints that can be driven as URDF and file limit them."""
    from smallbot.arm.limits_file import stated

    def limited(joint) -> bool:
        bounds = stated(joint) if file is None else file.narrowed(joint, stated(joint))
        return math.isfinite(bounds.velocity) and (math.isfinite(bounds.lower)
                                                   or joint.kind == 'continuous')

    return tuple(name for name in joints if limited(found.joint(name)))


def _result(found, arm) -> dict[str, Any]:
    """Return what is known of a description, as plain values."""
    import numpy as np

    result: dict[str, Any] = {
        'robot': found.name, 'links': list(found.links),
        'joints': [_joint(found, joint) for joint in found.joints if joint.moves],
        'ends': [{'link': link, 'moved_by': list(joints)} for link, joints in found.ends()]}
    if arm is None:
        return result
    from smallbot.arm.workspace import workspace
    from smallbot.one_shot.families import movement_size, start_pose
    reach = workspace(arm)
    bounds = zip(arm.driven, arm.limits.lower, arm.limits.upper, arm.limits.velocity,
                 arm.limits.acceleration, start_pose(arm), movement_size(arm))
    result.update(
        root=arm.root, tip=arm.chain[-1].child,
        chain=[joint.name for joint in arm.chain],
        driven=[{'joint': name, 'lower': low, 'upper': high, 'velocity': speed,
                 'acceleration': acceleration, 'movements_begin_at': start, 'size': size}
                for name, low, high, speed, acceleration, start, size in bounds],
        held={name: float(at) for name, at in zip(arm.movable, arm.whole(arm.home))
              if found.leader(name).joint not in arm.driven},
        reach_m=reach.farthest, tip_box_m=np.round(reach.box, 6).tolist())
    return json.loads(json.dumps(result, default=float))


def _joint(found, joint) -> dict[str, Any]:
    limited = joint.lower < joint.upper and math.isfinite(joint.lower)
    return {'name': joint.name, 'type': joint.kind, 'unit': joint.unit,
            'lower': joint.lower if limited else None, 'upper': joint.upper if limited else None,
            'velocity': joint.velocity or None, 'acceleration': joint.acceleration or None,
            'effort': found.effort.get(joint.name),
            'mimics': joint.mimic._asdict() if joint.mimic else None}


def _text(result: dict[str, Any], args: argparse.Namespace) -> str:
    """Return a description in words."""
    wide = max([len(joint['name']) for joint in result['joints']] + [5]) + 2
    lines = [f'{args.file}: {result["robot"]}, {len(result["links"])} links, '
             f'{len(result["joints"])} joints that move',
             f'{"joint":{wide}}{"type":12}{"from":>9}{"to":>9}{"speed":>9}']
    for joint in result['joints']:
        unit = joint['unit']
        ends = [f'{joint[key]:9.3f}' if joint[key] is not None else f'{"none":>9}'
                for key in ('lower', 'upper')]
        speed = f'{joint["velocity"]:9.3f}' if joint['velocity'] else f'{"none":>9}'
        follows = joint['mimics']
        said = (f'   follows {follows["joint"]} x {follows["multiplier"]:g} + '
                f'{follows["offset"]:g}' if follows else '')
        lines.append(f'{joint["name"]:{wide}}{joint["type"]:12}{ends[0]}{ends[1]}{speed} {unit}'
                     f'{said}')
    for end in result['ends']:
        lines.append(f'--tip {end["link"]}: moved by {", ".join(end["moved_by"]) or "nothing"}')
    if 'tip' not in result:
        lines.append('no joint with limits and a speed moves any of these: --joints and --limits '
                     'LOW:HIGH:SPEED say what to drive')
        return '\n'.join(lines)
    names = [one['joint'] for one in result['driven']]
    low, high = result['tip_box_m']
    lines += result['limits_file']
    lines.append(f'with --tip {result["tip"]} --joints {",".join(names)}:')
    lines.append(f'  from {result["root"]}: {" > ".join(result["chain"])}')
    for one in result['driven']:
        lines.append(f'  {one["joint"]}: {one["lower"]:.3f} to {one["upper"]:.3f}, speed '
                     f'{one["velocity"]:g}, acceleration {one["acceleration"]:g} '
                     f'({one["acceleration_from"]}); movements begin at '
                     f'{one["movements_begin_at"]:.3f}, {100 * one["size"]:.0f} % of full size')
    if result['held']:
        lines.append('  held: ' + ', '.join(f'{name} {at:g}' for name, at in
                                            result['held'].items()))
    lines.append(f'  reaches {result["reach_m"]:.3f} m; the tool tip is at '
                 + ', '.join(f'{axis} {a:.2f} to {b:.2f}' for axis, a, b in zip('xyz', low, high))
                 + ' m')
    command = ['smallbot', 'demo', '--urdf', args.file, '--tip', result['tip'], '--joints',
               ','.join(names)]
    if args.limits:
        command.append('--limits=' + ','.join(
            ':'.join(f'{x:g}' for x in one) for one in args.limits))
    if args.joint_limits:
        command += ['--joint-limits', str(args.joint_limits)]
    if args.hold:
        command.append('--hold=' + ','.join(f'{name}={at:g}' for name, at in args.hold.items()))
    lines.append(f'next:\n  {shlex.join(command)}')
    return '\n'.join(lines)
