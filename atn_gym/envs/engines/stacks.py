"""What n runs are trained on in an epoch, and what is trained, in stacked tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from atn_gym.envs.engines.base import EpochPlan
from atn_gym.envs.engines.dropout import Dropout
from atn_gym.envs.engines.flat_run import FlatRun
from atn_gym.envs.engines.stacked_optimizer import stacked_optimizer

_FULL = 0.75
"""Share of a stack that runs must fill; the rest repeats the last run."""


def stack_size(runs: int, most: int) -> int:
    """How many of some runs are trained in one stack.

    Stacks have 2, 4, 8, ... rows, so that few functions are traced. None has only one, for a
    convolution of one run adds in another order than those of several.
    """
    rows = 2
    while rows < most and 2 * rows * _FULL <= runs:
        rows *= 2
    return min(rows, runs)


def stack(parts: Sequence[Tensor]) -> Tensor:
    """Stacks tensors of n runs in the next power of two of rows, at least 2."""
    rows = max(2, 1 << (len(parts) - 1).bit_length())
    return torch.stack([*parts, *[parts[-1]] * (rows - len(parts))])


def stacked_samples(samples: Sequence[Tensor], places: Tensor) -> Tensor:
    """Samples (rows, B, ...) of n runs.

    Args:
        samples: All samples of each run, (N, ...).
        places: Which to take, int64 (rows, B).
    """
    if all(part is samples[0] for part in samples):
        chosen = samples[0].index_select(0, places.flatten())
        return chosen.view(*places.shape, *chosen.shape[1:])
    rows = zip(samples, places, strict=False)
    return stack([part.index_select(0, row) for part, row in rows])


class StackedRuns:
    """Weights and optimizer of n runs, copied into a stack.

    Args:
        flats: The runs.
    """

    def __init__(self, flats: Sequence[FlatRun]) -> None:
        self._flats = flats
        self.weights = stack([flat.weights for flat in flats])
        """Rows of weights, (rows, P)."""
        self._buffers = [stack(parts) for parts in zip(*(f.buffers for f in flats), strict=True)]
        for flat, *rows in zip(flats, *self._buffers, strict=False):
            if not _keeps_state(flat):
                for row in rows:
                    row.zero_()
        self._optimizer = stacked_optimizer(
            [flat.group for flat in flats],
            [buffer[: len(flats)] for buffer in self._buffers],
            [flat.steps for flat in flats],
        )

    def step(self, gradient: Tensor) -> None:
        """Updates the weights by their gradient (rows, P), which may be overwritten.

        Rows that only fill the stack keep theirs.
        """
        num_runs = len(self._flats)
        self._optimizer.step(self.weights[:num_runs], gradient[:num_runs])

    def write_back(self, steps: int) -> None:
        """Copies the stack back into the runs after some steps."""
        for i, flat in enumerate(self._flats):
            flat.weights.copy_(self.weights[i])
            if _keeps_state(flat):
                for buffer, stacked in zip(flat.buffers, self._buffers, strict=True):
                    buffer.copy_(stacked[i])
            if _keeps_state(flat) or flat.steps:
                flat.record(flat.steps + steps)


def _keeps_state(flat: FlatRun) -> bool:
    """Whether the optimizer changes its state: SGD without momentum leaves it as it is."""
    return "betas" in flat.group or flat.group["momentum"] != 0


class StackedEpoch:
    """The mini-batches of n runs in an epoch.

    Args:
        plans: Plans of the runs, alike in their numbers of mini-batches and samples.
    """

    def __init__(self, plans: Sequence[EpochPlan]) -> None:
        self._plans = plans
        self._orders = stack([plan.order for plan in plans])
        self._labels = stack([plan.labels[plan.order] for plan in plans])
        ones = torch.ones(plans[0].shape[0], device=self._labels.device)
        self._scales = stack([ones if p.loss_scale is None else p.loss_scale for p in plans])
        self._noise = {
            i: torch.Generator().manual_seed(plan.gradient_noise_seed)
            for i, plan in enumerate(plans)
            if plan.gradient_noise
        }

        self._draws = [torch.Generator().manual_seed(plan.module_seed) for plan in plans]

    def factors(self, dropouts: Sequence[Dropout]) -> list[Tensor]:
        """What each call of dropout multiplies by in a step, (rows, B, ...), as torch draws it."""
        drawn = [dropout.draw(self._draws, len(self._orders)) for dropout in dropouts]
        return [factors.to(self._labels.device) for factors in drawn]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Samples (rows, B, C, H, W), labels (rows, B) and loss scales (rows,) of each step."""
        inputs = [plan.inputs for plan in self._plans]
        for step in range(self._orders.shape[1]):
            samples = stacked_samples(inputs, self._orders[:, step])
            yield samples, self._labels[:, step], self._scales[:, step]

    def add_noise(self, gradient: Tensor, places: Tensor) -> None:
        """Adds noise to the gradients (rows, P) of the runs that have it, drawn on the CPU.

        Args:
            gradient: The gradients, changed in place.
            places: Where parameters stand in a row.
        """
        for i, generator in self._noise.items():
            size = (self._plans[i].gradient_noise / len(places) ** 0.5) * gradient[i].norm()
            draws = torch.randn(len(places), generator=generator).to(gradient.device)
            gradient[i, places] += draws * size
