# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Ask whether learning to learn makes a network tolerant of its devices.

    python benchmarks/tolerance.py --learner NAME=MODEL,MODEL,... [--learner ...]
                                   [--ordinary MODEL] [--tasks 100] [--out DIR]

Plays the models, a learner's being of several seeds, on the full chip model over noise and over
stuck devices. With `--ordinary` networks of that model's sizes are trained on each movement, with
and without noise in training, and play along. Writes `tolerance.json` and `tolerance.png`, prints
the tables in Markdown. What is done is kept in `tolerance_pieces.jsonl`: the same command goes on
from there. docs/tolerance.md has the commands for its figures.
"""

import argparse
import contextlib
import json
from pathlib import Path
import sys
import time

from tqdm import tqdm

from smallbot.cli.common import interruption
from smallbot.cli.common.arguments import complain, made_folder
from smallbot.experiment.figures import TEST_SEED
from smallbot.experiment.workers import cores, results
from smallbot.files.plain import read_json
from smallbot.files.sealed import sealed, unsealed
from smallbot.files.writing import write_json
from smallbot.kinds import OutputFolder, PROCESSES, SEED, Whole
from smallbot.one_shot.model import arm_of, load_model
from smallbot.plots.tolerance import draw_tolerance
from smallbot.study.evaluation import draw_movements
from smallbot.study.tolerance import (
    Contest,
    errors_cm,
    gathered,
    Learner,
    markdown,
    Piece,
)

PIECE = 'smallbot-tolerance-piece-1'
"""Format of a line of what is kept."""


def learner(text: str) -> Learner:
    """Return the learner that an argument names."""
    name, equals, paths = text.partition('=')
    if not (name and equals and paths):
        raise argparse.ArgumentTypeError(f'{text!r}: expected NAME=MODEL,MODEL,...')
    return Learner(name, tuple(load_model(path) for path in paths.split(',')))


def done_before(kept: Path, contest: Contest) -> list[tuple[Piece, list[list[float]]]]:
    """Return the pieces of the same contest that an earlier run, broken off, has left."""
    if not kept.exists():
        return []
    rows = []
    for line in kept.read_bytes().splitlines():
        with contextlib.suppress(ValueError):  # damaged, or it was being written
            rows.append(unsealed(read_json(line), PIECE))
    return [(Piece(*row['piece']), row['errors']) for row in rows
            if row['of'] == contest.digest]


def main():
    interruption.watch('tolerance')
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--learner', type=learner, action='append', required=True)
    parser.add_argument('--ordinary', type=load_model, metavar='MODEL')
    parser.add_argument('--tasks', type=Whole(1, 10_000), default=100)
    parser.add_argument('--seed', type=SEED, default=TEST_SEED)
    parser.add_argument('--processes', type=PROCESSES, default=cores())
    parser.add_argument('--out', type=OutputFolder(), default=Path('.'))
    args = parser.parse_args()
    out = made_folder(args.out)
    first = args.learner[0].models[0]
    arm = arm_of(first.config)
    movements = draw_movements('paper', args.tasks, first.config, arm, args.seed)
    contest = Contest(tuple(args.learner), arm, movements, args.seed, args.ordinary)
    kept = out / 'tolerance_pieces.jsonl'
    done = done_before(kept, contest)
    finished = [piece for piece, _ in done]
    pieces = [piece for piece in contest.pieces() if piece not in finished]
    began = time.monotonic()
    try:
        with interruption.kept(), kept.open('a') as file:
            if file.tell() and not kept.read_bytes().endswith(b'\n'):
                file.write('\n')
            for number, errors in tqdm(results(errors_cm, (contest,), pieces, args.processes),
                                       total=len(pieces)):
                done.append((pieces[number], errors))
                file.write(json.dumps(sealed({'of': contest.digest, 'piece': pieces[number],
                                              'errors': errors}, PIECE)) + '\n')
                file.flush()
    except KeyboardInterrupt:
        complain('tolerance', f'interrupted; {len(done)} of {len(contest.pieces())} pieces are '
                              f'kept in {kept}, the same command goes on from there')
        return interruption.CODE
    result = gathered(contest, done)
    result['seconds'] = round(time.monotonic() - began)
    write_json(out / 'tolerance.json', result)
    draw_tolerance(result, out / 'tolerance.png')
    print(markdown(result))
    print(f'{args.tasks} movements, {args.processes} processes, {result["seconds"]} s')
    return 0


if __name__ == '__main__':
    sys.exit(main())
