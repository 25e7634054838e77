# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Write the tables of README and docs from the cards of the shipped models.

    python benchmarks/tables.py            # after record_figures.py or record_few_shot.py

A table stands between `<!-- table NAME -->` and `<!-- end -->` and names the digest of the
weights it was taken with; a test fails where that is not the shipped model's, or where the text
is not what this script writes.
"""

from collections.abc import Callable
import json
from pathlib import Path
import re

from smallbot.few_shot.baselines import PAPER
from smallbot.few_shot.model import load_image_model
from smallbot.files.writing import write_atomically
from smallbot.models.weights_file import MODELS
from smallbot.one_shot.model import load_model

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / 'README.md', ROOT / 'docs' / 'results.md', ROOT / 'docs' / 'few_shot.md')
BLOCK = re.compile(r'(<!-- table (?P<name>[a-z_]+) -->\n).*?(<!-- end -->)', re.DOTALL)
COMMAND = '`python benchmarks/record_figures.py`'
OF_IMAGES = '`python benchmarks/record_few_shot.py`'
IMAGES = 'few_shot'
"""How the names of tables begin that are of the model for images."""
MOVEMENTS, CHARACTERS = 'ed_scorbot', 'omniglot'
"""The models whose figures are told."""
MAIN = 'figures'
"""The short table, of both."""


def figures() -> dict[str, dict]:
    """Return the shipped models' figures by name; ValueError where they are of other weights."""
    found = {}
    for model in (load_model(), load_image_model()):
        own = json.loads((MODELS / f'{model.name}.json').read_text())['figures']
        if own.get('digest') != model.digest:
            raise ValueError(f'figures of weights {own.get("digest")}, shipped are '
                             f'{model.digest}: run benchmarks/record_figures.py or '
                             f'record_few_shot.py')
        found[model.name] = own
    return found


def models_of(table: str) -> tuple[str, ...]:
    """Return the names of the models that a table is of."""
    if table == MAIN:
        return MOVEMENTS, CHARACTERS
    return (CHARACTERS if table.startswith(IMAGES) else MOVEMENTS,)


def written(page: str, found: dict[str, dict]) -> str:
    """Return the text of a page with its tables as `found` says."""
    def table(block: re.Match) -> str:
        own = [found[name] for name in models_of(block['name'])]
        return f'{block[1]}{TABLES[block["name"]](*own)}\n{block[3]}'
    return BLOCK.sub(table, page)


def _pm(result: dict, of: str = 'tip_rmse_cm') -> str:
    after = result[of]['after'] if of == 'tip_rmse_cm' else result[of]
    return f'{after["mean"]:.2f} ± {after["sd"]:.2f}'


def _signed(found: dict, rows: list[str], command: str = COMMAND) -> str:
    return '\n'.join([*rows, '', f'*Weights `{found["digest"]}`, {command}.*'])


def _main_table(found: dict) -> str:
    rows = ['| movements | synapses | before, cm | after one update, cm | cells written |',
            '|---|---|---|---|---|']
    for name, movements, synapses in (
            ('software', '100 Brownian, as in the paper', 'software'),
            ('chip', '100 Brownian, as in the paper', 'chip'),
            ('pen, software', '59 pen strokes, unseen characters and drawers', 'software'),
            ('pen, chip', '59 pen strokes, unseen characters and drawers', 'chip'),
            ('chip, an hour later', 'Brownian, an hour later, nothing calibrated', 'chip'),
            ('chip, a day later', 'Brownian, a day later, nothing calibrated', 'chip'),
            ('chip, 30 days later', 'Brownian, 30 days later, nothing calibrated', 'chip'),
            ('chip, 30 days later, calibrated for reading',
             'Brownian, 30 days later, calibrated for reading', 'chip'),
            ('chip, 5 % of the devices stuck', 'Brownian, 5 % of the devices stuck', 'chip')):
        if name not in found:  # not measured with these weights yet
            continue
        row = found[name]
        after, before = row['tip_rmse_cm']['after'], row['tip_rmse_cm']['before']
        rows.append(f'| {movements} | {synapses} | {before["mean"]:.1f} | **{after["mean"]:.2f}** '
                    f'± {after["sd"]:.2f} (median {after["median"]:.2f}) | '
                    f'{100 * row["cells_written"]["fraction"]:.1f} % |')
    chip = found['chip']
    rows += ['', f'An update writes {chip["devices_written"]:,.0f} devices on average with '
             f'{chip["pulses"]:,.0f} pulses in {1e3 * chip["write_seconds"]:.1f} ms of the '
             f"chip's time, for at most {chip['energy_uj']:.1f} µJ (the bound: "
             f'[the chip](chip.md)).']
    if 'one after another' in found:
        again = found['one after another']
        rows.append(f'On {again["chips"]} chips that learn and forget {again["movements"]} '
                    f'movements one after another, five minutes each, the first quarter comes '
                    f'to {again["first"]["mean"]:.2f} cm and the last to '
                    f'{again["last"]["mean"]:.2f} cm.')
    return _signed(found, rows)


def _arms_table(found: dict) -> str:
    rows = ['| movements | arm | network, cm | on the arm, cm | time scale | correction |',
            '|---|---|---|---|---|---|']
    for name, movements in (('chip, mujoco', '100 Brownian'),
                            ('chip, measured arm', '100 Brownian'),
                            ('pen, chip, measured arm', '59 pen strokes')):
        if name not in found:
            continue
        row = found[name]
        correction = f'{row["correction"]:g}/s' if row['correction'] else 'off'
        rows.append(f'| {movements} | `{row["arm"]}` | {_pm(row)} | '
                    f'**{_pm(row, "arm_tip_rmse_cm")}** | {row["time_scale"]:g} | '
                    f'{correction} |')
    return _signed(found, rows)


