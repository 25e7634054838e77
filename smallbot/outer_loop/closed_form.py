# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A model in closed form: both networks balanced, one gain fitted, nothing trained.

An efficient balanced network (Boerlin, Machens and Deneve 2013, PLoS Computational Biology 9,
e1003258; Alemi et al. 2018; spike coding network) feeds its own readout back to its voltages, so
that each neuron spikes when the readout is off in its direction, and errors of the spikes' count
do not add up. Here the trainee is one, driven through its clock's weights, and so is the learning
signal generator, driven by the demonstration. Every weight follows from what it must do
(`Balance`), for any number of joints and length of trial; the gain from demonstration to playback
is fitted on movements of no test, in software, and once more on chips of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
import math

import numpy as np
import torch
from torch import Tensor

from smallbot.arm.kinematics import Arm
from smallbot.chip.state import CORE_SIDE
from smallbot.demonstration.drawings import pen_trials
from smallbot.experiment.chance import stream
from smallbot.files.bounds import NotNegative, Positive, Real, Size, Steps
from smallbot.one_shot.families import (
    brownian,
    from_positions,
    joint_path,
    movement_size,
    Movements,
    place,
)
from smallbot.one_shot.learner import learning_signals, weight_update
from smallbot.one_shot.model import arm_of, Coding, ModelConfig, OneShotModel, Watched
from smallbot.one_shot.trainee import prepare_synapses, Trainee
from smallbot.snn.filters import filtered
from smallbot.snn.neuron import NeuronParameters
from smallbot.snn.unroll import unroll

FITTED_ON = 60
"""Movements of each family on which the gain is fitted in software."""
FITTED_ON_CHIPS = 8
"""Movements of each family for the chip's own gain, each on a chip of its own."""
ROUNDS = 4
"""Fits in software, each from the one before: the networks are not quite linear."""


@dataclass(frozen=True)
class Balance:
    """What the two networks must do; all weights follow from it.

    Values were chosen on validation movements of the ED-Scorbot (docs/results.md); those that
    depend on the number of joints or neurons are stated so that they carry over.
    """

    turns: Size = 50
    """Clock inputs, each of which spikes at every step of its own turn: fewer hold less of a
    fast movement, more leave fewer of a core's rows to neurons."""
    speed: Positive = 2.2
    """Speed of a joint, rad/s, that the trainee can read out when all neurons on one side of it
    spike as fast as they can; sets what a spike is worth."""
    readout_tau: Positive = 0.005
    """Of the readout, s of network time: short, so that the drive is nearly the velocity."""
    feedback: Real = 6.2
    """Gain of the trainee's feedback in each direction; much more, and neurons spike together
    every other step, as feedback comes one step late."""
    rate: Positive = 40.0
    """Rate at rest, Hz: fast movements silence neurons, and can do so the less the higher."""
    rate_spread: NotNegative = 0.25
    """Spread of the resting currents, so that neurons do not spike together."""
    membrane: Positive = 0.07
    """tau_m of the trainee, s: slow, as the voltage holds the readout's error."""
    surrogate_width: Positive = 20.0
    """Of the pseudo-derivative in the traces, thresholds: nearly equal for all neurons."""
    dampening: NotNegative = 0.08
    """Its height: gradients through strong feedback would grow otherwise."""
    trace_tau: NotNegative = 0.0003
    """Of the traces, s: none outlasts its step, so that an update is the plain sum of the
    learning signal over a turn."""
    inner_rate: Real = 0.02
    """alpha of the one update; only its product with the generator's output matters."""
    generator_neurons: Size = 400
    """K."""
    generator_feedback: Real = 1.6
    """Gain of the generator's feedback in each direction."""
    generator_rate: Positive = 120.0
    """Its rate at rest, Hz."""
    generator_membrane: Positive = 0.2
    """Its tau_m, s."""
    generator_refractory: Steps = 2
    """Its refractory counter, steps."""
    input_gain: Real = 0.6
    """Current of a generator neuron for a drive of the code's range in its direction."""
    signal_tau: Positive = 0.002
    """Of the learning signals, s."""
    lead: Steps = 1
    """Steps that the generator is ahead of the trainee's clock: the delay of its filter."""


