"""The data of one run as it stands in one epoch: the part of training that regimes set."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atn_gym.envs.data.dataset import SPLITS, Dataset, Transform


@dataclass(eq=False)
class RunData:
    """What a run trains and is evaluated on; clean until a regime sets a field.

    The trainer clears every field before each epoch, and `Regime.apply` then sets what
    holds in that epoch. Tensors are replaced, never written to: runs share them.

    Args:
        clean: The data set, shared by all runs.
        train_labels: Training labels in place of the clean ones, int64 (N,).
        relabelling: Class that each class becomes in every split, int64 (C,).
        transform: Shift of the inputs of every split.
        pools: Indices (int64) of the samples in use, by the name of the split.
        observation_noise: Scale of the logarithm of the factors on the observed losses, which has
            heavy tails.
        loss_noise: Standard deviation of the logarithm of a factor of mean 1 on every mini-batch's
            loss.
        gradient_noise: Standard deviation of noise added to every mini-batch's gradient, in
            units of the root mean square of that gradient.
    """

    clean: Dataset
    train_labels: Tensor | None = None
    relabelling: Tensor | None = None
    transform: Transform | None = None
    pools: dict[str, Tensor] = field(default_factory=dict)
    observation_noise: float = 0.0
    loss_noise: float = 0.0
    gradient_noise: float = 0.0

    def clear(self) -> None:
        """Goes back to clean data."""
        vars(self).update(vars(RunData(self.clean)))

    def is_clean(self) -> bool:
        """Whether no regime has set a field."""
        replaced = self.train_labels, self.relabelling, self.transform
        noise = self.observation_noise or self.loss_noise or self.gradient_noise
        return replaced == (None, None, None) and not self.pools and not noise

    def inputs(self, split: str) -> Tensor:
        """Inputs of a split as they stand, float32 (N, C, H, W)."""
        if self.transform is None:
            return self.clean.split(split).inputs
        return self.clean.transformed(self.transform, split)

    def labels(self, split: str) -> Tensor:
        """Labels of a split as they stand, int64 (N,)."""
        labels = self.clean.split(split).labels
        if split == "train" and self.train_labels is not None:
            labels = self.train_labels
        return labels if self.relabelling is None else self.relabelling[labels]

    def own_bytes(self) -> int:
        """Memory of the inputs that only this run holds in an epoch."""
        if self.transform is None and "validation" not in self.pools:
            return 0
        train, validation = (self.clean.split(name).inputs.nbytes for name in SPLITS[:2])
        if self.transform is not None:
            return train + validation
        return validation

    def get_state(self) -> dict[str, Any]:
        """The fields that a regime has set, without the data set itself."""
        names = [f.name for f in fields(self) if f.name != "clean"]
        state = {name: getattr(self, name) for name in names}
        return {**state, "pools": dict(self.pools)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes back to a state that `get_state` returned, perhaps on another device."""
        device = self.clean.train.labels.device
        for name, value in state.items():
            setattr(self, name, value.to(device) if isinstance(value, Tensor) else value)
        self.pools = {split: pool.to(device) for split, pool in state["pools"].items()}


def chosen(samples: Tensor, pool: Tensor) -> Tensor:
    """Samples of a pool; on a CPU by numpy, for threads of torch take longer to meet than this."""
    if samples.device.type != "cpu" or not samples.is_contiguous():
        return samples[pool]
    return torch.from_numpy(np.take(samples.numpy(), pool.numpy(), axis=0))
