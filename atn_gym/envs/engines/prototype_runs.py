"""Runs of the noisy quadratic in shared arrays, with a module and an optimizer for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn, optim

from atn_gym.arrays import FloatArray
from atn_gym.envs.hyperparameters import HYPERPARAMETERS
from atn_gym.envs.optimizers import (
    as_effective,
    effective_hyperparameters,
    gain_factor,
    make_optimizer,
    set_nominal_hyperparameters,
)
from atn_gym.envs.quadratic import Prototypes, initial_prototypes

_ANY = {"learning_rate": 0.0, "momentum": 0.0, "weight_decay": 0.0}
"""Hyperparameters of an optimizer that will get others."""


class PrototypeRuns:
    """The moments of R runs and their hyperparameters.

    The module of a run holds the means, its optimizer those of the velocity: both are views of
    the arrays, so that whoever sets one sets the other.

    Args:
        num_runs: Number of runs R.
        make_model: Makes `Prototypes` that are drawn from the seed given.

    Attributes:
        moments: In the order of `Moments`, (5, R, C, P).
        curvature: Of each class, (R, C).
    """

    def __init__(self, num_runs: int, make_model: Callable[[int], nn.Module]) -> None:
        self._make_model = make_model
        with torch.device("cpu"):
            self._initial = self._new_model()
        self.moments = np.zeros((5, num_runs, *self._initial.prototypes.shape))
        self.curvature = np.zeros((num_runs, len(self._initial.curvature)))
        self._models: list[Prototypes | None] = [None] * num_runs
        self._optimizers: list[optim.Optimizer | None] = [None] * num_runs
        self._nominal, self._gains = np.zeros((num_runs, len(HYPERPARAMETERS))), np.zeros(num_runs)
        self._handed_out: set[int] = set()
        """Runs whose optimizer holds their hyperparameters, for somebody has asked for it."""

    def _new_model(self) -> Prototypes:
        model = self._make_model(0)
        assert isinstance(model, Prototypes)
        return model

    def reset(self, runs: Sequence[int], seeds: Sequence[int], values: FloatArray) -> None:
        """Gives n runs prototypes drawn from the seed of each, and optimizers without velocity.

        Args:
            runs: Indices of the runs.
            seeds: Seed of each.
            values: Hyperparameters in the order of `HYPERPARAMETERS`, (n, 3).
        """
        rows, shape, source = np.array(runs), self.moments.shape[2:], torch.Generator()
        draws = [
            torch.randn(shape, generator=source.manual_seed(seed), dtype=torch.float64)
            for seed in seeds
        ]
        initial = initial_prototypes(torch.stack(draws), self._initial.curvature)
        self.moments[0, rows] = initial.numpy()
        self.moments[1:, rows] = 0
        self.curvature[rows] = self._initial.curvature.numpy()
        self.set_hyperparameters(runs, values, np.zeros(len(runs)))
        for run in runs:
            if self._models[run] is None:
                self._attach(run)

    def _attach(self, run: int) -> None:
        """Makes a module and an optimizer that hold the rows of a run as their tensors."""
        model = self._new_model()
        parameter, velocity = (torch.from_numpy(part[run]) for part in self.moments[:2])
        model.curvature = torch.from_numpy(self.curvature[run])
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
        """The optimizer of a run; what is set in it holds until hyperparameters are set anew."""
        optimizer = self._optimizers[run]
        assert optimizer is not None
        if run not in self._handed_out:
            self._handed_out.add(run)
            named = dict(zip(HYPERPARAMETERS, self._nominal[run].tolist(), strict=True))
            set_nominal_hyperparameters(optimizer, named, float(self._gains[run]))
        return optimizer

    def set_hyperparameters(
        self, runs: Sequence[int], values: FloatArray, gains: FloatArray
    ) -> None:
        """Sets what the controllers of n runs chose, values (n, 3) and gains (n,)."""
        rows = np.array(runs)
        self._nominal[rows], self._gains[rows] = values, gains
        self._handed_out.difference_update(runs)

    def effective(self, runs: Sequence[int]) -> FloatArray:
        """Effective learning rate, momentum and weight decay of n runs, (n, 3)."""
        rows = np.array(runs)
        rate, momentum, decay = self._nominal[rows].T
        factors = [gain_factor(gain) for gain in self._gains[rows].tolist()]
        values = np.stack([*as_effective(rate, momentum, factors), decay], axis=1)
        if self._handed_out:
            for i, run in enumerate(runs):
                if run in self._handed_out:
                    values[i] = list(effective_hyperparameters(self.optimizer(run)).values())
        return values
