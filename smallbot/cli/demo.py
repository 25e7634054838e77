# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Show one movement to an arm, learn it once, play it back, and report.

Starts the real ROS 2 nodes in this process: the arm is guided (a real one commanded),
`joint_states` recorded, one update learned, the movement executed. With --without-ros the same
controller drives the simulated arm by itself, faster than real time. Leaves report.json,
report.png and the recorded bag.
"""

import argparse
from contextlib import nullcontext
import math
from pathlib import Path

from smallbot.cli.arm import add_chosen, CHOSEN, configured_arm, URDF
from smallbot.cli.common import interruption, progress, training
from smallbot.cli.common.arguments import (
    add_common,
    add_figure,
    callable_here,
    check_folder,
    complain,
    given_of,
    made_folder,
    no_ros,
    write_result,
)
from smallbot.cli.common.real_arm import add_access, may_search_home, reached
from smallbot.demonstration.formats.options import add_reading, reading_of
from smallbot.ed_scorbot.network.broker import ACCESS
from smallbot.errors import InputError
from smallbot.kinds import Host, InputPath, MODEL, OutputFile, OutputFolder, PORT, Real, ROBOT

VERB = 'demo'
DEFAULT = 'ed_scorbot'
"""Of the shipped models, and the arm that is measured and can be real."""
SIMULATED, REAL = ('kinematic', 'mujoco', 'measured'), 'ed_scorbot'
RECORDED_LONGER = 0.25
"""How much longer than in its file a movement may be as the arm shows it, s."""
NEXT = 'page: draw a movement of your own, and watch the arm learn and play it'
"""What the last line says, after the command as it can be called here."""
ONLY_REAL = {'broker': None, 'port': None, 'convention': None, 'emulate': False, 'yes': False,
             'take_over': False, **dict.fromkeys(ACCESS)}
"""Options that make sense with the real arm alone, and what they are when not given."""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the options of `smallbot demo`."""
    verb.add_argument('--demonstration', type=InputPath(None), metavar='FILE',
                      help='a CSV of joints or tool tip, a rosbag2, or a LeRobot data set '
                           '(default: a pen stroke that comes with the package; for another arm '
                           'a movement that fits it)')
    verb.add_argument('--synapses', choices=('chip', 'software'), default='chip',
                      help='phase-change memory (default) or float32')
    verb.add_argument('--arm', choices=(*SIMULATED, REAL), default='kinematic',
                      help='the simulated arm: ideal (default), in MuJoCo, or as the real '
                           'ED-Scorbot was measured; ed_scorbot: the real one over MQTT')
    verb.add_argument('--without-ros', action='store_true',
                      help='the same without nodes and without rclpy, on a simulated arm and '
                           'faster than real time')
    verb.add_argument('--time-scale', type=Real(1, 1000), metavar='F',
                      help='how many times longer than shown it is played (default 1; measured: '
                           'what it can follow); ed_scorbot: than in the file it is shown and '
                           'played (default 8)')
    verb.add_argument('--correction', type=Real(0, 10), metavar='K',
                      help='velocity for each rad that the arm is astray, 1/s (default 0: blind; '
                           'measured and ed_scorbot: 1)')
    verb.add_argument('--duration', type=Real(0, 600, above=True), metavar='S',
                      help="seconds the playback takes (default: the demonstration's own times "
                           'F); ed_scorbot: also the showing')
    verb.add_argument('--allow-poor', action='store_true',
                      help='play even what the rehearsal expects to come out poorly')
    verb.add_argument('--out', type=OutputFolder(), default=Path('demo_out'), metavar='DIR',
                      help='folder for report and bag (default demo_out)')
    verb.add_argument('--picture', type=OutputFile(('.png', '.gif')), metavar='FILE',
                      help='also draw the arm: at four moments of the playback into a .png, '
                           'moving into a .gif')
    add_figure(verb, 'report.png also')
    verb.add_argument('--model', type=MODEL, metavar='PATH',
                      help='a shipped model or the path of a .safetensors file; it decides the '
                           'arm (default ed_scorbot)')
    add_reading(verb)
    own = verb.add_argument_group(
        'an arm of your own, for which a model is made on the way, into --out')
    own.add_argument('--urdf', type=ROBOT, metavar='FILE', help=URDF)
    add_chosen(own)
    add_common(verb, 0, 'the devices of the chip')
    arm = verb.add_argument_group('with --arm ed_scorbot')
    arm.add_argument('--broker', type=Host(), metavar='HOST',
                     help='MQTT broker (default 127.0.0.1)')
    arm.add_argument('--port', type=PORT, metavar='N', help='its port (default 1883)')
    add_access(arm)
    arm.add_argument('--convention', choices=('2023', '2026'),
                     help="meaning of the arm's degrees (default 2023)")
    arm.add_argument('--emulate', action='store_true',
                     help='also start `smallbot ed-scorbot emulate`, no arm is needed; without '
                          '--broker and --port on a mosquitto of its own')
    arm.add_argument('--yes', action='store_true',
                     help='the arm may move, nobody is near it: do not ask')
    arm.add_argument('--take-over', action='store_true',
                     help='free the arm first where an earlier run left it owned')