def _record_table(found: dict) -> str:
    rows = ['| condition | mean, cm | 95 % interval | s.d. | median | cells written | '
            'before, cm |',
            '|---|---|---|---|---|---|---|']
    for name, row in found.items():
        if not isinstance(row, dict) or 'tip_rmse_cm' not in row or 'arm_tip_rmse_cm' in row:
            continue
        after, before = row['tip_rmse_cm']['after'], row['tip_rmse_cm']['before']
        rows.append(
            f'| {name} | {after["mean"]:.2f} | {after["ci95"][0]:.2f} to {after["ci95"][1]:.2f} | '
            f'{after["sd"]:.2f} | {after["median"]:.2f} | '
            f'{100 * row["cells_written"]["fraction"]:.1f} % | {before["mean"]:.1f} |')
    return _signed(found, rows)


def _right(row: dict) -> str:
    low, high = row['ci95']
    return f'{row["mean"]:.2f} ± {(high - low) / 2:.2f}'


def _images_table(found: dict) -> str:
    rows = ['| tasks | software | chip | chip, one update | prototypes | pixels |',
            '|---|---|---|---|---|---|']
    for kind in ('5-way 5-shot', '5-way 1-shot', '20-way 1-shot', '20-way 5-shot'):
        chip, software = (found[f'{kind}, {name}']['accuracy'] for name in ('chip', 'software'))
        others = [_right(found[f'{kind}, {name}']['accuracy']) if f'{kind}, {name}' in found
                  else '' for name in ('prototypes', 'pixels')]
        rows.append(f'| {kind} | {_right(software[-1])} | **{_right(chip[-1])}** | '
                    f'{_right(chip[1])} | {others[0]} | {others[1]} |')
    chip = found['5-way 5-shot, chip']
    rows += ['', f'{chip["tasks"]} tasks of {chip["classes"]} characters that no network saw, '
             f'per cent right after four updates with the 95 % interval, non-transductive. One '
             f'learning (5-way 5-shot) writes {chip["devices_written"]:,.0f} of '
             f'{chip["devices"]:,} devices with {chip["pulses"]:,.0f} pulses, at most '
             f'{chip["energy_uj"]:.2f} µJ, in {chip["learn_seconds"]:.2f} s of computing.']
    return _signed(found, rows, OF_IMAGES)


def _images_record(found: dict) -> str:
    rows = ['| tasks | number | transductive | one update | two | three | four | 95 % interval |',
            '|---|---|---|---|---|---|---|---|']
    for name, row in found.items():
        if isinstance(row, dict) and isinstance(row.get('accuracy'), list):
            after = [f'{one["mean"]:.2f}' for one in row['accuracy'][1:]]
            low, high = row['accuracy'][-1]['ci95']
            rows.append(f'| {name} | {row["tasks"]} | {"yes" if row["transductive"] else "no"} | '
                        f'{" | ".join(after)} | {low:.2f} to {high:.2f} |')
    return _signed(found, rows, OF_IMAGES)


def _images_baselines(found: dict) -> str:
    kinds = ('5-way 5-shot', '5-way 1-shot', '20-way 1-shot')
    rows = [f'| in software, non-transductive | {" | ".join(kinds)} |', '|---|---|---|---|']
    for name, said in (('pixels', 'nearest example by pixels'), ('no update', 'no update'),
                       ('prototypes', 'prototypes on the same features'),
                       ('ridge', 'ridge regression on the same features'),
                       ('software', 'four updates of the layer that learns'),
                       ('chip', 'the same on the chip')):
        own = [found[f'{kind}, {name}']['accuracy'] for kind in kinds]
        cells = [_right(one[-1] if isinstance(one, list) else one) for one in own]
        rows.append(f'| {said} | {" | ".join(cells)} |')
    rows += [f'| published: {one.what} | {one.accuracy:.1f}: {one.differs} | | |'
             for one in PAPER]
    return _signed(found, rows, OF_IMAGES)


def _short_table(movements: dict, images: dict) -> str:
    rows = ['| after learning | software | chip |', '|---|---|---|']
    for said, *names in (
            ('100 movements as in the paper, tool tip, cm', 'software', 'chip'),
            ('59 pen strokes of characters and people never seen, cm', 'pen, software',
             'pen, chip'),
            ('movements, 30 days later, nothing calibrated, cm', '', 'chip, 30 days later'),
            ('movements, 5 % of the devices stuck, cm', '', 'chip, 5 % of the devices stuck')):
        cells = [_pm(movements[name]) if name in movements else '' for name in names]
        rows.append(f'| {said} | {cells[0]} | {cells[1]} |')
    for kind in ('5-way 5-shot', '5-way 1-shot', '20-way 1-shot'):
        cells = [_right(images[f'{kind}, {name}']['accuracy'][-1])
                 for name in ('software', 'chip')]
        rows.append(f'| images of characters never seen, {kind}, % right | {cells[0]} | '
                    f'{cells[1]} |')
    return '\n'.join([*rows, '', f'*Weights `{movements["digest"]}` and `{images["digest"]}`, '
                      f'{COMMAND} and {OF_IMAGES}.*'])


TABLES: dict[str, Callable[..., str]] = {
    MAIN: _short_table,
    'main': _main_table, 'arms': _arms_table, 'record': _record_table,
    'few_shot': _images_table, 'few_shot_record': _images_record,
    'few_shot_baselines': _images_baselines}


def main() -> None:
    """Write the tables where they stand."""
    found = figures()
    for page in PAGES:
        write_atomically(page, written(page.read_text(), found).encode())


if __name__ == '__main__':
    main()
