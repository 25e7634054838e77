# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Be an ED-Scorbot's controller on an MQTT broker, for people and tests without the arm.

`smallbot ed-scorbot emulate` answers as the controller of November 2023 does, with its timing
and its quirks, and moves joints as they were measured.
"""

import argparse
import csv
import signal
import sys
import time

from smallbot.cli.common.arguments import add_common, write_result
from smallbot.cli.common.real_arm import add_access, broker_in
from smallbot.ed_scorbot.emulated.misbehaviour import MISBEHAVIOURS
from smallbot.files.writing import open_for_lines
from smallbot.kinds import Host, Name, OutputFile, PORT, Real

VERB = 'ed-scorbot'
TRACE_PERIOD = 0.01
"""Time between lines of the trace, s."""
REACHED = 5.0
"""How long to try to reach the broker, s."""
ROBOT = Name('a robot', 100, '/+#')
"""It is a part of topics."""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare `smallbot ed-scorbot emulate` and its options."""
    acts = verb.add_subparsers(dest='act', metavar='ACT', required=True)
    wrong = '; '.join(f'{name}: {what}' for name, what in MISBEHAVIOURS.items())
    emulate = acts.add_parser('emulate', help='be the controller of an ED-Scorbot',
                              description=__doc__)
    emulate.add_argument('--broker', type=Host(), default='127.0.0.1', metavar='HOST',
                         help='MQTT broker (default 127.0.0.1)')
    emulate.add_argument('--port', type=PORT, default=1883, metavar='N',
                         help='its port (default 1883)')
    add_access(emulate)
    emulate.add_argument('--robot', type=ROBOT, default='EDScorbot', metavar='NAME',
                         help='name of the robot, first part of its topics (default EDScorbot)')
    emulate.add_argument('--convention', choices=('2023', '2026'), default='2023',
                         help='meaning of its degrees (default 2023)')
    emulate.add_argument('--homing', type=Real(0, 600), default=4.0, metavar='S',
                         help='seconds it searches home (default 4; the real arm up to 120)')
    emulate.add_argument('--misbehave', action='append', default=[], metavar='HOW',
                         choices=tuple(MISBEHAVIOURS),
                         help=f'do something wrong, may be repeated: {wrong}')
    emulate.add_argument('--trace', type=OutputFile(), metavar='FILE',
                         help='write time, references and counters to FILE (CSV) as they happen')
    add_common(emulate, 0, 'where the arm stands at the start')


def run(args: argparse.Namespace) -> int:
    """Emulate until SIGINT or SIGTERM; 1 where a message has crashed the controller."""
    from smallbot.ed_scorbot.convention import CONVENTIONS
    from smallbot.ed_scorbot.emulated.emulator import EmulatedController
    from smallbot.ed_scorbot.network.mqtt_link import MqttLink

    broker = broker_in(args)
    controller = EmulatedController(CONVENTIONS[args.convention], args.homing, args.robot,
                                    args.misbehave, args.seed, time.monotonic())
    stream = open_for_lines(args.trace) if args.trace else None
    link = MqttLink(broker, controller.topics, qos=1)
    try:
        link.reach(REACHED, f'no broker at {link.where}: start one, for example '
                            f'`mosquitto -p {args.port}`')
        asked = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: asked.append(True))
        print(f'{args.robot} is on {link.where}, convention {args.convention}', flush=True)
        for message in controller.start():
            link.publish(*message)
        _serve(controller, link, csv.writer(stream) if stream else None, lambda: bool(asked))
    finally:
        link.close()
        if stream:
            stream.close()
    if controller.dead:
        print(f'smallbot ed-scorbot: crashed, as the real one would: {controller.dead}',
              file=sys.stderr)
    write_result(args.json, {
        'trajectories': controller.trajectories, 'ignored': controller.ignored,
        'trajectories_while_homing': controller.disturbed_homings, 'owner': controller.owner,
        'crashed': controller.dead, 'seed': args.seed})
    return int(bool(controller.dead))


def _serve(controller, link, trace, ended) -> None:
    """Pass messages to the controller and back until told to end."""
    if trace:
        trace.writerow(['time', 'homing', *(f'reference_{j}' for j in range(1, 5)),
                        *(f'counter_{j}' for j in range(1, 5))])
    due = time.monotonic()
    while not ended() and not controller.dead:
        for event in link.wait(min(due - time.monotonic(), TRACE_PERIOD / 5)):
            if event.kind == 'message':
                for message in controller.heard(event.topic, event.payload, time.monotonic()):
                    link.publish(*message)
            elif event.kind == 'offline':
                print(f'{event.reason}: {event.cure}', file=sys.stderr, flush=True)
        now = time.monotonic()
        for message in controller.step(now):
            link.publish(*message)
        if now >= due:
            due = max(due + TRACE_PERIOD, now)
            if trace:
                trace.writerow([f'{now:.4f}', int(controller.homing),
                                *controller.servo.reference.tolist(),
                                *controller.servo.counts.tolist()])
