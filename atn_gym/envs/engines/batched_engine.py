"""Many runs of any network at once, by stacked weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn, optim

from atn_gym.arrays import FloatArray
from atn_gym.envs.engines.base import EpochPlan, EvaluationPlan, TrainResult
from atn_gym.envs.engines.flat_run import FlatRun
from atn_gym.envs.engines.stacked_network import ALIGNMENT, StackedNetwork
from atn_gym.envs.engines.stacks import (
    StackedEpoch,
    StackedRuns,
    stack,
    stack_size,
    stacked_samples,
)
from atn_gym.envs.engines.threads import in_threads
from atn_gym.envs.engines.torch_engine import TorchEngine
from atn_gym.errors import InvalidArgument

_TOGETHER = {"cpu": 16}
"""Most runs in a stack, by type of device: more do not fit into the caches of a core."""
_MOST_TOGETHER = 1024
_EVALUATION_BATCH = 128

_Row = tuple[float, float, float, bool]


class _Job(NamedTuple):
    """Runs that are trained or evaluated together, with their places among all."""

    places: list[int]
    flats: list[FlatRun]
    plans: list[Any]


class BatchedEngine:
    """Trains many runs of one network at once: their weights are stacked.

    Stacks of up to 16 runs are trained side by side, in as many threads as torch has. On a
    CPU a run has the same bits in any slot, beside any number of runs and with any number of
    threads if its batch size, and the number of values of every parameter that multiplies
    a matrix, are multiples of 16. If not, it is the same only up to rounding, because the rows
    of a stack then lie differently in memory. An epoch equals one of the torch engine to a
    relative 1e-4 in the loss. Dropout zeroes the values that it zeroes there on a CPU: each run
    draws from a generator of its own. No GPU was at hand to measure the engine on.

    A run that a regime has changed beyond values, such as one with frozen weights, is trained
    by the torch engine. Gradients (`parameter.grad`) are not kept.

    Args:
        num_runs: Number of runs R.
        make_model: Makes a network whose initial weights are drawn from the seed given.
        optimizer: "sgd" or "adamw".
        device: Where networks and data live.
        inputs: A mini-batch, float32 (N, C, H, W), with which the network is tried.

    Raises:
        InvalidArgument: If the network cannot be stacked.
    """

    def __init__(
        self,
        num_runs: int,
        make_model: Callable[[int], nn.Module],
        optimizer: str,
        device: torch.device,
        inputs: Tensor,
    ) -> None:
        self._torch = TorchEngine(num_runs, make_model, optimizer, device)
        self._network = StackedNetwork(make_model, device)
        self._device = device
        obstacle = self._network.obstacle(inputs)
        if obstacle is not None:
            raise InvalidArgument(f"engine='batched' {obstacle}: use engine='torch'")
        self._flat: list[FlatRun | None] = [None] * num_runs

    def reset(self, runs: Sequence[int], seeds: Sequence[int], values: FloatArray) -> None:
        """Gives n runs the weights that the torch engine would, and fresh optimizers."""
        self._torch.reset(runs, seeds, values)
        for run in runs:
            self._flat[run] = FlatRun(
                self.model(run), self.optimizer(run), filters_last=False, alignment=ALIGNMENT
            )

    def model(self, run: int) -> nn.Module:
        """The network of a run, whose parameters are views of flat arrays."""
        return self._torch.model(run)

    def optimizer(self, run: int) -> optim.Optimizer:
        """The optimizer of a run."""
        return self._torch.optimizer(run)

    def set_hyperparameters(
        self, runs: Sequence[int], values: FloatArray, gains: FloatArray
    ) -> None:
        """Sets what the controllers of n runs chose."""
        self._torch.set_hyperparameters(runs, values, gains)

    def train(self, runs: Sequence[int], plans: Sequence[EpochPlan]) -> TrainResult:
        """Trains n runs by an epoch, in stacks."""
        rows = self._in_stacks(self._train_stack, self._torch.train_run, runs, plans)
        return TrainResult(*map(np.array, zip(*rows, strict=True)))

    def evaluate(
        self, runs: Sequence[int], plans: Sequence[EvaluationPlan]
    ) -> tuple[FloatArray, FloatArray]:
        """Mean loss (n,) and accuracy (n,) of n runs, each on its own samples."""
        rows = self._in_stacks(self._evaluate_stack, self._torch.evaluate_run, runs, plans)
        loss, accuracy = map(np.array, zip(*rows, strict=True))
        return loss, accuracy

    def _in_stacks(
        self,
        together: Callable[[_Job], list[Any]],
        apart: Callable[[int, Any], Any],
        runs: Sequence[int],
        plans: Sequence[Any],
    ) -> list[Any]:
        """Results of n runs: of stacks, or of single runs where only torch can."""
        found: dict[int, Any] = {}
        jobs = list(self._jobs(runs, plans))
        alone = self._device.type == "cpu"
        for job, rows in zip(jobs, in_threads(together, jobs, alone), strict=True):
            found.update(zip(job.places, rows, strict=True))
        return [
            found[i] if i in found else apart(run, plan)
            for i, (run, plan) in enumerate(zip(runs, plans, strict=True))
        ]

    def _jobs(self, runs: Sequence[int], plans: Sequence[Any]) -> Iterator[_Job]:
        ready = []
        for i, run in enumerate(runs):
            flat = self._flat[run]
            assert flat is not None
            if flat.adopt() and self._network.has_buffers_of(self.model(run)):
                ready.append((i, flat, plans[i]))
        most = _TOGETHER.get(self._device.type, _MOST_TOGETHER)
        if self._device.type == "cpu":
            most = min(most, -(-len(ready) // torch.get_num_threads()))
        while ready:
            size = stack_size(len(ready), most)
            part, ready = ready[:size], ready[size:]
            yield _Job(*map(list, zip(*part, strict=True)))

    def _train_stack(self, job: _Job) -> list[_Row]:
        values, epoch = StackedRuns(job.flats), StackedEpoch(job.plans)
        losses, scaled, right = [], [], []
        for samples, labels, scale in epoch:
            factors = epoch.factors(self._network.dropouts(samples[0]))
            gradient, loss, hits = self._network.gradients(
                values.weights, samples, labels, scale, factors
            )
            epoch.add_noise(gradient, self._network.places)
            values.step(gradient)
            losses.append(loss.double())
            scaled.append(losses[-1] * scale)
            right.append(hits)
        values.write_back(len(losses))
        table, num_samples = torch.stack(losses), job.plans[0].order.numel()
        # Fetched once: a device is not waited for after every mini-batch.
        columns = [
            table.mean(0).tolist(),
            torch.stack(scaled).mean(0).tolist(),
            (torch.stack(right).sum(0) / num_samples).tolist(),
            (table.isfinite().all(0) & values.weights.isfinite().all(1)).tolist(),
        ]
        return list(zip(*columns, strict=True))[: len(job.plans)]

    def _evaluate_stack(self, job: _Job) -> list[tuple[float, float]]:
        weights = stack([flat.weights for flat in job.flats])
        lengths = [len(plan.labels) for plan in job.plans]
        parts = []
        for first in range(0, max(lengths), _EVALUATION_BATCH):
            block = torch.arange(first, first + _EVALUATION_BATCH, device=self._device)
            places = [block.clamp(max=length - 1) for length in lengths]
            inputs = stacked_samples([plan.inputs for plan in job.plans], stack(places))
            labels = stacked_samples([plan.labels for plan in job.plans], stack(places))
            parts.append(self._network.losses(weights, inputs, labels))
        loss, right = (torch.cat(column, 1).double() for column in zip(*parts, strict=True))
        # Each by itself: how many samples others have must not change the order of summation.
        columns = [
            torch.stack([values[i, :n].mean() for i, n in enumerate(lengths)]).tolist()
            for values in (loss, right)
        ]
        return list(zip(*columns, strict=True))

    def count_flops(self, inputs: Tensor) -> tuple[int, int]:
        """Lets torch count, on the CPU."""
        return self._torch.count_flops(inputs)

    def get_state(self, run: int) -> dict[str, Any]:
        """Copies weights, buffers and optimizer state of a run."""
        flat = self._flat[run]
        assert flat is not None
        return flat.get_state()

    def set_state(self, run: int, state: dict[str, Any]) -> None:
        """Puts a run into a state that `get_state` returned."""
        self._torch.set_state(run, state)
