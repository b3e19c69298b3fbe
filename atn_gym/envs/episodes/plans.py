"""What a run trains on in an epoch, and the draws that belong to it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atn_gym.envs.data import RunData
from atn_gym.envs.engines import EpochPlan
from atn_gym.envs.randomness import Stream, generator, integer_seed


class DrawnPlan(EpochPlan):
    """A plan whose random parts are drawn when an engine asks for them.

    Args:
        held: What holds for every epoch with the same data; see `held_by`.
        seed: Seed of the run.
        epoch: Number of epochs trained.
    """

    _loss_noise: float
    _moment: tuple[int, int]
    _device: torch.device

    def __init__(self, held: dict[str, Any], seed: int, epoch: int) -> None:
        vars(self).update(held)
        vars(self)["_moment"] = seed, epoch

    @staticmethod
    def held_by(data: RunData, shape: tuple[int, int], device: torch.device) -> dict[str, Any]:
        """Attributes of the plans of all epochs in which the data of a run stands as it does.

        Args:
            data: The data.
            shape: Mini-batches in an epoch and samples in each.
            device: Where the data lives.
        """
        samples = data.inputs("train"), data.labels("train"), data.pools.get("train")
        return {
            **dict(zip(("inputs", "labels", "pool"), samples, strict=True)),
            "samples": samples,
            "gradient_noise": data.gradient_noise,
            "shape": shape,
            "_loss_noise": data.loss_noise,
            "_device": device,
            **({} if data.loss_noise else {"loss_scale": None}),
        }

    @functools.cached_property
    def order(self) -> Tensor:
        """Sample indices of every mini-batch."""
        seed, epoch = self._moment
        draws = generator(seed, Stream.ORDER, epoch)
        return batch_order(self.pool, len(self.labels), self.shape, draws).to(self._device)

    @functools.cached_property
    def loss_scale(self) -> Tensor | None:
        """Factor on the loss of every mini-batch; what is held says so if there is none."""
        seed, epoch = self._moment
        draws = generator(seed, Stream.NOISE, epoch)
        return _loss_scale(self._loss_noise, self.shape[0], draws).to(self._device)

    @functools.cached_property
    def gradient_noise_seed(self) -> int:
        """Seed of the noise on the gradient."""
        seed, epoch = self._moment
        return integer_seed(seed, Stream.GRADIENT_NOISE, epoch)

    @functools.cached_property
    def module_seed(self) -> int:
        """Seed of what the network draws."""
        seed, epoch = self._moment
        return integer_seed(seed, Stream.MODULE, epoch)


def _loss_scale(noise: float, steps: int, draws: np.random.Generator) -> Tensor:
    scale = np.exp(noise * draws.standard_normal(steps) - noise**2 / 2)
    return torch.from_numpy(scale).float()


def batch_order(
    pool: Tensor | None, num_samples: int, shape: tuple[int, int], draws: np.random.Generator
) -> Tensor:
    """Draws the samples of an epoch without replacement, cycling through a small pool.

    Args:
        pool: Indices of the samples to draw from; all if None.
        num_samples: Number of samples N.
        shape: Mini-batches in an epoch and samples in each.
        draws: Source of randomness.

    Returns:
        Sample indices, int64 tensor of the shape (steps, batch).
    """
    size = num_samples if pool is None else len(pool)
    needed = shape[0] * shape[1]
    rounds = [draws.permutation(size) for _ in range(-(-needed // size))]
    order = torch.from_numpy(np.concatenate(rounds)[:needed].reshape(shape))
    return order if pool is None else pool.cpu()[order]
