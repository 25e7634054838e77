# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Draw a movement in the browser, see the arm learn and play it.

With the ROS 2 nodes running (`ros2 launch smallbot one_shot_demo.launch.py`) the page is one more
client of theirs; otherwise, and with --without-ros, the arm is simulated here. It can be reached
from this machine alone, unless --host says otherwise, which then asks for a token.
"""

import argparse
import re
import sys
import webbrowser

from smallbot.cli.common.arguments import add_common, write_result
from smallbot.errors import InputError
from smallbot.kinds import Host, MODEL, Parsed, Whole

VERB = 'page'
PORT = 8642
"""Where the page is unless told otherwise."""
EXTRA = 'pip install "smallbot[page]"'
SHIPPED = ('ed_scorbot', 'hobby_arm', 'ur5e')
"""Models that may be chosen on the page."""


def namespace_of(text: str) -> str:
    """Return a namespace of ROS without the slash in front; raises ValueError for another text."""
    name = text.strip('/')
    part = '[A-Za-z_][A-Za-z0-9_]*'
    if len(name) > 200 or not re.fullmatch(f'{part}(/{part})*', name):
        raise ValueError(text)
    return name


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the options of `smallbot page`."""
    verb.add_argument('--port', type=Whole(0, 65535), default=PORT, metavar='N',
                      help=f'port of the page (default {PORT}; 0: any that is free)')
    verb.add_argument('--host', type=Host(), default='127.0.0.1', metavar='H',
                      help='address that the page answers on (default 127.0.0.1: this machine '
                           'alone); 0.0.0.0: whoever has the token that is printed')
    verb.add_argument('--no-browser', action='store_true', help='do not open a browser')
    verb.add_argument('--without-ros', action='store_true',
                      help='simulate the arm here, even where the ROS 2 nodes run')
    verb.add_argument('--namespace', type=Parsed(namespace_of, 'a namespace of ROS: lab/left'),
                      metavar='NS', help='namespace of the nodes, where they have one')
    verb.add_argument('--model', type=MODEL, default=SHIPPED[0], metavar='PATH',
                      help='a shipped model or the path of a .safetensors file; it decides the '
                           'arm (default ed_scorbot)')
    verb.add_argument('--synapses', choices=('chip', 'software'), default='chip',
                      help='without ROS: phase-change memory (default) or float32')
    verb.add_argument('--arm', choices=('kinematic', 'mujoco', 'measured'), default='kinematic',
                      help='without ROS, the simulated arm: ideal (default), in MuJoCo, or as '
                           'the real ED-Scorbot was measured')
    add_common(verb, 0, 'the devices of the chip')


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    try:
        from smallbot.page import serving
    except ImportError as error:
        raise InputError(f'the page needs {error.name}: {EXTRA}') from None
    from smallbot.page.access import Access
    from smallbot.page.behind.choice import Chosen
    from smallbot.page.behind.processes import Behind
    from smallbot.page.sides import sides

    listening = serving.bound(args.host, args.port)
    access = Access.to(args.host, listening.getsockname()[1])
    choice = tuple(dict.fromkeys((args.model, *SHIPPED)))
    chosen = Chosen(args.model, args.synapses, args.seed, args.arm, choice,
                    args.namespace or '')
    address = access.address()

    def ready() -> None:
        print(f'{address}   (Ctrl-C ends it)', flush=True)
        write_result(args.json, {'address': address, 'port': access.port,
                                 'token': access.token, 'without_ros': args.without_ros})
        if not args.no_browser and not _opened(address):
            print(f'no browser could be opened here: open {address}', file=sys.stderr,
                  flush=True)

    serving.serve(listening, access, Behind(sides(args.without_ros), chosen), ready)
    return 0


def _opened(address: str) -> bool:
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False
