"""Ask whether learning to learn makes a network tolerant of its devices.

    python benchmarks/tolerance.py [--model PATH] [--without-noise PATH] [--tasks 20] [--out DIR]

Trains an ordinary network for each movement, with and without noise in training, and plays them
and the meta-trained one on the full chip model over noise and over stuck devices. Writes
`tolerance.json` and `tolerance.png`, prints the tables in Markdown. `--without-noise` names a
model whose meta-training had `device_noise: 0.0`, to be compared as well.
"""

import argparse
from pathlib import Path
import time

from tqdm import tqdm

from smallbot.cli.arguments import made_folder, whole
from smallbot.files import write_json
from smallbot.one_shot.figures import TEST_SEED
from smallbot.one_shot.model import arm_of, DEFAULT_MODEL, load_model
from smallbot.outer_loop.workers import cores, results
from smallbot.plots.tolerance import draw_tolerance
from smallbot.study.evaluation import draw_movements
from smallbot.study.tolerance import Contest, errors_cm, gathered, markdown


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', default=DEFAULT_MODEL)
    parser.add_argument('--without-noise', help='a model whose meta-training saw no noise')
    parser.add_argument('--tasks', type=whole(1), default=20)
    parser.add_argument('--seed', type=whole(0), default=TEST_SEED)
    parser.add_argument('--processes', type=whole(1), default=cores())
    parser.add_argument('--out', type=Path, default=Path('.'))
    args = parser.parse_args()
    out = made_folder(args.out)
    model = load_model(args.model)
    arm = arm_of(model.config)
    movements = draw_movements('paper', args.tasks, model.config, arm, args.seed)
    contest = Contest(model, arm, movements, args.seed,
                      load_model(args.without_noise) if args.without_noise else None)
    pieces = contest.pieces()
    began = time.monotonic()
    found = results(errors_cm, (contest,), pieces, args.processes)
    done = [(pieces[number], errors) for number, errors in tqdm(found, total=len(pieces))]
    result = gathered(contest, done)
    result['seconds'] = round(time.monotonic() - began)
    write_json(out / 'tolerance.json', result)
    draw_tolerance(result, out / 'tolerance.png')
    print(markdown(result))
    print(f'{args.tasks} movements, {args.processes} processes, {result["seconds"]} s')


if __name__ == '__main__':
    main()
