# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Measure one-shot learning on movements the model has never seen.

Every task is one demonstration, one update, one playback, each on a fresh trainee (and a fresh
chip). Needs no ROS and runs faster than real time.
"""

import argparse
from pathlib import Path
import sys
from typing import Any

from smallbot.cli.common import interruption, measuring, progress
from smallbot.cli.common.arguments import add_common, add_figure, write_result
from smallbot.demonstration.formats.options import add_reading, reading_of
from smallbot.errors import InputError
from smallbot.kinds import InputPath, MODEL, Real, Whole

VERB = 'evaluate'
CELLS = Real(0, 1)
SWEPT = {**{name: measuring.SWEPT[name] for name in ('noise', 'stuck', 'age')}, 'cells': CELLS,
         'step': measuring.STEP}
"""What a sweep may vary, and an option sets."""
FEW = 8
"""Movements that are not worth a process of their own."""
TUNING = 32
"""Movements of the validation seed on which baselines choose their learning rates."""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the options of `smallbot evaluate`."""
    verb.add_argument('--tasks', type=Whole(1, 10_000), metavar='N',
                      help="movements to learn (default: 100 of the paper's family, each of the "
                           '59 drawings once, every file)')
    verb.add_argument('--family', choices=('paper', 'pen', 'file'),
                      help="the paper's Brownian family (default), human pen strokes of unseen "
                           'characters and drawers (59 for test; with --seed 1000 the 52 for '
                           'validation), or the files of --demonstrations (default where it is '
                           'given)')
    verb.add_argument('--demonstrations', type=InputPath(True), metavar='DIR',
                      help='folder of demonstrations: CSV files, bags; bad ones are listed with '
                           'reasons, and the exit code is 1')
    verb.add_argument('--cells', type=CELLS, default=1.0, metavar='F',
                      help='largest share of the cells the update may write (default 1)')
    verb.add_argument('--model', type=MODEL, default='ed_scorbot', metavar='PATH',
                      help='a shipped model or the path of a .safetensors file '
                           '(default ed_scorbot)')
    chip = measuring.add_chip(verb, 'the update', 'the playback')
    chip.add_argument('--same-chip', action='store_true',
                      help='let one chip learn all movements, one after another, each forgotten '
                           'before the next, instead of a fresh chip for each')
    arm = verb.add_argument_group('the arm')
    arm.add_argument('--arm', choices=('kinematic', 'mujoco', 'measured'),
                     help='also play each movement on a simulated arm: ideal, in MuJoCo, or as '
                          'the real ED-Scorbot was measured')
    arm.add_argument('--time-scale', type=Real(1, 1000), metavar='F',
                     help='how many times longer than the trial the arm has (default: what its '
                          'limits, and measured its servos, need, for each movement its own)')
    arm.add_argument('--correction', type=Real(0, 10), metavar='K',
                     help='velocity for each rad that the arm is astray, 1/s (default 0: blind; '
                          'measured: 1)')
    more = verb.add_argument_group('comparing')
    measuring.add_sweep(more, SWEPT)
    more.add_argument('--baselines', action='store_true',
                      help='also tell what the same movements come to in software without the '
                           'generator: no update, plain e-prop with the true error, dynamic '
                           'movement primitives (some minutes)')
    add_figure(more, 'the errors and some movements, with the baselines, or the sweep, or of '
                     'files every movement shown and played')
    measuring.add_processes(more, 'movements')
    add_reading(verb)
    add_common(verb, 2000, 'the movements and the chips')


def run(args: argparse.Namespace) -> int:
    """Evaluate, print a table, write JSON and figure; an interruption keeps what is done."""
    from smallbot.one_shot.families import arm_of_families
    from smallbot.one_shot.model import arm_of, load_model
    from smallbot.study.evaluation import draw_movements
    from smallbot.study.shown_files import rows_of

    conditions = conditions_of(args)
    model = load_model(args.model)
    arm = arm_of(model.config)
    if args.arm == 'measured' and arm.name != 'ed_scorbot':
        raise InputError(f'--arm measured is an ED-Scorbot, the model is for {arm.name}: use '
                         f'--arm kinematic or mujoco')
    args.family = args.family or ('file' if args.demonstrations else 'paper')
    if args.sweep and args.baselines:
        raise InputError('--baselines goes with a single evaluation: leave --sweep out')
    files = []
    if args.family == 'file':
        files, movements = _files(args, model, arm)
        if movements is None:
            write_result(args.json, {'tasks': 0, 'files': rows_of(files, {})})
            return 1
    elif args.demonstrations:
        raise InputError(f'--demonstrations goes with --family file, not {args.family}')
    else:
        arm = arm_of_families(arm)
        movements = draw_movements(args.family, args.tasks, model.config, arm, args.seed)
    bad = any(file.refused for file in files)
    if args.sweep:
        return max(_swept(args, model, arm, movements, conditions), int(bad))
    done, result = _evaluated(args, model, arm, movements, conditions)
    if files:
        result['files'] = rows_of(files, done)
        print(listing(result['files']))
        bad = bad or any(row.get('poor') for row in result['files'])
    print(table(result))
    if args.baselines and not result['interrupted']:
        result.update(_baselines(args, model, arm, movements))
    write_result(args.json, result)
    if args.figure and files:
        _draw_files(args.figure, result['files'], arm, movements, done)
    elif args.figure:
        _draw(args.figure, result, arm, movements, done)
    return max(measuring.ended(VERB, args, result), int(bad))