def configuration(balance: Balance, like: ModelConfig) -> ModelConfig:
    """Return the sizes and constants of balanced networks for the arm and trial of `like`."""
    joints, turns = len(like.joints), min(balance.turns, like.steps)
    neurons = CORE_SIDE - turns
    kappa = math.exp(-NeuronParameters().dt / balance.readout_tau)
    gamma = balance.feedback * joints / neurons
    worth = _worth(balance, joints, neurons, kappa)
    return replace(
        like, neurons=neurons, clock_neurons=turns, clock_period=1,
        clock_overlap=1, readout_tau=balance.readout_tau, signal_tau=balance.signal_tau,
        recurrent_update=False, trace_tau=balance.trace_tau, inner_rate=balance.inner_rate,
        preview_steps=0, lead_steps=balance.lead, looks=1, age_groups=True, exact_drive=True,
        input_limit=0.5 * gamma / worth * balance.speed / 2.2, recurrent_limit=1.5 * gamma,
        generator_neurons=balance.generator_neurons,
        trainee=NeuronParameters(tau_m=balance.membrane, dampening=balance.dampening,
                                 surrogate_width=balance.surrogate_width, gated=False),
        generator=NeuronParameters(threshold=1.3, tau_m=balance.generator_membrane,
                                   refractory_steps=balance.generator_refractory),
        watches=Watched.JOINTS, coding=Coding.LINEAR,
        linear=replace(like.linear, drive_range=3.0 * balance.speed / 2.2))


def closed_form(balance: Balance, like: ModelConfig, seed: int = 0, name: str = 'closed_form',
                on_chips: bool = True, tell: Callable[[str], None] = lambda name: None
                ) -> OneShotModel:
    """Return a model for the arm and trial of `like`, with its gain fitted.

    `seed` decides directions, currents and the movements of the fit; `on_chips`: whether the
    chip's own gain is fitted too; `tell` hears which fit begins. Takes seconds. Raises
    ArmError where the arm does not fit.
    """
    config = configuration(balance, like)
    arm = arm_of(config)
    weights = scaled(balanced_weights(balance, config, stream(seed)), movement_size(arm))
    model = OneShotModel(config, weights, name, {
        'made_by': 'smallbot meta-train --iterations 0', 'seed': seed, 'closed_form': True})
    families = fitting_movements(config, arm, FITTED_ON, seed)
    tell('gain in software')
    for _ in range(ROUNDS):
        gains = [displacement_gain(play_in_software(model, arm, movements), movements)
                 for movements in families]
        model = _louder(model, 1 / float(np.mean(gains)))
    if on_chips:
        tell('gain on chips')
        few = [movements.chosen(slice(FITTED_ON_CHIPS)) for movements in families]
        exact, real = (float(np.mean([displacement_gain(play(model, arm, movements), movements)
                                      for movements in few]))
                       for play in (play_in_software, _play_on_chips))
        model = replace(model, config=replace(config, chip_gain=exact / real))
    return model


