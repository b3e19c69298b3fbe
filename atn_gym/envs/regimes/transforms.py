"""Shifts of the inputs: pure, hashable maps of a split."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from atn_gym.envs.data import SPLITS
from atn_gym.envs.randomness import Stream, generator, integer_seed


@dataclass(frozen=True)
class Permutation:
    """Moves the pixels of a share of the positions along one cycle, the same in every sample.

    The cycle visits positions in a drawn order. At a larger share it is longer, and all but one
    of the pixels that moved before are read from where they were read.

    Args:
        share: Share of the positions on the cycle, in [0, 1]; at least two are on it.
        seed: Seed of the order.
        change: Number of the change that is drawn.
    """

    share: float
    seed: int
    change: int = 0

    def __call__(self, inputs: Tensor, split: str) -> Tensor:
        """Moves the pixels of inputs (N, C, H, W); all channels move alike."""
        flat = inputs.flatten(2)
        draws = generator(self.seed, Stream.REGIME, self.change)
        source = cycle(self.share, flat.shape[2], draws)
        return flat[:, :, torch.from_numpy(source).to(inputs.device)].view(inputs.shape)


def cycle(
    share: float, count: int, draws: np.random.Generator
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Draws a permutation of `count` things that moves a share of them, at least two."""
    moved = draws.permutation(count)[: max(2, round(share * count))]
    target = np.arange(count)
    target[moved] = np.roll(moved, -1)
    return target


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
        change: Number of the change that is drawn.
    """

    std: float
    seed: int
    change: int = 0

    def __call__(self, inputs: Tensor, split: str) -> Tensor:
        """Adds noise to inputs (N, C, H, W)."""
        draw = len(SPLITS) * self.change + SPLITS.index(split)
        source = torch.Generator().manual_seed(integer_seed(self.seed, Stream.NOISE, draw))
        noise = torch.randn(inputs.shape, generator=source).to(inputs.device)
        return noise.mul_(self.std).add_(inputs)
