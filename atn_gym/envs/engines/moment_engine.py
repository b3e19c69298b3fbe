"""The engine of the noisy quadratic: many runs at once, by the moments of their parameters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn, optim

from atn_gym.arrays import FloatArray, IntArray
from atn_gym.envs.engines.base import EpochPlan, EvaluationPlan, TrainResult
from atn_gym.envs.engines.moments import (
    Moments,
    Quadratic,
    descend,
    descend_perturbed,
    excess_loss,
)
from atn_gym.envs.engines.threads import in_threads
from atn_gym.envs.optimizers import make_optimizer, set_nominal_hyperparameters
from atn_gym.envs.quadratic import Prototypes

_ANY = {"learning_rate": 0.0, "momentum": 0.0, "weight_decay": 0.0}
"""Hyperparameters of an optimizer that will get others."""
_RUNS_AT_ONCE = 256
"""Runs whose moments fit into the cache of a core."""
_KEPT_SAMPLES = 64
"""Sets of samples whose statistics are kept."""


class ClassStatistics(NamedTuple):
    """What a quadratic must know of labelled samples.

    Args:
        share: Share of each class, (C,).
        mean: Mean input of each class, (C, P); 0 for a class without samples.
        variance: Variance of the inputs of each class, (C, P).
    """

    share: FloatArray
    mean: FloatArray
    variance: FloatArray


def class_statistics(inputs: Tensor, labels: Tensor, num_classes: int) -> ClassStatistics:
    """Statistics of inputs (N, ...) with labels (N,)."""
    pixels, classes = inputs.flatten(1).double().numpy(), labels.numpy()
    counts = np.bincount(classes, minlength=num_classes)
    one_hot = (classes == np.arange(num_classes)[:, None]).astype(np.float64)
    some = np.maximum(counts, 1)[:, None]
    mean = one_hot @ pixels / some
    variance = one_hot @ (pixels - mean[classes]) ** 2 / some
    return ClassStatistics(counts / len(classes), mean, variance)


class MomentEngine:
    """Propagates the expected moments of all runs by an epoch, or draws a run from them.

    The losses are excess losses: what the samples cost in expectation beyond what they cost at
    the parameters that are best for them. The accuracy is exp(-loss), which is 1 at a loss of
    0 and that of chance at the loss of chance. Given an epoch's start, what a mini-batch adds
    is normal, and its curvature that of the whole training split.

    The module of a run holds the means, and its optimizer those of the velocity.

    Args:
        num_runs: Number of runs R.
        make_model: Makes `Prototypes` that are drawn from the seed given.
        sampled: Whether to draw the parameters after each epoch from their distribution, which
            is that of runs of SGD, instead of keeping their moments.
    """

    def __init__(
        self, num_runs: int, make_model: Callable[[int], nn.Module], sampled: bool
    ) -> None:
        self._make_model = make_model
        self._sampled = sampled
        with torch.device("cpu"):
            model = self._new_model()
        self._moments = np.zeros((5, num_runs, *model.prototypes.shape))
        self._initial_curvature = model.curvature.numpy()
        self._curvature = np.zeros((num_runs, len(model.curvature)))
        self._models: list[Prototypes | None] = [None] * num_runs
        self._optimizers: list[optim.Optimizer | None] = [None] * num_runs
        self._statistics: OrderedDict[tuple[int, ...], tuple[Any, ClassStatistics]] = OrderedDict()

    def _new_model(self) -> Prototypes:
        model = self._make_model(0)
        assert isinstance(model, Prototypes)
        return model

    def reset(self, run: int, seed: int, hyperparameters: dict[str, float]) -> None:
        """Gives a run prototypes drawn from the seed, and an optimizer without velocity."""
        self._moments[1:, run] = 0
        self._curvature[run] = self._initial_curvature
        if self._models[run] is None:
            self._attach(run)
        set_nominal_hyperparameters(self.optimizer(run), hyperparameters)
        self.model(run).draw(torch.Generator().manual_seed(seed))

    def _attach(self, run: int) -> None:
        """Makes a module and an optimizer that hold the rows of a run as their tensors."""
        model = self._new_model()
        parameter, velocity = (torch.from_numpy(part[run]) for part in self._moments[:2])
        model.curvature = torch.from_numpy(self._curvature[run])
        model.prototypes.data = parameter
        optimizer = make_optimizer("sgd", model.parameters(), _ANY)
        optimizer.state[model.prototypes]["momentum_buffer"] = velocity
        self._models[run], self._optimizers[run] = model, optimizer

    def model(self, run: int) -> Prototypes:
        """The prototypes of a run."""
        model = self._models[run]
        assert model is not None
        return model

    def optimizer(self, run: int) -> optim.Optimizer:
        """The optimizer of a run."""
        optimizer = self._optimizers[run]
        assert optimizer is not None
        return optimizer

    def train(self, runs: Sequence[int], plans: Sequence[EpochPlan]) -> TrainResult:
        """Trains n runs by an epoch, all at once."""
        groups = [self.optimizer(run).param_groups[0] for run in runs]
        names = "lr", "momentum", "weight_decay"
        values = np.array([[group[name] for name in names] for group in groups])
        statistics = [self._of(p.inputs, p.labels, p.pool) for p in plans]
        alike = np.array([p.gradient_noise == 0 and p.loss_scale is None for p in plans])
        # Apart, so that what trains beside a run does not change its rounding.
        parts = [
            places[first : first + _RUNS_AT_ONCE]
            for places in (np.flatnonzero(alike), np.flatnonzero(~alike))
            for first in range(0, len(places), _RUNS_AT_ONCE)
        ]
        loss, scaled_loss, accuracy = np.zeros((3, len(plans)))
        result = TrainResult(loss, scaled_loss, accuracy, np.zeros(len(plans), np.bool_))

        def train_part(places: IntArray) -> None:
            chosen = places.tolist()
            some_runs, some_plans = [runs[i] for i in chosen], [plans[i] for i in chosen]
            quadratic = self._quadratic(
                some_runs, [statistics[i] for i in chosen], plans[0].shape[1]
            )
            part = self._train_part(some_runs, some_plans, quadratic, values[places])
            for column in fields(result):
                if column.name != "signals":
                    getattr(result, column.name)[places] = getattr(part, column.name)

        in_threads(train_part, parts)
        return result

    def _train_part(
        self,
        runs: list[int],
        plans: list[EpochPlan],
        quadratic: Quadratic,
        hyperparameters: FloatArray,
    ) -> TrainResult:
        """Trains runs whose steps are all alike, or none of whose are."""
        rate, momentum, decay = hyperparameters.T[..., None, None]
        values = rate, momentum, decay
        moments = Moments(*self._moments[:, runs])
        with np.errstate(over="ignore", invalid="ignore"):
            if plans[0].gradient_noise or plans[0].loss_scale is not None:
                moments, loss, scaled = descend_perturbed(
                    moments, quadratic, *values, *perturbations(plans)
                )
            else:
                moments, squares = descend(moments, quadratic, *values, plans[0].shape[0])
                loss = scaled = excess_loss(quadratic.curvature, squares)
            if self._sampled:
                moments = _drawn(moments, [plan.module_seed for plan in plans])
            self._moments[:, runs] = moments
            finite = np.isfinite(np.stack(moments).astype(np.float32)).all((0, 2, 3))
            finite &= np.isfinite(loss.astype(np.float32))
        return TrainResult(loss, scaled, np.exp(-loss), finite)

    def evaluate(
        self, runs: Sequence[int], plans: Sequence[EvaluationPlan]
    ) -> tuple[FloatArray, FloatArray]:
        """Excess loss (n,) and accuracy (n,) of n runs, each on its own samples."""
        curvature, target = self.minima(runs, plans)
        parameter, parameter_variance = self._moments[0, list(runs)], self._moments[2, list(runs)]
        with np.errstate(over="ignore", invalid="ignore"):
            loss = excess_loss(curvature, parameter_variance + (parameter - target) ** 2)
            loss = np.where(np.isfinite(loss.astype(np.float32)), loss, np.inf)
        return loss, np.exp(-loss)

    def quadratics(self, runs: Sequence[int], plans: Sequence[EpochPlan]) -> Quadratic:
        """What n runs descend by their plans: curvature (n, C, 1), target and noise (n, C, P)."""
        statistics = [self._of(p.inputs, p.labels, p.pool) for p in plans]
        return self._quadratic(runs, statistics, plans[0].shape[1])

    def _quadratic(
        self, runs: Sequence[int], statistics: Sequence[ClassStatistics], batch: int
    ) -> Quadratic:
        share, mean, variance = _stacked(statistics)
        members = np.maximum(batch * share, 1e-12)
        return Quadratic(self._curvatures(runs, share), mean, variance / members[..., None])

    def minima(
        self, runs: Sequence[int], plans: Sequence[EvaluationPlan]
    ) -> tuple[FloatArray, FloatArray]:
        """Curvature (n, C, 1) and minimum (n, C, P) of what n runs are evaluated on."""
        share, mean, _ = _stacked([self._of(p.inputs, p.labels) for p in plans])
        return self._curvatures(runs, share), mean

    def _curvatures(self, runs: Sequence[int], share: FloatArray) -> FloatArray:
        """Curvature C p_c h_c of the dimensions of each class, (n, C, 1)."""
        curvatures: FloatArray = share.shape[1] * share * self._curvature[list(runs)]
        return curvatures[..., None]

    def _of(self, inputs: Tensor, labels: Tensor, pool: Tensor | None = None) -> ClassStatistics:
        """Statistics of samples, kept for those that have been used last."""
        key = id(inputs), id(labels), id(pool)
        if key in self._statistics:
            self._statistics.move_to_end(key)
            return self._statistics[key][1]
        used = (inputs, labels) if pool is None else (inputs[pool], labels[pool])
        statistics = class_statistics(*used, self._moments.shape[2])
        # What is kept with it keeps its identity.
        self._statistics[key] = (inputs, labels, pool), statistics
        if len(self._statistics) > _KEPT_SAMPLES:
            self._statistics.popitem(last=False)
        return statistics

    def count_flops(self, inputs: Tensor) -> tuple[int, int]:
        """Counts four operations for each pixel of a sample, and twice as many backward."""
        sample = 4 * inputs[0].numel()
        return 3 * len(inputs) * sample, sample

    def get_state(self, run: int) -> dict[str, Any]:
        """Copies the moments of a run."""
        return {"moments": self._moments[:, run].copy()}

    def set_state(self, run: int, state: dict[str, Any]) -> None:
        """Puts a run into a state that `get_state` returned."""
        self._moments[:, run] = state["moments"]


def _stacked(statistics: Sequence[ClassStatistics]) -> ClassStatistics:
    """Statistics of n runs with a leading axis of n; most runs share theirs."""
    different = {id(one): one for one in statistics}
    places = dict(zip(different, range(len(different)), strict=True))
    of_runs = [places[id(one)] for one in statistics]
    parts = zip(*different.values(), strict=True)
    return ClassStatistics(*(np.stack(part)[of_runs] for part in parts))


def perturbations(plans: Sequence[EpochPlan]) -> tuple[FloatArray, FloatArray]:
    """Scales of the losses (n, steps) and strength of the gradient noise (n,) of n plans."""
    ones = torch.ones(plans[0].shape[0])
    scales = [(ones if p.loss_scale is None else p.loss_scale).numpy() for p in plans]
    return np.stack(scales).astype(np.float64), np.array([p.gradient_noise for p in plans])


def _drawn(moments: Moments, seeds: Sequence[int]) -> Moments:
    """Draws parameters and velocities from their normal distribution."""
    shape = moments.parameter.shape[1:]
    first, second = np.stack(
        [np.random.default_rng(seed).standard_normal((2, *shape)) for seed in seeds], axis=1
    )
    deviation = np.sqrt(moments.parameter_variance)
    slope = moments.covariance / np.where(deviation == 0, 1, deviation)
    rest = np.sqrt(np.maximum(moments.velocity_variance - slope**2, 0))
    parameter = moments.parameter + deviation * first
    nothing = np.zeros_like(parameter)
    velocity = moments.velocity + slope * first + rest * second
    return Moments(parameter, velocity, nothing, nothing, nothing)
