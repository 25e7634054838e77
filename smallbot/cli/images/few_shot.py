# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Few-shot images on the chip: new classes of pictures from one or a few examples each.

`classify` learns people's own pictures, or those that come with the package, and tells others;
`evaluate` measures that on many tasks of unseen characters; `train` makes the network. Needs no
ROS.
"""

import argparse
from pathlib import Path
import shlex
import sys
from typing import Any

from smallbot.cli.common import measuring, progress, training
from smallbot.cli.common.arguments import add_common, add_figure, made_folder, write_result
from smallbot.cli.common.images import add_network, check_updates, conditions_of
from smallbot.cli.images import classify
from smallbot.errors import InputError
from smallbot.kinds import InputPath, MODEL, Whole

VERB = 'few-shot'
PARTS = ('all', 'training', 'validation', 'test')
"""Of `smallbot.few_shot.images.sources.PARTS`, named here so that --help need not load torch."""
DATA = ('an NPZ file with images [N, 28, 28] and labels [N], the folder of Omniglot '
        '(alphabet/character/drawer.png), or that of CIFAR-100, cifar-100-python')
FEW = 20
"""Tasks that are not worth a process of their own."""
TUNING = 100
"""Tasks of another seed on which ridge regression chooses its penalty."""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare `smallbot few-shot` and what it does."""
    acts = verb.add_subparsers(dest='act', metavar='train|evaluate|classify', required=True)
    _add_train(acts.add_parser('train', help='meta-train a network',
                               description='Meta-train a network, resumably.'))
    _add_evaluate(acts.add_parser(
        'evaluate', help='measure learning on tasks of unseen classes',
        description='Measure learning on tasks of unseen classes.'))
    classify.add_arguments(acts.add_parser('classify', help='learn and tell pictures of your own',
                                           description=classify.__doc__))


def _add_train(verb: argparse.ArgumentParser) -> None:
    verb.add_argument('--data', type=InputPath(None), metavar='PATH',
                      help=f'images to train with, which do not come with the package: {DATA}')
    verb.add_argument('--config', type=InputPath(), metavar='FILE',
                      help='YAML with fields of docs/few_shot.md, in place of the defaults')
    verb.add_argument('--start', type=MODEL, metavar='MODEL',
                      help='begin with the network of this model, shipped or a .safetensors '
                           'file, instead of a random one')
    training.add_length(verb, 'plan N iterations (default: as configured)')
    training.add_output(verb, 'runs/few_shot', 'omniglot, or cifar_fs')
    training.add_processes(verb)
    add_common(verb, 0, 'weights, images and noise; 1000 and 2000 belong to the figures')


def _add_evaluate(verb: argparse.ArgumentParser) -> None:
    add_network(verb)
    verb.add_argument('--data', type=InputPath(None), metavar='PATH',
                      help=f'images: {DATA} (default: 90 characters of three alphabets that '
                           f'come with the package and were kept apart from training)')
    verb.add_argument('--part', choices=PARTS, default='all',
                      help='classes of --data by the split of training (default all)')
    verb.add_argument('--ways', type=Whole(2, 100), default=5, metavar='N',
                      help='classes of a task (default 5)')
    verb.add_argument('--shots', type=Whole(1, 100), default=5, metavar='K',
                      help='examples of each (default 5)')
    verb.add_argument('--queries', type=Whole(1, 100), default=5, metavar='Q',
                      help='images of each that are to be told (default 5)')
    verb.add_argument('--tasks', type=Whole(1, 100_000), default=600, metavar='N',
                      help='tasks (default 600)')
    measuring.add_chip(verb, 'learning', 'the queries', 'exact')
    more = verb.add_argument_group('comparing')
    measuring.add_sweep(more, measuring.SWEPT)
    more.add_argument('--baselines', action='store_true',
                      help='also tell what the same tasks come to in software without the inner '
                           'loop: nearest neighbour on pixels, prototypes and ridge regression '
                           'on the features, no update; and what is published')
    add_figure(more, 'accuracy over updates and the first task with its pictures, or the sweep')
    measuring.add_processes(more, 'tasks')
    add_common(verb, 2000, 'the tasks and the chips')


def run(args: argparse.Namespace) -> int:
    """Do what is asked for."""
    return {'train': _run_train, 'evaluate': _run_evaluate, 'classify': classify.run}[args.act](
        args)


def _run_train(args: argparse.Namespace) -> int:
    if args.data is None:
        raise InputError('train needs --data PATH, the images: NPZ file or folder, see '
                         'docs/few_shot.md')
    training.check_resumed(args, ('config', 'minutes', 'iterations', 'start'))
    return training.in_session(f'{VERB} train', _train, args)