def run(args: argparse.Namespace) -> int:
    """Check the input first, then run the nodes and lead them through the demonstration."""
    from smallbot.demonstration.reading import read_demonstration
    from smallbot.demonstration.samples import LONGEST
    from smallbot.demonstration.trial_grid import playing_duration, trial_of
    from smallbot.one_shot.example import shown_by_default
    from smallbot.one_shot.model import arm_of, load_model

    check_folder(args.out, 'report.png', 'report.json')
    on_broker = args.arm == REAL
    if not on_broker:
        for name, absent in ONLY_REAL.items():
            if getattr(args, name) != absent:
                raise InputError(f'--{name.replace("_", "-")} goes with --arm {REAL}')
    elif args.without_ros:
        raise InputError(f'--without-ros is for a simulated arm, {REAL} is led by its node: use '
                         f'--arm {", ".join(SIMULATED[:-1])} or {SIMULATED[-1]}')
    own, reading = _own_arm(args), reading_of(args)
    model = None if own else load_model(args.model or DEFAULT)
    config = own.model if own else model.config
    arm = arm_of(config)
    if args.arm in (REAL, 'measured') and arm.name != DEFAULT:
        raise InputError(f'--arm {args.arm} is an ED-Scorbot, the model is for {arm.name}: use '
                         f'--arm kinematic or mujoco')
    shown = (read_demonstration(args.demonstration, arm, reading) if args.demonstration
             else shown_by_default(config, arm))
    positions = trial_of(shown, arm, config.steps)
    duration, _ = playing_duration(shown, positions, arm.limits, args.duration)
    scale = args.time_scale or {REAL: 8.0, 'measured': None}.get(args.arm, 1.0)
    recorded = duration + RECORDED_LONGER
    if scale and not args.duration and recorded * scale > LONGEST:
        raise InputError(f'--time-scale {scale:g}: {recorded:.1f} s become {recorded * scale:.0f} '
                         f's, expected at most {LONGEST:g} s, a time scale of at most '
                         f'{math.floor(100 * LONGEST / recorded) / 100:g}')
    print(shown.understood or shown.source, flush=True)
    if not args.without_ros:
        try:
            from smallbot.nodes.hosted_demo import run_demo
        except ImportError as error:
            raise no_ros(error, '--without-ros shows, learns and plays without it') from None
    from smallbot.study.on_arm import Execution
    from smallbot.study.shown_files import foreseen

    path = args.model or DEFAULT
    if own:
        made_folder(args.out)
        model, path = _made(own, args.out)
    expected = foreseen(model, shown.posed(arm), positions, duration)
    poor = expected._replace(tip_rmse_cm=expected.network_rmse_cm).poor()
    if poor and not args.allow_poor:
        raise InputError(f'{shown.source}: {poor}; --allow-poor plays it nonetheless')
    correction = args.correction
    if correction is None:
        correction = 1.0 if args.arm in (REAL, 'measured') else 0.0
    if on_broker and args.duration:
        scale = args.duration / shown.duration
    execution = Execution(args.arm, scale, correction)

    with reached(args, arm, shown, scale) if on_broker else nullcontext() as there:
        made_folder(args.out)
        with progress.stages(_expected(duration, recorded, scale or 1, args.without_ros)
                             ) as begin:
            def tell(line: str) -> None:
                progress.say(line)
                begin(''.join(line[3:].split()[:1]))

            def asked() -> bool:
                with progress.quiet():
                    return may_search_home(there)

            if args.without_ros:
                result = _without_ros(args, model, shown, execution, tell)
            else:
                result = run_demo(args.demonstration, path, args.synapses, args.duration,
                                  args.seed, args.out, tell, execution, there, asked,
                                  args.allow_poor, reading)
    interruption.again()
    if result is None:
        return 1
    print(result.headline())
    _drawn(result, arm, args)
    print(f'{callable_here()} {NEXT}')
    return 0


