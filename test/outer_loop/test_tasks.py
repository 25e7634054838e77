# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import torch

from smallbot.outer_loop.run import MetaTraining
from smallbot.outer_loop.tasks import draw_batch

from .conftest import SMALL


def test_movements_begin_anywhere_in_the_share_that_is_asked_for():
    run = MetaTraining(replace(SMALL, pen_share=0.0))
    for share, expected in ((0.0, 0), (0.5, 3), (1.0, 6)):
        config = replace(run.config, anywhere_share=share)
        starts = draw_batch(config, run.arm, None, 0).movements.start
        assert int((starts != 0).any(1).sum()) == expected


def test_tasks_and_noise_do_not_depend_on_the_number_of_processes():
    run = MetaTraining(SMALL)
    whole = draw_batch(SMALL, run.arm, run.pens, 7)
    for rank in range(2):
        share = draw_batch(SMALL, run.arm, run.pens, 7, rank, 2)
        assert torch.equal(share.movements.velocity, whole.movements.velocity[rank::2])
        assert torch.equal(share.movements.start, whole.movements.start[rank::2])
        assert torch.equal(share.draw.adapted, whole.draw.adapted[rank::2])
        assert torch.equal(share.draw.begun, whole.draw.begun)
    later = draw_batch(SMALL, run.arm, run.pens, 8)
    assert not torch.equal(later.movements.velocity, whole.movements.velocity)
    for noise in (whole.draw.adapted[1], later.draw.adapted[0], whole.draw.begun):
        assert abs(float((noise * whole.draw.adapted[0]).mean())) < 0.2