def _train(group, args: argparse.Namespace) -> int:
    """Train as one process of `group`; the first one writes and prints."""
    from smallbot.few_shot.images.sources import is_cifar, read_for_training
    from smallbot.few_shot.training import ImageTraining
    from smallbot.models.weights_file import save_model

    account = training.Account(
        'accuracy', '{:.1f} % right', lambda run, seen:
        f'{seen.error_percent:.2f} % of unseen classes told wrong, in software')
    with training.stages(group, {'images': 10}):
        parts = read_for_training(args.data)

    def restore(directory, group):
        return ImageTraining.restore(directory, parts.training, parts.validation, group)

    run = training.resumed(group, args, restore) or _begun(group, args, parts)
    directory = training.directory_of(args)
    session = training.trained(run, directory, account)
    name = args.name or ('cifar_fs' if is_cifar(args.data) else 'omniglot')
    return training.ended(f'{VERB} train', run, args, session, account,
                          lambda: save_model(run.model(name, parts.said), directory),
                          lambda model: _next(args, model), {})


def _begun(group, args: argparse.Namespace, parts):
    """Return a new run, whose folder is this process's from here on."""
    from dataclasses import replace

    from smallbot.experiment.figures import check_training_seed
    from smallbot.experiment.loop import planned_iterations
    from smallbot.few_shot.configuration import CIFAR_TRAINING, FewShotConfig, read_config
    from smallbot.few_shot.images.sources import is_cifar
    from smallbot.few_shot.model import load_image_model
    from smallbot.few_shot.training import ImageTraining

    check_training_seed(args.seed)
    usual = CIFAR_TRAINING if is_cifar(args.data) else FewShotConfig()
    config = read_config(args.config, usual) if args.config else usual
    config = replace(config, seed=args.seed, iterations=args.iterations or config.iterations)
    group.first(lambda: args.out.is_dir() and made_folder(args.out))
    start = load_image_model(args.start) if args.start else None
    if args.minutes:
        with training.stages(group, {'plan': 20}):
            config = replace(config, iterations=planned_iterations(ImageTraining(
                config, parts.training, parts.validation, group, start), args.minutes))
    run = ImageTraining(config, parts.training, parts.validation, group, start)
    group.first(lambda: made_folder(args.out))
    return run


def _next(args: argparse.Namespace, model: Path) -> str:
    from smallbot.experiment.figures import VALIDATION_SEED

    return (f'measure it with\n  smallbot few-shot evaluate --model {shlex.quote(str(model))} '
            f'--data {shlex.quote(str(args.data))} --part validation --seed {VALIDATION_SEED}')


def _run_evaluate(args: argparse.Namespace) -> int:
    """Evaluate, print a table, write JSON and figure; an interruption keeps what is done."""
    import torch

    from smallbot.few_shot.evaluation import check_fit, draw
    from smallbot.few_shot.images.sources import read_part
    from smallbot.few_shot.model import load_image_model

    torch.set_num_threads(1)
    conditions = conditions_of(args)
    if args.sweep and args.baselines:
        raise InputError('--baselines goes with a single evaluation: leave --sweep out')
    settings = {value: conditions.at(args.sweep[0], value)
                for value in (args.sweep[1] if args.sweep else ())}
    model = load_image_model(args.model)
    check_updates(args, model)
    with progress.stages({'images': 5}):
        images = read_part(args.data, args.part)
    check_fit(model, images)
    tasks = draw(images, args.ways, args.shots, args.queries, args.tasks, args.seed)
    print(images.understood, file=sys.stderr, flush=True)
    if args.sweep:
        return _swept(args, model, images, tasks, settings)
    done, result = _evaluated(args, model, images, tasks, conditions)
    print(table(result))
    if args.baselines and not result['interrupted']:
        result.update(_baselines(args, model, images, tasks))
    write_result(args.json, result)
    if args.figure:
        _draw(args.figure, result, images, tasks, done)
    return measuring.ended(f'{VERB} evaluate', args, result)


