"""Train both networks in the outer loop, from scratch or resumed.

Writes checkpoints and TensorBoard curves into a folder, and at the end the model. Ctrl-C stops
after the iteration under way and leaves a checkpoint to resume from.
"""

import argparse
from pathlib import Path
import signal
import time

from smallbot.cli.arguments import add_common, check_json, real, whole, write_result
from smallbot.errors import InputError

VERB = 'meta-train'


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the options of `smallbot meta-train`."""
    verb.add_argument('--config', type=Path, metavar='FILE',
                      help='YAML configuration (default: config/meta/ed_scorbot.yaml)')
    length = verb.add_mutually_exclusive_group()
    length.add_argument('--minutes', type=real(0, above=True), metavar='M',
                        help='plan as many iterations as fit into M minutes on this machine')
    length.add_argument('--iterations', type=whole(1), metavar='N',
                        help='plan N iterations (default: as configured)')
    verb.add_argument('--resume', type=Path, metavar='DIR',
                      help='go on from the checkpoint in DIR, with its configuration')
    verb.add_argument('--out', type=Path, default=Path('runs/meta'), metavar='DIR',
                      help='folder of checkpoint, curves and model (default runs/meta)')
    verb.add_argument('--name', default='ed_scorbot', metavar='NAME',
                      help='name of the model that is written (default ed_scorbot)')
    add_common(verb, 0, 'weights, movements and noise; 1000 and 2000 belong to the figures')


def run(args: argparse.Namespace) -> int:
    """Train until the planned iteration, or until Ctrl-C."""
    from dataclasses import replace

    import torch
    from tqdm import tqdm

    from smallbot.arm.kinematics import default_arm
    from smallbot.one_shot.evaluation import TEST_SEED, VALIDATION_SEED
    from smallbot.one_shot.meta_training import (
        CHECKPOINT,
        load_config,
        meta_train,
        MetaTraining,
        planned_iterations,
    )
    from smallbot.one_shot.model import save_model
    from smallbot.share import share_directory

    check_json(args.json)
    if args.resume:
        if args.config or args.minutes or args.iterations:
            raise InputError('--resume takes configuration and length from its checkpoint: leave '
                             '--config, --minutes and --iterations out')
        directory = args.resume
        training = MetaTraining.restore(directory, default_arm)
    else:
        directory = args.out
        if (directory / CHECKPOINT).exists():
            raise InputError(f'{directory}: holds a checkpoint already; resume it with --resume '
                             f'{directory}, or choose another --out')
        if args.seed in (VALIDATION_SEED, TEST_SEED):
            raise InputError(f'--seed {args.seed}: kept for the figures, training must not use it')
        path = args.config or share_directory() / 'config' / 'meta' / 'ed_scorbot.yaml'
        config = replace(load_config(path), seed=args.seed)
        arm = default_arm(config.model.joints)
        if args.minutes:
            config = replace(config, iterations=planned_iterations(config, arm, args.minutes))
        elif args.iterations:
            config = replace(config, iterations=args.iterations)
        training = MetaTraining(config, arm)

    stopped = []
    previous = signal.signal(signal.SIGINT, lambda *_: stopped.append(True))
    curves = summary_writer(directory)
    began, first = time.monotonic(), training.iteration
    recent = []
    total = training.config.iterations
    try:
        with tqdm(total=total, initial=first, unit='it', mininterval=1.0) as bar:
            def report(state, parts):
                recent.append(parts.tip_cm)
                del recent[:-50]
                bar.update()
                bar.set_postfix_str(f'{sum(recent) / len(recent):.2f} cm')
                for key, value in parts._asdict().items():
                    curves.add_scalar(key, value, state.iteration)
            meta_train(training, directory,
                       lambda state: bool(stopped) or state.iteration >= total, report)
    finally:
        signal.signal(signal.SIGINT, previous)
        curves.close()
    result = {'directory': str(directory), 'iterations': training.iteration, 'planned': total,
              'seed': training.config.seed, 'training_seconds': training.seconds,
              'session_seconds': time.monotonic() - began,
              'recent_tip_cm': sum(recent) / len(recent) if recent else None,
              'torch': torch.__version__, 'model': None}
    if training.iteration >= total:
        result['model'] = str(save_model(training.model(args.name), directory))
        print(f'{result["model"]}: measure it with\n  smallbot evaluate --model '
              f'{result["model"]} --seed {VALIDATION_SEED}')
    else:
        print(f'stopped at iteration {training.iteration} of {total}; go on with\n'
              f'  smallbot meta-train --resume {directory}')
    write_result(args.json, result)
    return 0 if training.iteration >= total else 1


def summary_writer(directory: Path):
    """Return TensorBoard's writer of curves; InputError where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError('tensorboard is not installed: pip install tensorboard') from None
    return SummaryWriter(str(directory))