def balanced_weights(balance: Balance, config: ModelConfig, generator: torch.Generator
                     ) -> dict[str, Tensor]:
    """Return all weights of a model of this `configuration`, its gain only nearly right."""
    n, k, joints = config.neurons, config.generator_neurons, len(config.joints)
    gamma = balance.feedback * joints / n
    worth = _worth(balance, joints, n, config.readout_decay)
    order = torch.randperm(n, generator=generator)
    unit = even_directions(joints, n)[:, order]
    recurrent = -gamma * unit.T @ unit
    trainee = config.trainee
    spread = _around_one(n, balance.rate_spread, generator)
    rest = without(resting_current(balance.rate, trainee) * spread, unit)
    start = 0.1 * trainee.threshold * torch.rand(n, generator=generator)
    clock = rest[:, None].repeat(1, config.clock_neurons)
    clock[:, 0] += without(start, unit)

    watch = even_directions(joints, k) * _around_one(k, 0.3, generator)
    watch = _isotropic(watch)
    loop = balance.generator_feedback * joints / k
    entering = torch.zeros(k, config.generator_inputs)
    drives, one, ticking = joints, 2 * joints, 2 * joints + 1
    entering[:, drives:one] = balance.input_gain * watch.T
    entering[:, one] = without(resting_current(balance.generator_rate, config.generator)
                               * _around_one(k, 0.3, generator), watch)
    # The first clock input is on while the movement begins: neurons start out of phase.
    entering[:, ticking] = without(0.2 * config.generator.threshold
                                   * torch.rand(k, generator=generator), watch)
    # What one unit of drive must become: a change of the clock's weights that the feedback
    # balances when the readout has it.
    slope = trainee.dampening / trainee.threshold * (1 - 1 / trainee.surrogate_width)
    turn = config.steps / config.clock_neurons
    seen = balance.input_gain / (config.linear.drive_range * loop)
    loudness = (0.7 * gamma / worth * (1 - config.readout_decay)
                / (seen * config.inner_rate * turn * slope))
    weights = {
        'trainee': torch.cat([clock, recurrent], 1) * config.synapse_mask(),
        'readout': worth * unit, 'generator_in': entering,
        'generator_rec': (-loop * watch.T @ watch).fill_diagonal_(0),
        'generator_out': -loudness * unit.T @ watch}
    return {key: value.float().contiguous() for key, value in weights.items()}


def scaled(weights: dict[str, Tensor], size: np.ndarray) -> dict[str, Tensor]:
    """Return the weights for joints whose movements have `size` [J] times the usual size.

    The networks work on velocities divided by it: a joint with little room, or one that slides,
    is played as exactly in proportion as one with much.
    """
    size = torch.as_tensor(size, dtype=torch.float32)
    joints, entering = len(size), weights['generator_in'].clone()
    for first in (0, joints):  # rates, then drives
        entering[:, first:first + joints] /= size
    return {**weights, 'generator_in': entering, 'readout': size[:, None] * weights['readout']}


