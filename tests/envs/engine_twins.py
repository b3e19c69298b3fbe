"""A compiled and a torch engine of the same network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from atn_gym.envs.engines import EpochPlan, TorchEngine
from atn_gym.envs.engines.compiled_engine import CompiledEngine
from atn_gym.envs.networks import SmallCnn

Shape = tuple[int, int, int]


WEIGHT_TOLERANCE = {"rtol": 1e-3, "atol": 1e-4}


USUAL = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-4}


class Twins:
    """A compiled and a torch engine of the same network, with the same samples."""

    def __init__(
        self,
        shape: Shape = (1, 8, 8),
        channels: tuple[int, int] = (8, 16),
        hidden: int = 32,
        classes: int = 10,
        optimizer: str = "sgd",
        num_samples: int = 96,
        num_runs: int = 1,
    ) -> None:
        def make(seed: int) -> SmallCnn:
            generator = torch.Generator().manual_seed(seed)
            return SmallCnn(shape, classes, channels, hidden, generator)

        self.compiled = CompiledEngine(num_runs, make, optimizer, shape)
        self.torch = TorchEngine(num_runs, make, optimizer, torch.device("cpu"))
        source = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(num_samples, *shape, generator=source)
        self.labels = torch.randint(classes, (num_samples,), generator=source)
        for engine in self.both:
            for run in range(num_runs):
                engine.reset(run, run, USUAL)

    @property
    def both(self) -> tuple[CompiledEngine, TorchEngine]:
        return self.compiled, self.torch

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

    def assert_alike(self) -> None:
        states = [engine.get_state(0) for engine in self.both]
        assert states[0]["optimizer"]["param_groups"] == states[1]["optimizer"]["param_groups"]
        for part in ("model", "optimizer"):
            first, second = ({**state[part]} for state in states)
            first.pop("param_groups", None), second.pop("param_groups", None)
            torch.testing.assert_close(first, second, **WEIGHT_TOLERANCE)
