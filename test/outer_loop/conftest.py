# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Runs small enough to be made anew in every test."""

from dataclasses import replace

from smallbot.one_shot.model import Coding, ModelConfig, Watched
from smallbot.outer_loop.configuration import MetaConfig

SMALL = MetaConfig(model=ModelConfig(neurons=24, generator_neurons=16, steps=60, inner_rate=3e-3),
                   batch=6, iterations=12, window_range=(20, 40), seed=4)


CLOCK_ALONE = replace(SMALL, model=replace(
    SMALL.model, clock_neurons=6, clock_overlap=2, clock_period=2, recurrent_update=False,
    watches=Watched.JOINTS, coding=Coding.LINEAR, lead_steps=7, signal_tau=0.01))


def weights_after(run):
    return {key: value.detach().clone() for key, value in run.weights.items()}