def even_directions(joints: int, count: int) -> Tensor:
    """Return unit vectors [J, count] spread evenly over the sphere, their sum zero.

    On the circle they are equally spaced. In more dimensions each point is pushed away from the
    others until nothing moves much, beginning with a Fibonacci-like sequence; then the set is
    made a tight frame (R R^T a multiple of one) as nearly as unit vectors allow.
    """
    if joints == 1:
        return torch.tensor([[1.0, -1.0]]).repeat(1, -(-count // 2))[:, :count]
    if joints == 2:
        angle = torch.arange(count) * (2 * math.pi / count)
        return torch.stack([angle.cos(), angle.sin()])
    points = torch.randn(joints, count, generator=stream(0), dtype=torch.float64)
    points /= points.norm(dim=0)
    for step in range(300):
        apart = points[:, :, None] - points[:, None, :]
        distance = apart.square().sum(0).clamp_(min=1e-9)
        push = (apart / distance ** (joints / 2)).sum(2)
        push -= points * (push * points).sum(0)
        points = points + 0.3 * (1 - step / 300) * push / push.norm(dim=0).max() * (
            count ** (-1 / (joints - 1)))
        points /= points.norm(dim=0)
    for _ in range(50):
        points = _isotropic(points)
        points /= points.norm(dim=0)
    return points.float()


def resting_current(rate: float, p: NeuronParameters) -> float:
    """Return the constant current at which a neuron alone spikes at `rate`, Hz."""
    g = p.membrane_decay
    return p.threshold * (1 - g) / (1 - g ** (1 / (rate * p.dt)))


def without(values: Tensor, directions: Tensor) -> Tensor:
    """Return `values` [N] less their part along the rows of `directions` [J, N].

    Resting currents that differ add up to a drive that nobody asked for; this is without.
    """
    inner = directions @ directions.T
    return values - directions.T @ torch.linalg.solve(inner, directions @ values)


def fitting_movements(config: ModelConfig, arm: Arm, count: int, seed: int) -> list[Movements]:
    """Return `count` movements of each family, of no test: Brownian; two joints: pen strokes."""
    generator = stream(seed, 77)
    found = [brownian(count, config.steps, config.step_seconds, arm, generator,
                      min(120, config.steps))]
    if len(config.joints) == 2:
        pens = torch.as_tensor(pen_trials('train', config.steps, arm), dtype=torch.float32)
        chosen = pens[torch.randperm(len(pens), generator=generator)[:count]]
        found.append(from_positions(place(chosen, arm, generator), config.step_seconds))
    return found


@torch.no_grad()
def play_in_software(model: OneShotModel, arm: Arm, movements: Movements) -> Tensor:
    """Return what is played [B, T, J], rad/s, after one update each, with exact weights."""
    config, weights = model.config, model.weights
    trial = Trainee(model, prepare_synapses(model, 'software')).trial()
    signals = learning_signals(model, config.watched(arm, movements.path()))
    delta = weight_update(model, trial.eligibility, signals)
    inputs = config.clock_neurons
    clock = config.clock(weights['trainee'])
    current = torch.einsum('ti,bni->tbn', clock,
                           weights['trainee'][:, :inputs] + delta[:, :, :inputs])
    output = unroll(current, weights['trainee'][:, inputs:].T.contiguous(),
                    weights['readout'].T.contiguous(), config.trainee).output
    return filtered(output, config.readout_decay).transpose(0, 1)


def displacement_gain(played: Tensor, movements: Movements) -> float:
    """Return by how much the way from the start is played too far: 1 where it is right.

    Parameters: `played` [B, T, J], rad/s. The regression of the way played on the way shown.
    """
    nowhere, step = torch.zeros_like(movements.start), movements.step_seconds
    way, wanted = joint_path(nowhere, played, step), joint_path(nowhere, movements.velocity, step)
    return float((way * wanted).sum() / wanted.square().sum())


@torch.no_grad()
def _play_on_chips(model: OneShotModel, arm: Arm, movements: Movements) -> Tensor:
    """Return what is played [B, T, J] five minutes after the update, each on its own chip."""
    signals = learning_signals(model, model.config.watched(arm, movements.path()))
    played = []
    for number, signal in enumerate(signals):
        trainee = Trainee(model, prepare_synapses(model, 'chip', 500 + number))
        delta = weight_update(model, trainee.trial().eligibility, signal[None])[0]
        trainee.program(delta)
        trainee.synapses.wait(300.0)
        played.append(trainee.trial().velocity)
    return torch.stack(played)


def _worth(balance: Balance, joints: int, neurons: int, kappa: float) -> float:
    """Return what a spike adds to the readout along its neuron's direction, rad/s.

    With all neurons on one side of a direction at their fastest, every fifth step, the readout
    is `speed`: the mean of a unit vector's positive part along it is that of the sphere.
    """
    mean = math.gamma(joints / 2) / (2 * math.sqrt(math.pi) * math.gamma((joints + 1) / 2))
    fastest = 1 / NeuronParameters().refractory_steps
    return balance.speed * (1 - kappa) / (neurons * fastest * mean)


def _around_one(count: int, spread: float, generator: torch.Generator) -> Tensor:
    return 1 + spread * (2 * torch.rand(count, generator=generator) - 1)


def _isotropic(directions: Tensor) -> Tensor:
    """Return directions [J, K] of zero sum and equal power everywhere, the whole power kept."""
    power = directions.square().sum()
    centred = directions - directions.mean(1, keepdim=True)
    values, vectors = torch.linalg.eigh(centred @ centred.T)
    even = vectors @ torch.diag(values.rsqrt()) @ vectors.T @ centred
    return even * (power / even.square().sum()).sqrt()


def _louder(model: OneShotModel, factor: float) -> OneShotModel:
    weights = {**model.weights, 'generator_out': factor * model.weights['generator_out']}
    return replace(model, weights=weights)
