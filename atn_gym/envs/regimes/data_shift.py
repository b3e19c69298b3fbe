"""DataShift: the data changes under the run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim

from atn_gym.envs.data import SPLITS, RunData, Transform
from atn_gym.envs.randomness import Stream, generator, integer_seed
from atn_gym.envs.regimes.base import Regime


@dataclass(frozen=True)
class Rotation:
    """Turns images counter-clockwise about their centre; new corners repeat the border."""

    degrees: float

    def __call__(self, inputs: Tensor, split: str) -> Tensor:
        """Rotates inputs (N, C, H, W) by bilinear interpolation."""
        angle = math.radians(self.degrees)
        cos, sin = math.cos(angle), math.sin(angle)
        height, width = inputs.shape[-2:]
        matrix = torch.tensor(
            [[cos, -sin * height / width, 0.0], [sin * width / height, cos, 0.0]],
            device=inputs.device,
        )
        grid = F.affine_grid(matrix[None], [1, 1, height, width], align_corners=False)
        rotated = torch.empty_like(inputs)
        for chunk, out in zip(inputs.split(4096), rotated.split(4096), strict=True):
            out.copy_(
                F.grid_sample(
                    chunk,
                    grid.expand(len(chunk), -1, -1, -1),
                    padding_mode="border",
                    align_corners=False,
                )
            )
        return rotated


@dataclass(frozen=True)
class Contrast:
    """Scales the standardised pixels, whose mean is zero."""

    factor: float

    def __call__(self, inputs: Tensor, split: str) -> Tensor:
        """Scales inputs (N, C, H, W)."""
        return inputs * self.factor


@dataclass(frozen=True)
class GaussianNoise:
    """Adds one fixed noise image to every sample, the same in every epoch.

    Args:
        std: Standard deviation in units of that of the clean pixels.
        seed: Seed of the noise; the noise at another `std` is the same, rescaled.
    """

    std: float
    seed: int

    def __call__(self, inputs: Tensor, split: str) -> Tensor:
        """Adds noise to inputs (N, C, H, W)."""
        seed = integer_seed(self.seed, Stream.NOISE, SPLITS.index(split))
        source = torch.Generator().manual_seed(seed)
        noise = torch.randn(inputs.shape, generator=source).to(inputs.device)
        return noise.mul_(self.std).add_(inputs)


@dataclass(frozen=True)
class DataShift(Regime):
    """The data changes under the run; validation labels stay clean.

    Kinds, at strength s:
        label_noise: Each training label is replaced by another class with probability s.
            The draws are nested: what is replaced at s is replaced alike at any s' > s.
        rotation: Inputs of every split are turned by 90 degrees times s.
        contrast: Deviations of the inputs from their mean are scaled by 1 - s; at s = 1
            they are inverted.
        gaussian_noise: Noise of standard deviation 2 s is added to the inputs.
    """

    kinds = {"label_noise": 0.4, "rotation": 0.6, "contrast": 0.9, "gaussian_noise": 0.3}

    def apply(
        self, epoch: int, model: nn.Module, data: RunData, optimizer: optim.Optimizer
    ) -> None:
        """Sets the training labels or the transform of the inputs."""
        strength = self.strength(epoch)
        if strength == 0:
            return
        if self.kind == "label_noise":
            data.train_labels = self._noisy_labels(data, strength)
        else:
            data.transform = self._transform(strength)

    def _transform(self, strength: float) -> Transform:
        if self.kind == "rotation":
            return Rotation(90 * strength)
        if self.kind == "contrast":
            return Contrast(1 - strength if strength < 1 else -1.0)
        return GaussianNoise(2 * strength, self.seed)

    def _noisy_labels(self, data: RunData, strength: float) -> Tensor:
        labels = data.clean.train.labels
        draws = generator(self.seed, Stream.REGIME)
        threshold = draws.random(len(labels))
        offset = draws.integers(1, data.clean.num_classes, len(labels))
        moves = torch.from_numpy(np.where(threshold < strength, offset, 0)).to(labels.device)
        return (labels + moves) % data.clean.num_classes
