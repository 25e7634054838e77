# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Make one HTML file of a run, to be mailed.

DIR is a folder that demo, meta-train or few-shot left, or one with results of --json and pictures
of --figure. The page holds all it shows: the one number, pictures, figures with their
definitions, conditions, versions, the command. It asks nobody for anything, and is read light or
dark, on paper and on a phone.
"""

import argparse
import os

from smallbot.cli.common import progress
from smallbot.cli.common.arguments import add_common, write_result
from smallbot.errors import in_one_line, InputError
from smallbot.kinds import InputPath, OutputFile

VERB = 'report'
NAME = 'report.html'


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the options of `smallbot report`."""
    verb.add_argument('folder', type=InputPath(True), metavar='DIR', help='folder of a run')
    verb.add_argument('--out', type=OutputFile(('.html',)), metavar='FILE.html',
                      help=f'the page (default {NAME} in DIR)')
    add_common(verb, 0, 'nothing here; accepted by every verb')


def run(args: argparse.Namespace) -> int:
    """Read the folder, write the page, and say where it is."""
    from smallbot import __version__
    from smallbot.files.writing import write_atomically
    from smallbot.paths import unwritable
    from smallbot.report.folder import read_folder

    out = args.out or args.folder / NAME
    why = unwritable(out)
    if why:
        raise InputError(f'{out}: {why}; --out FILE.html writes it elsewhere')
    name = in_one_line(os.fsencode(args.folder.resolve().name).decode(errors='replace')) or 'run'
    with progress.stages({'reading': 0.5, 'page': 3}) as begin:
        folder = read_folder(args.folder)
        begin('page')
        from smallbot.report.page import report_page

        content = report_page(folder, name, __version__).encode(errors='replace')
        write_atomically(out, content)
    print(f'{out}: {len(content) / 1e6:.1f} MB, of '
          + ', '.join(one.name for one in (*folder.results, *folder.pictures)))
    write_result(args.json, {
        'page': str(out), 'bytes': len(content), 'left_out': folder.left_out,
        'results': [result.name for result in folder.results],
        'pictures': [picture.name for picture in folder.pictures], 'seed': args.seed})
    return 0