def _expected(duration: float, recorded: float, scale: float, without_ros: bool
              ) -> dict[str, float]:
    """Return how long the steps of a demonstration take, s, by the names that they are told by."""
    if without_ros:
        return {'guide': 0.5, 'record': 0.5, 'learn': 0.5, 'execute': 1}
    return {'nodes': 3, 'guide': 1.5, 'record': 1 + recorded * scale, 'learn': 1,
            'execute': 2 + duration * scale}


def _drawn(result, arm, args: argparse.Namespace) -> None:
    """Write report and pictures, and say where they are."""
    from smallbot.plots.arm import draw_arm, pictures_of
    from smallbot.plots.report import draw_report

    picture, report = args.out / 'report.png', args.out / 'report.json'
    write_result(report, result.report)
    write_result(args.json, result.report)
    for path in (picture, args.figure):
        if path:
            draw_report(result, path)
    print(f'{report}\n{picture}\n{result.report["bag"]}'.rstrip())
    if args.picture:
        with progress.bar(pictures_of(args.picture), 'picture', 'frames') as bar:
            draw_arm(result, arm, args.picture, drawn=lambda count: bar.update())
        print(args.picture)


def _without_ros(args: argparse.Namespace, model, shown, execution, tell):
    """Return what a simulated arm made of a movement, driven without nodes."""
    import torch

    from smallbot.study.without_ros import demonstrate, Robot

    torch.set_num_threads(1)
    robot = Robot(model, execution, args.synapses, args.seed, args.duration, args.allow_poor,
                  lambda text: complain(VERB, text))
    return demonstrate(robot, shown, args.out, tell)


def _own_arm(args: argparse.Namespace):
    """Return the configuration of a model for an arm of the user's own; None: not asked for."""
    from smallbot.outer_loop.configuration import load_config
    from smallbot.share import share_directory

    given = given_of(args, CHOSEN)
    if args.urdf is None:
        if given:
            raise InputError(f'{given[0]} goes with --urdf FILE; a model has its own')
        return None
    if args.model is not None:
        raise InputError('--urdf makes a model on the way, --model brings one: leave one out')
    config, said = configured_arm(
        load_config(share_directory() / 'config' / 'meta' / 'ed_scorbot.yaml'), args)
    print('\n'.join(said))
    return config


def _made(config, out: Path) -> tuple:
    """Make the model of a configuration in closed form; returns it and the path of its file."""
    from smallbot.models.weights_file import save_model
    from smallbot.outer_loop.closed_form import closed_form
    from smallbot.outer_loop.configuration import robot_name

    with progress.stages(training.CLOSED_FORM) as begin:
        model = closed_form(config.balance, config.model, config.seed, robot_name(config),
                            tell=begin)
    path = save_model(model, out)
    print(f'0/5 model   {path}, made in closed form; --model {path} uses it again', flush=True)
    return model, str(path)
