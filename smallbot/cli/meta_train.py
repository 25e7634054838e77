# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Make a model: in closed form, trained from there in the outer loop, or resumed.

With `--iterations 0` it is the closed form alone, in seconds, for any arm that a URDF describes.
Else writes checkpoints and TensorBoard curves into a folder, and at the end the model. Ctrl-C
breaks off the iteration under way and leaves a checkpoint to resume from. Runs one process for
each core; `torchrun -m smallbot meta-train ...` runs it on several machines.
"""

import argparse
from pathlib import Path
import shlex
import sys
import time

from smallbot.cli.arm import add_chosen, CHOSEN, configured_arm, URDF
from smallbot.cli.common import progress, training
from smallbot.cli.common.arguments import (
    add_common,
    check_folder,
    given_of,
    made_folder,
    write_result,
)
from smallbot.errors import InputError
from smallbot.kinds import InputPath, MODEL, ROBOT

VERB = 'meta-train'
ARM = ('urdf', *CHOSEN)
"""Options that say for which arm."""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the options of `smallbot meta-train`."""
    verb.add_argument('--config', type=InputPath(), metavar='FILE',
                      help='YAML configuration (default: config/meta/ed_scorbot.yaml)')
    training.add_length(verb, 'plan N iterations (default: as configured); 0: the closed form '
                              'alone, where the configuration begins with one', least=0)
    verb.add_argument('--start', type=MODEL, metavar='MODEL',
                      help='begin with the networks of this model, shipped or a .safetensors '
                           'file, instead of random ones; their sizes replace those configured, '
                           'but for looks')
    training.add_output(verb, 'runs/meta', "the robot's of --urdf, else ed_scorbot")
    arm = verb.add_argument_group('the arm (default: as configured)')
    arm.add_argument('--urdf', type=ROBOT, metavar='FILE',
                     help=f'{URDF}; joints other than two leave the pen strokes out')
    add_chosen(arm)
    training.add_processes(verb)
    add_common(verb, 0, 'weights, movements and noise; 1000 and 2000 belong to the figures')


def run(args: argparse.Namespace) -> int:
    """Train until the planned iteration, or until Ctrl-C."""
    training.check_resumed(args, ('config', 'minutes', 'iterations', *ARM, 'start'))
    if args.iterations == 0:
        return _closed_form(args)
    return training.in_session(VERB, _train, args)


def _closed_form(args: argparse.Namespace) -> int:
    """Make the model that a run would begin with, and nothing more."""
    from smallbot.models.weights_file import save_model
    from smallbot.outer_loop.closed_form import closed_form
    from smallbot.outer_loop.configuration import robot_name

    training.check_name(args.name)
    check_folder(args.out, training.RESULT, *training.model_files(args.name))
    config = _configured(args)
    if args.figure:
        raise InputError('--figure draws what training reaches, --iterations 0 trains nothing: '
                         'leave it out')
    if not config.closed_form or args.start:
        raise InputError('--iterations 0 makes a model in closed form: leave --start out, and '
                         'take a configuration with closed_form: true')
    began = time.monotonic()
    with progress.stages(training.CLOSED_FORM) as begin:
        model = closed_form(config.balance, config.model, config.seed,
                            args.name or robot_name(config), tell=begin)
    seconds = time.monotonic() - began
    path = save_model(model, made_folder(args.out))
    print(f'{path}: made in {seconds:.1f} s; {_next(path)}')
    for file in (args.json, args.out / training.RESULT):
        write_result(file, {'directory': str(args.out), 'iterations': 0, 'seed': args.seed,
                            'session_seconds': seconds, 'model': str(path),
                            'weights': model.digest})
    return 0


def _next(model: Path) -> str:
    """Return what to do with a model that was made, as commands to be copied."""
    from smallbot.experiment.figures import VALIDATION_SEED

    path = shlex.quote(str(model))
    return (f'measure it with\n  smallbot evaluate --model {path} --seed {VALIDATION_SEED}\n'
            f'see it play with\n  smallbot demo --model {path}')


def _train(group, args: argparse.Namespace) -> int:
    """Train as one process of `group`; the first one writes and prints."""
    from smallbot.models.weights_file import save_model
    from smallbot.outer_loop.configuration import robot_name
    from smallbot.outer_loop.run import MetaTraining, TARGET_CM

    def validated(run, seen) -> str:
        first = run.seconds_to(TARGET_CM) == seen.seconds
        return (f'{seen.tip_cm:.2f} cm in software on unseen movements'
                + first * f', {TARGET_CM:g} cm reached')

    account = training.Account('tip_cm', '{:.2f} cm', validated)
    run = training.resumed(group, args, MetaTraining.restore) or _begun(group, args)
    directory = training.directory_of(args)
    session = training.trained(run, directory, account)
    return training.ended(
        VERB, run, args, session, account,
        lambda: save_model(run.model(args.name or robot_name(run.config)), directory), _next,
        {f'seconds_to_{TARGET_CM:g}_cm_in_software': run.seconds_to(TARGET_CM)})


def _begun(group, args: argparse.Namespace):
    """Return a new run, whose folder is this process's from here on."""
    from dataclasses import replace

    from smallbot.experiment.loop import planned_iterations
    from smallbot.one_shot.model import load_model
    from smallbot.outer_loop.closed_form import closed_form
    from smallbot.outer_loop.configuration import going_on
    from smallbot.outer_loop.run import MetaTraining

    config = group.first(lambda: _configured(args))
    group.first(lambda: args.out.is_dir() and made_folder(args.out))
    start = None
    if args.start:
        start = load_model(args.start)
    elif config.closed_form:
        with training.stages(group, training.CLOSED_FORM) as begin:
            start = group.first(lambda: closed_form(config.balance, config.model, config.seed,
                                                    tell=begin))
    if start is not None:
        config = going_on(config, start)
    if args.minutes:
        with training.stages(group, {'plan': 20}):
            config = replace(config, iterations=planned_iterations(
                MetaTraining(config, group, start), args.minutes))
    run = MetaTraining(config, group, start)
    group.first(lambda: made_folder(args.out))
    return run


def _configured(args: argparse.Namespace):
    """Return the configuration that the arguments ask for."""
    from dataclasses import replace

    from smallbot.experiment.figures import check_training_seed
    from smallbot.outer_loop.configuration import checked, load_config
    from smallbot.share import share_directory

    given = given_of(args, ARM)
    if args.start and given:
        raise InputError(f'--start takes the arm from its model: leave {", ".join(given)} out')
    check_training_seed(args.seed)
    path = args.config or share_directory() / 'config' / 'meta' / 'ed_scorbot.yaml'
    config = load_config(path)
    if given:
        config, said = configured_arm(config, args)
        print('\n'.join(said), file=sys.stderr)
    return checked(replace(config, seed=args.seed,
                           iterations=args.iterations or config.iterations))
