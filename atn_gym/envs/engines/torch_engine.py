"""The reference engine: any module with any torch optimizer, eager, run by run."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim

from atn_gym.arrays import FloatArray
from atn_gym.envs.engines.base import EpochPlan, EvaluationPlan, TrainResult
from atn_gym.envs.engines.gradient_meter import GradientMeter
from atn_gym.envs.engines.threads import watched_threads
from atn_gym.envs.flops import count_flops
from atn_gym.envs.hyperparameters import HYPERPARAMETERS
from atn_gym.envs.optimizers import (
    make_optimizer,
    set_nominal_hyperparameters,
    switch_optimizer,
)
from atn_gym.envs.torch_settings import global_generator_seeded

_EVALUATION_BATCH = 500


class TorchEngine:
    """Trains runs one after the other in eager PyTorch.

    A network with an attribute `channels_last` that is true is laid out that way, which
    makes convolutions faster.

    Args:
        num_runs: Number of runs R.
        make_model: Makes a network whose initial weights are drawn from the seed given.
        optimizer: See `Task`.
        device: Where networks and data live.
        measures: Whether epochs give gradient signals.
    """

    def __init__(
        self,
        num_runs: int,
        make_model: Callable[[int], nn.Module],
        optimizer: str | Callable[..., optim.Optimizer],
        device: torch.device,
        measures: bool = False,
    ) -> None:
        self._make_model = make_model
        self._optimizer = optimizer
        self._device = device
        self._models: list[nn.Module | None] = [None] * num_runs
        self._optimizers: list[optim.Optimizer | None] = [None] * num_runs
        self._measures = measures
        self._initial: list[list[Tensor]] = [[] for _ in range(num_runs)]

    def reset(self, runs: Sequence[int], seeds: Sequence[int], values: FloatArray) -> None:
        """Gives n runs fresh weights, drawn on the CPU for every device."""
        for run, seed, row in zip(runs, seeds, values.tolist(), strict=True):
            self._reset(run, seed, dict(zip(HYPERPARAMETERS, row, strict=True)))

    def _reset(self, run: int, seed: int, hyperparameters: dict[str, float]) -> None:
        model = self._make_model(seed).to(self._device)
        if getattr(model, "channels_last", False):
            model = model.to(memory_format=torch.channels_last)
        self._models[run] = model
        self._optimizers[run] = make_optimizer(self._optimizer, model.parameters(), hyperparameters)
        if self._measures:
            self._initial[run] = [p.detach().clone() for p in model.parameters()]

    def model(self, run: int) -> nn.Module:
        """The network of a run."""
        model = self._models[run]
        assert model is not None
        return model

    def optimizer(self, run: int) -> optim.Optimizer:
        """The optimizer of a run."""
        optimizer = self._optimizers[run]
        assert optimizer is not None
        return optimizer

    def set_hyperparameters(
        self, runs: Sequence[int], values: FloatArray, gains: FloatArray
    ) -> None:
        """Sets what the controllers of n runs chose."""
        for run, chosen, gain in zip(runs, values.tolist(), gains.tolist(), strict=True):
            named = dict(zip(HYPERPARAMETERS, chosen, strict=True))
            set_nominal_hyperparameters(self.optimizer(run), named, gain)

    def train(self, runs: Sequence[int], plans: Sequence[EpochPlan]) -> TrainResult:
        """Trains n runs by an epoch, one after the other."""
        on_cpu = self._device.type == "cpu"
        with watched_threads() if on_cpu else contextlib.nullcontext():
            rows = [self.train_run(r, plan) for r, plan in zip(runs, plans, strict=True)]
        return TrainResult(*map(np.array, zip(*rows, strict=True)))

    def initial(self, run: int) -> list[Tensor]:
        """The parameters with which a run began; none if epochs give no gradient signals."""
        return self._initial[run]

    def train_run(self, run: int, plan: EpochPlan) -> tuple[Any, ...]:
        """Trains one run by an epoch; returns its row of a `TrainResult`."""
        model, optimizer = self.model(run), self.optimizer(run)
        noise = _GradientNoise(model, plan) if plan.gradient_noise else None
        steps, batch = plan.order.shape
        labels = plan.labels[plan.order]
        outputs: list[Tensor] = []
        model.train()
        step_with_loss: Callable[..., object] | None = None
        if getattr(optimizer, "needs_loss", False):
            step_with_loss = optimizer.step
        switch_optimizer(optimizer, "train")
        meter = GradientMeter(model.parameters()) if self._measures else None
        with global_generator_seeded(plan.module_seed, self._device):
            for step, samples in enumerate(plan.order):
                logits = model(plan.inputs.index_select(0, samples))
                loss = F.cross_entropy(logits, labels[step])
                if plan.loss_scale is not None:
                    loss = loss * plan.loss_scale[step]
                optimizer.zero_grad()
                loss.backward()
                if noise is not None:
                    noise.add()
                if meter is not None:
                    meter.look()
                if step_with_loss is None:
                    optimizer.step()
                else:
                    step_with_loss(loss.detach)
                outputs.append(logits.detach())
        switch_optimizer(optimizer, "eval")
        # Metrics of the whole epoch at once: small operations cost a step dearly.
        logits, targets = torch.cat(outputs), labels.flatten()
        losses = F.cross_entropy(logits, targets, reduction="none").view(steps, batch).mean(1)
        losses = losses.double()
        scaled = losses if plan.loss_scale is None else losses * plan.loss_scale
        accuracy = (logits.argmax(1) == targets).double().mean().item()
        finite = bool(losses.isfinite().all()) and all(
            bool(p.isfinite().all()) for p in model.parameters()
        )
        row = losses.mean().item(), scaled.mean().item(), accuracy, finite
        return row if meter is None else (*row, meter.signals(self._initial[run]))

    def evaluate(
        self, runs: Sequence[int], plans: Sequence[EvaluationPlan]
    ) -> tuple[FloatArray, FloatArray]:
        """Mean loss (n,) and accuracy (n,) of n runs, each on its own samples."""
        rows = [self.evaluate_run(r, plan) for r, plan in zip(runs, plans, strict=True)]
        loss, accuracy = map(np.array, zip(*rows, strict=True))
        return loss, accuracy

    @torch.inference_mode()
    def evaluate_run(self, run: int, plan: EvaluationPlan) -> tuple[float, float]:
        """Mean loss and accuracy of one run."""
        model = self.model(run).eval()
        loss = torch.zeros((), dtype=torch.float64, device=self._device)
        correct = torch.zeros((), dtype=torch.int64, device=self._device)
        batches = zip(
            plan.inputs.split(_EVALUATION_BATCH), plan.labels.split(_EVALUATION_BATCH), strict=True
        )
        for inputs, labels in batches:
            logits = model(inputs)
            loss += F.cross_entropy(logits, labels, reduction="sum")
            correct += (logits.argmax(1) == labels).sum()
        count = len(plan.labels)
        return loss.item() / count, correct.item() / count

    def count_flops(self, inputs: Tensor) -> tuple[int, int]:
        """Lets torch count, on the CPU."""
        return count_flops(self._make_model, inputs.cpu())

    def get_state(self, run: int) -> dict[str, Any]:
        """Copies weights, buffers and optimizer state of a run."""
        return {
            "model": copy.deepcopy(self.model(run).state_dict()),
            "optimizer": copy.deepcopy(self.optimizer(run).state_dict()),
        }

    def set_state(self, run: int, state: dict[str, Any]) -> None:
        """Puts a run into a state that `get_state` returned."""
        self.model(run).load_state_dict(state["model"])
        # Optimizers keep the tensors they are handed, and would then train in the state.
        self.optimizer(run).load_state_dict(copy.deepcopy(state["optimizer"]))


class _GradientNoise:
    """Adds noise to the gradient of each mini-batch, drawn on the CPU on every device."""

    def __init__(self, model: nn.Module, plan: EpochPlan) -> None:
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._scale = plan.gradient_noise
        self._generator = torch.Generator().manual_seed(plan.gradient_noise_seed)

    def add(self) -> None:
        gradients: list[Tensor] = [p.grad for p in self._parameters if p.grad is not None]
        sizes = [g.numel() for g in gradients]
        norm = torch.nn.utils.get_total_norm(gradients)
        noise = torch.randn(sum(sizes), generator=self._generator).to(norm.device)
        noise *= norm * (self._scale / sum(sizes) ** 0.5)
        for gradient, part in zip(gradients, noise.split(sizes), strict=True):
            gradient += part.view(gradient.shape)
