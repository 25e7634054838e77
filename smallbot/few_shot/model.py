# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A network for few-shot images with its weights and card: what training makes and all else uses.

Beside the weights it holds some of the images it was trained with, by which a chip's converters
and columns are calibrated.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smallbot.few_shot.network import NetworkConfig, NetworkError
from smallbot.files.schema import built
from smallbot.models.weights_file import IMAGES, Model, ModelError, read_model

DEFAULT_MODEL = 'omniglot'
CALIBRATION_SIZE = 128
"""Images to calibrate with, two of each class."""


@dataclass(frozen=True)
class ImageModelConfig:
    """What gives the tensors of a model their meaning."""

    network: NetworkConfig = NetworkConfig()
    calibration: int = CALIBRATION_SIZE
    """Images to calibrate with."""

    def __post_init__(self):
        if not 4 <= self.calibration <= 4096 or self.calibration % 2:
            raise NetworkError(f'calibration {self.calibration}: expected an even number from 4 '
                               f'to 4096')

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each tensor."""
        network = self.network
        return {**network.shapes(), 'calibration': (
            self.calibration, network.channels, network.side, network.side)}


@dataclass(frozen=True, repr=False)
class ImageModel(Model):
    """Network, weights, images to calibrate with, and the card."""

    config: ImageModelConfig

    card_format = IMAGES

    @classmethod
    def configured(cls, values: Any, where: str) -> ImageModelConfig:
        """Return the configuration that a card holds as `values`; raises ModelError."""
        try:
            return built(ImageModelConfig, values, where, ModelError)
        except NetworkError as error:
            raise ModelError(f'{where}: {error}') from None

    @property
    def calibration(self) -> tuple[Tensor, Tensor]:
        """Return images [K, C, H, W] to calibrate with and their classes [K], two of each."""
        images = self.weights['calibration']
        return images, torch.arange(len(images) // 2).repeat_interleave(2)


def load_image_model(name: str | Path = DEFAULT_MODEL) -> ImageModel:
    """Load a shipped model by name, or any by the path of its `.safetensors` file.

    Raises ModelError where there is none, it is of another kind or not what was written.
    """
    return read_model(ImageModel, name)
