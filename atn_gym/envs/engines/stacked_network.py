"""One network with the weights of many runs, as traced functions of stacked tensors."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap

from atn_gym.envs.torch_settings import global_generator_seeded, usual_torch_settings

ALIGNMENT = 16
"""Float32 numbers in a cache line: rows of a stack begin at multiples of it."""

_Function = Callable[..., tuple[Tensor, ...]]

_tracing = threading.Lock()


def padded(size: int) -> int:
    """The least multiple of `ALIGNMENT` that is not below a size."""
    return -(-size // ALIGNMENT) * ALIGNMENT


class StackedNetwork:
    """Gradients and logits of n runs of a network at once.

    `torch.func` maps the network over its stacked weights. What it computes is traced once for
    each number of runs and samples, and then called without the module.

    Args:
        make_model: Makes the network from a seed, on the CPU.
        device: Where it computes.
    """

    def __init__(self, make_model: Callable[[int], nn.Module], device: torch.device) -> None:
        self._make_model = make_model
        self._device = device
        self._model = make_model(0).to(device)
        self._names = [name for name, _ in self._model.named_parameters()]
        self._shapes = [p.shape for p in self._model.parameters()]
        self._sizes = [p.numel() for p in self._model.parameters()]
        self._functions: dict[tuple[object, ...], _Function] = {}
        self.num_values = sum(padded(size) for size in self._sizes)
        """Numbers in the row of a run."""
        self.places = torch.cat(
            [
                torch.arange(size) + first
                for first, size in zip(self._starts(), self._sizes, strict=True)
            ]
        ).to(device)
        """Where the parameters stand in a row, int64 (P,)."""

    def _starts(self) -> Iterator[int]:
        start = 0
        for size in self._sizes:
            yield start
            start += padded(size)

    def obstacle(self, inputs: Tensor) -> str | None:
        """Says why the network cannot be stacked, as the end of a sentence; None if it can.

        Args:
            inputs: A mini-batch, float32 (N, C, H, W).
        """
        parameters = list(self._model.parameters())
        if not parameters or not all(
            p.requires_grad and p.dtype == torch.float32 for p in parameters
        ):
            return "trains networks whose parameters are all float32 and learn"
        other = dict(self._make_model(1).to(self._device).named_buffers())
        kept = {name: buffer.clone() for name, buffer in self._model.named_buffers()}
        if not _equal(other, kept):
            return "needs buffers that are the same in every run"
        with global_generator_seeded(0, self._device), torch.no_grad():
            self._model.train()(inputs)
        if not _equal(dict(self._model.named_buffers()), kept):
            return (
                "trains no network with buffers that change in training, such as the running "
                "statistics of BatchNorm"
            )
        with torch.no_grad():
            self._model.eval()
            part = inputs[: max(2, len(inputs) // 2)]
            together, apart = self._model(inputs)[: len(part)], self._model(part)
        if not torch.allclose(together, apart, rtol=1e-3, atol=1e-4):
            return "trains no network whose evaluation mixes the samples of a batch"
        labels = torch.zeros(2, len(inputs), dtype=torch.int64, device=self._device)
        weights = torch.zeros(2, self.num_values, device=self._device)
        try:
            stacked = inputs.expand(2, *inputs.shape)
            self.gradients(weights, stacked, labels, torch.ones(2, device=self._device))
        except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
            if "randomness" in str(error):
                return "trains no network that draws random numbers, as dropout does"
            if "not have been used in the graph" in str(error):
                return "trains networks in which every parameter takes part"
            reason = str(error).strip().splitlines()[0].rstrip(".")
            return f"needs a network that torch.func can map over its weights ({reason})"
        return None

    def has_buffers_of(self, model: nn.Module) -> bool:
        """Whether the buffers of a run's network are those that all runs share."""
        return _equal(dict(model.named_buffers()), dict(self._model.named_buffers()))

    def gradients(
        self, weights: Tensor, inputs: Tensor, labels: Tensor, scale: Tensor
    ) -> tuple[Tensor, ...]:
        """Trains no weight, but says how.

        Args:
            weights: Rows of the runs, (n, `num_values`).
            inputs: A mini-batch of each run, (n, B, C, H, W).
            labels: Its labels, int64 (n, B).
            scale: Factor on the loss of each run, (n,).

        Returns:
            Gradients of the scaled losses in the places of the weights, the mean losses
            before scaling (n,), and the numbers of right answers (n,).
        """
        return self._traced(self._gradients, weights, inputs, labels, scale)

    def losses(self, weights: Tensor, inputs: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Loss (n, B) and whether the answer is right (n, B), of each sample, in evaluation."""
        return self._traced(self._losses, weights, inputs, labels)

    def _traced(self, function: _Function, *arguments: Tensor) -> tuple[Tensor, ...]:
        # What is traced holds for one layout in memory.
        arguments = tuple(argument.contiguous() for argument in arguments)
        key = function.__name__, *(argument.shape for argument in arguments)
        if key not in self._functions:
            with _tracing:
                self._functions[key] = _trace(function, *arguments)
        with torch.no_grad():
            return self._functions[key](*arguments)

    def _gradients(
        self, weights: Tensor, inputs: Tensor, labels: Tensor, scale: Tensor
    ) -> tuple[Tensor, ...]:
        parts = self._parts(weights.detach())
        leaves = [part.requires_grad_() for part in parts]
        logits = self._logits(self._model.train(), leaves, inputs)
        losses = _cross_entropy(logits, labels).mean(1)
        found = torch.autograd.grad((losses * scale).sum(), leaves)
        rows = [_padded(part.flatten(1)) for part in found]
        right = (logits.argmax(-1) == labels).sum(1)
        return torch.cat(rows, 1), losses.detach(), right

    def _losses(self, weights: Tensor, inputs: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        logits = self._logits(self._model.eval(), self._parts(weights), inputs)
        return _cross_entropy(logits, labels), logits.argmax(-1) == labels

    def _sized(self, parts: Sequence[Tensor]) -> Iterator[tuple[Tensor, int]]:
        return zip(parts, self._sizes, strict=True)

    def _parts(self, weights: Tensor) -> list[Tensor]:
        """The stacked parameters, (n, *shape) each."""
        rows = weights.split([padded(size) for size in self._sizes], 1)
        return [
            row[:, :size].unflatten(1, shape)
            for (row, size), shape in zip(self._sized(rows), self._shapes, strict=True)
        ]

    def _logits(self, model: nn.Module, parts: Sequence[Tensor], inputs: Tensor) -> Tensor:
        def call(parameters: dict[str, Tensor], samples: Tensor) -> Tensor:
            logits: Tensor = functional_call(model, parameters, (samples,))
            return logits

        named = dict(zip(self._names, parts, strict=True))
        mapped: Tensor = vmap(call, randomness="error")(named, inputs)
        return mapped


def _equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) for name, value in first.items()
    )


def _padded(rows: Tensor) -> Tensor:
    """Rows with zeros up to a length of which `ALIGNMENT` is a divisor."""
    missing = padded(rows.shape[1]) - rows.shape[1]
    return F.pad(rows, (0, missing)) if missing else rows


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Losses (n, B) of logits (n, B, classes)."""
    losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return losses.view(labels.shape)


@usual_torch_settings()
def _trace(function: _Function, *arguments: Tensor) -> _Function:
    """Turns a function into a list of operations on tensors of the same shapes."""
    # Loads torch's compiler, which takes seconds: only where it is needed.
    from torch.fx.experimental.proxy_tensor import make_fx
    from torch.nn.attention import SDPBackend, sdpa_kernel

    # Fused attention cannot be mapped over weights.
    fused = sdpa_kernel(SDPBackend.MATH) if arguments[0].device.type == "cpu" else None
    with fused or contextlib.nullcontext():
        traced: Any = make_fx(lambda *tensors: function(*tensors))(*arguments)
    for node in list(traced.graph.nodes):
        if _changes_nothing(node):
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)
    traced.graph.eliminate_dead_code()
    traced.recompile()
    called: _Function = traced.forward
    return called


def _changes_nothing(node: Any) -> bool:
    """Whether an operation returns its first argument as it is: half of all do."""
    operations = torch.ops.aten
    if node.target is operations.mul.Scalar:
        return bool(node.args[1] == 1)
    if node.target in (operations.alias.default, operations.detach.default):
        return True
    views = operations.view.default, operations.expand.default, operations._unsafe_view.default
    if node.target not in views:
        return False
    return bool(node.meta["val"].shape == node.args[0].meta["val"].shape)
