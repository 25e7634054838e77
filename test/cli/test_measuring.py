# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Options and partial results of any verb that measures, whatever it measures."""

import argparse
from concurrent.futures.process import BrokenProcessPool

import pytest

from smallbot.cli.common import measuring
from smallbot.errors import InputError
from smallbot.experiment.conditions import ChipConditions
from smallbot.kinds import Real
from smallbot.synapses.granularity import Granularity


def told(done):
    return str(len(done))


def broken_after(numbers, error):
    def measure(report):
        for number in numbers:
            report(number, f'result {number}')
        raise error
    return measure


def test_results_come_in_order_whatever_the_order_they_were_done_in():
    def measure(report):
        for number in (2, 0, 1):
            report(number, 10 * number)

    done, why = measuring.collected(3, measure, told)
    assert list(done.items()) == [(0, 0), (1, 10), (2, 20)] and why == ''
    assert measuring.closed({'tasks': 3}, 3, why) == {'tasks': 3, 'asked': 3,
                                                      'interrupted': False}


@pytest.mark.parametrize(('error', 'said'), [
    (KeyboardInterrupt(), 'interrupted'), (BrokenProcessPool(), 'try --processes 1')])
def test_what_was_done_is_kept_with_what_ended_it(error, said):
    done, why = measuring.collected(3, broken_after((1,), error), told)
    assert done == {1: 'result 1'} and said in why
    closed = measuring.closed({}, 3, why)
    assert closed['interrupted'] and said in closed['ended_by']


def test_where_nothing_was_done_there_is_nothing_to_keep():
    with pytest.raises(KeyboardInterrupt):
        measuring.collected(3, broken_after((), KeyboardInterrupt()), told)
    with pytest.raises(InputError, match='try --processes 1'):
        measuring.collected(3, broken_after((), BrokenProcessPool()), told)


def test_a_sweep_ends_with_the_point_that_was_broken_off(capsys):
    def measured(value, label):
        return {'label': label, 'interrupted': value == 2.0}

    points = measuring.swept('noise', [1.0, 2.0, 3.0], measured, lambda value, _: f'at {value}')
    assert [(point['value'], point['label']) for point in points] == [
        (1.0, 'noise 1'), (2.0, 'noise 2')]
    assert capsys.readouterr().out == 'at 1.0\nat 2.0\n'


def asked(*arguments):
    parser = argparse.ArgumentParser()
    measuring.add_chip(parser, 'learning', 'the questions')
    measuring.add_sweep(parser, {**measuring.SWEPT, 'light': Real(0, 1)})
    return parser.parse_args(arguments)


def test_the_options_of_a_chip_are_conditions():
    assert ChipConditions(**measuring.chip_asked(asked())) == ChipConditions()
    args = asked('--age', '60', '--recalibrate', '--noise', '2', '--stuck', '0.1', '--law',
                 'pcm-like', '--rounding', 'nearest', '--step', '0.5')
    assert ChipConditions(**measuring.chip_asked(args)) == ChipConditions(
        'chip', 60.0, True, 'pcm-like', 2.0, 0.1, Granularity('nearest', 0.5))
    with pytest.raises(InputError, match='--recalibrate goes with --synapses chip'):
        measuring.chip_asked(asked('--synapses', 'software', '--recalibrate'))


def test_every_verb_has_its_own_sweeps(capsys):
    assert asked('--sweep', 'light=0,0.5').sweep == ('light', [0.0, 0.5])
    with pytest.raises(SystemExit):
        asked('--sweep', 'cells=1')
    assert 'one of noise, stuck, age, step, light' in capsys.readouterr().err


def test_an_interval_is_said_in_the_figure_s_own_form():
    assert measuring.interval({'ci95': [0.981, 0.9934]}, '{:.1%}') == '98.1% to 99.3%'
    assert measuring.interval({'ci95': None}) == ''
