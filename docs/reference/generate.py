# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Write the pages of reference that follow from the code: command line, parameters.

    python docs/reference/generate.py

A test fails where a page is not what this script writes.
"""

import argparse
import ast
from pathlib import Path
import re
from typing import Any

from smallbot.cli.main import parser
from smallbot.files.writing import write_atomically

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = ROOT / 'launch' / 'one_shot_demo.launch.py'
PARAMETERS = ROOT / 'config' / 'one_shot_demo.yaml'
MADE = '<!-- written by docs/reference/generate.py -->'
COMMAND_LINE = f"""# The command line

{MADE}

`smallbot VERB` after `pip install`, `python -m smallbot VERB` everywhere.
`smallbot VERB --help` says the same as this page; every verb takes `--json FILE` and `--seed N`.
Exit codes: 0 done, 1 ran and failed or was interrupted, 2 bad arguments or bad input (one line
that says what and how to mend it).
Whether an output can be written is looked at before the work. Ctrl-C ends a command in
one line; `evaluate` and its sweeps keep the movements that are done, `meta-train` the iterations,
and the line says where. Which verb does what: [commands](../how_to/commands.md).
With `SMALLBOT_TRACEBACK=1` in the environment a fault of smallbot itself is told with its place.
"""
NODES = f"""# Parameters and launch arguments

{MADE}

Parameters of every node stand in `config/one_shot_demo.yaml`;
`params_file:=mine.yaml` takes a copy with other values. Launch arguments win over it.
"""


def command_line() -> str:
    """Return the page of the command, from its parsers."""
    return '\n'.join([COMMAND_LINE, *_verbs(parser())])


def parameters() -> str:
    """Return the page of launch arguments and nodes' parameters, from their files."""
    lines = [NODES, '## one_shot_demo.launch.py', '', '| argument | default | |', '|---|---|---|']
    for name, default, meaning in _launch_arguments(LAUNCH.read_text()):
        lines.append(f'| `{name}` | {default} | {_cell(meaning)} |')
    for node, rows in _parameters(PARAMETERS.read_text()).items():
        lines += ['', f'## {node}', '', '| parameter | default | |', '|---|---|---|']
        lines += [f'| `{name}` | {_shown(default)} | {_cell(meaning)} |'
                  for name, default, meaning in rows]
    return '\n'.join(lines) + '\n'


PAGES = {'command_line.md': command_line, 'parameters.md': parameters}
"""What writes each page of this folder."""


def _verbs(of: argparse.ArgumentParser, depth: int = 2) -> list[str]:
    lines = []
    for verbs in (one for one in of._actions if isinstance(one, argparse._SubParsersAction)):
        for verb in verbs.choices.values():
            inner = [one for one in verb._actions if isinstance(one, argparse._SubParsersAction)]
            lines += [f'{"#" * depth} {verb.prog}', '', _text(verb.description), '']
            if not inner:
                lines += ['| | |', '|---|---|', *_options(verb), '']
            if verb.epilog:
                lines += [_text(verb.epilog), '']
            lines += _verbs(verb, depth + 1)
    return lines


def _options(verb: argparse.ArgumentParser) -> list[str]:
    explained = verb._get_formatter()._expand_help
    rows = []
    for action in verb._actions:
        if action.help is argparse.SUPPRESS or isinstance(action, argparse._HelpAction):
            continue
        values = ('|'.join(map(str, action.choices)) if action.choices
                  else action.metavar or action.dest.upper())
        name = ' '.join([*action.option_strings[-1:], *([values] if action.nargs != 0 else [])])
        if action.nargs in ('+', '*'):
            name += '...'
        said = explained(action) if action.help else ''
        rows.append(f'| `{_pipes(name)}` | {_cell(said)} |')
    return rows


def _launch_arguments(source: str) -> list[tuple[str, str, str]]:
    found = []
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and getattr(call.func, 'id', '') == 'DeclareLaunchArgument':
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            default = given['default_value']
            shown = (_shown(default.value) if isinstance(default, ast.Constant)
                     else f'`{Path(_constants(default)[-1]).name}` of the package')
            found.append((call.args[0].value, shown, ast.literal_eval(given['description'])))
    return found


def _constants(expression: ast.AST) -> list[str]:
    return [one.value for one in ast.walk(expression)
            if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def _parameters(text: str) -> dict[str, list[tuple[str, str, str]]]:
    nodes: dict[str, list[tuple[str, str, str]]] = {}
    node, said = '', []
    for line in text.splitlines():
        if found := re.fullmatch(r'/\*\*/(\w+):', line):
            node, said = found[1], []
        elif line.startswith('    # '):
            said.append(line[6:])
        elif found := re.fullmatch(r'    (\w+): (.*)', line):
            nodes.setdefault(node, []).append((found[1], found[2].strip("'"), ' '.join(said)))
            said = []
    return nodes


def _shown(value: Any) -> str:
    return f'`{value}`' if str(value) else 'empty'


def _text(text: str | None) -> str:
    return ' '.join((text or '').replace('%%', '%').split())


def _cell(text: str) -> str:
    return _pipes(_text(text)).replace('<', '&lt;').replace('*', r'\*')


def _pipes(text: str) -> str:
    return text.replace('|', r'\|')


def main() -> None:
    """Write the pages where they stand."""
    for name, made in PAGES.items():
        write_atomically(Path(__file__).with_name(name), made().encode())


if __name__ == '__main__':
    main()
