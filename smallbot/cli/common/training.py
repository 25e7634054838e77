# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the verbs that train have in common: options, a session with its curves, and its end.

Ctrl-C breaks off the iteration under way and leaves a checkpoint to resume from; `torchrun` may
start a verb on several machines. Not here: what is trained.
"""

import argparse
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
import shlex
import signal
import sys
import time
from typing import Any, NamedTuple

from smallbot.cli.common import interruption, progress
from smallbot.cli.common.arguments import (
    add_figure,
    check_folder,
    complain,
    given_of,
    made_folder,
    write_result,
)
from smallbot.errors import InputError
from smallbot.kinds import FileName, InputPath, OutputFolder, PROCESSES, Real, Whole

CLOSED_FORM = {'gain in software': 4, 'gain on chips': 3}
"""What a model in closed form takes, s, by the names of `outer_loop.closed_form`."""
RESULT = 'training.json'
"""What a run has come to, in its folder."""
MOST = 400
"""Points of the course of a session."""
RECENT = 50
"""Iterations over which the figure beside the bar is taken."""


class Account(NamedTuple):
    """What is told of a run while it goes on."""

    figure: str
    """Field of the parts of a step that the bar shows, and of the result as `recent_FIGURE`."""
    form: str
    """Format of that figure with its unit, such as '{:.2f} cm'."""
    validated: Callable[[Any, Any], str]
    """Returns what a validation of a run has found, in words."""


class Session(NamedTuple):
    """What a session has come to."""

    first: int
    """Iteration at which it began."""
    course: Sequence[float]
    """The account's figure of each of its iterations."""
    seconds: float


def add_length(verb: argparse.ArgumentParser, iterations: str, least: int = 1) -> None:
    """Add how long is trained; `iterations` is the help of that option, `least` its bound."""
    length = verb.add_mutually_exclusive_group()
    length.add_argument('--minutes', type=Real(0, 1e5, above=True), metavar='M',
                        help='plan as many iterations as fit into M minutes on this machine')
    length.add_argument('--iterations', type=Whole(least, 10 ** 7), metavar='N', help=iterations)
    verb.add_argument('--resume', type=InputPath(True), metavar='DIR',
                      help='go on from the checkpoint in DIR, with its configuration')


def add_output(verb: argparse.ArgumentParser, out: str, name: str) -> None:
    """Add where the run is kept, `out` by default, and how the model is named by default."""
    verb.add_argument('--out', type=OutputFolder(), default=Path(out), metavar='DIR',
                      help=f'folder of checkpoint, curves and model (default {out})')
    verb.add_argument('--name', type=FileName(), metavar='NAME',
                      help=f'name of the model that is written (default: {name})')
    add_figure(verb, 'the error of this session over its iterations, and validations,')


def add_processes(verb: argparse.ArgumentParser) -> None:
    """Add how many processes share a batch."""
    verb.add_argument('--processes', type=PROCESSES, metavar='N',
                      help='processes that share the tasks (default: one for each core); '
                           'torchrun decides it instead where it starts the command')


def check_resumed(args: argparse.Namespace, fixed: Sequence[str]) -> None:
    """Refuse options beside --resume that its checkpoint decides: `fixed`, and the seed."""
    if not args.resume:
        return
    given = given_of(args, fixed)
    if given:
        raise InputError(f'--resume takes configuration and length from its checkpoint: leave '
                         f'{", ".join(given)} out')
    if args.seed:
        raise InputError('--resume takes the seed from its checkpoint: leave --seed out')


def check_name(name: str | None) -> None:
    """Refuse a name of the model whose card would go over the result."""
    if name == Path(RESULT).stem:
        raise InputError(f'--name {name}: {RESULT} is the result of the run; choose another name')


def model_files(name: str | None) -> list[str]:
    """Return the names of the files of a model; none while it has no name."""
    return [f'{name}{ending}' for ending in ('.safetensors', '.json') if name]


def in_session(verb: str, work: Callable[..., int], args: argparse.Namespace) -> int:
    """Run `work(group, args)`, a function of a module, in the processes asked for.

    Refuses, before they start, a folder that does not take the files of a run.
    """
    from smallbot.experiment.checkpoint import CHECKPOINT
    from smallbot.experiment.processes import in_processes, LostProcess
    from smallbot.experiment.workers import cores

    check_name(args.name)
    check_folder(args.resume or args.out, CHECKPOINT, RESULT, *model_files(args.name),
                 option='--resume' if args.resume else '--out')
    try:
        with interruption.kept():
            return in_processes(work, args.processes or cores(), args)
    except LostProcess as error:
        complain(verb, f'{error}; what was done is in {args.resume or args.out}: go on with '
                       f'--resume, or with fewer --processes')
        return 1


def resumed(group, args: argparse.Namespace, restore: Callable[[Path, Any], Any]):
    """Return the run of --resume, or the one that torchrun has started anew; None: a new one.

    Raises InputError where a new one would go over a checkpoint.
    """
    from smallbot.experiment.checkpoint import CHECKPOINT
    from smallbot.experiment.processes import restarted

    directory = directory_of(args)
    there = group.first(lambda: (directory / CHECKPOINT).exists())
    if args.resume or there and restarted():
        group.first(lambda: there and made_folder(directory))
        return restore(directory, group)
    if there:
        raise InputError(f'{directory}: holds a checkpoint already; resume it with --resume '
                         f'{directory}, or choose another --out')
    return None


