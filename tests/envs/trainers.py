"""What the tests of trainers share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn, optim

from atn_gym.arrays import FloatArray
from atn_gym.envs.data import RunData, Split
from atn_gym.envs.episodes.trainer import Trainer
from atn_gym.envs.hyperparameters import HYPERPARAMETERS
from atn_gym.envs.regimes import (
    Regime,
)

Values = dict[str, float]


MakeTrainer = Callable[..., Trainer]


USUAL = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-4}


@dataclass(frozen=True)
class Probe(Regime):
    """Restricts training to a pool if one is given, and keeps the mini-batches it sees."""

    kinds = {"none": 0.0}
    pool: Tensor | None = None
    batches: list[Tensor] = field(default_factory=list)

    def apply(
        self, epoch: int, model: nn.Module, data: RunData, optimizer: optim.Optimizer
    ) -> None:
        if self.pool is not None:
            data.pools["train"] = self.pool
        if epoch == 0:
            model.register_forward_pre_hook(self.keep)

    def keep(self, model: nn.Module, inputs: tuple[Tensor]) -> None:
        if model.training:
            self.batches.append(inputs[0])

    def samples(self, data: Split) -> list[int]:
        """Indices of the samples seen so far."""
        seen = torch.cat(self.batches).flatten(1)[:, None]
        return (seen == data.inputs.flatten(1)).all(2).nonzero()[:, 1].tolist()


def weights(trainer: Trainer, run: int = 0) -> dict[str, Tensor]:
    return trainer.get_checkpoint(run)["model"]


def rows(values: Sequence[Values]) -> FloatArray:
    """Hyperparameters of some runs as a trainer takes them."""
    return np.array([[one[name] for name in HYPERPARAMETERS] for one in values])


def reset(
    trainer: Trainer, run: int, seed: int, regime: Regime, values: Values, gain: float = 0.0
) -> None:
    """Begins a run."""
    trainer.reset([run], [seed], [regime], rows([values]), [gain])


def begin(trainer: Trainer, *regimes: Regime, values: Values = USUAL) -> None:
    """Begins one run for each regime, all with the seed 0."""
    for run, regime in enumerate(regimes):
        reset(trainer, run, 0, regime, values)


def train(trainer: Trainer, run: int, schedule: Sequence[Values]) -> list[dict[str, float]]:
    metrics = [trainer.train([run], rows([values])) for values in schedule]
    return [{n: array.item() for n, array in vars(m).items() if array is not None} for m in metrics]
