"""A learning problem that is exactly a noisy quadratic: one prototype for each class.

The parameter of class c is a point theta_c in the space of the inputs. A sample x with the
label y costs C h_y |theta_y - x|^2 / 2, where the curvatures h fall by a power law. Averaged
over the samples this is a quadratic in every dimension of every prototype: its curvature is
C p_c h_c, with p_c the share of class c, and its minimum the mean of the inputs of the class.
"""

from __future__ import annotations

import math
import os

import numpy as np
import torch
from torch import Tensor, nn

from atn_gym.envs.data.dataset import Dataset, Split

NUM_CLASSES = 10
_SHAPE = (1, 2, 2)
_SAMPLES = {"train": 1024, "validation": 320, "test": 320}
_CURVATURE, _EXPONENT = 10.0, 2.0
_NOISE, _MEANS, _START = 1.0, 0.28, 0.19


def power_law(num_classes: int) -> Tensor:
    """Curvatures h_c = 10 (c + 1)^-2 of the classes, float64 (C,)."""
    classes = torch.arange(1, num_classes + 1, dtype=torch.float64)
    return _CURVATURE * classes**-_EXPONENT


def initial_prototypes(draws: Tensor, curvature: Tensor) -> Tensor:
    """Initial prototypes (..., C, P) of as many standard normal draws, for curvatures (C,)."""
    return _START * draws / curvature.sqrt()[:, None]


class Prototypes(nn.Module):
    """One prototype for each class; an initial one has mean 0 and variance 0.19^2 / h_c.

    Args:
        input_shape: Channels, height and width of a sample.
        num_classes: Number of classes C.
        generator: Source of the initial prototypes; torch's global generator if None.
    """

    curvature: Tensor

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        num_classes: int,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("curvature", power_law(num_classes))
        draws = torch.randn(
            (num_classes, math.prod(input_shape)), generator=generator, dtype=torch.float64
        )
        self.prototypes = nn.Parameter(initial_prototypes(draws, self.curvature))

    def forward(self, inputs: Tensor) -> Tensor:
        """Losses of inputs (N, ...) under each label, (N, C)."""
        distances = self.prototypes - inputs.flatten(1)[:, None].double()
        return len(self.curvature) * self.curvature * distances.square().sum(2) / 2


def load_prototypes(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Samples of 10 classes in 4 dimensions, drawn once and for all.

    The inputs of class c are normal with variance s / h_c around a mean of size 0.28 / sqrt(h_c),
    s = 1. Each split has all classes equally often, and in each class exactly that mean and
    variance, so that what is best on the training split is best on the others.

    Args:
        data_dir: Not used; nothing is downloaded.
    """
    draws = np.random.default_rng(0)
    scale = 1 / power_law(NUM_CLASSES).sqrt().numpy()[:, None]
    means = draws.standard_normal((NUM_CLASSES, math.prod(_SHAPE)))
    means = _MEANS * scale * (means - means.mean(0)) / means.std(0)
    splits = []
    for size in _SAMPLES.values():
        labels = np.arange(size) % NUM_CLASSES
        inputs = draws.standard_normal((size, means.shape[1]))
        for c in range(NUM_CLASSES):
            members = inputs[labels == c]
            inputs[labels == c] = (members - members.mean(0)) / members.std(0)
        inputs = means[labels] + math.sqrt(_NOISE) * scale[labels] * inputs
        images = torch.from_numpy(inputs).float().view(-1, *_SHAPE)
        splits.append(Split(images, torch.from_numpy(labels)))
    return Dataset(splits[0], splits[1], splits[2], NUM_CLASSES)
