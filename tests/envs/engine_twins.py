"""Two engines of the same network: one, and the torch engine beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import nn
from trainers import rows

from atn_gym.envs.engines import BatchedEngine, EpochPlan, TorchEngine
from atn_gym.envs.engines.compiled_engine import CompiledEngine
from atn_gym.envs.networks import SmallCnn
from atn_gym.envs.torch_settings import global_generator_seeded

Shape = tuple[int, int, int]
_Engine = TypeVar("_Engine", CompiledEngine, BatchedEngine)


WEIGHT_TOLERANCE = {"rtol": 1e-3, "atol": 1e-4}


USUAL = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-4}


class EngineTwins(Generic[_Engine]):
    """An engine and a torch engine of the same network, with the same samples."""

    mine: _Engine
    torch: TorchEngine
    inputs: torch.Tensor
    labels: torch.Tensor

    def begin(self, shape: Shape, classes: int, num_samples: int, num_runs: int) -> None:
        """Draws samples and resets all runs."""
        source = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(num_samples, *shape, generator=source)
        self.labels = torch.randint(classes, (num_samples,), generator=source)
        for engine in self.both:
            for run in range(num_runs):
                engine.reset([run], [run], rows([USUAL]))

    @property
    def both(self) -> tuple[_Engine, TorchEngine]:
        return self.mine, self.torch

    def plan(self, steps: int = 4, batch: int = 24, seed: int = 0, **fields: Any) -> EpochPlan:
        order = np.random.default_rng(seed).integers(len(self.labels), size=(steps, batch))
        plan = EpochPlan(self.inputs, self.labels, torch.from_numpy(order), None, 0.0, 1, 0)
        return replace(plan, **fields)

    def set(self, values: dict[str, float], run: int = 0) -> None:
        for engine in self.both:
            group = engine.optimizer(run).param_groups[0]
            group["lr"], group["weight_decay"] = values["learning_rate"], values["weight_decay"]
            if "betas" in group:
                group["betas"] = (values["momentum"], 0.999)
            else:
                group["momentum"] = values["momentum"]

    def train(self, plan: EpochPlan) -> tuple[Any, Any]:
        return tuple(engine.train([0], [plan]) for engine in self.both)  # type: ignore[return-value]

    def assert_alike(self, run: int = 0) -> None:
        states = [engine.get_state(run) for engine in self.both]
        assert states[0]["optimizer"]["param_groups"] == states[1]["optimizer"]["param_groups"]
        for part in ("model", "optimizer"):
            first, second = ({**state[part]} for state in states)
            first.pop("param_groups", None), second.pop("param_groups", None)
            torch.testing.assert_close(first, second, **WEIGHT_TOLERANCE)


class Twins(EngineTwins[CompiledEngine]):
    """A compiled and a torch engine of `SmallCnn`."""

    def __init__(
        self,
        shape: Shape = (1, 8, 8),
        channels: tuple[int, int] = (8, 16),
        hidden: int = 32,
        classes: int = 10,
        optimizer: str = "sgd",
        num_samples: int = 96,
        num_runs: int = 1,
        measures: bool = False,
    ) -> None:
        def make(seed: int) -> SmallCnn:
            generator = torch.Generator().manual_seed(seed)
            return SmallCnn(shape, classes, channels, hidden, generator)

        self.mine = CompiledEngine(num_runs, make, optimizer, shape, measures)
        self.torch = TorchEngine(num_runs, make, optimizer, torch.device("cpu"), measures)
        self.begin(shape, classes, num_samples, num_runs)

    @property
    def compiled(self) -> CompiledEngine:
        return self.mine


class BatchedTwins(EngineTwins[BatchedEngine]):
    """A batched and a torch engine of any network."""

    def __init__(
        self,
        network: Callable[[], nn.Module],
        shape: Shape = (1, 8, 8),
        classes: int = 10,
        optimizer: str = "sgd",
        num_samples: int = 96,
        num_runs: int = 1,
    ) -> None:
        def make(seed: int) -> nn.Module:
            with global_generator_seeded(seed):
                return network()

        device = torch.device("cpu")
        self.torch = TorchEngine(num_runs, make, optimizer, device)
        inputs = torch.randn(16, *shape, generator=torch.Generator().manual_seed(1))
        self.mine = BatchedEngine(num_runs, make, optimizer, device, inputs)
        self.begin(shape, classes, num_samples, num_runs)
