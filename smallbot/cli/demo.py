"""Show one movement to a simulated arm, learn it once, play it back, and report.

Starts the real ROS 2 nodes in this process: the arm is guided, `joint_states` recorded, one
update learned, the movement executed. Leaves report.json, report.png and the recorded bag.
"""

import argparse
from pathlib import Path

from smallbot.cli.arguments import add_common, check_output, made_folder, real, write_result
from smallbot.errors import InputError
from smallbot.files import write_json

VERB = 'demo'


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the options of `smallbot demo`."""
    verb.add_argument('--demonstration', type=Path, metavar='FILE',
                      help='a CSV of joints or tool tip, or a rosbag2 directory '
                           '(default: a pen stroke that comes with the package)')
    verb.add_argument('--synapses', choices=('chip', 'software'), default='chip',
                      help='phase-change memory (default) or float32')
    verb.add_argument('--arm', choices=('kinematic', 'mujoco', 'measured'), default='kinematic',
                      help='the simulated arm: ideal (default), in MuJoCo, or as the real '
                           'ED-Scorbot was measured')
    verb.add_argument('--time-scale', type=real(1, 1000), default=1.0, metavar='F',
                      help='how many times longer than shown it is played (default 1)')
    verb.add_argument('--correction', type=real(0, 10), default=0.0, metavar='K',
                      help='velocity for each rad that the arm is astray, 1/s (default 0: blind)')
    verb.add_argument('--duration', type=real(0, 600, above=True), metavar='S',
                      help="seconds the playback takes (default: the demonstration's own)")
    verb.add_argument('--out', type=Path, default=Path('demo_out'), metavar='DIR',
                      help='folder for report and bag (default demo_out)')
    verb.add_argument('--model', default='ed_scorbot', metavar='PATH',
                      help='a shipped model or the path of a .safetensors file')
    add_common(verb, 0, 'the devices of the chip')


def run(args: argparse.Namespace) -> int:
    """Check the input first, then run the nodes and lead them through the demonstration."""
    from smallbot.arm.demonstration import check_detail, playing_duration, read_demonstration
    from smallbot.arm.kinematics import default_arm
    from smallbot.one_shot.model import load_model
    from smallbot.one_shot.on_arm import Execution

    check_output(args.json)
    if args.out.exists() and not args.out.is_dir():
        raise InputError(f'--out {args.out}: expected a folder')
    model = load_model(args.model)
    if args.demonstration is not None:
        arm = default_arm(model.joints)
        shown = read_demonstration(args.demonstration, arm)
        playing_duration(shown, check_detail(shown, arm, model.steps), arm.limits, args.duration)
    try:
        from smallbot.nodes.hosted_demo import run_demo
    except ImportError as error:
        raise InputError(f'ROS 2 is not to be found ({error}): source its setup.bash, or use '
                         f'`make demo`, which installs it as wheels') from None
    from smallbot.plots.report import draw_report

    made_folder(args.out)
    result = run_demo(args.demonstration, args.model, args.synapses, args.duration, args.seed,
                      args.out, lambda line: print(line, flush=True),
                      Execution(args.arm, args.time_scale, args.correction))
    if result is None:
        return 1
    print(result.headline())
    picture, report = args.out / 'report.png', args.out / 'report.json'
    draw_report(result, picture)
    write_json(report, result.report)
    write_result(args.json, result.report)
    print(f'{report}\n{picture}\n{result.report["bag"]}')
    return 0
