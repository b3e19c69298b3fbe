"""The engine of the noisy quadratic: many runs at once, by the moments of their parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn, optim

from atn_gym.arrays import FloatArray, IntArray
from atn_gym.envs.engines.base import EpochPlan, EvaluationPlan, TrainResult
from atn_gym.envs.engines.choice import can_compile
from atn_gym.envs.engines.class_statistics import KnownStatistics
from atn_gym.envs.engines.epoch_of_moments import (
    columns,
    descend_by_numpy,
    drawn,
    of_runs,
    perturbations,
)
from atn_gym.envs.engines.moments import (
    Moments,
    Quadratic,
    descend_perturbed,
    excess_loss,
)
from atn_gym.envs.engines.prototype_runs import PrototypeRuns
from atn_gym.envs.quadratic import Prototypes

_RUNS_AT_ONCE = 256
"""Runs whose moments fit into the cache of a core."""
_KEPT_SETS = 64
"""Sets of samples whose statistics are kept at least."""


class MomentEngine:
    """Propagates the expected moments of all runs by an epoch, or draws a run from them.

    The losses are excess losses: what the samples cost in expectation beyond what they cost at
    the parameters that are best for them. The accuracy is exp(-loss), which is 1 at a loss of
    0 and that of chance at the loss of chance. Given an epoch's start, what a mini-batch adds
    is normal, and its curvature that of the whole training split.

    Args:
        num_runs: Number of runs R.
        make_model: Makes `Prototypes` that are drawn from the seed given.
        sampled: Whether to draw the parameters after each epoch from their distribution, which
            is that of runs of SGD, instead of keeping their moments.
    """

    def __init__(
        self, num_runs: int, make_model: Callable[[int], nn.Module], sampled: bool
    ) -> None:
        self._sampled = sampled
        self._runs = PrototypeRuns(num_runs, make_model)
        num_classes = self._runs.curvature.shape[1]
        self._statistics = KnownStatistics(num_classes, max(_KEPT_SETS, 2 * num_runs))
        self._descend: Callable[..., None] = descend_by_numpy
        if can_compile():
            # Only kernels need numba.
            from atn_gym.envs.engines.kernels.moment_steps import descend_runs

            self._descend = descend_runs()

    def reset(self, runs: Sequence[int], seeds: Sequence[int], values: FloatArray) -> None:
        """Gives n runs prototypes drawn from the seed of each, and optimizers without velocity."""
        self._runs.reset(runs, seeds, values)

    def model(self, run: int) -> Prototypes:
        """The prototypes of a run."""
        return self._runs.model(run)

    def optimizer(self, run: int) -> optim.Optimizer:
        """The optimizer of a run; what is set in it holds until hyperparameters are set anew."""
        return self._runs.optimizer(run)

    def set_hyperparameters(
        self, runs: Sequence[int], values: FloatArray, gains: FloatArray
    ) -> None:
        """Sets what the controllers of n runs chose."""
        self._runs.set_hyperparameters(runs, values, gains)

    def train(self, runs: Sequence[int], plans: Sequence[EpochPlan]) -> TrainResult:
        """Trains n runs by an epoch, all at once.

        In one thread: two would wait for each other's Python for longer than the steps take.
        """
        rows = np.array(runs)
        values = self._runs.effective(runs)
        quadratic, sets = self._quadratics(rows, plans)
        alike = np.array([p.gradient_noise == 0 and p.loss_scale is None for p in plans])
        # Apart, so that what trains beside a run does not change its rounding.
        parts = [
            places[first : first + _RUNS_AT_ONCE]
            for places in (np.flatnonzero(alike), np.flatnonzero(~alike))
            for first in range(0, len(places), _RUNS_AT_ONCE)
        ]
        loss, scaled = np.zeros((2, len(plans)))
        finite = np.zeros(len(plans), np.bool_)
        for places in parts:
            some = rows[places], quadratic._replace(curvature=quadratic.curvature[places])
            some_plans = [plans[i] for i in places.tolist()]
            with np.errstate(over="ignore", invalid="ignore"):
                train_some = self._train_alike if alike[places[0]] else self._train_perturbed
                loss[places], scaled[places] = train_some(
                    *some, sets[places], values[places], some_plans
                )
                if self._sampled:
                    self._draw(some[0], [plan.module_seed for plan in some_plans])
                moments = self._runs.moments[:, some[0]].astype(np.float32)
                finite[places] = np.isfinite(moments).all((0, 2, 3))
                finite[places] &= np.isfinite(loss[places].astype(np.float32))

        return TrainResult(loss, scaled, np.exp(-loss), finite)

    def _train_alike(
        self,
        rows: IntArray,
        quadratic: Quadratic,
        sets: IntArray,
        values: FloatArray,
        plans: list[EpochPlan],
    ) -> tuple[FloatArray, FloatArray]:
        """Trains runs whose steps are all alike; returns their losses, twice."""
        squares = np.empty((len(rows), *quadratic.target.shape[1:]))
        steps, _ = plans[0].shape
        self._descend(self._runs.moments, rows, *quadratic, sets, values, steps, squares)
        loss = excess_loss(quadratic.curvature[..., None], squares)
        return loss, loss

    def _train_perturbed(
        self,
        rows: IntArray,
        quadratic: Quadratic,
        sets: IntArray,
        values: FloatArray,
        plans: list[EpochPlan],
    ) -> tuple[FloatArray, FloatArray]:
        """Trains runs whose steps differ; returns their losses without and with the scale."""
        self._runs.moments[:, rows], loss, scaled = descend_perturbed(
            Moments(*self._runs.moments[:, rows]),
            of_runs(quadratic, sets),
            *columns(values),
            *perturbations(plans),
        )
        return loss, scaled

    def _draw(self, rows: IntArray, seeds: Sequence[int]) -> None:
        """Draws parameters and velocities of runs from their normal distribution."""
        self._runs.moments[:, rows] = drawn(Moments(*self._runs.moments[:, rows]), seeds)

    def evaluate(
        self, runs: Sequence[int], plans: Sequence[EvaluationPlan]
    ) -> tuple[FloatArray, FloatArray]:
        """Excess loss (n,) and accuracy (n,) of n runs, each on its own samples."""
        curvature, target = self.minima(runs, plans)
        parameter, variance = self._runs.moments[0, list(runs)], self._runs.moments[2, list(runs)]
        with np.errstate(over="ignore", invalid="ignore"):
            loss = excess_loss(curvature, variance + (parameter - target) ** 2)
            loss = np.where(np.isfinite(loss.astype(np.float32)), loss, np.inf)
        return loss, np.exp(-loss)

    def quadratics(self, runs: Sequence[int], plans: Sequence[EpochPlan]) -> Quadratic:
        """What n runs descend by their plans: curvature (n, C, 1), target and noise (n, C, P)."""
        return of_runs(*self._quadratics(np.array(runs), plans))

    def _quadratics(self, rows: IntArray, plans: Sequence[EpochPlan]) -> tuple[Quadratic, IntArray]:
        """What n runs descend.

        Returns:
            Curvature (n, C) of the runs, target and noise (S, C, P) of their S different sets of
            samples, and the place of the samples of each run among these, (n,).
        """
        statistics, sets = self._statistics.of([plan.samples for plan in plans])
        _, batch = plans[0].shape
        members = np.maximum(batch * statistics.share, 1e-12)
        noise = statistics.variance / members[..., None]
        curvature = self._curvatures(rows, statistics.share[sets])
        return Quadratic(curvature, statistics.mean, noise), sets

    def minima(
        self, runs: Sequence[int], plans: Sequence[EvaluationPlan]
    ) -> tuple[FloatArray, FloatArray]:
        """Curvature (n, C, 1) and minimum (n, C, P) of what n runs are evaluated on."""
        statistics, sets = self._statistics.of([plan.samples for plan in plans])
        curvature = self._curvatures(np.array(runs), statistics.share[sets])
        return curvature[..., None], statistics.mean[sets]

    def _curvatures(self, rows: IntArray, share: FloatArray) -> FloatArray:
        """Curvature C p_c h_c of the dimensions of each class, (n, C)."""
        curvatures: FloatArray = share.shape[1] * share * self._runs.curvature[rows]
        return curvatures

    def count_flops(self, inputs: Tensor) -> tuple[int, int]:
        """Counts four operations for each pixel of a sample, and twice as many backward."""
        sample = 4 * inputs[0].numel()
        return 3 * len(inputs) * sample, sample

    def get_state(self, run: int) -> dict[str, Any]:
        """Copies the moments of a run."""
        return {"moments": self._runs.moments[:, run].copy()}

    def set_state(self, run: int, state: dict[str, Any]) -> None:
        """Puts a run into a state that `get_state` returned."""
        self._runs.moments[:, run] = state["moments"]
