# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Sides of a page that do little, in processes of their own."""

import os
import time

from smallbot.errors import InputError
from smallbot.page.behind.child import Line, serve
from smallbot.page.behind.choice import Chosen


def arm(line: Line, chosen: Chosen) -> None:
    """Answer, move and halt as told; no arm is there."""
    state = {'ready': True, 'phase': 'idle', 'simulated': chosen.seed != 1, 'mode': 'library'}
    line.say({'arm': {'key': chosen.model, 'name': chosen.model}})
    line.say({'state': state})
    halts = []

    def play(ask):
        state.update(phase='playing')
        line.say({'state': state})
        for number in range(5):
            line.say({'pose': [0.1 * number], 'at': 0.0})
        return {'text': 'playing'}

    def halt(ask):
        halts.append(ask.get('reason', ''))
        state.update(phase='halted', reason=ask.get('reason', ''))
        line.say({'state': state})
        return {'text': 'halted'}

    def learn(ask):
        time.sleep(float(ask.get('seconds', 0)))
        line.say({'data': 'learned', 'value': {'digest': 'abc'}})
        return {'text': 'learned'}

    def draw(ask):
        if not ask.get('points'):
            error = InputError('drawing: a dot')
            error.answer = {'at': [1.0, 2.0]}
            raise error
        line.say({'data': 'shown', 'value': {'positions': ask['points'], 'held': {}}})
        return {'text': 'drawn'}

    def upload(ask):
        return {'text': f'{ask["name"]}: {len(ask["content"])} bytes'}

    serve(line, {'play': play, 'learn': learn, 'draw': draw, 'upload': upload,
                 'reset': lambda ask: 1 / 0, 'record': lambda ask: os._exit(3)}, {'halt': halt})


def laboratory(line: Line, chosen: Chosen) -> None:
    """Answer what was shown; the newest question wins."""
    shown = []
    line.say({'wants': 'shown'})

    def ask(asked):
        time.sleep(0.2)
        return {'text': f'{asked["age"]} of {len(shown)}'}

    def take(asked):
        shown[:] = [asked['value']]
        return {}

    serve(line, {'ask': ask, 'tell': lambda asked: {'text': 'a'},
                 'teach': lambda asked: os._exit(3)}, {'shown': take},
          latest=frozenset({'ask'}))


def refusing(line: Line, chosen: Chosen) -> None:
    """Refuse its input."""
    raise InputError('model nix: not\n there')


SIDES = {'arm': arm, 'laboratory': laboratory}
