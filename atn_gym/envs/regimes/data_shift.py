"""DataShift: the data changes under the run."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn, optim

from atn_gym.envs.data import RunData, Transform
from atn_gym.envs.randomness import Stream, generator
from atn_gym.envs.regimes.base import Regime
from atn_gym.envs.regimes.transforms import (
    Contrast,
    GaussianNoise,
    Permutation,
    Rotation,
    cycle,
)


@dataclass(frozen=True)
class DataShift(Regime):
    """The data changes under the run, in every split; label noise in the training split only.

    Kinds, at strength s:
        relabelling: A share s of the classes, at least two, swap their labels along one drawn
            cycle: each takes the label of the next.
        permutation: The pixels of a share s of the positions, at least two, swap places along
            one drawn cycle. Of one-hot inputs these are tokens that swap.
        rotation: Inputs are turned by 90 degrees times s.
        label_noise: Each training label is replaced by another class with probability s.
            The draws are nested: what is replaced at s is replaced alike at any s' > s.
            Validation labels stay clean.
        contrast: Deviations of the inputs from their mean are scaled by 1 - s; at s = 1
            they are inverted.
        gaussian_noise: Noise of standard deviation 2 s is added to the inputs.
    """

    kinds = {
        "relabelling": 1.0,
        "permutation": 0.6,
        "rotation": 0.6,
        "label_noise": 0.4,
        "contrast": 0.9,
        "gaussian_noise": 0.3,
    }
    image_kinds = ("rotation", "contrast", "gaussian_noise")
    drawn_kinds = ("relabelling", "permutation", "label_noise", "gaussian_noise")

    def condition(self, epoch: int) -> Hashable:
        """Strength and number of the change."""
        return self.strength(epoch), self.change(epoch)

    def apply(
        self, epoch: int, model: nn.Module, data: RunData, optimizer: optim.Optimizer
    ) -> None:
        """Sets the labels or the transform of the inputs."""
        strength = self.strength(epoch)
        if strength == 0:
            return
        change = self.change(epoch)
        if self.kind == "relabelling":
            classes = data.clean.num_classes
            drawn = cycle(strength, classes, generator(self.seed, Stream.REGIME, change))
            data.relabelling = torch.from_numpy(drawn).to(data.clean.train.labels.device)
        elif self.kind == "label_noise":
            data.train_labels = self._noisy_labels(data, strength, change)
        else:
            data.transform = self._transform(strength, change)

    def _transform(self, strength: float, change: int) -> Transform:
        if self.kind == "permutation":
            return Permutation(strength, self.seed, change)
        if self.kind == "rotation":
            return Rotation(90 * strength)
        if self.kind == "contrast":
            return Contrast(1 - strength if strength < 1 else -1.0)
        return GaussianNoise(2 * strength, self.seed, change)

    def _noisy_labels(self, data: RunData, strength: float, change: int) -> Tensor:
        labels = data.clean.train.labels
        draws = generator(self.seed, Stream.REGIME, change)
        threshold = draws.random(len(labels))
        offset = draws.integers(1, data.clean.num_classes, len(labels))
        moves = torch.from_numpy(np.where(threshold < strength, offset, 0)).to(labels.device)
        return (labels + moves) % data.clean.num_classes
