# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What meta-training makes and all else uses: the weights of both networks, their setting.

Its files: `models.weights_file`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
import math
from pathlib import Path
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Le, Len
import torch
from torch import Tensor

from smallbot.arm.kinematics import Arm, urdf_path
from smallbot.files.bounds import Name, NotNegative, Positive, Real, Size, Steps, Text
from smallbot.files.schema import built
from smallbot.models.weights_file import CardFormat, Model, ModelError, MOVEMENTS, read_model
from smallbot.snn.codes import BinaryCode, clock_spikes, LinearCode, PopulationCode
from smallbot.snn.neuron import NeuronParameters, Reset

LINEAR_GAIN = 0.12
"""s.d. of a first weight of the generator for a current of the linear code; a steady current of
0.063 brings a LIF neuron with the generator's constants to its threshold."""
THRESHOLD_SHIFT, THRESHOLD_SPREAD = 0.03, 0.05
"""Mean and s.d. of the first weights for the linear code's current of 1."""
DEFAULT_MODEL = 'ed_scorbot'
PerJoint = tuple[Real, ...]


class Watched(str, Enum):
    """What of a demonstration the generator sees."""

    TIP = 'tip'
    """The tool tip's x, y, z, m (Ortner et al. 2025)."""
    JOINTS = 'joints'
    """The driven joints, rad, so that it need not learn the arm's inverse kinematics."""


class Coding(str, Enum):
    """How the generator is shown what it watches."""

    POPULATION = 'population'
    """Position and velocity as graded currents, `ModelConfig.code`."""
    BINARY = 'binary'
    """Position as spikes of its binary digits, `ModelConfig.binary`."""
    LINEAR = 'linear'
    """Velocity and drive as signed currents, `ModelConfig.linear`."""


@dataclass(frozen=True)
class ArmConfig:
    """The arm that a model is made for; its driven joints are the model's."""

    urdf: Text = ''
    """Text of the URDF; in a configuration file its path, from that file's folder. Empty: the
    shipped ED-Scorbot."""
    tip: Name = 'tool_tip'
    """Link of the URDF whose origin is the tool tip."""
    lower: PerJoint = ()
    """Lower limit of each driven joint, rad; empty: the URDF's."""
    upper: PerJoint = ()
    """Upper limit of each driven joint, rad; empty: the URDF's."""
    velocity: tuple[NotNegative, ...] = ()
    """Fastest speed of each driven joint, rad/s; empty: the URDF's."""
    acceleration: tuple[NotNegative, ...] = ()
    """Largest acceleration of each driven joint, rad/s^2; empty, or 0 for a joint: the URDF's, or
    `DEFAULT_ACCELERATION` where it has none, as most do not."""
    held: dict[Name, Real] = field(default_factory=dict)
    """Where joints that are not driven are held, rad (m); one that is not named: at zero, or in
    the middle of limits that exclude zero."""


