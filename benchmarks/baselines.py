"""The contestants of the throughput benchmark: the envs, and what they are measured against."""

from __future__ import annotations

import functools
import os
import time
import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import gymnasium
import numpy as np
import torch
import torch.nn.functional as F
from gymnasium.vector import AsyncVectorEnv
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset, random_split
from torchvision import datasets, transforms

from atn_gym.envs.data import data_directory, load_digits
from atn_gym.envs.tasks import Task

BATCH_SIZE = 64
VALIDATION_IMAGES = 6_000


class Contestant(Protocol):
    """Something that trains several runs."""

    num_runs: int

    def advance(self) -> None:
        """Trains and evaluates each run for one epoch."""

    def close(self) -> None:
        """Ends worker processes, if there are any."""


class OurEnv:
    """An env of the package, single or natively vectorised.

    Args:
        env_id: Its id.
        num_runs: Number of runs; None for the single env.
        **kwargs: Further arguments of the env.
    """

    def __init__(self, env_id: str, num_runs: int | None = None, **kwargs: Any) -> None:
        self.num_runs = num_runs or 1
        self._env = _make_env(env_id, num_runs, kwargs)
        self._env.reset(seed=0)
        self._idle = np.zeros(self._env.action_space.shape, np.float32)
        self._engine_seconds = 0.0
        for name in ("train", "evaluate"):
            self._time_engine(self._env.unwrapped.episodes._trainer._engine, name)
        self.overheads: list[float] = []
        """Share of each step that was not spent in training and evaluation."""
        self.flops = 0.0
        """FLOP per env step."""

    def _time_engine(self, engine: Any, name: str) -> None:
        method = getattr(engine, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            result = method(*args, **kwargs)
            self._engine_seconds += time.perf_counter() - start
            return result

        setattr(engine, name, timed)

    def advance(self) -> None:
        """Trains and evaluates each run for one epoch."""
        self._engine_seconds = 0.0
        start = time.perf_counter()
        *_, terminated, _, info = self._env.step(self._idle)
        self.overheads.append(1 - self._engine_seconds / (time.perf_counter() - start))
        self.flops = float(np.mean(info["flops"]))
        check_running(terminated)

    def close(self) -> None:
        """Closes the env."""
        self._env.close()


def _make_env(env_id: str, num_runs: int | None, kwargs: dict[str, Any]) -> Any:
    if num_runs is None:
        return gymnasium.make(env_id, **kwargs)
    return gymnasium.make_vec(env_id, num_envs=num_runs, **kwargs)


def check_running(terminated: NDArray[np.bool_] | bool) -> None:
    """Refuses to time a run that is over, for it costs nothing.

    Raises:
        RuntimeError: If a run is over.
    """
    if np.any(terminated):
        raise RuntimeError("a run ended while it was timed: its budget is too small or it diverged")


Samples = tuple[Any, Any]
"""Training and validation samples, as `torch.utils.data` data sets."""


def mnist_samples(train_size: int) -> Samples:
    """MNIST as a user of torchvision would load and split it: decoded again in every epoch."""
    normalise = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    )
    images = datasets.MNIST(data_directory(), train=True, download=True, transform=normalise)
    split = [len(images) - VALIDATION_IMAGES, VALIDATION_IMAGES]
    train, validation = random_split(images, split, torch.Generator().manual_seed(0))
    return Subset(train, range(train_size)), validation


def digits_samples(train_size: int) -> Samples:
    """Digits as tensors, in the splits of the envs."""
    digits = load_digits()
    train, validation = digits.train, digits.validation
    return (
        TensorDataset(train.inputs[:train_size], train.labels[:train_size]),
        TensorDataset(validation.inputs, validation.labels),
    )


