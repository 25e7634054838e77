# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What a report says of each result: the one number, a table of figures, how it was made.

A result is told by its fields, whichever file it lies in.
"""

from collections.abc import Callable
from io import BytesIO
from pathlib import PurePath
from typing import Any, NamedTuple

from smallbot.errors import in_one_line
from smallbot.report.folder import Picture, ReportError, Result
from smallbot.report.terms import CONDITIONS, SWEPT, Term, TERMS

Values = dict[str, Any]


class Figure(NamedTuple):
    """One row of the table of figures."""

    said: str
    value: str
    definition: str


class Table(NamedTuple):
    """Figures at several values of something."""

    title: str
    head: list[str]
    rows: list[list[str]]


class Section(NamedTuple):
    """What is said of one result."""

    title: str
    number: str
    """The one that it comes to, with its unit."""
    said: str
    """What that number is."""
    beside: str
    """What it stands beside."""
    shown: list[tuple[str, str]]
    figures: list[Figure]
    tables: list[Table]
    conditions: list[tuple[str, str]]
    made: list[tuple[str, str]]
    pictures: list[tuple[str, Picture]]
    """Each with words for those who do not see it."""


def section_of(result: Result, drawn: bool = True) -> Section | None:
    """Return what is said of a result; None for one that has no figures, such as a doctor's.

    Parameters: `drawn`, whether a picture is drawn of a result that holds all it takes.
    Raises ReportError, in one line, where the result is not whole.
    """
    values = result.values
    tell = next((tell for fields, tell in _KINDS if all(field in values for field in fields)),
                None)
    if tell is None:
        return None
    try:
        section = tell(values)
        conditions = (_conditions(values['points'][0], SWEPT[values['sweep']][1])
                      if tell is _sweep else _conditions(values))
        return section._replace(made=_made(result), conditions=conditions,
                                pictures=_pictures(result) if drawn else [])
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ReportError(f'{result.name}: not a whole result of smallbot: '
                          f'{in_one_line(repr(error))}') from None


def _section(title: str, number: str, said: str, beside: str = '', shown=(), figures=(),
             tables=()) -> Section:
    return Section(title, number, said, beside, list(shown), list(figures), list(tables), [], [],
                   [])


def _demo(values: Values) -> Section:
    shown, error = values['demonstration'], values['tip_rmse_cm']
    emulated = 'emulated ' if values.get('emulated') else ''
    return _section(
        f'{shown["shown"]}, shown once', f'{error["after"]["mean"]:.1f} cm',
        'off, after one update',
        f'before the update: {error["before"]["mean"]:.1f} cm; the {emulated}{values["arm"]} arm '
        f'itself: {values["arm_tip_rmse_cm"]:.1f} cm',
        [('movement', str(shown['shown'])), ('joints', ', '.join(shown['joints'])),
         ('shown in', f'{shown["seconds"]:.2f} s'), ('digest', str(shown['digest'])),
         ('recorded as', PurePath(str(values.get('bag') or 'not recorded')).name)],
        _figures(values, 'tip_rmse_cm.after', 'tip_rmse_cm.before', 'expected_tip_rmse_cm',
                 'arm_tip_rmse_cm', 'velocity_rmse', 'cells_written', 'devices_written', 'pulses',
                 'energy_uj', 'learn_seconds', 'updates', 'duration'))


def _evaluation(values: Values) -> Section:
    error = values['tip_rmse_cm']
    files = values.get('files', ())
    tables = []
    if files:
        tables.append(Table('Every file', ['file', 'tool-tip error, cm', ''], [
            [str(row['file']), f'{row["tip_rmse_cm"]["after"]:.2f}' if 'tip_rmse_cm' in row
             else '', str(row.get('refused') or row.get('poor') or '')] for row in files]))
    if values.get('baselines'):
        tables.append(Table('Without the learning signal generator, in software',
                            ['', 'tool-tip error, cm'],
                            [[name, _number(row['tip_rmse_cm'], 2)]
                             for name, row in values['baselines'].items()]))
    return _section(
        f'{values["tasks"]} movements, each shown once', f'{error["after"]["mean"]:.2f} cm',
        'off on average, after one update',
        f'before the update: {error["before"]["mean"]:.1f} cm',
        [('movements', f'{values["tasks"]} of the {values["family"]} family'
          + (f', {values["drawings"]} drawings' if values.get('drawings') else ''))],
        _figures(values, 'tip_rmse_cm.after', 'tip_rmse_cm.before', 'expected_tip_rmse_cm',
                 'arm_tip_rmse_cm', 'velocity_rmse', 'cells_written', 'devices_written', 'pulses',
                 'energy_uj', 'write_seconds', 'learn_seconds', 'updates', 'tasks'), tables)


def _sweep(values: Values) -> Section:
    points, (what, _) = values['points'], SWEPT[values['sweep']]
    images = 'accuracy' in points[0]
    unit, said = ('%', 'told right') if images else ('cm', 'off')
    rows = [point['accuracy'][-1] if images else point['tip_rmse_cm']['after']
            for point in points]
    first, last = (f'{rows[k]["mean"]:.{1 if images else 2}f}' for k in (0, -1))
    return _section(
        f'Over the {what}', f'{first} to {last} {unit}',
        f'{said}, from {points[0]["value"]:g} to {points[-1]["value"]:g}',
        f'{points[0]["tasks"]} tasks at each of {len(points)} points', (), (),
        [Table('Points', [what, f'{said}, {unit}', 'tasks'],
               [[f'{point["value"]:g}', _number(row, 2), str(point['tasks'])]
                for point, row in zip(points, rows)])])


def _images(values: Values) -> Section:
    accuracy = values['accuracy']
    tables = [Table('After each update', ['updates', 'told right, %'],
                    [[str(number), _number(row, 2)] for number, row in enumerate(accuracy)])]
    if values.get('baselines'):
        tables.append(Table('Without the inner loop, in software', ['', 'told right, %'],
                            [[name, _number(row['accuracy'], 2)]
                             for name, row in values['baselines'].items()]))
    last = len(accuracy) - 1
    return _section(
        f'{values["ways"]} classes from {values["shots"]} examples each',
        f'{accuracy[-1]["mean"]:.1f} %',
        f'of images told right, after {last} update{"s" * (last != 1)}',
        f'by chance: {100 / values["ways"]:.3g} %',
        [('images', f'{values["images"]} ({values["images_digest"]}), {values["classes"]} '
                    f'classes'), ('tasks', f'{values["tasks"]}, {values["ways"]} classes with '
                                           f'{values["shots"]} examples each')],
        [Figure(TERMS['accuracy'].said, f'{_number(accuracy[-1], 2)} %',
                TERMS['accuracy'].definition),
         *_figures(values, 'devices', 'devices_written', 'pulses', 'energy_uj', 'write_seconds',
                   'learn_seconds', 'classify_seconds', 'updates', 'tasks')], tables)


def _told(values: Values) -> Section:
    pictures = values['pictures']
    classes = values['classes']
    examples = sum(len(own) for own in classes.values())
    first = pictures[0]
    rows = [[str(one['name']), str(one['class']),
             f'{100 * one["probabilities"][one["class"]]:.1f} %', str(one['understood'])]
            for one in pictures]
    several = len(pictures) > 1
    return _section(
        f'{len(classes)} classes learned from {examples} examples',
        f'{len(pictures)} pictures' if several else str(first['class']),
        'told' if several else f'is what {first["name"]} was told to be', '',
        [('classes', ', '.join(f'{name} ({len(own)})' for name, own in classes.items())),
         *([('left out', '; '.join(map(str, values['left_out'])))]
           if values.get('left_out') else [])],
        _figures(values, 'devices', 'pulses', 'energy_uj', 'learn_seconds'),
        [Table('Pictures', ['picture', 'class', 'probability', 'as it was read'], rows)])


def _training(values: Values) -> Section:
    seen = values.get('validations') or []
    if not values['iterations']:
        return _section('A model in closed form', f'{values["session_seconds"]:.1f} s',
                        'to make it, nothing trained')
    key = next((key for key in ('tip_cm', 'error_percent') if seen and key in seen[-1]), None)
    title = f'Training, {values["iterations"]} of {values["planned"]} iterations'
    figures = _figures(values, 'iterations', 'training_seconds')
    if key is None:
        return _section(title, f'{values["iterations"]}', 'iterations, not validated yet',
                        figures=figures)
    unit = TERMS[key].unit
    return _section(
        title, f'{seen[-1][key]:.2f} {unit}',
        {'tip_cm': 'off on unseen movements, in software',
         'error_percent': 'of unseen classes told wrong, in software'}[key], '', (),
        [*figures, Figure(TERMS[key].said, f'{seen[-1][key]:.2f} {unit}', TERMS[key].definition)],
        [Table('Validations', ['iteration', 's', f'{TERMS[key].said}, {unit}'],
               [[str(one['iteration']), f'{one["seconds"]:.0f}', f'{one[key]:.2f}']
                for one in seen])])


def _characteristics(values: Values) -> Section:
    error, product = values['programming_error'], values['product_error']
    middle = len(error['target']) // 2
    return _section(
        'The simulated chip', f'{error["sd_us"][middle]:.2f} µS',
        'error of programming at half conductance (s.d.)',
        f'published: {error["law_sd_us"][middle]:.2f} µS', (),
        [Figure('error of a product, fresh', f'{100 * product["each_4"][0]:.1f} %',
                'relative, of a whole core of 256 x 256, four phases'),
         Figure('the same after a year', f'{100 * product["each_4"][-1]:.1f} %',
                'corrected again just before'),
         Figure('and corrected only at the beginning', f'{100 * product["once_4"][-1]:.1f} %',
                'after a year'),
         Figure('iterations of program-and-verify',
                f'{values["convergence"]["mean_iterations"]:.1f}', 'mean over devices'),
         Figure('noise', f'1/f^{-values["noise_spectrum"]["exponent"]:.2f}',
                'power density over frequency, fitted')])


def _speeds(values: Values) -> Section:
    rows = [[name, *(f'{values[key][f"batch_{batch}"]:.0f}' for batch in (1, 90))]
            for key, name in (('matvec_us', 'product, four phases, µs'),
                              ('spikes_us', 'the same of 2 % spikes, µs'),
                              ('one_phase_us', 'product, one phase, µs'))]
    return _section(
        'Speed of the simulated chip', f'{values["matvec_us"]["batch_1"]:.0f} µs',
        'for a product of a core, four phases, on one thread', '', (),
        [Figure('programming all cells', f'{values["program_seconds"]:.3f} s', 'median'),
         Figure('drift worked out and first read', f'{values["drift_and_read_seconds"]:.3f} s',
                'median')],
        [Table('Products', ['', 'batch 1', 'batch 90'], rows)])


_KINDS: list[tuple[tuple[str, ...], Callable[[Values], Section]]] = [
    (('demonstration', 'arm_tip_rmse_cm'), _demo), (('tip_rmse_cm', 'family'), _evaluation),
    (('accuracy', 'ways'), _images), (('sweep', 'points'), _sweep),
    (('pictures', 'classes'), _told), (('iterations', 'session_seconds'), _training),
    (('programming_error', 'product_error'), _characteristics),
    (('matvec_us', 'program_seconds'), _speeds)]
"""Fields by which a result is told, in the order in which a report has them."""


def order_of(result: Result) -> int:
    """Return which kind of result it is, those first that a report leads with."""
    return next((number for number, (fields, _) in enumerate(_KINDS)
                 if all(field in result.values for field in fields)), len(_KINDS))


def _figures(values: Values, *fields: str) -> list[Figure]:
    """Return the rows of fields that a result has, in words, with unit and definition."""
    rows = []
    for field in fields:
        term, (name, _, part) = TERMS[field], field.partition('.')
        value = values.get(name)
        if part and value is not None:
            value = value.get(part)
        if value is None:
            continue
        if field == 'velocity_rmse':
            rows += [Figure(f'{term.said}, {joint}', _with_unit(row, term), term.definition)
                     for joint, row in value.items()]
        elif field == 'cells_written':
            rows.append(Figure(term.said, f'{value["mean"]:,.0f}, {100 * value["fraction"]:.1f} %',
                               term.definition))
        elif isinstance(value, dict | int | float):
            rows.append(Figure(term.said, _with_unit(value, term), term.definition))
    return rows


def _with_unit(value: Any, term: Term) -> str:
    return f'{_number(value, term.places)} {term.unit}'.strip()


def _number(value: Any, places: int) -> str:
    """Return a number, or a spread: mean, s.d. and the interval of the mean, as it has them."""
    if not isinstance(value, dict):
        return f'{value:,.{places}f}'
    said = f'{value["mean"]:,.{places}f}'
    if value.get('sd'):
        said += f' ± {value["sd"]:,.{places}f}'
    if value.get('ci95'):
        said += ' (mean in {:,.{n}f} to {:,.{n}f})'.format(*value['ci95'], n=places)
    return said


def _conditions(values: Values, left_out: str = '') -> list[tuple[str, str]]:
    return [(said, _plain(values[field])) for field, said in CONDITIONS.items()
            if field != left_out and isinstance(values.get(field), str | int | float)]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return f'{value:g}' if isinstance(value, float) else str(value)


def _made(result: Result) -> list[tuple[str, str]]:
    """Return with what a result was made: model and digest, seed, versions, command."""
    values, made = result.values, result.values.get('made_with', {})
    rows = []
    if values.get('model'):
        weights = f' (weights {values["weights"]})' if values.get('weights') else ''
        rows.append(('model', f'{PurePath(str(values["model"])).stem}{weights}'))
    rows.append(('seed', str(values.get('seed', 'not said'))))
    if made:
        rows.append(('versions', ', '.join(f'{name} {version}' for name, version in
                                           made['versions'].items() if version)))
        rows.append(('command', str(made['command'])))
    if values.get('interrupted'):
        rows.append(('ended early', str(values.get('ended_by', 'interrupted'))))
    rows.append(('file', result.name))
    return rows


def _pictures(result: Result) -> list[tuple[str, Picture]]:
    """Return what can be drawn of a result from its own fields."""
    from smallbot.plots.chip import draw_characteristics, draw_speeds
    from smallbot.plots.evaluation import draw_sweep
    from smallbot.plots.few_shot import draw_accuracy_sweep
    from smallbot.plots.training import draw_training

    values = result.values
    tell = _KINDS[order_of(result)][1]
    draw = {_characteristics: draw_characteristics, _speeds: draw_speeds}.get(tell)
    if tell is _sweep:
        draw = draw_accuracy_sweep if 'accuracy' in values['points'][0] else draw_sweep
    elif tell is _training and values.get('course'):
        draw = draw_training
    if draw is None:
        return []
    content = BytesIO()
    draw(values, content)
    return [('figure of what is in the tables of this section',
             Picture(f'{result.name}, drawn', 'image/png', content.getvalue()))]