@dataclass(frozen=True)
class ModelConfig:
    """Sizes and constants of a pair of networks for an arm."""

    joints: Annotated[tuple[Name, ...], Len(1, 64)] = ('base', 'shoulder')
    """Driven joints, the order of every joint array."""
    arm: ArmConfig = ArmConfig()
    steps: Annotated[int, Ge(2), Le(100_000)] = 250
    """T, network steps in a trial."""
    step_seconds: Annotated[float, Gt(0), Le(3600)] = 0.010
    """Nominal arm time of a network step, s (Ortner et al. 2025, published code)."""
    neurons: Size = 250
    """N, LIF neurons of the trainee."""
    generator_neurons: Size = 300
    """LIF and ALIF neurons of the learning signal generator (800 in the paper)."""
    clock_neurons: Size = 5
    """N_in, inputs of the trainee."""
    clock_period: Size = 10
    """Steps between the spikes of the clock neuron whose turn it is."""
    clock_overlap: Size = 1
    """Turns that a clock neuron goes on for."""
    readout_tau: Positive = 0.020
    """Time constant of the readout, s of network time."""
    signal_tau: Positive = 0.020
    """Time constant of the learning signals, s of network time."""
    recurrent_update: bool = True
    """Whether the update changes recurrent weights beside input weights."""
    trace_tau: NotNegative = 0.0
    """Time constant of the eligibility traces, s of network time; 0: the membrane's, as derived.
    In a balanced network feedback cuts short what an input does, and a trace that outlasts its
    step smears the update over turns of the clock to come."""
    inner_rate: Real = 1e-3
    """Inner learning rate alpha of the one update."""
    chip_gain: Positive = 1.0
    """What an update is multiplied by on the chip: it plays some per cent less than software."""
    preview_steps: Steps = 0
    """How far the generator sees the demonstration ahead of the trainee's clock, steps. The whole
    movement is known by then; a preview makes up for the delay of membranes and filters."""
    lead_steps: Steps = 0
    """Steps that the generator watches the demonstration before the trainee's clock starts. They
    make up for the delay of membranes and filters, at the beginning of the movement too."""
    looks: Annotated[int, Ge(1), Le(10_000)] = 1
    """How often the generator watches the recorded demonstration before its learning signals,
    averaged, make the one update. Its spikes are chaotic: the least difference in what it watches
    gives other signals, and the looks differ by `look_spread`."""
    look_spread: NotNegative = 0.01
    """How far the looks lie apart: what is added to the velocities, rad/s or m/s, runs from
    minus to plus this."""
    input_limit: Positive = 1.5
    """Largest magnitude of an input weight on the chip."""
    recurrent_limit: Positive = 0.4
    """Largest magnitude of a recurrent weight on the chip."""
    age_groups: bool = False
    """Whether the chip's rows are corrected by groups of one age: the clock's, which an update
    rewrites, apart from the others. A balanced trainee plays the ratio of the two."""
    exact_drive: bool = False
    """Whether the linear code's drive is d_t = (v_t - kappa v_(t-1)) / (1 - kappa), with v the
    difference of positions, the start pose included; else from central differences."""
    trainee: NeuronParameters = NeuronParameters()
    generator: NeuronParameters = NeuronParameters(threshold=1.3, adaptive_share=0.3)
    watches: Watched = Watched.TIP
    """What the generator sees of a demonstration."""
    code: PopulationCode = PopulationCode()
    """Code of what the generator watches and of its rate of change."""
    binary: BinaryCode = BinaryCode()
    """Code of the position alone of what the generator watches."""
    linear: LinearCode = LinearCode()
    """Code of the velocity of what the generator watches, and of the drive: what the trainee's
    spikes must bring to the readout for its filter to give that velocity."""
    coding: Coding = Coding.POPULATION
    """Which of the three the generator is shown."""

    @property
    def trial_seconds(self) -> float:
        """Return the nominal duration of a trial, s."""
        return self.steps * self.step_seconds

    @property
    def generator_inputs(self) -> int:
        """Return how many currents enter the generator."""
        watched = 3 if self.watches is Watched.TIP else len(self.joints)
        channels = {Coding.POPULATION: self.code.channels(watched),
                    Coding.BINARY: self.binary.channels(watched),
                    Coding.LINEAR: self.linear.channels(watched)}
        return channels[self.coding] + self.clock_neurons

    @property
    def readout_decay(self) -> float:
        """Return kappa = exp(-dt / tau) of the readout."""
        return math.exp(-self.trainee.dt / self.readout_tau)

    @property
    def trace_decay(self) -> float:
        """Return the decay of the eligibility traces in a step."""
        return math.exp(-self.trainee.dt / (self.trace_tau or self.trainee.tau_m))

    @property
    def signal_decay(self) -> float:
        """Return exp(-dt / tau) of the learning signals."""
        return math.exp(-self.generator.dt / self.signal_tau)

    @property
    def plastic_rows(self) -> int:
        """Return how many rows of inputs the update may change, the first ones."""
        return self.clock_neurons + self.recurrent_update * self.neurons

    def synapse_mask(self) -> Tensor:
        """Return [N, N_in + N] of bool: the synapses that exist, no neuron drives itself."""
        mask = torch.ones(self.neurons, self.clock_neurons + self.neurons, dtype=torch.bool)
        mask[:, self.clock_neurons:].fill_diagonal_(False)
        return mask

    def weight_limits(self) -> Tensor:
        """Return the largest magnitude on the chip of each row of inputs, [N_in + N]."""
        return torch.cat([torch.full((self.clock_neurons,), self.input_limit),
                          torch.full((self.neurons,), self.recurrent_limit)])

    def clock(self, like: Tensor) -> Tensor:
        """Return the clock spikes of a trial, [T, N_in]."""
        return clock_spikes(self.steps, self.clock_neurons, self.clock_period, like,
                            self.clock_overlap)

    def watched(self, arm: Arm, positions: Tensor) -> Tensor:
        """Return the path [..., D] the generator sees for joint positions [..., J], rad."""
        return arm.tip(positions) if self.watches is Watched.TIP else positions

    def rates(self, path: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the rates of change and the drives [T, ..., D], per second, of a path.

        `path` [T + 1, ..., D] begins before the first step. The drive is what the trainee's
        spikes must bring to the readout for its filter to give the rates; None where `encode`
        is to take it from them.
        """
        if not self.exact_drive:
            return torch.gradient(path[1:], spacing=self.step_seconds, dim=0)[0], None
        rates = path.diff(dim=0) / self.step_seconds
        kappa = self.readout_decay
        before = torch.cat([torch.zeros_like(rates[:1]), rates[:-1]])
        return rates, (rates - kappa * before) / (1 - kappa)

    def encode(self, path: Tensor, rates: Tensor, drives: Tensor | None = None) -> Tensor:
        """Return path, rates and drives [T, ..., D] as the generator's inputs."""
        if self.coding is Coding.BINARY:
            return self.binary.encode(path)
        if self.coding is Coding.LINEAR:
            if drives is None:
                change = torch.gradient(rates, dim=0)[0]
                drives = rates + self.readout_tau / self.trainee.dt * change
            return self.linear.encode(rates, drives)
        return self.code.encode(path, rates)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each weight tensor, from postsynaptic to presynaptic."""
        n, k = self.neurons, self.generator_neurons
        return {
            'trainee': (n, self.clock_neurons + n),
            'readout': (len(self.joints), n),
            'generator_in': (k, self.generator_inputs),
            'generator_rec': (k, k),
            'generator_out': (n, k),
        }


@dataclass(frozen=True, repr=False)
class OneShotModel(Model):
    """The weights of trainee, readout and generator, their configuration and their card."""

    config: ModelConfig

    card_format: ClassVar[CardFormat] = MOVEMENTS

    joints = property(lambda self: self.config.joints)
    steps = property(lambda self: self.config.steps)
    step_seconds = property(lambda self: self.config.step_seconds)
    trial_seconds = property(lambda self: self.config.trial_seconds)
    n = property(lambda self: self.config.neurons)
    n_in = property(lambda self: self.config.clock_neurons)

    @classmethod
    def configured(cls, values: Any, where: str) -> ModelConfig:
        """Return the configuration that a card holds, an old one too; raises ModelError."""
        return built(ModelConfig, as_trained(values), where, ModelError)


def arm_of(config: ModelConfig) -> Arm:
    """Return the arm that a model is made for, with the limits it was given or the URDF's.

    Raises ArmError where URDF or limits do not fit, ModelError for a joint without an end.
    """
    given = config.arm
    arm = Arm.from_urdf(given.urdf or urdf_path(), config.joints, given.tip, given.lower,
                        given.upper, given.velocity, given.held, given.acceleration)
    for joint, low, high in zip(config.joints, arm.limits.lower, arm.limits.upper):
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ModelError(f'arm: joint {joint!r} turns without end; give its limits, '
                             f'arm.lower and arm.upper')
    return arm


def initial_weights(config: ModelConfig, generator: torch.Generator) -> dict[str, Tensor]:
    """Draw the weights meta-training begins with, Gaussian with variance 1 / fan-in.

    With the population code the generator's input weights are ten times smaller: its currents
    are graded and flow at every step. With the linear code each neuron prefers a random direction
    above a random threshold. The readout is scaled by 1 - kappa, as published. Recurrent weights
    that no update changes begin three times smaller: they carry what no learning signal knows of.
    """
    gain = {'readout': 1 - config.readout_decay}
    if config.coding is Coding.POPULATION:
        gain['generator_in'] = 0.1
    weights, shapes = {}, config.shapes()
    for key, shape in shapes.items():
        scale = gain.get(key, 1.0) / math.sqrt(shape[1])
        weights[key] = torch.randn(shape, generator=generator) * scale
    n_in = config.clock_neurons
    weights['trainee'][:, :n_in] *= math.sqrt((n_in + config.neurons) / n_in)
    if not config.recurrent_update:
        weights['trainee'][:, n_in:] *= 0.3
    weights['trainee'] *= config.synapse_mask()
    if config.coding is Coding.LINEAR:
        rates = config.generator_inputs - config.clock_neurons - 1
        scale = torch.tensor([LINEAR_GAIN] * rates + [THRESHOLD_SPREAD]
                             + [0.01] * config.clock_neurons)
        weights['generator_in'] = scale * torch.randn(shapes['generator_in'], generator=generator)
        weights['generator_in'][:, rates] += THRESHOLD_SHIFT
    return weights


def as_trained(config: Any) -> Any:
    """Return a model's configuration, as a card or checkpoint holds it, with what old ones lack.

    They hold every field that there was; one that came later stands for what was done before.
    """
    if not isinstance(config, Mapping):
        return config
    populations = {key: {'reset': Reset.CROSSED.value, **config[key]}
                   for key in ('trainee', 'generator') if isinstance(config.get(key), Mapping)}
    return {**config, **populations}


def load_model(name: str | Path = DEFAULT_MODEL) -> OneShotModel:
    """Load a shipped model by name, or any model by the path of its `.safetensors` file.

    Raises ModelError where there is none, its card and weights do not fit, or either is not what
    was written.
    """
    return read_model(OneShotModel, name)
