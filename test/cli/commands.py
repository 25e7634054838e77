# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The command line, called in this process."""

from smallbot.cli.main import main


def call(capsys, *arguments):
    """Run the command in this process; returns exit code, stdout, stderr."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as ended:
        code = ended.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err
