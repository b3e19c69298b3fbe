"""The fast engine: `SmallCnn` on a CPU, by compiled kernels."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn, optim

from atn_gym.arrays import FloatArray
from atn_gym.envs.engines.base import EpochPlan, EvaluationPlan, TrainResult
from atn_gym.envs.engines.flat_run import FlatRun, in_memory_order
from atn_gym.envs.engines.gradient_meter import moved
from atn_gym.envs.engines.kernels.building import build
from atn_gym.envs.engines.kernels.epoch import entry_points
from atn_gym.envs.engines.kernels.layout import lanes_of, make_network, packed_places
from atn_gym.envs.engines.kernels.teamwork import make_progress
from atn_gym.envs.engines.kernels.updates import Hyperparameters
from atn_gym.envs.engines.kernels.workspace import Workspace, make_workspace
from atn_gym.envs.engines.team import as_team, threads_each
from atn_gym.envs.engines.threads import in_threads
from atn_gym.envs.engines.torch_engine import TorchEngine
from atn_gym.envs.gradient_signals import epoch_signals
from atn_gym.errors import InvalidArgument

_NOISE_AT_ONCE = 2**20
"""Draws of gradient noise that are held at a time."""

_SMALL_FLOPS = 5e8
"""Operations, forward, of the least work that threads share: to start them takes 0.1 ms."""

_SAMPLES_PER_THREAD = 8
"""Samples of a micro-batch that each thread needs; the kernels take eight at a time."""


class CompiledEngine:
    """Trains runs by compiled kernels, in as many threads as torch has.

    Each thread trains a run. Where there are fewer runs than threads, they share each
    mini-batch of a run. A result does not depend on the number of threads.

    Each run keeps a real network and a real optimizer. While a regime leaves them as they
    were made, apart from values, kernels train them. The torch engine that holds them trains
    a network with hooks, frozen weights or other parts. Gradients (`parameter.grad`) are not
    kept.

    Args:
        num_runs: Number of runs R.
        make_model: Makes a `SmallCnn` whose initial weights are drawn from the seed given.
        optimizer: "sgd" or "adamw".
        input_shape: Channels, height and width of a sample.
        measures: Whether epochs give gradient signals.

    Raises:
        InvalidArgument: If a sample is too large for the kernels.
    """

    def __init__(
        self,
        num_runs: int,
        make_model: Callable[[int], nn.Module],
        optimizer: str,
        input_shape: tuple[int, int, int],
        measures: bool = False,
    ) -> None:
        device = torch.device("cpu")
        self._torch = TorchEngine(num_runs, make_model, optimizer, device, measures)
        self._measures = measures
        with torch.device("meta"):
            shapes = {name: p.shape for name, p in make_model(0).named_parameters()}
        channels = shapes["conv1.bias"][0], shapes["conv2.bias"][0]
        hidden, classes = shapes["linear1.bias"][0], shapes["linear2.bias"][0]
        self._input_shape = input_shape
        self._classes = classes
        self._network = make_network(input_shape, channels, hidden, classes)
        weights = [p.numel() for p in shapes.values() if len(p) > 1]
        pixels = input_shape[1] * input_shape[2], (input_shape[1] // 2) * (input_shape[2] // 2)
        self._layers = [2 * n * m for n, m in zip(weights, (*pixels, 1, 1), strict=True)]
        lanes = lanes_of(self._network.first), lanes_of(self._network.second)
        self._train_steps, self._evaluate_samples = entry_points(*lanes)
        places = [torch.from_numpy(part) for part in packed_places(self._network, hidden)]
        self._places = torch.cat([in_memory_order(part).flatten() for part in places]).numpy()
        self._noise_places = torch.cat([part.flatten() for part in places]).numpy()
        self._flat: list[FlatRun | None] = [None] * num_runs
        self._spaces: list[Workspace] = []
        self._build()

    def _build(self) -> None:
        """Trains no step and evaluates no sample, so that the kernels are compiled."""
        nothing, empty = np.zeros(0, np.float32), np.zeros(0, np.int64)
        order, noise = np.zeros((0, 1), np.int64), np.zeros((0, 1), np.float32)
        values = Hyperparameters(False, 0.0, 0.0, 0.0, 0.0, 0.0)
        net, places, progress = self._network, self._noise_places, make_progress()
        losses, right, looks = np.zeros((0, 1)), np.zeros((0, 1), np.bool_), np.zeros((0, 4))
        with self._workspace() as space:
            build(
                lambda: self._train_steps(
                    nothing,
                    empty,
                    order,
                    nothing,
                    noise,
                    0.0,
                    places,
                    nothing,
                    looks,
                    values,
                    0,
                    net,
                    space,
                    losses,
                    right,
                    progress,
                    1,
                    True,
                ),
                lambda: self._evaluate_samples(
                    nothing, empty, net, space, losses[:, 0], right[:, 0], progress, 1, True
                ),
            )

    def reset(self, runs: Sequence[int], seeds: Sequence[int], values: FloatArray) -> None:
        """Gives n runs the weights that the torch engine would, and fresh optimizers."""
        self._torch.reset(runs, seeds, values)
        for run in runs:
            self._flat[run] = FlatRun(self.model(run), self.optimizer(run))

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
        """Trains n runs by an epoch, several at once."""
        results = in_threads(
            functools.partial(self._train_flat, threads=threads_each(len(runs))),
            list(zip(runs, plans, strict=True)),
        )
        rows = [
            self._torch.train_run(run, plan) if row is None else row
            for run, plan, row in zip(runs, plans, results, strict=True)
        ]
        return TrainResult(*map(np.array, zip(*rows, strict=True)))

    def _train_flat(self, job: tuple[int, EpochPlan], threads: int) -> tuple[Any, ...] | None:
        """Trains one run by an epoch; None, and nothing done, if only torch can."""
        flat, plan = self._flat[job[0]], job[1]
        assert flat is not None
        if not flat.adopt():
            return None
        started = flat.steps
        values = _hyperparameters(flat)
        inputs, labels = self._samples(plan.inputs, plan.labels)
        order = plan.order.numpy()
        if order.min() < 0 or order.max() >= len(labels):
            raise InvalidArgument(
                f"mini-batches must draw samples from 0 to {len(labels) - 1}, got "
                f"{order.min()} to {order.max()}"
            )
        steps, batch = order.shape
        scale = plan.loss_scale.numpy() if plan.loss_scale is not None else np.ones(steps, "f4")
        losses, right = self._outcomes(steps, batch)
        threads = self._team_size(threads, steps * batch)
        with self._workspace() as space:
            packed = (space.weights, space.momentum, space.square)
            flats = (flat.weights, *flat.buffers)
            for array in packed:
                array.fill(0)
            for array, values_kept in zip(packed, flats, strict=False):
                array[self._places] = values_kept.numpy()
            looks = np.zeros((steps + 1 if self._measures else 0, 4))
            previous = space.weights.copy() if self._measures else space.weights[:0]
            for first, last, noise in self._noise(plan, steps):
                train = functools.partial(
                    self._train_steps,
                    inputs,
                    labels,
                    order[first:last],
                    scale[first:last],
                    noise,
                    plan.gradient_noise,
                    self._noise_places,
                    previous,
                    looks[first:last],
                    values,
                    started + first,
                    self._network,
                    space,
                    losses[first:last],
                    right[first:last],
                    make_progress(),
                    threads,
                )
                as_team(train, threads)
            for array, values_kept in zip(packed, flats, strict=False):
                np.take(array, self._places, out=values_kept.numpy())
            if self._measures:
                last = (space.weights - previous)[self._noise_places].astype(np.float64)
                looks[steps, 2] = np.square(last).sum()
        if values.adaptive or started or values.momentum:
            flat.record(started + steps)
        means = self._sums(losses) / batch
        finite = bool(np.isfinite(means).all()) and flat.finite()
        accuracy = np.count_nonzero(right) / (steps * batch)
        row = means.mean(), (means * scale).mean(), accuracy, finite
        if not self._measures:
            return row
        moves = moved(list(self.model(job[0]).parameters()), self._torch.initial(job[0]))
        return (*row, epoch_signals(looks, moves))

    def _noise(self, plan: EpochPlan, steps: int) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
        """Splits an epoch into parts, each with its gradient noise, one row a step."""
        size = self._noise_places.size
        if not plan.gradient_noise:
            yield 0, steps, np.zeros((0, 1), np.float32)
            return
        source = torch.Generator().manual_seed(plan.gradient_noise_seed)
        part = max(1, _NOISE_AT_ONCE // size)
        for first in range(0, steps, part):
            last = min(first + part, steps)
            draws = [torch.randn(size, generator=source) for _ in range(first, last)]
            yield first, last, torch.stack(draws).numpy()

    def evaluate(
        self, runs: Sequence[int], plans: Sequence[EvaluationPlan]
    ) -> tuple[FloatArray, FloatArray]:
        """Mean loss (n,) and accuracy (n,) of n runs, each on its own samples."""
        results = in_threads(
            functools.partial(self._evaluate_flat, threads=threads_each(len(runs))),
            list(zip(runs, plans, strict=True)),
        )
        rows = [
            self._torch.evaluate_run(run, plan) if row is None else row
            for run, plan, row in zip(runs, plans, results, strict=True)
        ]
        loss, accuracy = map(np.array, zip(*rows, strict=True))
        return loss, accuracy

    def _evaluate_flat(
        self, job: tuple[int, EvaluationPlan], threads: int
    ) -> tuple[float, float] | None:
        flat, plan = self._flat[job[0]], job[1]
        assert flat is not None
        if not flat.adopt():
            return None
        inputs, labels = self._samples(plan.inputs, plan.labels)
        with self._workspace() as space:
            space.weights.fill(0)
            space.weights[self._places] = flat.weights.numpy()
            losses, right = self._outcomes(1, len(labels))
            threads = self._team_size(threads, len(labels))
            evaluate = functools.partial(
                self._evaluate_samples,
                inputs,
                labels,
                self._network,
                space,
                losses[0],
                right[0],
                make_progress(),
                threads,
            )
            as_team(evaluate, threads)
        return self._sums(losses)[0] / len(labels), np.count_nonzero(right) / len(labels)

    def _team_size(self, threads: int, samples: int) -> int:
        """How many of some threads share the work: one, where more would gain nothing."""
        if samples * sum(self._layers) < _SMALL_FLOPS:
            return 1
        return max(1, min(threads, self._network.micro_batch // _SAMPLES_PER_THREAD))

    def _outcomes(self, steps: int, batch: int) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Room for the losses of an epoch and for whether answers are right, (steps, batch).

        Mini-batches are padded to whole micro-batches.
        """
        shape = steps, -(-batch // self._network.micro_batch) * self._network.micro_batch
        return np.zeros(shape), np.zeros(shape, np.bool_)

    def _sums(self, losses: FloatArray) -> FloatArray:
        """Sums of each mini-batch, added up in order: within micro-batches, then over these."""
        parts = losses.reshape(len(losses), -1, self._network.micro_batch)
        sums: FloatArray = parts.cumsum(2)[..., -1].cumsum(1)[..., -1]
        return sums

    def count_flops(self, inputs: Tensor) -> tuple[int, int]:
        """Counts by the sizes of the network, for torch loads its compiler to count."""
        # Each layer is gone through three times, but none needs the gradient of the inputs.
        return len(inputs) * (3 * sum(self._layers) - self._layers[0]), sum(self._layers)

    def get_state(self, run: int) -> dict[str, Any]:
        """Copies weights, buffers and optimizer state of a run."""
        flat = self._flat[run]
        assert flat is not None
        return flat.get_state()

    def set_state(self, run: int, state: dict[str, Any]) -> None:
        """Puts a run into a state that `get_state` returned."""
        self._torch.set_state(run, state)

    def _samples(
        self, inputs: Tensor, labels: Tensor
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Samples as flat arrays, checked, for kernels check nothing."""
        shape = (len(labels), *self._input_shape)
        if inputs.dtype != torch.float32 or inputs.shape != shape:
            raise InvalidArgument(
                f"inputs must be a float32 tensor of shape {shape}, got {inputs.dtype} of shape "
                f"{tuple(inputs.shape)}"
            )
        low, high = labels.aminmax()
        if labels.dtype != torch.int64 or low < 0 or high >= self._classes:
            raise InvalidArgument(
                f"labels must be int64 from 0 to {self._classes - 1}, got {labels.dtype} from "
                f"{low} to {high}"
            )
        flat = inputs.detach().contiguous().view(-1).numpy()
        return flat, labels.contiguous().numpy()

    @contextlib.contextmanager
    def _workspace(self) -> Iterator[Workspace]:
        """A workspace for one thread, kept for the next that needs one."""
        try:
            space = self._spaces.pop()
        except IndexError:
            space = make_workspace(self._network)
        yield space
        self._spaces.append(space)


def _hyperparameters(flat: FlatRun) -> Hyperparameters:
    group = flat.group
    adaptive = "betas" in group
    first, second = group["betas"] if adaptive else (group["momentum"], 0.0)
    epsilon = group["eps"] if adaptive else 0.0
    numbers = (group["lr"], first, group["weight_decay"], second, epsilon)
    return Hyperparameters(adaptive, *(float(number) for number in numbers))
