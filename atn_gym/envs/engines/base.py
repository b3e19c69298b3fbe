"""The narrow interface between the trainer and what computes.

The trainer decides what each run trains on; an engine trains. It gets all runs of
an epoch at once, so that it may train them one after the other or together.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn, optim

from atn_gym.arrays import FloatArray

Samples = tuple[Tensor, Tensor, Tensor | None]
"""Inputs (N, ...), labels (N,) and the indices of those in use, all if None."""


@dataclass(frozen=True, eq=False)
class EpochPlan:
    """All that an engine must know to train one epoch of one run.

    The effective hyperparameters stand in the groups of the run's optimizer.

    Args:
        inputs: Training inputs as they stand, float32 (N, C, H, W).
        labels: Training labels as they stand, int64 (N,).
        pool: Indices of the samples from which the mini-batches are drawn; all if None.
        order: Sample indices of every mini-batch, int64 (steps, batch).
        loss_scale: Factor on the loss of every mini-batch, float32 (steps,); none if None.
        gradient_noise: Standard deviation of the noise on each mini-batch's gradient, in
            units of the gradient's root mean square.
        gradient_noise_seed: Seed of that noise.
        module_seed: Seed of what the network itself draws in training, such as dropout.
    """

    inputs: Tensor
    labels: Tensor
    order: Tensor
    loss_scale: Tensor | None
    gradient_noise: float
    gradient_noise_seed: int
    module_seed: int
    pool: Tensor | None = None

    @functools.cached_property
    def shape(self) -> tuple[int, int]:
        """Mini-batches in the epoch and samples in each."""
        steps, batch = self.order.shape
        return steps, batch

    @functools.cached_property
    def samples(self) -> Samples:
        """What the mini-batches are drawn from."""
        return self.inputs, self.labels, self.pool


@dataclass(frozen=True, eq=False)
class TrainResult:
    """Outcome of one epoch of n runs.

    Args:
        loss: Mean over the mini-batches of the loss before any scaling, (n,).
        scaled_loss: The same with the loss scale, (n,).
        accuracy: Share of right answers while training, (n,).
        finite: Whether every loss and every parameter is finite, (n,).
        signals: In the order of `GRADIENT_SIGNALS`, (n, 5); None if the engine measures none.
    """

    loss: FloatArray
    scaled_loss: FloatArray
    accuracy: FloatArray
    finite: NDArray[np.bool_]
    signals: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class EvaluationPlan:
    """A labelled set of samples.

    Args:
        inputs: Inputs, float32 (M, C, H, W).
        labels: Labels, int64 (M,).
    """

    inputs: Tensor
    labels: Tensor

    @functools.cached_property
    def samples(self) -> Samples:
        """All of them."""
        return self.inputs, self.labels, None


class Engine(Protocol):
    """R runs of one task; `run` indexes them."""

    def reset(self, runs: Sequence[int], seeds: Sequence[int], values: FloatArray) -> None:
        """Gives n runs fresh weights, drawn from the seed of each, and fresh optimizers.

        Args:
            runs: Indices of the runs.
            seeds: Seeds of the weights, each in [0, 2^63).
            values: Hyperparameters in the order of `HYPERPARAMETERS`, (n, 3).
        """

    def model(self, run: int) -> nn.Module:
        """The network of a run, whose parameters are the live ones."""

    def optimizer(self, run: int) -> optim.Optimizer:
        """The optimizer of a run, whose groups hold the live hyperparameters."""

    def set_hyperparameters(
        self, runs: Sequence[int], values: FloatArray, gains: FloatArray
    ) -> None:
        """Sets what the controllers of n runs chose; see `set_nominal_hyperparameters`.

        Args:
            runs: Indices of the runs.
            values: Values in the order of `HYPERPARAMETERS`, (n, 3).
            gains: Decades by which each effective learning rate exceeds the nominal one, (n,).
        """

    def train(self, runs: Sequence[int], plans: Sequence[EpochPlan]) -> TrainResult:
        """Trains n runs by an epoch, each by its plan."""

    def evaluate(
        self, runs: Sequence[int], plans: Sequence[EvaluationPlan]
    ) -> tuple[FloatArray, FloatArray]:
        """Mean loss (n,) and accuracy (n,) of n runs, each on its own samples."""

    def count_flops(self, inputs: Tensor) -> tuple[int, int]:
        """Operations in matrix products and convolutions: see `flops.count_flops`.

        Args:
            inputs: A mini-batch, float32 (N, C, H, W).

        Returns:
            Those to train on the mini-batch, and to evaluate one sample.
        """

    def get_state(self, run: int) -> dict[str, Any]:
        """Copies weights, buffers and optimizer state of a run."""

    def set_state(self, run: int, state: dict[str, Any]) -> None:
        """Puts a run into a state that `get_state` returned, of this or another slot."""