class DataLoaderLoop:
    """The training loop of PyTorch's tutorials, for one run after the other.

    Args:
        samples: Training and validation samples, shared by all runs.
        models: The network of each run.
        initial: Its learning_rate, momentum and weight_decay.
        evaluation_batch: Samples in a batch of the validation loader.
    """

    def __init__(
        self,
        samples: Samples,
        models: Sequence[nn.Module],
        initial: dict[str, float],
        evaluation_batch: int = 500,
    ) -> None:
        train, validation = samples
        self.num_runs = len(models)
        self._train_loader: DataLoader[Any] = DataLoader(
            train, batch_size=BATCH_SIZE, shuffle=True, drop_last=True
        )
        self._validation_loader: DataLoader[Any] = DataLoader(
            validation, batch_size=evaluation_batch
        )
        self._runs = [(model, _sgd(model, initial)) for model in models]

    def advance(self) -> None:
        """Trains and evaluates each run for one epoch."""
        for model, optimizer in self._runs:
            self._train(model, optimizer)
            self._evaluate(model)

    def _train(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> float:
        model.train()
        total = 0.0
        for inputs, labels in self._train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
        return total / len(self._train_loader)

    @torch.no_grad()
    def _evaluate(self, model: nn.Module) -> tuple[float, int]:
        model.eval()
        total, correct = 0.0, 0
        for inputs, labels in self._validation_loader:
            logits = model(inputs)
            total += F.cross_entropy(logits, labels, reduction="sum").item()
            correct += int((logits.argmax(1) == labels).sum().item())
        return total, correct

    def close(self) -> None:
        """Does nothing."""


def _sgd(model: nn.Module, initial: dict[str, float]) -> torch.optim.SGD:
    return torch.optim.SGD(
        model.parameters(),
        lr=initial["learning_rate"],
        momentum=initial["momentum"],
        weight_decay=initial["weight_decay"],
    )


class AsyncEnvs:
    """Gymnasium's `AsyncVectorEnv` of single envs, in spawned processes.

    The cores are shared out among the workers: each has max(1, cores // workers) threads.
    """

    def __init__(self, env_id: str, num_runs: int, **kwargs: Any) -> None:
        self.num_runs = num_runs
        self.threads = max(1, (os.cpu_count() or 1) // num_runs)
        make = functools.partial(_make_worker, env_id, self.threads, kwargs)
        ours = torch.get_num_threads()
        self._envs = AsyncVectorEnv([make] * num_runs, context="spawn")
        # To learn the spaces, Gymnasium makes a worker's env in this process too.
        torch.set_num_threads(ours)
        self._envs.reset(seed=0)
        self._idle = np.zeros_like(self._envs.action_space.sample())

    def advance(self) -> None:
        """Trains and evaluates each run for one epoch."""
        *_, terminated, _, _ = self._envs.step(self._idle)
        check_running(terminated)

    def close(self) -> None:
        """Ends the worker processes."""
        self._envs.close()


def _make_worker(env_id: str, threads: int, kwargs: dict[str, Any]) -> gymnasium.Env[Any, Any]:
    import atn_gym  # noqa: F401

    torch.set_num_threads(threads)
    return gymnasium.make(env_id, **kwargs)


class DacBenchSgd:
    """DACBench's `SGDEnv` in its epoch mode, on MNIST with the network of a task.

    It trains by AdamW, which is not an option. Its loaders hold 6,048 validation images
    when 53,952 are trained on; both are cut to the sizes of the other contestants.

    Args:
        task: Whose network is trained.
        train_size: Number of training images.

    Raises:
        ImportError: If DACBench is not installed.
    """

    num_runs = 1

    def __init__(self, task: Task, train_size: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._env = _make_dacbench_env(task, train_size)

    def advance(self) -> None:
        """Trains and evaluates the run for one epoch."""
        _, _, terminated, truncated, _ = self._env.step(0.001)
        check_running(terminated or truncated)

    def close(self) -> None:
        """Does nothing."""


def _make_dacbench_env(task: Task, train_size: int) -> Any:
    from dacbench.benchmarks.sgd_benchmark import SGDBenchmark
    from dacbench.envs.sgd import SGDInstance

    steps_per_epoch = train_size // BATCH_SIZE
    instance = SGDInstance(
        model=lambda: nn.Sequential(make_mnist_model(task), nn.LogSoftmax(dim=1)),
        optimizer_type="AdamW",
        optimizer_params={},
        dataset_path=str(data_directory()),
        dataset_name="MNIST",
        batch_size=BATCH_SIZE,
        fraction_of_dataset=1.0,
        train_validation_ratio=0.9,
        seed=0,
    )
    benchmark = SGDBenchmark()
    # With a cutoff that is a multiple of the steps, every epoch validates on all images.
    benchmark.config.update(instance_set={0: instance}, cutoff=1000 * steps_per_epoch)
    env = benchmark.get_environment()
    env.reset(seed=0)
    del env.train_loader.dataset.indices[steps_per_epoch * BATCH_SIZE :]
    del env.validation_loader.dataset.indices[VALIDATION_IMAGES:]
    return env


def make_mnist_model(task: Task) -> nn.Module:
    """The network of a task for MNIST's images."""
    return task.network((1, 28, 28), 10, **task.network_kwargs)
