"""Measure a model on the seeds of record and write the figures into its card.

    python benchmarks/record_figures.py smallbot/models/ed_scorbot.safetensors [--tasks 100]
"""

import argparse
import json
from pathlib import Path

from smallbot.files import write_json
from smallbot.one_shot.conditions import Conditions
from smallbot.one_shot.evaluation import draw_movements, evaluate, summary, TEST_SEED
from smallbot.one_shot.model import arm_of, load_model
from smallbot.one_shot.workers import cores


def main():
    """Evaluate both families in software and on the chip."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', type=Path)
    parser.add_argument('--tasks', type=int, default=100)
    args = parser.parse_args()
    model = load_model(args.model)
    arm = arm_of(model.config)
    figures = {}
    for synapses in ('software', 'chip'):
        for family in ('paper', 'pen'):
            movements = draw_movements(family, args.tasks, model.config, arm, TEST_SEED)
            conditions = Conditions(synapses=synapses)
            done = evaluate(model, arm, movements, conditions, TEST_SEED, processes=cores())
            result = summary(model, done, conditions, TEST_SEED)
            result.pop('model')
            figures.setdefault(synapses, {})[family] = _rounded(result)
            error = result['tip_rmse_cm']
            print(f'{synapses:9}{family:6}{error["before"]["mean"]:7.2f} cm before, '
                  f'{error["after"]["mean"]:6.2f} +- {error["after"]["sd"]:.2f} cm after, '
                  f'{100 * result["cells_written"]["fraction"]:.1f} % of the cells', flush=True)
    path = args.model.with_suffix('.json')
    card = json.loads(path.read_text())
    card['figures'] = figures
    write_json(path, card)


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return float(f'{value:.4g}') if isinstance(value, float) else value


if __name__ == '__main__':
    main()
