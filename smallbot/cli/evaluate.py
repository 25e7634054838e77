"""Measure one-shot learning on movements the model has never seen.

Every task is one demonstration, one update, one playback, each on a fresh trainee (and a fresh
chip). Needs no ROS and runs faster than real time.
"""

import argparse
from pathlib import Path
import sys

from smallbot.cli.arguments import (
    add_common,
    add_law,
    check_json,
    real,
    ROUNDINGS,
    whole,
    write_result,
)
from smallbot.errors import InputError

VERB = 'evaluate'


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the options of `smallbot evaluate`."""
    verb.add_argument('--tasks', type=whole(1), default=100, metavar='N',
                      help='movements to learn (default 100)')
    verb.add_argument('--synapses', choices=('chip', 'software'), default='chip',
                      help='phase-change memory (default) or float32')
    verb.add_argument('--family', choices=('paper', 'pen', 'file'), default='paper',
                      help="the paper's Brownian family (default), human pen strokes of unseen "
                           'characters and drawers, or the files of --demonstrations')
    verb.add_argument('--demonstrations', type=Path, metavar='DIR',
                      help='folder of demonstrations for --family file')
    verb.add_argument('--cells', type=real(0, 1), default=1.0, metavar='F',
                      help='largest share of the cells the update may write (default 1)')
    verb.add_argument('--age', type=real(0), default=300.0, metavar='S',
                      help='seconds between the update and the playback, chip only (default 300)')
    add_law(verb, ', chip only')
    verb.add_argument('--stuck', type=real(0, 1), default=0.0, metavar='F',
                      help='share of stuck devices, half in SET, half in RESET, chip only '
                           '(default 0)')
    verb.add_argument('--rounding', choices=ROUNDINGS, default='stochastic',
                      help='of the update, chip only: the change itself, or to the nearest or '
                           'one of the neighbouring multiples of --step (default stochastic)')
    verb.add_argument('--step', type=real(0, 1, above=True), default=1 / 16, metavar='F',
                      help='step of the rounding, as share of the largest weight of an input '
                           '(default 0.0625)')
    verb.add_argument('--arm', choices=('kinematic', 'mujoco', 'measured'),
                      help='also play each movement on a simulated arm: ideal, in MuJoCo, or as '
                           'the real ED-Scorbot was measured')
    verb.add_argument('--time-scale', type=real(1, 1000), default=1.0, metavar='F',
                      help='how many times longer than the trial the arm has (default 1)')
    verb.add_argument('--correction', type=real(0, 10), default=0.0, metavar='K',
                      help='velocity for each rad that the arm is astray, 1/s (default 0: blind)')
    verb.add_argument('--model', default='ed_scorbot', metavar='PATH',
                      help='a shipped model or the path of a .safetensors file '
                           '(default ed_scorbot)')
    add_common(verb, 2000, 'the movements and the chips')


def run(args: argparse.Namespace) -> int:
    """Evaluate, print a table, write the JSON; an interruption keeps the tasks done so far."""
    from tqdm import tqdm

    from smallbot.chip.faults import FaultRates
    from smallbot.chip.laws import LAWS
    from smallbot.one_shot.evaluation import draw_movements, evaluate, spread, summary
    from smallbot.one_shot.model import arm_of, load_model
    from smallbot.one_shot.on_arm import Execution
    from smallbot.synapses import Granularity

    check_json(args.json)
    if args.arm is None and (args.time_scale != 1 or args.correction):
        raise InputError('--time-scale and --correction go with --arm')
    execution = Execution(args.arm, args.time_scale, args.correction) if args.arm else None
    model = load_model(args.model)
    arm = arm_of(model.config)
    movements = draw_movements(args.family, args.tasks, model.config, arm, args.seed,
                               args.demonstrations)
    chip = {}
    if args.synapses == 'chip':
        chip = {'law': LAWS[args.law], 'faults': FaultRates(devices=args.stuck),
                'granularity': Granularity(args.rounding, args.step)}
    done = []
    interrupted = False
    with tqdm(total=len(movements.start), unit='task', disable=None, leave=False) as bar:
        def report(_, performance):
            done.append(performance)
            bar.update()
            mean = sum(p.tip_rmse_cm[1] for p in done) / len(done)
            bar.set_postfix_str(f'{mean:.2f} cm')
        try:
            evaluate(model, arm, movements, args.synapses, args.seed, args.cells, args.age, report,
                     execution, **chip)
        except KeyboardInterrupt:
            interrupted = True
    if not done:
        raise KeyboardInterrupt
    result = summary(model, done, args.synapses, args.seed)
    result.update(family=args.family, age_seconds=args.age, cells_allowed=args.cells,
                  interrupted=interrupted)
    if chip:
        result.update(law=args.law, stuck_devices=args.stuck, rounding=args.rounding)
    if args.arm:
        result.update(arm=args.arm, time_scale=args.time_scale, correction=args.correction,
                      arm_tip_rmse_cm=spread([p.arm_tip_rmse_cm for p in done]))
    write_result(args.json, result)
    print(table(result))
    if interrupted:
        print(f'smallbot evaluate: interrupted after {len(done)} of {len(movements.start)} tasks',
              file=sys.stderr)
    return int(interrupted)


def table(result: dict) -> str:
    """Return the figures of an evaluation as text."""
    lines = [f'{result["tasks"]} movements of the {result["family"]} family, '
             f'{result["synapses"]} synapses, model {result["model"]}, seed {result["seed"]}',
             f'{"":24}{"mean":>9}{"s.d.":>9}{"median":>9}']
    for when in ('before', 'after'):
        row = result['tip_rmse_cm'][when]
        lines.append(f'tool tip {when + ", cm":15}{row["mean"]:9.2f}{row["sd"]:9.2f}'
                     f'{row["median"]:9.2f}')
    if 'arm' in result:
        row = result['arm_tip_rmse_cm']
        lines.append(f'{"on the arm, cm":24}{row["mean"]:9.2f}{row["sd"]:9.2f}'
                     f'{row["median"]:9.2f}   {result["arm"]}, time scale '
                     f'{result["time_scale"]:g}, correction {result["correction"]:g}')
    for joint, row in result['velocity_rmse'].items():
        lines.append(f'{joint + " after, rad/s":24}{row["mean"]:9.4f}{row["sd"]:9.4f}')
    cells = result['cells_written']
    lines.append(f'{"cells written":24}{cells["mean"]:9.0f}   {100 * cells["fraction"]:.1f} %, '
                 f'{result["updates"]} update')
    if result['devices_written'] is not None:
        lines.append(f'{"devices written":24}{result["devices_written"]:9.0f}')
    if result['pulses'] is not None:
        lines.append(f'{"pulses":24}{result["pulses"]:9.0f}   '
                     f'{1e3 * result["write_seconds"]:.1f} ms on the chip')
    if result['energy_uj'] is not None:
        lines.append(f'{"energy of the update, uJ":24}{result["energy_uj"]:9.1f}   at most')
    if result['cells_compensated'] or result['cells_out_of_reach']:
        lines.append(f'{"cells with faults":24}{result["cells_compensated"]:9.0f} compensated, '
                     f'{result["cells_out_of_reach"]:.0f} out of reach')
    lines.append(f'{"learning, s":24}{result["learn_seconds"]:9.3f}')
    return '\n'.join(lines)
