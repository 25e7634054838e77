"""Write the tables of README and docs from the card of the shipped model.

    python benchmarks/tables.py            # after record_figures.py

A table stands between `<!-- table NAME -->` and `<!-- end -->` and names the digest of the
weights it was taken with; a test fails where that is not the shipped model's, or where the text
is not what this script writes.
"""

from collections.abc import Callable
import json
from pathlib import Path
import re

from smallbot.files.writing import write_atomically
from smallbot.models.weights_file import MODELS
from smallbot.one_shot.model import load_model

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / 'README.md', ROOT / 'docs' / 'results.md')
BLOCK = re.compile(r'(<!-- table (?P<name>[a-z_]+) -->\n).*?(<!-- end -->)', re.DOTALL)
COMMAND = '`python benchmarks/record_figures.py`'


def figures() -> dict:
    """Return the shipped model's figures; ValueError where they are of other weights."""
    found = json.loads((MODELS / 'ed_scorbot.json').read_text())['figures']
    digest = load_model().digest
    if found.get('digest') != digest:
        raise ValueError(f'figures of weights {found.get("digest")}, shipped are {digest}: run '
                         f'benchmarks/record_figures.py')
    return found


def written(page: str, found: dict) -> str:
    """Return the text of a page with its tables as `found` says."""
    return BLOCK.sub(lambda block: f'{block[1]}{TABLES[block["name"]](found)}\n{block[3]}', page)


def _pm(result: dict, of: str = 'tip_rmse_cm') -> str:
    after = result[of]['after'] if of == 'tip_rmse_cm' else result[of]
    return f'{after["mean"]:.2f} ± {after["sd"]:.2f}'


def _signed(found: dict, rows: list[str]) -> str:
    return '\n'.join([*rows, '', f'*Weights `{found["digest"]}`, {COMMAND}.*'])


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
             f"chip's time, for at most {chip['energy_uj']:.1f} µJ (the bound is described "
             f'below).']
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


TABLES: dict[str, Callable[[dict], str]] = {
    'main': _main_table, 'arms': _arms_table, 'record': _record_table}


def main() -> None:
    """Write the tables where they stand."""
    found = figures()
    for page in PAGES:
        write_atomically(page, written(page.read_text(), found).encode())


if __name__ == '__main__':
    main()
