"""What each run trains on in an epoch, as its regime sets it, and how long that holds."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from atn_gym.arrays import FloatArray
from atn_gym.envs.data import RunData
from atn_gym.envs.data.dataset import KEPT_BYTES, Dataset
from atn_gym.envs.data.run_data import chosen
from atn_gym.envs.engines import Engine, EvaluationPlan
from atn_gym.envs.episodes.plans import DrawnPlan
from atn_gym.envs.regimes import Regime
from atn_gym.errors import InvalidArgument


@dataclass(eq=False)
class Run:
    """A run before its next epoch.

    Args:
        seed: Its seed.
        regime: What happens in it.
        data: Its data as the regime has set it.
        gain: Decades by which the effective learning rate exceeds the nominal one.
        epoch: Number of epochs trained.
        condition: That of the epoch for which the data was set; see `Regime.condition`.
        own_bytes: Memory of the inputs that only this run holds in that epoch.
        held: What holds as long as the data stands as it does; None before it is asked for.
    """

    seed: int
    regime: Regime
    data: RunData
    gain: float = 0.0
    epoch: int = 0
    condition: Hashable = None
    own_bytes: int = 0
    held: Held | None = None


@dataclass(frozen=True, eq=False)
class Held:
    """What holds for a run under one condition.

    Args:
        training: What the plans of its epochs share.
        validation: What it is evaluated on.
        flops: Operations of an epoch.
    """

    training: dict[str, Any]
    validation: EvaluationPlan
    flops: int


class Conditions:
    """What runs train on and are evaluated on.

    Args:
        dataset: The data set, shared by all runs.
        shape: Mini-batches in an epoch and samples in each.
        device: Where the data lives.
        engine: What trains, whose networks and optimizers the regimes may set.
        num_runs: Number of runs.
    """

    def __init__(
        self,
        dataset: Dataset,
        shape: tuple[int, int],
        device: torch.device,
        engine: Engine,
        num_runs: int,
    ) -> None:
        self._dataset = dataset
        self._shape = shape
        self._device = device
        self._engine = engine
        self._num_runs = num_runs

    def apply(self, runs: Sequence[int], states: Sequence[Run], values: FloatArray) -> None:
        """Has n runs start their epoch with hyperparameters (n, 3), and sets what has changed.

        Raises:
            InvalidArgument: If a regime sets a transform that cannot be kept, or leaves no
                samples in use.
        """
        gains = np.array([state.gain for state in states])
        self._engine.set_hyperparameters(runs, values, gains)
        for run, state in zip(runs, states, strict=True):
            self._apply_regime(run, state)

    def _apply_regime(self, run: int, state: Run) -> None:
        # Whatever stands in for a regime, as that of an oracle, is applied in every epoch.
        regime = state.regime
        condition = regime.condition(state.epoch) if isinstance(regime, Regime) else None
        if condition is not None and condition == state.condition:
            return
        state.condition, state.held = condition, None
        state.data.clear()
        model, optimizer = self._engine.model(run), self._engine.optimizer(run)
        regime.apply(state.epoch, model, state.data, optimizer)
        transform = state.data.transform
        if transform is not None and not isinstance(transform, Hashable):
            raise InvalidArgument(
                f"{type(regime).__name__} must set a hashable transform, such as a frozen "
                f"dataclass with __call__, got {transform!r}"
            )
        for split, pool in state.data.pools.items():
            if not len(pool):
                raise InvalidArgument(
                    f"{type(regime).__name__} must leave at least one sample in use, but "
                    f"the pool of the {split} split is empty at epoch {state.epoch}"
                )
        state.own_bytes = state.data.own_bytes()

    def runs_at_once(self, states: Sequence[Run]) -> int:
        """How many runs may be trained together, for inputs of their own take memory."""
        largest = max(state.own_bytes for state in states)
        if not largest:
            return len(states)
        return max(KEPT_BYTES // largest, torch.get_num_threads())

    def held(self, state: Run) -> Held:
        """What holds under the condition of a run, kept where it takes little memory."""
        if state.held is not None:
            return state.held
        held = self._clean if state.data.is_clean() else self._held_by(state.data)
        if state.own_bytes * self._num_runs <= KEPT_BYTES:
            state.held = held
        return held

    @functools.cached_property
    def _clean(self) -> Held:
        """What holds for all runs whose data is clean."""
        return self._held_by(RunData(self._dataset))

    def _held_by(self, data: RunData) -> Held:
        training = DrawnPlan.held_by(data, self._shape, self._device)
        validation = self.evaluation_plan(data, "validation")
        return Held(training, validation, self.flops(len(validation.labels)))

    def evaluation_plan(self, data: RunData, split: str) -> EvaluationPlan:
        """The samples in use of a split, as they stand."""
        inputs, labels = data.inputs(split), data.labels(split)
        pool = data.pools.get(split)
        if pool is not None:
            inputs, labels = chosen(inputs, pool), chosen(labels, pool)
        return EvaluationPlan(inputs, labels)

    def flops(self, evaluated: int) -> int:
        """Operations to train an epoch and to evaluate as many samples."""
        batch, sample = self._flop_counts
        return batch * self._shape[0] + sample * evaluated

    @functools.cached_property
    def _flop_counts(self) -> tuple[int, int]:
        """Operations to train one mini-batch and to evaluate one sample."""
        return self._engine.count_flops(self._dataset.train.inputs[: self._shape[1]])
