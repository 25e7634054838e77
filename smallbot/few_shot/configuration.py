# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What decides how a network for few-shot images is meta-trained."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Le, Len

from smallbot.experiment.products import Products
from smallbot.few_shot.network import CIFAR_FS, NetworkConfig, NetworkError
from smallbot.files.bounds import NotNegative, Positive, Share, Size, Steps, Text, Whole
from smallbot.files.plain import plain, read_yaml
from smallbot.files.schema import built
from smallbot.files.writing import read_bytes
from smallbot.models.weights_file import ModelError

Mixture = tuple[tuple[Size, Size, Size], ...]


@dataclass(frozen=True)
class FewShotConfig:
    """Everything that decides what training makes, but for the images."""

    network: NetworkConfig = NetworkConfig()
    seed: Whole = 0
    iterations: Size = 7000
    classes: Annotated[int, Ge(2), Le(10_000)] = 96
    """Drawn in an iteration, over all processes; their images pass the network once, and many
    tasks are made of them."""
    support: Size = 5
    """Images of each class that tasks learn from at most."""
    queries: Size = 5
    """Images of each class that are to be told."""
    mixture: Annotated[Mixture, Len(1, 16)] = ((5, 5, 32), (5, 1, 32), (20, 1, 8))
    """Ways, shots and number of the tasks that each process makes of its classes."""
    all_ways: tuple[Size, ...] = (1, 5)
    """Shots of tasks that have all classes of a process as ways."""
    update_weights: Annotated[tuple[NotNegative, ...], Len(1, 100)] = (0.25, 0.1, 0.15, 0.5)
    """Share in the loss of the answers after each update (as in Antoniou et al., ICLR 2019)."""
    learning_rate: Positive = 2e-3
    """Adam's at the start."""
    averaging: Share = 0.99
    gradient_clip: NotNegative = 1.0
    weight_noise: NotNegative = 0.05
    """s.d. of what is added to the fixed weights, for examples and queries alike: programming
    errors. As share of the largest weight of a row, which the chip's devices are scaled to."""
    read_noise: NotNegative = 0.03
    """The same, for examples and queries apart: 1/f noise and drift between learning and use."""
    carried_moments: bool = False
    """Whether queries are normalised by the moments of the examples instead of their own: a
    chip's are measured once, and what 1/f noise does to them afterwards must be borne. For a
    second run; from random weights it comes out worse."""
    bits: Annotated[int, Ge(0), Le(16)] = 0
    """Of the fixed weights, rounded stochastically (Ortner et al. 2025: 4); 0: float32."""
    turned: bool = True
    """Whether images turned by quarters are classes of their own."""
    mirrored: bool = True
    """Whether mirrored images are; without `turned` they are of the same class."""
    jitter_turn: NotNegative = 0.12
    """s.d. of a small rotation of each image, rad."""
    jitter_scale: NotNegative = 0.1
    """s.d. of the logarithm of its width and height."""
    jitter_shear: NotNegative = 0.12
    jitter_shift: NotNegative = 0.07
    """s.d. of a shift, in halves of the image."""
    validate_every: Steps = 500
    """Iterations between two validations; 0: none."""
    validation_tasks: Size = 300
    products: Products = Products.FASTER
    images: Text = ''
    """Digest of the images to train with; a run notes it when it begins."""


CIFAR_TRAINING = FewShotConfig(
    CIFAR_FS, classes=32, support=5, queries=5, mixture=((5, 5, 16), (5, 1, 16)), turned=False,
    jitter_turn=0.0, jitter_shear=0.0, iterations=37_000)
"""For the second network; its figures are not known, as the images could not be had."""


def checked(config: FewShotConfig, where: str = 'configuration') -> FewShotConfig:
    """Return `config`; raises ModelError where a value makes no sense."""
    built(FewShotConfig, asdict(config), where, ModelError)
    for ways, shots, _ in config.mixture:
        if ways < 2:
            raise ModelError(f'{where}: mixture with {ways} ways: expected at least 2, there is '
                             f'nothing to tell apart')
        if shots > config.support:
            raise ModelError(f'{where}: mixture with {shots} shots: expected at most the '
                             f'{config.support} of support')
        if ways > config.classes:
            raise ModelError(f'{where}: mixture with {ways} ways: expected at most the '
                             f'{config.classes} of classes')
    if any(shots > config.support for shots in config.all_ways):
        raise ModelError(f'{where}: all_ways {config.all_ways}: expected at most the '
                         f'{config.support} of support')
    if len(config.update_weights) != config.network.updates:
        raise ModelError(f'{where}: {len(config.update_weights)} update_weights: expected one for '
                         f'each of {config.network.updates} updates')
    if not any(config.update_weights):
        raise ModelError(f'{where}: update_weights {config.update_weights}: expected one above 0 '
                         f'at least, nothing would be learned')
    return config


def configured(values: Any, where: str) -> FewShotConfig:
    """Return the configuration of plain values; raises ModelError in a line with `where`."""
    try:
        return checked(built(FewShotConfig, values, where, ModelError), where)
    except NetworkError as error:
        raise ModelError(f'{where}: {error}') from None


def read_config(path: Path, usual: FewShotConfig) -> FewShotConfig:
    """Return `usual` with the fields that a YAML file holds in place; raises ModelError."""
    import yaml

    try:
        values = read_yaml(read_bytes(path))
    except (ValueError, yaml.YAMLError) as error:
        raise ModelError(f'{path}: {" ".join(str(error).split())}') from None
    values = values or {}
    if not isinstance(values, dict):
        raise ModelError(f'{path}: expected a mapping of fields')
    network = values.get('network', {})
    if isinstance(network, dict):
        values['network'] = {**asdict(usual.network), **network}
    return configured({**plain(asdict(usual)), **values}, str(path))
