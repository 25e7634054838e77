# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What comes before a real arm moves: is it there, does it allow the movement, may it move.

An emulated arm is there because it is started, and may move.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
import signal
import sys

from smallbot.ed_scorbot.emulated.emulated_arm import emulated_arm
from smallbot.ed_scorbot.network.broker import ACCESS, Broker, broker_of, ENVIRONMENT
from smallbot.errors import InputError
from smallbot.kinds import InputPath, Name, NamedInput

WARNING = (
    'This moves a machine, the ED-Scorbot at {where}. Its controller first searches home, '
    'up to two minutes\nthat cannot be stopped from here; then the arm shows the movement, plays '
    'it, goes to zero, and searches home\nonce more when it is given back. Nobody may be near it, '
    'and somebody has to be at its emergency stop.')


_KINDS = {
    'user': Name('a user'),
    'password_file': InputPath(),
    'ca_file': NamedInput('those of the system, system', ('.pem', '.crt', '.cer'),
                          lambda name: name == 'system'),
    'cert_file': InputPath(),
    'key_file': InputPath(),
}


def add_access(group) -> None:
    """Declare what a broker may want beside host and port; a password is no option, on purpose."""
    for name, what in ACCESS.items():
        group.add_argument(f'--{name.replace("_", "-")}', type=_KINDS[name], help=(
            f'{what.removesuffix("; empty: none")} (or {ENVIRONMENT[name]})').replace('%', '%%'),
            metavar='NAME' if name == 'user' else 'FILE')


def broker_in(args: argparse.Namespace) -> Broker:
    """Return the broker that the options name; raises InputError as `broker_of`."""
    return broker_of(args.broker or '127.0.0.1', args.port or 1883, _access(args))


def _access(args: argparse.Namespace) -> dict[str, str]:
    return {name: str(getattr(args, name) or '') for name in ACCESS}


@contextmanager
def reached(args: argparse.Namespace, arm, shown, time_scale: float) -> Iterator:
    """Yield where an arm is that answers, allows the movement `shown` and may move.

    Raises InputError where one of these is not so. Nothing has moved then.
    """
    from smallbot.ed_scorbot.on_broker import found, OnBroker

    convention = args.convention or '2023'
    if args.emulate:
        broker, access = None, _access(args)
        if args.broker or args.port:
            broker = broker_in(args)
        elif any(access.values()):
            raise InputError(f'--{next(n for n in access if access[n]).replace("_", "-")} goes '
                             f'with --broker: the broker of --emulate alone needs none')
        with emulated_arm(broker, access, convention) as there:
            found(there, arm, time_scale).consider(shown)
            yield there
        return
    there = OnBroker(broker_in(args), convention=convention, take_over=args.take_over)
    if there.broker.in_the_open:
        print(f'smallbot demo: user and password go to {there.broker.where} unencrypted: '
              f'--ca-file turns TLS on', file=sys.stderr, flush=True)
    found(there, arm, time_scale).consider(shown)
    print(WARNING.format(where=there.broker.where), flush=True)
    if not args.yes and not _agreed('May it move?'):
        raise InputError('the arm has not been moved: that takes --yes, or the answer "yes" on a '
                         'terminal')
    yield there


def may_search_home(there) -> bool:
    """Return whether an arm that was stopped on the way may be given back, and search home."""
    if there is None or there.emulated:
        return True
    return _agreed('The arm is given back now, and its controller makes it search home. '
                   'May it move?')


def _agreed(question: str) -> bool:
    """Ask on the terminal; nobody there, Ctrl-C and all but "yes" mean no."""
    if not sys.stdin.isatty():
        return False
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return input(f'{question} [yes/no] ').strip().lower() == 'yes'
    except (EOFError, KeyboardInterrupt):
        return False
    finally:
        signal.signal(signal.SIGINT, before)
