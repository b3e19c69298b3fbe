"""One network with the weights of many runs, as traced functions of stacked tensors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from atn_gym.envs.engines.dropout import Dropout, given_factors, recorded_dropouts
from atn_gym.envs.engines.tracing import Function, traced
from atn_gym.envs.torch_settings import global_generator_seeded

ALIGNMENT = 16
"""Float32 numbers in a cache line: rows of a stack begin at multiples of it."""

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
        self._functions: dict[tuple[object, ...], Function] = {}
        self._dropouts: dict[torch.Size, list[Dropout]] = {}
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
            factors = [d.ones(2, self._device) for d in self.dropouts(inputs)]
            scale = torch.ones(2, device=self._device)
            self.gradients(weights, stacked, labels, scale, factors)
        except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
            if "randomness" in str(error):
                return "trains no network that draws random numbers, except by dropout layers"
            if "not have been used in the graph" in str(error):
                return "trains networks in which every parameter takes part"
            reason = str(error).strip().splitlines()[0].rstrip(".")
            return f"needs a network that torch.func can map over its weights ({reason})"
        return None

    def has_buffers_of(self, model: nn.Module) -> bool:
        """Whether the buffers of a run's network are those that all runs share."""
        return _equal(dict(model.named_buffers()), dict(self._model.named_buffers()))

    def dropouts(self, inputs: Tensor) -> list[Dropout]:
        """The calls of dropout when a mini-batch (B, C, H, W) of one run is trained on."""
        if inputs.shape not in self._dropouts:
            # A fresh network, for a mapped one may keep mapped tensors where weights are tied.
            with _tracing, global_generator_seeded(0, self._device), torch.no_grad():
                model = self._make_model(0).to(self._device)
                self._dropouts[inputs.shape] = recorded_dropouts(model.train(), inputs)
        return self._dropouts[inputs.shape]

    def gradients(
        self,
        weights: Tensor,
        inputs: Tensor,
        labels: Tensor,
        scale: Tensor,
        factors: Sequence[Tensor] = (),
    ) -> tuple[Tensor, ...]:
        """Trains no weight, but says how.

        Args:
            weights: Rows of the runs, (n, `num_values`).
            inputs: A mini-batch of each run, (n, B, C, H, W).
            labels: Its labels, int64 (n, B).
            scale: Factor on the loss of each run, (n,).
            factors: What dropout multiplies by, (n, ...) for each of `dropouts`.

        Returns:
            Gradients of the scaled losses in the places of the weights, the mean losses
            before scaling (n,), and the numbers of right answers (n,).
        """
        return self._traced(self._gradients, weights, inputs, labels, scale, *factors)

    def losses(self, weights: Tensor, inputs: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Loss (n, B) and whether the answer is right (n, B), of each sample, in evaluation."""
        return self._traced(self._losses, weights, inputs, labels)

    def _traced(self, function: Function, *arguments: Tensor) -> tuple[Tensor, ...]:
        # What is traced holds for one layout in memory.
        arguments = tuple(argument.contiguous() for argument in arguments)
        key = function.__name__, *(argument.shape for argument in arguments)
        if key not in self._functions:
            with _tracing:
                self._functions[key] = traced(function, *arguments)
        with torch.no_grad():
            return self._functions[key](*arguments)

    def _gradients(
        self, weights: Tensor, inputs: Tensor, labels: Tensor, scale: Tensor, *factors: Tensor
    ) -> tuple[Tensor, ...]:
        leaves = [part.requires_grad_() for part in self._parts(weights.detach())]
        logits = self._logits(self._model.train(), leaves, inputs, factors)
        losses, right, slopes = _cross_entropy(logits.detach(), labels)
        slopes = slopes * (scale / labels.shape[1])[:, None, None]
        found = torch.autograd.grad(logits, leaves, slopes)
        rows = [row for part in found for row in _padded(part.flatten(1))]
        return torch.cat(rows, 1), losses.sum(1) / labels.shape[1], right.sum(1)

    def _losses(self, weights: Tensor, inputs: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        logits = self._logits(self._model.eval(), self._parts(weights), inputs, ())
        losses, right, _ = _cross_entropy(logits, labels)
        return losses, right

    def _sized(self, parts: Sequence[Tensor]) -> Iterator[tuple[Tensor, int]]:
        return zip(parts, self._sizes, strict=True)

    def _parts(self, weights: Tensor) -> list[Tensor]:
        """The stacked parameters, (n, *shape) each."""
        rows = weights.split([padded(size) for size in self._sizes], 1)
        return [
            row[:, :size].unflatten(1, shape)
            for (row, size), shape in zip(self._sized(rows), self._shapes, strict=True)
        ]

    def _logits(
        self,
        model: nn.Module,
        parts: Sequence[Tensor],
        inputs: Tensor,
        factors: Sequence[Tensor],
    ) -> Tensor:
        def call(parameters: dict[str, Tensor], samples: Tensor, factors: list[Tensor]) -> Tensor:
            with given_factors(factors):
                logits: Tensor = functional_call(model, parameters, (samples,))
            return logits

        named = dict(zip(self._names, parts, strict=True))
        mapped: Tensor = vmap(call, randomness="error")(named, inputs, list(factors))
        return mapped


def _equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) for name, value in first.items()
    )


def _padded(rows: Tensor) -> Iterator[Tensor]:
    """Rows, and zeros up to a length of which `ALIGNMENT` is a divisor."""
    yield rows
    missing = padded(rows.shape[1]) - rows.shape[1]
    if missing:
        yield rows.new_zeros(len(rows), missing)


def _cross_entropy(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of logits (n, B, classes): losses (n, B), right answers (n, B), slopes (n, B, classes).

    By hand, for torch's own is slow where classes are few.
    """
    highest, answers = logits.max(-1, keepdim=True)
    places = labels.unsqueeze(-1)
    logits = logits - highest
    shares = logits.exp()
    sums = shares.sum(-1, keepdim=True)
    losses = sums.log() - logits.gather(-1, places)
    ones = torch.ones_like(places, dtype=logits.dtype)
    slopes = (shares / sums).scatter_add(-1, places, -ones)
    return losses.squeeze(-1), (answers == places).squeeze(-1), slopes
