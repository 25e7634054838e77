# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The arm's side without ROS, as a process of the page."""

import torch

from smallbot.one_shot.model import arm_of, load_model
from smallbot.page.behind.arm_side import ArmSide
from smallbot.page.behind.bench import Bench
from smallbot.page.behind.child import Line
from smallbot.page.behind.choice import Chosen


def main(line: Line, chosen: Chosen) -> None:
    """Run until the page has gone; raises InputError for a model that cannot be used."""
    torch.set_num_threads(1)
    line.say({'waiting': f'loading model {chosen.model}'})
    model = load_model(chosen.model)
    arm = arm_of(model.config)
    side = ArmSide(line, model, arm, chosen, 'library')
    line.say({'waiting': 'programming the chip'})
    side.run(Bench(model, arm, side, chosen.synapses, chosen.arm, chosen.seed))