def _files(args: argparse.Namespace, model, arm):
    """Return what the files of --demonstrations are, each said in a line, and their movements."""
    from smallbot.study.shown_files import movements_of, read_folder

    if args.demonstrations is None:
        raise InputError('--family file needs --demonstrations DIR with CSV files or bags')
    with progress.stages({'reading': 2}):
        files = read_folder(args.demonstrations, args.tasks, model.config, arm, reading_of(args))
    for file in files:
        if file.refused:
            print(f'refused: {file.refused}', file=sys.stderr, flush=True)
        else:
            print(file.shown.understood, flush=True)
    return files, movements_of(files, model.config)


def listing(rows: list[dict[str, Any]]) -> str:
    """Return what became of each file as text, those that went wrong at the end with reasons."""
    lines = []
    for row in rows:
        if 'tip_rmse_cm' in row:
            lines.append(f'{row["file"]:40}{row["tip_rmse_cm"]["after"]:9.2f} cm'
                         + ('   poor' if row['poor'] else ''))
    wrong = [(row['file'], row.get('refused') or row.get('poor')) for row in rows
             if row.get('refused') or row.get('poor')]
    if wrong:
        lines.append(f'{len(wrong)} of {len(rows)} files are bad:')
        lines += [f'  {name}: {why}' for name, why in wrong]
    return '\n'.join(lines)


def conditions_of(args: argparse.Namespace):
    """Return the conditions that the options ask for."""
    from smallbot.study.conditions import Conditions
    from smallbot.study.on_arm import Execution

    if args.arm is None and (args.time_scale is not None or args.correction is not None):
        raise InputError('--time-scale and --correction go with --arm')
    correction = args.correction
    if correction is None:
        correction = 1.0 if args.arm == 'measured' else 0.0
    return Conditions(
        **measuring.chip_asked(args, 'same_chip'), cells=args.cells, same_chip=args.same_chip,
        execution=Execution(args.arm, args.time_scale, correction) if args.arm else None)