def directory_of(args: argparse.Namespace) -> Path:
    """Return the folder of the run."""
    return args.resume or args.out


def stages(group, expected: Mapping[str, float]):
    """Return a block with the bar of stages before a session, in the process that prints."""
    return progress.stages(expected) if group.leads else nullcontext(lambda name: None)


def trained(run, directory: Path, account: Account) -> Session:
    """Advance a run to the end that is planned, or until Ctrl-C; the first process tells.

    Its curves lie in `directory`, beside the checkpoint.
    """
    from smallbot.experiment.loop import advance

    group, stopped = run.group, []

    def stop(*_):
        """Break off the iteration under way, or where that is too late the next."""
        stopped.append(True)
        if group.leads and len(stopped) == 1 and run.settled:
            raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, stop) for number in signals]
    curves = _curves(directory) if group.leads else None
    began, first, total = time.monotonic(), run.iteration, run.config.iterations
    course = array('d')
    try:
        with _bar(run) as bar:
            def report(state, parts):
                if not group.leads:
                    return
                course.append(getattr(parts, account.figure))
                recent = course[-RECENT:]
                bar.set_postfix_str(account.form.format(sum(recent) / len(recent)), refresh=False)
                bar.update()
                scalars = {**parts._asdict(),
                           'learning_rate': state.learning_rate(state.iteration - 1)}
                if state.validations and state.validations[-1].iteration == state.iteration:
                    seen = state.validations[-1]
                    scalars |= {f'validation_{key}': value for key, value in
                                seen._asdict().items() if key not in ('iteration', 'seconds')}
                    bar.write(f'iteration {seen.iteration}, {seen.seconds:.0f} s: '
                              f'{account.validated(state, seen)}', file=sys.stderr)
                if curves:
                    for key, value in scalars.items():
                        curves.add_scalar(key, value, state.iteration)
            advance(run, directory, lambda state: bool(stopped) or state.iteration >= total,
                    report)
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in zip(signals, previous):
            signal.signal(number, handler)
        if curves:
            curves.close()
    return Session(first, course, time.monotonic() - began)


def ended(verb: str, run, args: argparse.Namespace, session: Session, account: Account,
          saved: Callable[[], Path], then: Callable[[Path], str], more: dict[str, Any]) -> int:
    """Say what a session has come to, write its result, and return the exit code.

    Parameters: `saved` writes the model of a run that is done, and returns its path; `then`
    returns what to do with it; `more` is the experiment's own part of the result.
    """
    done = run.iteration >= run.config.iterations
    if not run.group.leads:
        return 0 if done else 1
    from smallbot.models.weights_file import weights_of

    directory = directory_of(args)
    model = saved() if done else None
    if done:
        print(f'{model}: {then(model)}')
    else:
        resume = ['smallbot', *verb.split(), '--resume', str(directory)]
        if args.name:
            resume += ['--name', args.name]
        complain(verb, f'interrupted after iteration {run.iteration} of {run.config.iterations}, '
                       f'which is kept; go on with {shlex.join(resume)}')
    result = {**_result(run, directory, session, account, model), **more}
    if model:
        result['weights'] = weights_of(model, run.card_format)
    write_result(args.json, result)
    write_result(directory / RESULT, result)
    if args.figure:
        from smallbot.plots.training import draw_training

        draw_training(result, args.figure)
    return 0 if done else 1


def _result(run, directory: Path, session: Session, account: Account, model: Path | None
            ) -> dict[str, Any]:
    """Return what `--json` asked for of any run."""
    import torch

    recent = session.course[-RECENT:]
    return {'directory': str(directory), 'iterations': run.iteration,
            'planned': run.config.iterations, 'seed': run.config.seed,
            'processes': run.group.size, 'training_seconds': run.seconds,
            'session_seconds': session.seconds,
            f'recent_{account.figure}': sum(recent) / len(recent) if recent else None,
            'course': _course(session, account),
            'validations': [seen._asdict() for seen in run.validations],
            'torch': torch.__version__, 'model': model and str(model)}


def _course(session: Session, account: Account) -> dict[str, Any] | None:
    """Return the figure over the iterations of a session, as means of neighbours where many."""
    count = len(session.course)
    if not count:
        return None
    each = -(-count // MOST)
    parts = [session.course[at:at + each] for at in range(0, count, each)]
    return {'figure': account.figure,
            'iterations': [session.first + min(at + each, count) for at in range(0, count, each)],
            'values': [sum(part) / len(part) for part in parts]}


def _bar(run):
    """Return the bar of progress, where this is the process that prints.

    The others must not have one: its lock outlives a process that is killed, which is said.
    """
    if not run.group.leads:
        return nullcontext()
    return progress.bar(run.config.iterations, 'training', 'iterations', run.iteration)


def _curves(directory: Path):
    """Return TensorBoard's writer of curves, or None where it is not installed, and say so."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        print('tensorboard is not installed, so there will be no curves: pip install tensorboard',
              file=sys.stderr)
        return None
    return SummaryWriter(str(directory))
