"""Make a model: in closed form, trained from there in the outer loop, or resumed.

With `--iterations 0` it is the closed form alone, in seconds, for any arm that a URDF describes.
Else writes checkpoints and TensorBoard curves into a folder, and at the end the model. Ctrl-C
breaks off the iteration under way and leaves a checkpoint to resume from. Runs one process for
each core; `torchrun -m smallbot meta-train ...` runs it on several machines.
"""

import argparse
from contextlib import nullcontext
from pathlib import Path
import shlex
import signal
import sys
import time

from smallbot.cli import interruption
from smallbot.cli.arguments import (
    add_common,
    check_folder,
    complain,
    made_folder,
    write_result,
)
from smallbot.cli.arm import add_chosen, CHOSEN, configured_arm, given_of, URDF
from smallbot.errors import InputError
from smallbot.kinds import (
    FileName,
    InputPath,
    MODEL,
    OutputFolder,
    PROCESSES,
    Real,
    ROBOT,
    Whole,
)

VERB = 'meta-train'
ARM = ('urdf', *CHOSEN)
"""Options that say for which arm."""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the options of `smallbot meta-train`."""
    verb.add_argument('--config', type=InputPath(), metavar='FILE',
                      help='YAML configuration (default: config/meta/ed_scorbot.yaml)')
    length = verb.add_mutually_exclusive_group()
    length.add_argument('--minutes', type=Real(0, 1e5, above=True), metavar='M',
                        help='plan as many iterations as fit into M minutes on this machine')
    length.add_argument('--iterations', type=Whole(0, 10 ** 7), metavar='N',
                        help='plan N iterations (default: as configured); 0: the closed form '
                             'alone, where the configuration begins with one')
    verb.add_argument('--resume', type=InputPath(True), metavar='DIR',
                      help='go on from the checkpoint in DIR, with its configuration')
    verb.add_argument('--start', type=MODEL, metavar='MODEL',
                      help='begin with the networks of this model, shipped or a .safetensors '
                           'file, instead of random ones; their sizes replace those configured, '
                           'but for looks')
    verb.add_argument('--out', type=OutputFolder(), default=Path('runs/meta'), metavar='DIR',
                      help='folder of checkpoint, curves and model (default runs/meta)')
    verb.add_argument('--name', type=FileName(), metavar='NAME',
                      help="name of the model that is written (default: the robot's of --urdf, "
                           'else ed_scorbot)')
    arm = verb.add_argument_group('the arm (default: as configured)')
    arm.add_argument('--urdf', type=ROBOT, metavar='FILE',
                     help=f'{URDF}; joints other than two leave the pen strokes out')
    add_chosen(arm)
    verb.add_argument('--processes', type=PROCESSES, metavar='N',
                      help='processes that share the tasks (default: one for each core); '
                           'torchrun decides it instead where it starts the command')
    add_common(verb, 0, 'weights, movements and noise; 1000 and 2000 belong to the figures')


def run(args: argparse.Namespace) -> int:
    """Train until the planned iteration, or until Ctrl-C."""
    from smallbot.experiment.checkpoint import CHECKPOINT
    from smallbot.experiment.processes import in_processes, LostProcess
    from smallbot.experiment.workers import cores

    if args.resume:
        given = given_of(args, ('config', 'minutes', 'iterations', *ARM, 'start'))
        if given:
            raise InputError(f'--resume takes configuration and length from its checkpoint: leave '
                             f'{", ".join(given)} out')
        if args.seed:
            raise InputError('--resume takes the seed from its checkpoint: leave --seed out')
    if args.iterations == 0:
        return _closed_form(args)
    check_folder(args.resume or args.out, CHECKPOINT, *_files(args.name or ''),
                 option='--resume' if args.resume else '--out')
    try:
        with interruption.kept():
            return in_processes(_train, args.processes or cores(), args)
    except LostProcess as error:
        complain(VERB, f'{error}; what was done is in {args.resume or args.out}: go on with '
                       f'--resume, or with fewer --processes')
        return 1


def _closed_form(args: argparse.Namespace) -> int:
    """Make the model that a run would begin with, and nothing more."""
    from smallbot.models.weights_file import save_model
    from smallbot.outer_loop.closed_form import closed_form
    from smallbot.outer_loop.configuration import robot_name

    check_folder(args.out, *_files(args.name or ''))
    config = _configured(args)
    if not config.closed_form or args.start:
        raise InputError('--iterations 0 makes a model in closed form: leave --start out, and '
                         'take a configuration with closed_form: true')
    began = time.monotonic()
    model = closed_form(config.balance, config.model, config.seed,
                        args.name or robot_name(config))
    seconds = time.monotonic() - began
    path = save_model(model, made_folder(args.out))
    print(f'{path}: made in {seconds:.1f} s; {_next(path)}')
    write_result(args.json, {'directory': str(args.out), 'iterations': 0, 'seed': args.seed,
                             'session_seconds': seconds, 'model': str(path)})
    return 0


def _files(model: str) -> list[str]:
    """Return the names of the files of a model; none while it has no name."""
    return [f'{model}{ending}' for ending in ('.safetensors', '.json') if model]


def _next(model: Path) -> str:
    """Return what to do with a model that was made, as commands to be copied."""
    from smallbot.experiment.figures import VALIDATION_SEED

    path = shlex.quote(str(model))
    return (f'measure it with\n  smallbot evaluate --model {path} --seed {VALIDATION_SEED}\n'
            f'see it play with\n  smallbot demo --model {path}')


def _train(group, args: argparse.Namespace) -> int:
    """Train as one process of `group`; the first one writes and prints."""
    from smallbot.experiment.loop import advance
    from smallbot.models.weights_file import save_model
    from smallbot.outer_loop.configuration import robot_name
    from smallbot.outer_loop.run import TARGET_CM

    training, directory = _training(group, args)
    stopped = []

    def stop(*_):
        """Break off the iteration under way, or where that is too late the next."""
        stopped.append(True)
        if group.leads and len(stopped) == 1 and training.settled:
            raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, stop) for number in signals]
    curves = _curves(directory) if group.leads else None
    began, recent, total = time.monotonic(), [], training.config.iterations
    try:
        with _bar(training) as bar:
            def report(state, parts):
                if not group.leads:
                    return
                recent.append(parts.tip_cm)
                del recent[:-50]
                bar.update()
                bar.set_postfix_str(f'{sum(recent) / len(recent):.2f} cm', refresh=False)
                scalars = {**parts._asdict(),
                           'learning_rate': state.learning_rate(state.iteration - 1)}
                if state.validations and state.validations[-1].iteration == state.iteration:
                    seen = state.validations[-1]
                    scalars['validation_tip_cm'] = seen.tip_cm
                    first = state.seconds_to(TARGET_CM) == seen.seconds
                    bar.write(f'iteration {seen.iteration}, {seen.seconds:.0f} s: '
                              f'{seen.tip_cm:.2f} cm in software on unseen movements'
                              + first * f', {TARGET_CM:g} cm reached', file=sys.stderr)
                if curves:
                    for key, value in scalars.items():
                        curves.add_scalar(key, value, state.iteration)
            advance(training, directory,
                    lambda state: bool(stopped) or state.iteration >= total, report)
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in zip(signals, previous):
            signal.signal(number, handler)
        if curves:
            curves.close()
    done = training.iteration >= total
    if group.leads:
        model = save_model(
            training.model(args.name or robot_name(training.config)), directory) if done else None
        resume = ['smallbot', VERB, '--resume', str(directory)]
        if args.name:
            resume += ['--name', args.name]
        if done:
            print(f'{model}: {_next(model)}')
        else:
            complain(VERB, f'interrupted after iteration {training.iteration} of {total}, which '
                           f'is kept; go on with {shlex.join(resume)}')
        write_result(args.json, _result(training, directory, recent, model,
                                        time.monotonic() - began))
    return 0 if done else 1


def _bar(training):
    """Return the bar of progress, where this is the process that prints.

    The others must not have one: its lock outlives a process that is killed, which is said.
    """
    if not training.group.leads:
        return nullcontext()
    from tqdm import tqdm

    return tqdm(total=training.config.iterations, initial=training.iteration, unit='it',
                mininterval=1.0)


def _training(group, args: argparse.Namespace):
    """Return the run to go on with, or a new one, and its folder."""
    from dataclasses import replace

    from smallbot.experiment.checkpoint import CHECKPOINT
    from smallbot.experiment.loop import planned_iterations
    from smallbot.experiment.processes import restarted
    from smallbot.one_shot.model import load_model
    from smallbot.outer_loop.closed_form import closed_form
    from smallbot.outer_loop.configuration import going_on
    from smallbot.outer_loop.run import MetaTraining

    directory = args.resume or args.out
    there = group.first(lambda: (directory / CHECKPOINT).exists())
    if args.resume or there and restarted():
        group.first(lambda: there and made_folder(directory))
        return MetaTraining.restore(directory, group), directory
    if there:
        raise InputError(f'{directory}: holds a checkpoint already; resume it with --resume '
                         f'{directory}, or choose another --out')
    config = group.first(lambda: _configured(args))
    group.first(lambda: directory.is_dir() and made_folder(directory))
    start = None
    if args.start:
        start = load_model(args.start)
    elif config.closed_form:
        start = group.first(lambda: closed_form(config.balance, config.model, config.seed))
    if start is not None:
        config = going_on(config, start)
    if args.minutes:
        config = replace(config, iterations=planned_iterations(
            MetaTraining(config, group, start), args.minutes))
    training = MetaTraining(config, group, start)
    group.first(lambda: made_folder(directory))
    return training, directory


def _configured(args: argparse.Namespace):
    """Return the configuration that the arguments ask for."""
    from dataclasses import replace

    from smallbot.experiment.figures import TEST_SEED, VALIDATION_SEED
    from smallbot.outer_loop.configuration import checked, load_config
    from smallbot.share import share_directory

    given = given_of(args, ARM)
    if args.start and given:
        raise InputError(f'--start takes the arm from its model: leave {", ".join(given)} out')
    if args.seed in (VALIDATION_SEED, TEST_SEED):
        raise InputError(f'--seed {args.seed}: kept for the figures, training must not use it')
    path = args.config or share_directory() / 'config' / 'meta' / 'ed_scorbot.yaml'
    config = load_config(path)
    if given:
        config, said = configured_arm(config, args)
        print('\n'.join(said), file=sys.stderr)
    return checked(replace(config, seed=args.seed,
                           iterations=args.iterations or config.iterations))


def _result(training, directory: Path, recent: list[float], model: Path | None, seconds: float):
    """Return what `--json` asked for."""
    import torch

    from smallbot.outer_loop.run import TARGET_CM

    return {'directory': str(directory), 'iterations': training.iteration,
            'planned': training.config.iterations, 'seed': training.config.seed,
            'processes': training.group.size, 'training_seconds': training.seconds,
            'session_seconds': seconds,
            'recent_tip_cm': sum(recent) / len(recent) if recent else None,
            'validations': [seen._asdict() for seen in training.validations],
            f'seconds_to_{TARGET_CM:g}_cm_in_software': training.seconds_to(TARGET_CM),
            'torch': torch.__version__, 'model': model and str(model)}


def _curves(directory: Path):
    """Return TensorBoard's writer of curves, or None where it is not installed, and say so."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        print('tensorboard is not installed, so there will be no curves: pip install tensorboard',
              file=sys.stderr)
        return None
    return SummaryWriter(str(directory))