def _evaluated(args, model, images, tasks, conditions, label: str = '') -> tuple[dict, dict]:
    """Return the tasks done, by number, and their summary, `interrupted` or whole."""
    from smallbot.experiment.workers import cores
    from smallbot.few_shot.evaluation import evaluate, summary

    asked = len(tasks.classes)
    processes = args.processes or min(cores(), -(-asked // FEW))
    done, why = measuring.collected(
        asked, lambda report: evaluate(model, images, tasks, conditions, args.seed, report,
                                       processes),
        lambda done: f'{100 * sum(one.right[-1] for one in done.values()) / len(done):.2f} %',
        label)
    result = summary(model, images, tasks, list(done.values()), conditions, args.seed)
    return done, measuring.closed(result, asked, why)


def _swept(args, model, images, tasks, settings: dict[float, Any]) -> int:
    what, values = args.sweep
    print(f'{len(tasks.classes)} tasks at each point, {_said(args.ways, args.shots)}, '
          f'{args.synapses} synapses, model {model.name}, seed {args.seed}\n'
          f'{what:>12}{"after one, %":>14}{"after all, %":>14}{"95 % interval":>19}')

    def point(value: float, result: dict[str, Any]) -> str:
        first, last = result['accuracy'][min(1, args.updates)], result['accuracy'][-1]
        return (f'{value:12g}{first["mean"]:14.2f}{last["mean"]:14.2f}'
                f'{measuring.interval(last):>19}')

    points = measuring.swept(what, values, lambda value, label: _evaluated(
        args, model, images, tasks, settings[value], label)[1], point)
    return measuring.sweep_ended(f'{VERB} evaluate', args, {
        'sweep': what, 'points': points, 'model': model.name, 'weights': model.digest,
        'seed': args.seed}, _draw_sweep)


def _baselines(args, model, images, tasks) -> dict[str, Any]:
    """Return the figures of all baselines by name, printed as they come, and what is published."""
    from smallbot.experiment.figures import VALIDATION_SEED
    from smallbot.few_shot.baselines import BASELINES, compared, PAPER
    from smallbot.few_shot.evaluation import draw

    tuning = draw(images, args.ways, args.shots, args.queries, TUNING,
                  VALIDATION_SEED + (args.seed == VALIDATION_SEED))
    print('without the inner loop, the same tasks in software, non-transductive:')
    found = {}
    with progress.bar(len(BASELINES), 'baselines', 'baselines') as bar:
        for name in BASELINES:
            found[name] = compared(model, images, tasks, tuning, name)
            bar.update()
            progress.say(_row(name, found[name]['accuracy']))
    print('published, of other tasks:')
    for one in PAPER:
        print(f'  {one.accuracy:5.1f} %  {one.what} ({one.differs})')
    return {'baselines': found, 'published': [one._asdict() for one in PAPER]}


def _draw(path: Path, result: dict, images, tasks, done: dict) -> None:
    from smallbot.plots.few_shot import draw_accuracy, Shown

    first = min(done)
    support, queries = (images.images[rows[first]].numpy() for rows in tasks.rows(images.counts))
    names = [images.names[k] for k in tasks.classes[first]]
    draw_accuracy([(result['synapses'], result)],
                  Shown(support[:, 0], queries, done[first].answers, names), path)


def _draw_sweep(found: dict[str, Any], path: Path) -> None:
    from smallbot.plots.few_shot import draw_accuracy_sweep

    draw_accuracy_sweep(found, path)


def _said(ways: int, shots: int) -> str:
    return f'{ways}-way {shots}-shot'


def _row(name: str, row: dict[str, Any]) -> str:
    return f'{name:24}{row["mean"]:9.2f}{row["sd"]:9.2f}{measuring.interval(row):>20}'


def table(result: dict[str, Any]) -> str:
    """Return the figures of an evaluation as text."""
    kind = 'transductive' if result['transductive'] else 'non-transductive'
    lines = [f'{result["tasks"]} tasks, {_said(result["ways"], result["shots"])}, of '
             f'{result["classes"]} classes of {result["images"]} ({result["images_digest"]}), '
             f'{result["synapses"]} synapses, statistics of {result["statistics"]} ({kind}), '
             f'model {result["model"]} ({result["weights"]}), seed {result["seed"]}',
             f'{"right, %":24}{"mean":>9}{"s.d.":>9}{"95 % of the mean":>20}']
    names = ['before any update', 'after one update'] + [
        f'after {k} updates' for k in range(2, len(result['accuracy']))]
    lines += [_row(name, row) for name, row in zip(names, result['accuracy'])]
    if result['devices'] is not None:
        cells = [update['cells'] for update in result['each_update']]
        lines += [
            f'{"devices":24}{result["devices"]:9,}   of unit cells in use',
            f'{"devices written":24}{result["devices_written"]:9.0f}   in one learning, '
            f'{result["devices_written_in_all"]:,} in all',
            f'{"cells written":24}{sum(cells):9.0f}   '
            + ', '.join(f'{count:.0f}' for count in cells) + ' in the updates',
            f'{"pulses":24}{result["pulses"]:9.0f}   {1e3 * result["write_seconds"]:.1f} ms on '
            f'the chip',
            f'{"energy of writing, uJ":24}{result["energy_uj"]:9.2f}   at most',
            f'{"of reading, uJ":24}{result["read_energy_uj"]:9.1f}   the examples; '
            f'{result["classify_energy_uj"]:.1f} an image that is told']
        if result['cells_compensated'] or result['cells_out_of_reach']:
            lines.append(f'{"cells out of reach":24}{result["cells_out_of_reach"]:9.0f}   which '
                         f'hold what they can; {result["cells_compensated"]:.0f} with faults '
                         f'made up for')
    lines.append(f'{"learning, s":24}{result["learn_seconds"]:9.3f}   computing; an image told '
                 f'in {1e3 * result["classify_seconds"]:.1f} ms')
    return '\n'.join(lines)