def _evaluated(args, model, arm, movements, conditions, label: str = '') -> tuple[dict, dict]:
    """Return the movements done, by number, and their summary, `interrupted` or whole."""
    from smallbot.experiment.workers import cores
    from smallbot.study.evaluation import evaluate, summary

    asked = len(movements.start)
    processes = args.processes or min(cores(), -(-asked // FEW))

    def told(done) -> str:
        return f'{sum(p.tip_rmse_cm[1] for p in done.values()) / len(done):.2f} cm'

    done, why = measuring.collected(
        asked, lambda report: evaluate(model, arm, movements, conditions, args.seed, report,
                                       processes), told, label)
    result = summary(model, list(done.values()), conditions, args.seed)
    return done, measuring.closed({**result, 'family': args.family}, asked, why)


def _baselines(args, model, arm, movements) -> dict[str, dict]:
    """Return the figures of all baselines by name, printed as they come, and what ended them."""
    from smallbot.experiment.figures import VALIDATION_SEED
    from smallbot.experiment.workers import cores, results
    from smallbot.study.baselines import BASELINES, compared
    from smallbot.study.evaluation import draw_movements
    from smallbot.study.movement_primitive import MISSING

    family = 'pen' if args.family == 'pen' else 'paper'
    # The longest first, so that no process is left with one at the end.
    names = sorted(BASELINES, key=lambda name: 'e-prop 100' not in name)
    found, ended = {}, {}
    print('without the generator, in software:')
    try:
        with interruption.kept(), progress.bar(len(names), 'baselines', 'baselines') as bar:
            tuning = draw_movements(family, TUNING, model.config, arm, VALIDATION_SEED)
            for number, row in results(compared, (model, arm, movements, tuning), names,
                                       args.processes or cores()):
                bar.update()
                if row is None:
                    progress.say(f'{names[number]:24}{"left out: " + MISSING}')
                    continue
                found[names[number]] = row
                progress.say(_row(names[number], row['tip_rmse_cm'],
                                  f'   rate {row["rate"]:.3g}' if 'rate' in row else ''))
    except KeyboardInterrupt:
        ended = {'interrupted': True, 'ended_by': 'interrupted in the baselines'}
    return {'baselines': {name: found[name] for name in BASELINES if name in found}, **ended}


def _swept(args, model, arm, movements, conditions) -> int:
    what, values = args.sweep
    settings = {value: conditions.at(what, value) for value in values}
    print(f'{len(movements.start)} movements of the {args.family} family at each point, '
          f'{args.synapses} synapses, model {model.name}, seed {args.seed}\n'
          f'{what:>10}{"mean, cm":>10}{"95 % interval":>17}{"s.d.":>8}{"median":>8}'
          f'{"cells":>9}')
    points = measuring.swept(what, values, lambda value, label: _evaluated(
        args, model, arm, movements, settings[value], label)[1], _point)
    return measuring.sweep_ended(VERB, args, {
        'sweep': what, 'points': points, 'model': model.name, 'weights': model.digest,
        'seed': args.seed}, _draw_sweep)


def _point(value: float, result: dict[str, Any]) -> str:
    row = result['tip_rmse_cm']['after']
    return (f'{value:10g}{row["mean"]:10.2f}{measuring.interval(row):>17}{row["sd"]:8.2f}'
            f'{row["median"]:8.2f}{100 * result["cells_written"]["fraction"]:7.1f} %')


def _draw_sweep(found: dict[str, Any], path: Path) -> None:
    from smallbot.plots.evaluation import draw_sweep

    draw_sweep(found, path)


def _draw(path: Path, result: dict, arm, movements, done: dict) -> None:
    import numpy as np

    from smallbot.plots.evaluation import draw_evaluation
    from smallbot.study.evaluation import tool_tips

    before, after = np.array([p.tip_rmse_cm for p in done.values()]).T
    errors = {'before': before, 'after': after}
    if 'arm' in result:
        errors['arm'] = np.array([p.arm_tip_rmse_cm for p in done.values()])
    draw_evaluation(result, errors, tool_tips(arm, movements, done), path)


def _draw_files(path: Path, rows: list[dict[str, Any]], arm, movements, done: dict) -> None:
    import numpy as np

    from smallbot.plots.multiples import draw_multiples
    from smallbot.study.evaluation import tool_tips

    drawn = [row for row in rows if 'tip_rmse_cm' in row]
    draw_multiples([row['file'] for row in drawn], tool_tips(arm, movements, done),
                   np.array([row['tip_rmse_cm']['after'] for row in drawn]),
                   [bool(row['poor']) for row in drawn], path)


def _row(name: str, row: dict[str, Any], more: str) -> str:
    return (f'{name:24}{row["mean"]:9.2f}{row["sd"]:9.2f}{row["median"]:9.2f}'
            f'{measuring.interval(row):>20}{more}')


def table(result: dict) -> str:
    """Return the figures of an evaluation as text."""
    drawings = f' ({result["drawings"]} drawings)' if result['drawings'] else ''
    lines = [f'{result["tasks"]} movements of the {result["family"]} family{drawings}, '
             f'{result["synapses"]} synapses, model {result["model"]} ({result["weights"]}), '
             f'seed {result["seed"]}',
             f'{"":24}{"mean":>9}{"s.d.":>9}{"median":>9}{"95 % of the mean":>20}']
    rows = [(f'tool tip {when + ", cm":15}', result['tip_rmse_cm'][when], '')
            for when in ('before', 'after')]
    correlation = result['expected_correlation']
    said = '' if correlation is None else f'   by the rehearsal, correlation {correlation:.2f}'
    rows.append(('expected, cm', result['expected_tip_rmse_cm'], said))
    if 'arm' in result:
        scale = f'{result["time_scale"]:.3g}'
        if result['time_scale_chosen'] and result['time_scale'] > 1:
            scale += ' on average, what it can follow'
        rows.append(('on the arm, cm', result['arm_tip_rmse_cm'],
                     f'   {result["arm"]}, time scale {scale}, '
                     f'correction {result["correction"]:g}'))
    lines += [_row(*row) for row in rows]
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
