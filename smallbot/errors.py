# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The one kind of error that is the user's to mend, and how any is said in a line."""


class InputError(ValueError):
    """Bad input: one line that names what was wrong, what was expected and how to mend it.

    The command line prints it without a traceback and exits with 2; nodes log it or answer it.
    """

    code = 2
    """Exit code of a command that it ends."""


def in_one_line(message: object) -> str:
    """Return a message in one line of printable characters."""
    return ''.join(letter if letter.isprintable() else ascii(letter)[1:-1]
                   for letter in ' '.join(str(message).split()))
